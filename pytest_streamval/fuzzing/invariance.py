"""Boundary invariance: the result for a text must not depend on the places at which a stream cut it."""

from __future__ import annotations

from contextlib import closing
from itertools import chain, combinations
from typing import TYPE_CHECKING

from pytest_streamval.errors import (
    BoundaryVarianceError,
    InvalidArgumentError,
    excerpt,
    unrepeatable_result_error,
)
from pytest_streamval.fuzzing.cut_rules import boundary_offsets, possible_offsets
from pytest_streamval.fuzzing.cuts import Cut, show_cuts
from pytest_streamval.fuzzing.known_cut import KnownCut
from pytest_streamval.fuzzing.loop_calls import CallsInLoop
from pytest_streamval.fuzzing.shrinking import Limit, fewest, leftmost
from pytest_streamval.fuzzing.side_by_side import side_by_side
from pytest_streamval.fuzzing.subject import Outcome, SubjectRunner
from pytest_streamval.scripting.script import pieces_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_streamval.fuzzing.shrinking import Offsets
    from pytest_streamval.fuzzing.subject import Subject

_EXHAUSTED = 8  # possible offsets of a text that is cut in every possible way
_SINGLE = 200  # single cuts of a longer text
_SHRINKING = 500  # calls to find a smaller cut
_FEW = 12  # pieces of one character each that are written out one by one
_SHOWN = 240  # characters of a text that is shown and written out in full


def assert_boundary_invariant(subject: Subject, text: str, *, examples: int = 100) -> None:
    """Assert that the result for a text does not depend on the places at which it is cut.

    The result for the text in one piece is the expected one. Then the text is cut: once, at each offset; after every
    character; before every word; and at random, at the same offsets in each run, also inside grapheme clusters, line
    ends and code fences. A text of up to 9 characters is cut in every possible way. Pieces are never empty, and no
    surrogate pair is cut. The smallest cut that failed is kept in Hypothesis's example database, and is tried first.

    A cut that fails is reduced to the fewest pieces, and among those to the leftmost ones. For a text of up to 9
    characters it is the smallest possible cut, and also for one of up to 200 characters that a single cut breaks.

    The time is linear in the length of the text if the subject's time is. If all results are equal, the subject is
    called at most 256 or `203 + examples` times, as only 200 single cuts of a longer text are tried. At most 504 more
    calls reduce a cut.

    Args:
        subject: A `ChunkingStrategy`, whose chunks and their offsets are compared. Or its alias, such as "sentence".
            Or a function that takes the list of pieces and returns a value to compare. It may be a coroutine function,
            whose calls all run in one event loop. An error that it raises for a cut only is a difference. An error that
            it raises for the text in one piece is raised here.
        text: The text to cut.
        examples: The number of random cuts.

    Raises:
        BoundaryVarianceError: An `AssertionError`. If a result differs. It shows the smallest cut, both results, and
            the code that repeats it.
        CheckFailedError: An `AssertionError`. If the results differ for the same pieces too.
        EventLoopError: A `RuntimeError`. If the subject is asynchronous and an event loop is running.
        InvalidArgumentError: A `TypeError` and `ValueError`. If an argument is invalid, or the results cannot be
            compared.
        UnknownNameError: A `ValueError`. If the subject is a string but not an alias.
    """
    __tracebackhide__ = True
    _check_arguments(text, examples)
    with closing(SubjectRunner(subject, assert_boundary_invariant.__name__)) as runner:
        _search(runner, text, examples)


async def aassert_boundary_invariant(subject: Subject, text: str, *, examples: int = 100) -> None:
    """Assert like `assert_boundary_invariant` in a running event loop, in which the subject is called.

    The arguments and the errors are the same, but the subject may be asynchronous. If the caller is cancelled, the call
    of the subject is cancelled, too.
    """
    __tracebackhide__ = True
    _check_arguments(text, examples)
    calls = CallsInLoop()
    with closing(SubjectRunner(subject, aassert_boundary_invariant.__name__, calls.call)) as runner:
        await calls.run_in_thread(lambda: _search(runner, text, examples))


def _check_arguments(text: object, examples: object) -> None:
    if not isinstance(text, str):
        raise InvalidArgumentError("text", excerpt(text), "It must be a str. For a Script, pass script.text.")
    if not isinstance(examples, int) or examples < 0:
        raise InvalidArgumentError("examples", excerpt(examples), "It must be a number of random cuts, 0 or more.")


def _search(runner: SubjectRunner, text: str, examples: int) -> None:
    """Raise the error for the smallest cut that changes the result, if there is one."""
    __tracebackhide__ = True
    trials = _Trials(runner, text)
    known = KnownCut(runner.name, text)
    cut = next(filter(trials.differs, chain(known.cuts(trials.possible), _cuts(text, examples))), None)
    if cut is None:
        known.forget()
        return
    trials.check_repeatable(cut)
    cut = fewest(cut, trials.still_differs, trials.limit)
    cut = leftmost(cut, trials.possible, trials.still_differs, trials.limit)
    known.keep(cut)
    trials.check_repeatable(cut)
    raise trials.variance(cut) from trials.outcome(cut).error


# The cuts to try


def _cuts(text: str, examples: int) -> Iterator[Offsets]:
    """Yield the cuts to try, smaller ones first."""
    possible = possible_offsets(text)
    if len(possible) <= _EXHAUSTED:
        for count in range(1, len(possible) + 1):
            yield from combinations(possible, count)
        return
    yield from ((offset,) for offset in _single_cuts(text, possible))
    for cut in (Cut("chars"), Cut("words"), *Cut.first(examples)):
        yield tuple(cut.of_text(text))


def _single_cuts(text: str, possible: list[int]) -> list[int]:
    """Return all offsets, or half of the limit at boundaries and half spread evenly."""
    if len(possible) <= _SINGLE:
        return possible
    return sorted({*_spread(boundary_offsets(text, possible), _SINGLE // 2), *_spread(possible, _SINGLE // 2)})


def _spread(offsets: list[int], count: int) -> list[int]:
    """Return `count` of the offsets, at even distances."""
    return offsets if len(offsets) <= count else [offsets[at * len(offsets) // count] for at in range(count)]


# The results


class _Trials:
    """The outcomes of a subject for the cuts of one text. Each cut is tried once."""

    def __init__(self, runner: SubjectRunner, text: str) -> None:
        self.possible = possible_offsets(text)
        self.limit = Limit(_SHRINKING)
        """The calls left to find a smaller cut."""
        self._runner = runner
        self._text = text
        self._uncut = runner.run_uncut(text)
        self._outcomes: dict[Offsets, Outcome | None] = {(): None}  # None if it equals that of the uncut text

    def outcome(self, cut: Offsets) -> Outcome:
        """Return the outcome of a cut that was tried."""
        return self._outcomes[cut] or self._uncut

    def differs(self, cut: Offsets) -> bool:
        """Return whether the outcome of a cut differs from that of the uncut text."""
        if cut not in self._outcomes:
            outcome = self._runner.run(pieces_of(self._text, cut), self._uncut)
            self._outcomes[cut] = None if self._runner.equal(outcome, self._uncut) else outcome
        return self._outcomes[cut] is not None

    def still_differs(self, cut: Offsets) -> bool:
        """Return whether the outcome of a smaller cut differs too. A new cut counts as a try."""
        self.limit.left -= cut not in self._outcomes
        return self.differs(cut)

    def check_repeatable(self, cut: Offsets) -> None:
        """Raise an error if the same pieces have another outcome the second time."""
        for offsets in ((), cut):
            pieces = pieces_of(self._text, offsets)
            known, again = self.outcome(offsets), self._runner.run(pieces, self._uncut)
            if self._runner.equal(known, again):
                continue
            if known.rows == again.rows:
                raise self._runner.invalid(
                    "Its results must be equal for the same pieces, but they only look alike. Return a value that is "
                    "compared by its content, such as a str, list, tuple or dataclass. nan equals nothing."
                )
            comparison = side_by_side(("at first", "again"), known.rows, again.rows)
            raise unrepeatable_result_error(self._runner.name, show_cuts(pieces, _SHOWN), comparison)

    def variance(self, cut: Offsets) -> BoundaryVarianceError:
        """Return the error that shows a cut."""
        pieces = pieces_of(self._text, cut)
        comparison = side_by_side(("as one text", "as cut"), self._uncut.rows, self.outcome(cut).rows)
        code = self._reproduction(pieces, cut)
        return BoundaryVarianceError(self._runner.name, show_cuts(pieces, _SHOWN), pieces, comparison, code)

    def _reproduction(self, pieces: list[str], cut: Offsets) -> str:
        """Return the expression for these pieces. It refers to a long text by name."""
        is_short = len(self._text) <= _SHOWN
        are_letters = len(pieces) > _FEW and len(pieces) == len(self._text)
        if self._runner.is_strategy:
            if are_letters:
                return f"Script.from_text({self._text!r})" if is_short else "Script.from_text(text)"
            return f"Script.of({', '.join(map(repr, pieces))})" if is_short else f"Script.of(text).recut({list(cut)})"
        if are_letters:
            shown = f"list({self._text!r})" if is_short else "list(text)"
        elif is_short:
            shown = repr(pieces)
        else:
            shown = f"[text[a:b] for a, b in itertools.pairwise({[0, *cut, len(self._text)]})]"
        return f"{self._runner.name}({shown})" if self._runner.name.isidentifier() else shown
