"""List markers, such as `1.`, `2)`, `3.)`, `b.` and `(iv)`, and their order."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from pytest_streamval.engine.prose.characters import BULLETS

SURELY_AN_ITEM: Final = 20
"""The highest number that is a marker at the start of a sentence within a line. A higher one is an answer."""

LABEL: Final = re.compile(
    r"(?:\A|(?<!\s)(?P<gap>\s)\s*+|(?<=[•⁃‣]))(?P<open>\(?)(?P<label>[0-9]{1,2}|[A-Za-z]|[ivx]{2,5}|[IVX]{2,5})\Z"
)
"""A label at the end of a text, and the text before it, searched in its last `LONGEST_LABEL` characters."""

LONGEST_LABEL: Final = 8

_LIKE_LABEL: Final = re.compile(r"\A(?:.*[\s•⁃‣])?\(?(?:[0-9]{1,2}|[A-Za-z]|[ivx]{2,5}|[IVX]{2,5})\Z", re.DOTALL)

TAIL: Final = re.compile(r"(?P<close>\.\)|[.)])(?P<space>\s?)")
"""The characters that make a label a marker: its closing character and a space."""

_BULLETS: Final = BULLETS + "*+-– \t"

_ROMAN: Final = {"i": 1, "v": 5, "x": 10}


def may_be_label(text: str) -> bool:
    """Return whether a text ends with a match of `LABEL`, or can do so in the text that it is a part of."""
    return _LIKE_LABEL.match(text) is not None


def is_bullet(text: str) -> bool:
    """Return whether a text is only a bullet, so that a marker after it starts the item too."""
    return not text.strip(_BULLETS)


class Marker(NamedTuple):
    """A list marker."""

    style: str
    """The style: `d` for numbers, `a` and `A` for letters, `r` and `R` for Roman numerals."""
    close: str
    """The characters after the label: `.`, `)` or `.)`."""
    number: int


@lru_cache(maxsize=256)
def meanings_of(label: str, close: str) -> tuple[Marker, ...]:
    """Return all meanings of a label: `i` is a letter and a numeral, `12` only a number."""
    if label.isdigit():
        return (Marker("d", close, int(label)),)
    upper = label.isupper()
    found = []
    if set(label.lower()) <= _ROMAN.keys():
        found.append(Marker("R" if upper else "r", close, _roman(label.lower())))
    if len(label) == 1:
        found.append(Marker("A" if upper else "a", close, ord(label.lower()) - ord("a") + 1))
    return tuple(found)


def _roman(label: str) -> int:
    values = [_ROMAN[letter] for letter in label]
    return sum(-value if value < max(values[place:]) else value for place, value in enumerate(values))


def continuing(found: tuple[Marker, ...], last: tuple[Marker, ...]) -> tuple[Marker, ...]:
    """Return the meanings in `found` that continue the list of `last`, or start a list of the same style."""
    return tuple(
        new
        for new in found
        for old in last
        if new[:2] == old[:2] and (new.number == old.number + 1 or (new.number == 1 and ")" in new.close))
    )
