"""Custom events: a subclass of `StreamEvent` can be a dataclass of any kind, or none."""

import copy
import dataclasses
import pickle
import time
from dataclasses import dataclass, field
from typing import get_type_hints

import pytest

from pytest_streamval import ChunkEvent, StreamEvent, Transcript


@dataclass
class Plain(StreamEvent):
    text: str
    count: int = 0


@dataclass(frozen=True)
class Frozen(StreamEvent):
    text: str
    count: int = 0


@dataclass(slots=True)
class Slotted(StreamEvent):
    text: str
    count: int = 0


@dataclass(frozen=True, slots=True)
class FrozenSlotted(StreamEvent):
    text: str
    count: int = 0


@dataclass(kw_only=True)
class KeywordOnly(StreamEvent):
    count: int = 0
    text: str


@dataclass(frozen=True, order=True, slots=True, weakref_slot=True)
class Ordered(StreamEvent):
    text: str
    count: int = field(default_factory=int)


@dataclass(init=False)
class OwnConstructor(StreamEvent):
    text: str
    count: int

    def __init__(self, text, count=0):
        self.text = text
        self.count = count


class Undecorated(StreamEvent):
    def __init__(self, text, count=0):
        self.text = text
        self.count = count


class OwnNew(StreamEvent):
    def __new__(cls, text, count=0):
        event = super().__new__(cls)
        event.text = text
        event.count = count
        return event

    def __init__(self, text, count=0):
        pass

    def __getnewargs__(self):
        return self.text, self.count


@dataclass
class Inner(Plain):
    pass


@dataclass(frozen=True)
class DecoratedLater(type("Base", (StreamEvent,), {})):
    text: str
    count: int = 0


@dataclass(frozen=True, slots=True)
class MoreThanAChunk(ChunkEvent):
    count: int = 0


@dataclass(frozen=True)
class ChunkWithoutSlots(ChunkEvent):
    count: int = 0


class ChunkWithAMethod(ChunkEvent):
    count = 0


KINDS = [
    Plain,
    Frozen,
    Slotted,
    FrozenSlotted,
    KeywordOnly,
    Ordered,
    OwnConstructor,
    Undecorated,
    OwnNew,
    Inner,
    DecoratedLater,
]
CHUNKS = [MoreThanAChunk, ChunkWithoutSlots, ChunkWithAMethod]
EVERY = pytest.mark.parametrize("kind", [*KINDS, *CHUNKS])
OF_CHUNKS = {"chunk_index": 0, "attempt": 1}


def made(kind, text="One."):
    return kind(text=text, **(OF_CHUNKS if kind in CHUNKS else {}))


@EVERY
def test_a_custom_event_has_its_content_and_its_time(kind, monkeypatch):
    assert abs(made(kind).timestamp - time.time()) < 60
    monkeypatch.setattr(time, "time", lambda: 7.0)
    event = made(kind)
    assert isinstance(event, StreamEvent)
    assert (event.timestamp, event.text, event.count) == (7.0, "One.", 0)
    with pytest.raises(TypeError):
        kind(text="One.", timestamp=1.0, **(OF_CHUNKS if kind in CHUNKS else {}))


@EVERY
def test_the_repr_of_a_custom_event_has_its_time_and_its_content(kind, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 7.0)
    shown = repr(made(kind))
    assert shown.startswith(f"{kind.__name__}(timestamp=7.0, ")
    assert "text='One.'" in shown


@EVERY
def test_custom_events_with_equal_content_are_equal_at_any_times(kind, monkeypatch):
    first = made(kind)
    monkeypatch.setattr(time, "time", lambda: 7.0)
    assert first == made(kind)
    assert first != made(kind, "Two.")
    assert first != "One."


@EVERY
@pytest.mark.parametrize(
    "remade",
    [lambda event: pickle.loads(pickle.dumps(event)), copy.copy, copy.deepcopy],  # noqa: S301  # pickled here
    ids=["pickle", "copy", "deepcopy"],
)
def test_a_copy_of_a_custom_event_has_its_content_and_its_time(kind, remade, monkeypatch):
    event = made(kind)
    time_then = event.timestamp
    monkeypatch.setattr(time, "time", lambda: 7.0)
    twin = remade(event)
    assert twin == event
    assert twin.timestamp == time_then


@EVERY
def test_a_transcript_shows_a_custom_event(kind):
    line = Transcript.of([made(kind)]).text()
    assert "One." in line
    assert "timestamp" not in line


@pytest.mark.parametrize("kind", [kind for kind in [*KINDS, *CHUNKS] if dataclasses.is_dataclass(kind)])
def test_the_time_is_the_first_field_of_a_dataclass(kind):
    names = [each.name for each in dataclasses.fields(kind)]
    assert names[0] == "timestamp"
    assert dataclasses.asdict(made(kind)).keys() == set(names)


@pytest.mark.parametrize("kind", KINDS)
def test_the_annotations_of_a_custom_event_can_be_evaluated(kind):
    assert get_type_hints(kind)["timestamp"] is float


@pytest.mark.parametrize("kind", [Frozen, FrozenSlotted, Ordered, DecoratedLater, MoreThanAChunk])
def test_a_frozen_event_cannot_be_changed(kind):
    event = made(kind)
    for name in ("timestamp", "text"):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(event, name, None)
    assert hash(event) == hash(made(kind))


@pytest.mark.parametrize("kind", [Plain, Slotted, Undecorated])
def test_an_event_that_is_not_frozen_can_be_changed(kind):
    event = made(kind)
    event.timestamp, event.text = 3.0, "Two."
    assert (event.timestamp, event.text) == (3.0, "Two.")


def test_an_event_that_is_no_dataclass_has_a_hash_by_content():
    assert hash(made(Undecorated)) == hash(made(Undecorated))
    assert len({made(Undecorated), made(Undecorated), made(Undecorated, "Two.")}) == 2


def test_a_subclass_may_declare_the_time_itself():
    @dataclass
    class Timed(StreamEvent):
        timestamp: float = field(default=4.0, compare=False)

    assert Timed().timestamp == 4.0
    assert Timed(5.0).timestamp == 5.0


def test_a_stream_event_without_a_subclass_has_only_its_time(monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 7.0)
    assert repr(StreamEvent()) == "StreamEvent(timestamp=7.0)"
    assert StreamEvent() == StreamEvent()
