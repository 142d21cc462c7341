"""Errors of sessions: their methods, their attempts and their event loops."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_streamval.errors.base import StreamvalError
from pytest_streamval.errors.text import excerpt

if TYPE_CHECKING:
    from collections.abc import Sequence


class ClosedSessionError(StreamvalError, RuntimeError):
    """A session was asked for something after its end."""

    def __init__(self, method: str) -> None:
        super().__init__(method)
        self.method = method

    def __str__(self) -> str:
        return (
            f"{self.method}() needs an open session, and this one is closed, which stopped whatever it was doing. Stay "
            "inside its 'with' block, or start another one with start_session()."
        )


class BlockingCallError(StreamvalError, RuntimeError):
    """A synchronous method of a session was called by what that session's own event loop runs."""

    def __init__(self, method: str) -> None:
        super().__init__(method)
        self.method = method

    def __str__(self) -> str:
        return (
            f"{self.method}() was called from inside the event loop that has to answer it, so that both would wait for "
            f"ever. Code that a session calls, such as a requirement, awaits a{self.method}() instead."
        )


class DifferentLoopsError(StreamvalError, RuntimeError):
    """An output was to be awaited in another event loop than the one in which it is generated."""

    def __init__(self, shown: str) -> None:
        super().__init__(shown)
        self.shown = shown

    def __str__(self) -> str:
        return (
            f"{self.shown} is generated in another event loop, and an output can be awaited only in its own. "
            "Await it there first; once it is computed it can be used everywhere."
        )


class NoAcceptedAttemptError(StreamvalError, RuntimeError):
    """No attempt at an instruction fulfilled its requirements."""

    def __init__(self, text: str, failures: Sequence[str], attempts: int) -> None:
        super().__init__(text, tuple(failures), attempts)
        self.text = text
        """The text of the last attempt."""
        self.failures = tuple(failures)
        """What was wrong with it: each requirement that failed, with its reason."""
        self.attempts = attempts
        """How many there were."""

    def __str__(self) -> str:
        failures = "".join(f"\n  - {failure}" for failure in self.failures)
        return (
            f"No answer was accepted within max_attempts={self.attempts}. The last one, {excerpt(self.text)}, "
            f"failed:{failures}\nRaise max_attempts, or ease the requirement; the whole text is in .text."
        )
