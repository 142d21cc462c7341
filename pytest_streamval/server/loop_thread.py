"""The event loop in which servers live: one thread for all that are open in a process, none if none is open.

Only code of this package runs in it. A rule, which is the user's code, has a thread of its own: see `rules`.
"""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import Future
from contextvars import Context
from typing import TYPE_CHECKING, Protocol, TypeVar
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")

_NAME = "streamval server"


class Owner(Protocol):
    """An open server."""

    def end_at_exit(self) -> None:
        """Close it at the end of the program."""

    def leave_to_parent(self) -> None:
        """Give up, in a forked child, the copies of the parent's resources."""


class AnsweringThread(threading.Thread):
    """A thread that does nothing unless a client connects."""

    only_answers = True
    """That a virtual clock need not wait for it."""


class LoopThread:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self.users = 0
        """The number of servers that need it, counted under the lock of this module."""
        # a factory of its own keeps the runner from making it the event loop of the calling thread
        self._runner = asyncio.Runner(loop_factory=asyncio.SelectorEventLoop)
        self._loop = self._runner.get_loop()
        self._tasks: set[asyncio.Task[object]] = set()
        self._thread = AnsweringThread(target=self._live, name=_NAME)
        self._thread.start()

    def run(self, make: Callable[[], Coroutine[object, object, T]]) -> T:
        """Run a coroutine in the loop, and return its result."""
        result: Future[T] = Future()

        async def carry_out() -> None:
            try:
                result.set_result(await make())
            except BaseException as error:
                result.set_exception(error)
                raise

        self.begin(carry_out)
        return result.result()

    def begin(self, make: Callable[[], Coroutine[object, object, None]]) -> None:
        """Start a coroutine in the loop, without waiting and without a lock: a garbage collector may call this."""

        def begin() -> None:
            task = self._loop.create_task(make(), name=f"{_NAME}: {make.__qualname__}")
            self._tasks.add(task)
            task.add_done_callback(self._done)

        # an empty context: what lives here belongs to no test's context
        self._loop.call_soon_threadsafe(begin, context=Context())

    def stop(self) -> None:
        """End the loop, and wait for the thread unless this is called in it."""
        self._loop.call_soon_threadsafe(self._loop.stop, context=Context())
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _done(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        task.cancelled() or task.exception()  # which `run` has raised

    def _live(self) -> None:
        with self._runner:
            self._loop.run_forever()


_lock = threading.Lock()
_shared: list[LoopThread] = []  # the one, while there are users
_owners: WeakSet[Owner] = WeakSet()  # the open servers


def borrow(owner: Owner) -> LoopThread:
    """Return the thread, which begins with its first user."""
    with _lock:
        if not _shared:
            _shared.append(LoopThread())
        _owners.add(owner)
        _shared[0].users += 1
        return _shared[0]


def give_back(thread: LoopThread) -> None:
    """Need the thread no more; it ends with its last user."""
    with _lock:
        thread.users -= 1
        if thread.users:
            return
        _shared.remove(thread)
    thread.stop()  # without the lock: the thread may itself be about to give back what was dropped


def disown(owner: Owner) -> None:
    """Forget a server that is closed."""
    _owners.discard(owner)


def _end_all() -> None:
    """Close the servers that are open at the end of the program: the interpreter would wait for their thread."""
    for owner in tuple(_owners):
        owner.end_at_exit()


def _begin_anew() -> None:
    """Begin anew in a child process, which has none of its parent's threads."""
    global _lock  # noqa: PLW0603  # the parent's may have been held
    _lock = threading.Lock()
    _inherited.extend(_shared)  # not to be finalised here
    _shared.clear()
    for owner in tuple(_owners):
        owner.leave_to_parent()
    _owners.clear()


_inherited: list[LoopThread] = []
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
# Also used by executors: it comes before the interpreter waits for threads, unlike atexit.
threading._register_atexit(_end_all)  # type: ignore[attr-defined]
