"""Errors of the engine and of sessions: outputs and their one reader, chunking and validation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_streamval.errors.base import (
    ClosedError,
    EventLoopError,
    InvalidArgumentError,
    StreamvalError,
    UnknownNameError,
)
from pytest_streamval.errors.text import excerpt

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Outputs and their one reader


@dataclass(eq=False, repr=False)
class ThunkClosedError(StreamvalError, RuntimeError):
    """A delta was put into an output that takes no more."""

    state: str

    def __str__(self) -> str:
        return (
            f"This output is {self.state} and takes no more deltas. A producer must stop at ThunkClosedError. A "
            "producer that was started with thunk.start() is cancelled."
        )


@dataclass(eq=False, repr=False)
class ConcurrentReadError(StreamvalError, RuntimeError):
    """A stream was read while another reader had it."""

    what: str
    """The stream."""
    owner: str = ""
    """Its reader, such as a run, and the way out; empty if the reader is not known."""

    def __str__(self) -> str:
        if self.owner:
            return f"{self.what} has one reader, {self.owner}"
        return (
            f"{self.what} is being read already. A stream has one reader, as two readers would each get a part of it. "
            "Let one task read, and pass on the text that it gets."
        )


@dataclass(eq=False, repr=False)
class UnfinishedError(StreamvalError, RuntimeError):
    """A complete output or run was needed, and this one is still being generated."""

    message: str

    def __str__(self) -> str:
        return self.message


class GenerationCancelledError(StreamvalError, RuntimeError):
    """Another task cancelled the generation while a run was reading it."""

    def __str__(self) -> str:
        return (
            "Another task cancelled this generation before its end. The text that was released before stays readable. "
            "To stop a run yourself, call aclose() on its result."
        )


@dataclass(eq=False, repr=False)
class NotStreamingError(StreamvalError, RuntimeError):
    """A backend answered a streaming request with a complete output."""

    backend: str

    def __str__(self) -> str:
        return (
            f"{self.backend} returned an output that is computed already, so there is nothing left to stream. A "
            "backend must honour model_options[ModelOption.STREAM]: return the thunk at once, and put each delta when "
            "it arrives."
        )


def invalid_delta_error(shown: str, kind: str) -> InvalidArgumentError:
    """Return the error for a value that a producer has put and that is not a delta.

    Args:
        shown: The value.
        kind: The name of its type.
    """
    rule = f"It must be a str or a Delta, not of type {kind}. Decode bytes before they are put."
    return InvalidArgumentError("delta", shown, rule)


def reader_taken_error(method: str, way_out: str) -> ConcurrentReadError:
    """Return the error for the second reader of a result."""
    return ConcurrentReadError(method, f"and is being read already. {way_out}")


def detached_thunk_error() -> UnfinishedError:
    """Return the error for the read of a copy of an unfinished output."""
    return UnfinishedError(
        "This is a copy of an output that was still being generated. Copies get no deltas. Read the original, or copy "
        "it when is_computed() is true."
    )


def unfinished_run_error() -> UnfinishedError:
    """Return the error for the comparison of a running run with a snapshot."""
    return UnfinishedError(
        "This run has not ended, and a snapshot shows a complete run. Await result.acomplete() first, or compare "
        "`await transcribe(result)`, which waits for the end and includes the run's error."
    )


# Chunking and validation


@dataclass(eq=False, repr=False)
class ChunkingContractError(StreamvalError, ValueError):
    """A chunking strategy broke the contract of all strategies."""

    strategy: str
    fault: str
    rule: str

    def __str__(self) -> str:
        return f"{self.strategy} {self.fault}. {self.rule}"


@dataclass(eq=False, repr=False)
class InvalidVerdictError(StreamvalError, TypeError):
    """A validator returned a value that is not a verdict."""

    validator: str
    shown: str
    rule: str

    def __str__(self) -> str:
        return f"{self.validator} returned {self.shown}. {self.rule}"


@dataclass(eq=False, repr=False)
class ValidatorTimeoutError(StreamvalError, TimeoutError):
    """Validators took longer than `validator_timeout`."""

    validators: Sequence[str]
    seconds: float

    def __str__(self) -> str:
        return (
            f"No verdict within validator_timeout={self.seconds:g} s from: {', '.join(self.validators)}. Raise the "
            "limit, or let the validator return PartialValidationResult('unknown') until it knows more."
        )


def unknown_chunking_error(alias: str, aliases: Iterable[str]) -> UnknownNameError:
    """Return the error for an alias that names no built-in chunking strategy."""
    advice = "You can also pass a ChunkingStrategy of your own, or None to take every delta as a chunk."
    return UnknownNameError("chunking alias", alias, tuple(aliases), advice)


def unknown_language_error(language: str, languages: Iterable[str]) -> UnknownNameError:
    """Return the error for a language that `ProseChunker` has no rules for."""
    advice = "For another language, the rules of 'en' find the boundaries that need no words of the language."
    return UnknownNameError("language", language, tuple(languages), advice)


def invalid_limit_error(argument: str, limit: int) -> InvalidArgumentError:
    """Return the error for a limit of characters below 1."""
    return InvalidArgumentError(argument, str(limit), "It must be a number of characters, 1 or more.")


# Event loops


def event_loop_required_error(what: str) -> EventLoopError:
    """Return the error for a task that was to be started without a running event loop of asyncio."""
    return EventLoopError(
        f"{what} needs a running asyncio event loop. Start it from a coroutine under asyncio, for instance with "
        "asyncio.run(). This package does not run on trio: choose the backend asyncio of anyio there."
    )


def event_loop_running_error(function: str, subject: str, twin: str = "") -> EventLoopError:
    """Return the error for a function that runs a subject in an event loop of its own, inside another one.

    Args:
        function: The name of the function.
        subject: The name of the subject.
        twin: The name of the function for coroutines, if there is one.
    """
    call = f"{twin}(...)" if twin else f"asyncio.to_thread({function}, ...)"
    return EventLoopError(
        f"{function} runs {subject} in an event loop of its own, and cannot do so while another one is running. Call "
        f"it from a plain `def` test. In a coroutine, use `await {call}`."
    )


def blocking_call_error(method: str) -> EventLoopError:
    """Return the error for a synchronous method that was called in the event loop that has to answer it."""
    return EventLoopError(
        f"{method}() was called inside the event loop that has to answer it, so both would wait for ever. Code that a "
        f"session calls, such as a requirement, must await a{method}() instead."
    )


_SAME_LOOP = (
    "If a fixture of pytest-asyncio has made it, give both the same loop: with "
    '@pytest.mark.asyncio(loop_scope="module") at the test, or @pytest_asyncio.fixture(loop_scope="function") at the '
    "fixture, whose scope is then the function, too."
)


def different_loops_error(shown: str) -> EventLoopError:
    """Return the error for an output that was awaited in another event loop than its own."""
    return EventLoopError(
        f"{shown} is generated in another event loop, and an output can be awaited only in its own. Await it there "
        f"first. When it is computed, it can be used everywhere. {_SAME_LOOP}"
    )


def foreign_run_error(method: str) -> EventLoopError:
    """Return the error for a method of a run that was called in another event loop than that of the run."""
    return EventLoopError(
        f"{method} was called in another event loop. Call it in the event loop that the run belongs to. {_SAME_LOOP}"
    )


def unsupported_loop_error(loop: str) -> EventLoopError:
    """Return the error for an event loop that a virtual clock cannot drive.

    Args:
        loop: The full name of the loop's class; empty if no event loop of asyncio is running.
    """
    if not loop:
        return EventLoopError(
            "A virtual clock drives asyncio, and this test does not run on asyncio. On trio, use "
            "trio.testing.MockClock, or run the test on the backend asyncio of anyio."
        )
    reason = "keeps its time in C" if loop.startswith("uvloop.") else "has no selector"
    return EventLoopError(
        f"A virtual clock cannot drive {loop}, which {reason}. Run the tests that use the clock on an "
        "asyncio.SelectorEventLoop, for instance with loop_factory=asyncio.SelectorEventLoop."
    )


# Sessions and councils


@dataclass(eq=False, repr=False)
class NoAcceptedAttemptError(StreamvalError, RuntimeError):
    """No attempt at an instruction met its requirements."""

    text: str
    """The text of the last attempt."""
    failures: Sequence[str]
    """The requirements that failed for the last attempt, with their reasons."""
    attempts: int
    """The number of attempts."""

    def __str__(self) -> str:
        failures = "".join(f"\n  - {failure}" for failure in self.failures)
        return (
            f"No answer was accepted within max_attempts={self.attempts}. The last one, {excerpt(self.text)}, "
            f"failed:{failures}\nRaise max_attempts, or relax the requirement. The complete text is in .text."
        )


@dataclass(eq=False, repr=False)
class MemberTimeoutError(StreamvalError, TimeoutError):
    """A member of a council sent nothing for too long."""

    member: str
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.member} sent nothing for {self.seconds:g} s, which is the limit of Council(timeout=...). Raise the "
            "limit, or use a faster model."
        )


def closed_session_error(method: str) -> ClosedError:
    """Return the error for a method of a session that is closed."""
    return ClosedError(
        f"{method}() needs an open session, and this session is closed, which stopped its generations. Stay inside its "
        "'with' block, or start another session with start_session()."
    )
