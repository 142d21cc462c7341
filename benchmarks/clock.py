"""Print the cost of virtual time: python -m benchmarks.clock [MODULE ...], with modules that are loaded beforehand."""

from __future__ import annotations

import platform
import statistics
import subprocess
import sys
import time

from pytest_streamval import Delay, Script, SimpleContext, StreamingMockBackend, stream_with_chunking
from pytest_streamval.virtual_time import VirtualClock

DELAYS, SECONDS = 10_000, 3600
ROUNDS, RUNS = 7, 100
USES = """
import importlib, sys, time
for name in sys.argv[1:]:
    importlib.import_module(name)
import pytest, pytest_streamval
pytest_streamval.StreamingMockBackend
found = [len(sys.modules)]
for _ in range(6):
    began = time.perf_counter()
    from pytest_streamval.virtual_time import VirtualClock
    with VirtualClock():
        pass
    found.append(1000 * (time.perf_counter() - began))
print(*found)
"""


async def stream() -> list[float]:
    """Stream for an hour, and return when each event happened."""
    words = ["word "] * 4 + ["end. "]
    script = Script.of(*[step for at in range(DELAYS) for step in (Delay(SECONDS / DELAYS), words[at % 5])])
    result = await stream_with_chunking("go", StreamingMockBackend(script), SimpleContext())
    await result.acomplete()
    return [event.timestamp for event in result.history]


def hours(count: int) -> tuple[list[float], set[tuple[float, ...]]]:
    """Return how many seconds each of some hours took, and the different series of timestamps."""
    took, seen = [], set()
    for _ in range(count):
        began = time.perf_counter()
        with VirtualClock() as clock:
            seen.add(tuple(clock.run(stream())))
        took.append(time.perf_counter() - began)
    return took, seen


def main() -> None:
    """Print the figures."""
    print(f"Python {platform.python_version()}")
    took, seen = hours(RUNS)
    low, middle, high = min(took), statistics.median(took), max(took)
    print(f"an hour of {DELAYS:,} delays: {middle:.3f} s ({low:.3f}-{high:.3f}), {RUNS} runs, {len(seen)} outcome")
    uses = [
        subprocess.run([sys.executable, "-c", USES, *sys.argv[1:]], check=True, capture_output=True, text=True)
        for _ in range(ROUNDS)
    ]
    figures = [[float(figure) for figure in use.stdout.split()] for use in uses]
    first = statistics.median(row[1] for row in figures)
    later = statistics.median(figure for row in figures for figure in row[2:])
    print(f"first use with {figures[0][0]:,.0f} modules loaded: {first:.1f} ms, later ones: {later:.2f} ms")


if __name__ == "__main__":
    main()
