"""Errors of the assertions about streams, of the fuzzer and of the conformance checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_streamval.errors.base import CheckFailedError, StreamvalError, check_failed
from pytest_streamval.errors.text import excerpt, listed, plural, surrounding

if TYPE_CHECKING:
    from collections.abc import Sequence

_NAMED = 3  # expected events that a message names before the missing one

# Assertions about streams


def unvalidated_text_error(shown: str, why: str, transcript: str) -> CheckFailedError:
    """Return the error for text that reached the reader before every requirement had accepted it."""
    lines = transcript.splitlines()
    return check_failed(
        "unvalidated text",
        [
            (
                f"{shown} {why}. A reader may get a chunk when every requirement has judged it and none has failed it. "
                "Give requirements to the run, and read the chunks from result.astream(). The events before:"
            ),
            *surrounding([f"  {line}" for line in lines], len(lines)),
        ],
    )


def not_accepted_error(outcome: str, faults: Sequence[str], text: str) -> CheckFailedError:
    """Return the error for a run that did not end with an output that every requirement accepted.

    Args:
        outcome: `run.outcome`, or "running".
        faults: The requirements that did not accept the output with their reasons, and errors.
        text: The text that was released.
    """
    if outcome == "running":
        lines = ["This run has not ended, so nothing has accepted its output yet. Await run.acomplete() first."]
    else:
        lines = [
            f"The run ended as {outcome!r} and its output was not accepted:",
            *(f"  {fault}" for fault in faults or ["it was closed, cancelled or dropped before its end"]),
            f"Released: {excerpt(text)}",
        ]
    return check_failed("not accepted", lines)


def not_stopped_error(fault: str, sent: int, limit: int) -> CheckFailedError:
    """Return the error for a producer that was not stopped, or not in time."""
    if fault:
        text = f"The producer was to be stopped, but {fault}."
    else:
        text = (
            f"The producer sent {plural(sent, 'delta')} more than the run had taken when it stopped, and at most "
            f"{limit} were allowed. It must stop when `await thunk.put(delta)` is cancelled or raises ThunkClosedError."
        )
    return check_failed("not stopped", [text])


def event_order_error(
    expected: Sequence[str],
    missing: int,
    lines: Sequence[str],
    found: Sequence[int],
    earlier: Sequence[int] = (),
) -> CheckFailedError:
    """Return the error for events that did not happen in the expected order.

    Args:
        expected: The expected events.
        missing: The index of the missing one.
        lines: The lines of the transcript.
        found: The indices of the lines that were expected and found.
        earlier: The indices of the lines that would be the missing event if they had come later.
    """
    before = ", ".join(expected[:missing][-_NAMED:])
    after = f" after {'..., ' if missing > _NAMED else ''}{before}" if before else ""
    early = ", only before (see the lines marked <)" if earlier else ""
    marks = {**dict.fromkeys(earlier, "<"), **dict.fromkeys(found, ">")}
    shown = surrounding(
        [f"{marks.get(number, ' ')} {line}" for number, line in enumerate(lines)], max(found, default=-1) + 1
    )
    rule = "Each event must come after the one before it. The events that happened, the expected ones marked >:"
    return check_failed(
        "event order",
        [f"{expected[missing]} did not happen{after}{early}. {rule}", *(shown or ["  no events"])],
    )


def unexpected_spans_error(name: str, ended: Sequence[str], still_open: Sequence[str]) -> CheckFailedError:
    """Return the error for a span of which there is not exactly one.

    Args:
        name: The name of the span.
        ended: The names of the spans that have ended.
        still_open: The names of the spans that have not ended.
    """
    text = (
        f"{list(ended).count(name)} spans with the name {name!r} have ended, and span() returns the only one. Ended: "
        f"{listed(dict.fromkeys(ended))}. Still open: {listed(dict.fromkeys(still_open))}. To choose from several, "
        "pass kind= to span(), or use spans."
    )
    return check_failed("unexpected spans", [text])


def example_failed_error(path: str, fault: str, output: str) -> CheckFailedError:
    """Return the error for an example script that failed."""
    return check_failed("example failed", [f"{path} {fault}.\n{output.rstrip()}".rstrip()])


# Conformance and cuts


@dataclass(eq=False, repr=False)
class ConformanceError(StreamvalError, AssertionError):
    """A strategy or a backend breaks the contract that its users rely on."""

    subject: str
    """The class that was checked."""
    rule: str
    example: str
    """The call or the input for which it breaks the rule."""
    expected: str
    found: str
    way_out: str

    def __str__(self) -> str:
        return (
            f"{self.subject} breaks a rule of its contract: {self.rule}.\n"
            f"  with:     {self.example}\n"
            f"  expected: {self.expected}\n"
            f"  found:    {self.found}\n"
            f"{self.way_out}"
        )


@dataclass(eq=False, repr=False)
class BoundaryVarianceError(StreamvalError, AssertionError):
    """A result depends on the cut of its text."""

    subject: str
    cut: str
    """The pieces as the message shows them: of a long text only the parts around the cuts."""
    pieces: Sequence[str]
    """The text in the smallest number of pieces for which the result differs."""
    comparison: Sequence[str]
    """The lines of the two results, side by side."""
    reproduction: str
    """Code that shows it again."""

    def __str__(self) -> str:
        lines = [
            f"{self.subject} gives another result when its text comes in {len(self.pieces):,} pieces, cut here:",
            f"  {self.cut}",
            (
                "A result may depend on the text alone, and not on its cut: text that is incomplete in one piece has "
                "to wait for the next piece."
            ),
            "",
            *self.comparison,
            "",
            "To see it again:",
            f"  {self.reproduction}",
        ]
        return "\n".join(lines)


def cancellation_error(fault: str) -> CheckFailedError:
    """Return the error for a test that broke a rule when it was cancelled.

    Args:
        fault: The fault, as the rest of a sentence about the cancellation.
    """
    rule = "Code that is cancelled must end everything that it started, and let the CancelledError pass."
    return check_failed("cancellation", [f"The cancellation {fault}.", rule])


def no_request_error() -> CheckFailedError:
    """Return the error for a client that sends no request to the server whose faults it must notice."""
    rule = "The function sent no request to the server, so it can notice no fault."
    advice = "It must call the server that it receives, for example with base_url=server.openai_url."
    return check_failed("unnoticed faults", [f"{rule} {advice}"])


def unnoticed_faults_error(silent: int, hanging: int, lines: Sequence[str]) -> CheckFailedError:
    """Return the error for a client that did not notice some faults of its provider.

    Args:
        silent: The number of faults under which it returned another value without an error.
        hanging: The number of faults under which it returned nothing.
        lines: A line for each fault.
    """
    kinds = [f"{plural(silent, 'fault')} went unnoticed"] * bool(silent)
    kinds += [f"the client hung under {hanging:,}"] * bool(hanging)
    rule = "A client must raise an error under a fault, or return the same value as without it."
    advice = "Check the end of the stream (its finish reason), set a timeout, or list the faults in ignore=[...]."
    return check_failed("unnoticed faults", [f"{' and '.join(kinds)}. {rule}", *lines, advice])


def unrepeatable_result_error(subject: str, cut: str, comparison: Sequence[str]) -> CheckFailedError:
    """Return the error for a subject that gave two results for the same pieces, so that no cut is the cause."""
    return check_failed(
        "unrepeatable result",
        [
            f"{subject} gave two results for the same pieces:",
            f"  {cut}",
            (
                "No cut is the cause of this: a subject must give one result for the same pieces each time. It may use "
                "chance or the time, or keep state from one call for the next. Create the object that it feeds anew in "
                "each call."
            ),
            "",
            *comparison,
        ],
    )
