"""The smallest cut under which a test fails in the same way, found by running it again with fewer cuts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from pytest_streamval.fuzzing.cut_rules import WHOLE
from pytest_streamval.fuzzing.cuts import Cut, Place
from pytest_streamval.fuzzing.shrinking import Limit, fewest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pytest_streamval.fuzzing.cuts import BytesKind

RUNS = 60
"""The runs that the search makes at most."""

_MOST_PLACES = 60  # in the name of a cut
_NATURAL = Cut("at-b0")  # bytes and reads as in the test as scripted: the offset 0 is no cut


class CutRun(NamedTuple):
    """A run of a test under a cut."""

    fails_alike: bool
    """Whether it failed, in the same way as the first run."""
    places: tuple[Place, ...]
    """The places at which its streams were cut."""
    has_bodies: bool
    """Whether there were responses whose bytes can be cut."""
    has_pages: bool = False
    """Whether there were pages of an application whose reads can be cut."""


class Trial(Protocol):
    """A function that runs the test again."""

    def __call__(self, cut: Cut | None, byte_cut: Cut | None, read_cut: Cut | None, /) -> CutRun:
        """Run the test under a cut of its scripts, None as scripted, and others of its responses and its pages.

        None is the same as of scripts for these.
        """


class SmallestCut(NamedTuple):
    """The result of a search."""

    cut: Cut
    """The smallest cut under which the test has failed."""
    repeats: bool
    """Whether the test has failed in the same way again."""


def smallest_cut(cut: Cut, first: CutRun, trial: Trial, *, limit: int = RUNS) -> SmallestCut:
    """Return the smallest cut under which a test fails as it did first.

    Empty deltas and joined pieces are left out first, then cuts, many at a time.

    Args:
        cut: The cut under which it failed.
        first: The run that failed.
        trial: The function that runs the test again.
        limit: The most runs.
    """
    search = _Search(trial, Limit(limit - 1))  # the last one is for a failure that does not repeat
    found = search.in_all(cut, first)
    if found is not None:
        return SmallestCut(found, repeats=True)
    return SmallestCut(cut, repeats=search.fails(cut))


def _is_whole(cut: Cut) -> bool:
    return cut.places is None and cut.rule == WHOLE


class _Search:
    def __init__(self, trial: Trial, limit: Limit) -> None:
        self._trial = trial
        self._limit = limit
        self._found: dict[tuple[Cut | None, Cut | None, Cut | None], CutRun] = {}

    def run(self, cut: Cut | None, byte_cut: Cut | None = None, read_cut: Cut | None = None) -> CutRun:
        """Return the run under the cuts of a trial. It runs once."""
        cuts = cut, byte_cut, read_cut
        if cuts not in self._found:
            self._limit.left -= 1
            self._found[cuts] = self._trial(*cuts)
        return self._found[cuts]

    def fails(self, cut: Cut | None, byte_cut: Cut | None = None, read_cut: Cut | None = None) -> bool:
        """Return whether the test fails alike under the cuts of a trial."""
        return self.run(cut, byte_cut, read_cut).fails_alike

    def in_all(self, cut: Cut, first: CutRun) -> Cut | None:
        """Return the smallest cut, None if it is no smaller: in pages alone, or with their reads as scripted."""
        read_cut = None
        if first.has_pages:
            of_reads = self.run(None, _NATURAL, cut)
            if of_reads.fails_alike:
                return self._in_bytes(of_reads, "read")
            read_cut = _NATURAL
        if first.has_bodies:
            return self.in_bodies(cut, first, read_cut)
        if read_cut is None:
            return self.in_scripts(cut, first.places)
        return self.in_scripts(cut, first.places, (Place("cut"),)) if self.fails(cut, None, read_cut) else None

    def _in_bytes(self, run: CutRun, kind: BytesKind) -> Cut | None:
        return self._smallest([tuple(each for each in run.places if each.kind == kind)], (Place(kind),))

    def in_scripts(self, cut: Cut, places: Iterable[Place], nowhere: tuple[Place, ...] = ()) -> Cut | None:
        """Return the smallest cut of scripts, None if no smaller one fails.

        Args:
            cut: The cut that failed.
            places: Its places.
            nowhere: The places of a cut that joins everything.
        """
        every = () if _is_whole(cut) else tuple(place for place in places if place.kind not in {"byte", "read"})
        cuts = tuple(place for place in every if place.kind == "cut")
        return self._smallest([*dict.fromkeys((cuts, every))], nowhere)

    def in_bodies(self, cut: Cut, first: CutRun, read_cut: Cut | None) -> Cut | None:
        """Return the smallest cut if the bytes of responses are cut, too, None if it is no smaller."""
        of_bytes = self.run(None, cut, read_cut)
        if of_bytes.fails_alike:
            return self._in_bytes(of_bytes, "byte")
        return self.in_scripts(cut, first.places, (Place("cut"),)) if self.fails(cut, _NATURAL, read_cut) else None

    def _smallest(self, choices: Sequence[tuple[Place, ...]], nowhere: tuple[Place, ...]) -> Cut | None:
        """Return the cut at the fewest places of the first choice that fails, with the pieces as scripted or alone."""
        for only in (False, True):
            for places in choices:
                if self._fails_at(places, nowhere, only=only):
                    fewer = self._fewest(places, lambda some: self._fails_at(some, nowhere, only=only))  # noqa: B023  # called in this loop
                    return Cut.at(fewer or nowhere, only=only) if len(fewer) <= _MOST_PLACES else None
        return None

    def _fewest(self, places: tuple[Place, ...], fails: Callable[[tuple[Place, ...]], bool]) -> tuple[Place, ...]:
        """Return the fewest places. Mostly it is a single one, which halving finds without a look at the other half."""
        part = places
        while len(part) > 1 and self._limit.left:
            half = len(part) // 2
            part = part[:half] if fails(part[:half]) else part[half:]
        found = part if fails(part) else places
        return fewest(found, fails, self._limit)

    def _fails_at(self, places: tuple[Place, ...], nowhere: tuple[Place, ...], *, only: bool) -> bool:
        """Return whether the test fails alike under the cut at some places. As scripted, it passes."""
        return (only or bool(places)) and self.fails(Cut.at(places or nowhere, only=only))
