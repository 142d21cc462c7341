"""`as_dict` and `from_dict` of events: the class, the time and the fields survive a way through JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from pytest_streamval import (
    ChunkEvent,
    CompletedEvent,
    CouncilEvent,
    CouncilResult,
    ErrorEvent,
    FullValidationEvent,
    InvalidArgumentError,
    ModelAnswer,
    PartialValidationResult,
    QuickCheckEvent,
    RetryEvent,
    StreamEvent,
    StreamingDoneEvent,
    ToolCall,
    ValidationResult,
)
from pytest_streamval.engine.events import Release

PASS = PartialValidationResult("pass", reason="fine", score=0.5)
ANSWER = ModelAnswer("a", "m", "Yes.", tool_calls=(ToolCall("1", "f", "{}"),), finish_reason="stop")


@dataclass
class Progress(StreamEvent):
    share: float
    places: tuple[tuple[int, int], ...] = ()
    names: list[str] = None
    by_name: dict[str, int] = None


@dataclass(frozen=True, slots=True)
class Reserved(StreamEvent):
    kind: str
    details: str
    kind_: str


class Plain(StreamEvent):
    def __init__(self, words):
        super().__init__()
        self.words = words


class Mixin:
    pass


class Louder(ChunkEvent, Mixin):
    __slots__ = ()


@dataclass(frozen=True)
class Nested(StreamEvent):
    event: StreamEvent
    answer: ModelAnswer


EVENTS = [
    QuickCheckEvent(0, 1, True, (PASS, PartialValidationResult("unknown"))),
    QuickCheckEvent(0, 1, False, (PartialValidationResult("fail", replacement="***"),)).of((0,), 3, 7),
    ChunkEvent("One.", 0, 1, 0, 4),
    ChunkEvent("***", 0, 1).after(Release(replaced=True, held_chunks=2, held_seconds=0.5, source=(1, 5))),
    StreamingDoneEvent(1, "One.\ud800"),
    FullValidationEvent(1, False, (ValidationResult(False, reason="no"),)),
    RetryEvent(2, "again"),
    CompletedEvent(True, "One.", 1),
    ErrorEvent("OSError", "gone"),
    CouncilEvent("member_done", "a", answer=ANSWER),
    CouncilEvent("done", result=CouncilResult("Tea?", "debate", (ANSWER,), rounds=((ANSWER,), (ANSWER,)))),
    CouncilEvent("member_check", "a", check=QuickCheckEvent(0, 1, True, (PASS,))),
    Progress(0.5, ((1, 2), (3, 4)), ["a"], {"a": 1}),
    Reserved("a", "b", "c"),
    Plain(["a", None]),
    Louder("Two", 1, 1),
    Nested(ChunkEvent("One", 0, 1), ANSWER),
]


@pytest.mark.parametrize("event", EVENTS, ids=[f"{type(each).__name__}-{at}" for at, each in enumerate(EVENTS)])
def test_an_event_survives_json(event) -> None:
    again = StreamEvent.from_dict(json.loads(json.dumps(event.as_dict())))
    assert type(again) is type(event)
    assert again == event
    assert again.timestamp == event.timestamp
    assert getattr(again, "own_chunk", None) == getattr(event, "own_chunk", None)
    assert getattr(again, "release", None) == getattr(event, "release", None)
    assert again.as_dict() == event.as_dict()
    assert type(event).from_dict(event.as_dict()) == event


def test_the_dict_of_an_event_has_its_kind_and_its_fields() -> None:
    event = ChunkEvent("One.", 0, 1, 0, 4)
    assert event.as_dict() == {
        "kind": "ChunkEvent",
        "timestamp": event.timestamp,
        "text": "One.",
        "chunk_index": 0,
        "attempt": 1,
        "start": 0,
        "end": 4,
    }
    assert Plain([]).as_dict()["kind"] == f"{__name__}:Plain"


def test_a_class_of_events_takes_only_its_own_dicts() -> None:
    assert ChunkEvent.from_dict(Louder("Two", 1, 1).as_dict()) == Louder("Two", 1, 1)
    with pytest.raises(InvalidArgumentError, match=r"'RetryEvent'\. It must be one of ChunkEvent, "):
        ChunkEvent.from_dict(RetryEvent(2, "again").as_dict())


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        (42, "It must be a dict with the key 'kind'"),
        ({"text": "One."}, "It must be a dict with the key 'kind'"),
        ({"kind": "os:system", "timestamp": 0}, "Import the module of an event class first"),
        ({"kind": "RetryEvent", "attempt": 1, "reason": ""}, "It must have 'timestamp', which each RetryEvent has"),
        ({"kind": "RetryEvent", "timestamp": 1.0, "reason": ""}, "It must have 'attempt', which each RetryEvent has"),
        ({**Plain([]).as_dict(), "words": {"kind": "os:system"}}, "Import the module of an event class first"),
    ],
)
def test_a_dict_that_is_no_event_is_rejected(facts, message) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        StreamEvent.from_dict(facts)


@pytest.mark.parametrize("value", [object(), {1: 2}, {"kind": "x"}, [b"bytes"]])
def test_a_value_that_json_cannot_hold_is_rejected_by_the_name_of_its_field(value) -> None:
    with pytest.raises(InvalidArgumentError, match=r"Plain\.words"):
        Plain(value).as_dict()
