"""Errors that assertions about streams, cuts and conformance raise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_streamval.errors.base import StreamvalError
from pytest_streamval.errors.text import excerpt, plural, surrounding

if TYPE_CHECKING:
    from collections.abc import Sequence

_NAMED = 3  # expected events that a message names before the one that is missing

# Assertions about streams


class UnvalidatedTextError(StreamvalError, AssertionError):
    """Text reached the consumer that no verdict had let pass."""

    def __init__(self, shown: str, why: str, transcript: str) -> None:
        super().__init__(shown, why, transcript)
        self.shown = shown
        self.why = why
        self.transcript = transcript

    def __str__(self) -> str:
        lines = self.transcript.splitlines()
        happened = "\n".join(surrounding([f"  {line}" for line in lines], len(lines)))
        return (
            f"{self.shown} {self.why}. A consumer may get a chunk once every requirement has judged it and none "
            "failed it; give the run requirements, and read the chunks from result.astream(). What happened until "
            f"then:\n{happened}"
        )


class NotAcceptedError(StreamvalError, AssertionError):
    """A run did not end with an output that every requirement accepted."""

    def __init__(self, outcome: str, faults: Sequence[str], text: str) -> None:
        super().__init__(outcome, tuple(faults), text)
        self.outcome = outcome
        """`run.outcome`, or `"running"`."""
        self.faults = tuple(faults)
        """The requirements that did not accept the output with their reasons, and errors."""
        self.text = text
        """The text that was released."""

    def __str__(self) -> str:
        if self.outcome == "running":
            return "This run is still going, so nothing has accepted its output yet. Await run.acomplete() first."
        faults = self.faults or ["it was closed, cancelled or dropped before its end"]
        lines = [
            f"The run ended as {self.outcome!r} and its output was not accepted:",
            *(f"  {fault}" for fault in faults),
        ]
        return "\n".join([*lines, f"Released: {excerpt(self.text)}"])


class NotStoppedError(StreamvalError, AssertionError):
    """A producer was not stopped, or not in time."""

    def __init__(self, fault: str, sent: int, limit: int) -> None:
        super().__init__(fault, sent, limit)
        self.fault = fault
        self.sent = sent
        self.limit = limit

    def __str__(self) -> str:
        if self.fault:
            return f"The producer was to be stopped, but {self.fault}."
        return (
            f"The producer sent {plural(self.sent, 'delta')} more than the run had taken when it stopped, and at most "
            f"{self.limit} were allowed. It has to stop where `await thunk.put(delta)` is cancelled or raises "
            "ThunkClosedError."
        )


class EventOrderError(StreamvalError, AssertionError):
    """Events did not happen in the expected order."""

    def __init__(
        self,
        expected: Sequence[str],
        missing: int,
        lines: Sequence[str],
        found: Sequence[int],
        earlier: Sequence[int] = (),
    ) -> None:
        super().__init__(tuple(expected), missing, tuple(lines), tuple(found), tuple(earlier))
        self.expected = tuple(expected)
        self.missing = missing
        """Which of the expected events is missing, from 0."""
        self.lines = tuple(lines)
        """The transcript's lines."""
        self.found = tuple(found)
        """Which of the lines were expected and found, from 0."""
        self.earlier = tuple(earlier)
        """Which of the lines would be the missing event, if they had come later."""

    def __str__(self) -> str:
        before = ", ".join(self.expected[: self.missing][-_NAMED:])
        after = f" after {'..., ' if self.missing > _NAMED else ''}{before}" if before else ""
        early = ", only before, where < stands" if self.earlier else ""
        marks = {**dict.fromkeys(self.earlier, "<"), **dict.fromkeys(self.found, ">")}
        lines = [f"{marks.get(number, ' ')} {line}" for number, line in enumerate(self.lines)]
        rule = "Each event is looked for behind the one before it. What happened, > marks what was found:"
        shown = surrounding(lines, max(self.found, default=-1) + 1) or ["  nothing at all"]
        return "\n".join([f"{self.expected[self.missing]} did not happen{after}{early}. {rule}", *shown])


class ConformanceError(StreamvalError, AssertionError):
    """A strategy or a backend breaks the contract that its users rely on."""

    def __init__(  # noqa: PLR0917  # what an error is made of are its positional arguments, for pickle
        self, subject: str, rule: str, example: str, expected: str, came: str, way_out: str
    ) -> None:
        super().__init__(subject, rule, example, expected, came, way_out)
        self.subject = subject
        """The class that was checked."""
        self.rule = rule
        self.example = example
        """With what, or where, it showed."""
        self.expected = expected
        self.came = came
        self.way_out = way_out

    def __str__(self) -> str:
        return (
            f"{self.subject} breaks a rule of its contract: {self.rule}.\n"
            f"  with:     {self.example}\n"
            f"  expected: {self.expected}\n"
            f"  came:     {self.came}\n"
            f"{self.way_out}"
        )


class MissingPluginError(StreamvalError, RuntimeError):
    """A fixture needs a pytest plugin that is not active."""

    def __init__(self, fixture: str, plugin: str, distribution: str) -> None:
        super().__init__(fixture, plugin, distribution)
        self.fixture = fixture
        self.plugin = plugin
        self.distribution = distribution

    def __str__(self) -> str:
        return (
            f"The fixture {self.fixture} needs the pytest plugin {self.plugin}, which is not active. Run without "
            f"`-p no:{self.plugin}`, and under PYTEST_DISABLE_PLUGIN_AUTOLOAD with `-p {self.plugin}`; to install it: "
            f"pip install {self.distribution}"
        )


class UnfinishedRunError(StreamvalError, RuntimeError):
    """A run that is still going was compared with a snapshot."""

    def __str__(self) -> str:
        return (
            "This run is still going, and a snapshot is of a whole run. Await result.acomplete() first, or compare "
            "`await transcribe(result)`, which waits and takes the run's error as a part of what happened."
        )


# Cuts


class BoundaryVarianceError(StreamvalError, AssertionError):
    """What came of a text depended on where it was cut."""

    def __init__(
        self, subject: str, cut: str, pieces: Sequence[str], comparison: Sequence[str], reproduction: str
    ) -> None:
        super().__init__(subject, cut, tuple(pieces), tuple(comparison), reproduction)
        self.subject = subject
        self.cut = cut
        """The pieces as a person reads them, of a long text what stands around the cuts."""
        self.pieces = tuple(pieces)
        """The text in the smallest number of pieces that was found to show it."""
        self.comparison = tuple(comparison)
        """The lines of the two results, side by side."""
        self.reproduction = reproduction

    def __str__(self) -> str:
        lines = [
            f"{self.subject} gives another result when its text comes in {len(self.pieces):,} pieces, cut here:",
            f"  {self.cut}",
            (
                "A result may depend on the text alone, never on where it was cut: what one piece leaves open has to "
                "wait until the next one decides it."
            ),
            "",
            *self.comparison,
            "",
            "To see it again:",
            f"  {self.reproduction}",
        ]
        return "\n".join(lines)


class UnrepeatableResultError(StreamvalError, AssertionError):
    """A subject gave two results for the same pieces, so that cuts cannot be blamed."""

    def __init__(self, subject: str, cut: str, comparison: Sequence[str]) -> None:
        super().__init__(subject, cut, tuple(comparison))
        self.subject = subject
        self.cut = cut
        self.comparison = tuple(comparison)
        """The lines of the two results, side by side."""

    def __str__(self) -> str:
        lines = [
            f"{self.subject} gave two results for the very same pieces:",
            f"  {self.cut}",
            (
                "That is no fault of a cut: a subject has to give one result for the same pieces each time. It may "
                "use chance or the time, or keep something from one call for the next; make what it feeds anew in "
                "each call."
            ),
            "",
            *self.comparison,
        ]
        return "\n".join(lines)


class EventLoopRunningError(StreamvalError, RuntimeError):
    """An asynchronous subject was to be run where an event loop is running already."""

    def __init__(self, what: str, subject: str) -> None:
        super().__init__(what, subject)
        self.what = what
        self.subject = subject

    def __str__(self) -> str:
        return (
            f"{self.what} runs {self.subject} in an event loop of its own, and cannot while another one is running. "
            f"Call it from a plain `def` test; from a coroutine, `await asyncio.to_thread({self.what}, ...)`."
        )
