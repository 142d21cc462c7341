"""`stream_with_chunking`: generate an output, check it chunk by chunk, and release each chunk or stop."""

from __future__ import annotations

import re
import sys
from collections.abc import Coroutine
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from pytest_streamval.engine.attempt import Holdback
from pytest_streamval.engine.attempt_starter import AttemptStarter, stop_after
from pytest_streamval.engine.backend import Backend, ModelOption, checked_options
from pytest_streamval.engine.component import CBlock, Component, as_action, text_of
from pytest_streamval.engine.context import Context
from pytest_streamval.engine.observer import ObserverGroup
from pytest_streamval.engine.requirement import Requirement
from pytest_streamval.engine.result import StreamChunkingResult
from pytest_streamval.engine.retries import RetryPolicy
from pytest_streamval.engine.run import Run
from pytest_streamval.engine.simple_chunkers import resolve_chunking
from pytest_streamval.errors import InvalidArgumentError, excerpt

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
    from types import TracebackType

    from pytest_streamval.engine.attempt import Failure
    from pytest_streamval.engine.chunking_strategy import ChunkingStrategy
    from pytest_streamval.engine.component import Action
    from pytest_streamval.engine.retries import OnRetry
    from pytest_streamval.engine.run_view import RunView
    from pytest_streamval.engine.telemetry.spans import Telemetry

_START_FIRST = (
    "The run has not started. Write `run = await stream_with_chunking(...)`, or `async with stream_with_chunking(...) "
    "as run:`."
)
_CHARACTERS = re.compile(r"([0-9]{1,9}) characters?")


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
    pace: Callable[[RunView], Awaitable[None]] | None = None,
    holdback: int | str = 0,
    max_attempts: int = 1,
    on_retry: OnRetry = "restart",
    repair: Callable[[Action, Sequence[Failure], str], object] | None = None,
) -> StartingRun:
    """Start a generation and check its output chunk by chunk during the stream.

    One background task reads the output. The `stream_validate` methods of all requirements check each new chunk at the
    same time. Unless one of them returns `"fail"`, the chunk is released to the consumer. At the natural end, the
    `validate` methods check the complete output.

    Args:
        action: The request. A string becomes a `CBlock`.
        backend: The backend that generates. It is called with `ModelOption.STREAM`.
        ctx: The history before the request.
        requirements: The requirements. They are copied before generation starts.
        chunking: `"sentence"`, `"prose"`, `"word"`, `"line"`, `"paragraph"`, a strategy, or None for one chunk a delta.
        validation_backend: The backend that validators receive, by default `backend`.
        validator_timeout: The limit in seconds for the checks of one chunk or of the complete output, or None.
        fail_fast: Whether the first fail of a chunk cancels its other checks. By default all of them return a result.
        model_options: Options for the generation, besides `ModelOption.STREAM`.
        pace: A function that is awaited before each read of the output, in the run's task. Until it returns, nothing is
            read. Without it, no reader delays the run.
        holdback: The number of further chunks that are checked before a chunk is released, or `"20 characters"`.
        max_attempts: The largest number of attempts. A fail of a chunk or of the complete output begins the next one.
        on_retry: `"restart"`: `astream()` returns a `Restart`, which voids the chunks before it. `"hold"`: only an
            accepted attempt is released. `"continue"`: the next attempt continues the released text.
        repair: Returns the request of the next attempt, `repair(action, failures, released_text)`. By default, that
            adds the failed requirements, their reasons and the accepted text to `action`.

    Returns:
        The start of the run, which is awaited or entered: `async with stream_with_chunking(...) as run:`. Both return
        the `StreamChunkingResult`. The generation stops if the `async with` is left early.

    Raises:
        UnknownNameError: A `ValueError`. If `chunking` is an unknown alias.
        InvalidArgumentError: A `TypeError` and a `ValueError`. If an argument is invalid.
        NotStreamingError: A `RuntimeError`. If the backend returned a computed output.
    """
    checks = _Checks(requirements, validation_backend, validator_timeout, fail_fast)
    held = checked_holdback(holdback, until_accepted=on_retry == "hold")
    retries = RetryPolicy(max_attempts, on_retry, repair)
    return StartingRun(
        _start(action, backend, ctx, checks, chunking, options=model_options, pace=pace, holdback=held, retries=retries)
    )


class _Checks(NamedTuple):
    """The arguments of a run about its checks."""

    requirements: Sequence[Requirement] | None
    backend: Backend | None
    timeout: float | None
    fail_fast: bool


async def _start(
    action: Action | str,
    backend: Backend,
    ctx: Context,
    checks: _Checks,
    chunking: str | ChunkingStrategy | None,
    *,
    options: Mapping[str, object] | None,
    pace: Callable[[RunView], Awaitable[None]] | None,
    holdback: Holdback,
    retries: RetryPolicy,
) -> StreamChunkingResult:
    resolve_chunking(chunking)  # for its errors
    judge = backend if checks.backend is None else checks.backend
    _check_request(action, ctx, backend=backend, validation_backend=judge)
    check_timeout("validator_timeout", checks.timeout)
    if pace is not None and not callable(pace):
        rule = "It must be an asynchronous function of the run, pace(run), or None."
        raise InvalidArgumentError("pace", excerpt(pace), rule)
    starter = AttemptStarter(
        backend=backend,
        judge=judge,
        ctx=ctx,
        requirements=checked_requirements(checks.requirements),
        chunking=chunking,
        options={**checked_options(options), ModelOption.STREAM: True},
        timeout=checks.timeout,
        fail_fast=checks.fail_fast,
        holdback=holdback,
    )
    action = as_action(action)
    name = f"streamval run {excerpt(text_of(action), 40)}"
    telemetry = _telemetry()
    with nullcontext() if telemetry is None else telemetry.requesting():
        attempt = await starter.start(action)
        try:
            observers = ObserverGroup.for_new_run(lambda: telemetry)
            retrying = starter if retries.max_attempts > 1 else None
            run = Run(action, attempt, retries, retrying, observers=observers, pace=pace)
        except BaseException as error:
            await stop_after(error, attempt.thunk)
            raise
    run.reserve_output(attempt)
    return StreamChunkingResult(run, run.start(name))


def _telemetry() -> Telemetry | None:
    """Return the observer that reports to OpenTelemetry, if the program has imported that."""
    if "opentelemetry" not in sys.modules:
        return None
    from pytest_streamval.engine.telemetry.spans import telemetry

    return telemetry()


class StartingRun(Coroutine[Any, Any, "StreamChunkingResult"]):
    """The start of a run. The run starts when this object is awaited or entered with `async with`.

    It is a coroutine, so that `asyncio.create_task` and `asyncio.gather` accept it. Python warns if it is never
    awaited.
    """

    __slots__ = ("_coroutine", "_result")

    def __init__(self, coroutine: Coroutine[Any, Any, StreamChunkingResult]) -> None:
        shown: Any = coroutine  # by Python's warning if it is never awaited
        shown.__qualname__ = stream_with_chunking.__name__
        self._coroutine = coroutine
        self._result: StreamChunkingResult

    if not TYPE_CHECKING:  # pragma: no branch  # for a type checker, it would have every attribute

        def __getattr__(self, name: str) -> object:
            """Raise an error that says how to start the run."""
            is_of_run = not name.startswith("_") and hasattr(StreamChunkingResult, name)
            hint = f" {_START_FIRST}" if is_of_run else ""
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}.{hint}")

    def send(self, value: Any, /) -> Any:  # noqa: ANN401  # a coroutine's protocol
        """Run the next step."""
        return self._coroutine.send(value)

    def throw(self, *error: Any) -> Any:  # noqa: ANN401  # a coroutine's protocol
        """Raise an exception at the point at which the coroutine is suspended."""
        return self._coroutine.throw(*error)

    def close(self) -> None:
        """Close the coroutine."""
        self._coroutine.close()

    def __aiter__(self) -> NoReturn:
        msg = f"{_START_FIRST} Then write `async for chunk in run.astream():`."
        raise TypeError(msg)

    def __await__(self) -> Generator[Any, Any, StreamChunkingResult]:
        return self._coroutine.__await__()

    async def __aenter__(self) -> StreamChunkingResult:
        self._result = await self._coroutine
        return await self._result.__aenter__()

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self._result.__aexit__(exc_type, exc, tb)


def _check_request(action: object, ctx: object, **backends: object) -> None:
    if not isinstance(action, str | CBlock | Component):
        raise InvalidArgumentError("action", excerpt(action), "It must be a str, a CBlock or a Component.")
    if not isinstance(ctx, Context):
        raise InvalidArgumentError("ctx", excerpt(ctx), "It must be a Context, for example SimpleContext().")
    for argument, backend in backends.items():
        if not isinstance(backend, Backend):
            hint = " Call it first: it makes backends." if callable(backend) else ""
            rule = f"It must be an instance of a subclass of Backend.{hint}"
            raise InvalidArgumentError(argument, excerpt(backend), rule)


def checked_holdback(holdback: object, *, until_accepted: bool) -> Holdback:
    """Return the distance between check and release for the argument `holdback`.

    Raises:
        InvalidArgumentError: A `TypeError` and a `ValueError`. If it is no number of chunks or characters.
    """
    match holdback:
        case int() if holdback >= 0 and not isinstance(holdback, bool):
            return Holdback(chunks=holdback, until_accepted=until_accepted)
        case str() if found := _CHARACTERS.fullmatch(holdback):
            return Holdback(characters=int(found[1]), until_accepted=until_accepted)
    rule = 'It must be a number of chunks of at least 0, or of characters, such as "20 characters".'
    raise InvalidArgumentError("holdback", excerpt(holdback), rule)


def check_timeout(argument: str, seconds: object) -> None:
    """Raise an `InvalidArgumentError` unless a limit is None or a positive number of seconds."""
    if seconds is not None and not (isinstance(seconds, int | float) and seconds > 0):
        raise InvalidArgumentError(argument, excerpt(seconds), "It must be a number of seconds above 0, or None.")


def checked_requirements(requirements: Sequence[Requirement] | None) -> Sequence[Requirement]:
    """Return requirements as a sequence.

    Raises:
        InvalidArgumentError: A `TypeError`. If they are no list of `Requirement` instances.
    """
    if requirements is None:
        return ()
    if isinstance(requirements, str | Requirement) or not hasattr(requirements, "__iter__"):
        _reject_requirement("requirements", requirements)
    checked = list(requirements)
    for index, requirement in enumerate(checked):
        if not isinstance(requirement, Requirement):
            _reject_requirement(f"requirements[{index}]", requirement)
    return checked


def _reject_requirement(argument: str, value: object) -> NoReturn:
    kind = "a list of Requirement instances" if argument == "requirements" else "an instance of Requirement"
    rule = f"It must be {kind}."
    if isinstance(value, str):
        rule += f" For a condition in words, write Requirement({excerpt(value)})."
    elif isinstance(value, type):
        rule += f" Pass an instance of the class, {value.__name__}(...)."
    elif isinstance(value, Requirement):
        rule += " Put the requirement into a list."
    elif callable(value):
        rule += " For a function of the context, write Requirement(validation_fn=...)."
    raise InvalidArgumentError(argument, excerpt(value), rule)
