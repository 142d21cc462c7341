"""`Run`: the state of one run, and the task that drives it."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar, copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from pytest_streamval.engine.chunking_strategy import LONGEST_FEED, texts_to_feed
from pytest_streamval.engine.event_history import FEW, MANY
from pytest_streamval.engine.events import (
    ChunkEvent,
    CompletedEvent,
    ErrorEvent,
    FullValidationEvent,
    QuickCheckEvent,
    RetryEvent,
    StreamingDoneEvent,
)
from pytest_streamval.engine.own_chunks import OwnChunksAttempt
from pytest_streamval.engine.requirement import asking
from pytest_streamval.engine.retries import reason_text, rejections
from pytest_streamval.engine.run_state import RunState
from pytest_streamval.engine.tasks import current_task_is_cancelled, first_step, note_cleanup, start_task
from pytest_streamval.errors import GenerationCancelledError, described, raisable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from pytest_streamval.engine.attempt import AttemptState
    from pytest_streamval.engine.attempt_starter import AttemptStarter
    from pytest_streamval.engine.chunking_strategy import Chunk
    from pytest_streamval.engine.component import Action
    from pytest_streamval.engine.observer import ObserverGroup
    from pytest_streamval.engine.requirement import Requirement
    from pytest_streamval.engine.retries import RetryPolicy
    from pytest_streamval.engine.run_view import Outcome, RunView
    from pytest_streamval.engine.tasks import OwnedTask

_ENDS_A_TASK = (asyncio.CancelledError, KeyboardInterrupt, SystemExit)  # the result raises all other errors

current_run: ContextVar[Run | None] = ContextVar("current_run", default=None)
"""The run whose task or validator contains the running code."""


def asking_requirement() -> Requirement | None:
    """Return the requirement that is calling a backend, or None if other code does."""
    run = current_run.get()
    return asking.get() or (None if run is None else run.validators.current_requirement())


class Run(RunState):
    """The state of one run, to which its task and its result refer.

    It never refers to the result, so that dropping the result is noticed. Everything that happens is an event in
    `history`. Readers keep a position in it, so that nothing is queued twice and no reader delays the run.
    """

    def __init__(
        self,
        action: Action,
        attempt: AttemptState,
        retries: RetryPolicy,
        starter: AttemptStarter | None,
        *,
        observers: ObserverGroup | None = None,
        pace: Callable[[RunView], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__(action, attempt, observers)
        self.retries = retries
        self._starter = starter
        self._pace = pace
        self._has_started = False
        outer = current_run.get()
        self._outer = outer if outer is not None and outer.is_current() else None  # it waits for this run

    def reserve_output(self, attempt: AttemptState) -> None:
        """Reserve the output of an attempt, so that no other code reads it."""
        attempt.thunk.reserve_reads(self.explain_reservation, attempt.text_so_far)

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
            await first_step()
        except asyncio.CancelledError:
            cancelled = asyncio.CancelledError("the run was cancelled before it began")
        current_run.set(self)
        self._notify_started()
        try:
            try:
                if cancelled is not None:
                    raise cancelled  # noqa: TRY301  # as the first step would raise it
                while not (await self._stream() and await self._validate()) and await self._retry():
                    pass
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
        attempt, observers, pace = self.attempt, self.observers, self._pace
        thunk, chunker = attempt.thunk, attempt.chunker
        check: Callable[[list[Any]], Awaitable[bool]] = self._check
        if isinstance(attempt, OwnChunksAttempt):
            check = partial(attempt.check, self._emit, self._emit_all)
        while not thunk.is_computed():
            if pace is not None:
                await pace(self)
            deltas = await thunk.take_deltas()
            if observers is not None:
                observers.notify_of_deltas(deltas)
            if not await self._feed(texts_to_feed(deltas) if chunker.joins_deltas else deltas, check):
                return self._stop()
        if thunk.cancelled:
            raise GenerationCancelledError from thunk.error
        if not await check(chunker.flush()):
            return self._stop()
        self._emit_all(attempt.settle(at_end=True))
        attempt.natural_end = self.completed = True
        if not attempt.holdback.until_accepted:
            self._emit_all(attempt.rest())
        self._emit(StreamingDoneEvent(attempt.number, attempt.text.up_to()))
        return True

    def _stop(self) -> bool:
        self.streaming_failures += self.attempt.failures
        return False

    async def _feed(self, texts: Iterable[str], check: Callable[[list[Any]], Awaitable[bool]]) -> bool:
        """Chunk texts and check the chunks, up to the first that stops the stream (False)."""
        chunker = self.attempt.chunker
        for text in texts:
            chunks = chunker.feed(text)
            if chunks and not await check(chunks):
                return False
            if len(text) == LONGEST_FEED:
                self.history.pack(FEW)
                await asyncio.sleep(0)  # for all other tasks
        return True

    async def _check(self, chunks: list[Chunk]) -> bool:
        """Check and release chunks in order, up to the first that stops the stream (False)."""
        attempt = self.attempt
        number, is_plain = attempt.number, attempt.is_plain
        check, part = attempt.validators.check, attempt.validators.all
        if attempt.kept and not attempt.chunks_checked and chunks:
            attempt.join(chunks[0])
        for chunk in chunks:
            text, start, end = chunk
            index = attempt.chunks_checked
            passed = True
            if part.positions:
                attempt.checked = chunk
                results = await check(text, part)
                passed = part.passed
                if not passed:
                    results = await attempt.replace(chunk, results)
                    is_plain = attempt.is_plain
                self._emit(QuickCheckEvent(index, number, passed, results))
                if attempt.failures:
                    return False
            attempt.chunks_checked = index + 1
            if is_plain:
                attempt.chunks_released = index + 1
                attempt.released_end = end
                self._emit(ChunkEvent(text, index, number, start, end))
            else:
                self._emit_all(attempt.add(chunk, replaced=not passed))
        self.history.pack(MANY)
        return True

    async def _validate(self) -> bool:
        """Validate the complete output, which anyone can read from here on, and return whether it is accepted."""
        attempt = self.attempt
        self.thunk.release_reads()
        if self.requirements:
            results = attempt.final_validations = await self.validators.validate(attempt.final_ctx())
            accepted = all(result.as_bool() for result in results)
            self._emit(FullValidationEvent(attempt.number, accepted, results))
            if not accepted and self.retries.decides:
                attempt.failures += rejections(self.requirements, results)
                self.streaming_failures += attempt.failures
                self.completed = False
            if not accepted:
                return False
        attempt.accepted = True
        self._emit_all(attempt.rest())
        return True

    async def _retry(self) -> bool:
        """Begin the next attempt, after the end of this one, unless this one was the last (False)."""
        attempt, starter = self.attempt, self._starter
        if starter is None or attempt.number == self.retries.max_attempts:
            self.streaming_failures = [failure for each in self._attempts for failure in each.failures]
            return False
        await self._end_attempt()
        self.streaming_failures = []
        self.completed = False
        action = await self.retries.next_action(self.action, attempt)
        number, kept, released_end = attempt.number + 1, "", 0
        if self.retries.on_retry == "continue":
            kept, released_end = attempt.text_to_continue(), attempt.released_end
        following = await starter.start(action, number, kept=kept, released_end=released_end)
        self.reserve_output(following)
        self.attempt = following
        self._attempts.append(following)
        self._emit(RetryEvent(number, reason_text(attempt.failures)))
        return True

    async def _end_attempt(self) -> None:
        """Stop the producer and the validators of an attempt, and raise the error of a clean-up."""
        await self._stop_producer()
        await self.validators.aclose()
        self.thunk.release_reads()
        if failures := self.validators.cleanup_failures:
            raise failures.pop(0)

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
        self.completed = self.attempt.natural_end = False

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
        self._emit(CompletedEvent(self.completed, self.full_text, self.attempt.number))
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
        self.thunk.end_report(self.error)
        self._notify_cancelled()
        self.finish(self.error)

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
            f"the run that checks it, so that no text is released unchecked{caller}. In stream_validate(), "
            "str(ctx.last_output()) is the text so far, and other data can be kept on self. Read the complete output "
            "in validate() or after the run."
        )
