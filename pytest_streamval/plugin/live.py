"""`--streamval-live`: the chosen backend, the check that it is available, and the time limit of live tests."""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
import threading
from contextlib import contextmanager
from functools import cached_property, wraps
from typing import TYPE_CHECKING, Any

import pytest

from pytest_streamval.errors import InvalidArgumentError, LiveTimeLimitError, ProviderUnreachableError, UnknownNameError
from pytest_streamval.live.backend import LiveBackend
from pytest_streamval.live.probe import probe
from pytest_streamval.live.providers import DEFAULT
from pytest_streamval.plugin.live_markers import LiveMarkers
from pytest_streamval.plugin.options import seconds_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from pytest_streamval.errors import ProviderUnreachableError


class LiveRun:
    """The plugin that is registered under `--streamval-live`."""

    def __init__(self, config: pytest.Config) -> None:
        """Read the options, and put the chosen backend into the environment, for example scripts and sessions.

        Raises:
            pytest.UsageError: If the backend is unknown, or the address or the time limit is invalid.
        """
        spec = _setting(config, "backend")
        try:
            self.chosen = LiveBackend(spec or DEFAULT, base_url=_setting(config, "url"))
        except (UnknownNameError, InvalidArgumentError) as error:
            raise pytest.UsageError(str(error)) from error
        self.limit = seconds_of(config, "streamval_live_timeout")
        os.environ["STREAMVAL_BACKEND"] = self.chosen.spec
        os.environ["STREAMVAL_URL"] = self.chosen.address
        self._config = config
        self._probed: dict[tuple[str, str], ProviderUnreachableError | None] = {}

    @cached_property
    def _markers(self) -> LiveMarkers:
        return LiveMarkers(self._config)  # at the first use, when all markers are registered

    def _is_live(self, item: pytest.Item) -> bool:
        return self._markers.marker_of(item) is not None

    def pytest_collection_finish(self) -> None:
        """Check the configured markers before the first test runs."""
        _ = self._markers

    def backend_of(self, item: pytest.Item) -> LiveBackend:
        """Return the backend of a test: Ollama if the test is marked so, otherwise the chosen one."""
        wants_ollama = item.get_closest_marker("ollama") is not None
        if wants_ollama and self.chosen.provider.name != "ollama":
            return LiveBackend(DEFAULT)
        return self.chosen

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> None:
        """Fail a live test whose backend is unavailable. Each backend is probed once.

        In the setup phase, pytest would report an error instead of a failure.
        """
        if not self._is_live(item):
            return
        backend = self.backend_of(item)
        name = (backend.spec, backend.address)
        if name not in self._probed:
            self._probed[name] = probe(backend)
        unavailable = self._probed[name]
        if unavailable is not None:
            pytest.fail(str(unavailable), pytrace=False)

    @pytest.hookimpl(wrapper=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> Iterator[None]:
        """Limit the time of a live test."""
        if not self.limit or not self._is_live(pyfuncitem):
            return (yield)
        if inspect.iscoroutinefunction(pyfuncitem.obj):
            pyfuncitem.obj = self._limited(pyfuncitem.obj)
            return (yield)
        with _alarm(self.limit):
            return (yield)

    def _limited(self, test: Any) -> Any:  # noqa: ANN401  # a test function of any signature
        @wraps(test)
        async def limited(*args: object, **kwargs: object) -> None:
            __tracebackhide__ = True
            limit = asyncio.timeout(self.limit)
            try:
                async with limit:
                    await test(*args, **kwargs)
            except TimeoutError as error:
                if not limit.expired():
                    raise
                raise LiveTimeLimitError(self.limit) from error

        return limited


LIVE_RUN = pytest.StashKey[LiveRun]()
"""The key of the live run in the stash of the configuration."""


def _setting(config: pytest.Config, name: str) -> str | None:
    """Return a value from the option, the environment variable or the ini value of a name, in this order."""
    return (
        config.getoption(f"--streamval-{name}")
        or os.environ.get(f"STREAMVAL_{name.upper()}")
        or config.getini(f"streamval_{name}")
        or None
    )


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Interrupt a synchronous test after a time, on systems that have interval timers."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise LiveTimeLimitError(seconds)

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
