"""Shrinking: the smallest text, and the fewest cuts in it, that still show a fault."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_TRIES = 2000  # so that an end is in sight whatever is tried


def shrink(pieces: Sequence[str], fails: Callable[[list[str]], bool]) -> list[str]:
    """Return pieces of less text, and fewer of them, for which `fails` is still true.

    Args:
        pieces: a text as it was cut, for which `fails` is true.
        fails: called with one smaller try after the other; each one that it is true for is where the next begin.
    """
    smallest = list(pieces)
    left = _TRIES
    smaller = _smaller(smallest)
    while left and (candidate := next(smaller, None)) is not None:
        left -= 1
        if fails(candidate):
            smallest = candidate
            smaller = _smaller(smallest)
    return smallest


def _smaller(pieces: list[str]) -> Iterator[list[str]]:
    """Yield what is a little smaller, the boldest steps first: parts of the text dropped, then cuts."""
    length = sum(map(len, pieces))
    size = length
    while size := size // 2:
        for start in range(0, length, size):
            yield _without(pieces, start, start + size)
    for at in range(1, len(pieces)):
        yield [*pieces[: at - 1], pieces[at - 1] + pieces[at], *pieces[at + 1 :]]


def _without(pieces: list[str], start: int, end: int) -> list[str]:
    """Return the pieces of the text without `text[start:end]`."""
    ends = list(accumulate(map(len, pieces)))
    kept = []
    for piece, last in zip(pieces, ends, strict=True):
        first = last - len(piece)
        kept.append(piece[: max(start - first, 0)] + piece[max(end - first, 0) :])
    return [piece for piece in kept if piece]
