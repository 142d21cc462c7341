"""What happens in a run, as values in the order in which it happened.

With requirements: (`QuickCheckEvent`, `ChunkEvent`)*, `StreamingDoneEvent`, `FullValidationEvent`, `CompletedEvent`.
Without: `ChunkEvent`*, `StreamingDoneEvent`, `CompletedEvent`. An early exit ends with `QuickCheckEvent(passed=False)`,
`CompletedEvent(success=False)`, an error with `ErrorEvent`, `CompletedEvent(success=False)`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_streamval.engine.requirement import PartialValidationResult, ValidationResult


def _now() -> float:
    return time.time()  # looked up at each call, for a clock that replaces it


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """Base of all events."""

    timestamp: float = field(default_factory=_now, init=False, compare=False)
    """When it happened, in seconds since the epoch; two events of equal content are equal whenever they happened."""


@dataclass(frozen=True, slots=True)
class QuickCheckEvent(StreamEvent):
    """Every requirement has judged a chunk."""

    chunk_index: int
    """The chunk's number, from 0."""
    attempt: int
    """The attempt's number, from 1."""
    passed: bool
    """Whether no requirement failed it."""
    results: tuple[PartialValidationResult, ...]
    """One result for each requirement, in their order."""


@dataclass(frozen=True, slots=True)
class ChunkEvent(StreamEvent):
    """A chunk was released to the consumer."""

    text: str
    """The chunk."""
    chunk_index: int
    """Its number, from 0."""
    attempt: int
    """The attempt's number, from 1."""
    start: int | None = None
    """Offset of its first character in the full text."""
    end: int | None = None
    """Offset behind its last character."""


@dataclass(frozen=True, slots=True)
class StreamingDoneEvent(StreamEvent):
    """The stream came to its natural end and every chunk was released."""

    attempt: int
    """The attempt's number, from 1."""
    full_text: str
    """The whole text."""


@dataclass(frozen=True, slots=True)
class FullValidationEvent(StreamEvent):
    """Every requirement has judged the whole text."""

    attempt: int
    """The attempt's number, from 1."""
    passed: bool
    """Whether all of them passed it."""
    results: tuple[ValidationResult, ...]
    """One result for each requirement, in their order."""


@dataclass(frozen=True, slots=True)
class RetryEvent(StreamEvent):
    """Another attempt begins."""

    attempt: int
    """The number of the attempt that begins, from 1."""
    reason: str
    """Why the last one was not accepted."""


@dataclass(frozen=True, slots=True)
class CompletedEvent(StreamEvent):
    """The run is over: the last event, whatever happened."""

    success: bool
    """False after an early exit, an error or a cancellation."""
    full_text: str
    """The result's `full_text`: released text only, unless the stream came to its natural end."""
    attempts_used: int
    """How many attempts there were."""


@dataclass(frozen=True, slots=True)
class ErrorEvent(StreamEvent):
    """An exception ended the run."""

    exception_type: str
    """The name of its class."""
    detail: str
    """Its message, and behind it that of any clean-up that failed too."""
