"""The thread that all open servers of a process share. It starts with the first of them and ends with the last.

Only code of this package runs in it. A rule, which is the user's code, has a thread of its own (see `rule_thread`).
"""

from __future__ import annotations

import asyncio
import os
import threading
from contextvars import Context
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from weakref import WeakSet

from pytest_streamval.engine.loop_thread import LoopThread
from pytest_streamval.engine.tasks import start_task

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")

_NAME = "streamval server"


class ServerOwner(Protocol):
    """An open server."""

    def close_at_exit(self) -> None:
        """Close the server at the end of the program."""

    def close_after_fork(self) -> None:
        """Close the copies of the parent's resources in a forked child."""


class AnsweringThread(threading.Thread):
    """A thread that does nothing unless a client connects."""

    only_answers = True
    """True, as a virtual clock does not have to wait for this thread."""


class ServerThread(LoopThread):
    """The event loop of the servers."""

    def __init__(self) -> None:
        self.users = 0
        """The number of servers that use it, changed under the lock of this module."""
        super().__init__(_NAME, new_loop=asyncio.SelectorEventLoop, thread_type=AnsweringThread)

    def run(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run a coroutine in the loop, and return its result."""
        return Context().run(lambda: asyncio.run_coroutine_threadsafe(make(), self.loop)).result()

    def begin(self, make: Callable[[], Coroutine[Any, Any, object]]) -> None:
        """Start a coroutine in the loop, without waiting or taking a lock: a garbage collector may call this."""
        # an empty context, as servers do not belong to the context of a test
        self.loop.call_soon_threadsafe(lambda: start_task(make(), _NAME), context=Context())


_lock = threading.Lock()
_shared: list[ServerThread] = []  # at most one
_owners: WeakSet[ServerOwner] = WeakSet()  # the open servers


def acquire_thread(owner: ServerOwner) -> ServerThread:
    """Return the thread for a server that opens. The first server starts it."""
    with _lock:
        if not _shared:
            _shared.append(ServerThread())
        _owners.add(owner)
        _shared[0].users += 1
        return _shared[0]


def release_thread(thread: ServerThread) -> None:
    """Release the thread of a server. The last server stops it."""
    with _lock:
        thread.users -= 1
        if thread.users:
            return
        _shared.remove(thread)
    thread.stop()  # without the lock, as the thread itself may be about to release a dropped server
    thread.join()


def forget_owner(owner: ServerOwner) -> None:
    """Forget a server that is closed."""
    _owners.discard(owner)


def _close_all() -> None:
    """Close the servers that are open at the end of the program. The interpreter would wait for their thread."""
    for owner in tuple(_owners):
        owner.close_at_exit()


def _reset_after_fork() -> None:
    """Start over in a child process, which has none of its parent's threads."""
    global _lock  # noqa: PLW0603  # another thread of the parent may have held it
    _lock = threading.Lock()
    for thread in _shared:
        thread.abandon()
    _shared.clear()
    for owner in tuple(_owners):
        owner.close_after_fork()
    _owners.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)
# Executors use it, too. Unlike atexit, it runs before the interpreter waits for threads.
threading._register_atexit(_close_all)  # type: ignore[attr-defined]
