"""Fixtures of all tests."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from tests.inner_libraries import keep_libraries
from tests.loopback import Provider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from pytest_streamval.typing import CapturedTelemetry

# These need official clients and frameworks, which environments of tox install and run them with.
collect_ignore = ["sdks", "frameworks"]


def pytest_configure() -> None:
    """Let interrupts end the processes of tests, which a background job ignores; keep libraries after inner runs."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    keep_libraries()
    # no test depends on the speed of the machine
    settings.register_profile("untimed", settings.default, deadline=None)
    settings.load_profile("untimed")


@pytest.fixture(scope="session")
def streams() -> Path:
    """Return the folder of recorded streams."""
    return Path(__file__).parent / "data" / "streams"


@pytest.fixture
def captured() -> Iterator[CapturedTelemetry]:
    """Capture telemetry, unguarded: the fixture of the plugin would have the whole session guarded."""
    from pytest_streamval.engine.telemetry.capture import capturing

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


@pytest.fixture
def provider() -> Callable[..., Any]:
    """Serve answers: `async with provider(answering(...)) as served:`."""

    @asynccontextmanager
    async def serve(*answers: Callable[[asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[Provider]:
        served = Provider(list(answers))
        server = await asyncio.start_server(served.connect, "127.0.0.1", 0)
        served.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server:
            try:
                yield served
            finally:
                await served.close()

    return serve
