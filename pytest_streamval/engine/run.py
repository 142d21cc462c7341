"""`Run`: the state of one run, and the task that drives it."""

from __future__ import annotations

import asyncio
import types
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, cast

from pytest_streamval.engine.event_history import FEW, MANY, EventHistory
from pytest_streamval.engine.events import (
    ChunkEvent,
    CompletedEvent,
    ErrorEvent,
    FullValidationEvent,
    QuickCheckEvent,
    StreamEvent,
    StreamingDoneEvent,
)
from pytest_streamval.engine.tasks import current_task_is_cancelled, note_cleanup, start_task
from pytest_streamval.errors import GenerationCancelledError, described, raisable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Iterable

    from pytest_streamval.engine.chunking import Chunk, Chunker
    from pytest_streamval.engine.component import Action
    from pytest_streamval.engine.context import Context
    from pytest_streamval.engine.observer import ObserverGroup
    from pytest_streamval.engine.requirement import PartialValidationResult, Requirement, ValidationResult
    from pytest_streamval.engine.run_view import Outcome, RunView
    from pytest_streamval.engine.tasks import OwnedTask
    from pytest_streamval.engine.thunk import ModelOutputThunk
    from pytest_streamval.engine.validators import ValidatorGroup

_ENDS_A_TASK = (asyncio.CancelledError, KeyboardInterrupt, SystemExit)  # the result raises all other errors
_ATTEMPT = 1  # a run has one attempt
_LONGEST_FEED = 16_384  # characters that a chunker receives at once, so that their chunks never exist all together

current_run: ContextVar[Run | None] = ContextVar("current_run", default=None)
"""The run whose task or validator contains the running code."""


class Run:
    """The state of one run, to which its task and its result refer.

    It never refers to the result, so that dropping the result is noticed. Everything that happens is an event in
    `history`. Readers keep a position in it, so that nothing is queued twice and no reader delays the run.
    """

    def __init__(
        self,
        action: Action,
        thunk: ModelOutputThunk,
        ctx: Context,
        chunker: Chunker,
        validators: ValidatorGroup,
        *,
        observers: ObserverGroup | None = None,
        pace: Callable[[RunView], Awaitable[None]] | None = None,
    ) -> None:
        self.action = action
        self.thunk = thunk
        self.ctx = ctx
        self.validators = validators
        self.observers = observers
        self.history = EventHistory()
        self.completed = False
        self.finished = False
        self.final_validations: tuple[ValidationResult, ...] = ()
        self.streaming_failures: list[tuple[Requirement, PartialValidationResult]] = []
        self.error: BaseException | None = None
        self.cleanup_error: BaseException | None = None
        """The error of a clean-up, if the run was cancelled."""
        self.outcome: Outcome | None = None
        self.task: OwnedTask[None] | None = None
        self._chunker = chunker
        self._pace = pace
        self._has_started = False
        self._natural_end = False
        self._released_end = 0  # the offset after the last released chunk
        self._chunk_index = 0
        self._waiters: list[asyncio.Future[None]] = []
        outer = current_run.get()
        self._outer = outer if outer is not None and outer.is_current() else None  # it waits for this run

    @property
    def requirements(self) -> tuple[Requirement, ...]:
        """The run's own copies of the requirements."""
        return self.validators.requirements

    @property
    def full_text(self) -> str:
        """The complete text after a natural end, otherwise the text up to the end of the last released chunk."""
        text = self.thunk.text_read
        return text if self._natural_end else text[: self._released_end]

    @property
    def chunks_released(self) -> int:
        """The number of released chunks."""
        return self._chunk_index

    # The task

    def start(self, name: str) -> OwnedTask[None]:
        """Start the task of this run."""
        coroutine = self.drive()
        coroutine.send(None)  # so that a cancellation before the task's first step is raised inside it
        self.task = task = start_task(coroutine, name)
        return task

    async def drive(self) -> None:
        """Run to the end. Every path emits the last event."""
        cancelled: asyncio.CancelledError | None = None
        try:
            await _first_step()
        except asyncio.CancelledError:
            cancelled = asyncio.CancelledError("the run was cancelled before it began")
        current_run.set(self)
        self._notify_started()
        try:
            try:
                if cancelled is not None:
                    raise cancelled  # noqa: TRY301  # as the first step would raise it
                if await self._stream():
                    await self._validate()
            except BaseException as error:
                reason = self._reason(error)
                self._set_error(reason)
                if reason is error:
                    raise
                raise reason from error
            finally:
                await self._stop_producer()
                await self.validators.aclose()
        except BaseException as error:
            self.finish(self.error or error)
            if isinstance(error, _ENDS_A_TASK):
                raise
        else:
            self.finish()

    def _reason(self, error: BaseException) -> BaseException:
        """Return the error that ends the run. After a cancellation, any other error comes from a clean-up."""
        if isinstance(error, Exception) and current_task_is_cancelled():
            self.validators.cleanup_failures.append(error)
            return asyncio.CancelledError()
        return raisable(error)

    async def _stream(self) -> bool:
        """Read, chunk, check and release until the stream ends (True) or a requirement fails (False)."""
        thunk, chunker, observers, pace = self.thunk, self._chunker, self.observers, self._pace
        while not thunk.is_computed():
            if pace is not None:
                await pace(self)
            deltas = await thunk.take_deltas()
            if observers is not None:
                observers.notify_of_deltas(deltas)
            for text in _texts_to_feed(deltas) if chunker.joins_deltas else deltas:
                chunks = chunker.feed(text)
                if chunks and not await self._release(chunks):
                    return False
                if len(text) == _LONGEST_FEED:
                    self.history.pack(FEW)
                    await asyncio.sleep(0)  # for all other tasks
        if thunk.cancelled:
            raise GenerationCancelledError from thunk.error
        if not await self._release(chunker.flush()):
            return False
        self._natural_end = self.completed = True
        self._emit(StreamingDoneEvent(_ATTEMPT, self.full_text))
        return True

    async def _release(self, chunks: list[Chunk]) -> bool:
        """Check and release chunks in order, up to the first that a requirement fails (False)."""
        validators = self.validators if self.requirements else None
        for text, start, end in chunks:
            index = self._chunk_index
            if validators is not None:
                results = await validators.check(text)
                passed = True
                for result in results:
                    if result.success == "fail":
                        passed = False
                if not passed:
                    pairs = zip(validators.requirements, results, strict=True)
                    self.streaming_failures += [pair for pair in pairs if pair[1].success == "fail"]
                self._emit(QuickCheckEvent(index, _ATTEMPT, passed, results))
                if not passed:
                    return False
            self._chunk_index = index + 1
            self._released_end = end
            self._emit(ChunkEvent(text, index, _ATTEMPT, start, end))
        self.history.pack(MANY)
        return True

    async def _validate(self) -> None:
        """Validate the complete output, which anyone can read from here on."""
        self.thunk.release_reads()
        if self.requirements:
            results = self.final_validations = await self.validators.validate()
            self._emit(FullValidationEvent(_ATTEMPT, all(result.as_bool() for result in results), results))

    async def _stop_producer(self) -> None:
        """Cancel the generation unless it has ended, and wait for its producer in any case."""
        if not self.thunk.is_computed():
            self._notify_cancelled()
            self.thunk.abandon(self.error)
        try:
            await self.thunk.end_producer()
        except Exception as failure:  # noqa: BLE001  # a producer's clean-up may raise anything, which is reported
            self.validators.cleanup_failures.append(failure)

    # Bookkeeping: synchronous, so that no cancellation comes between its steps

    def _notify_started(self) -> None:
        self._has_started = True
        if self.observers is not None:
            self.observers.notify("started", self)

    def _notify_cancelled(self) -> None:
        if self.observers is None:
            return
        if self.streaming_failures:
            requirement, result = self.streaming_failures[0]
            reason = f"{requirement.name} failed a chunk: {result.reason or 'no reason given'}"
        else:
            error = cast("BaseException", self.error)
            reason = f"{type(error).__name__}: {described(error)}".removesuffix(": ")
        self.observers.notify("cancelled", reason)

    def _set_error(self, error: BaseException) -> None:
        """Set the error that ends the run. From here on `full_text` is only the released text."""
        self.error = error
        self.completed = self._natural_end = False

    def finish(self, error: BaseException | None = None) -> None:
        """Emit the last events, once."""
        if self.finished:
            return
        failures = self.validators.cleanup_failures
        if error is None and failures:
            error = failures.pop(0)
        self.outcome = self._outcome(error)
        if error is not None:
            self._set_error(error)
            self._emit_error(error)
        self.finished = True
        self.task = None
        self.thunk.release_reads()
        self._emit(CompletedEvent(self.completed, self.full_text, _ATTEMPT))
        if self.observers is not None:
            self.observers.notify("ended", self)

    def _outcome(self, error: BaseException | None) -> Outcome:
        if self.streaming_failures:
            return "stopped"
        if error is None:
            return "done"
        was_left = isinstance(error, asyncio.CancelledError) and not hasattr(error, "__notes__")
        return "left" if was_left else "failed"

    def _emit_error(self, error: BaseException) -> None:
        """Emit an `ErrorEvent`, unless the run was cancelled and its clean-up succeeded."""
        failures = self.validators.cleanup_failures
        if self.outcome == "left" or isinstance(error, asyncio.CancelledError):
            if failures:
                note_cleanup(error, failures[0])
                error = self.cleanup_error = failures.pop(0)
            elif self.outcome == "left":
                return
        notes = [f" (clean-up failed too: {type(failure).__name__}({described(failure)}))" for failure in failures]
        detail = (described(error) or " ".join(getattr(error, "__notes__", ()))) + "".join(notes)
        self._emit(ErrorEvent(type(error).__name__, detail))

    def finish_without_loop(self) -> None:
        """Finish a run whose event loop was closed, so that its task takes no further step."""
        copy_context().run(self._finish_without_loop)  # as in a task: observers must not change the caller's context

    def _finish_without_loop(self) -> None:
        if not self._has_started:
            self._notify_started()
        self._set_error(asyncio.CancelledError("its event loop was closed before it ended"))
        self._notify_cancelled()
        self.finish(self.error)

    def _emit(self, event: StreamEvent) -> None:
        self.history.append(event)
        if self._waiters:
            waiters, self._waiters = self._waiters, []
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)
        if self.observers is not None:
            self.observers.notify("event", event)

    # Callers

    def is_current(self) -> bool:
        """Return whether the run waits for the caller: for itself, a validator, or a run inside a validator.

        A task that a validator has started is none of these, so it may wait for the run.
        """
        run = current_run.get()
        if run is not None and not run.contains_caller():
            return False
        while run is not None and run is not self:
            run = run._outer
        return run is self

    def contains_caller(self) -> bool:
        """Return whether the current task belongs to the run or to one of its validators."""
        current = asyncio.current_task()
        return current is not None and (current is self.task or self.validators.current_requirement() is not None)

    def check_caller(self, method: str) -> None:
        """Raise a `RuntimeError` if the run waits for the caller."""
        if self.is_current():
            msg = (
                f"{method} was called by a validator of the same run, which cannot end before the validator does. "
                "Start a task that waits for the run, or keep the data on self."
            )
            raise RuntimeError(msg)

    def explain_reservation(self) -> str:
        """Return the reason why only the run can read the output, for the message of a `ConcurrentReadError`."""
        current = self.validators.current_requirement()
        names = [each.name for each in (self.requirements if current is None else (current,))]
        caller = f" (this call came from a validator of {' or '.join(names)})" if names else ""
        return (
            f"the run that checks it, so that no text is released unchecked{caller}. In stream_validate(), keep "
            "earlier chunks on self. Read the complete output in validate() or after the run."
        )

    async def wait_for_event(self, method: str) -> None:
        """Wait for the next event.

        Raises:
            RuntimeError: If the caller is a validator of this run, which would wait for itself.
        """
        self.check_caller(method)
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        finally:
            if waiter in self._waiters:  # cancelled before an event came
                self._waiters.remove(waiter)


def _texts_to_feed(deltas: list[str]) -> Iterable[str]:
    """Return the text of deltas, in one piece unless it is long."""
    text = "".join(deltas)
    if len(text) <= _LONGEST_FEED:
        return (text,)
    return (text[start : start + _LONGEST_FEED] for start in range(0, len(text), _LONGEST_FEED))


@types.coroutine
def _first_step() -> Generator[None, None, None]:
    """Suspend until the first step of the task."""
    yield
