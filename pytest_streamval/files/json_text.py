"""JSON as text: writing on one line, and reading of any bytes.

The bytes of a file may come from a stranger. `parse_json` accepts only values that the rest of the package can use
without an error: shallow, finite, and in UTF-8.
"""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF8
from itertools import chain
from math import isfinite
from typing import TYPE_CHECKING, Any, NoReturn

from pytest_streamval.errors import excerpt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

DEEPEST = 100
"""The levels of arrays and objects in a value. Functions that call themselves for each level have room for these."""

_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]")  # line ends to an editor, or not in UTF-8


class UnreadableJsonError(ValueError):
    """A text that is not JSON, or is JSON that no reader of this package accepts."""

    def __init__(self, reason: str, at: int = 0, *, verdict: str = "Unreadable") -> None:
        super().__init__(reason, at)
        self.reason = reason
        """The fault of the JSON text, as a sentence without its point."""
        self.at = at
        """The offset of the fault in the JSON text, in characters, 0 if it is unknown."""
        self.fault = f"{verdict} JSON: {reason}"
        """The same, as a message of its own."""

    def __str__(self) -> str:
        return f"{self.reason} (at character {self.at + 1:,})" if self.at else self.reason


def json_line(value: object, *, default: Callable[[object], object] | None = None, allow_nan: bool = False) -> str:
    """Return a value as JSON on one line for editors too, in characters that UTF-8 can encode.

    Args:
        value: The value.
        default: Returns a value of JSON for a value that JSON does not have.
        allow_nan: Whether to write NaN and Infinity.

    Raises:
        ValueError: If a number is NaN or infinite, unless that is allowed.
        TypeError: If JSON does not have a value.
    """
    text = json.dumps(value, ensure_ascii=False, default=default, allow_nan=allow_nan)
    return _ESCAPED.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def parse_json(data: str | bytes, *, deepest: int = DEEPEST, finite: bool = True) -> Any:  # noqa: ANN401  # any value of JSON
    """Return the value in a JSON text.

    Args:
        data: The text, or its bytes in UTF-8, with or without a byte order mark.
        deepest: The levels of arrays and objects that the value may have.
        finite: Whether to reject NaN, Infinity and numbers as large as 1e999.

    Raises:
        UnreadableJsonError: A `ValueError`. If the text is not JSON, or its value is too deep, or has a number that is
            not finite or has thousands of digits.
    """
    text = data if isinstance(data, str) else _decoded(data)
    try:
        value = (_finite_decoder if finite else _decoder).decode(text)
    except json.JSONDecodeError as error:
        reason = error.msg.removesuffix(" at").removesuffix(" starting")
        raise UnreadableJsonError(reason, error.pos, verdict="Invalid") from error
    except UnreadableJsonError:
        raise
    except (ValueError, RecursionError) as error:  # a number with thousands of digits, thousands of nested brackets
        raise UnreadableJsonError(str(error)) from error
    if len(text) > deepest and _has_more_brackets(text, deepest) and _is_deeper(value, deepest):
        raise UnreadableJsonError(f"it is nested more than {deepest} levels deep")
    return value


def is_text(value: object) -> bool:
    """Return whether a value is a string that UTF-8 can encode, without half of a surrogate pair."""
    try:
        return isinstance(value, str) and value.encode() is not None
    except UnicodeEncodeError:
        return False


def _decoded(data: bytes) -> str:
    try:
        return data.removeprefix(BOM_UTF8).decode()  # the codec utf-8-sig is slow
    except UnicodeDecodeError as error:
        at = error.start + len(data) - len(error.object)
        reason = f"the byte {data[at]:#04x} at offset {at} is not UTF-8"
        raise UnreadableJsonError(reason, verdict="Invalid") from error


def _finite_number(digits: str) -> float:
    number = float(digits)
    if not isfinite(number):
        raise UnreadableJsonError(f"{excerpt(digits)[1:-1]} is not a finite number")
    return number


def _reject_constant(word: str) -> NoReturn:
    raise UnreadableJsonError(f"{word} is not a number of JSON")


# json.loads makes a decoder for each call with such functions, which takes longer than reading a short line
_finite_decoder = json.JSONDecoder(parse_float=_finite_number, parse_constant=_reject_constant)
_decoder = json.JSONDecoder()


def _has_more_brackets(text: str, number: int) -> bool:
    brackets = text.count("[")
    return brackets > number or brackets + text.count("{") > number


def _is_deeper(value: object, deepest: int) -> bool:
    level: Iterable[object] = [value]
    for _ in range(deepest + 1):
        level = list(chain.from_iterable(map(_parts_of_json, level)))
        if not level:
            return False
    return True


def _parts_of_json(value: object) -> Iterable[object]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
