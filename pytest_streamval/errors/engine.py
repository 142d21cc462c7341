"""Errors of the engine: streams and their one reader, arguments, chunking and validation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_streamval.errors.base import StreamvalError

if TYPE_CHECKING:
    from collections.abc import Sequence

# Streams and their one reader


class ThunkClosedError(StreamvalError, RuntimeError):
    """A delta was put into an output that takes no more."""

    def __init__(self, state: str) -> None:
        super().__init__(state)
        self.state = state

    def __str__(self) -> str:
        return (
            f"This output is {self.state} and takes no more deltas. A producer stops at ThunkClosedError; one started "
            "with thunk.start() is cancelled for you."
        )


class ConcurrentReadError(StreamvalError, RuntimeError):
    """A stream was read while another reader had it."""

    def __init__(self, what: str, owner: str = "") -> None:
        super().__init__(what, owner)
        self.what = what
        self.owner = owner
        """The run that owns the output, and the way out; empty without an owner."""

    def __str__(self) -> str:
        if self.owner:
            return f"{self.what} has one reader, {self.owner}"
        return (
            f"{self.what} is being read already, and a stream has one reader: two would each get a part of it. Let one "
            "task read and hand on what it got."
        )


class ReaderTakenError(StreamvalError, RuntimeError):
    """A stream of a result was asked for a second time."""

    def __init__(self, method: str, instead: str) -> None:
        super().__init__(method, instead)
        self.method = method
        self.instead = instead

    def __str__(self) -> str:
        return f"{self.method} has a reader already, and gives one only. {self.instead}"


class DetachedThunkError(StreamvalError, RuntimeError):
    """A copy of an unfinished output was read."""

    def __str__(self) -> str:
        return (
            "This is a copy of an output that was still being generated, and no producer feeds a copy. Read the "
            "original, or copy it once is_computed() is true."
        )


class EventLoopRequiredError(StreamvalError, RuntimeError):
    """A task was to be started where no event loop of asyncio is running."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return (
            f"{self.what} needs a running asyncio event loop. Start it from a coroutine under asyncio, for instance by "
            "asyncio.run(); this package does not run on trio, so choose anyio's asyncio backend there."
        )


class GenerationCancelledError(StreamvalError, RuntimeError):
    """The generation was cancelled by somebody else while a run was reading it."""

    def __str__(self) -> str:
        return (
            "The generation was cancelled before its end, and not by this run. What was released until then stays "
            "readable; to stop a run yourself, call aclose() on its result."
        )


class InvalidDeltaError(StreamvalError, TypeError):
    """A producer put something that is no delta."""

    def __init__(self, shown: str, kind: str) -> None:
        super().__init__(shown, kind)
        self.shown = shown
        self.kind = kind

    def __str__(self) -> str:
        return f"A delta is a str or a Delta, not {self.shown} of type {self.kind}. Decode bytes before they are put."


# Arguments


class UnknownChunkingError(StreamvalError, ValueError):
    """`chunking` names no built-in strategy."""

    def __init__(self, alias: str, aliases: Sequence[str]) -> None:
        super().__init__(alias, tuple(aliases))
        self.alias = alias
        self.aliases = tuple(aliases)

    def __str__(self) -> str:
        choices = ", ".join(repr(alias) for alias in self.aliases)
        return (
            f"Unknown chunking alias {self.alias!r}. Choose from: {choices}; or pass a ChunkingStrategy of your own, "
            "or None to take every delta as a chunk."
        )


class UnknownLanguageError(StreamvalError, ValueError):
    """`ProseChunker` has no rules for a language."""

    def __init__(self, language: str, languages: Sequence[str]) -> None:
        super().__init__(language, tuple(languages))
        self.language = language
        self.languages = tuple(languages)

    def __str__(self) -> str:
        choices = ", ".join(repr(language) for language in self.languages)
        return (
            f"ProseChunker knows no language {self.language!r}. Choose from: {choices}; for any other, the rules of "
            "'en' find the boundaries that need no words of the language."
        )


class InvalidLimitError(StreamvalError, ValueError):
    """A limit leaves no room for anything."""

    def __init__(self, argument: str, limit: int) -> None:
        super().__init__(argument, limit)
        self.argument = argument
        self.limit = limit

    def __str__(self) -> str:
        return f"Invalid {self.argument}: {self.limit}. It must be a number of characters, 1 or more."


class InvalidArgumentError(StreamvalError, TypeError, ValueError):
    """An argument has a type or a value that its function cannot use."""

    def __init__(self, argument: str, shown: str, rule: str) -> None:
        super().__init__(argument, shown, rule)
        self.argument = argument
        self.shown = shown
        self.rule = rule

    def __str__(self) -> str:
        return f"Invalid {self.argument}: {self.shown}. {self.rule}"


class NotStreamingError(StreamvalError, RuntimeError):
    """A backend answered a streaming request with a finished output."""

    def __init__(self, backend: str) -> None:
        super().__init__(backend)
        self.backend = backend

    def __str__(self) -> str:
        return (
            f"{self.backend} returned an output that is computed already, so there is nothing left to stream. It has "
            "to honour model_options[ModelOption.STREAM]: return the thunk at once and put the deltas as they come."
        )


# Chunking and validation


class ChunkingContractError(StreamvalError, ValueError):
    """A chunking strategy broke the contract that every strategy keeps."""

    def __init__(self, strategy: str, fault: str, rule: str) -> None:
        super().__init__(strategy, fault, rule)
        self.strategy = strategy
        self.fault = fault
        self.rule = rule

    def __str__(self) -> str:
        return f"{self.strategy} {self.fault}. {self.rule}"


class InvalidVerdictError(StreamvalError, TypeError):
    """A validator returned something that is no verdict."""

    def __init__(self, validator: str, shown: str, rule: str) -> None:
        super().__init__(validator, shown, rule)
        self.validator = validator
        self.shown = shown
        self.rule = rule

    def __str__(self) -> str:
        return f"{self.validator} returned {self.shown}. {self.rule}"


class ValidatorTimeoutError(StreamvalError, TimeoutError):
    """Validators took longer than `validator_timeout`."""

    def __init__(self, validators: Sequence[str], seconds: float) -> None:
        super().__init__(tuple(validators), seconds)
        self.validators = tuple(validators)
        self.seconds = seconds

    def __str__(self) -> str:
        return (
            f"No verdict within validator_timeout={self.seconds:g} s from: {', '.join(self.validators)}. Raise the "
            "limit, or let the validator answer PartialValidationResult('unknown') until it knows more."
        )
