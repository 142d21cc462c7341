"""Growth: the check whether a chunker's time for a delta increases with the length of the text before it."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from itertools import cycle, islice, pairwise
from time import thread_time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_streamval.engine.chunking_strategy import ChunkingStrategy

DELTA = 4
"""The number of characters in a delta, about as many as in a token of a model."""

_FEWEST, _ENOUGH, _MOST = 64, 512, 4096  # deltas of a run; in longer ones the time to copy text would be visible
_VISIBLE = 0.006  # seconds of a run that the clock can measure
_LONG = 0.06  # seconds of a run that is long enough with any number of deltas
_LONGEST = 0.15
_RUNS = 4  # before a fault is reported, as other work of the machine lengthens some runs but not all
_FLAT = 1.5  # the ratio of the last quarter to the first at which there is no growth
_GROWN = 3  # the ratio at which there is growth; quadratic time has 7, linear time 1
_RISING = 1.15  # the ratio of a quarter to the one before; quadratic time has 3, 1.7 and 1.4


def growing_quarters(strategy: ChunkingStrategy, unit: str) -> tuple[float, ...] | None:
    """Return the seconds for each quarter of a text if they grow like those of quadratic work, or None.

    Args:
        strategy: The strategy whose chunker is measured, in the processor time of this thread.
        unit: The text that is repeated.
    """
    with _no_garbage_collection():
        deltas = _FEWEST
        quarters = _times_of_quarters(strategy, unit, deltas)
        while not _is_decided(quarters, deltas):
            deltas *= 2
            quarters = _times_of_quarters(strategy, unit, deltas)
        for size in (deltas, 2 * deltas):  # in a longer text, a single change of the work is at another place
            if _do_times_grow(quarters):
                runs = (_times_of_quarters(strategy, unit, size) for _ in range(_RUNS))
                quarters = tuple(map(min, zip(*runs, strict=True)))
    return quarters if _do_times_grow(quarters) else None


def _is_decided(quarters: tuple[float, ...], deltas: int) -> bool:
    """Return whether a run was long enough. If it may be growing, a longer run shows that."""
    seconds = sum(quarters)
    if deltas == _MOST or seconds > _LONGEST:
        return True
    if quarters[-1] < _FLAT * quarters[0]:
        return seconds > (_LONG if deltas < _ENOUGH else _VISIBLE)
    return seconds > _VISIBLE and _do_times_grow(quarters)


def _do_times_grow(quarters: tuple[float, ...]) -> bool:
    """Return whether each quarter took longer than the one before, and the last one much longer than the first.

    If the first quarter is too short for the clock, the result is False.
    """
    rising = all(later > _RISING * earlier for earlier, later in pairwise(quarters))
    return rising and quarters[-1] > _GROWN * quarters[0] > 0


def _times_of_quarters(strategy: ChunkingStrategy, unit: str, deltas: int) -> tuple[float, ...]:
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
    """Disable garbage collection, as its time depends on all other objects of the process."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
