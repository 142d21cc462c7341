"""Comparing and showing the events of a council."""

from __future__ import annotations

from pytest_streamval import (
    ModelAnswer,
    Script,
    Transcript,
    per_member,
)
from pytest_streamval.plugin.snapshot import TranscriptSnapshotExtension


async def test_per_member_orders_events_by_member(council) -> None:
    scripts = {"alice": Script.of("a", "b"), "bob": Script.of("1", "2")}
    events = [event async for event in council(scripts, synthesizer=Script.of("So.")).ask_stream("Go")]
    shuffled = sorted(events[:6], key=lambda event: event.member, reverse=True) + events[6:]
    assert shuffled != events
    assert per_member(shuffled) == per_member(events)
    members = [*["alice"] * 3, *["bob"] * 3]
    assert [event.member for event in per_member(shuffled)] == [*members, *["synthesizer"] * 2, None]
    assert [event.member for event in per_member(shuffled[:6])] == members


async def test_a_snapshot_orders_council_events_by_member(council) -> None:
    events = [event async for event in council({"alice": Script.of("a", "b"), "bob": "12"}).ask_stream("Go")]
    shuffled = sorted(events[:-1], key=lambda event: event.member, reverse=True) + events[-1:]
    shown = TranscriptSnapshotExtension().serialize
    assert (
        shown(events) == shown(shuffled) == shown(Transcript.of(shuffled)) == Transcript.of(per_member(events)).text()
    )


async def test_a_transcript_has_a_line_for_each_council_event(council) -> None:
    script = Script.of("Hello.", finish_reason="stop")
    events = [event async for event in council({"alice": script}, synthesizer=Script.of("So.")).ask_stream("Go")]
    assert Transcript.of(per_member(events)).lines == [
        'alice: delta "Hello."',
        "alice: done 6 characters, finished by stop",
        'synthesis delta "So."',
        "synthesis done 3 characters",
        "done synthesize, 1 usable of 1",
    ]


def test_model_answers_are_equal_whatever_their_latency() -> None:
    assert ModelAnswer("a", "m", "Hi.", latency_s=1.0) == ModelAnswer("a", "m", "Hi.", latency_s=2.0)
