"""What is asked for by `--streamval-live`: which backend, whether it is there, and how long a test may take."""

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

from pytest_streamval.errors import InvalidArgumentError, LiveTimeLimitError, UnknownProviderError
from pytest_streamval.live.backend import LiveBackend
from pytest_streamval.live.probe import probe
from pytest_streamval.live.providers import DEFAULT
from pytest_streamval.plugin.gating import Gating

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from types import FrameType

    from pytest_streamval.errors import BackendUnavailableError


class Gate:
    """The part of the plugin that is active under `--streamval-live`."""

    def __init__(self, config: pytest.Config, markers: Collection[str]) -> None:
        """Read which backend was chosen, and tell it to example scripts and sessions too.

        Args:
            config: of the run.
            markers: the markers of live tests that this plugin registers.

        Raises:
            pytest.UsageError: it is none that is known, or the time limit is no number of seconds.
        """
        spec = _first(config.getoption("--streamval-backend"), "STREAMVAL_BACKEND", config.getini("streamval_backend"))
        url = _first(config.getoption("--streamval-url"), "STREAMVAL_URL", config.getini("streamval_url"))
        limit = config.getini("streamval_live_timeout")
        try:
            self.chosen = LiveBackend(spec or DEFAULT, base_url=url)
        except (UnknownProviderError, InvalidArgumentError) as error:
            raise pytest.UsageError(str(error)) from error
        try:
            self.limit = float(limit)
        except ValueError as error:
            msg = f"streamval_live_timeout = {limit} does not fit: it is a number of seconds; 0 is no limit."
            raise pytest.UsageError(msg) from error
        os.environ["STREAMVAL_BACKEND"] = self.chosen.spec
        os.environ["STREAMVAL_URL"] = self.chosen.address
        self._config, self._markers = config, markers
        self._probed: dict[tuple[str, str], BackendUnavailableError | None] = {}

    @cached_property
    def _gating(self) -> Gating:
        return Gating(self._config, self._markers)  # at the first use: by then all markers are registered

    def _is_live(self, item: pytest.Item) -> bool:
        return self._gating.marker_of(item) is not None

    def pytest_collection_finish(self) -> None:
        """Check the configuration before the first test runs."""
        _ = self._gating

    def backend_of(self, item: pytest.Item) -> LiveBackend:
        """Return the backend that a test is run on: Ollama for one that asks for it, else the chosen one."""
        wants_ollama = item.get_closest_marker("ollama") is not None
        if wants_ollama and self.chosen.provider.name != "ollama":
            return LiveBackend(DEFAULT)
        return self.chosen

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> None:
        """Fail a live test whose backend is not there; each backend is asked once.

        Not at its set-up, where pytest would call it an error.
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
        """Give a live test its time limit."""
        if not self.limit or not self._is_live(pyfuncitem):
            return (yield)
        if inspect.iscoroutinefunction(pyfuncitem.obj):
            pyfuncitem.obj = self._limited(pyfuncitem.obj)
            return (yield)
        with _alarm(self.limit):
            return (yield)

    def _limited(self, test: Any) -> Any:  # noqa: ANN401  # a test function, whatever it takes
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


GATE = pytest.StashKey[Gate]()
"""Where the configuration of a live run keeps its gate."""


def _first(option: str | None, variable: str, ini: str) -> str | None:
    return option or os.environ.get(variable) or ini or None


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Interrupt a synchronous test that takes too long, where the system can do that."""
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
