"""The thread in which servers live: one for all that are open in a process, none where none is."""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import Future
from contextvars import Context
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")

_NAME = "streamval server"


class _Thread(threading.Thread):
    """A thread that does nothing unless somebody connects."""

    only_answers = True
    """That a virtual clock need not wait for it."""


class LoopThread:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.SelectorEventLoop()
        """The loop; only `run` and `call_soon_threadsafe` may be used from outside."""
        self._tasks: set[asyncio.Task[object]] = set()
        self._thread = _Thread(target=self._live, name=_NAME)
        self._thread.start()

    def run(self, make: Callable[[], Coroutine[object, object, T]]) -> T:
        """Run a coroutine in the loop, and return its result once it is there."""
        result: Future[T] = Future()

        async def carry_out() -> None:
            try:
                result.set_result(await make())
            except BaseException as error:
                result.set_exception(error)
                raise

        def begin() -> None:
            task = self.loop.create_task(carry_out(), name=f"{_NAME}: {make.__qualname__}")
            self._tasks.add(task)
            task.add_done_callback(self._done)

        # an empty context: what lives here belongs to no test's context
        self.loop.call_soon_threadsafe(begin, context=Context())
        return result.result()

    def stop(self) -> None:
        """End the loop and the thread."""
        self.loop.call_soon_threadsafe(self.loop.stop, context=Context())
        self._thread.join()

    def _done(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        task.cancelled() or task.exception()  # which `run` has raised

    def _live(self) -> None:
        try:
            self.loop.run_forever()
        finally:
            self.loop.close()


_lock = threading.Lock()
_shared: list[LoopThread] = []  # the one, while there are users
_users = 0


def borrow() -> LoopThread:
    """Return the thread, which begins with its first user."""
    global _users  # noqa: PLW0603  # counted under the lock
    with _lock:
        if not _shared:
            _shared.append(LoopThread())
        _users += 1
        return _shared[0]


def give_back() -> None:
    """Need the thread no more; it ends with its last user."""
    global _users  # noqa: PLW0603  # counted under the lock
    with _lock:
        _users -= 1
        if _users == 0 and _shared:
            _shared.pop().stop()


def _stop_at_exit() -> None:
    """End the thread of servers that nobody has closed: the interpreter would wait for it."""
    with _lock:
        while _shared:
            _shared.pop().stop()


def _forget() -> None:
    """Begin anew in a child process, which has none of its parent's threads."""
    global _lock, _users  # the parent's lock may have been held
    _lock, _users = threading.Lock(), 0
    _inherited.extend(_shared)  # not to be finalised here
    _shared.clear()


_inherited: list[LoopThread] = []
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
# What executors use too: it comes before the interpreter waits for threads, where atexit comes behind.
threading._register_atexit(_stop_at_exit)  # type: ignore[attr-defined]
