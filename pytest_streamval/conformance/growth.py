"""Growth: whether the time that a chunker takes for a delta grows with the text before it."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from itertools import cycle, islice, pairwise
from time import thread_time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_streamval.engine.chunking import ChunkingStrategy

DELTA = 4
"""Characters in a delta, about as many as in a token of a model."""

_FEWEST, _ENOUGH, _MOST = 64, 512, 4096  # deltas of a run; beyond, the price of copying text would show
_VISIBLE = 0.006  # seconds of a run that the clock can tell apart
_LONG = 0.06  # of one that is enough, however few its deltas are
_LONGEST = 0.15
_RUNS = 4  # before anybody is accused: whatever else the machine does lengthens some runs, not all
_FLAT = 1.5  # the last quarter to the first: so little that it is no growth
_GROWN = 3  # and so much that it is; 7 where time is quadratic, 1 where it is linear
_RISING = 1.15  # each quarter to the one before; 3, 1.7 and 1.4 where time is quadratic


def growing_quarters(strategy: ChunkingStrategy, unit: str) -> tuple[float, ...] | None:
    """Return the seconds for each quarter of a text, where they grow as only those of quadratic work do; else None.

    Args:
        strategy: its chunker is timed, in the processor's time of this thread.
        unit: what the text repeats.
    """
    with _no_garbage_collection():
        deltas = _FEWEST
        quarters = _quarters(strategy, unit, deltas)
        while not _is_decided(quarters, deltas):
            deltas *= 2
            quarters = _quarters(strategy, unit, deltas)
        for size in (deltas, 2 * deltas):  # a change of work stands at another place in a longer text
            if _grow(quarters):
                runs = (_quarters(strategy, unit, size) for _ in range(_RUNS))
                quarters = tuple(map(min, zip(*runs, strict=True)))
    return quarters if _grow(quarters) else None


def _is_decided(quarters: tuple[float, ...], deltas: int) -> bool:
    """Return whether a run was long enough; one that may be growing shows it when it goes on."""
    seconds = sum(quarters)
    if deltas == _MOST or seconds > _LONGEST:
        return True
    if quarters[-1] < _FLAT * quarters[0]:
        return seconds > (_LONG if deltas < _ENOUGH else _VISIBLE)
    return seconds > _VISIBLE and _grow(quarters)


def _grow(quarters: tuple[float, ...]) -> bool:
    """Return whether each quarter took longer than the one before, and the last one much longer than the first.

    Where the clock is too coarse to see the first one at all, it says nothing.
    """
    rising = all(later > _RISING * earlier for earlier, later in pairwise(quarters))
    return rising and quarters[-1] > _GROWN * quarters[0] > 0


def _quarters(strategy: ChunkingStrategy, unit: str, deltas: int) -> tuple[float, ...]:
    text = "".join(islice(cycle(unit), deltas * DELTA))
    pieces = [text[at : at + DELTA] for at in range(0, len(text), DELTA)]
    feed = strategy.chunker().feed
    marks = [thread_time()]
    for quarter in range(4):
        for piece in pieces[quarter * deltas // 4 : (quarter + 1) * deltas // 4]:
            feed(piece)
        marks.append(thread_time())
    return tuple(later - earlier for earlier, later in pairwise(marks))


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Keep a collection, whose price depends on everything else in the process, out of the times."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
