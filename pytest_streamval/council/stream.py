"""`CouncilStream`: the events of a council as an async iterator."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from pytest_streamval.council.event_channel import EventChannel
from pytest_streamval.engine.tasks import settle, start_task
from pytest_streamval.errors import ConcurrentReadError, DifferentLoopsError, excerpt

if TYPE_CHECKING:
    from types import TracebackType

    from pytest_streamval.council.events import CouncilEvent
    from pytest_streamval.council.results import CouncilResult
    from pytest_streamval.council.run import CouncilRun


class CouncilStream:
    """The events of a council for one reader; made by `Council.ask_stream`.

    The first read starts the members. A slow reader slows them down. They stop if the reader leaves the loop, is
    cancelled, closes the stream or drops it. Leaving `async with`, or `aclose()`, also waits until they have ended.
    """

    def __init__(self, run: CouncilRun) -> None:
        self._run = run
        self._channel = EventChannel()
        self._task: asyncio.Task[CouncilResult] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._received: list[CouncilEvent] = []
        self._next = 0
        self._reading = False
        self._closed = False

    def __aiter__(self) -> CouncilStream:
        return self

    async def __anext__(self) -> CouncilEvent:
        self._check_loop()
        if self._next == len(self._received):
            await self._receive()
        event = self._received[self._next]
        self._next += 1
        return event

    async def aclose(self) -> None:
        """Stop every member, and wait until all have ended. It has no effect after the end.

        A cancellation of the caller passes through after that.
        """
        self._check_loop()
        self._closed = True
        self._received, self._next = [], 0
        if self._task is not None:
            await settle([self._task])

    def so_far(self) -> CouncilResult:
        """Return the result, or before the end a result with the text released so far."""
        return self._run.so_far()

    async def _receive(self) -> None:
        if self._reading:
            raise ConcurrentReadError("ask_stream()")
        if self._closed:
            raise StopAsyncIteration
        self._reading = True
        try:
            self._task = self._task or self._start()
            self._received, self._next = await self._channel.receive(), 0
        except asyncio.CancelledError:
            await self.aclose()
            raise
        finally:
            self._reading = False
        if not self._received:
            self._closed = True
            self._task.result()  # raises if other code has cancelled the task
            raise StopAsyncIteration

    def _start(self) -> asyncio.Task[CouncilResult]:
        self._loop = asyncio.get_running_loop()
        channel = self._channel  # the callback must not keep the stream alive
        task = start_task(self._run.run(channel), f"streamval council {excerpt(self._run.prompt, 40)}")
        task.add_done_callback(lambda _: channel.close())
        return task

    def _check_loop(self) -> None:
        """Raise an error if the members run in another event loop, since waiting for them here would never end."""
        if self._task is None or self._task.done():
            return
        if self._loop is not asyncio.get_running_loop():
            raise DifferentLoopsError("This council")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.aclose()

    def __copy__(self) -> Self:
        """Return the stream itself: dropping a copy would stop its members."""
        return self

    def __deepcopy__(self, memo: object) -> Self:
        """Return the stream itself, as `copy` does."""
        return self

    def __del__(self) -> None:
        """Stop the members if the reader has left the loop without closing the stream."""
        if self._task is None or self._task.done() or self._loop is None:
            return
        if asyncio._get_running_loop() is self._loop:
            self._task.cancel()
            return
        with suppress(RuntimeError):  # a closed loop runs nothing
            self._loop.call_soon_threadsafe(self._task.cancel)
