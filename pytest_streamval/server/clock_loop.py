"""`ClockLoop`: the event loop of a test on a virtual clock, in which a server answers without real time."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from contextvars import Context
from typing import TYPE_CHECKING

from pytest_streamval.engine.tasks import settle
from pytest_streamval.server.blocking_clients import BlockedLoopWatch
from pytest_streamval.virtual_time.clock import on_loop

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from pytest_streamval.server.handler import RequestHandler

_NAME = "streamval server"


class ClockLoop:
    """The event loop of a test, from the moment in which it runs on the clock. Until then, clients wait."""

    def __init__(self, handler: RequestHandler, listening: socket.socket, on_blocked: Callable[[], object]) -> None:
        """Prepare to answer in the running event loop, or in the first one that runs on the clock.

        Args:
            handler: The handler of the server.
            listening: The socket of the server.
            on_blocked: Called in another thread if a client has blocked the loop.
        """
        self.loop: asyncio.AbstractEventLoop | None = None
        """The event loop, None until one runs."""
        self._handler = handler
        self._listening = listening
        self._opening: asyncio.Task[None] | None = None
        self._watch = BlockedLoopWatch(listening, on_blocked)

    @property
    def is_current(self) -> bool:
        """Whether the caller runs in this event loop, which waiting for the server would block."""
        return self.loop is not None and asyncio._get_running_loop() is self.loop

    def open(self) -> None:
        """Accept connections as soon as the loop runs."""
        running = asyncio._get_running_loop()
        if running is None:
            on_loop.append(self._attach)
        else:
            self._attach(running)

    def close(self) -> None:
        """Close the connections and the socket, in the loop: at once if it does not run, and soon if it does."""
        self._detach()
        if self.loop is None or self.loop.is_closed():
            self._listening.close()
        elif self.loop.is_running():
            self._close_now()
        else:
            self.loop.run_until_complete(self.aclose())

    async def aclose(self) -> None:
        """Close the connections and the socket, and wait for the end of the connections."""
        self._detach()
        try:
            if self._opening is not None:
                await settle([self._opening])
            await self._handler.close()
        finally:  # a cancelled caller does not close it again
            self._listening.close()

    def begin_close(self, then: Callable[[], None] | None = None) -> None:
        """Begin to close, and call a function after that."""

        def close() -> None:
            self._close_now()
            if then is not None:
                then()

        self._detach()
        if self.loop is None or self.loop.is_closed():
            self._listening.close()
            if then is not None:
                then()
        else:
            self.loop.call_soon_threadsafe(close, context=Context())

    def _close_now(self) -> None:
        self._detach()
        if self._opening is not None:
            self._opening.cancel()
        self._handler.close_now()
        self._listening.close()

    def _attach(self, loop: asyncio.AbstractEventLoop) -> None:
        if self.loop is None:
            self.loop = loop
            opening = self._handler.open(self._listening)
            self._opening = loop.create_task(opening, name=f"{_NAME}: opening", context=Context())
            self._watch.start()

    def _detach(self) -> None:
        with suppress(ValueError):
            on_loop.remove(self._attach)
        self._watch.stop()
