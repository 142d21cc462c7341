"""Shrinking: the search for a smaller input that still shows a fault.

Hypothesis shrinks the examples that it draws itself. Here the input is given: a text and its cuts.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, groupby, takewhile
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from pytest_streamval.scripting.script import pieces_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_T = TypeVar("_T")

Offsets: TypeAlias = tuple[int, ...]
"""A cut of a text: the offsets at which its pieces begin, except for the first one."""


@dataclass(slots=True)
class Limit:
    """The number of tries that a search has left."""

    left: int


def smallest_pieces(pieces: Sequence[str], fails: Callable[[list[str]], bool], *, tries: int = 2000) -> list[str]:
    """Return pieces with less text and fewer cuts for which `fails` still returns True.

    Args:
        pieces: A text in pieces, for which `fails` returns True.
        fails: Called with smaller pieces. The result is the argument of the last call that returned True.
        tries: The number of calls at most.
    """
    limit = Limit(tries)

    def still_fails(smaller: list[str]) -> bool:
        limit.left -= 1
        return bool(smaller) and fails(smaller)

    found, before = list(pieces), None
    while limit.left and found != before:
        before = found
        letters = tuple((number, letter) for number, piece in enumerate(found) for letter in piece)
        found = _joined(fewest(letters, lambda fewer: still_fails(_joined(fewer)), limit))
        cut = tuple(accumulate(map(len, found[:-1])))
        text = "".join(found)
        found = pieces_of(text, fewest(cut, lambda fewer: still_fails(pieces_of(text, fewer)), limit))  # noqa: B023  # called in this loop
    return found


def _joined(letters: Sequence[tuple[int, str]]) -> list[str]:
    """Return the pieces of letters that have the numbers of their pieces."""
    return ["".join(letter for _, letter in group) for _, group in groupby(letters, lambda each: each[0])]


def fewest(items: tuple[_T, ...], fails: Callable[[tuple[_T, ...]], bool], limit: Limit) -> tuple[_T, ...]:
    """Leave out items while `fails` returns True for the others: the last ones first, many at a time, then one by one.

    Args:
        items: The items, for which `fails` returns True.
        fails: Called with fewer items.
        limit: The tries that `fails` counts.
    """
    size = max(1, len(items) // 2)
    while limit.left:
        before = items
        for end in range(len(items), 0, -size):
            fewer = items[: max(0, end - size)] + items[end:]
            if limit.left and fails(fewer):
                items = fewer
        if size == 1 and items == before:
            break
        size = max(1, size // 2)
    return items


def leftmost(cut: Offsets, possible: Sequence[int], fails: Callable[[Offsets], bool], limit: Limit) -> Offsets:
    """Move the offsets of a cut to the left while `fails` returns True: all together, in pairs, and each alone.

    Args:
        cut: The cut, for which `fails` returns True.
        possible: The offsets at which the text can be cut.
        fails: Called with cuts that are further to the left.
        limit: The tries that `fails` counts.
    """
    count = len(cut)
    pairs = ((first, first + 2) for first in range(count - 1))
    for first, end in ((0, count), *pairs, *((first, first + 1) for first in range(count))):
        for moved in takewhile(lambda _: limit.left, _moved(cut, first, end, possible)):
            if fails(moved):
                cut = moved
                break
    return cut


def _moved(cut: Offsets, first: int, end: int, possible: Sequence[int]) -> Iterator[Offsets]:
    """Yield the cut with some of its offsets further to the left, at the same distances, leftmost first."""
    legal = set(possible)
    lowest = cut[first - 1] if first else 0
    for offset in takewhile(cut[first].__gt__, possible):
        block = tuple(each - cut[first] + offset for each in cut[first:end])
        if offset > lowest and legal.issuperset(block):
            yield (*cut[:first], *block, *cut[end:])
