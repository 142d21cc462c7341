"""`OpenGenerations`: the running generations of a session, in any event loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from pytest_streamval.engine.tasks import settle, start_task
from pytest_streamval.engine.weak_objects import WeakObjects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pytest_streamval.engine.result import StreamChunkingResult
    from pytest_streamval.engine.thunk import ModelOutputThunk

logger = logging.getLogger("pytest_streamval")

_owners: ContextVar[tuple[OpenGenerations, ...]] = ContextVar("owners", default=())  # of the generation that runs here


class OpenGenerations:
    """Weak references to the running generations of a session. Any thread can use it."""

    def __init__(self) -> None:
        self._outputs: WeakObjects[ModelOutputThunk] = WeakObjects()
        self._runs: WeakObjects[StreamChunkingResult] = WeakObjects()

    def add_output(self, thunk: ModelOutputThunk) -> None:
        """Add an output, which can then be dropped without a warning."""
        thunk.has_owner = True
        self._outputs.add(thunk)

    def add_run(self, result: StreamChunkingResult) -> None:
        """Add a run."""
        self._runs.add(result)

    @contextlib.contextmanager
    def starting(self) -> Iterator[None]:
        """Mark the tasks that start in this context as generations of this session."""
        token = _owners.set((*_owners.get(), self))
        try:
            yield
        finally:
            _owners.reset(token)

    def __len__(self) -> int:
        """Return the number of running generations."""
        return len(self._open_runs()) + len(self._open_outputs())

    def stop(self) -> None:
        """Stop every generation without waiting for its end."""
        for result in self._open_runs():
            _call_in_loop(result.task.get_loop(), result.task.cancel)
        for thunk in self._open_outputs():
            _stop_output(thunk)

    async def aclose(self) -> None:
        """Stop every generation, and wait for the end of those in this event loop.

        A cancellation of the caller passes through after that. Code inside of a generation does not wait, since the
        generation waits for that code.

        Raises:
            Exception: If the clean-up of a generation failed. Several failures are a group.
        """
        if self in _owners.get():
            self.stop()
            return
        here = asyncio.get_running_loop()
        runs = [result for result in self._open_runs() if result.task.get_loop() is here]
        producers = [thunk.producer for thunk in self._open_outputs() if thunk.producer is not None]
        producers = [producer for producer in producers if producer.get_loop() is here]
        closing = [start_task(result.aclose(), f"streamval close {result.task.get_name()}") for result in runs]
        for thunk in self._open_outputs():
            _stop_output(thunk)
        closing.append(start_task(settle(producers), "streamval close outputs"))
        try:
            await wait_until_done(closing)
        except asyncio.CancelledError:
            for failure in _failures_of_generations([*closing, *producers]):
                logger.exception("The clean-up of a cancelled session failed.", exc_info=failure)
            raise
        self.stop()
        _raise_all(_failures_of_generations([*closing, *producers]))

    def _open_runs(self) -> list[StreamChunkingResult]:
        return [result for result in self._runs if not result.task.done()]

    def _open_outputs(self) -> list[ModelOutputThunk]:
        return [thunk for thunk in self._outputs if not thunk.is_computed() or _is_running(thunk.producer)]


async def wait_until_done(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Wait for tasks. A cancellation of the caller passes through when all are done."""
    interrupted: asyncio.CancelledError | None = None
    while pending := [task for task in tasks if not task.done()]:
        try:
            await asyncio.wait(pending)
        except asyncio.CancelledError as error:
            interrupted = error
    if interrupted is not None:
        raise interrupted


def _is_running(producer: asyncio.Task[Any] | None) -> bool:
    return producer is not None and not producer.done()


def _stop_output(thunk: ModelOutputThunk) -> None:
    producer = thunk.producer
    if producer is None:  # the backend puts deltas without a producer
        thunk.abandon()
        return
    _call_in_loop(producer.get_loop(), thunk.abandon)
    if thunk.is_computed():  # the producer continues after the end of its output
        _call_in_loop(producer.get_loop(), producer.stop)


def _call_in_loop(loop: asyncio.AbstractEventLoop, function: Callable[[], object]) -> None:
    """Call a function in its event loop, unless the loop is closed and runs nothing."""
    if loop.is_closed():
        return
    if loop is asyncio._get_running_loop():
        function()
        return
    with contextlib.suppress(RuntimeError):  # closed since
        loop.call_soon_threadsafe(function)


def _failures_of_generations(tasks: Iterable[asyncio.Task[Any]]) -> list[BaseException]:
    found = [failure for task in tasks if not task.cancelled() and (failure := task.exception()) is not None]
    return list(dict.fromkeys(found))


def _raise_all(failures: list[BaseException]) -> None:
    if len(failures) == 1:
        raise failures[0]
    if failures:
        raise BaseExceptionGroup("several generations failed to clean up", failures)
