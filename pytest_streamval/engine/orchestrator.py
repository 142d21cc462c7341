"""`stream_with_chunking`: generate, cut into chunks, have each chunk judged, release it or stop."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar, copy_context
from copy import copy
from typing import TYPE_CHECKING, NoReturn, cast

from pytest_streamval.engine.backend import Backend, ModelOption, checked_options
from pytest_streamval.engine.checks import Judges
from pytest_streamval.engine.chunkers import resolve_chunking
from pytest_streamval.engine.chunking import Chunk, Chunker, ChunkingStrategy, started
from pytest_streamval.engine.component import CBlock, Component, as_action, text_of
from pytest_streamval.engine.context import Context
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
from pytest_streamval.engine.requirement import Requirement
from pytest_streamval.engine.result import StreamChunkingResult
from pytest_streamval.engine.tasks import start_task
from pytest_streamval.engine.thunk import ModelOutputThunk
from pytest_streamval.errors import (
    GenerationCancelledError,
    InvalidArgumentError,
    NotStreamingError,
    described,
    excerpt,
    raisable,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from pytest_streamval.engine.component import Action
    from pytest_streamval.engine.requirement import PartialValidationResult, ValidationResult

_ENDS_A_TASK = (asyncio.CancelledError, KeyboardInterrupt, SystemExit)  # other errors are the result's to raise
_ATTEMPT = 1  # there is one attempt a run

current_run: ContextVar[Run | None] = ContextVar("current_run", default=None)
"""The run in whose task, or in whose validator, the code is running."""


class _DeltaChunker(Chunker):
    """Every delta that brings text is a chunk."""

    def __init__(self) -> None:
        self._end = 0

    def feed(self, text: str) -> list[Chunk]:
        start, self._end = self._end, self._end + len(text)
        return [Chunk(text, start, self._end)] if text else []

    def flush(self) -> list[Chunk]:
        return []


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

    async def drive(self) -> None:
        """Run to the end; the last event is there on every path out of it."""
        current_run.set(self)
        self._begin()
        try:
            try:
                if await self._stream():
                    await self._validate()
            except BaseException as error:
                self._abort(raisable(error))
                raise
            finally:
                await self._stop_producer()
                await self.judges.rest()
        except BaseException as error:
            self.finish(self.error or error)
            if isinstance(error, _ENDS_A_TASK):
                raise
        else:
            self.finish()

    async def _stream(self) -> bool:
        """Read, cut, check and release until the stream ends (True) or a requirement fails (False)."""
        thunk, chunker, audience, pace = self.thunk, self._chunker, self.audience, self._pace
        while not thunk.is_computed():
            if pace is not None:
                await pace(self)
            deltas = await thunk.read_deltas()
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
        """Have the whole output judged."""
        if self.judges.requirements:
            results = self.final_validations = await self.judges.validate()
            self._emit(FullValidationEvent(_ATTEMPT, all(result.as_bool() for result in results), results))

    async def _stop_producer(self) -> None:
        """Cancel the generation if it is not over."""
        if self.thunk.is_computed():
            return
        self._tell_cancelled()
        try:
            await self.thunk.cancel_generation(self.error)
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
        if error is not None:
            self._abort(error)
            self._emit_error(error)
        self.finished = True
        self._emit(CompletedEvent(self.completed, self.full_text, _ATTEMPT))
        if self.audience is not None:
            self.audience.tell("ended", self)

    def _emit_error(self, error: BaseException) -> None:
        """Emit an `ErrorEvent`; a cancellation alone is none, what its clean-up raised is."""
        failures = self.judges.cleanup_failures
        if isinstance(error, asyncio.CancelledError):
            if not failures:
                return
            error = failures.pop(0)
        told = [f" (clean-up failed too: {type(failure).__name__}({described(failure)}))" for failure in failures]
        detail = described(error) + "".join(told)
        self._emit(ErrorEvent(type(error).__name__, detail))

    def task_done(self, task: asyncio.Task[None]) -> None:
        """Finish a run whose task was cancelled before its first step; a callback of that task."""
        if not self.finished:
            error = asyncio.CancelledError(f"{task.get_name()} was cancelled before it began")
            self._begin()
            self._abort(error)
            if not self.thunk.is_computed():
                self._tell_cancelled()
                self.thunk.abandon(error)
            self.finish(error)

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
        """Return whether the caller is this run itself, or one of its validators."""
        return current_run.get() is self

    async def more(self) -> None:
        """Wait for the next event."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        finally:
            if waiter in self._waiters:  # cancelled: nothing has happened yet
                self._waiters.remove(waiter)


async def stream_with_chunking(
    action: Action | str,
    backend: Backend,
    ctx: Context,
    *,
    requirements: Sequence[Requirement] | None = None,
    chunking: str | ChunkingStrategy | None = "sentence",
    validation_backend: Backend | None = None,
    validator_timeout: float | None = None,
    fail_fast: bool = False,
    model_options: Mapping[str, object] | None = None,
    pace: Callable[[Run], Awaitable[None]] | None = None,
) -> StreamChunkingResult:
    """Start a generation whose output is judged chunk by chunk while it streams.

    One background task reads the output. Each new chunk goes to `stream_validate` of every requirement, to all at
    once; unless one says `"fail"` it is then released to the consumer. A fail stops the generation. At the natural
    end the withheld rest goes the same way, and `validate` of every requirement judges the whole.

    Args:
        action: what is asked, a string as a `CBlock`.
        backend: what generates; it is asked with `ModelOption.STREAM`.
        ctx: what went before.
        requirements: what the output has to fulfil. They are copied before generation starts.
        chunking: `"sentence"`, `"prose"`, `"word"`, `"line"`, `"paragraph"`, a strategy, or None for a chunk a delta.
        validation_backend: what validators may ask; by default `backend`.
        validator_timeout: seconds that the verdicts on one chunk, or on the whole, may take; None for no limit.
        fail_fast: cancel the other checks of a chunk on its first fail, instead of hearing all of them.
        model_options: for the generation, besides `ModelOption.STREAM`.
        pace: awaited before each read of the output, in the run's task. While it waits, nothing more is read, and the
            producer is held back as soon as its buffer is full; without it, nobody's pace holds the run back.

    Returns:
        The result, at once: read it with `astream()` or `events()`, or wait with `acomplete()`; use it in
        `async with`, so that leaving early stops the generation.

    Raises:
        UnknownChunkingError: a `ValueError`; `chunking` is a string that is no alias.
        InvalidArgumentError: a `TypeError`; an argument has a type that does not fit.
        NotStreamingError: a `RuntimeError`; the backend returned an output that is computed already.
    """
    strategy = resolve_chunking(chunking)
    judge = backend if validation_backend is None else validation_backend
    _check_asked(action, ctx, backend=backend, validation_backend=judge)
    check_timeout("validator_timeout", validator_timeout)
    copies = [copy(requirement) for requirement in checked_requirements(requirements)]
    chunker = _DeltaChunker() if strategy is None else started(strategy)
    asked = as_action(action)
    name = f"streamval run {excerpt(text_of(asked), 40)}"
    options = {**checked_options(model_options), ModelOption.STREAM: True}
    answer = await backend.generate_from_context(asked, ctx, model_options=options)
    thunk, answer_ctx = await checked_answer(answer, type(backend).__name__)
    if thunk.is_computed():
        raise NotStreamingError(type(backend).__name__)
    judges = Judges(copies, judge, answer_ctx, timeout=validator_timeout, fail_fast=fail_fast)
    run = Run(asked, thunk, answer_ctx, chunker, judges, pace=pace)
    task = start_task(run.drive(), name)
    task.add_done_callback(run.task_done)
    return StreamChunkingResult(run, task)


def _check_asked(action: object, ctx: object, **backends: object) -> None:
    """Raise an `InvalidArgumentError` unless backends can be asked this."""
    if not isinstance(action, str | CBlock | Component):
        raise InvalidArgumentError("action", excerpt(action), "it is a str, a CBlock or a Component.")
    if not isinstance(ctx, Context):
        raise InvalidArgumentError("ctx", excerpt(ctx), "it is a context, for instance SimpleContext().")
    for argument, given in backends.items():
        if not isinstance(given, Backend):
            raise InvalidArgumentError(argument, excerpt(given), "it is an instance of a subclass of Backend.")


async def checked_answer(answer: object, backend: str) -> tuple[ModelOutputThunk, Context]:
    """Return what a backend answered if it is an output and its context; an output without context is stopped."""
    thunk, ctx = answer if isinstance(answer, tuple) and len(answer) == 2 else (answer, None)  # noqa: PLR2004
    if not (isinstance(thunk, ModelOutputThunk) and isinstance(ctx, Context)):
        if isinstance(thunk, ModelOutputThunk):
            await thunk.cancel_generation()
        rule = "a backend returns (ModelOutputThunk, Context)."
        raise InvalidArgumentError(f"{backend}.generate_from_context()", excerpt(answer), rule)
    return thunk, ctx


def check_timeout(argument: str, seconds: object) -> None:
    """Raise an `InvalidArgumentError` unless a limit is one."""
    if seconds is not None and not (isinstance(seconds, int | float) and seconds > 0):
        raise InvalidArgumentError(argument, excerpt(seconds), "give seconds above 0, or None.")


def checked_requirements(requirements: Sequence[Requirement] | None) -> Sequence[Requirement]:
    """Return the requirements if they are some."""
    if requirements is None:
        return ()
    if isinstance(requirements, str | Requirement) or not hasattr(requirements, "__iter__"):
        _reject("requirements", requirements)
    found = list(requirements)
    for index, requirement in enumerate(found):
        if not isinstance(requirement, Requirement):
            _reject(f"requirements[{index}]", requirement)
    return found


def _reject(argument: str, value: object) -> NoReturn:
    rule = "requirements are a list of Requirement instances."
    if isinstance(value, str):
        rule += f" For a condition in words write Requirement({excerpt(value)})."
    elif isinstance(value, type):
        rule += f" That is the class; pass an instance, {value.__name__}(...)."
    elif isinstance(value, Requirement):
        rule += " Put the one into a list."
    elif callable(value):
        rule += " For a function of the context write Requirement(validation_fn=...)."
    raise InvalidArgumentError(argument, excerpt(value), rule)
