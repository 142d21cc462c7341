"""Plays the pieces of a text to whatever is held to be boundary invariant."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextvars import copy_context
from dataclasses import dataclass
from inspect import iscoroutine
from pathlib import PurePath
from typing import cast

from pytest_streamval.engine.chunkers import resolve_chunking
from pytest_streamval.engine.chunking import Chunk, ChunkingStrategy
from pytest_streamval.errors import EventLoopRunningError, InvalidArgumentError, described, excerpt
from pytest_streamval.fuzzing.side_by_side import rows_of


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a subject returned or raised."""

    value: object = None
    error: Exception | None = None

    @property
    def rows(self) -> list[str]:
        """The rows in which a person reads it."""
        return rows_of(self.value if self.error is None else self.error)


class Player:
    """Plays pieces to a subject, an asynchronous one in an event loop that is kept until `close`."""

    def __init__(self, subject: object, caller: str) -> None:
        self._caller = caller
        self._runner = asyncio.Runner()  # opens its event loop when it is first used
        self.plays_scripts = isinstance(subject, str | ChunkingStrategy)
        if isinstance(subject, str | ChunkingStrategy):
            strategy = cast("ChunkingStrategy", resolve_chunking(subject))
            self.name = repr(strategy)
            self._subject: Callable[[list[str]], object] = lambda pieces: _chunks(strategy, pieces)
        elif callable(subject) and not (isinstance(subject, type) and issubclass(subject, ChunkingStrategy)):
            self.name = _name_of(subject)
            self._subject = subject
        else:
            raise InvalidArgumentError("subject", excerpt(subject), _rule_for(subject))

    def close(self) -> None:
        """Close the event loop, if one was opened."""
        self._runner.close()

    def whole(self, text: str) -> Outcome:
        """Return what comes of a text in one piece; what the subject raises passes through."""
        return self._checked(self._result([text]))

    def outcome(self, pieces: list[str], whole: Outcome) -> Outcome:
        """Return what comes of the pieces of a text, of which it is known what comes of it as a whole."""
        try:
            value = self._result(pieces)
        except Exception as error:  # noqa: BLE001  # whatever it is, the whole text did not raise it
            return Outcome(error=error)
        if value is whole.value and type(value).__hash__ is None:
            raise self.unfit("it returned the very same object twice, which always equals itself. Return a new one.")
        return self._checked(value)

    def equal(self, one: Outcome, other: Outcome) -> bool:
        """Return whether the same came of both."""
        if one.error is not None or other.error is not None:
            return type(one.error) is type(other.error) and one.rows == other.rows
        try:
            return bool(one.value == other.value)
        except Exception as error:
            raise self.unfit(
                f"its results cannot be compared, == raised {type(error).__name__}: {described(error)}. Return what "
                "is compared as a whole, such as the list of an array."
            ) from error

    def unfit(self, rule: str) -> InvalidArgumentError:
        """Return the error that says what is wrong with the subject."""
        return InvalidArgumentError("subject", self.name, rule)

    def _result(self, pieces: list[str]) -> object:
        result = self._subject(pieces)
        if not isinstance(result, Awaitable):
            return result
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return self._runner.run(_awaited(result), context=copy_context())
        if iscoroutine(result):
            result.close()  # or Python warns that nobody awaited it
        raise EventLoopRunningError(self._caller, self.name)

    def _checked(self, value: object) -> Outcome:
        """Return the outcome, unless it is something that can be read only once."""
        if isinstance(value, Iterator | AsyncIterator | Awaitable):
            raise self.unfit(f"it returned {excerpt(value)}, which equals nothing else. Return a list of its items.")
        return Outcome(value)


async def _awaited(result: Awaitable[object]) -> object:
    return await result


def _chunks(strategy: ChunkingStrategy, pieces: list[str]) -> list[Chunk]:
    chunker = strategy.chunker()
    chunks = [chunk for piece in pieces for chunk in chunker.feed(piece)]
    return [*chunks, *chunker.flush()]


def _name_of(subject: Callable[[list[str]], object]) -> str:
    """Return the name of a function as its author knows it; a lambda has none and is found by its line."""
    name: object = getattr(subject, "__qualname__", None)
    if not isinstance(name, str):
        return excerpt(subject)
    name = name.rpartition("<locals>.")[2]
    if name != "<lambda>":
        return name
    code = subject.__code__
    return f"the lambda at {PurePath(code.co_filename).name}:{code.co_firstlineno}"


def _rule_for(subject: object) -> str:
    if isinstance(subject, type):
        return f"that is the class; pass an instance, {subject.__name__}()."
    if subject is None:
        return "without chunking every delta is a chunk, so that the chunks depend on the cut; pass what reads them."
    return (
        "it is a ChunkingStrategy, an alias such as 'sentence', or a function that is given the list of pieces and "
        "returns something to compare."
    )
