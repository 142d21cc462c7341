"""`ConnectionPool`: the connections that the requests of a backend, a session or a council reuse.

A connection belongs to one event loop, so a pool has a client for each. Its connections are closed with the pool, and
with their event loop. A forked child never uses those of its parent.
"""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakSet

from pytest_streamval.engine.tasks import start_task

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    Address = tuple[str, int]

logger = logging.getLogger("pytest_streamval.live")


class Client(Protocol):
    """The part of an HTTP client that a pool uses."""

    async def aclose(self) -> None:
        """Close all connections."""


class ConnectionPool:
    """The HTTP clients of one owner, for each event loop and each kind of request."""

    def __init__(self) -> None:
        self._clients: dict[int, LoopClients] = {}  # by the id of their event loop

    def of_loop(self) -> LoopClients | None:
        """Return the clients of the running event loop, or None if it cannot close them at its end."""
        loop = asyncio.get_running_loop()
        found = self._clients.get(id(loop))
        if found is None or found.loop is not loop or found.process != os.getpid():
            end = _LoopEnd.of(loop)
            if end is None:
                return None
            found = self._clients[id(loop)] = LoopClients(loop, end)
        return found

    def forget(self) -> None:
        """Close the connections without waiting, each in its event loop."""
        clients, self._clients = self._clients, {}
        for each in clients.values():
            each.close_soon()

    async def aclose(self) -> None:
        """Close the connections in this event loop, and wait for that. Those in others are closed there."""
        here = self._clients.pop(id(asyncio.get_running_loop()), None)
        self.forget()
        if here is not None:
            await here.aclose()

    def __deepcopy__(self, memo: object) -> ConnectionPool:
        """Return another pool, because no connection can be copied."""
        return ConnectionPool()

    def __reduce__(self) -> tuple[type[ConnectionPool], tuple[()]]:
        """Return another pool, because no connection can be sent to another process."""
        return ConnectionPool, ()

    def __del__(self) -> None:
        """Close the connections of a dropped pool."""
        self.forget()


class LoopClients:
    """The clients of one pool in one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, end: _LoopEnd) -> None:
        self.loop = loop
        self.process = os.getpid()
        self._end = end
        self._by_kind: dict[Hashable, Client] = {}
        self._active = 0  # requests under way
        self._connections: set[tuple[Address, Address]] = set()
        end.clients.add(self)
        _all.add(self)

    def client(self, kind: Hashable, make: Callable[[], Any]) -> Any:  # noqa: ANN401  # the client's own type
        """Return the client for a kind of request. It is made once."""
        if kind not in self._by_kind:
            self._by_kind[kind] = make()
            self._end.clients.add(self)  # again, if the pool was closed since
        return self._by_kind[kind]

    @contextmanager
    def requesting(self) -> Iterator[None]:
        """Count a request as under way."""
        self._active += 1
        try:
            yield
        finally:
            self._active -= 1

    def note_connection(self, here: object, there: object) -> None:
        """Note the addresses of both ends of a connection."""
        if isinstance(here, tuple) and isinstance(there, tuple):
            self._connections.add((_normalized(here), _normalized(there)))

    def is_idle(self, here: object, there: object) -> bool:
        """Return whether a connection is one of these, and no request is under way."""
        return not self._active and (here, there) in self._connections

    async def aclose(self) -> None:
        """Close the clients."""
        while self._by_kind:
            kind, client = next(iter(self._by_kind.items()))
            await client.aclose()
            self._by_kind.pop(kind, None)  # after that, so that the end of the loop repeats a cancelled attempt
        self._connections.clear()
        self._end.clients.discard(self)

    def close_soon(self) -> None:
        """Close the clients in the next turns of their event loop, or at its end."""
        if self._by_kind and self.process == os.getpid():
            with suppress(RuntimeError):  # the loop is closed, and has closed them
                self.loop.call_soon_threadsafe(self._start_closing)

    def _start_closing(self) -> None:
        start_task(self.aclose(), "streamval close connections")


class _LoopEnd:
    """The method `close` of one event loop, which closes the clients in this loop first."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.clients: set[LoopClients] = set()
        self._loop = loop
        self._close = loop.close
        self._process = os.getpid()

    @classmethod
    def of(cls, loop: asyncio.AbstractEventLoop) -> _LoopEnd | None:
        """Return the end of a loop, or None if its method cannot be replaced."""
        found = getattr(loop, "__dict__", {}).get("close")
        if isinstance(found, cls):
            return found
        end = cls(loop)
        try:
            loop.close = end  # type: ignore[method-assign]
        except AttributeError:
            return None
        return end

    def __call__(self) -> None:
        loop = self._loop
        is_free = not loop.is_closed() and not loop.is_running() and asyncio._get_running_loop() is None
        if self.clients and is_free and self._process == os.getpid():
            try:
                loop.run_until_complete(self._close_clients())
            except Exception:
                logger.exception("The connections of %r could not be closed with it.", loop)
        self._close()
        self.clients.clear()

    async def _close_clients(self) -> None:
        for clients in tuple(self.clients):
            await clients.aclose()


_all: WeakSet[LoopClients] = WeakSet()


def is_idle_connection(here: object, there: object) -> bool:
    """Return whether a connection of this process waits in a pool for the next request, so that nothing will come.

    Args:
        here: The address of its own end: host and port.
        there: The address of the other end.
    """
    return any(clients.is_idle(here, there) for clients in tuple(_all))


def _normalized(address: tuple[Any, ...]) -> Address:
    """Return the host and the port of an address, without the prefix with which IPv6 may write IPv4."""
    return address[0].removeprefix("::ffff:"), address[1]
