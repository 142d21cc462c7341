"""Cuts: where a text is taken apart into deltas."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

from pytest_streamval.errors import InvalidArgumentError, excerpt

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_MARK = "|·"
_WORD = re.compile(r"\s+(?=\S)")  # the white space that a word begins with, as tokens of models do
_INSIDE_PAIR = re.compile(r"(?<=[\ud800-\udbff])(?=[\udc00-\udfff])")
_DENSITIES = (1 / 2, 1 / 4, 1 / 8, 1 / 32)  # of a random cut: how many of the possible places it takes


def places(text: str) -> list[int]:
    """Return the offsets at which a text can be cut: all but those inside a surrogate pair."""
    inside = {match.start() for match in _INSIDE_PAIR.finditer(text)}
    return [offset for offset in range(1, len(text)) if offset not in inside]


def pieces_of(text: str, offsets: Iterable[int]) -> list[str]:
    """Return a text in pieces, which begin at the offsets; offsets at its ends cut nothing off."""
    ends = sorted({0, len(text), *offsets})
    if ends[0] < 0 or ends[-1] > len(text):
        outside = ends[0] if ends[0] < 0 else ends[-1]
        rule = f"an offset is a place in the text, from 0 to its {len(text)} characters."
        raise InvalidArgumentError("offset", excerpt(outside), rule)
    return [text[start:end] for start, end in pairwise(ends)]


def marked(pieces: Sequence[str]) -> str:
    """Return pieces as a person reads them: `'One.|· Two'`, where `|·` is the cut."""
    return repr(_MARK.join(pieces))


@dataclass(frozen=True, slots=True)
class Cut:
    """A rule that cuts any text, always at the same places.

    `whole` does not cut, `chars` cuts behind every character, `words` before every word, and a number seeds a random
    choice, which also falls inside grapheme clusters, line ends and code fences.
    """

    NAMED: ClassVar = ("whole", "chars", "words")

    name: str
    """`whole`, `chars`, `words`, or a number from 1."""

    @classmethod
    def first(cls, count: int) -> list[Cut]:
        """Return the first `count` cuts: the three named ones, then random ones."""
        named = [cls(name) for name in cls.NAMED[:count]]
        return named + [cls(str(number)) for number in range(1, count - len(named) + 1)]

    def offsets(self, text: str) -> list[int]:
        """Return where the rule cuts a text."""
        if self.name == "whole":
            return []
        if self.name == "chars":
            return places(text)
        if self.name == "words":
            return [match.start() for match in _WORD.finditer(text) if match.start()]
        return self._drawn(text)

    def _drawn(self, text: str) -> list[int]:
        """Draw places at random, those beside anything but letters and digits more often: boundaries are there."""
        chance = random.Random(f"{self.name} {text!r}")  # noqa: S311  # repeatable chance, not secrets
        density = chance.choice(_DENSITIES)
        possible = places(text)
        plain = [character.isalnum() for character in text]
        drawn = [
            offset
            for offset in possible
            if chance.random() < (density if plain[offset - 1] and plain[offset] else max(density, 1 / 3))
        ]
        return drawn or chance.sample(possible, min(1, len(possible)))
