"""Print the cost of the report: python -m benchmarks.report, in the environment browser, which needs Chromium."""

from __future__ import annotations

import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

from benchmarks.measure import compare
from benchmarks.workloads import Passing, engine, prose
from pytest_streamval.engine.observer import observing
from pytest_streamval.guards.tracking import TrackedRun
from pytest_streamval.report.document import Entry, Report
from pytest_streamval.report.timeline import Bar, Lane, Timeline, Verdict
from pytest_streamval.report.timeline_observer import FOR_A_PAGE, FOR_A_PICTURE, Limits, TimelineObserver
from pytest_streamval.report.write import write_report

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_streamval.engine.observer import Observer

STREAMS, TOKENS, LANES = 500, 500, 3
OPENED = 7  # the times that a page is opened
LONG = 16_000  # tokens of a stream with an observer
TESTS, PAUSE = 200, 0.05  # of a spread run: seconds of work in each test
SUITE = f"""
import asyncio, time
import pytest
from pytest_streamval import SimpleContext, stream_with_chunking

@pytest.mark.parametrize("number", range({TESTS}))
def test_stream(streaming_mock_backend, number):
    async def stream():
        result = await stream_with_chunking("Go on", streaming_mock_backend("One two three. " * 30), SimpleContext())
        await result.acomplete()
    asyncio.run(stream())
    until = time.process_time() + {PAUSE}
    while time.process_time() < until:
        pass
"""


def report() -> Report:
    """Return a report of many streams, with a chunk every tenth token."""
    times = [at * 20_000 for at in range(TOKENS)]
    texts = [" token"] * TOKENS
    bars = [Bar(times[at + 9], at + 10, at * 6, at * 6 + 60) for at in range(0, TOKENS, 10)]
    verdicts = [Verdict("pass", None, bar.at, bar.after) for bar in bars]
    lanes = [Lane(f"Requirement {number}", verdicts, verdicts[-1]) for number in range(LANES)]
    size = TOKENS * 6
    timeline = Timeline("Go on", "complete", "", times[-1], size, TOKENS, size, times, texts, bars, bars, lanes, None)
    return Report([Entry(f"test_it.py::test_{at}", streams=[timeline]) for at in range(STREAMS)], STREAMS)


def open_page(path: Path) -> list[float]:
    """Return the seconds until the first timelines of a page are drawn, each time in a new window."""
    took = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for _ in range(OPENED):
            page = browser.new_page(viewport={"width": 1200, "height": 900})
            began = time.perf_counter()
            page.goto(path.as_uri())
            page.wait_for_selector("svg .cursor", state="attached")
            took.append(time.perf_counter() - began)
            page.close()
        browser.close()
    return took


async def watched(factory: Callable[[], Observer]) -> None:
    """Stream with an observer."""
    with observing(factory):
        await engine(prose(LONG), "sentence", [Passing()])


def watching(limits: Limits) -> str:
    """Compare a run with the observer of a timeline and one with the guard against leaks, which every test has."""
    found = compare(partial(watched, partial(TimelineObserver, limits)), partial(watched, TrackedRun))
    return f"{found.median:.2f} ({found.low:.2f}-{found.high:.2f})"


def spread(folder: Path, workers: int, *options: str) -> str:
    """Return the elapsed seconds of a run of tests, and the seconds of processor time of all its processes."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-n", str(workers), *options]
    began, before = time.perf_counter(), os.times()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return f"{time.perf_counter() - began:5.1f} s ({used:5.1f} s)"


def main() -> None:
    """Print the figures."""
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began = time.perf_counter()
        write_report(report(), folder / "report.html")
        seconds, size = time.perf_counter() - began, (folder / "report.html").stat().st_size / 1e6
        print(f"a page of {STREAMS} streams of {TOKENS} tokens: written in {seconds:.2f} s, {size:.1f} MB")
        took = open_page(folder / "report.html")
        print(f"opened in {statistics.median(took):.2f} s ({min(took):.2f}-{max(took):.2f}, {OPENED} times)")
        print(f"a run of {LONG:,} tokens watched for a page costs {watching(FOR_A_PAGE)} times one that is not")
        print(f"and watched for a picture {watching(FOR_A_PICTURE)} times")
        (folder / "test_suite.py").write_text(SUITE)
        print(f"{TESTS} tests of {PAUSE} s of processor time each, with and without a report:")
        for workers in (0, 1, 2, 4):
            plain, reported = spread(folder, workers), spread(folder, workers, "--streamval-report", "report.html")
            print(f"  -n {workers}: {plain}, {reported} with the report; load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
