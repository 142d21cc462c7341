"""Errors of scripts, recordings and reports, and of their files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_streamval.errors.base import CheckFailedError, StreamvalError, check_failed
from pytest_streamval.errors.engine import ConcurrentReadError
from pytest_streamval.errors.guards import INTENDED
from pytest_streamval.errors.text import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

# Scripts


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


# Files


@dataclass(eq=False, repr=False)
class InvalidFileError(StreamvalError, ValueError):
    """A file of this package cannot be read or written."""

    path: str
    """The path, with the line and the column if they are known: `path:line:column`."""
    fault: str
    rule: str
    """Sentences: the form of such a file, and the way out."""

    def __str__(self) -> str:
        return f"{self.path}: {self.fault}. {self.rule}"


def invalid_cassette_error(path: str, line: int, fault: str) -> InvalidFileError:
    """Return the error for a cassette that cannot be read."""
    return InvalidFileError(
        f"{path}:{line}",
        fault,
        'A cassette is JSONL: a header line with "protocol", then one line for each read, {"at": seconds, "text": ...} '
        'or {"at": seconds, "base64": ...}. Of the output of curl, `streamval check FILE -o CASSETTE` makes one.',
    )


def invalid_capture_error(path: str, fault: str) -> InvalidFileError:
    """Return the error for a captured response that cannot be read."""
    return InvalidFileError(
        path,
        fault.rstrip("."),
        "A capture is the output of curl -N, with or without -i, a HAR export with the bodies, or a cassette.",
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


def invalid_part_error(path: str, fault: str) -> InvalidFileError:
    """Return the error for a file that is not a part of a report."""
    return InvalidFileError(
        path,
        fault,
        "A part of a report is a file whose name ends in .json, written by pytest --streamval-report or by streamval "
        "report merge.",
    )


def report_path_error(path: str, fault: str) -> InvalidFileError:
    """Return the error for a report that cannot be written to its path."""
    return InvalidFileError(
        f"--streamval-report {path}",
        f"it cannot be written: {fault}",
        "Name a file in a writable folder: report.html for a page, report.json for a part that streamval report merge "
        "can join with others.",
    )


# Recordings


@dataclass(eq=False, repr=False)
class MissingCassetteError(StreamvalError, LookupError):
    """A test has no recording, and may not make one."""

    path: str
    """The path of the first recording."""
    command: str
    """The command that records it."""

    def __str__(self) -> str:
        return (
            f"There is no recording at {self.path}, and --streamval-record none, the default, sends nothing to a "
            f"provider. Record it with: {self.command}"
        )


@dataclass(eq=False, repr=False)
class UnmatchedRequestError(StreamvalError, LookupError):
    """No recording answers a request."""

    asked: str
    """The request."""
    candidates: Sequence[tuple[str, str]]
    """The file of each recording, and its request."""
    nearest: str
    """The file of the recording that differs least; empty if there is none."""
    differences: Sequence[tuple[str, str, str]]
    """The differences from that: the field, its value in this request, its recorded value."""
    way_out: str

    def __str__(self) -> str:
        lines = ["No recording answers this request:", f"  {self.asked}"]
        if not self.candidates:
            return "\n".join([*lines, "There are no recordings.", self.way_out])
        lines += ["Recorded, each to be played once:", *(f"  {path}: {what}" for path, what in self.candidates)]
        if self.differences:
            lines.append(f"The nearest recording is {self.nearest}. The differences:")
            for field, asked, recorded in self.differences:
                lines += [f"  {field}", f"    is now    {asked}", f"    but was   {recorded}"]
        else:
            lines.append(f"{self.nearest} has this very request, but was played already: the request came once more.")
        return "\n".join([*lines, "Requests are compared by protocol, path and body.", self.way_out])


@dataclass(eq=False, repr=False)
class CassetteEndedError(StreamvalError, EOFError):
    """A reader wants more of a stream than its recording has, whose reader had left by then."""

    path: str
    at: float
    """The time at which that reader had left, in seconds since the request."""
    why: str
    """The reason why it left, as far as it is known."""

    def __str__(self) -> str:
        left = f"{self.at:g} s after the request{f' ({self.why})' if self.why else ''}"
        return (
            f"{self.path} ends here, because its reader left {left}, so the rest of the stream is not known. A replay "
            "has no more than the recording: let the reader leave as early, or record the complete stream."
        )


def hidden_request_error(refusal: str) -> CheckFailedError:
    """Return the error for a test that passed although the code under test hid an `UnmatchedRequestError`."""
    return check_failed(
        "hidden request",
        [
            "A request had no recording, and the error did not reach the test.",
            refusal,
            "A test that expects this error catches it with pytest.raises(UnmatchedRequestError).",
            INTENDED,
        ],
    )


def unused_cassette_error(unused: list[tuple[str, str]], command: str) -> CheckFailedError:
    """Return the error for a test that passed without making the requests of its recordings.

    Args:
        unused: The file of each recording, and its request.
        command: The command that records the test again.
    """
    return check_failed(
        "unused cassette",
        [
            "This test has recordings of requests that it did not make:",
            *(f"  {path}: {what}" for path, what in unused),
            (
                "Either the code under test did not do what the test is about, or the recordings are out of date. To "
                f"record the present requests: {command}"
            ),
            INTENDED,
        ],
    )
