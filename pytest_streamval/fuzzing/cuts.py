"""Cuts: where a text is taken apart into deltas."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, ClassVar

from pytest_streamval.errors import InvalidArgumentError, excerpt, plural
from pytest_streamval.scripting.script import pieces_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_MARK = "|·"
_AROUND = 30  # characters shown on each side of a cut of a long text
_WORD = re.compile(r"\s+(?=\S)")  # the white space that a word begins with, as tokens of models do
_INSIDE_PAIR = re.compile(r"(?<=[\ud800-\udbff])(?=[\udc00-\udfff])")
_DENSITIES = (1 / 2, 1 / 4, 1 / 8, 1 / 32)  # of a random cut: how many of the possible places it takes


def places(text: str) -> list[int]:
    """Return the offsets at which a text can be cut: all but those inside a surrogate pair."""
    inside = {match.start() for match in _INSIDE_PAIR.finditer(text)}
    return [offset for offset in range(1, len(text)) if offset not in inside]


def edges(text: str, possible: Iterable[int]) -> list[int]:
    """Return the places beside anything but letters and digits: boundaries are there."""
    plain = [character.isalnum() for character in text]
    return [offset for offset in possible if not (plain[offset - 1] and plain[offset])]


def marked(pieces: Sequence[str], limit: int | None = None) -> str:
    """Return pieces as a person reads them: `'One.|· Two'`, where `|·` is the cut.

    Args:
        pieces: the pieces of a text.
        limit: how many characters to show at most, roughly; of a longer text, only what stands around its cuts.
    """
    whole = repr(_MARK.join(pieces))
    if limit is None or len(whole) <= limit:
        return whole
    text = "".join(pieces)
    offsets = list(accumulate(map(len, pieces[:-1])))
    shown = [(max(0, group[0] - _AROUND), group, group[-1] + _AROUND) for group in _groups(offsets, limit)]
    parts = [
        marked(pieces_of(text[start:end], (offset - start for offset in group))) for start, group, end in shown
    ] or [repr(text[:limit])]
    before = "... " if shown and shown[0][0] else ""
    behind = " ..." if not shown or shown[-1][2] < len(text) else ""
    return f"{before}{' ... '.join(parts)}{behind} ({plural(len(offsets), 'cut')} in {len(text):,} characters)"


def _groups(offsets: Sequence[int], limit: int) -> list[list[int]]:
    """Return the first cuts, near ones together, as many as can be shown with their surroundings."""
    groups: list[list[int]] = []
    used = 0
    for offset in offsets:
        near = bool(groups) and offset - groups[-1][-1] <= 2 * _AROUND
        used += offset - groups[-1][-1] + len(_MARK) if near else 2 * _AROUND
        if groups and used > limit:
            break
        if near:
            groups[-1].append(offset)
        else:
            groups.append([offset])
    return groups


@dataclass(frozen=True, slots=True)
class Cut:
    """A rule that cuts any text, always at the same places.

    `whole` does not cut, `chars` cuts behind every character, `words` before every word, and a number seeds a random
    choice, which also falls inside grapheme clusters, line ends and code fences.
    """

    NAMED: ClassVar = ("whole", "chars", "words")

    name: str
    """`whole`, `chars`, `words`, or a number from 1."""

    def __post_init__(self) -> None:
        name: object = self.name
        if not isinstance(name, str) or (name not in self.NAMED and not name.isdecimal()):
            rule = f"A cut is one of {', '.join(self.NAMED)}, or a number, given as a str."
            raise InvalidArgumentError("name", excerpt(name), rule)

    @property
    def rank(self) -> tuple[int, int]:
        """Where it stands in the order of all cuts: the named ones, then the numbers."""
        return (0, self.NAMED.index(self.name)) if self.name in self.NAMED else (1, int(self.name))

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
        """Draw places at random, those at the edges of words more often."""
        chance = random.Random(f"{self.name} {text!r}")  # noqa: S311  # repeatable chance, not secrets
        density = chance.choice(_DENSITIES)
        possible = places(text)
        likely = set(edges(text, possible))
        drawn = [
            offset for offset in possible if chance.random() < (max(density, 1 / 3) if offset in likely else density)
        ]
        return drawn or chance.sample(possible, min(1, len(possible)))
