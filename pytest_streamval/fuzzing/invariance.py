"""Boundary invariance: what comes of a text may not depend on where a stream cut it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import combinations, takewhile
from typing import TYPE_CHECKING, TypeAlias

from pytest_streamval.engine.chunking import ChunkingStrategy
from pytest_streamval.errors import BoundaryVarianceError, InvalidArgumentError, UnrepeatableResultError, excerpt
from pytest_streamval.fuzzing.cuts import Cut, edges, marked, places
from pytest_streamval.fuzzing.side_by_side import side_by_side
from pytest_streamval.fuzzing.subject import Outcome, Player
from pytest_streamval.scripting.script import pieces_of

if TYPE_CHECKING:
    from collections.abc import Sequence

Subject: TypeAlias = ChunkingStrategy | str | Callable[[list[str]], object]
"""What is held to be invariant: a strategy, its alias, or a function of the pieces of a text."""

_Offsets: TypeAlias = tuple[int, ...]

_EXHAUSTED = 8  # places of a text that is cut in every possible way
_SINGLE = 200  # single cuts tried of any text
_SHRINKING = 500  # calls made to find a smaller cut
_FEW = 12  # pieces of one character each that are written out one by one
_SHOWN = 240  # characters of a text that is shown and written out in full


def assert_boundary_invariant(subject: Subject, text: str, *, examples: int = 100) -> None:
    """Assert that the same comes of a text however it is cut into pieces.

    The text as one piece says what is right. Then it is cut: once, anywhere; behind every character; before every
    word; and at random, always at the same places of one text, inside grapheme clusters, line ends and code fences
    too. A text of up to 9 characters is cut in every possible way. Pieces are never empty, and no surrogate pair is
    cut.

    A cut that fails is made smaller: to the fewest pieces, and among those to the leftmost. That is the smallest there
    is for a text of up to 9 characters, and for one of up to 200 wherever a single cut fails.

    The cost is linear in the length of the text, if the subject's is: at most 256 or `203 + examples` calls where all
    is well, as only 200 single cuts of a longer text are tried, and at most 504 further ones to make a cut smaller.

    Args:
        subject: a `ChunkingStrategy`, whose chunks are compared with their places; its alias, such as "sentence"; or
            a function that is given the pieces as a list of `str` and returns something to compare. It may be a
            coroutine function: all its calls run in one event loop. What it raises for some cut, but not for the
            whole text, is a difference; what it raises for the whole text is raised here.
        text: the text to cut.
        examples: how many random cuts are tried.

    Raises:
        BoundaryVarianceError: an `AssertionError`; it shows the smallest cut, both results, and how to see it again.
        UnrepeatableResultError: an `AssertionError`; the results differ for the same pieces too.
        EventLoopRunningError: a `RuntimeError`; the subject is asynchronous, and so is the caller.
        InvalidArgumentError: a `TypeError` and `ValueError`; an argument does not fit, or the subject's results cannot
            be compared.
        UnknownChunkingError: a `ValueError`; the subject is a string and no alias.
    """
    __tracebackhide__ = True
    given: object = text
    count: object = examples
    if not isinstance(given, str):
        raise InvalidArgumentError("text", excerpt(text), "It must be a str; of a Script, pass script.text.")
    if not isinstance(count, int) or count < 0:
        raise InvalidArgumentError(
            "examples", excerpt(examples), "It must be how many random cuts are tried, 0 or more."
        )
    with closing(Player(subject, assert_boundary_invariant.__name__)) as player:
        trials = _Trials(player, text)
        failing = next(filter(trials.differs, _cuts(text, examples)), None)
        if failing is not None:
            trials.confirm(failing)
            smallest = _leftmost(trials, _fewest(trials, failing))
            trials.confirm(smallest)
            raise trials.variance(smallest) from trials.outcome(smallest).error


# Which cuts are tried


def _cuts(text: str, examples: int) -> Iterator[_Offsets]:
    """Yield the cuts to try, smaller ones first."""
    possible = places(text)
    if len(possible) <= _EXHAUSTED:
        for count in range(1, len(possible) + 1):
            yield from combinations(possible, count)
        return
    yield from ((offset,) for offset in _selected(text, possible))
    for cut in (Cut("chars"), Cut("words"), *(Cut(str(number)) for number in range(1, examples + 1))):
        yield tuple(cut.offsets(text))


def _selected(text: str, possible: list[int]) -> list[int]:
    """Return the places for single cuts: all, or half of them at the edges of words and half spread evenly."""
    if len(possible) <= _SINGLE:
        return possible
    return sorted({*_spread(edges(text, possible), _SINGLE // 2), *_spread(possible, _SINGLE // 2)})


def _spread(offsets: list[int], count: int) -> list[int]:
    """Return `count` of the offsets, at even distances."""
    return offsets if len(offsets) <= count else [offsets[at * len(offsets) // count] for at in range(count)]


# The smallest cut that fails


def _fewest(trials: _Trials, cut: _Offsets) -> _Offsets:
    """Leave out offsets as long as the result differs, the last ones first: many at a time, then one by one."""
    size = max(1, len(cut) // 2)
    while True:
        before = cut
        for end in range(len(cut), 0, -size):
            fewer = cut[: max(0, end - size)] + cut[end:]
            if fewer and trials.left and trials.still_differs(fewer):
                cut = fewer
        if not trials.left or (size == 1 and cut == before):
            return cut
        size = max(1, size // 2)


def _leftmost(trials: _Trials, cut: _Offsets) -> _Offsets:
    """Move offsets to the left as far as the result differs: all by the same way, then neighbours, then each alone."""
    count = len(cut)
    pairs = ((first, first + 2) for first in range(count - 1))
    for first, end in ((0, count), *pairs, *((first, first + 1) for first in range(count))):
        cut = trials.first(_moved(cut, first, end, trials.places), cut)
    return cut


def _moved(cut: _Offsets, first: int, end: int, possible: Sequence[int]) -> Iterator[_Offsets]:
    """Yield the cut with some of its offsets further to the left, at the same distances, leftmost first."""
    legal = set(possible)
    lowest = cut[first - 1] if first else 0
    for offset in takewhile(cut[first].__gt__, possible):
        block = tuple(each - cut[first] + offset for each in cut[first:end])
        if offset > lowest and legal.issuperset(block):
            yield (*cut[:first], *block, *cut[end:])


# What comes of a cut


class _Trials:
    """Tries a subject on the cuts of one text, on each one once, and remembers what came of it."""

    def __init__(self, player: Player, text: str) -> None:
        self.places = places(text)
        self.left = _SHRINKING
        """How many calls may still be made to find a smaller cut."""
        self._player = player
        self._text = text
        self._whole = player.whole(text)
        self._outcomes: dict[_Offsets, Outcome | None] = {(): None}  # None: as of the whole text

    def outcome(self, cut: _Offsets) -> Outcome:
        """Return what came of a cut that was tried."""
        return self._outcomes[cut] or self._whole

    def differs(self, cut: _Offsets) -> bool:
        """Return whether something else comes of the cut than of the whole text."""
        if cut not in self._outcomes:
            outcome = self._player.outcome(pieces_of(self._text, cut), self._whole)
            self._outcomes[cut] = None if self._player.equal(outcome, self._whole) else outcome
        return self._outcomes[cut] is not None

    def still_differs(self, cut: _Offsets) -> bool:
        """Return whether a smaller cut differs too, at the expense of a call if that is not known."""
        self.left -= cut not in self._outcomes
        return self.differs(cut)

    def first(self, cuts: Iterator[_Offsets], otherwise: _Offsets) -> _Offsets:
        """Return the first cut that differs too, as far as calls are left for it."""
        while self.left and (cut := next(cuts, None)) is not None:
            if self.still_differs(cut):
                return cut
        return otherwise

    def confirm(self, cut: _Offsets) -> None:
        """Raise an error if something else comes of the same pieces when they come again."""
        for offsets in ((), cut):
            pieces = pieces_of(self._text, offsets)
            known, again = self.outcome(offsets), self._player.outcome(pieces, self._whole)
            if self._player.equal(known, again):
                continue
            if known.rows == again.rows:
                raise self._player.unfit(
                    "its results are not equal even for the same pieces, although they look alike. Return what is "
                    "compared by its content, such as str, list, tuple or a dataclass; nan equals nothing."
                )
            comparison = side_by_side(("at first", "again"), known.rows, again.rows)
            raise UnrepeatableResultError(self._player.name, marked(pieces, _SHOWN), comparison)

    def variance(self, cut: _Offsets) -> BoundaryVarianceError:
        """Return the error that shows the cut."""
        pieces = pieces_of(self._text, cut)
        comparison = side_by_side(("as one text", "as cut"), self._whole.rows, self.outcome(cut).rows)
        again = self._reproduction(pieces, cut)
        return BoundaryVarianceError(self._player.name, marked(pieces, _SHOWN), pieces, comparison, again)

    def _reproduction(self, pieces: list[str], cut: _Offsets) -> str:
        """Return the expression for these pieces, which names a long text instead of writing it out."""
        written = len(self._text) <= _SHOWN
        letters = len(pieces) > _FEW and len(pieces) == len(self._text)
        if self._player.plays_scripts:
            if letters:
                return f"Script.from_text({self._text!r})" if written else "Script.from_text(text)"
            return f"Script.of({', '.join(map(repr, pieces))})" if written else f"Script.of(text).recut({list(cut)})"
        if letters:
            shown = f"list({self._text!r})" if written else "list(text)"
        elif written:
            shown = repr(pieces)
        else:
            shown = f"[text[a:b] for a, b in itertools.pairwise({[0, *cut, len(self._text)]})]"
        return f"{self._player.name}({shown})" if self._player.name.isidentifier() else shown
