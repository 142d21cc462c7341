"""What happens in a run, as values in the order in which it happened.

With requirements: (`QuickCheckEvent`, `ChunkEvent`)*, `StreamingDoneEvent`, `FullValidationEvent`, `CompletedEvent`.
Without: `ChunkEvent`*, `StreamingDoneEvent`, `CompletedEvent`. An early exit ends with `QuickCheckEvent(passed=False)`,
`CompletedEvent(success=False)`, an error with `ErrorEvent`, `CompletedEvent(success=False)`.
"""

from __future__ import annotations

import time
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast, dataclass_transform

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_streamval.engine.requirement import PartialValidationResult, ValidationResult


class _TimestampField(Field[float]):
    """The field `timestamp` of a class of events, which is readable on its instances before `dataclass` sees it."""

    __slots__ = ()

    def __get__(self, event: StreamEvent | None, kind: type[StreamEvent]) -> float | Self:
        return self if event is None else cast("float", _timestamp.__get__(event))

    def __set__(self, event: StreamEvent, seconds: float) -> None:
        _timestamp.__set__(event, seconds)

    @classmethod
    def made(cls) -> Any:  # noqa: ANN401  # as `field` says
        """Return the field: no argument, and no part of a comparison."""
        made: Any = field(init=False, compare=False)
        names = ("default", "default_factory", "init", "repr", "hash", "compare", "metadata", "kw_only")
        return cls(**{name: getattr(made, name) for name in names})


class StreamEvent:
    """Base of all events.

    A subclass of one's own may be a dataclass of any kind, frozen or not, with slots or without, or none at all. For
    that this class is no dataclass itself: it gives each subclass the field `timestamp`, and every event its time.
    """

    __slots__ = ("timestamp",)

    timestamp: float
    """When it happened, in seconds since the epoch; two events of equal content are equal whenever they happened."""

    def __init_subclass__(cls, *, sets_time: bool = False, **options: object) -> None:
        """Prepare a class of events.

        Args:
            sets_time: its constructor fills `timestamp` itself.
            options: for other bases.
        """
        super().__init_subclass__(**options)
        if "__dataclass_fields__" in vars(cls):  # made again, with slots
            return
        if not sets_time and ("__new__" in vars(cls) or cls.__new__ is object.__new__):
            _set_time_in_new(cls)
        if not hasattr(cls, "__dataclass_fields__") and "timestamp" not in vars(cls):
            cls.__annotations__ = {"timestamp": float, **vars(cls).get("__annotations__", {})}
            cls.timestamp = _TimestampField.made()  # type: ignore[misc]  # as fields are declared

    def __init__(self) -> None:
        _timestamp.__set__(self, time.time())

    def content(self) -> dict[str, object]:
        """Return everything but the time, by name."""
        if is_dataclass(self):
            return {each.name: getattr(self, each.name) for each in fields(self) if each.compare}
        return dict(getattr(self, "__dict__", {}))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, StreamEvent) or type(self) is not type(other):
            return NotImplemented
        return self.content() == other.content()

    def __hash__(self) -> int:
        return hash((type(self), *self.content().items()))

    def __repr__(self) -> str:
        facts = {"timestamp": self.timestamp, **self.content()}
        return f"{type(self).__qualname__}({', '.join(f'{name}={value!r}' for name, value in facts.items())})"

    def __setstate__(self, state: Any) -> None:  # noqa: ANN401  # what object.__getstate__() returns
        """Take over a copy's state, which a frozen event allows in no other way."""
        for part in state if isinstance(state, tuple) else (state,):
            for name, value in (part or {}).items():
                object.__setattr__(self, name, value)

    @classmethod
    def in_fixed_order(cls, events: Sequence[StreamEvent]) -> Sequence[StreamEvent]:
        """Return events in an order that is the same in every run, for a snapshot: as they came, where that is."""
        return events


def _set_time_in_new(cls: type[StreamEvent]) -> None:
    """Let a class fill `timestamp` before any constructor runs."""
    make: Any = cls.__new__

    def new(kind: type[StreamEvent], *args: object, **facts: object) -> StreamEvent:
        event: StreamEvent = make(kind) if make is object.__new__ else make(kind, *args, **facts)
        _timestamp.__set__(event, time.time())
        return event

    cls.__new__ = new  # type: ignore[assignment,method-assign]


_timestamp: Any = vars(StreamEvent)["timestamp"]  # the slot


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
class QuickCheckEvent(StreamEvent, sets_time=True):
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
class ChunkEvent(StreamEvent, sets_time=True):
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
class StreamingDoneEvent(StreamEvent, sets_time=True):
    """The stream came to its natural end and every chunk was released."""

    attempt: int
    """The attempt's number, from 1."""
    full_text: str
    """The whole text."""


@stream_event
class FullValidationEvent(StreamEvent, sets_time=True):
    """Every requirement has judged the whole text."""

    attempt: int
    """The attempt's number, from 1."""
    passed: bool
    """Whether all of them passed it."""
    results: tuple[ValidationResult, ...]
    """One result for each requirement, in their order."""


@stream_event
class RetryEvent(StreamEvent, sets_time=True):
    """Another attempt begins."""

    attempt: int
    """The number of the attempt that begins, from 1."""
    reason: str
    """Why the last one was not accepted."""


@stream_event
class CompletedEvent(StreamEvent, sets_time=True):
    """The run is over: the last event, whatever happened."""

    success: bool
    """False after an early exit, an error or a cancellation."""
    full_text: str
    """The result's `full_text`: released text only, unless the stream came to its natural end."""
    attempts_used: int
    """How many attempts there were."""


@stream_event
class ErrorEvent(StreamEvent, sets_time=True):
    """An exception ended the run."""

    exception_type: str
    """The name of its class."""
    detail: str
    """Its message, and behind it that of any clean-up that failed too."""
