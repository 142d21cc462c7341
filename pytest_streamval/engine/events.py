"""The events of a run.

With requirements, a run emits (`QuickCheckEvent`, `ChunkEvent`)*, `StreamingDoneEvent`, `FullValidationEvent` and
`CompletedEvent`. Without requirements, it emits `ChunkEvent`*, `StreamingDoneEvent` and `CompletedEvent`. An early exit
ends with `QuickCheckEvent(passed=False)` and `CompletedEvent(success=False)`, and an error ends with `ErrorEvent` and
`CompletedEvent(success=False)`. Between two attempts there is a `RetryEvent`. If chunks are held back, a `ChunkEvent`
comes after the `QuickCheckEvent`s of later chunks.
"""

from __future__ import annotations

import time
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar, cast, dataclass_transform

from pytest_streamval.engine.event_values import event_of, values_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_streamval.engine.requirement import PartialValidationResult, ValidationResult


class _TimestampField(Field[float]):
    """The field `timestamp` of an event class. Instances can read it before `dataclass` processes the class."""

    __slots__ = ()

    def __get__(self, event: StreamEvent | None, kind: type[StreamEvent]) -> float | Self:
        return self if event is None else cast("float", _timestamp.__get__(event))

    def __set__(self, event: StreamEvent, seconds: float) -> None:
        _timestamp.__set__(event, seconds)

    @classmethod
    def create(cls) -> Any:  # noqa: ANN401  # as `field` is annotated
        """Return a field that is no argument of the constructor and no part of a comparison."""
        made: Any = field(init=False, compare=False)
        names = ("default", "default_factory", "init", "repr", "hash", "compare", "metadata", "kw_only")
        return cls(**{name: getattr(made, name) for name in names})


class StreamEvent:
    """The base class of all events.

    A subclass may be a dataclass of any kind, frozen or not, with slots or without, or no dataclass at all. This class
    is therefore no dataclass itself. It adds the field `timestamp` to each subclass and sets it on every event.
    """

    __slots__ = ("_details", "timestamp")

    timestamp: float
    """The time of the event in seconds since the epoch. Two events with equal content are equal at any times."""

    def __init_subclass__(cls, *, sets_time: bool = False, **options: object) -> None:
        """Prepare an event class.

        Args:
            sets_time: Whether its constructor sets `timestamp` itself.
            options: Keyword arguments for other base classes.
        """
        super().__init_subclass__(**options)
        if "__dataclass_fields__" in vars(cls):  # dataclass has made the class again, with slots
            return
        if not sets_time and ("__new__" in vars(cls) or cls.__new__ is object.__new__):
            _set_time_in_new(cls)
        if not hasattr(cls, "__dataclass_fields__") and "timestamp" not in vars(cls):
            cls.__annotations__ = {"timestamp": float, **vars(cls).get("__annotations__", {})}
            cls.timestamp = _TimestampField.create()  # type: ignore[misc]  # as a field is declared

    def __init__(self) -> None:
        _timestamp.__set__(self, time.time())

    def content(self) -> dict[str, object]:
        """Return all attributes but the time, by name."""
        if is_dataclass(self):
            return {each.name: getattr(self, each.name) for each in fields(self) if each.compare}
        return dict(getattr(self, "__dict__", {}))

    def as_dict(self) -> dict[str, Any]:
        """Return the event as JSON values: its class as `kind`, its time, and its fields.

        Verdicts keep their reasons, scores and replacements. The outputs and contexts of models that judged are left
        out.

        Raises:
            InvalidArgumentError: A `TypeError`. If a field of a subclass has a value that JSON cannot hold.
        """
        return values_of(self)

    @classmethod
    def from_dict(cls, facts: dict[str, Any]) -> Self:
        """Return the event of the class that `as_dict` was called on. Its constructor is not called.

        Args:
            facts: What `as_dict` returned, also after a way through JSON. `StreamEvent.from_dict` takes events of all
                classes that are imported, and a subclass takes its own.

        Raises:
            InvalidArgumentError: A `TypeError` and `ValueError`. If it is no such event.
        """
        event: Self = event_of(cls, facts, StreamEvent)
        return event

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
        """Restore a copy's state. A frozen event allows no assignments."""
        for part in state if isinstance(state, tuple) else (state,):
            for name, value in (part or {}).items():
                object.__setattr__(self, name, value)

    @classmethod
    def in_fixed_order(cls, events: Sequence[StreamEvent]) -> Sequence[StreamEvent]:
        """Return events in an order that is the same in every run, for snapshots. By default they are unchanged."""
        return events


def _set_time_in_new(cls: type[StreamEvent]) -> None:
    """Make a class set `timestamp` before its constructor runs."""
    make: Any = cls.__new__

    def new(kind: type[StreamEvent], *args: object, **facts: object) -> StreamEvent:
        event: StreamEvent = make(kind) if make is object.__new__ else make(kind, *args, **facts)
        _timestamp.__set__(event, time.time())
        return event

    cls.__new__ = new  # type: ignore[assignment,method-assign]


_timestamp: Any = vars(StreamEvent)["timestamp"]  # the slot
set_details: Any = vars(StreamEvent)["_details"].__set__
"""Set the details of an event, as `QuickCheckEvent.of` and `ChunkEvent.after` do."""


E = TypeVar("E")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def stream_event(cls: type[E]) -> type[E]:
    """Make an event class: a frozen dataclass with slots and a fast constructor.

    A run makes two events for each chunk. The constructor of a frozen dataclass sets attributes by name, which takes
    twice as long as this one, which sets the slots.
    """
    made: Any = dataclass(frozen=True, slots=True)(cls)
    arguments = [item for item in fields(made) if item.init]
    scope = {f"default_{item.name}": item.default for item in arguments}
    scope["time"] = time  # each call looks its function up, because a virtual clock replaces it
    names = (item.name + ("" if item.default is MISSING else f"=default_{item.name}") for item in arguments)
    source = f"def __init__(self, {', '.join(names)}):\n    set_timestamp(self, time.time())\n"
    init = _function_that_sets_fields(made, "__init__", source, scope)
    init.__annotations__ = {item.name: item.type for item in arguments}
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    made.__init__ = init
    return cast("type[E]", made)


def constructor_with_time(cls: type[E], *, has_details: bool = False) -> Callable[..., E]:
    """Return a function that makes an event from its time, its details if it has some, and its fields."""
    names = ", ".join(item.name for item in fields(cast("Any", cls)) if item.init)
    source = f"def make(seconds, {names}):\n    self = new(cls)\n    set_timestamp(self, seconds)\n"
    if has_details:
        source = source.replace("(seconds, ", "(seconds, details, ") + "    set_details(self, details)\n"
    scope = {"new": object.__new__, "cls": cls, "set_details": set_details}
    return cast("Callable[..., E]", _function_that_sets_fields(cls, "make", source, scope))


def _function_that_sets_fields(cls: Any, name: str, beginning: str, scope: dict[str, Any]) -> Any:  # noqa: ANN401
    """Return a function that sets the slots of an event, `self`. Unless it is `__init__`, it returns the event."""
    scope |= {f"set_{item.name}": getattr(cls, item.name).__set__ for item in fields(cls)}
    assignments = "".join(f"    set_{item.name}(self, {item.name})\n" for item in fields(cls) if item.init)
    end = "" if name == "__init__" else "    return self\n"
    exec(beginning + assignments + end, scope)  # noqa: S102  # from names of fields, as `dataclass` itself does
    return scope[name]


def _state_of(event: Any) -> tuple[list[object], object]:  # noqa: ANN401  # of a dataclass below
    """Return the fields and the details of an event, for `copy` and `pickle`."""
    return [getattr(event, each.name) for each in fields(event)], getattr(event, "_details", None)


def _set_state(event: Any, state: tuple[list[object], object]) -> None:  # noqa: ANN401  # as above
    """Restore a copy's state."""
    values, details = state
    for each, value in zip(fields(event), values, strict=True):
        object.__setattr__(event, each.name, value)
    if details is not None:
        set_details(event, details)


class OwnChunk(NamedTuple):
    """A chunk that only some requirements have checked, which are given by their positions, with its offsets."""

    positions: tuple[int, ...]
    start: int
    end: int


@stream_event
class QuickCheckEvent(StreamEvent, sets_time=True):
    """Every requirement has checked a chunk, or every requirement with the same chunks of its own.

    Attributes:
        chunk_index: The chunk's number, from 0.
        attempt: The attempt's number, from 1.
        passed: Whether no requirement failed the chunk. A failed chunk ends the attempt, unless it is replaced.
        results: One result for each requirement, in their order. It is `"unknown"` for requirements that check
            other chunks.
        timestamp: The time of the event in seconds since the epoch. It is no part of a comparison.
    """

    chunk_index: int
    attempt: int
    passed: bool
    results: tuple[PartialValidationResult, ...]

    def of(self, positions: tuple[int, ...], start: int, end: int) -> Self:
        """Return this event, with the requirements that have checked the chunk, and its offsets in the output."""
        set_details(self, (positions, start, end))
        return self

    @property
    def own_chunk(self) -> OwnChunk | None:
        """The chunk and its requirements, if requirements have chunks of their own. It is no part of a comparison."""
        details = getattr(self, "_details", None)
        return None if details is None else OwnChunk(*details)

    __getstate__ = _state_of
    __setstate__ = _set_state


class Release(NamedTuple):
    """The way to its release of a chunk that was held back or replaced."""

    replaced: bool = False
    held_chunks: int = 0
    held_seconds: float = 0.0
    source: tuple[int, int] | None = None


_AT_ONCE = Release()


@stream_event
class ChunkEvent(StreamEvent, sets_time=True):
    """A chunk was released to the consumer.

    Attributes:
        text: The chunk.
        chunk_index: The chunk's number, from 0.
        attempt: The attempt's number, from 1.
        start: The offset of its first character in the full text.
        end: The offset after its last character.
        timestamp: The time of the event in seconds since the epoch. It is no part of a comparison.
    """

    text: str
    chunk_index: int
    attempt: int
    start: int | None = None
    end: int | None = None

    def after(self, release: Release) -> Self:
        """Return this event, with the way of its chunk to its release."""
        set_details(self, release)
        return self

    @property
    def release(self) -> Release:
        """The way of its chunk to its release. It is no part of a comparison."""
        details = getattr(self, "_details", None)
        return _AT_ONCE if details is None else Release(*details)

    @property
    def replaced(self) -> bool:
        """Whether the text is the replacement of a chunk that a requirement failed."""
        return self.release.replaced

    @property
    def source(self) -> tuple[int, int]:
        """The offsets in the output of the chunk that was checked. Replacements move later chunks in the full text."""
        return self.release.source or (cast("int", self.start), cast("int", self.end))

    @property
    def held_chunks(self) -> int:
        """The number of chunks that were checked between the check of this one and its release."""
        return self.release.held_chunks

    @property
    def held_seconds(self) -> float:
        """The seconds between its check and its release."""
        return self.release.held_seconds

    __getstate__ = _state_of
    __setstate__ = _set_state


@stream_event
class StreamingDoneEvent(StreamEvent, sets_time=True):
    """The stream ended naturally, and every chunk was checked.

    Attributes:
        attempt: The attempt's number, from 1.
        full_text: The complete text.
        timestamp: The time of the event in seconds since the epoch. It is no part of a comparison.
    """

    attempt: int
    full_text: str


@stream_event
class FullValidationEvent(StreamEvent, sets_time=True):
    """Every requirement has validated the complete text.

    Attributes:
        attempt: The attempt's number, from 1.
        passed: Whether every requirement passed it.
        results: One result for each requirement, in the order of the requirements.
        timestamp: The time of the event in seconds since the epoch. It is no part of a comparison.
    """

    attempt: int
    passed: bool
    results: tuple[ValidationResult, ...]


@stream_event
class RetryEvent(StreamEvent, sets_time=True):
    """Another attempt begins. Only runs with `max_attempts` above 1 emit it.

    Attributes:
        attempt: The number of the attempt that begins, from 2.
        reason: The reason why the previous attempt was not accepted.
        timestamp: The time of the event in seconds since the epoch. It is no part of a comparison.
    """

    attempt: int
    reason: str


@stream_event
class CompletedEvent(StreamEvent, sets_time=True):
    """The run has ended. This is the last event of every run.

    Attributes:
        success: False after an early exit, an error or a cancellation, and if none of several attempts was
            accepted.
        full_text: The result's `full_text`. It contains only released text unless the stream ended naturally.
        attempts_used: The number of attempts.
        timestamp: The time of the event in seconds since the epoch. It is no part of a comparison.
    """

    success: bool
    full_text: str
    attempts_used: int


@stream_event
class ErrorEvent(StreamEvent, sets_time=True):
    """An exception ended the run.

    Attributes:
        exception_type: The name of its class.
        detail: Its message, followed by the message of each clean-up that failed too.
        timestamp: The time of the event in seconds since the epoch. It is no part of a comparison.
    """

    exception_type: str
    detail: str


make_check = constructor_with_time(QuickCheckEvent)
"""Make a `QuickCheckEvent` of a given time."""
make_own_check = constructor_with_time(QuickCheckEvent, has_details=True)
"""Make a `QuickCheckEvent` of a given time, with the details of a chunk that only some requirements have checked."""
make_chunk = constructor_with_time(ChunkEvent)
"""Make a `ChunkEvent` of a given time."""
