"""The base class of every error, and the errors that every room may raise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, ClassVar

from pytest_streamval.errors.text import harmless

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


def _harmless_message(make: Callable[[StreamvalError], str]) -> Callable[[StreamvalError], str]:
    @wraps(make)
    def message(self: StreamvalError) -> str:
        return harmless(make(self))

    return message


class StreamvalError(Exception):
    """Base of every error that this package defines.

    A subclass is a dataclass: its fields are the facts of the error, which are also its `args`, so that it survives
    `pickle` on its way from a worker of pytest-xdist.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def __init_subclass__(cls, **options: object) -> None:
        """Make the message of a subclass harmless, as it may quote a model. Its attributes stay as they are given."""
        super().__init_subclass__(**options)
        if "__str__" in vars(cls):
            setattr(cls, "__str__", _harmless_message(vars(cls)["__str__"]))  # noqa: B010  # mypy allows no assignment

    def __post_init__(self) -> None:
        facts = {name: _frozen(getattr(self, name)) for name in self.__dataclass_fields__}
        vars(self).update(facts)
        self.args = tuple(facts.values())


@dataclass(eq=False, repr=False)
class InvalidArgumentError(StreamvalError, TypeError, ValueError):
    """An argument has a type or a value that its function cannot use."""

    argument: str
    """The name of the argument."""
    shown: str
    """The value, as the message shows it."""
    rule: str
    """Sentences: the rule for the argument, and the way out."""

    def __str__(self) -> str:
        return f"Invalid {self.argument}: {self.shown}. {self.rule}"


@dataclass(eq=False, repr=False)
class UnknownNameError(StreamvalError, ValueError):
    """A name is none of those that its function knows."""

    kind: str
    """The kind of name, such as "chunking alias"."""
    name: str
    choices: Sequence[str]
    advice: str
    """Sentences: the form of the name, and other choices."""

    def __str__(self) -> str:
        known = f"Choose from: {', '.join(map(repr, self.choices))}" if self.choices else "There is none"
        return f"Unknown {self.kind} {self.name!r}. {known}. {self.advice}"


@dataclass(eq=False, repr=False)
class CheckFailedError(StreamvalError, AssertionError):
    """A check of this package failed: an assertion, a guard, a conformance check or a variant of the fuzzer."""

    kind: str
    """The check, such as "leak", "unplayed script" or "event order"."""
    message: str

    def __str__(self) -> str:
        return self.message


@dataclass(eq=False, repr=False)
class ClosedError(StreamvalError, RuntimeError):
    """A session, a server or a decoder was used before it was opened or after it was closed."""

    message: str

    def __str__(self) -> str:
        return self.message


def check_failed(kind: str, lines: Iterable[str]) -> CheckFailedError:
    """Return the error for a check that failed, with a message of several lines."""
    return CheckFailedError(kind, "\n".join(lines))


def raisable(error: BaseException) -> BaseException:
    """Return the error to raise for an error: a `RuntimeError` from it if it would end an `async for` in silence."""
    if not isinstance(error, StopAsyncIteration):
        return error
    loud = RuntimeError("StopAsyncIteration was raised, which would have ended the reader's loop in silence.")
    loud.__cause__ = error
    return loud


def _frozen(fact: object) -> object:
    """Return a fact with tuples in the place of lists."""
    return tuple(map(_frozen, fact)) if isinstance(fact, list | tuple) else fact
