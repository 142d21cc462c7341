"""What goes on outside an event loop and may still wake it: executors, threads, subprocesses, connections."""

from __future__ import annotations

import concurrent.futures
import socket
import sys
import threading
from concurrent.futures.thread import _threads_queues  # which threads belong to an executor is known nowhere else
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable

_RESULT = concurrent.futures.Future.result.__code__
_CHILD_WATCHER = "asyncio-waitpid-"  # begins the name of the thread that waits for a subprocess


class Outside:
    """Tells what is under way outside the event loops of a clock.

    Not under way is what nobody waits for: a listening socket and the thread of its server, an idle worker of an
    executor, a daemon thread, and a thread that was there before the clock. Nor is what waits for the loop in turn: a
    thread that asked it to run a coroutine, and a connection that has both its ends in it.
    """

    def __init__(self) -> None:
        self.calls: list[asyncio.Future[Any]] = []
        """The futures that wait for one of `concurrent.futures`."""
        self.orders: list[concurrent.futures.Future[Any]] = []
        """The futures by which threads wait for coroutines that they have handed to a loop."""
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
            found += [_phrase(thread) for thread in threading.enumerate() if self._awaited(thread)]
        if self.orders:
            self.orders = [order for order in self.orders if not order.done()]
            del found[: self._waiting_for_orders()]  # each of them stands in there, and all are alike
        self.talks_to_itself = False
        watched = loop._selector._fd_to_key
        if len(watched) > 1:  # one is the pipe by which other threads wake the loop
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

    def _waiting_for_orders(self) -> int:
        """Count the threads that are blocked until a loop has done what they asked for."""
        known = {thread.ident for thread in threading.enumerate() if thread in _threads_queues or self._awaited(thread)}
        frames = [frame for ident, frame in sys._current_frames().items() if ident in known]
        callers = [frame.f_back for frame in frames]  # of the wait for a condition
        return sum(
            frame is not None and frame.f_code is _RESULT and frame.f_locals.get("self") in self.orders
            for frame in callers
        )

    def _awaited(self, thread: threading.Thread) -> bool:
        if type(thread).__module__.startswith("anyio."):  # its workers belong to no executor
            return thread not in vars(thread).get("idle_workers", ())
        if thread in self._earlier or thread in _threads_queues or type(thread).__module__.startswith("concurrent."):
            return False
        if getattr(thread, "only_answers", False):  # whom it answers has a connection, which is looked at by itself
            return False
        return not thread.daemon or thread.name.startswith(_CHILD_WATCHER)


def _phrase(thread: threading.Thread) -> str:
    return "a subprocess" if thread.name.startswith(_CHILD_WATCHER) else f"the thread {thread.name!r}"


class Ends(NamedTuple):
    """The names of the two ends of a connection, from one of them: the other one has them the other way round."""

    here: Any
    there: Any


class Connections:
    """What a loop waits for at its file descriptors, by where it has to come from."""

    def __init__(self, loop: Any, watched: Iterable[int]) -> None:  # noqa: ANN401  # what is asked of it is private
        """Look at the file descriptors that the selector of a loop watches."""
        self.outer: list[str] = []
        """What has to come from elsewhere, in words."""
        self.has_inner = False
        """Whether a connection has both its ends in the loop."""
        found = {number: _examined(number) for number in watched}
        # one end may be left unwatched for a while, because what it has read has not been taken yet
        ours = {*found.values(), *(_examined(number) for number in _open(loop) if number not in found)}
        for number, what in found.items():
            if isinstance(what, str):
                self.outer.append(what)
            elif what is not None:
                if what.here != what.there and Ends(what.there, what.here) in ours:
                    self.has_inner = True
                else:
                    self.outer.append(f"the connection to {_shown(what.there, number)}")


def _open(loop: Any) -> list[int]:  # noqa: ANN401  # as above
    """Return the file descriptors of a loop's transports; those of closed ones may be another's by now."""
    transports = list(loop._transports.items())
    return [number for number, transport in transports if transport.get_extra_info("socket").fileno() == number]


def _examined(number: int) -> Ends | str | None:
    """Return the ends of a connection, words for what is none, and None for what only listens."""
    try:
        sock = socket.socket(fileno=number)
    except OSError:
        return f"the file descriptor {number}, a pipe or the like"
    try:
        if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return None
        here = sock.getsockname()
        return Ends(_plain(here), _plain(sock.getpeername()))
    except OSError:
        return f"the socket at {_shown(_plain(here), number)}, which has no peer"
    finally:
        sock.detach()  # it is another's


def _plain(name: Any) -> Any:  # noqa: ANN401  # each family of addresses has its own kind of name
    """Return a name as both ends write it, also where one of them writes IPv4 as IPv6."""
    return (name[0].removeprefix("::ffff:"), name[1]) if isinstance(name, tuple) else name


def _shown(name: Any, number: int) -> str:  # noqa: ANN401  # as above
    """Return a name for a message."""
    if isinstance(name, tuple):
        return f"{name[0]}:{name[1]}"
    return repr(name) if name else f"nobody by name, at file descriptor {number}"
