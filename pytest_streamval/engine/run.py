"""`Run`: the state of one run, and the task that drives it."""

from __future__ import annotations

import asyncio
import types
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from pytest_streamval.engine.events import (
    ChunkEvent,
    CompletedEvent,
    ErrorEvent,
    FullValidationEvent,
    QuickCheckEvent,
    StreamEvent,
    StreamingDoneEvent,
)
from pytest_streamval.engine.observer import Audience
from pytest_streamval.engine.tasks import note_cleanup, start_task
from pytest_streamval.errors import GenerationCancelledError, described, raisable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

    from pytest_streamval.engine.chunking import Chunk, Chunker
    from pytest_streamval.engine.component import Action
    from pytest_streamval.engine.context import Context
    from pytest_streamval.engine.requirement import PartialValidationResult, Requirement, ValidationResult
    from pytest_streamval.engine.tasks import OwnedTask
    from pytest_streamval.engine.thunk import ModelOutputThunk
    from pytest_streamval.engine.validators import Judges

Outcome: TypeAlias = Literal["done", "stopped", "failed", "left"]
"""How a run ended: naturally, by a failed check, by an error, or because it was closed, cancelled or dropped."""

_ENDS_A_TASK = (asyncio.CancelledError, KeyboardInterrupt, SystemExit)  # other errors are the result's to raise
_ATTEMPT = 1  # there is one attempt a run

current_run: ContextVar[Run | None] = ContextVar("current_run", default=None)
"""The run in whose task, or in whose validator, the code is running."""


class Run:
    """The state of one run, which its task holds and its result looks at.

    It never refers to the result, so that dropping the result is noticed. Everything that happens is an event in
    `history`: readers keep a place in it, so nothing is queued twice and nobody's pace holds the run back.
    """

    def __init__(
        self,
        action: Action,
        thunk: ModelOutputThunk,
        ctx: Context,
        chunker: Chunker,
        judges: Judges,
        *,
        pace: Callable[[Run], Awaitable[None]] | None = None,
    ) -> None:
        self.action = action
        self.thunk = thunk
        self.ctx = ctx
        self.judges = judges
        self.history: list[StreamEvent] = []
        self.completed = False
        self.finished = False
        self.released = 0  # offset behind the last released chunk
        self.natural_end = False
        self.final_validations: tuple[ValidationResult, ...] = ()
        self.streaming_failures: list[tuple[Requirement, PartialValidationResult]] = []
        self.error: BaseException | None = None
        self.cleanup_error: BaseException | None = None
        """What a clean-up has raised, if the run was cancelled."""
        self.outcome: Outcome | None = None
        """How the run ended, None while it goes on."""
        self.task: OwnedTask[None] | None = None
        self.audience = Audience.assembled()
        # how its result was treated, for guards
        self.dropped = False  # while the run was going
        self.events_given = 0  # by events()
        self.history_given = 0  # events, when history was last looked at
        self._chunker = chunker
        self._pace = pace
        self._begun = False
        self._chunk_index = 0
        self._waiters: list[asyncio.Future[None]] = []
        outer = current_run.get()
        self._outer = (
            outer if outer is not None and outer.is_current() else None
        )  # one of its validators waits for this

    @property
    def full_text(self) -> str:
        """The whole text after a natural end, else the text up to the end of the last released chunk."""
        text = self.thunk.text_read
        return text if self.natural_end else text[: self.released]

    @property
    def chunks_released(self) -> int:
        """How many chunks the consumer may have."""
        return self._chunk_index

    # The task

    def start(self, name: str) -> OwnedTask[None]:
        """Start the task of this run."""
        driven = self.drive()
        driven.send(None)  # so that a cancellation before the task's first step is raised inside of it
        self.task = task = start_task(driven, name)
        return task

    async def drive(self) -> None:
        """Run to the end; the last event is there on every path out of it."""
        cancelled: asyncio.CancelledError | None = None
        try:
            await _first_step()
        except asyncio.CancelledError:
            cancelled = asyncio.CancelledError("the run was cancelled before it began")
        current_run.set(self)
        self._begin()
        try:
            try:
                if cancelled is not None:
                    raise cancelled  # noqa: TRY301  # as the first step would raise it
                if await self._stream():
                    await self._validate()
            except BaseException as error:
                reason = self._reason(error)
                self._abort(reason)
                if reason is error:
                    raise
                raise reason from error
            finally:
                await self._stop_producer()
                await self.judges.rest()
        except BaseException as error:
            self.finish(self.error or error)
            if isinstance(error, _ENDS_A_TASK):
                raise
        else:
            self.finish()

    def _reason(self, error: BaseException) -> BaseException:
        """Return what ends the run: its cancellation, if the error comes from a clean-up after that."""
        if isinstance(error, Exception) and _is_cancelled():
            self.judges.cleanup_failures.append(error)
            return asyncio.CancelledError()
        return raisable(error)

    async def _stream(self) -> bool:
        """Read, cut, check and release until the stream ends (True) or a requirement fails (False)."""
        thunk, chunker, audience, pace = self.thunk, self._chunker, self.audience, self._pace
        while not thunk.is_computed():
            if pace is not None:
                await pace(self)
            deltas = await thunk.take_deltas()
            if audience is not None:
                audience.tell_deltas(deltas)
            for text in ("".join(deltas),) if chunker.joins_deltas else deltas:
                chunks = chunker.feed(text)
                if chunks and not await self._pass(chunks):
                    return False
        if thunk.cancelled:
            raise GenerationCancelledError from thunk.error
        if not await self._pass(chunker.flush()):
            return False
        self.natural_end = self.completed = True
        self._emit(StreamingDoneEvent(_ATTEMPT, self.full_text))
        return True

    async def _pass(self, chunks: list[Chunk]) -> bool:
        """Have chunks judged and release them, in order, up to the first that a requirement fails (False)."""
        judges = self.judges if self.judges.requirements else None
        for text, start, end in chunks:
            index = self._chunk_index
            if judges is not None:
                results = await judges.check(text)
                passed = True
                for result in results:
                    if result.success == "fail":
                        passed = False
                if not passed:
                    verdicts = zip(judges.requirements, results, strict=True)
                    self.streaming_failures += [pair for pair in verdicts if pair[1].success == "fail"]
                self._emit(QuickCheckEvent(index, _ATTEMPT, passed, results))
                if not passed:
                    return False
            self._chunk_index = index + 1
            self.released = end
            self._emit(ChunkEvent(text, index, _ATTEMPT, start, end))
        return True

    async def _validate(self) -> None:
        """Have the complete output judged; from here on it can be read by all."""
        self.thunk.own(None)
        if self.judges.requirements:
            results = self.final_validations = await self.judges.validate()
            self._emit(FullValidationEvent(_ATTEMPT, all(result.as_bool() for result in results), results))

    async def _stop_producer(self) -> None:
        """Cancel the generation if it is not over, and wait until its producer has ended in any case."""
        if not self.thunk.is_computed():
            self._tell_cancelled()
            self.thunk.abandon(self.error)
        try:
            await self.thunk.end_producer()
        except Exception as failure:  # noqa: BLE001  # whatever a producer's clean-up raises is reported
            self.judges.cleanup_failures.append(failure)

    # Bookkeeping: synchronous, so that no cancellation falls between its steps

    def _begin(self) -> None:
        self._begun = True
        if self.audience is not None:
            self.audience.tell("started", self)

    def _tell_cancelled(self) -> None:
        if self.audience is None:
            return
        if self.streaming_failures:
            requirement, result = self.streaming_failures[0]
            reason = f"{requirement.name} failed a chunk: {result.reason or 'no reason given'}"
        else:
            error = cast("BaseException", self.error)
            reason = f"{type(error).__name__}: {described(error)}".removesuffix(": ")
        self.audience.tell("cancelled", reason)

    def _abort(self, error: BaseException) -> None:
        """Note the error that ends the run; from here on only released text counts."""
        self.error = error
        self.completed = self.natural_end = False

    def finish(self, error: BaseException | None = None) -> None:
        """Emit the last events, once."""
        if self.finished:
            return
        failures = self.judges.cleanup_failures
        if error is None and failures:
            error = failures.pop(0)
        self.outcome = self._outcome(error)
        if error is not None:
            self._abort(error)
            self._emit_error(error)
        self.finished = True
        self.task = None
        self.thunk.own(None)
        self._emit(CompletedEvent(self.completed, self.full_text, _ATTEMPT))
        if self.audience is not None:
            self.audience.tell("ended", self)

    def _outcome(self, error: BaseException | None) -> Outcome:
        if self.streaming_failures:
            return "stopped"
        if error is None:
            return "done"
        was_left = isinstance(error, asyncio.CancelledError) and not hasattr(error, "__notes__")
        return "left" if was_left else "failed"

    def _emit_error(self, error: BaseException) -> None:
        """Emit an `ErrorEvent`, unless the run was cancelled and its clean-up has succeeded."""
        failures = self.judges.cleanup_failures
        if self.outcome == "left" or isinstance(error, asyncio.CancelledError):
            if failures:
                note_cleanup(error, failures[0])
                error = self.cleanup_error = failures.pop(0)
            elif self.outcome == "left":
                return
        told = [f" (clean-up failed too: {type(failure).__name__}({described(failure)}))" for failure in failures]
        detail = (described(error) or " ".join(getattr(error, "__notes__", ()))) + "".join(told)
        self._emit(ErrorEvent(type(error).__name__, detail))

    def lost(self) -> None:
        """Finish a run whose event loop was closed under it, where nothing takes a step any more."""
        copy_context().run(self._lose)  # as a task would: what observers make current is not the caller's

    def _lose(self) -> None:
        if not self._begun:
            self._begin()
        self._abort(asyncio.CancelledError("its event loop was closed before it ended"))
        self._tell_cancelled()
        self.finish(self.error)

    def _emit(self, event: StreamEvent) -> None:
        self.history.append(event)
        if self._waiters:
            waiters, self._waiters = self._waiters, []
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)
        if self.audience is not None:
            self.audience.tell("event", event)

    def is_current(self) -> bool:
        """Return whether the run waits for the caller: for itself, a validator, or a run inside a validator.

        A task that a validator has started is none of these, and may wait for the run.
        """
        run = current_run.get()
        if run is not None and not run.has_caller():
            return False
        while run is not None and run is not self:
            run = run._outer
        return run is self

    def has_caller(self) -> bool:
        """Return whether the current task is the run's own, or that of one of its validators."""
        current = asyncio.current_task()
        return current is not None and (current is self.task or self.judges.asking() is not None)

    def refuse_own(self, method: str) -> None:
        """Raise for a caller for which this run waits."""
        if self.is_current():
            msg = (
                f"{method} was called by a validator of the same run, which cannot be over before the validator is. "
                "Start a task that waits for the run, or keep what you need on self."
            )
            raise RuntimeError(msg)

    def refusal(self) -> str:
        """Return why no other reader may have the output, and what to do instead."""
        asking = self.judges.asking()
        names = [asking.name] if asking is not None else [each.name for each in self.judges.requirements]
        validators = f" (this was asked in a validator of {' or '.join(names)})" if names else ""
        return (
            "the run that checks it, so that no text is released unchecked"
            f"{validators}. In stream_validate(), keep what you need of earlier chunks on self; the complete output "
            "can be read in validate(), or once the run is over."
        )

    async def more(self, method: str) -> None:
        """Wait for the next event.

        Raises:
            RuntimeError: the caller is a validator of this run, which would wait for itself.
        """
        self.refuse_own(method)
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        finally:
            if waiter in self._waiters:  # cancelled: nothing has happened yet
                self._waiters.remove(waiter)


@types.coroutine
def _first_step() -> Generator[None, None, None]:
    """Suspend until the first step of the task."""
    yield


def _is_cancelled() -> bool:
    """Return whether the current task has been cancelled."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
