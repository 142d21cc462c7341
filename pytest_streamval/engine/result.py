"""`StreamChunkingResult`: the object with which a caller follows, awaits and ends a run."""

from __future__ import annotations

import asyncio
import warnings
from typing import TYPE_CHECKING, NoReturn, Self

from pytest_streamval.engine.observer import ObserverGroup
from pytest_streamval.engine.readers import ChunkReader, EventReader
from pytest_streamval.engine.tasks import OwnedTask, note_cleanup, settle
from pytest_streamval.errors import foreign_run_error, reader_taken_error

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType

    from pytest_streamval.engine.attempt import Attempt
    from pytest_streamval.engine.events import StreamEvent
    from pytest_streamval.engine.observer import Observer
    from pytest_streamval.engine.requirement import PartialValidationResult, Requirement, ValidationResult
    from pytest_streamval.engine.run import Run
    from pytest_streamval.engine.run_view import Outcome
    from pytest_streamval.engine.thunk import ModelOutputThunk


class StreamChunkingResult:
    """The result of `stream_with_chunking`: a run, and access to its chunks, its events and its end.

    The generation stops if the caller leaves `async with`, calls `aclose()`, is cancelled while it waits in
    `acomplete()` or `astream()`, or drops the last reference to the result. Earlier events remain readable.
    """

    def __init__(self, run: Run, task: OwnedTask[None]) -> None:
        self._run = run
        self._task = task
        self._loop = task.get_loop()
        self._error_received = False
        self._error_traceback: TracebackType | None = None  # as it was first raised, because each raise extends its own
        self._closed = False  # whether the caller closed the run before anything else ended it
        self._cancelled_before = False  # whether the run was being cancelled at that time
        self._chunks_taken = False
        self._events_taken = False

    # Its state

    @property
    def task(self) -> asyncio.Task[None]:
        """The background task that reads, checks and releases."""
        return self._task

    @property
    def requirements(self) -> tuple[Requirement, ...]:
        """The requirements as copied for this run, with the data that they have collected on themselves."""
        return self._run.requirements

    @property
    def completed(self) -> bool:
        """Whether the stream ended naturally. It is False before that and after an early exit, error or cancellation.

        A failed final validation does not change it (see `final_validations`), unless there were several attempts, or
        only an accepted one is released.
        """
        return self._run.completed

    @property
    def finished(self) -> bool:
        """Whether the run has ended in any way."""
        return self._run.finished

    @property
    def outcome(self) -> Outcome | None:
        """How the run ended: `"done"`, `"stopped"`, `"failed"` or `"left"`, or None while it goes on.

        - `"done"`: The stream ended naturally.
        - `"stopped"`: A requirement failed a chunk.
        - `"failed"`: An error ended the run.
        - `"left"`: The run was closed, cancelled or dropped.
        """
        return self._run.outcome

    @property
    def accepted(self) -> bool:
        """Whether the stream ended naturally and every requirement accepted the complete output."""
        return self._run.accepted

    def is_fed_by(self, thunk: ModelOutputThunk) -> bool:
        """Return whether this run reads the given output, in its current attempt."""
        return self._run.thunk is thunk

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """The attempts so far, each with its released text, failures and usage. Without retries there is one."""
        return self._run.attempts

    @property
    def full_text(self) -> str:
        """The complete text after a natural end, otherwise the text that was released."""
        return self._run.full_text

    @property
    def generated_text(self) -> str:
        """The text that the last attempt has read so far, with its replacements, released or not."""
        return self._run.generated_text

    @property
    def streaming_failures(self) -> list[tuple[Requirement, PartialValidationResult]]:
        """The requirements, as copied for this run, that failed the chunk which stopped it, with their results.

        If none of several attempts was accepted, these are the failures of all attempts.
        """
        return list(self._run.streaming_failures)

    @property
    def final_validations(self) -> list[ValidationResult]:
        """The results on the complete text, in the order of the requirements. It is empty without a natural end."""
        return list(self._run.final_validations)

    @property
    def deltas_read(self) -> int:
        """The number of deltas that the run has taken from its producer."""
        return self._run.thunk.deltas_read

    @property
    def history(self) -> tuple[StreamEvent, ...]:
        """The events so far. This does not affect the reader of `events()`."""
        history = tuple(self._run.history)
        if self._run.observers is not None:
            self._run.observers.notify("history_read", len(history))
        return history

    @property
    def as_thunk(self) -> ModelOutputThunk:
        """A computed output with `full_text` and the data about the generation.

        Raises:
            RuntimeError: If the run has not ended.
        """
        if not self._run.finished:
            msg = "as_thunk is not available before the run has ended. Await acomplete(), or read astream() to its end."
            raise RuntimeError(msg)
        thunk = self._run.thunk.with_text(self._run.full_text)
        if not self._run.completed:  # the provider's report is about more text than was released
            thunk.generation.usage = thunk.generation.finish_reason = None
        return thunk

    def observe(self, observer: Observer) -> None:
        """Attach an observer from now on. If the run has ended, only `ended` is called."""
        run = self._run
        if run.finished:
            observer.ended(run)
            return
        run.observers = ObserverGroup((*(() if run.observers is None else run.observers.members), observer))

    # Reading

    def astream(self, *, lossless: bool = False) -> AsyncIterator[str]:
        """Return the only reader of released chunks. It ends with the run and then raises the run's error, if any.

        Args:
            lossless: Whether each chunk includes the text between it and the previous chunk. Then the rest of the text
                comes at the end, so that the pieces join to `full_text`.

        Raises:
            ConcurrentReadError: A `RuntimeError`. If there was a reader already.
            EventLoopError: A `RuntimeError`. If the run belongs to another event loop, and has not ended.
        """
        self._check_caller("astream()")
        if self._chunks_taken:
            raise reader_taken_error("astream()", "The released text is in full_text, and its chunks are in history.")
        self._chunks_taken = True
        return ChunkReader(self, lossless=lossless)

    def __aiter__(self) -> NoReturn:
        msg = (
            f"{self!r} has two streams. Write `async for chunk in run.astream():` for its chunks, or `async for event "
            "in run.events():` for its events."
        )
        raise TypeError(msg)

    def events(self) -> AsyncIterator[StreamEvent]:
        """Return the only reader of events, from the first to the `CompletedEvent`. It never raises the run's error.

        Raises:
            ConcurrentReadError: A `RuntimeError`. If there was a reader already.
            EventLoopError: A `RuntimeError`. If the run belongs to another event loop, and has not ended.
        """
        self._check_caller("events()")
        if self._events_taken:
            raise reader_taken_error("events()", "All events so far are in history.")
        self._events_taken = True
        return EventReader(self)

    # Its end

    async def acomplete(self) -> None:
        """Wait until the run has ended, including the final validation. A cancellation of the caller stops the run.

        Raises:
            BaseException: If it ended the run, also as a cancellation by another task. Every waiting task receives it.
                A later call returns normally.
        """
        is_due = not self._error_received
        await self._wait("acomplete()")
        self._raise_error(is_due=is_due)

    async def aexception(self) -> BaseException | None:
        """Wait like `acomplete()`, and return the run's error instead of raising it, or None if there is none.

        The error counts as received, so nothing raises it later.
        """
        await self._wait("aexception()")
        self._error_received = True
        return self._error

    async def _wait(self, method: str) -> None:
        """Wait until the run's task, and so its producer, has ended. A cancellation of the caller ends them."""
        self._check_loop(method)
        self._run.check_caller(method)
        if not self._task.done():
            try:
                await asyncio.wait([self._task])
            except asyncio.CancelledError as error:
                await self._close_after(error)
                raise

    async def aclose(self) -> None:
        """Stop the run, and wait until its task and its producer have ended. This has no effect after the run.

        If the caller is cancelled, that cancellation is raised after the run has ended.
        """
        self._check_loop("aclose()")
        run = self._run
        if run.error is None and not run.finished and not self._closed:
            self._closed = True
            self._cancelled_before = self._task.cancelling() > 0
        if run.is_current():
            self._task.stop()  # a validator cannot wait for the run, which waits for it
            return
        await settle([self._task])

    async def _close_after(self, error: BaseException) -> None:
        """Stop the run because of an error of the caller, and add a note about a failed clean-up to it."""
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
        is_due, error = not self._error_received, self._error
        if is_due and error is not None:
            await self._close_after(error)
        else:
            await self.aclose()
        self._raise_error(is_due=is_due)

    def __copy__(self) -> Self:
        """Return the result itself, because dropping a second result of the same run would stop it."""
        return self

    def __deepcopy__(self, memo: object) -> Self:
        """Return the result itself, as `copy` does."""
        return self

    def __reduce__(self) -> NoReturn:
        msg = f"{self!r} cannot be pickled: it is the handle of a task. Pickle its as_thunk or its history."
        raise TypeError(msg)

    def __del__(self) -> None:
        """Stop the run and warn if the result is dropped while the run goes on."""
        if self._task.done() or self._task.stopping:
            return
        was_stopped = self._task.cancelling() > 0
        if not was_stopped and self._run.observers is not None:
            self._run.observers.notify("dropped", self._run)
        try:
            self._loop.call_soon_threadsafe(self._task.stop)
        except RuntimeError:  # the loop is closed, so the task cannot end
            self._run.finish_without_loop()
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

    def _check_caller(self, method: str) -> None:
        """Raise an error if another event loop is running than that of the run, so that it keeps its only reader."""
        if not self.finished and asyncio._get_running_loop() not in {None, self._loop}:
            raise foreign_run_error(method)

    def _check_loop(self, method: str) -> None:
        if asyncio.get_running_loop() is not self._loop:
            raise foreign_run_error(method)

    @property
    def _error(self) -> BaseException | None:
        """The run's error. If the caller closed the run, this is the error of a clean-up, if any."""
        error = self._run.error
        if not (self._closed and isinstance(error, asyncio.CancelledError)):
            return error
        # The run was closed while it was being cancelled: a timeout of a validator may have taken that back.
        was_cancelled = self._cancelled_before and self._task.cancelling() > self._task.stopping
        return error if was_cancelled else self._run.cleanup_error

    def _raise_error(self, *, is_due: bool) -> None:
        """Raise the run's error, if it was due to the caller when the caller began to wait."""
        error = self._error
        if error is None or not is_due:
            return
        if not self._error_received:
            self._error_received = True
            self._error_traceback = error.__traceback__
        raise error.with_traceback(self._error_traceback)
