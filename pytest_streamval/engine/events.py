"""What happens in a run, as values in the order in which it happened.

With requirements: (`QuickCheckEvent`, `ChunkEvent`)*, `StreamingDoneEvent`, `FullValidationEvent`, `CompletedEvent`.
Without: `ChunkEvent`*, `StreamingDoneEvent`, `CompletedEvent`. An early exit ends with `QuickCheckEvent(passed=False)`,
`CompletedEvent(success=False)`, an error with `ErrorEvent`, `CompletedEvent(success=False)`.
"""

from __future__ import annotations

import time
from dataclasses import MISSING, dataclass, field, fields
from typing import TYPE_CHECKING, Any, TypeVar, cast, dataclass_transform

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_streamval.engine.requirement import PartialValidationResult, ValidationResult


E = TypeVar("E")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def stream_event(cls: type[E]) -> type[E]:
    """Make a class of events: a frozen, slotted dataclass that is quick to construct.

    A run makes two events a chunk, and the constructor of a frozen dataclass, which sets attributes by name, takes
    twice as long as one that fills the slots.
    """
    made: Any = dataclass(frozen=True, slots=True)(cls)
    own = [item for item in fields(made) if item.init]
    scope = {f"set_{item.name}": getattr(made, item.name).__set__ for item in fields(made)}
    scope |= {f"default_{item.name}": item.default for item in own}
    scope["time"] = time  # its function is looked up at each call, for a clock that replaces it
    taken = ", ".join(item.name + (f"=default_{item.name}" if item.default is not MISSING else "") for item in own)
    filled = "".join(f"    set_{item.name}(self, {item.name})\n" for item in own)
    source = f"def __init__(self, {taken}):\n    set_timestamp(self, time.time())\n{filled}"
    exec(source, scope)  # noqa: S102  # from the names of the fields above, as dataclasses themselves do it
    scope["__init__"].__annotations__ = {item.name: item.type for item in own}
    scope["__init__"].__qualname__ = f"{cls.__qualname__}.__init__"
    made.__init__ = scope["__init__"]
    return cast("type[E]", made)


@stream_event
class StreamEvent:
    """Base of all events."""

    timestamp: float = field(default=0.0, init=False, compare=False)
    """When it happened, in seconds since the epoch; two events of equal content are equal whenever they happened."""

    @classmethod
    def in_fixed_order(cls, events: Sequence[StreamEvent]) -> Sequence[StreamEvent]:
        """Return events in an order that is the same in every run, for a snapshot: as they came, where that is."""
        return events


@stream_event
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


@stream_event
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


@stream_event
class StreamingDoneEvent(StreamEvent):
    """The stream came to its natural end and every chunk was released."""

    attempt: int
    """The attempt's number, from 1."""
    full_text: str
    """The whole text."""


@stream_event
class FullValidationEvent(StreamEvent):
    """Every requirement has judged the whole text."""

    attempt: int
    """The attempt's number, from 1."""
    passed: bool
    """Whether all of them passed it."""
    results: tuple[ValidationResult, ...]
    """One result for each requirement, in their order."""


@stream_event
class RetryEvent(StreamEvent):
    """Another attempt begins."""

    attempt: int
    """The number of the attempt that begins, from 1."""
    reason: str
    """Why the last one was not accepted."""


@stream_event
class CompletedEvent(StreamEvent):
    """The run is over: the last event, whatever happened."""

    success: bool
    """False after an early exit, an error or a cancellation."""
    full_text: str
    """The result's `full_text`: released text only, unless the stream came to its natural end."""
    attempts_used: int
    """How many attempts there were."""


@stream_event
class ErrorEvent(StreamEvent):
    """An exception ended the run."""

    exception_type: str
    """The name of its class."""
    detail: str
    """Its message, and behind it that of any clean-up that failed too."""
