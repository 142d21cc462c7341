"""`StreamChunkingResult`: the handle by which a caller follows, awaits and ends a run."""

from __future__ import annotations

import asyncio
import warnings
from typing import TYPE_CHECKING, NoReturn, Self, cast

from pytest_streamval.engine.chunking import Chunk
from pytest_streamval.engine.events import ChunkEvent
from pytest_streamval.engine.observer import Audience
from pytest_streamval.engine.tasks import OwnedTask, note_cleanup, settle
from pytest_streamval.errors import ConcurrentReadError, reader_taken_error

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType

    from pytest_streamval.engine.events import StreamEvent
    from pytest_streamval.engine.observer import Observer
    from pytest_streamval.engine.requirement import PartialValidationResult, Requirement, ValidationResult
    from pytest_streamval.engine.run import Outcome, Run
    from pytest_streamval.engine.thunk import ModelOutputThunk


class StreamChunkingResult:
    """A run and what came of it; made by `stream_with_chunking`.

    Leaving `async with`, `aclose()`, cancelling a caller that waits in `acomplete()` or `astream()`, and dropping the
    last reference all stop the generation. What happened until then stays readable.
    """

    def __init__(self, run: Run, task: OwnedTask[None]) -> None:
        self._run = run
        self._task = task
        self._loop = task.get_loop()
        self._error_received = False
        self._error_traceback: TracebackType | None = None  # each waiter adds to its own copy
        self._closed = False  # whether the owner has closed the run, before anything else had ended it
        self._cancelled_before = False  # whether it was being cancelled at that time
        self._chunks_taken = False
        self._events_taken = False

    # What came of it

    @property
    def task(self) -> asyncio.Task[None]:
        """The background task that reads, checks and releases."""
        return self._task

    @property
    def requirements(self) -> tuple[Requirement, ...]:
        """The requirements as copied for this run, with whatever they have collected on themselves."""
        return self._run.judges.requirements

    @property
    def completed(self) -> bool:
        """Whether the stream came to its natural end: False before it, after an early exit, an error, a cancellation.

        A final validation that fails leaves it True; see `final_validations`.
        """
        return self._run.completed

    @property
    def finished(self) -> bool:
        """Whether the run is over, in whatever way."""
        return self._run.finished

    @property
    def outcome(self) -> Outcome | None:
        """How the run ended: `"done"`, `"stopped"`, `"failed"` or `"left"`; None while it goes on.

        `"done"`: the stream came to its natural end. `"stopped"`: a requirement failed a chunk. `"failed"`: something
        raised an error. `"left"`: the run was closed, cancelled or dropped.
        """
        return self._run.outcome

    @property
    def accepted(self) -> bool:
        """Whether the stream came to its natural end and every requirement accepted the complete output."""
        return self.outcome == "done" and all(self._run.final_validations)

    def is_fed_by(self, thunk: ModelOutputThunk) -> bool:
        """Return whether an output is the one that this run reads."""
        return self._run.thunk is thunk

    @property
    def full_text(self) -> str:
        """The whole text after a natural end, and on every other path the text that was released."""
        return self._run.full_text

    @property
    def streaming_failures(self) -> list[tuple[Requirement, PartialValidationResult]]:
        """The requirements, as copied for this run, that failed the chunk which stopped it, with their verdicts."""
        return list(self._run.streaming_failures)

    @property
    def final_validations(self) -> list[ValidationResult]:
        """The requirements' verdicts on the whole text, in their order; none unless the stream ended naturally."""
        return list(self._run.final_validations)

    @property
    def deltas_read(self) -> int:
        """How many deltas the run has taken from its producer."""
        return self._run.thunk.deltas_read

    @property
    def history(self) -> tuple[StreamEvent, ...]:
        """The events so far, whoever reads `events()`."""
        history = tuple(self._run.history)
        self._run.history_given = len(history)
        return history

    @property
    def as_thunk(self) -> ModelOutputThunk:
        """A computed output with `full_text`, and with what is known of the generation.

        Raises:
            RuntimeError: the run is not over.
        """
        if not self._run.finished:
            msg = "as_thunk is there once the run is over: await acomplete() first, or read astream() to its end."
            raise RuntimeError(msg)
        thunk = self._run.thunk.with_text(self._run.full_text)
        if not self._run.completed:  # what the provider reported is of more text than was released
            thunk.generation.usage = thunk.generation.finish_reason = None
        return thunk

    def observe(self, observer: Observer) -> None:
        """Add an observer, which sees what happens from now on; of a run that is over, its end alone."""
        run = self._run
        if run.finished:
            observer.ended(run)
            return
        run.audience = Audience((*(() if run.audience is None else run.audience.observers), observer))

    # Following it

    def astream(self, *, lossless: bool = False) -> AsyncIterator[str]:
        """Return the one reader of released chunks; it ends with the run and then raises the run's error, if any.

        Args:
            lossless: give each chunk with the text before it that is part of no chunk, and what is left at the end,
                so that the pieces join to `full_text`.

        Raises:
            ConcurrentReadError: a `RuntimeError`; there was a reader already.
        """
        if self._chunks_taken:
            raise reader_taken_error("astream()", "What was released is in full_text, and chunk by chunk in history.")
        self._chunks_taken = True
        return _ChunkReader(self, _TextCursor(self._run.thunk) if lossless else None)

    def events(self) -> AsyncIterator[StreamEvent]:
        """Return the one reader of events, from the first to the `CompletedEvent`; it never raises the run's error.

        Raises:
            ConcurrentReadError: a `RuntimeError`; there was a reader already.
        """
        if self._events_taken:
            raise reader_taken_error("events()", "All events so far are in history.")
        self._events_taken = True
        return _EventReader(self)

    async def acomplete(self) -> None:
        """Wait until the run is over, final validation included; a cancellation of the caller stops the run.

        Raises:
            BaseException: the run's error, or its cancellation by another task. Every task that is waiting receives it,
                and a call made after it was received returns.
        """
        due = not self._error_received
        await self._wait("acomplete()")
        self._raise_if(due)

    async def aexception(self) -> BaseException | None:
        """Wait like `acomplete()`, and return the run's error instead of raising it; None if there was none.

        The error counts as received: nothing raises it later.
        """
        await self._wait("aexception()")
        self._error_received = True
        return self._error

    async def _wait(self, method: str) -> None:
        """Wait until the run's task, and so the producer, has ended; a cancellation of the caller ends them."""
        self._check_loop(method)
        self._run.refuse_own(method)
        if not self._task.done():
            try:
                await asyncio.wait([self._task])
            except asyncio.CancelledError as error:
                await self._close_after(error)
                raise

    async def aclose(self) -> None:
        """Stop the run and wait until nothing of it is left; nothing happens to a run that is over.

        A cancellation of the caller passes through, once the run has ended.
        """
        self._check_loop("aclose()")
        run = self._run
        if run.error is None and not run.finished and not self._closed:
            self._closed = True
            self._cancelled_before = self._task.cancelling() > 0
        if run.is_current():
            self._task.stop()  # a validator cannot wait for the run that waits for it
            return
        await settle([self._task])

    async def _close_after(self, error: BaseException) -> None:
        """Stop the run because of an error that goes on to the caller; what a clean-up raises is noted on it."""
        await self.aclose()
        if self._run.cleanup_error is not None and error is not self._run.cleanup_error:
            note_cleanup(error, self._run.cleanup_error)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        if exc is not None:
            await self._close_after(exc)
            return
        due, error = not self._error_received, self._error
        if due and error is not None:
            await self._close_after(error)
        else:
            await self.aclose()
        self._raise_if(due)

    def __copy__(self) -> Self:
        """Return the result itself: a run has one handle, and dropping a second one would stop it."""
        return self

    def __deepcopy__(self, memo: object) -> Self:
        """Return the result itself, as `copy` does."""
        return self

    def __reduce__(self) -> NoReturn:
        msg = f"{self!r} cannot be pickled: it is the handle of a task. Pickle its as_thunk or its history."
        raise TypeError(msg)

    def __del__(self) -> None:
        """Stop a run that nobody follows any more, and say so."""
        if self._task.done() or self._task.stopping:
            return
        was_stopped = self._task.cancelling() > 0
        self._run.dropped = not was_stopped
        try:
            self._loop.call_soon_threadsafe(self._task.stop)
        except RuntimeError:  # the loop is closed: there is nothing left to stop
            self._run.lost()
        if was_stopped:
            return
        warnings.warn(
            f"{self!r} was dropped while its generation was running, which stops it. Use 'async with', or await "
            "acomplete() or aclose().",
            ResourceWarning,
            source=self,
            stacklevel=2,
        )

    def __repr__(self) -> str:
        run = self._run
        state = "running" if not run.finished else "completed" if run.completed else "stopped"
        if not all(run.final_validations):
            state += " but not valid"
        return f"<StreamChunkingResult {state}, {len(run.history)} events>"

    def _check_loop(self, method: str) -> None:
        if asyncio.get_running_loop() is not self._loop:
            msg = (
                f"{method} was called in another event loop than the one that the run belongs to; call it in that one."
            )
            raise RuntimeError(msg)

    @property
    def _error(self) -> BaseException | None:
        """The run's error; if the owner closed the run, that of a clean-up, if there is any."""
        error = self._run.error
        if not (self._closed and isinstance(error, asyncio.CancelledError)):
            return error
        # Closed while it was being cancelled: a timeout of a validator may have been about to take that back.
        was_cancelled = self._cancelled_before and self._task.cancelling() > self._task.stopping
        return error if was_cancelled else self._run.cleanup_error

    def _raise_if(self, due: bool) -> None:  # noqa: FBT001  # private
        """Raise the run's error, if it was due to the caller when it began to wait."""
        error = self._error
        if error is None or not due:
            return
        if not self._error_received:
            self._error_received = True
            self._error_traceback = error.__traceback__
        raise error.with_traceback(self._error_traceback)


class _EventReader:
    """Reads a run's history from the beginning."""

    def __init__(self, result: StreamChunkingResult) -> None:
        self._result = result  # whoever reads holds the result
        self._next = 0
        self._reading = False

    def __aiter__(self) -> _EventReader:
        return self

    async def aclose(self) -> None:
        """Do nothing: for `contextlib.aclosing`; the run goes on, and so could this reader."""

    async def __anext__(self) -> StreamEvent:
        run = self._result._run
        if self._reading:
            raise ConcurrentReadError("events()")
        self._reading = True
        try:
            while self._next == len(run.history):
                if run.finished:
                    raise StopAsyncIteration
                self._result._check_loop("events()")
                await run.more("events()")
        finally:
            self._reading = False
        self._next = run.events_given = self._next + 1
        return run.history[self._next - 1]


class _ChunkReader:
    """Reads the released chunks in a run's history."""

    def __init__(self, result: StreamChunkingResult, cursor: _TextCursor | None) -> None:
        self._result = result
        self._cursor = cursor
        self._next = 0
        self._reading = False

    def __aiter__(self) -> _ChunkReader:
        return self

    async def aclose(self) -> None:
        """Do nothing: for `contextlib.aclosing`; the run goes on, and so could this reader."""

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
        run = self._result._run
        due = not self._result._error_received
        while True:
            while self._next < len(run.history):
                event = run.history[self._next]
                self._next += 1
                if isinstance(event, ChunkEvent):
                    return self._deliver(run, event)
            if run.finished:
                break
            self._result._check_loop("astream()")
            await run.more("astream()")
        if self._cursor is not None and (rest := self._cursor.take(len(run.full_text))):
            return rest
        await self._result._wait("astream()")
        self._result._raise_if(due)
        raise StopAsyncIteration

    def _deliver(self, run: Run, event: ChunkEvent) -> str:
        chunk = Chunk(event.text, cast("int", event.start), cast("int", event.end))
        if run.audience is not None:
            run.audience.tell("received", chunk)
        return chunk.text if self._cursor is None else self._cursor.take(chunk.end)


class _TextCursor:
    """Reads the text of an output in order, each character once, while it grows."""

    def __init__(self, thunk: ModelOutputThunk) -> None:
        self._thunk = thunk
        self._at = 0  # offset of the next character
        self._piece = 0  # while it grows: the piece that has it
        self._inside = 0  # and where

    def take(self, end: int) -> str:
        """Return the text up to an offset."""
        start, self._at = self._at, max(end, self._at)
        if self._thunk.value is not None:
            return self._thunk.value[start : self._at]
        taken = []
        left = self._at - start
        while left > 0:
            piece = self._thunk.pieces[self._piece]
            part = piece[self._inside : self._inside + left]
            taken.append(part)
            left -= len(part)
            self._inside += len(part)
            if self._inside == len(piece):
                self._piece += 1
                self._inside = 0
        return "".join(taken)
