"""Print how fuzzing scales with the workers of pytest-xdist: python -m benchmarks.fuzzing [ROUNDS].

One worker and two workers run the same tests under the same cuts in turn. The time is measured from the start of the
first test to the end of the last one, without the start of pytest and its workers. There are two figures. The wall
clock is exact only on two idle cores. Processor time, which other programs affect less, gives the least time on them,
which is the time of the busiest process, or half of the time of all processes.
"""

from __future__ import annotations

import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from benchmarks.workloads import STORY

TESTS = 8
CUTS = 15
VARIANTS = TESTS * (CUTS + 1)
ROUNDS = 3
SIZES = (4, 16)
INI = "[pytest]\nasyncio_default_fixture_loop_scope = function\nasyncio_mode = auto\n"
CONFTEST = """
import time
from pathlib import Path

def now():
    return time.perf_counter(), time.process_time()

def pytest_runtest_logstart():
    seen.setdefault("begin", now())

def pytest_runtest_logfinish():
    seen["end"] = now()

def pytest_sessionfinish(session):
    name = getattr(session.config, "workerinput", {}).get("workerid", "controller")
    Path(f"{name}.txt").write_text(" ".join(str(end - begin) for begin, end in zip(seen["begin"], seen["end"])))

seen = {}
"""
TEST = """
import pytest
from pytest_streamval import (
    PartialValidationResult, Requirement, Script, SentenceChunker, SimpleContext, stream_with_chunking
)

TEXT = Script.from_cassette(%r).text * %d

class Short(Requirement):
    async def stream_validate(self, chunk, *, backend, ctx):
        return PartialValidationResult("pass" if len(chunk) < 2_000 else "fail")

@pytest.mark.parametrize("number", range(%d))
async def test_it(streaming_mock_backend, number):
    backend = streaming_mock_backend(TEXT)
    async with await stream_with_chunking("go", backend, SimpleContext(), requirements=[Short()]) as result:
        chunks = [chunk async for chunk in result.astream()]
    assert chunks == SentenceChunker().split(TEXT) + SentenceChunker().flush(TEXT)
"""


class Spent(NamedTuple):
    """The duration of a run, in seconds."""

    wall: float
    """The time of the wall clock."""
    bound: float
    """The least time on two idle cores, from the processor time of its processes."""


def spent(folder: Path, workers: int) -> Spent:
    """Run the tests, and return their duration."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider"]
    command += [f"--streamval-fuzz={CUTS}", "-n", str(workers)]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "PYTEST_ADDOPTS": ""}, check=True, capture_output=True, text=True
    )
    assert re.search(rf"^{VARIANTS} passed", done.stdout, re.MULTILINE), done.stdout
    names = ["controller", *(f"gw{number}" for number in range(workers))]
    walls, processor = zip(*(map(float, (folder / f"{name}.txt").read_text().split()) for name in names), strict=True)
    return Spent(walls[0], max(*processor, sum(processor) / 2))


def main() -> None:
    """Measure and print the durations, with the load of the machine."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {TESTS} tests under {CUTS} cuts each")
    for size in SIZES:
        with tempfile.TemporaryDirectory() as path:
            folder = Path(path)
            (folder / "pytest.ini").write_text(INI)
            (folder / "conftest.py").write_text(CONFTEST)
            (folder / "test_it.py").write_text(TEST % (str(STORY), size, TESTS))
            rows = []
            for _ in range(rounds):
                one, two = spent(folder, 1), spent(folder, 2)
                rows.append((one, two))
                print(
                    f"    by the wall {one.wall:.2f} s and {two.wall:.2f} s, by processor time {one.bound:.2f} s and "
                    f"{two.bound:.2f} s, load of the machine {os.getloadavg()[0]:.1f}",
                    flush=True,
                )
        each = min(one.bound for one, _ in rows) / VARIANTS * 1e3
        wall, bound = (
            statistics.median(one[kind] / two[kind] for one, two in rows) for kind in range(len(Spent._fields))
        )
        print(f"{each:.0f} ms a variant: two are {wall:.2f} times as fast by the wall, {bound:.2f} by processor time")


if __name__ == "__main__":
    main()
