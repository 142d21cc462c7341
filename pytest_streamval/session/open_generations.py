"""`Opened`: the generations that a session has started, in whatever event loop, until they are over."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from pytest_streamval.engine.tasks import settle, start_task
from pytest_streamval.engine.weak import WeakObjects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pytest_streamval.engine.result import StreamChunkingResult
    from pytest_streamval.engine.thunk import ModelOutputThunk

logger = logging.getLogger("pytest_streamval")

_inside: ContextVar[tuple[Opened, ...]] = ContextVar("inside", default=())  # those whose generations run this code


class Opened:
    """The part of a session that ends its generations: it keeps none of them alive, and any thread may use it."""

    def __init__(self) -> None:
        self._outputs: WeakObjects[ModelOutputThunk] = WeakObjects()
        self._runs: WeakObjects[StreamChunkingResult] = WeakObjects()

    def add_output(self, thunk: ModelOutputThunk) -> None:
        """Note an output, which from now on may be dropped without a warning."""
        thunk.has_owner = True
        self._outputs.add(thunk)

    def add_run(self, result: StreamChunkingResult) -> None:
        """Note a run."""
        self._runs.add(result)

    @contextlib.contextmanager
    def starting(self) -> Iterator[None]:
        """Mark the tasks that start meanwhile as generations of this session."""
        token = _inside.set((*_inside.get(), self))
        try:
            yield
        finally:
            _inside.reset(token)

    def __len__(self) -> int:
        """Return how many generations are not over."""
        return len(self._open_runs()) + len(self._open_outputs())

    def stop(self) -> None:
        """Begin to stop everything, without waiting for its end."""
        for result in self._open_runs():
            _in_loop(result.task.get_loop(), result.task.cancel)
        for thunk in self._open_outputs():
            self._stop(thunk)

    async def aclose(self) -> None:
        """Stop everything, and wait until all that lives in this event loop has ended; the rest has begun to.

        A cancellation of the caller passes through after that. Code that runs as part of a generation does not wait,
        since that generation waits for it.

        Raises:
            Exception: what the clean-up of a generation raised; a group, if there are several.
        """
        if self in _inside.get():
            self.stop()
            return
        here = asyncio.get_running_loop()
        runs = [result for result in self._open_runs() if result.task.get_loop() is here]
        producers = [thunk.producer for thunk in self._open_outputs() if thunk.producer is not None]
        producers = [producer for producer in producers if producer.get_loop() is here]
        ends = [start_task(result.aclose(), f"streamval close {result.task.get_name()}") for result in runs]
        for thunk in self._open_outputs():
            self._stop(thunk)
        ends.append(start_task(settle(producers), "streamval close outputs"))
        try:
            await ended(ends)
        except asyncio.CancelledError:
            for failure in _failures([*ends, *producers]):
                logger.exception("A clean-up raised while a session was left by cancellation.", exc_info=failure)
            raise
        self.stop()
        _raise(_failures([*ends, *producers]))

    def _open_runs(self) -> list[StreamChunkingResult]:
        return [result for result in self._runs if not result.task.done()]

    def _open_outputs(self) -> list[ModelOutputThunk]:
        return [thunk for thunk in self._outputs if not thunk.is_computed() or _runs(thunk.producer)]

    def _stop(self, thunk: ModelOutputThunk) -> None:
        producer = thunk.producer
        if producer is None:  # a backend that feeds it in its own way
            thunk.abandon()
            return
        _in_loop(producer.get_loop(), thunk.abandon)
        if thunk.is_computed():  # it works on after the end of its output
            _in_loop(producer.get_loop(), producer.stop)


async def ended(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Wait until tasks have ended, and only then let a cancellation of the caller pass through."""
    interrupted: asyncio.CancelledError | None = None
    while pending := [task for task in tasks if not task.done()]:
        try:
            await asyncio.wait(pending)
        except asyncio.CancelledError as error:
            interrupted = error
    if interrupted is not None:
        raise interrupted


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


def _failures(tasks: Iterable[asyncio.Task[Any]]) -> list[BaseException]:
    found = [failure for task in tasks if not task.cancelled() and (failure := task.exception()) is not None]
    return list(dict.fromkeys(found))


def _raise(failures: list[BaseException]) -> None:
    if len(failures) == 1:
        raise failures[0]
    if failures:
        raise BaseExceptionGroup("several generations failed to clean up", failures)
