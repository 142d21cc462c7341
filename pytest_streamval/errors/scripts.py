"""Errors of scripts and of the mocks that play them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_streamval.errors.base import StreamvalError
from pytest_streamval.errors.engine import ConcurrentReadError
from pytest_streamval.errors.files import InvalidFileError
from pytest_streamval.errors.text import plural

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(eq=False, repr=False)
class ScriptExhaustedError(StreamvalError, RuntimeError):
    """A mock backend was called more often than it has scripts."""

    calls: int
    scripts: int
    caller: str
    earlier: Sequence[str]
    """The actions of the earlier calls."""

    def __str__(self) -> str:
        lines = [
            (
                f"Call {self.calls} of this mock backend came from {self.caller}, but it was given "
                f"{plural(self.scripts, 'script')}, one for each call, in order."
            ),
            *(f"  call {number}: {action}" for number, action in enumerate(self.earlier, 1)),
            (
                "Give it one more script. A requirement with a description and without a validation_fn calls the "
                'backend as a judge, unless it checks the chunks itself. That call takes a script too ("yes" or "no" '
                "is enough). If no model is to judge, give the requirement a validation_fn or override validate(). "
                "With max_attempts, each attempt of a run takes a script."
            ),
        ]
        return "\n".join(lines)


@dataclass(eq=False, repr=False)
class SyncStallError(StreamvalError, RuntimeError):
    """A synchronous reader of a script reached a `Stall`."""

    number: int
    """The index of the step in the script, from 0."""

    def __str__(self) -> str:
        return (
            f"steps[{self.number}] of this script is a Stall, which ends when its reader is cancelled, and a "
            "synchronous reader cannot be cancelled. Replace it by Raise(TimeoutError()), as a client with a time "
            "limit fails, or read play() in a task."
        )


@dataclass(eq=False, repr=False)
class StallTimeoutError(StreamvalError, RuntimeError):
    """A scripted stall was not stopped by its reader, and reached its limit in real time."""

    place: str
    """The script and the step."""
    seconds: float
    """The limit."""

    def __str__(self) -> str:
        return (
            f"{self.place} was silent for {self.seconds:g} s of real time, and the code under test has not stopped "
            "reading. Give that code a timeout, such as asyncio.timeout() or the read timeout of its client. Use the "
            "fixture virtual_clock for a timeout that takes no real time. If the code needs more time than this, "
            "raise the ini value streamval_stall_timeout (in seconds, 0 for no limit)."
        )


def playback_busy_error(method: str) -> ConcurrentReadError:
    """Return the error for a playback that was closed while a reader waited for its next text."""
    return ConcurrentReadError(
        method,
        "and a task waits for its next text: it cannot be closed now, as a generator cannot. Cancel the task and await "
        "it, which closes the playback too.",
    )


def invalid_script_error(path: str, line: int, column: int, fault: str) -> InvalidFileError:
    """Return the error for a script file that cannot be read; lines and columns count from 1."""
    return InvalidFileError(
        f"{path}:{line}:{column}",
        fault,
        'A script file is JSONL, one step on each line: a string, {"text": ..., "finish_reason": ...}, '
        '{"delay": seconds}, {"raise": {"type": ..., "message": ...}} or {"stall": true}. Blank lines and lines that '
        "begin with # are ignored.",
    )
