"""Measuring by ratios: both sides in turn, in one process, in processor time."""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
import tracemalloc
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Work = Callable[[], Awaitable[Any]]

ROUNDS = 7


class Ratio(NamedTuple):
    """The cost of one work as a multiple of another."""

    median: float
    """The median of the rounds' ratios."""
    low: float
    """The lowest of them."""
    high: float
    """The highest of them."""
    seconds: float
    """Median processor time of the work itself."""


def compare(work: Work, yardstick: Work, scale: float = 1.0, rounds: int = ROUNDS) -> Ratio:
    """Run both in turn, and return the ratio of their processor times, times `scale`."""
    cost(work)  # warm up
    pairs = [(cost(yardstick), cost(work)) for _ in range(rounds)]
    ratios = [ours / theirs * scale for theirs, ours in pairs]
    return Ratio(statistics.median(ratios), min(ratios), max(ratios), statistics.median(ours for _, ours in pairs))


def kept(work: Work) -> float:
    """Return how many megabytes the result of a work keeps."""

    async def measured() -> int:
        await work()  # warm up
        await asyncio.sleep(0)  # the loop removes the callbacks of finished tasks
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        result = await work()
        await asyncio.sleep(0)
        gc.collect()
        after = tracemalloc.get_traced_memory()[0]
        del result
        return after - before

    tracemalloc.start()
    try:
        return asyncio.run(measured()) / 1e6
    finally:
        tracemalloc.stop()


def cost(work: Work) -> float:
    """Run a work in a loop of its own, and return its processor time in seconds."""

    async def run() -> float:
        gc.collect()
        began = time.process_time()
        await work()
        return time.process_time() - began

    return asyncio.run(run())
