"""Script files: scripts as JSONL that a person can read and write, one step a line."""

from __future__ import annotations

import json
import re
import sys
from base64 import b64decode, b64encode
from dataclasses import dataclass, fields
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_streamval.errors import (
    InvalidArgumentError,
    InvalidFileError,
    StreamvalError,
    described,
    excerpt,
    invalid_script_error,
)
from pytest_streamval.files.json_text import UnreadableJsonError, json_line, parse_json
from pytest_streamval.files.writing import write_file
from pytest_streamval.model import Delta, ToolCallDelta, Usage
from pytest_streamval.scripting.named_exceptions import exception_named
from pytest_streamval.scripting.steps import Delay, Raise, RawFrame, Stall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from os import PathLike
    from typing import TypeAlias

    from pytest_streamval.scripting.steps import Step

    _Reader: TypeAlias = Callable[["_Value"], Any]

_BOM = b"\xef\xbb\xbf"
_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"\s*")
_NOTHING = '""'  # an empty delta
_LONGEST = sys.float_info.max  # seconds
_SHOWN = 60  # characters of a value that a message shows
_READ_BACK = "A line must be read back as the same step."
_MADE_AGAIN = (
    "A script file keeps the class of an exception, which must be importable, and its args: strings, numbers, booleans "
    "and None. The class must make the same exception of them."
)


def read_steps(path: str | PathLike[str], imports: Iterable[str] = ()) -> list[Step]:
    """Return the steps in a script file. See `Script.load`."""
    steps: list[Step] = []
    allowed = frozenset(imports)
    data = Path(path).read_bytes().removeprefix(_BOM)
    number = 1
    for number, raw in enumerate(data.split(b"\n"), 1):  # not splitlines(), as a string may contain U+2028
        line = _Line(str(path), number, _decode(str(path), number, raw.removesuffix(b"\r")), allowed)
        if line.text.strip() and not line.text.lstrip().startswith("#"):
            steps.append(_step(line, first=not steps))
    if not steps:
        fault = f"The file has no step{'' if data else ', it is empty'}. A producer that sends nothing has {_NOTHING}"
        raise invalid_script_error(str(path), number, 1, fault)
    return steps


def write_steps(steps: Iterable[Step], path: str | PathLike[str]) -> None:
    """Write a script file. See `Script.dump`."""
    lines = [_line(number, step) for number, step in enumerate(steps)]
    if not lines:
        rule = f"A file must have a step, as an empty file may be a damaged one. Write Script.of({_NOTHING})."
        raise InvalidArgumentError("steps", "()", rule)
    write_file(path, "".join(f"{line}\n" for line in lines).encode())


# Reading: the errors have the columns of keys and values, which a parser of JSON does not report


@dataclass(frozen=True, slots=True)
class _Line:
    path: str
    number: int
    text: str
    imports: frozenset[str] = frozenset()
    """The names of the modules that may be imported."""

    def fault(self, at: int, fault: str) -> InvalidFileError:
        return invalid_script_error(self.path, self.number, at + 1, fault)


class _Value(NamedTuple):
    """A value in a line."""

    line: _Line
    name: str
    value: Any
    at: int
    """The offset in the line."""

    def fault(self, fault: str) -> InvalidFileError:
        return self.line.fault(self.at, fault)

    def invalid(self, rule: str) -> InvalidFileError:
        return self.fault(f"Invalid {self.name}: {_shown(self.value)}. It must be {rule}")


def _decode(path: str, number: int, raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        column = len(raw[: error.start].decode()) + 1
        raise invalid_script_error(path, number, column, f"The byte {raw[error.start]:#04x} is not UTF-8") from error


def _step(line: _Line, *, first: bool) -> Step:
    found = _Value(line, "step", _parse(line), _skip(line.text, 0))
    if isinstance(found.value, str):
        return found.value
    if not isinstance(found.value, dict) or not found.value:
        raise found.invalid("a string or an object with keys")
    if first and "protocol" in found.value:
        raise found.fault("This file is a cassette, a recorded stream. Read it with Script.from_cassette(path)")
    for key, at, _, _ in _parts(line.text, found.at):
        if key in _ALONE and len(found.value) > 1:
            raise line.fault(at, f"{_json(key)} must be the only key of its step")
    values = _read(found, _STEP)
    return next((values[key] for key in values if key in _ALONE), None) or Delta(**values)


def _parse(line: _Line) -> Any:  # noqa: ANN401  # any value of JSON
    try:
        return parse_json(line.text, finite=False)  # the readers below check numbers
    except UnreadableJsonError as error:
        raise line.fault(error.at or _skip(line.text, 0), error.fault) from error


def _read(found: _Value, readers: Mapping[str, _Reader]) -> dict[str, Any]:
    """Return the values in an object by their keys. The reader of its key converts each value."""
    if not isinstance(found.value, dict):
        raise found.invalid("an object")
    values: dict[str, Any] = {}
    for key, at, value, value_at in _parts(found.line.text, found.at):
        if key not in readers:
            known = ", ".join(map(_json, readers))
            raise found.line.fault(at, f"Unknown key {_shown(key)}{_hint(key, readers)}. Known keys are {known}")
        if key in values:
            raise found.line.fault(at, f"Duplicate key {_json(key)}")
        values[key] = readers[key](_Value(found.line, _json(key), value, value_at))
    return values


def _items(found: _Value) -> Iterator[_Value]:
    for _, _, value, at in _parts(found.line.text, found.at):
        yield _Value(found.line, f"item of {found.name}", value, at)


def _parts(text: str, at: int) -> Iterator[tuple[str, int, Any, int]]:
    """Yield the keys and values of the object at an offset with their offsets, or the items of the array there."""
    end_character = "}" if text[at] == "{" else "]"
    at = _skip(text, at + 1)
    while text[at] != end_character:
        key, key_at = "", at
        if end_character == "}":
            key, end = _DECODER.raw_decode(text, at)
            at = _skip(text, _skip(text, end) + 1)
        value, end = _DECODER.raw_decode(text, at)
        yield key, key_at, value, at
        at = _skip(text, end)
        at = _skip(text, at + 1) if text[at] == "," else at


def _skip(text: str, at: int) -> int:
    """Return the offset of the next character that is not white space."""
    space = _SPACE.match(text, at)
    return space.end() if space else at


def _hint(word: str, words: Iterable[str]) -> str:
    near = get_close_matches(word, words, 1)
    return f" (did you mean {_json(near[0])}?)" if near else ""


# Readers of values


def _typed(kind: type, rule: str, found: _Value) -> Any:  # noqa: ANN401  # a value of that type
    if type(found.value) is not kind:
        raise found.invalid(rule)
    return found.value


def _or_null(reader: _Reader, found: _Value) -> Any:  # noqa: ANN401  # as the reader
    return None if found.value is None else reader(found)


def _tool_calls(found: _Value) -> tuple[ToolCallDelta, ...]:
    _typed(list, "an array of objects", found)
    return tuple(ToolCallDelta(**_read(item, _TOOL_CALL)) for item in _items(found))


def _usage(found: _Value) -> Usage:
    return Usage(**_read(found, _USAGE))


def _delay(found: _Value) -> Delay:
    seconds = found.value
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= _LONGEST:
        raise found.invalid("a number of seconds, 0 or more")
    return Delay(seconds)


def _stall(found: _Value) -> Stall:
    if found.value is not True:
        raise found.invalid("true")
    return Stall()


def _raw(found: _Value) -> RawFrame:
    if isinstance(found.value, dict):
        values = _read(found, _RAW)
        if "base64" not in values:
            raise found.invalid('a text, or an object with "base64"')
        return RawFrame(values["base64"])
    text: str = _typed(str, 'a text, or an object with "base64"', found)
    try:
        return RawFrame(text.encode())
    except UnicodeEncodeError as error:
        raise found.fault(f"{found.name} cannot be written as UTF-8. Bytes that are no text have base64") from error


def _base64(found: _Value) -> bytes:
    try:
        return b64decode(_string(found), validate=True)
    except ValueError as error:
        raise found.fault(f"{found.name} is not base64: {error}") from error


def _raise(found: _Value) -> Raise:
    values = _read(found, _RAISE)
    if "type" not in values:
        raise found.fault('"raise" must have a "type", the class of the exception')
    if "message" in values and "args" in values:
        raise found.fault('"raise" must not have both "message" and "args", as a message is the only one of the args')
    kind = values["type"]
    args = [values["message"]] if "message" in values else values.get("args")
    try:
        made = kind(*args or ())
    except Exception as error:  # the code of the class may raise anything
        fault = f"{kind.__qualname__} cannot be made: {type(error).__name__}: {described(error)}"
        raise found.fault(fault) from error
    if not isinstance(made, kind):
        raise found.fault(f"{kind.__qualname__} makes a value of another class, {type(made).__qualname__}")
    return Raise(kind if args is None else made)


def _args(found: _Value) -> list[str | float | bool | None]:
    args: list[str | float | bool | None] = _typed(list, "an array", found)
    for item in _items(found):
        if isinstance(item.value, list | dict):
            raise item.invalid("a string, a number, true, false or null")
    return args


def _exception(found: _Value) -> type[BaseException]:
    name = _string(found)
    try:
        return exception_named(name, found.line.imports)
    except ValueError as error:
        raise found.fault(str(error)) from error.__cause__


_string = partial(_typed, str, "a string")
_integer = partial(_typed, int, "a whole number")
_string_or_null = partial(_or_null, _string)
_integer_or_null = partial(_or_null, _integer)
_TOOL_CALL = {"index": _integer, "id": _string_or_null, "name": _string_or_null, "arguments": _string, "kind": _string}
_USAGE = {field.name: _integer_or_null for field in fields(Usage)}
_RAISE: Mapping[str, _Reader] = {"type": _exception, "message": _string, "args": _args}
_RAW: Mapping[str, _Reader] = {"base64": _base64}
_ALONE = {"delay": _delay, "raise": _raise, "stall": _stall, "raw": _raw}
_STEP: Mapping[str, _Reader] = {
    "text": _string,
    "thinking": _string,
    "tool_calls": _tool_calls,
    "usage": partial(_or_null, _usage),
    "finish_reason": _string_or_null,
    "refusal": _string,
    "signature": _string,
    "redacted": _string,
    **_ALONE,
}

# Writing


def _line(number: int, step: Step) -> str:
    """Return the line of a step, after a check that it is read back as the same step."""
    try:
        line = _json(_value(step))
        back = _step(_Line("", 1, line), first=False)
    except (TypeError, ValueError) as error:
        reason = error.fault if isinstance(error, InvalidFileError) else described(error)
        raise _unwritable(number, step, reason) from error
    if _comparable(back) != _comparable(step):
        raise _unwritable(number, step, f"It would be read back as {excerpt(back)}, which is not the same")
    return line


def _unwritable(number: int, step: Step, reason: str) -> InvalidArgumentError:
    rule = _MADE_AGAIN if isinstance(step, Raise) else _READ_BACK
    return InvalidArgumentError(f"steps[{number}]", excerpt(step), f"{reason}. {rule}")


def _value(step: Step) -> object:
    if isinstance(step, str):
        return step
    if isinstance(step, Delta):
        return _filled(step) or {"text": ""}
    if isinstance(step, Delay):
        return {"delay": step.seconds}
    if isinstance(step, Stall):
        return {"stall": True}
    if isinstance(step, RawFrame):
        return {"raw": _text_or_base64(step.data)}
    return {"raise": _exception_fields(step.exc)}


def _exception_fields(exc: BaseException | type[BaseException]) -> dict[str, Any]:
    if isinstance(exc, type):
        return {"type": _name(exc)}
    content = {"message": exc.args[0]} if len(exc.args) == 1 and isinstance(exc.args[0], str) else {"args": exc.args}
    return {"type": _name(type(exc)), **content}


def _text_or_base64(data: bytes) -> object:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"base64": b64encode(data).decode()}


def _filled(record: object) -> dict[str, Any]:
    """Return the fields of a delta, or of a value in one, that do not have their defaults."""
    if not isinstance(record, Delta | Usage | ToolCallDelta):
        raise TypeError(f"{excerpt(record)} cannot be written as JSON")
    values = {field.name: (getattr(record, field.name), field.default) for field in fields(record)}
    return {name: value for name, (value, default) in values.items() if value != default}


def _name(kind: type[BaseException]) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}:{kind.__qualname__}"


def _comparable(step: Step) -> object:
    """Return a step in a form that can be compared, as an exception equals only itself."""
    if not isinstance(step, Raise) or isinstance(step.exc, type):
        return step
    if isinstance(step.exc, StreamvalError):  # the text before it, for one, is that of the steps before it
        return type(step.exc), step.exc.args
    return type(step.exc), step.exc.args, described(step.exc), step.exc.__cause__, vars(step.exc)


def _json(value: object) -> str:
    return json_line(value, default=_filled, allow_nan=True)


def _shown(value: object) -> str:
    text = _json(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
