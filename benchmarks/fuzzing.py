"""Print how fuzzing scales with the workers of pytest-xdist: python -m benchmarks.fuzzing [ROUNDS].

The same tests under the same cuts, by one worker and by two, in turn. What counts is the time from the first test's
start to the last one's end, by the clock on the wall: starting pytest and its workers is not part of it. Of all rounds
the quickest of each side counts, as what other programs do can only slow a run down. Where they take the second core
away, the processor time of the busiest worker still says how evenly the work was shared.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from benchmarks.workloads import STORY

TESTS = 8
CUTS = 30
VARIANTS = TESTS * (CUTS + 1)
ROUNDS = 3
SIZES = (8, 32)  # times the story of 1,800 characters
INI = "[pytest]\nasyncio_default_fixture_loop_scope = function\nasyncio_mode = auto\n"
CONFTEST = """
import time
from pathlib import Path

def pytest_runtest_logstart():
    began.setdefault("at", time.perf_counter())

def pytest_runtest_logfinish():
    began["end"] = time.perf_counter()

def pytest_collection_finish():
    began["processor"] = time.process_time()

def pytest_sessionfinish(session):
    if hasattr(session.config, "workerinput"):
        spent = time.process_time() - began["processor"]
        Path(session.config.workerinput["workerid"]).write_text(str(spent))
    else:
        Path("wall").write_text(str(began["end"] - began["at"]))

began = {}
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
    """What a run took, in seconds."""

    wall: float
    """By the clock on the wall."""
    busiest: float
    """Of processor time, by the worker that had most to do."""


def spent(folder: Path, workers: int) -> Spent:
    """Run the tests."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider"]
    command += [f"--streamval-fuzz={CUTS}", "-n", str(workers)]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "PYTEST_ADDOPTS": ""}, check=True, capture_output=True, text=True
    )
    assert re.search(rf"^{VARIANTS} passed", done.stdout, re.MULTILINE), done.stdout
    busiest = max(float((folder / f"gw{number}").read_text()) for number in range(workers))
    return Spent(float((folder / "wall").read_text()), busiest)


def main() -> None:
    """Measure, and say what the machine had to do besides."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {TESTS} tests under {CUTS} cuts each")
    for size in SIZES:
        with tempfile.TemporaryDirectory() as path:
            folder = Path(path)
            (folder / "pytest.ini").write_text(INI)
            (folder / "conftest.py").write_text(CONFTEST)
            (folder / "test_it.py").write_text(TEST % (str(STORY), size, TESTS))
            rows = [(spent(folder, 1), spent(folder, 2), os.getloadavg()[0]) for _ in range(rounds)]
        for one, two, load in rows:
            print(f"    1 worker {one.wall:.2f} s, 2 workers {two.wall:.2f} s, load of the machine {load:.1f}")
        ones, twos = [one for one, _, _ in rows], [two for _, two, _ in rows]
        wall, processor = (min(each[kind] for each in ones) / min(each[kind] for each in twos) for kind in (0, 1))
        each = min(one.busiest for one in ones) / VARIANTS * 1e3
        print(
            f"{each:.0f} ms a variant: {wall:.2f} times as fast by two, {processor:.2f} by the busiest's processor time"
        )


if __name__ == "__main__":
    main()
