"""The rules that divide texts and bytes, in an order that soon cuts each place with nothing near it, and soon not."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from functools import cache, lru_cache
from hashlib import shake_128
from itertools import compress, count
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

_INSIDE_PAIR = re.compile(r"(?<=[\ud800-\udbff])(?=[\udc00-\udfff])")
_INSIDE_BYTES = re.compile(
    rb"(?<=\r)(?=\n)|(?<=\n)(?=\r?\n)|(?<=[\x80-\xff])(?=[\x80-\xbf])|(?<=[\xc2-\xf4])(?=[\x80-\xbf])"
)
_STARTS: Final = {
    "words": re.compile(r"(?<!\s)\s++(?=\S)"),  # a word begins with its white space, like the tokens of models
    "atoms": re.compile(r"[^\W\d_]+|\d+|[^\S\n\r]+|.", re.DOTALL),
    "tokens": re.compile(r" ?[^\W\d_]{1,7}|\s+(?=\S)|\s+| ?[^\w\s]{1,3}|\d{1,3}| ?\w"),
}
_DENSITIES = (1 / 2, 1 / 4, 1 / 8, 1 / 8, 1 / 16, 1 / 16, 1 / 32, 1 / 32)  # the shares of the offsets of a random cut
_AT_BOUNDARIES = 1 / 4  # the least share of the offsets next to a character other than a letter or a digit
_BYTES_OF_CHOICE = 8  # random bytes for the choice of a share
_BYTE_DENSITIES = (1 / 4, 1 / 16, 1 / 64)  # the same for bytes


def possible_offsets(text: str) -> list[int]:
    """Return the offsets at which a text can be cut. These are all offsets except those inside a surrogate pair."""
    inside = _inside_pairs(text)
    if not inside:
        return list(range(1, len(text)))
    return [offset for offset in range(1, len(text)) if offset not in inside]


def boundary_offsets(text: str, offsets: Iterable[int]) -> list[int]:
    """Return those of the offsets that are next to a character other than a letter or a digit."""
    plain = [character.isalnum() for character in text]
    return [offset for offset in offsets if not (plain[offset - 1] and plain[offset])]


@dataclass(frozen=True, slots=True)
class CutRule:
    """A rule that finds the same offsets in the same text each time."""

    at: Literal["nowhere", "places", "words", "atoms", "tokens", "random"]
    """The offsets of which the rule takes some.

    `places` are all possible ones. The others are the starts of words, of atoms, or of pieces like a model's tokens.
    Atoms are letters, digits, white space in a line, and single other characters.
    """
    step: int = 1
    """The rule takes one of so many offsets. For `random` it is the seed."""
    first: int = 0
    """The index of the first offset that it takes, below `step`."""
    empty: bool = False
    """Whether empty deltas are added, at both ends and after every third piece."""
    finish: Literal["", "joined", "apart"] = ""
    """The place of the finish reason: as scripted, on the last delta with content, or on a delta of its own."""

    def offsets(self, text: str) -> list[int]:
        """Return the offsets at which a text is cut, in characters, never inside a surrogate pair."""
        if self.at == "nowhere":
            return []
        if self.at == "random":
            return _random_offsets(text, self.step)
        return self._candidates(text)[self.first :: self.step]

    def of_parts(self) -> Callable[[bytes], list[int]]:
        """Return a function that returns the offsets at which to cut each part of some bytes in turn.

        The offset 0 is a cut before the part. The numbering of the offsets continues from part to part.
        """
        if self.at == "random":
            return _random_parts(self.step)
        seen = -1  # the very first offset is the beginning, which is no cut

        def offsets(data: bytes) -> list[int]:
            nonlocal seen
            candidates = self._starts(data) if self.at != "nowhere" else []
            found = [at for index, at in enumerate(candidates, seen) if index >= 0 and index % self.step == self.first]
            seen += len(candidates)
            return found

        return offsets

    def _candidates(self, text: str) -> list[int]:
        if self.at == "places":
            return possible_offsets(text)
        inside = _inside_pairs(text)
        return [at for match in _STARTS[self.at].finditer(text) if (at := match.start()) and at not in inside]

    def _starts(self, data: bytes) -> list[int]:
        if self.at == "places":
            return list(range(len(data)))
        if self.at == "words":
            return [0] if data else []  # a part is a frame
        return [match.start() for match in _STARTS[self.at].finditer(data.decode("latin-1"))]


WHOLE: Final = CutRule("nowhere")
"""The rule that cuts nothing."""
CHARS: Final = CutRule("places")
"""The rule that cuts everywhere."""
WORDS: Final = CutRule("words")
"""The rule that cuts before each word, or before each frame."""

_FIRST: Final = (
    WHOLE,
    CutRule("places", empty=True, finish="joined"),
    CutRule("places", 7, 0),
    CutRule("atoms", 3, 0),
    CutRule("places", 7, 4),
    CutRule("tokens", empty=True, finish="apart"),
    CutRule("atoms", 3, 1),
    CutRule("places", 7, 2),
    CutRule("atoms", 3, 2),
    CutRule("places", 7, 6),
    CutRule("places", 7, 1),
    CutRule("atoms", 2, 0, empty=True),
    CutRule("places", 7, 5),
    CutRule("atoms", 2, 1),
    CutRule("places", 7, 3),
)
_SPARSE: Final = 13  # the distance of the cuts that take turns with random ones


def rule_of_number(number: int) -> CutRule:
    """Return the rule at a position in the order, from 1."""
    if number <= len(_FIRST):
        return _FIRST[number - 1]
    later, turn = divmod(number - len(_FIRST) - 1, 2)
    if later < _SPARSE:
        return CutRule("places", _SPARSE, later) if turn else CutRule("random", later + 1)
    return CutRule("random", number - len(_FIRST) - _SPARSE)


class RuleOrder:
    """The rules that are different for one content, in their order."""

    def __init__(self, result: Callable[[CutRule], Hashable]) -> None:
        """Create the order.

        Args:
            result: Returns the result of a rule for the content, which can be hashed.
        """
        self._result = result
        self._numbers = count(1)
        self._seen: set[int] = set()
        self._rules: list[CutRule] = []
        self._is_complete = False

    def rule(self, number: int) -> tuple[CutRule, bool]:
        """Return the rule with a number, from 1, and whether it is a new one.

        A small content has only a few different cuts. After the last one, the order begins anew.
        """
        while len(self._rules) < number and not self._is_complete:
            self._find_next()
        return self._rules[(number - 1) % len(self._rules)], number <= len(self._rules)

    def _find_next(self) -> None:
        for _ in range(_GIVE_UP):
            rule = rule_of_number(next(self._numbers))
            found = hash(self._result(rule))
            if found not in self._seen:
                self._seen.add(found)
                self._rules.append(rule)
                return
        self._is_complete = True


def order_of(content: Hashable, result: Callable[[CutRule], Hashable]) -> RuleOrder:
    """Return the order of rules for a content. The orders of the contents that were cut last are kept.

    Args:
        content: The content.
        result: Returns the result of a rule for it.
    """
    if content not in _orders:
        if len(_orders) >= _MOST_ORDERS:
            del _orders[next(iter(_orders))]
        _orders[content] = RuleOrder(result)
    return _orders[content]


_orders: dict[Hashable, RuleOrder] = {}
_MOST_ORDERS: Final = 64
_GIVE_UP: Final = 60  # equal results in a row after which a content has no other cuts


def _inside_pairs(text: str) -> set[int]:
    return {match.start() for match in _INSIDE_PAIR.finditer(text)}


def _random_offsets(text: str, seed: int) -> list[int]:
    inside, at_boundaries, encoded = _offsets_by_kind(text)
    draws = shake_128(b"%d %b" % (seed, encoded)).digest(len(text) + _BYTES_OF_CHOICE)
    choice = int.from_bytes(draws[-_BYTES_OF_CHOICE:])
    density = _DENSITIES[choice % len(_DENSITIES)]
    drawn = [*compress(inside, draws.translate(_below(density)))]
    drawn += compress(at_boundaries, draws[len(inside) :].translate(_below(max(density, _AT_BOUNDARIES))))
    drawn.sort()
    possible = [] if drawn else [*inside, *at_boundaries]
    return drawn or possible[choice // len(_DENSITIES) % max(1, len(possible)) :][:1]


@lru_cache(maxsize=64)
def _offsets_by_kind(text: str) -> tuple[list[int], list[int], bytes]:
    """Return the possible offsets of a text: those inside words, and those at boundaries, which are cut more often.

    The last value is the text in UTF-8.
    """
    possible = possible_offsets(text)
    at_boundaries = boundary_offsets(text, possible)
    return sorted({*possible}.difference(at_boundaries)), at_boundaries, text.encode(errors="surrogatepass")


@cache
def _below(share: float) -> bytes:
    """Return the table for `bytes.translate` that makes 1 of the given share of all bytes, and 0 of the others."""
    return bytes(number < share * 256 for number in range(256))


def _random_parts(seed: int) -> Callable[[bytes], list[int]]:
    chance = random.Random(str(seed))  # noqa: S311  # repeatable chance, not secrets
    density = chance.choice(_BYTE_DENSITIES)
    has_begun = False

    def offsets(data: bytes) -> list[int]:
        nonlocal has_begun
        likely = {match.start() for match in _INSIDE_BYTES.finditer(data)}
        first, has_begun = int(not has_begun), True
        return [at for at in range(first, len(data)) if chance.random() < (1 / 2 if at in likely else density)]

    return offsets
