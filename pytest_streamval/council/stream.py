"""`CouncilStream`: what happens in a sitting, event by event, while it happens."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from pytest_streamval.council.event_channel import Floor
from pytest_streamval.engine.tasks import settle, start_task
from pytest_streamval.errors import ConcurrentReadError, DifferentLoopsError, excerpt

if TYPE_CHECKING:
    from types import TracebackType

    from pytest_streamval.council.events import CouncilEvent
    from pytest_streamval.council.results import CouncilResult
    from pytest_streamval.council.run import Sitting


class CouncilStream:
    """The events of a council, for one reader; made by `Council.ask_stream`.

    Nobody is asked before the first event is. A reader who is slow slows the members; one who leaves the loop, closes
    the stream, is cancelled or drops it stops them. Leaving `async with`, or `aclose()`, also waits until they have
    ended.
    """

    def __init__(self, sitting: Sitting) -> None:
        self._sitting = sitting
        self._floor = Floor()
        self._task: asyncio.Task[CouncilResult] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._given: list[CouncilEvent] = []
        self._next = 0
        self._reading = False
        self._closed = False

    def __aiter__(self) -> CouncilStream:
        return self

    async def __anext__(self) -> CouncilEvent:
        self._check_loop()
        if self._next == len(self._given):
            await self._more()
        event = self._given[self._next]
        self._next += 1
        return event

    async def aclose(self) -> None:
        """Stop every member and wait until all have ended; nothing happens to a stream that is over.

        A cancellation of the caller passes through, once they have.
        """
        self._check_loop()
        self._closed = True
        self._given, self._next = [], 0
        if self._task is not None:
            await settle([self._task])

    def so_far(self) -> CouncilResult:
        """Return what there is: the result at the end, and before that what has been released."""
        return self._sitting.so_far()

    async def _more(self) -> None:
        """Take what was told meanwhile, once there is something."""
        if self._reading:
            raise ConcurrentReadError("ask_stream()")
        if self._closed:
            raise StopAsyncIteration
        self._reading = True
        try:
            if self._task is None:
                self._loop = asyncio.get_running_loop()
                name = f"streamval council {excerpt(self._sitting.prompt, 40)}"
                self._task = start_task(self._sitting.hold(self._floor), name)
                floor = self._floor  # and not the stream, which has to be seen to be dropped
                self._task.add_done_callback(lambda _: floor.close())
            self._given, self._next = await self._floor.take(), 0
        except asyncio.CancelledError:
            await self.aclose()
            raise
        finally:
            self._reading = False
        if not self._given:
            self._closed = True
            self._task.result()  # raises the cancellation of a task that somebody else cancelled
            raise StopAsyncIteration

    def _check_loop(self) -> None:
        """Raise if members are answering in another event loop, for which this one would wait for ever."""
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
        """Return the stream itself: dropping a second handle would stop its members."""
        return self

    def __deepcopy__(self, memo: object) -> Self:
        """Return the stream itself, as `copy` does."""
        return self

    def __del__(self) -> None:
        """Stop the members where nobody follows them any more: the loop was left."""
        if self._task is None or self._task.done() or self._loop is None:
            return
        if asyncio._get_running_loop() is self._loop:
            self._task.cancel()
            return
        with suppress(RuntimeError):  # the loop is closed: there is nothing left to stop
            self._loop.call_soon_threadsafe(self._task.cancel)
