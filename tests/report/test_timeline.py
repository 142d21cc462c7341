"""What is seen of a stream."""

from __future__ import annotations

import asyncio
import json

import pytest

from pytest_streamval import SimpleContext, StreamingMockBackend, stream_with_chunking
from pytest_streamval.engine.observer import observing
from pytest_streamval.report.timeline import OUTCOMES, Bar, Lane, Stop, Verdict
from pytest_streamval.report.timeline_observer import Limits, StreamWatch
from tests.report.streams import NASTY, stream


def test_every_token_chunk_verdict_and_receipt_has_its_time_and_its_place() -> None:
    seen = stream("complete")
    assert (seen.asked, seen.outcome, seen.why) == ("Go on", "complete", "")
    assert list(zip(seen.times, seen.texts, strict=True)) == [
        (100_000, "One. "),
        (200_000, "Two? "),
        (300_000, "EN"),
        (400_000, "D."),
    ]
    assert seen.chunks == [Bar(150_000, 1, 0, 4), Bar(250_000, 2, 5, 9), Bar(450_000, 4, 10, 14)]
    assert [bar.at for bar in seen.received] == [150_000, 250_000, 450_000]
    assert (seen.tokens, seen.characters, seen.released, seen.span) == (4, 14, 14, 450_000)
    verdicts = [
        Verdict("pass", None, 150_000, 1),
        Verdict("unknown", None, 250_000, 2),
        Verdict("pass", None, 450_000, 4),
    ]
    assert seen.lanes == [Lane("NoBad('no BAD')", verdicts, Verdict("pass", "looked for an END", 450_000, 4))]
    assert seen.stop is None


@pytest.mark.parametrize(
    ("outcome", "why", "stop", "released"),
    [
        ("invalid", "NoBad('no BAD') failed the whole: looked for an END", None, 16),
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
def test_a_stream_says_how_it_ended_and_why(outcome: str, why: str, stop: Stop | None, released: int) -> None:
    seen = stream(outcome)
    assert (seen.outcome, seen.why, seen.stop, seen.released) == (outcome, why, stop, released)


def test_every_outcome_is_seen() -> None:
    assert {stream(outcome).outcome for outcome in OUTCOMES} == OUTCOMES.keys()


def test_of_a_long_stream_the_first_tokens_are_kept_and_all_are_counted() -> None:
    seen = stream("complete", ("One. ", "Two. ", "Three. ", "END."), limits=Limits(tokens=3, characters=7, chunks=1))
    assert (seen.texts, seen.tokens, seen.characters) == (["One. ", "Tw"], 4, 21)
    assert (len(seen.chunks), len(seen.received), len(seen.lanes[0].verdicts)) == (1, 1, 1)
    assert (seen.outcome, seen.released) == ("complete", 21)
    seen = stream("stopped", limits=Limits(tokens=1, characters=99, chunks=1))
    assert (seen.outcome, seen.texts, [verdict.word for verdict in seen.lanes[0].verdicts]) == (
        "stopped",
        ["One. "],
        ["pass", "fail"],
    )


def test_text_is_cut_where_the_room_for_it_ends() -> None:
    watch = StreamWatch(Limits(tokens=9, characters=6, chunks=1))
    watch.deltas(["abc", "def", "gh", "i"])
    watch.delta("jkl")
    seen = watch.timeline()
    assert (seen.texts, len(seen.times), seen.tokens, seen.characters) == (["abc", "def"], 2, 5, 12)


def test_what_was_asked_and_answered_is_shortened() -> None:
    seen = stream("complete", asked="why? " * 200)
    assert (len(seen.asked), seen.asked[-1]) == (500, "…")


def test_a_timeline_is_values_of_json() -> None:
    facts = stream("stopped", script=("\ud800", "BAD.", " ")).facts()
    assert json.loads(json.dumps(facts)).keys() == facts.keys()


def test_nothing_seen_is_a_timeline_too() -> None:
    seen = StreamWatch(Limits(1, 1, 1)).timeline()
    assert (seen.outcome, seen.span, seen.text, seen.lanes) == ("unfinished", 0, "", [])


def test_a_run_cancelled_before_its_first_step_has_a_timeline(virtual_clock) -> None:
    watches = []

    def watch() -> StreamWatch:
        watches.append(StreamWatch(Limits(9, 9, 9)))
        return watches[-1]

    async def cancel() -> None:
        result = await stream_with_chunking("x", StreamingMockBackend("One."), SimpleContext())
        result.task.cancel()
        await asyncio.wait([result.task])

    with observing(watch):
        virtual_clock.run(cancel())
    assert (watches[0].timeline().outcome, watches[0].timeline().tokens) == ("cancelled", 0)
