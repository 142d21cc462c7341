"""What goes on outside an event loop and may still wake it: executors, threads, subprocesses, connections."""

from __future__ import annotations

import threading
from concurrent.futures.thread import _threads_queues  # which threads belong to an executor is known nowhere else
from typing import TYPE_CHECKING, Any

from pytest_streamval.harness.clock.connections import Connections

if TYPE_CHECKING:
    import asyncio

_CHILD_WATCHER = "asyncio-waitpid-"  # begins the name of the thread that waits for a subprocess


class Outside:
    """Tells what is under way outside the event loops of a clock.

    Not under way is what nobody waits for: a listening socket, an idle worker of an executor, a daemon thread, and a
    thread that was there before the clock. A connection whose two ends are in the same loop is the loop's own affair.
    """

    def __init__(self) -> None:
        self.calls: list[asyncio.Future[Any]] = []
        """The futures that wait for one of `concurrent.futures`."""
        self.talks_to_itself = False
        """Whether the loop that was asked about last has both ends of a connection."""
        self._earlier = set(threading.enumerate())

    def under_way(self, loop: Any) -> list[str]:  # noqa: ANN401  # what is asked of it is private
        """Say what is under way that may wake a loop, one phrase for each."""
        found = []
        if self.calls:
            self.calls = [call for call in self.calls if not call.done()]
            found += ["a call in an executor" for call in self.calls if call.get_loop() is loop]
        if threading.active_count() > 1:
            found += [f"the thread {thread.name!r}" for thread in threading.enumerate() if self._awaited(thread)]
        self.talks_to_itself = False
        watched = loop._selector.get_map()
        if len(watched) > loop._internal_fds:
            connections = Connections(loop, set(watched) - {loop._ssock.fileno()})
            self.talks_to_itself = connections.has_inner
            found += connections.outer
        return found

    def unwatched(self) -> tuple[str, ...]:
        """Return the names of the threads that have come and that nothing waits for."""
        return tuple(
            thread.name
            for thread in threading.enumerate()
            if thread.daemon and thread not in self._earlier and not self._awaited(thread)
        )

    def _awaited(self, thread: threading.Thread) -> bool:
        if type(thread).__module__.startswith("anyio."):  # its workers belong to no executor
            return thread not in vars(thread).get("idle_workers", ())
        if thread in self._earlier or thread in _threads_queues or type(thread).__module__.startswith("concurrent."):
            return False
        return not thread.daemon or thread.name.startswith(_CHILD_WATCHER)
