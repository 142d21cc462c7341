"""`Opened`: the generations that a session has started, in whatever event loop, until they are over."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from pytest_streamval.engine.tasks import settle

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_streamval.engine.result import StreamChunkingResult
    from pytest_streamval.engine.thunk import ModelOutputThunk


class Opened:
    """What a session has to end: it keeps nothing alive, and may be asked from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._outputs: WeakSet[ModelOutputThunk] = WeakSet()
        self._runs: WeakSet[StreamChunkingResult] = WeakSet()

    def add_output(self, thunk: ModelOutputThunk) -> None:
        """Note an output."""
        with self._lock:
            self._outputs.add(thunk)

    def add_run(self, result: StreamChunkingResult) -> None:
        """Note a run."""
        with self._lock:
            self._runs.add(result)

    def __bool__(self) -> bool:
        """Return whether anything is not over."""
        return bool(self._open_runs() or self._open_outputs())

    def stop(self) -> None:
        """Begin to stop everything, without waiting for its end."""
        for result in self._open_runs():
            _in_loop(result.task.get_loop(), result.task.cancel)
        for thunk in self._open_outputs():
            self._stop(thunk)

    async def aclose(self) -> None:
        """Stop everything, and wait until all that lives in this event loop has ended; the rest has begun to.

        Raises:
            Exception: what the clean-up of a generation raised; a group, if there are several.
        """
        here = asyncio.get_running_loop()
        runs = [result for result in self._open_runs() if result.task.get_loop() is here]
        producers = [thunk.producer for thunk in self._open_outputs() if thunk.producer is not None]
        producers = [producer for producer in producers if producer.get_loop() is here]
        for result in runs:
            await result.aclose()
        self.stop()
        await settle(producers)
        failures = [failure for each in producers if not each.cancelled() and (failure := each.exception()) is not None]
        _raise(failures)

    def _open_runs(self) -> list[StreamChunkingResult]:
        with self._lock:
            return [result for result in self._runs if not result.task.done()]

    def _open_outputs(self) -> list[ModelOutputThunk]:
        with self._lock:
            return [thunk for thunk in self._outputs if not thunk.is_computed() or _runs(thunk.producer)]

    def _stop(self, thunk: ModelOutputThunk) -> None:
        producer = thunk.producer
        if producer is None:  # a backend that feeds it in its own way
            thunk.abandon()
            return
        _in_loop(producer.get_loop(), thunk.abandon)
        if thunk.is_computed() and not producer.cancelling():  # it works on behind the end of its output
            _in_loop(producer.get_loop(), producer.cancel)


def _runs(producer: asyncio.Task[Any] | None) -> bool:
    return producer is not None and not producer.done()


def _in_loop(loop: asyncio.AbstractEventLoop, stop: Callable[[], object]) -> None:
    """Call a function where it belongs; in a loop that is closed nothing is left to stop."""
    if loop.is_closed():
        return
    if loop is asyncio._get_running_loop():
        stop()
        return
    with contextlib.suppress(RuntimeError):  # closed since
        loop.call_soon_threadsafe(stop)


def _raise(failures: list[BaseException]) -> None:
    if len(failures) == 1:
        raise failures[0]
    if failures:
        raise BaseExceptionGroup("several generations failed to clean up", failures)
