"""Errors of recordings: cassettes that are missing, unreadable, unused, or of other requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_streamval.errors.base import CheckFailedError, StreamvalError, check_failed
from pytest_streamval.errors.files import InvalidFileError
from pytest_streamval.errors.guards import INTENDED

if TYPE_CHECKING:
    from collections.abc import Sequence


def invalid_cassette_error(path: str, line: int, fault: str) -> InvalidFileError:
    """Return the error for a cassette that cannot be read."""
    return InvalidFileError(
        f"{path}:{line}",
        fault,
        'A cassette is JSONL: a header line with "protocol", then one line for each read, {"at": seconds, "text": ...} '
        'or {"at": seconds, "base64": ...}. `streamval check FILE -o CASSETTE` makes one of the output of curl.',
    )


def invalid_capture_error(path: str, fault: str) -> InvalidFileError:
    """Return the error for a captured response that cannot be read."""
    return InvalidFileError(
        path,
        fault.rstrip("."),
        "A capture is the output of curl -N, with or without -i, a HAR export with the bodies, or a cassette.",
    )


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
