"""`BackgroundLoop`: an event loop in a thread of its own, in which synchronous callers have coroutines run."""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import threading
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_streamval.engine.loop_thread import LoopThread
from pytest_streamval.engine.tasks import settle, start_task
from pytest_streamval.errors import BlockingCallError, ClosedSessionError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")

_PATIENCE = 0.05  # seconds between two looks at whether the caller's own task was cancelled


class BackgroundLoop:
    """Starts its thread with the first call, and ends it with `close`, at the latest with the program.

    It may be called from any thread, also from one whose own event loop is running: that one stands still meanwhile.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: LoopThread | None = None
        self._closing = False

    @property
    def started(self) -> bool:
        """Whether there is anything to end."""
        return self._thread is not None

    @property
    def running(self) -> bool:
        """Whether the loop was started and nothing has ended it."""
        return self.started and not self._closing

    @property
    def is_current(self) -> bool:
        """Whether the caller runs in this loop's thread."""
        return self._thread is not None and self._thread.is_current

    def forked(self) -> None:
        """Begin anew in a child process, which has none of its parent's threads."""
        if self._thread is not None:
            self._thread.abandon()
        self._lock, self._thread = threading.Lock(), None

    def call(self, method: str, begin: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return what a coroutine returns; whatever interrupts the waiting cancels it, and waits for its end.

        Args:
            method: how the caller calls it, for errors.
            begin: makes the coroutine, in the event loop.

        Raises:
            ClosedSessionError: a `RuntimeError`; the loop is closed, or was closed meanwhile.
            BlockingCallError: a `RuntimeError`; this thread is the loop's own.
            BaseException: what the coroutine raised.
        """
        if self.is_current:
            raise BlockingCallError(method)
        answer: concurrent.futures.Future[T] = concurrent.futures.Future()
        tasks: list[asyncio.Task[T]] = []

        def start() -> None:
            tasks.append(start_task(begin(), f"streamval {method}()"))
            tasks[0].add_done_callback(lambda task: _hand_over(task, answer))

        def cancel() -> None:
            if tasks:
                tasks[0].cancel()
            else:  # the interrupt came first
                answer.set_exception(asyncio.CancelledError())

        loop = self._begun(method)
        interrupted = _interrupts()  # before anything runs, so that no interrupt counts as one from before
        try:
            self._submit(method, loop, start)
            _wait(answer, interrupted)
        except ClosedSessionError:
            raise
        except BaseException:
            with contextlib.suppress(RuntimeError):  # closed meanwhile, and all that ran in it has ended
                loop.call_soon_threadsafe(cancel)
                concurrent.futures.wait([answer])
            raise
        if self._closing and isinstance(answer.exception(), asyncio.CancelledError):
            raise ClosedSessionError(method) from None
        return answer.result()

    def stop(self) -> None:
        """Begin to end the loop and all that runs in it; from any thread, and any number of times."""
        with self._lock:
            begun, self._closing = self._closing, True
            thread = self._thread
        if thread is not None and not begun:
            thread.loop.call_soon_threadsafe(lambda: start_task(_end(thread), "streamval end"))

    def close(self) -> None:
        """End the loop and all that runs in it, and wait until its thread has ended."""
        self.stop()
        if self._thread is not None:
            self._thread.join()

    def _begun(self, method: str) -> asyncio.AbstractEventLoop:
        """Return the loop, which is started if it is not there yet."""
        with self._lock:
            if self._closing:
                raise ClosedSessionError(method)
            if self._thread is None:
                self._thread = LoopThread(
                    "streamval session",
                    new_loop=asyncio.new_event_loop,
                    daemon=True,
                    on_end=lambda: atexit.unregister(self.close),
                )
                atexit.register(self.close)
            return self._thread.loop

    def _submit(self, method: str, loop: asyncio.AbstractEventLoop, start: Callable[[], None]) -> None:
        """Have a function called in the loop, before it can be told to end."""
        with self._lock:
            if self._closing:
                raise ClosedSessionError(method)
            loop.call_soon_threadsafe(start)


async def _end(thread: LoopThread) -> None:
    await settle(asyncio.all_tasks() - {asyncio.current_task()})
    thread.stop()


def _hand_over(task: asyncio.Task[T], answer: concurrent.futures.Future[T]) -> None:
    if task.cancelled():
        answer.set_exception(asyncio.CancelledError())
    elif (error := task.exception()) is not None:
        answer.set_exception(error)
    else:
        answer.set_result(task.result())


def _interrupts() -> Callable[[], bool] | None:
    """Return what tells whether the caller's own task was cancelled since; None where this thread runs no event loop.

    Where one is running, Ctrl-C only cancels its main task, which notices nothing while a call stands in its way.
    """
    task = None if asyncio._get_running_loop() is None else asyncio.current_task()
    if task is None:
        return None
    before = task.cancelling()
    return lambda: task.cancelling() > before


def _wait(answer: concurrent.futures.Future[T], interrupted: Callable[[], bool] | None) -> None:
    """Wait for an answer, and look whether the wait was interrupted, where nothing else would tell."""
    if interrupted is None:
        concurrent.futures.wait([answer])
        return
    while not concurrent.futures.wait([answer], timeout=_PATIENCE).done:
        if interrupted():
            raise asyncio.CancelledError
