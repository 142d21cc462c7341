"""`ThreadHome`: the place in which a server answers by default, the thread that all servers share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol
from weakref import ref

from pytest_streamval.server.server_thread import acquire_thread, forget_owner, release_thread

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from pytest_streamval.server.handler import RequestHandler
    from pytest_streamval.server.server_thread import ServerOwner


class Home(Protocol):
    """The event loop in which an open server answers."""

    @property
    def is_current(self) -> bool:
        """Whether the caller runs in this event loop, which waiting for the server would block."""

    def open(self) -> None:
        """Accept connections."""

    def close(self) -> None:
        """Close the connections and the socket."""

    async def aclose(self) -> None:
        """Do the same, and wait for the end of all connections in their event loop."""

    def begin_close(self, then: Callable[[], None] | None = None) -> None:
        """Begin to close, without waiting or taking a lock: a garbage collector may call this.

        Args:
            then: Called after the end of all connections.
        """


class ThreadHome:
    """The thread that all servers share. Synchronous clients may block their own thread while it answers."""

    is_current = False
    """False, as only code of this package runs in that thread."""

    def __init__(self, owner: ServerOwner, handler: RequestHandler, listening: socket.socket) -> None:
        self._thread = acquire_thread(owner)
        self._owner = ref(owner)
        self._handler = handler
        self._listening = listening

    def open(self) -> None:
        """Accept connections."""
        self._thread.run(lambda: self._handler.open(self._listening))

    def close(self) -> None:
        """Close the connections and the socket."""
        if (owner := self._owner()) is not None:
            forget_owner(owner)
        try:
            self._thread.run(self._handler.close)
        finally:
            release_thread(self._thread)
            self._listening.close()

    async def aclose(self) -> None:
        """Do the same. The other thread needs no help of the caller's event loop."""
        self.close()

    def begin_close(self, then: Callable[[], None] | None = None) -> None:
        """Begin to close."""
        handler, listening, thread = self._handler, self._listening, self._thread

        async def end() -> None:
            await handler.close()
            listening.close()
            if then is not None:
                then()
            release_thread(thread)

        thread.begin(end)
