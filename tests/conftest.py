"""What all tests share."""

from __future__ import annotations

import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_streamval import CapturedTelemetry

# These need the official clients, which `tox -e sdks` installs and runs them with.
collect_ignore = ["sdks"]


def pytest_configure() -> None:
    """Let interrupts end what tests start: a job in the background ignores them, and so do its children."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def streams() -> Path:
    """Return the folder of recorded streams."""
    return Path(__file__).parent / "data" / "streams"


@pytest.fixture
def captured() -> Iterator[CapturedTelemetry]:
    """Capture telemetry, unguarded: the fixture of the plugin would have the whole session guarded."""
    from pytest_streamval.harness.telemetry import capturing

    with capturing() as captured:
        yield captured


@pytest.fixture
def in_threads() -> Iterator[Callable[[Callable[[int], object]], list[object]]]:
    """Return a function that calls another one in four threads at once, which interrupt each other often."""

    def call(work: Callable[[int], object]) -> list[object]:
        start = threading.Barrier(4)

        def begin(number: int) -> object:
            start.wait()
            return work(number)

        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(begin, range(4)))

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield call
    sys.setswitchinterval(before)
