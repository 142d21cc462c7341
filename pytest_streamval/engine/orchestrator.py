"""`stream_with_chunking`: generate, cut into chunks, have each chunk judged, release it or stop."""

from __future__ import annotations

from collections.abc import Coroutine
from copy import copy
from typing import TYPE_CHECKING, Any, NoReturn

from pytest_streamval.engine.backend import Backend, ModelOption, checked_options
from pytest_streamval.engine.chunkers import resolve_chunking
from pytest_streamval.engine.chunking import Chunk, Chunker, ChunkingStrategy, started
from pytest_streamval.engine.component import CBlock, Component, as_action, text_of
from pytest_streamval.engine.context import Context
from pytest_streamval.engine.requirement import Requirement
from pytest_streamval.engine.result import StreamChunkingResult
from pytest_streamval.engine.run import Run
from pytest_streamval.engine.tasks import note_cleanup
from pytest_streamval.engine.thunk import ModelOutputThunk
from pytest_streamval.engine.validators import Judges
from pytest_streamval.errors import InvalidArgumentError, NotStreamingError, excerpt

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
    from types import TracebackType

    from pytest_streamval.engine.component import Action


class _DeltaChunker(Chunker):
    """Every delta that brings text is a chunk."""

    def __init__(self) -> None:
        self._end = 0

    def feed(self, text: str) -> list[Chunk]:
        start, self._end = self._end, self._end + len(text)
        return [Chunk(text, start, self._end)] if text else []

    def flush(self) -> list[Chunk]:
        return []


def stream_with_chunking(
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
) -> StartingRun:
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
        The start of the run, to be awaited or entered: `async with stream_with_chunking(...) as run:`. Either gives the
        `StreamChunkingResult`: read it with `astream()` or `events()`, or wait with `acomplete()`. Leaving the
        `async with` early stops the generation.

    Raises:
        UnknownNameError: a `ValueError`; `chunking` is a string that is no alias.
        InvalidArgumentError: a `TypeError`; an argument has a type that does not fit.
        NotStreamingError: a `RuntimeError`; the backend returned an output that is computed already.
    """
    return StartingRun(
        _start(
            action,
            backend,
            ctx,
            requirements=requirements,
            chunking=chunking,
            validation_backend=validation_backend,
            validator_timeout=validator_timeout,
            fail_fast=fail_fast,
            model_options=model_options,
            pace=pace,
        )
    )


async def _start(
    action: Action | str,
    backend: Backend,
    ctx: Context,
    *,
    requirements: Sequence[Requirement] | None,
    chunking: str | ChunkingStrategy | None,
    validation_backend: Backend | None,
    validator_timeout: float | None,
    fail_fast: bool,
    model_options: Mapping[str, object] | None,
    pace: Callable[[Run], Awaitable[None]] | None,
) -> StreamChunkingResult:
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
    try:
        _check_streams(thunk, backend)
        judges = Judges(copies, judge, answer_ctx, timeout=validator_timeout, fail_fast=fail_fast)
        run = Run(asked, thunk, answer_ctx, chunker, judges, pace=pace)
    except BaseException as error:
        await _stop_after(error, thunk)
        raise
    thunk.own(run.refusal)
    return StreamChunkingResult(run, run.start(name))


def _check_streams(thunk: ModelOutputThunk, backend: Backend) -> None:
    if thunk.is_computed():
        raise NotStreamingError(type(backend).__name__)


async def _stop_after(error: BaseException, thunk: ModelOutputThunk) -> None:
    """Stop a generation whose run could not start; a clean-up that fails too is noted on the error."""
    thunk.abandon(error)
    try:
        await thunk.end_producer()
    except Exception as failure:  # noqa: BLE001  # whatever a producer's clean-up raises
        note_cleanup(error, failure)


class StartingRun(Coroutine[Any, Any, "StreamChunkingResult"]):
    """A run that `stream_with_chunking` is about to start: awaiting it starts the run, and so does entering it.

    It is a coroutine, so that `asyncio.create_task` and `asyncio.gather` take it. Python warns if it is never awaited.
    """

    __slots__ = ("_coroutine", "_result")

    def __init__(self, coroutine: Coroutine[Any, Any, StreamChunkingResult]) -> None:
        self._coroutine = coroutine
        self._result: StreamChunkingResult

    def send(self, value: Any, /) -> Any:  # noqa: ANN401  # a coroutine's protocol
        """Take the next step."""
        return self._coroutine.send(value)

    def throw(self, *error: Any) -> Any:  # noqa: ANN401  # a coroutine's protocol
        """Raise an exception at the point at which it is suspended."""
        return self._coroutine.throw(*error)

    def close(self) -> None:
        """End it before its start."""
        self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, StreamChunkingResult]:
        return self._coroutine.__await__()

    async def __aenter__(self) -> StreamChunkingResult:
        self._result = await self._coroutine
        return await self._result.__aenter__()

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self._result.__aexit__(exc_type, exc, tb)


def _check_asked(action: object, ctx: object, **backends: object) -> None:
    """Raise an `InvalidArgumentError` unless backends can be asked this."""
    if not isinstance(action, str | CBlock | Component):
        raise InvalidArgumentError("action", excerpt(action), "It must be a str, a CBlock or a Component.")
    if not isinstance(ctx, Context):
        raise InvalidArgumentError("ctx", excerpt(ctx), "It must be a context, for instance SimpleContext().")
    for argument, given in backends.items():
        if not isinstance(given, Backend):
            raise InvalidArgumentError(argument, excerpt(given), "It must be an instance of a subclass of Backend.")


async def checked_answer(answer: object, backend: str) -> tuple[ModelOutputThunk, Context]:
    """Return what a backend answered if it is an output and its context; an output without context is stopped."""
    thunk, ctx = answer if isinstance(answer, tuple) and len(answer) == 2 else (answer, None)  # noqa: PLR2004
    if not (isinstance(thunk, ModelOutputThunk) and isinstance(ctx, Context)):
        if isinstance(thunk, ModelOutputThunk):
            thunk.abandon()
        rule = "A backend returns (ModelOutputThunk, Context)."
        error = InvalidArgumentError(f"{backend}.generate_from_context()", excerpt(answer), rule)
        if isinstance(thunk, ModelOutputThunk):
            await _stop_after(error, thunk)
        raise error
    return thunk, ctx


def check_timeout(argument: str, seconds: object) -> None:
    """Raise an `InvalidArgumentError` unless a limit is one."""
    if seconds is not None and not (isinstance(seconds, int | float) and seconds > 0):
        raise InvalidArgumentError(argument, excerpt(seconds), "Give seconds above 0, or None.")


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
    rule = "Requirements are a list of Requirement instances."
    if isinstance(value, str):
        rule += f" For a condition in words write Requirement({excerpt(value)})."
    elif isinstance(value, type):
        rule += f" That is the class; pass an instance, {value.__name__}(...)."
    elif isinstance(value, Requirement):
        rule += " Put the one into a list."
    elif callable(value):
        rule += " For a function of the context write Requirement(validation_fn=...)."
    raise InvalidArgumentError(argument, excerpt(value), rule)
