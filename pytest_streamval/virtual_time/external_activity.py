"""Activity outside an event loop that may still wake it: executors, threads, subprocesses, connections."""

from __future__ import annotations

import concurrent.futures
import socket
import sys
import threading
from concurrent.futures.thread import _threads_queues  # the only record of which threads belong to an executor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_streamval.http.pool import is_idle_connection

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable, Iterator

_RESULT = concurrent.futures.Future.result.__code__
_CHILD_WATCHER = "asyncio-waitpid-"  # the prefix of the thread that waits for a subprocess


class ExternalActivity:
    """The activity outside the event loops of a clock.

    It does not include a listening socket and its server's thread, an idle worker of an executor, a daemon thread, or a
    thread that is older than the clock. Nor does it include a thread or a connection that itself waits for the loop: a
    thread that waits for a coroutine in the loop, and a connection with both ends in the loop.
    """

    def __init__(self) -> None:
        self.calls: list[asyncio.Future[Any]] = []
        """The asyncio futures that wait for a future of `concurrent.futures`."""
        self.requests: list[concurrent.futures.Future[Any]] = []
        """The futures with which threads wait for a coroutine in a loop."""
        self.has_inner_connection = False
        """Whether the loop of the last call of `ongoing` has both ends of a connection."""
        self._earlier = set(threading.enumerate())

    def ongoing(self, loop: Any) -> list[str]:  # noqa: ANN401  # its private parts are read
        """Return a phrase for each activity that may wake a loop."""
        found = []
        if self.calls:
            self.calls = [call for call in self.calls if not call.done()]
            found += ["a call in an executor" for call in self.calls if call.get_loop() is loop]
        if threading.active_count() > 1:
            found += [_described_thread(thread) for thread in threading.enumerate() if self._may_wake(thread)]
        if self.requests:
            self.requests = [request for request in self.requests if not request.done()]
            del found[: self._blocked_threads()]  # each has a phrase of its own, and all phrases are alike
        self.has_inner_connection = False
        watched = loop._selector._fd_to_key
        if len(watched) > 1:  # one is the pipe with which other threads wake the loop
            connections = Connections(loop, set(watched) - {loop._ssock.fileno()})
            self.has_inner_connection = connections.has_inner
            found += connections.outer
        return found

    def daemon_threads(self) -> tuple[str, ...]:
        """Return the names of the daemon threads that are newer than the clock and do not stop virtual time."""
        return tuple(
            thread.name
            for thread in threading.enumerate()
            if thread.daemon and thread not in self._earlier and not self._may_wake(thread)
        )

    def _blocked_threads(self) -> int:
        """Count the threads that wait for a coroutine in a loop."""
        known = {
            thread.ident for thread in threading.enumerate() if thread in _threads_queues or self._may_wake(thread)
        }
        frames = [frame for ident, frame in sys._current_frames().items() if ident in known]
        callers = [frame.f_back for frame in frames]  # of the wait for a condition
        return sum(
            frame is not None and frame.f_code is _RESULT and frame.f_locals.get("self") in self.requests
            for frame in callers
        )

    def _may_wake(self, thread: threading.Thread) -> bool:
        if type(thread).__module__.startswith("anyio."):  # its workers belong to no executor
            return thread not in vars(thread).get("idle_workers", ())
        if thread in self._earlier or thread in _threads_queues or type(thread).__module__.startswith("concurrent."):
            return False
        if getattr(thread, "only_answers", False):  # a client of its server has a connection, which counts itself
            return False
        return not thread.daemon or thread.name.startswith(_CHILD_WATCHER)


def _described_thread(thread: threading.Thread) -> str:
    return "a subprocess" if thread.name.startswith(_CHILD_WATCHER) else f"the thread {thread.name!r}"


class Ends(NamedTuple):
    """The addresses of both ends of a connection, seen from one of them."""

    here: Any
    there: Any


class Connections:
    """The connections of an event loop: those within it, and those to another end."""

    def __init__(self, loop: Any, watched: Iterable[int]) -> None:  # noqa: ANN401  # its private parts are read
        """Examine the file descriptors that the selector of a loop watches."""
        self.outer: list[str] = []
        """A phrase for each file descriptor whose other end is outside the loop."""
        self.has_inner = False
        """Whether both ends of a connection are in the loop."""
        found = {number: _examine_descriptor(number) for number in watched}
        # A loop stops watching an end while its reader is slow, so the ends of all transports count.
        ours = {
            *found.values(),
            *(_examine_descriptor(number) for number in _transport_descriptors(loop) if number not in found),
        }
        for number, result in found.items():
            if isinstance(result, str):
                self.outer.append(result)
            elif result is not None and not _is_idle(result):
                if result.here != result.there and Ends(result.there, result.here) in ours:
                    self.has_inner = True
                elif result not in _silent:
                    self.outer.append(f"the connection to {_shown_address(result.there, number)}")


def _transport_descriptors(loop: Any) -> list[int]:  # noqa: ANN401  # its private parts are read
    """Return the file descriptors of a loop's open transports. The number of a closed one may have been reused."""
    transports = list(loop._transports.items())
    return [number for number, transport in transports if transport.get_extra_info("socket").fileno() == number]


def _examine_descriptor(number: int) -> Ends | str | None:
    """Return the ends of a connection, a phrase for other file descriptors, or None for a listening socket."""
    try:
        sock = socket.socket(fileno=number)
    except OSError:
        return f"the file descriptor {number}, a pipe or a similar object"
    try:
        if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return None
        here = sock.getsockname()
        return Ends(_normalized_address(here), _normalized_address(sock.getpeername()))
    except OSError:
        return f"the socket at {_shown_address(_normalized_address(here), number)}, which has no peer"
    finally:
        sock.detach()  # other code owns the descriptor


_silent: set[Ends] = set()  # the ends of connections on which a server of this process will send nothing


def silent_ends(server: Any, client: Any) -> Ends:  # noqa: ANN401  # addresses depend on the address family
    """Return the ends of a connection of a server, as its client sees them."""
    return Ends(_normalized_address(client), _normalized_address(server))


@contextmanager
def silent(ends: Ends) -> Iterator[None]:
    """Declare that the server of a connection sends nothing more, so that virtual time does not wait for it."""
    _silent.add(ends)
    try:
        yield
    finally:
        _silent.discard(ends)


def _is_idle(ends: Ends) -> bool:
    """Return whether either end is one of a connection that waits for another request."""
    return is_idle_connection(ends.here, ends.there) or is_idle_connection(ends.there, ends.here)


def _normalized_address(address: Any) -> Any:  # noqa: ANN401  # its type depends on the address family
    """Return the address of an end of a connection without the prefix that writes IPv4 as IPv6."""
    return (address[0].removeprefix("::ffff:"), address[1]) if isinstance(address, tuple) else address


def _shown_address(address: Any, number: int) -> str:  # noqa: ANN401  # as above
    if isinstance(address, tuple):
        return f"{address[0]}:{address[1]}"
    return repr(address) if address else f"an unnamed socket, file descriptor {number}"
