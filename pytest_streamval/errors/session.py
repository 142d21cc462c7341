"""Errors of sessions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_streamval.errors.base import ClosedError, StreamvalError
from pytest_streamval.errors.text import excerpt

if TYPE_CHECKING:
    from collections.abc import Sequence


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


def closed_session_error(method: str) -> ClosedError:
    """Return the error for a method of a session that is closed."""
    return ClosedError(
        f"{method}() needs an open session, and this session is closed, which stopped its generations. Stay inside its "
        "'with' block, or start another session with start_session()."
    )
