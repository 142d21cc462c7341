"""Reading and writing JSON. Faults name the path of the value."""

from __future__ import annotations

import json
from typing import TypeVar

from pytest_streamval.errors import excerpt

_T = TypeVar("_T")
_WHITESPACE = " \t\n\r"  # of JSON
_KINDS = {dict: "an object", list: "a list", str: "a string", int: "an integer", bool: "true or false"}
_DESCRIBED = 60  # characters of a value in the message of a fault
# Line ends of `str.splitlines`, with which some clients split a body.
_LINE_ENDS = {character: f"\\u{character:04x}" for character in (0x85, 0x2028, 0x2029)}

# raw_decode avoids the two searches for whitespace of json.loads, a fifth of the time of a short frame.
_raw_decode = json.JSONDecoder().raw_decode


# One encoder for all frames: json.dumps makes one for each value, which takes longer than writing a short frame.
# Without check_circular, a value that contains itself is found by the depth of the recursion.
_encoder = json.JSONEncoder(ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":"))


class FrameFaultError(Exception):
    """A fault in a frame. The decoder turns it into a `MalformedFrameError` with the frame and the text so far."""


class NotAnObjectError(FrameFaultError):
    """A frame that is no JSON object, so that none of its values can be read."""


def parse_object(data: str) -> dict[str, object]:
    """Return the JSON object in `data`. All of its strings can be encoded as UTF-8."""
    value = load_object(data)
    if may_hold_surrogates(data):
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise FrameFaultError("it holds half of a surrogate pair, which is not text") from error
    return value


def may_hold_surrogates(data: str) -> bool:
    """Return whether strings in this JSON can hold surrogates, because some are escaped in it."""
    return "\\u" in data and ("\\ud" in data or "\\uD" in data)


def load_object(data: str) -> dict[str, object]:
    """Return the JSON object in `data`. Its strings can hold halves of surrogate pairs."""
    data = data.strip(_WHITESPACE)
    try:
        value, end = _raw_decode(data)
    except (ValueError, RecursionError) as error:  # ValueError also for an integer of thousands of digits
        raise NotAnObjectError(f"it is not JSON ({error})") from error
    if end != len(data):
        raise NotAnObjectError(f"it is not JSON (more data after the value, at character {end})")
    if type(value) is not dict:
        raise NotAnObjectError(f"it is {_describe(value)}, not an object")
    return value


def first_value(data: str) -> object:
    """Return the JSON value at the start of `data`, or None. Any text may follow it."""
    try:
        return _raw_decode(data.lstrip(_WHITESPACE))[0]
    except (ValueError, RecursionError):
        return None


def expect(value: object, kind: type[_T], path: str) -> _T:
    """Return the value if its type is `kind` (dict, list, str, int or bool), or raise `FrameFaultError`."""
    if type(value) is kind:  # JSON makes no values of subclasses
        return value
    if value is None:
        raise FrameFaultError(f"{path} is missing")
    raise FrameFaultError(f"{path} is {_describe(value)}, not {_KINDS[kind]}")


def optional(value: object, kind: type[_T], path: str) -> _T | None:
    """Return the value if its type is `kind` or it is None, or raise `FrameFaultError`."""
    return None if value is None else expect(value, kind, path)


def frame_type(event: str, body: dict[str, object]) -> str:
    """Return the type of a frame without a type in its data: its event name, or "error" if it has an error."""
    if event != "message":
        return event
    if "error" in body:
        return "error"
    raise FrameFaultError("type is missing")


def json_text(value: object) -> str:
    """Return a value as JSON on one line, for any definition of a line.

    Raises:
        ValueError: If it holds NaN, infinity or a value that contains itself.
        TypeError: If it holds a value of a type that JSON does not have.
        RecursionError: If it is nested too deep.
    """
    text = _encoder.encode(value)
    return text if text.isascii() else text.translate(_LINE_ENDS)


def arguments_text(arguments: object, path: str) -> str:
    """Return the arguments of a tool call as JSON text, as in a `ToolCallDelta`."""
    try:
        return json.dumps(arguments, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (ValueError, RecursionError) as error:
        raise FrameFaultError(f"{path} is not JSON ({error})") from error


def same_json(first: str, second: str) -> bool:
    """Return whether two texts are JSON of the same value."""
    try:
        return bool(json.loads(first) == json.loads(second))
    except (ValueError, RecursionError):
        return False


def _describe(value: object) -> str:
    # The repr of a deeply nested value could fail, and is of little use.
    return _KINDS[type(value)] if isinstance(value, dict | list) else excerpt(value, _DESCRIBED)
