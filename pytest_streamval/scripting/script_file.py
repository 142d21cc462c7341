"""Script files: scripts as JSONL that a person can read and write, one step a line."""

from __future__ import annotations

import builtins
import json
import re
from dataclasses import dataclass, fields
from difflib import get_close_matches
from importlib import import_module
from math import inf
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_streamval.errors import InvalidArgumentError, InvalidScriptError, described, excerpt
from pytest_streamval.model import Delta, ToolCallDelta, Usage
from pytest_streamval.scripting.steps import Delay, Raise, Stall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from os import PathLike

    from pytest_streamval.scripting.steps import Step

_BOM = b"\xef\xbb\xbf"
_DECODER = json.JSONDecoder()
_SHOWN = 60  # characters of a value that a message shows
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]")  # ends of lines to an editor, or not in UTF-8
_READ_BACK = "Its line has to be read back as the same step."
_MADE_AGAIN = (
    "A script file keeps the class of an exception, which has to be importable, and its args: strings, numbers, "
    "booleans and None, of which the class has to make the same exception again."
)


def read_steps(path: str | PathLike[str]) -> list[Step]:
    """Read the steps of a script file; see `Script.load`."""
    steps: list[Step] = []
    data = Path(path).read_bytes().removeprefix(_BOM)
    for number, raw in enumerate(data.split(b"\n"), 1):  # not splitlines(): a string may have U+2028 in it
        line = _Line(str(path), number, _decoded(str(path), number, raw.removesuffix(b"\r")))
        if line.text.strip() and not line.text.lstrip().startswith("#"):
            steps.append(_step(line, first=not steps))
    return steps


def write_steps(steps: Iterable[Step], path: str | PathLike[str]) -> None:
    """Write a script file; see `Script.dump`."""
    lines = [_written(number, step) for number, step in enumerate(steps)]
    Path(path).write_bytes("".join(f"{line}\n" for line in lines).encode())


# Reading


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of a script file."""

    path: str
    number: int
    text: str

    def fault(self, at: int, fault: str) -> InvalidScriptError:
        return InvalidScriptError(self.path, self.number, at + 1, fault)


class _Found(NamedTuple):
    """A value in a line."""

    line: _Line
    name: str
    value: Any
    at: int

    def fault(self, fault: str) -> InvalidScriptError:
        return self.line.fault(self.at, fault)

    def refused(self, wanted: str) -> InvalidScriptError:
        return self.fault(f"{self.name} is {wanted}, not {_shown(self.value)}")


def _decoded(path: str, number: int, raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        column = len(raw[: error.start].decode()) + 1
        raise InvalidScriptError(path, number, column, f"the byte {raw[error.start]:#04x} is not UTF-8") from error


def _step(line: _Line, *, first: bool) -> Step:
    """Return the step that a line is."""
    found = _Found(line, "a step", _parsed(line), _skip(line.text, 0))
    if isinstance(found.value, str):
        return found.value
    if not isinstance(found.value, dict) or not found.value:
        raise found.refused("a string or an object with keys")
    if first and "protocol" in found.value:
        raise found.fault("this is a cassette, a recorded stream; Script.from_cassette(path) reads it")
    for key, at, _, _ in _members(line.text, found.at):
        if key in _ALONE and len(found.value) > 1:
            raise line.fault(at, f"{_json(key)} is a step of its own, without other keys")
    values = _read(found, _STEP)
    return next((values[key] for key in values if key in _ALONE), None) or Delta(**values)


def _parsed(line: _Line) -> Any:  # noqa: ANN401  # whatever JSON brings
    try:
        return json.loads(line.text)
    except json.JSONDecodeError as error:
        what = error.msg.removesuffix(" at").removesuffix(" starting")
        raise line.fault(error.pos, f"no JSON: {what}") from error
    except (ValueError, RecursionError) as error:  # a number of too many digits, brackets too deep
        raise line.fault(_skip(line.text, 0), f"no JSON that can be read: {error}") from error


def _read(found: _Found, readers: Mapping[str, Callable[[_Found], Any]]) -> dict[str, Any]:
    """Return the values in an object, each as the reader of its key reads it."""
    if not isinstance(found.value, dict):
        raise found.refused("an object")
    values: dict[str, Any] = {}
    for key, at, value, value_at in _members(found.line.text, found.at):
        if key not in readers:
            known = ", ".join(map(_json, readers))
            raise found.line.fault(at, f"unknown key {_shown(key)}{_meant(key, readers)}; known are {known}")
        if key in values:
            raise found.line.fault(at, f"{_json(key)} stands here a second time")
        values[key] = readers[key](_Found(found.line, _json(key), value, value_at))
    return values


def _members(text: str, at: int) -> Iterator[tuple[str, int, Any, int]]:
    """Yield key and value of each member of the object that begins at `at`, with the offsets where they begin."""
    at = _skip(text, at + 1)
    while text[at] != "}":
        key, end = _DECODER.raw_decode(text, at)
        value_at = _skip(text, _skip(text, end) + 1)
        value, end = _DECODER.raw_decode(text, value_at)
        yield key, at, value, value_at
        at = _behind_comma(text, end)


def _items(found: _Found) -> Iterator[_Found]:
    """Yield the items of an array."""
    text, at = found.line.text, _skip(found.line.text, found.at + 1)
    while text[at] != "]":
        value, end = _DECODER.raw_decode(text, at)
        yield _Found(found.line, f"an item of {found.name}", value, at)
        at = _behind_comma(text, end)


def _behind_comma(text: str, at: int) -> int:
    at = _skip(text, at)
    return _skip(text, at + 1) if text[at] == "," else at


def _skip(text: str, at: int) -> int:
    """Return the offset of what stands behind white space."""
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def _meant(word: str, words: Iterable[str]) -> str:
    near = get_close_matches(word, words, 1)
    return f" (did you mean {_json(near[0])}?)" if near else ""


# Readers of values


def _string(found: _Found) -> str:
    if not isinstance(found.value, str):
        raise found.refused("a string")
    return found.value


def _string_or_null(found: _Found) -> str | None:
    return None if found.value is None else _string(found)


def _whole(found: _Found) -> int:
    if not isinstance(found.value, int) or isinstance(found.value, bool):
        raise found.refused("a whole number")
    return found.value


def _whole_or_null(found: _Found) -> int | None:
    return None if found.value is None else _whole(found)


def _tool_calls(found: _Found) -> tuple[ToolCallDelta, ...]:
    if not isinstance(found.value, list):
        raise found.refused("an array of objects")
    return tuple(ToolCallDelta(**_read(item, _TOOL_CALL)) for item in _items(found))


def _usage(found: _Found) -> Usage | None:
    return None if found.value is None else Usage(**_read(found, _USAGE))


def _delay(found: _Found) -> Delay:
    seconds = found.value
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < inf:
        raise found.refused("a number of seconds, 0 or more")
    return Delay(seconds)


def _stall(found: _Found) -> Stall:
    if found.value is not True:
        raise found.refused("true")
    return Stall()


def _raise(found: _Found) -> Raise:
    values = _read(found, _RAISE)
    if "type" not in values:
        raise found.fault('"raise" needs a "type", the class of the exception')
    if "message" in values and "args" in values:
        raise found.fault('"raise" takes "message" or "args": the message is the only one of the args')
    kind = values["type"]
    args = [values["message"]] if "message" in values else values.get("args")
    try:
        made = kind(*args or ())
    except Exception as error:  # its code may fail in any way
        fault = f"{kind.__qualname__} cannot be made: {type(error).__name__}: {described(error)}"
        raise found.fault(fault) from error
    return Raise(kind if args is None else made)


def _args(found: _Found) -> list[str | float | bool | None]:
    if not isinstance(found.value, list):
        raise found.refused("an array")
    for item in _items(found):
        if isinstance(item.value, list | dict):
            raise item.refused("a string, a number, true, false or null")
    return found.value


def _exception(found: _Found) -> type[BaseException]:
    """Return the class that is named; what is no built-in one is imported, and nothing is evaluated."""
    name = _string(found)
    module, colon, qualname = name.partition(":")
    try:
        kind = attrgetter(qualname)(import_module(module)) if colon else getattr(builtins, name, None)
    except Exception as error:  # the module's code may fail in any way
        raise found.fault(f"{name} cannot be imported: {type(error).__name__}: {described(error)}") from error
    if isinstance(kind, type) and issubclass(kind, BaseException):
        return kind
    if colon or kind is not None:
        raise found.fault(f"{name} is no class of exceptions")
    meant = _meant(name, [name for name, kind in vars(builtins).items() if isinstance(kind, type)])
    raise found.fault(f'no built-in exception is called {_shown(name)}{meant}; any other is "package.module:Class"')


_TOOL_CALL = {"index": _whole, "id": _string_or_null, "name": _string_or_null, "arguments": _string}
_USAGE = {"input_tokens": _whole_or_null, "output_tokens": _whole_or_null}
_RAISE = {"type": _exception, "message": _string, "args": _args}
_ALONE = {"delay": _delay, "raise": _raise, "stall": _stall}
_STEP = {
    "text": _string,
    "thinking": _string,
    "tool_calls": _tool_calls,
    "usage": _usage,
    "finish_reason": _string_or_null,
    **_ALONE,
}

# Writing


def _written(number: int, step: Step) -> str:
    """Return the line of a step, having made sure that it says the same."""
    try:
        line = _json(_value(step))
        back = _step(_Line("", 1, line), first=False)
    except (TypeError, ValueError) as error:
        raise _unkept(
            number, step, error.fault if isinstance(error, InvalidScriptError) else described(error)
        ) from error
    if _told(back) != _told(step):
        raise _unkept(number, step, f"it would come back as {excerpt(back)}, which is not the same")
    return line


def _unkept(number: int, step: Step, why: str) -> InvalidArgumentError:
    rule = _MADE_AGAIN if isinstance(step, Raise) else _READ_BACK
    return InvalidArgumentError(f"steps[{number}]", excerpt(step), f"{why}. {rule}")


def _value(step: Step) -> object:
    """Return what a line says of a step."""
    if isinstance(step, str):
        return step
    if isinstance(step, Delta):
        return _filled(step) or {"text": ""}
    if isinstance(step, Delay):
        return {"delay": step.seconds}
    if isinstance(step, Stall):
        return {"stall": True}
    if isinstance(step.exc, type):
        return {"raise": {"type": _name(step.exc)}}
    args = step.exc.args
    told = {"message": args[0]} if len(args) == 1 and isinstance(args[0], str) else {"args": args}
    return {"raise": {"type": _name(type(step.exc)), **told}}


def _filled(record: object) -> dict[str, Any]:
    """Return the fields of a delta, or of what is in one, that are not at their default."""
    if not isinstance(record, Delta | Usage | ToolCallDelta):
        raise TypeError(f"{excerpt(record)} cannot be written as JSON")
    values = {field.name: (getattr(record, field.name), field.default) for field in fields(record)}
    return {name: value for name, (value, default) in values.items() if value != default}


def _name(kind: type[BaseException]) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}:{kind.__qualname__}"


def _told(step: Step) -> object:
    """Return a step as something comparable: an exception equals itself only."""
    if not isinstance(step, Raise) or isinstance(step.exc, type):
        return step
    return type(step.exc), step.exc.args, described(step.exc), step.exc.__cause__, vars(step.exc)


def _json(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=_filled)
    return _ESCAPED.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _shown(value: object) -> str:
    text = _json(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
