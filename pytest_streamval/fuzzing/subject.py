"""The runner of a subject: the code whose result must not depend on the cuts of its text."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextvars import copy_context
from dataclasses import dataclass
from inspect import iscoroutine
from pathlib import PurePath
from typing import TypeAlias, cast

from pytest_streamval.engine.chunking_strategy import Chunk, ChunkingStrategy
from pytest_streamval.engine.simple_chunkers import resolve_chunking
from pytest_streamval.errors import InvalidArgumentError, described, event_loop_running_error, excerpt
from pytest_streamval.fuzzing.side_by_side import rows_of

Subject: TypeAlias = ChunkingStrategy | str | Callable[[list[str]], object]
"""A chunking strategy, its alias, or a function of the pieces of a text."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a subject, or the error that it raised."""

    value: object = None
    error: Exception | None = None

    @property
    def rows(self) -> list[str]:
        """The result or the error, in rows for a person."""
        return rows_of(self.value if self.error is None else self.error)


class SubjectRunner:
    """Runs a subject on the pieces of a text, an asynchronous one in an event loop that is kept until `close`."""

    def __init__(
        self,
        subject: object,
        caller: str,
        call: Callable[[Callable[[list[str]], object], list[str]], object] | None = None,
    ) -> None:
        """Create a runner.

        Args:
            subject: The subject.
            caller: The name of the function that runs it, for messages.
            call: Calls the subject and returns its result. By default, it is called here, and awaited in an event loop
                of the runner.
        """
        self._caller = caller
        self._call_elsewhere = call
        self._runner = asyncio.Runner()  # opens its event loop when it is first used
        self.is_strategy = isinstance(subject, str | ChunkingStrategy)
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

    def run_uncut(self, text: str) -> Outcome:
        """Return the outcome of a text in one piece. An error of the subject is raised."""
        return self._outcome(self._call([text]))

    def run(self, pieces: list[str], uncut: Outcome) -> Outcome:
        """Return the outcome of the pieces of a text.

        Args:
            pieces: The pieces.
            uncut: The outcome of the text in one piece.
        """
        try:
            value = self._call(pieces)
        except Exception as error:  # noqa: BLE001  # the text in one piece did not raise it
            return Outcome(error=error)
        if value is uncut.value and type(value).__hash__ is None:
            raise self.invalid("It must not return one mutable object twice, as that equals itself. Return a new one.")
        return self._outcome(value)

    def equal(self, one: Outcome, other: Outcome) -> bool:
        """Return whether two outcomes are equal."""
        if one.error is not None or other.error is not None:
            return type(one.error) is type(other.error) and one.rows == other.rows
        try:
            return bool(one.value == other.value)
        except Exception as error:
            raise self.invalid(
                f"Its results must be comparable, but == raised {type(error).__name__}: {described(error)}. Return a "
                "value that is compared as a whole, such as the list of an array."
            ) from error

    def invalid(self, rule: str) -> InvalidArgumentError:
        """Return the error for a subject that breaks a rule."""
        return InvalidArgumentError("subject", self.name, rule)

    def _call(self, pieces: list[str]) -> object:
        if self._call_elsewhere is not None:
            return self._call_elsewhere(self._subject, pieces)
        result = self._subject(pieces)
        if not isinstance(result, Awaitable):
            return result
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return self._runner.run(_wait_for(result), context=copy_context())
        if iscoroutine(result):
            result.close()  # otherwise Python warns that it was never awaited
        raise event_loop_running_error(self._caller, self.name, f"a{self._caller}")

    def _outcome(self, value: object) -> Outcome:
        if isinstance(value, Iterator | AsyncIterator | Awaitable):
            raise self.invalid(f"It must return a value, not {excerpt(value)}. Return a list of its items.")
        return Outcome(value)


async def _wait_for(result: Awaitable[object]) -> object:
    return await result


def _chunks(strategy: ChunkingStrategy, pieces: list[str]) -> list[Chunk]:
    chunker = strategy.chunker()
    chunks = [chunk for piece in pieces for chunk in chunker.feed(piece)]
    return [*chunks, *chunker.flush()]


def _name_of(subject: Callable[[list[str]], object]) -> str:
    """Return the name of a function, or the line of a lambda."""
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
        return f"It must be an instance: pass {subject.__name__}()."
    if subject is None:
        return (
            "Without chunking every delta is a chunk, so the chunks depend on the cut. Pass the function that reads "
            "them."
        )
    return (
        "It must be a ChunkingStrategy, an alias such as 'sentence', or a function that takes the list of pieces and "
        "returns a value to compare."
    )
