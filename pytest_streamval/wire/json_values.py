"""JSON as it goes over the wire: read with faults that name the place, written so that every client can read it."""

from __future__ import annotations

import json
from typing import TypeVar

from pytest_streamval.errors import excerpt

_T = TypeVar("_T")
_WHITESPACE = " \t\n\r"  # what JSON takes for it
_KINDS = {dict: "an object", list: "a list", str: "a string", int: "an integer", bool: "true or false"}
_SHOWN = 60  # characters of a value that a fault shows
# Line ends to `str.splitlines`, which some clients cut a body with.
_LINE_ENDS = {character: f"\\u{character:04x}" for character in (0x85, 0x2028, 0x2029)}

# raw_decode spares the two searches for whitespace that json.loads makes, a fifth of the time of a short frame.
_raw_decode = json.JSONDecoder().raw_decode


# One encoder for all frames: json.dumps makes one for each value, which takes longer than to write a short frame.
# Without a record of what it is in, it is the depth that tells a value which contains itself.
_encoder = json.JSONEncoder(ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":"))


class FrameFaultError(Exception):
    """What is wrong with a frame. The decoder adds the frame and the text so far: `MalformedFrameError`."""


class ProviderReportError(Exception):
    """An error that the provider reports. The decoder adds the text so far: `ProviderStreamError`."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(kind, message)
        self.kind = kind
        self.message = message


def parse_object(data: str) -> dict[str, object]:
    """The JSON object that `data` is, with nothing in it that no text could hold."""
    data = data.strip(_WHITESPACE)
    try:
        value, end = _raw_decode(data)
        if "\\u" in data and ("\\ud" in data or "\\uD" in data):
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise FrameFaultError("it holds half of a surrogate pair, which is no text") from error
    except (ValueError, RecursionError) as error:  # ValueError also for an integer of thousands of digits
        raise FrameFaultError(f"it is no JSON ({error})") from error
    if end != len(data):
        raise FrameFaultError(f"it is no JSON (more data after the value, at character {end})")
    if type(value) is not dict:
        raise FrameFaultError(f"it is {_shown(value)}, not an object")
    return value


def expect(value: object, kind: type[_T], path: str) -> _T:
    """The value, which has to be a `kind`: dict, list, str, int or bool."""
    if type(value) is kind:  # as what comes from JSON is, if it is of that kind at all
        return value
    if value is None:
        raise FrameFaultError(f"{path} is missing")
    raise FrameFaultError(f"{path} is {_shown(value)}, not {_KINDS[kind]}")


def optional(value: object, kind: type[_T], path: str) -> _T | None:
    """The value, which has to be a `kind` where there is one."""
    return None if value is None else expect(value, kind, path)


def report(error: object, data: str) -> ProviderReportError:
    """What a provider says about its error, in whatever form it says it; at worst the frame's own `data`."""
    if not isinstance(error, dict):
        return ProviderReportError("an error", error if isinstance(error, str) else data)
    kinds = (error.get("type"), error.get("status"), error.get("code"))
    kind = next((str(kind) for kind in kinds if kind and isinstance(kind, str | int)), "an error")
    message = error.get("message")
    return ProviderReportError(kind, message if isinstance(message, str) else data)


def frame_type(event: str, body: dict[str, object]) -> str:
    """The type of a frame whose data has none: what the frame is called, if it is called anything."""
    if event != "message":
        return event
    if "error" in body:
        return "error"
    raise FrameFaultError("type is missing")


def json_text(value: object) -> str:
    """Write a value as JSON on one line, whatever a client takes for a line.

    Raises:
        ValueError: If it holds what JSON has no word for: NaN, infinity, a value that contains itself.
        TypeError: If it holds a value of another type than JSON's.
        RecursionError: If it is too deep.
    """
    text = _encoder.encode(value)
    return text if text.isascii() else text.translate(_LINE_ENDS)


def arguments_text(arguments: dict[str, object], path: str) -> str:
    """Write the arguments of a tool call as JSON text, as they stand in a `ToolCallDelta`."""
    try:
        return json.dumps(arguments, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (ValueError, RecursionError) as error:
        raise FrameFaultError(f"{path} is no JSON ({error})") from error


def _shown(value: object) -> str:
    # The repr of a deep value could itself fail, and says little.
    return _KINDS[type(value)] if isinstance(value, dict | list) else excerpt(value, _SHOWN)
