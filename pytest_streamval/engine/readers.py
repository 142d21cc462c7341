"""The readers of a run: of its events, and of its released chunks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol, Self, cast

from pytest_streamval.engine.chunking_strategy import Chunk
from pytest_streamval.engine.events import ChunkEvent, RetryEvent
from pytest_streamval.engine.output_text import TextReader
from pytest_streamval.engine.retries import Restart
from pytest_streamval.errors import ConcurrentReadError

if TYPE_CHECKING:
    from pytest_streamval.engine.event_history import EventHistory
    from pytest_streamval.engine.events import StreamEvent
    from pytest_streamval.engine.run import Run


class ReadableResult(Protocol):
    """The part of a result that its readers use. They refer to it, so that a run with a reader is never dropped."""

    _run: Run
    _error_received: bool

    def _check_loop(self, method: str) -> None: ...

    async def _wait(self, method: str) -> None: ...

    def _raise_error(self, *, is_due: bool) -> None: ...

    async def _close_after(self, error: BaseException) -> None: ...


class _Reader:
    """The parts that both readers have in common."""

    def __init__(self, result: ReadableResult) -> None:
        self._result = result
        self._position = 0  # in the history
        self._reading = False

    def __aiter__(self) -> Self:
        return self

    def _next_event(self, history: EventHistory) -> StreamEvent | None:
        """Return the next event, or None if there is none yet."""
        position, recent = self._position, history.recent
        place = position - history.packed
        if place == len(recent):
            return None
        self._position = position + 1
        return recent[place] if place >= 0 else history[position]

    async def _wait_for_event(self, method: str) -> None:
        self._result._run.check_caller(method)
        await self._result._run.next_event()

    async def aclose(self) -> None:
        """Do nothing, so that `contextlib.aclosing` accepts a reader. The run goes on, and reading can continue."""


class EventReader(_Reader):
    """An iterator over a run's history."""

    async def __anext__(self) -> StreamEvent:
        run = self._result._run
        if self._reading:
            raise ConcurrentReadError("events()")
        self._reading = True
        try:
            while (event := self._next_event(run.history)) is None:
                if run.finished:
                    raise StopAsyncIteration
                self._result._check_loop("events()")
                await self._wait_for_event("events()")
        finally:
            self._reading = False
        if (observers := run.observers) is not None and observers.sees_reads:
            observers.notify("events_read", self._position)
        return event


class ChunkReader(_Reader):
    """An iterator over the released chunks in a run's history."""

    def __init__(self, result: ReadableResult, *, lossless: bool) -> None:
        super().__init__(result)
        self._text = TextReader(result._run.text_of_attempt(1)) if lossless else None

    async def __anext__(self) -> str:
        if self._reading:
            raise ConcurrentReadError("astream()")
        self._reading = True
        try:
            return await self._read()
        except asyncio.CancelledError as error:
            await self._result._close_after(error)
            raise
        finally:
            self._reading = False

    async def _read(self) -> str:
        result, run = self._result, self._result._run
        is_due = not result._error_received
        while True:
            while (event := self._next_event(run.history)) is not None:
                if isinstance(event, ChunkEvent):
                    text = self._text_of(event, run)
                    if text or self._text is not None:  # an empty replacement is a piece only if the pieces are joined
                        return text
                elif isinstance(event, RetryEvent):
                    continues = run.retries.on_retry == "continue"
                    if self._text is not None:
                        self._text = self._text.followed_by(run.text_of_attempt(event.attempt), continues=continues)
                    if run.retries.on_retry == "restart":
                        return Restart(event.attempt, event.reason)
            if run.finished:
                break
            result._check_loop("astream()")
            await self._wait_for_event("astream()")
        if self._text is not None and (rest := self._text.read_to(len(run.full_text))):
            return rest
        await result._wait("astream()")
        result._raise_error(is_due=is_due)
        raise StopAsyncIteration

    def _text_of(self, event: ChunkEvent, run: Run) -> str:
        chunk = Chunk(event.text, cast("int", event.start), cast("int", event.end))
        if (observers := run.observers) is not None and observers.sees_chunks:
            observers.notify("received", chunk)
        return chunk.text if self._text is None else self._text.read_to(chunk.end)
