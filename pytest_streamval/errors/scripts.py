"""Errors of scripts and recordings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_streamval.errors.base import StreamvalError
from pytest_streamval.errors.text import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

# Scripts and recordings


class ScriptExhaustedError(StreamvalError, RuntimeError):
    """A mock backend was called more often than it has scripts."""

    def __init__(self, calls: int, scripts: int, caller: str, earlier: Sequence[str]) -> None:
        super().__init__(calls, scripts, caller, tuple(earlier))
        self.calls = calls
        self.scripts = scripts
        self.caller = caller
        self.earlier = tuple(earlier)

    def __str__(self) -> str:
        lines = [
            (
                f"Call {self.calls} of this mock backend came from {self.caller}, but it was given "
                f"{plural(self.scripts, 'script')}, one for each call, in order."
            ),
            *(f"  call {number}: {action}" for number, action in enumerate(self.earlier, 1)),
            (
                "Give it one script more. A requirement with a description and without a validation_fn asks the "
                'backend as a judge, and that call takes a script too ("yes" or "no" will do); where no model shall '
                "judge, give it a validation_fn or override validate()."
            ),
        ]
        return "\n".join(lines)


class InvalidCassetteError(StreamvalError, ValueError):
    """A recording cannot be read."""

    def __init__(self, path: str, line: int, fault: str) -> None:
        super().__init__(path, line, fault)
        self.path = path
        self.line = line
        self.fault = fault

    def __str__(self) -> str:
        return (
            f'{self.path}:{self.line}: {self.fault}. A cassette is JSONL: a header line with "protocol", then one '
            'line for each read, {"at": seconds, "text": ...} or {"at": seconds, "base64": ...}.'
        )


class MissingCassetteError(StreamvalError, LookupError):
    """A test has no recording, and may not make one."""

    def __init__(self, path: str, command: str) -> None:
        super().__init__(path, command)
        self.path = path
        """Where the first recording would be."""
        self.command = command
        """What makes it."""

    def __str__(self) -> str:
        return (
            f"There is no recording at {self.path}, and --streamval-record none, the default, lets nothing out to a "
            f"provider. Record it with: {self.command}"
        )


class UnmatchedRequestError(StreamvalError, LookupError):
    """No recording answers a request."""

    def __init__(
        self,
        asked: str,
        candidates: Sequence[tuple[str, str]],
        nearest: str,
        differences: Sequence[tuple[str, str, str]],
        way_out: str,
    ) -> None:
        facts = tuple(map(tuple, candidates)), nearest, tuple(map(tuple, differences))
        super().__init__(asked, *facts, way_out)
        self.asked = asked
        """The request."""
        self.candidates = tuple(candidates)
        """The file of each recording, and what was asked in it."""
        self.nearest = nearest
        """The file of the recording that differs least; empty where there is none."""
        self.differences = tuple(differences)
        """Where that differs: the field, what was asked, what was recorded."""
        self.way_out = way_out

    def __str__(self) -> str:
        lines = ["No recording answers this request:", f"  {self.asked}"]
        if not self.candidates:
            return "\n".join([*lines, "Nothing is recorded at all.", self.way_out])
        lines += ["Recorded, each to be played once:", *(f"  {path}: {what}" for path, what in self.candidates)]
        if self.differences:
            lines.append(f"The nearest is {self.nearest}, where")
            for field, asked, recorded in self.differences:
                lines += [f"  {field}", f"    is now    {asked}", f"    but was   {recorded}"]
        else:
            lines.append(f"{self.nearest} is of this very request, but was played already: it came once too often.")
        return "\n".join([*lines, "A request is told by protocol, path and body.", self.way_out])


class HiddenRequestError(StreamvalError, AssertionError):
    """A test passed although the code under test had met, and kept to itself, that a request had no recording."""

    def __init__(self, refusal: str) -> None:
        super().__init__(refusal)
        self.refusal = refusal

    def __str__(self) -> str:
        return (
            f"A request had no recording, and the error did not reach the test.\n{self.refusal}\n"
            "A test that expects this catches it with pytest.raises(UnmatchedRequestError).\n"
            "Where that is as it should be: @pytest.mark.streamval_allow_unplayed."
        )


class UnusedCassetteError(StreamvalError, AssertionError):
    """A test passed without asking what its recordings answer."""

    def __init__(self, unused: Sequence[tuple[str, str]], command: str) -> None:
        super().__init__(tuple(map(tuple, unused)), command)
        self.unused = tuple(unused)
        """The file of each recording, and what was asked in it."""
        self.command = command

    def __str__(self) -> str:
        return "\n".join(
            [
                "This test has recordings of requests that it did not make:",
                *(f"  {path}: {what}" for path, what in self.unused),
                (
                    "Either what was to be tested did not happen, or they are out of date. To record what is asked "
                    f"now: {self.command}"
                ),
                "Where that is as it should be: @pytest.mark.streamval_allow_unplayed.",
            ]
        )


class CassetteEndedError(StreamvalError, EOFError):
    """A reader wants more of a stream than its recording has, as the reader that was recorded had left by then."""

    def __init__(self, path: str, at: float, why: str) -> None:
        super().__init__(path, at, why)
        self.path = path
        self.at = at
        """When it had left, in seconds since the request."""
        self.why = why
        """What made it leave, as far as that is known."""

    def __str__(self) -> str:
        left = f"{self.at:g} s after the request{f' ({self.why})' if self.why else ''}"
        return (
            f"{self.path} ends here, because its reader left {left}; nobody knows what would have come. A replay goes "
            "as far as the recording: let the reader leave as early, or record the whole stream."
        )


class InvalidScriptError(StreamvalError, ValueError):
    """A script file cannot be read."""

    def __init__(self, path: str, line: int, column: int, fault: str) -> None:
        super().__init__(path, line, column, fault)
        self.path = path
        self.line = line
        """From 1."""
        self.column = column
        """In characters, from 1."""
        self.fault = fault

    def __str__(self) -> str:
        return (
            f"{self.path}:{self.line}:{self.column}: {self.fault}. A script file is JSONL, one step a line: a string, "
            '{"text": ..., "finish_reason": ...}, {"delay": seconds}, {"raise": {"type": ..., "message": ...}} or '
            '{"stall": true}; blank lines and lines that begin with # are left out.'
        )


class SyncStallError(StreamvalError, RuntimeError):
    """A script came to a `Stall` while a synchronous reader played it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number
        """Which step of the script it is, from 0."""

    def __str__(self) -> str:
        return (
            f"steps[{self.number}] of this script is a Stall, which ends when its reader is cancelled, and nobody can "
            "cancel a synchronous one. Put Raise(TimeoutError()) in its place, as a client with a time limit fails, "
            "or read play() in a task."
        )


class StallTimeoutError(StreamvalError, RuntimeError):
    """A scripted stall was not stopped by its reader, and reached its limit in real time."""

    def __init__(self, place: str, seconds: float) -> None:
        super().__init__(place, seconds)
        self.place = place
        """The script and the step."""
        self.seconds = seconds
        """The limit."""

    def __str__(self) -> str:
        return (
            f"{self.place} was silent for {self.seconds:g} s of real time, and the code under test has not stopped "
            "reading. Give that code a timeout, such as asyncio.timeout() or the read timeout of its client. Use the "
            "fixture virtual_clock for a timeout that takes no real time. If the code needs more time than this, "
            "raise the ini value streamval_stall_timeout (in seconds, 0 for no limit)."
        )


class PlaybackBusyError(StreamvalError, RuntimeError):
    """A playback was closed while a reader waited for its next text."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return (
            f"{self.what} cannot be closed while somebody waits for its next text, as a generator cannot. Cancel the "
            "task that reads and await it; that closes it too."
        )
