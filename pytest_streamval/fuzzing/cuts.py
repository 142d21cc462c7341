"""Cuts: rules for the offsets at which a text, a body or a frame is divided into pieces."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, ClassVar

from pytest_streamval.errors import InvalidArgumentError, excerpt, plural
from pytest_streamval.scripting.script import pieces_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_MARK = "|·"
_AROUND = 30  # characters shown on each side of a cut of a long text
_WORD = re.compile(r"(?<!\s)\s++(?=\S)")  # a word begins with its white space, like the tokens of models
_INSIDE_PAIR = re.compile(r"(?<=[\ud800-\udbff])(?=[\udc00-\udfff])")
_INSIDE_BYTES = re.compile(
    rb"(?<=\r)(?=\n)|(?<=\n)(?=\r?\n)|(?<=[\x80-\xff])(?=[\x80-\xbf])|(?<=[\xc2-\xf4])(?=[\x80-\xbf])"
)
_DENSITIES = (1 / 2, 1 / 4, 1 / 8, 1 / 32)  # the share of the possible offsets in a random cut of a text
_FRAME_DENSITIES = (1 / 4, 1 / 16, 1 / 64)  # the same for the bytes of frames


def possible_offsets(text: str) -> list[int]:
    """Return the offsets at which a text can be cut. These are all offsets except those inside a surrogate pair."""
    inside = {match.start() for match in _INSIDE_PAIR.finditer(text)}
    return [offset for offset in range(1, len(text)) if offset not in inside]


def boundary_offsets(text: str, offsets: Iterable[int]) -> list[int]:
    """Return those of the offsets that are next to a character other than a letter or a digit."""
    plain = [character.isalnum() for character in text]
    return [offset for offset in offsets if not (plain[offset - 1] and plain[offset])]


def show_cuts(pieces: Sequence[str], limit: int | None = None) -> str:
    """Return the `repr` of a text with a mark at each cut: `'One.|· Two'`.

    Args:
        pieces: The pieces of the text.
        limit: The approximate number of characters to show. Of a longer text, only the parts around its cuts are shown.
    """
    complete = repr(_MARK.join(pieces))
    if limit is None or len(complete) <= limit:
        return complete
    text = "".join(pieces)
    offsets = list(accumulate(map(len, pieces[:-1])))
    spans = [(max(0, group[0] - _AROUND), group, group[-1] + _AROUND) for group in _groups(offsets, limit)]
    parts = [
        show_cuts(pieces_of(text[start:end], (offset - start for offset in group))) for start, group, end in spans
    ] or [repr(text[:limit])]
    before = "... " if spans and spans[0][0] else ""
    after = " ..." if not spans or spans[-1][2] < len(text) else ""
    return f"{before}{' ... '.join(parts)}{after} ({plural(len(offsets), 'cut')} in {len(text):,} characters)"


def _groups(offsets: Sequence[int], limit: int) -> list[list[int]]:
    """Return the first cuts, grouped by nearness, as many as fit into the limit with the text around them."""
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
    """A rule that cuts the same text at the same offsets each time.

    `whole` does not cut. `chars` cuts after every character, `words` before every word. A number is the seed of a
    random choice, which includes offsets inside grapheme clusters, line ends and code fences.
    """

    NAMED: ClassVar = ("whole", "chars", "words")

    name: str
    """`whole`, `chars`, `words`, or a number from 1."""

    def __post_init__(self) -> None:
        name: object = self.name
        if not isinstance(name, str) or (name not in self.NAMED and not name.isdecimal()):
            rule = f"It must be {', '.join(self.NAMED)} or a number, as a str."
            raise InvalidArgumentError("name", excerpt(name), rule)

    @property
    def rank(self) -> tuple[int, int]:
        """The position in the order of all cuts: the named ones, then the numbers."""
        return (0, self.NAMED.index(self.name)) if self.name in self.NAMED else (1, int(self.name))

    @classmethod
    def first(cls, count: int) -> list[Cut]:
        """Return the first `count` cuts: the three named ones, then random ones."""
        named = [cls(name) for name in cls.NAMED[:count]]
        return named + [cls(str(number)) for number in range(1, count - len(named) + 1)]

    def of_text(self, text: str) -> list[int]:
        """Return the offsets at which a text is cut, in characters, never inside a surrogate pair."""
        if self.name == "whole":
            return []
        if self.name == "chars":
            return possible_offsets(text)
        if self.name == "words":
            return [match.start() for match in _WORD.finditer(text) if match.start()]
        return self._random_offsets(text)

    def of_bytes(self, data: bytes) -> list[int]:
        """Return the offsets at which the body of a response is cut, in bytes, also inside characters."""
        return self.of_text(data.decode("latin-1"))

    def of_frames(self) -> Callable[[bytes], Sequence[int]]:
        """Return a function that returns the offsets at which to cut a frame, for each frame of one response in turn.

        `whole` and `words` cut no frame: a server sends all frames at once, or each one by itself. The number 1 cuts
        inside every line end and every character of several bytes. The other numbers prefer such offsets.
        """
        if self.name in {"whole", "words"}:
            return lambda _: ()
        if self.name == "chars":
            return lambda data: range(1, len(data))
        if self.name == "1":
            return _offsets_inside
        chance = random.Random(self.name)  # noqa: S311  # repeatable chance, not secrets
        density = chance.choice(_FRAME_DENSITIES)

        def random_offsets(data: bytes) -> list[int]:
            likely = set(_offsets_inside(data))
            return [at for at in range(1, len(data)) if chance.random() < (1 / 2 if at in likely else density)]

        return random_offsets

    def _random_offsets(self, text: str) -> list[int]:
        chance = random.Random(f"{self.name} {text!r}")  # noqa: S311  # repeatable chance, not secrets
        density = chance.choice(_DENSITIES)
        possible = possible_offsets(text)
        likely = set(boundary_offsets(text, possible))
        drawn = [
            offset for offset in possible if chance.random() < (max(density, 1 / 3) if offset in likely else density)
        ]
        return drawn or chance.sample(possible, min(1, len(possible)))


def _offsets_inside(data: bytes) -> list[int]:
    return [match.start() for match in _INSIDE_BYTES.finditer(data)]
