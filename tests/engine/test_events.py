"""Events are values: frozen, compared by content, each with its time."""

import copy
import dataclasses
import inspect
import pickle
import time

import pytest

from pytest_streamval.engine import events
from pytest_streamval.engine.events import (
    ChunkEvent,
    CompletedEvent,
    ErrorEvent,
    FullValidationEvent,
    QuickCheckEvent,
    RetryEvent,
    StreamEvent,
    StreamingDoneEvent,
)
from pytest_streamval.engine.requirement import PartialValidationResult, ValidationResult

FACTS = {
    ChunkEvent: {"text": "One.", "chunk_index": 0, "attempt": 1, "start": 0, "end": 4},
    QuickCheckEvent: {
        "chunk_index": 0,
        "attempt": 1,
        "passed": True,
        "results": (PartialValidationResult("unknown", reason="early"),),
    },
    StreamingDoneEvent: {"attempt": 1, "full_text": "One."},
    FullValidationEvent: {"attempt": 1, "passed": False, "results": (ValidationResult(False),)},
    RetryEvent: {"attempt": 2, "reason": "too long"},
    CompletedEvent: {"success": True, "full_text": "One.", "attempts_used": 1},
    ErrorEvent: {"exception_type": "ValueError", "detail": "broken"},
}
EVERY = pytest.mark.parametrize(("kind", "facts"), FACTS.items(), ids=lambda value: getattr(value, "__name__", ""))


def test_the_table_has_every_kind_of_event():
    found = {kind for _, kind in inspect.getmembers(events, inspect.isclass) if issubclass(kind, StreamEvent)}
    found.remove(StreamEvent)
    assert found == set(FACTS)


@EVERY
def test_an_event_can_be_created_by_name_and_by_position(kind, facts):
    event = kind(**facts)
    assert isinstance(event, StreamEvent)
    assert {name: getattr(event, name) for name in facts} == facts
    assert kind(*facts.values()) == event
    assert event.__match_args__ == tuple(facts)
    assert tuple(inspect.signature(kind).parameters) == tuple(facts)


@EVERY
def test_an_event_cannot_be_changed_or_extended(kind, facts):
    event = kind(**facts)
    for name in ("timestamp", *facts):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(event, name, None)
        with pytest.raises(dataclasses.FrozenInstanceError):
            delattr(event, name)
    assert not hasattr(event, "__dict__")


@EVERY
def test_the_timestamp_of_an_event_is_the_time_of_its_creation_and_no_argument(kind, facts, monkeypatch):
    before = time.time()
    assert before <= kind(**facts).timestamp <= time.time()
    monkeypatch.setattr(time, "time", lambda: 7.0)
    assert kind(**facts).timestamp == 7.0
    with pytest.raises(TypeError):
        kind(**facts, timestamp=1.0)


@EVERY
def test_events_with_equal_content_are_equal_at_any_times(kind, facts, monkeypatch):
    first = kind(**facts)
    monkeypatch.setattr(time, "time", lambda: 7.0)
    second = kind(**facts)
    assert first.timestamp != second.timestamp
    assert first == second
    assert hash(first) == hash(second)


@EVERY
@pytest.mark.parametrize(
    "remade",
    [lambda event: pickle.loads(pickle.dumps(event)), copy.copy, copy.deepcopy],  # noqa: S301  # pickled here
    ids=["pickle", "copy", "deepcopy"],
)
def test_a_copy_of_an_event_has_its_content_and_its_time(kind, facts, remade):
    event = kind(**facts)
    twin = remade(event)
    assert twin == event
    assert twin.timestamp == event.timestamp


@EVERY
def test_an_event_is_a_dataclass_like_any_other(kind, facts):
    event = kind(**facts)
    assert dataclasses.is_dataclass(kind)
    assert [field.name for field in dataclasses.fields(kind)] == ["timestamp", *facts]
    assert dataclasses.asdict(event).keys() == {"timestamp", *facts}
    assert repr(event).startswith(f"{kind.__name__}(timestamp=")
    assert dataclasses.replace(event) == event


@EVERY
def test_a_missing_or_unknown_argument_of_an_event_is_a_type_error(kind, facts):
    with pytest.raises(TypeError):
        kind(**facts, colour="red")
    needed = [name for name, item in inspect.signature(kind).parameters.items() if item.default is item.empty]
    for name in needed:
        with pytest.raises(TypeError, match=name):
            kind(**{other: facts[other] for other in facts if other != name})


def test_a_chunk_event_can_have_no_offsets():
    event = ChunkEvent("One.", 0, 1)
    assert (event.start, event.end) == (None, None)


def test_events_of_different_kinds_are_never_equal():
    assert StreamingDoneEvent(1, "x") != RetryEvent(1, "x")


def test_in_fixed_order_returns_the_events_of_a_run_unchanged():
    events = [ChunkEvent("a", 0, 1), ChunkEvent("b", 1, 1)]
    assert ChunkEvent.in_fixed_order(events) is events
