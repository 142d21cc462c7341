"""The wording that messages share: excerpts, counts, lists and widths, and text that is harmless in a terminal."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from unicodedata import combining, east_asian_width

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_EXCERPT = 80  # characters of a value that a message shows
# Control characters except line ends and tabs, characters that turn the direction of text, and halves of characters.
_HARMFUL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\N{ARABIC LETTER MARK}\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_AROUND = 15  # lines before and after a place that a message shows


def harmless(text: str) -> str:
    r"""Return a text that changes nothing in a terminal or a page except its own place.

    Escape sequences and other control characters, characters that turn the direction of text, and lone surrogates
    become visible, such as `\x1b`. Line ends (LF) and tabs stay.
    """
    return _HARMFUL.sub(_escape, text)


def harmless_json(text: str) -> str:
    """Return the same for JSON, with escapes that JSON has, so that its values stay."""
    return _HARMFUL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _escape(match: re.Match[str]) -> str:
    return repr(match[0])[1:-1]


def excerpt(value: object, limit: int = _EXCERPT) -> str:
    """Return the `repr` of a value, cut in the middle if it is longer than `limit` characters."""
    shown = harmless(repr(value))
    if len(shown) <= limit:
        return shown
    half = limit // 2
    return f"{shown[:half]} ... {shown[-half:]}"


def described(error: BaseException) -> str:
    """Return the message of an error, or a note if the error's own code fails to produce it."""
    try:
        return str(error)
    except Exception as failure:  # noqa: BLE001  # a message must not hide the error that it belongs to
        return f"<its message raised {type(failure).__name__}>"


def plural(count: int, noun: str) -> str:
    """Return a count with its noun: `1 read`, `2,000 reads`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def listed(names: Iterable[str], most: int | None = None) -> str:
    """Return names in one line: `a, b and 3 more` if there are more than `most`, `none` if there are none."""
    found = list(names)
    shown = found[:most]
    more = f" and {len(found) - len(shown):,} more" if len(shown) < len(found) else ""
    return f"{', '.join(shown)}{more}" or "none"


def surrounding(lines: Sequence[str], place: int) -> Sequence[str]:
    """Return the lines around a place, and the number of the others.

    Args:
        lines: All lines.
        place: The number of lines before the place.
    """
    first, last = max(0, place - _AROUND), min(len(lines), place + _AROUND)
    before = [f"  ... {first:,} more before"] if first else []
    after = [f"  ... {len(lines) - last:,} more after"] if last < len(lines) else []
    return [*before, *lines[first:last], *after]


def display_width(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    return sum(0 if combining(each) else 2 if east_asian_width(each) in {"W", "F"} else 1 for each in text)
