"""`BackgroundLoop`: an event loop in a thread, which runs coroutines for synchronous callers."""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import threading
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_streamval.engine.loop_thread import LoopThread
from pytest_streamval.engine.tasks import settle, start_task
from pytest_streamval.errors import ClosedError, blocking_call_error, closed_session_error

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")

_POLL_INTERVAL = 0.05  # seconds between two checks for a cancellation of the caller's own task


class BackgroundLoop:
    """An event loop in a thread that starts with the first call and ends with `close` or with the program.

    Any thread can call it. If the thread has a running event loop, the call blocks that loop.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: LoopThread | None = None
        self._closing = False

    @property
    def started(self) -> bool:
        """Whether the loop was started."""
        return self._thread is not None

    @property
    def running(self) -> bool:
        """Whether the loop was started and is not closing."""
        return self.started and not self._closing

    @property
    def is_current(self) -> bool:
        """Whether the caller runs in the thread of this loop."""
        return self._thread is not None and self._thread.is_current

    def forked(self) -> None:
        """Reset the loop in a forked child process, which has no threads of its parent."""
        if self._thread is not None:
            self._thread.abandon()
        self._lock, self._thread = threading.Lock(), None

    def call(self, method: str, begin: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run a coroutine in the loop, and return its result. An interrupt of the wait cancels it and awaits its end.

        Args:
            method: The name of the called method, for errors.
            begin: Makes the coroutine. It is called in the event loop.

        Raises:
            ClosedError: If the loop is closed before the end of the coroutine (a `RuntimeError`).
            EventLoopError: If the caller runs in the thread of this loop (a `RuntimeError`).
            BaseException: If the coroutine failed.
        """
        if self.is_current:
            raise blocking_call_error(method)
        answer: concurrent.futures.Future[T] = concurrent.futures.Future()
        tasks: list[asyncio.Task[T]] = []

        def start() -> None:
            tasks.append(start_task(begin(), f"streamval {method}()"))
            tasks[0].add_done_callback(lambda task: _copy_outcome(task, answer))

        def cancel() -> None:
            if tasks:
                tasks[0].cancel()
            else:  # interrupted before the start
                answer.set_exception(asyncio.CancelledError())

        loop = self._started_loop(method)
        interrupted = _keyboard_interrupts()  # called before the coroutine runs, so that it sees every interrupt
        try:
            self._submit(method, loop, start)
            _wait_for_answer(answer, interrupted)
        except ClosedError:
            raise
        except BaseException:
            with contextlib.suppress(RuntimeError):  # the loop is closed, so the coroutine has ended
                loop.call_soon_threadsafe(cancel)
                concurrent.futures.wait([answer])
            raise
        if self._closing and isinstance(answer.exception(), asyncio.CancelledError):
            raise closed_session_error(method) from None
        return answer.result()

    def stop(self) -> None:
        """Stop the loop and all its tasks without waiting. Any thread can call it, more than once."""
        with self._lock:
            begun, self._closing = self._closing, True
            thread = self._thread
        if thread is not None and not begun:
            thread.loop.call_soon_threadsafe(lambda: start_task(_end_background_loop(thread), "streamval end"))

    def close(self) -> None:
        """Stop the loop and all its tasks, and wait for the end of its thread."""
        self.stop()
        if self._thread is not None:
            self._thread.join()

    def _started_loop(self, method: str) -> asyncio.AbstractEventLoop:
        """Start the loop unless it is running, and return it."""
        with self._lock:
            if self._closing:
                raise closed_session_error(method)
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
        """Call a function in the loop, unless the loop is closing."""
        with self._lock:
            if self._closing:
                raise closed_session_error(method)
            loop.call_soon_threadsafe(start)


async def _end_background_loop(thread: LoopThread) -> None:
    await settle(asyncio.all_tasks() - {asyncio.current_task()})
    thread.stop()


def _copy_outcome(task: asyncio.Task[T], answer: concurrent.futures.Future[T]) -> None:
    if task.cancelled():
        answer.set_exception(asyncio.CancelledError())
    elif (error := task.exception()) is not None:
        answer.set_exception(error)
    else:
        answer.set_result(task.result())


def _keyboard_interrupts() -> Callable[[], bool] | None:
    """Return a function that checks for a cancellation of the caller's own task, or None outside of an event loop.

    In an event loop, Ctrl-C only cancels the main task, which cannot react during a blocking call.
    """
    task = None if asyncio._get_running_loop() is None else asyncio.current_task()
    if task is None:
        return None
    before = task.cancelling()
    return lambda: task.cancelling() > before


def _wait_for_answer(answer: concurrent.futures.Future[T], interrupted: Callable[[], bool] | None) -> None:
    """Wait for an answer, and raise a `CancelledError` if the caller's own task is cancelled."""
    if interrupted is None:
        concurrent.futures.wait([answer])
        return
    while not concurrent.futures.wait([answer], timeout=_POLL_INTERVAL).done:
        if interrupted():
            raise asyncio.CancelledError
