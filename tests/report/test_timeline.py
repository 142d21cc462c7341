"""The timelines that an observer records."""

from __future__ import annotations

import asyncio
import json

import pytest

from pytest_streamval import SimpleContext, StreamingMockBackend, stream_with_chunking
from pytest_streamval.engine.observer import observing
from pytest_streamval.files.typed_json import from_json, to_json
from pytest_streamval.report.timeline import OUTCOMES, Bar, Lane, Stop, Timeline, Verdict
from pytest_streamval.report.timeline_observer import Limits, TimelineObserver
from tests.report.streams import NASTY, stream


def test_tokens_chunks_verdicts_and_receipts_have_times_and_offsets() -> None:
    timeline = stream("complete")
    assert (timeline.asked, timeline.outcome, timeline.why) == ("Go on", "complete", "")
    assert list(zip(timeline.times, timeline.texts, strict=True)) == [
        (100_000, "One. "),
        (200_000, "Two? "),
        (300_000, "EN"),
        (400_000, "D."),
    ]
    assert timeline.chunks == [Bar(150_000, 1, 0, 4), Bar(250_000, 2, 5, 9), Bar(450_000, 4, 10, 14)]
    assert [bar.at for bar in timeline.received] == [150_000, 250_000, 450_000]
    assert (timeline.tokens, timeline.characters, timeline.released, timeline.span) == (4, 14, 14, 450_000)
    verdicts = [
        Verdict("pass", None, 150_000, 1),
        Verdict("unknown", None, 250_000, 2),
        Verdict("pass", None, 450_000, 4),
    ]
    assert timeline.lanes == [Lane("NoBad('no BAD')", verdicts, Verdict("pass", "looked for an END", 450_000, 4))]
    assert timeline.stop is None


@pytest.mark.parametrize(
    ("outcome", "why", "stop", "released"),
    [
        ("invalid", "NoBad('no BAD') failed the complete output: looked for an END", None, 16),
        (
            "stopped",
            f"NoBad('no BAD') failed chunk 2: BAD is in it {NASTY}",
            Stop(350_000, 3, f"NoBad('no BAD') failed a chunk: BAD is in it {NASTY}", 0),
            9,
        ),
        ("error", "ConnectionError: reset <b>", None, 9),
        ("cancelled", "CancelledError", Stop(5_000_000, 2, "CancelledError", 0), 9),
        ("unfinished", "", None, 4),
    ],
)
def test_a_timeline_names_the_outcome_and_its_reason(outcome: str, why: str, stop: Stop | None, released: int) -> None:
    timeline = stream(outcome)
    assert (timeline.outcome, timeline.why, timeline.stop, timeline.released) == (outcome, why, stop, released)


def test_every_outcome_can_be_recorded() -> None:
    assert {stream(outcome).outcome for outcome in OUTCOMES} == OUTCOMES.keys()


def test_a_long_stream_keeps_its_first_tokens_and_counts_all() -> None:
    timeline = stream(
        "complete", ("One. ", "Two. ", "Three. ", "END."), limits=Limits(tokens=3, characters=7, chunks=1)
    )
    assert (timeline.texts, timeline.tokens, timeline.characters) == (["One. ", "Tw"], 4, 21)
    assert (len(timeline.chunks), len(timeline.received), len(timeline.lanes[0].verdicts)) == (1, 1, 1)
    assert (timeline.outcome, timeline.released) == ("complete", 21)
    timeline = stream("stopped", limits=Limits(tokens=1, characters=99, chunks=1))
    assert (timeline.outcome, timeline.texts, [verdict.word for verdict in timeline.lanes[0].verdicts]) == (
        "stopped",
        ["One. "],
        ["pass", "fail"],
    )


def test_text_beyond_the_limit_is_counted_and_not_kept() -> None:
    observer = TimelineObserver(Limits(tokens=9, characters=6, chunks=1))
    observer.deltas(["abc", "def", "gh", "i"])
    observer.delta("jkl")
    timeline = observer.timeline()
    assert (timeline.texts, len(timeline.times), timeline.tokens, timeline.characters) == (["abc", "def"], 2, 5, 12)


def test_a_long_prompt_is_shortened() -> None:
    timeline = stream("complete", asked="why? " * 200)
    assert (len(timeline.asked), timeline.asked[-1]) == (500, "…")


def test_a_timeline_is_equal_after_json() -> None:
    timeline = stream("stopped", script=("\ud800", "BAD.", " "))
    assert from_json(Timeline, json.loads(to_json(timeline))) == timeline


def test_an_observer_without_a_run_has_an_empty_timeline() -> None:
    timeline = TimelineObserver(Limits(1, 1, 1)).timeline()
    assert (timeline.outcome, timeline.span, timeline.text, timeline.lanes) == ("unfinished", 0, "", [])


def test_a_run_cancelled_before_its_first_step_has_a_timeline(virtual_clock) -> None:
    observer = TimelineObserver(Limits(9, 9, 9))

    async def cancel() -> None:
        result = await stream_with_chunking("x", StreamingMockBackend("One."), SimpleContext())
        result.task.cancel()
        await asyncio.wait([result.task])

    with observing(lambda: observer):
        virtual_clock.run(cancel())
    assert (observer.timeline().outcome, observer.timeline().tokens) == ("cancelled", 0)
