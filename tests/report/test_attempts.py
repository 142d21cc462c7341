"""Timelines and pictures of streams with replacements, held chunks and several attempts."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from pytest_streamval import (
    PartialValidationResult,
    Requirement,
    SimpleContext,
    StreamingMockBackend,
    ValidationResult,
    observing,
    stream_with_chunking,
)
from pytest_streamval.report.text_edits import Edit, TextEdits
from pytest_streamval.report.text_view import picture
from pytest_streamval.report.timeline_observer import FOR_A_PAGE, TimelineObserver

if TYPE_CHECKING:
    from pytest_streamval import Backend, Context
    from pytest_streamval.report.timeline import Timeline


class Guard(Requirement):
    """Fails "bad.", replaces "123.", and accepts an output with "Uno."."""

    name = "guard"

    async def stream_validate(self, chunk: str, *, backend: Backend, ctx: Context) -> PartialValidationResult:
        if chunk == "123.":
            return PartialValidationResult("fail", replacement="[number].")
        return PartialValidationResult("fail" if chunk == "bad." else "pass", reason="no" if chunk == "bad." else None)

    async def validate(self, backend: Backend, ctx: Context, **options: object) -> ValidationResult:
        return ValidationResult("Uno." in str(ctx.last_output()))


def timeline_of(*scripts: str, leaves: bool = False, **options: object) -> Timeline:
    async def consume() -> Timeline:
        backend = StreamingMockBackend(*scripts, token_size=3)
        with observing(lambda: observers.append(TimelineObserver(FOR_A_PAGE)) or observers[-1]):  # type: ignore[func-returns-value]
            async with stream_with_chunking("Go", backend, SimpleContext(), requirements=[Guard()], **options) as run:  # type: ignore[arg-type]
                async for _ in run.astream():
                    if leaves:
                        break
        return observers[0].timeline()

    observers: list[TimelineObserver] = []
    return asyncio.run(consume())


def pieces(timeline: Timeline) -> tuple[list[str], list[str]]:
    return (
        [timeline.text[bar.start : bar.end] for bar in timeline.chunks],
        [timeline.text[bar.start : bar.end] for bar in timeline.received],
    )


RETRY = "\n[attempt 2: guard: no]\n"


def test_a_timeline_has_the_released_text_of_all_attempts() -> None:
    timeline = timeline_of("One. 123. bad. More.", "Uno. 123. Tres.", max_attempts=2)
    assert timeline.text == f"One. [number].{RETRY}Uno. [number]. Tres."
    assert (timeline.outcome, timeline.released) == ("complete", len(timeline.text))
    received = ["One.", "[number].", "Uno.", "[number].", "Tres."]
    assert pieces(timeline) == ([*received[:2], RETRY, *received[2:]], received)
    assert [verdict.word for verdict in timeline.lanes[0].verdicts] == ["pass", "fail", "fail", "pass", "fail", "pass"]


def test_a_timeline_shows_no_text_of_an_attempt_that_was_held() -> None:
    timeline = timeline_of("One. bad.", "Uno. bad. Tres.", max_attempts=2, on_retry="hold")
    assert timeline.text == f"{RETRY}Uno. bad. Tres."
    assert (timeline.outcome, timeline.why, timeline.released) == ("stopped", "guard failed chunk 1: no", len(RETRY))
    assert pieces(timeline) == ([RETRY, RETRY], [])
    assert picture(timeline)[-2:] == [
        r'  released          "\n[attempt 2: guard: no]\n"',
        '  not released      "Uno. bad. Tres."',
    ]


def test_a_timeline_of_a_rejected_complete_output_keeps_its_text() -> None:
    timeline = timeline_of("One. Two.", "Uno.", max_attempts=2)
    retry = "\n[attempt 2: guard: no reason given]\n"
    assert timeline.text == f"One. Two.{retry}Uno."
    assert pieces(timeline)[0] == ["One.", "Two.", "Uno."]
    assert timeline.released == len(timeline.text)


def test_a_timeline_of_an_attempt_that_continues_has_all_of_its_chunks() -> None:
    timeline = timeline_of("One. Two. bad.", "Uno. Tres.", max_attempts=2, on_retry="continue", holdback=1)
    assert timeline.text == f"One.{RETRY}Uno. Tres."
    assert pieces(timeline) == (["One.", RETRY, RETRY, "Uno.", "Tres."], ["One.", "Uno.", "Tres."])


def test_a_timeline_of_held_chunks_shows_the_time_of_their_release() -> None:
    timeline = timeline_of("One. 123. Two. bad. More.", holdback=1)
    assert (timeline.text, timeline.released) == ("One. [number]. Two. bad. More.", len("One. [number]."))
    verdicts = timeline.lanes[0].verdicts
    assert [bar.at >= verdicts[number + 1].at for number, bar in enumerate(timeline.chunks)] == [True, True]


def test_a_run_that_was_left_after_a_replacement_was_not_stopped_by_a_requirement() -> None:
    assert timeline_of("123. " + "Two. " * 100, leaves=True).outcome == "cancelled"


@pytest.mark.parametrize("size", range(1, 13))
def test_edits_do_not_depend_on_the_deltas(size: int) -> None:
    text = "One. 123. Two"
    edits = TextEdits([Edit(5, 9, "[number]."), Edit(10, 13, ""), Edit(13, 13, "!")])
    texts = [text[at : at + size] for at in range(0, len(text), size)]
    assert "".join(edits.texts(texts)) == "One. [number]. !"
    assert len(edits.texts(texts)) == len(texts)
    assert (edits.start(0), edits.end(4), edits.end(9), edits.start(9), edits.start(13)) == (0, 4, 14, 14, 16)


class Words(Requirement):
    """Checks words, and fails "bad"."""

    name = "words"
    chunking = "word"

    async def stream_validate(self, chunk: str, *, backend: Backend, ctx: Context) -> PartialValidationResult:
        return PartialValidationResult("fail" if "bad" in chunk else "unknown" if chunk == "a" else "pass")


def test_a_lane_of_a_requirement_with_chunks_of_its_own_has_one_verdict_for_each_release() -> None:
    async def consume() -> Timeline:
        observer = TimelineObserver(FOR_A_PAGE)
        requirements = [Guard(), Words()]
        backend = StreamingMockBackend("One a. Uno b c. a bad. More.", token_size=3)
        with observing(lambda: observer):
            async with stream_with_chunking("Go", backend, SimpleContext(), requirements=requirements) as run:
                await run.acomplete()
        return observer.timeline()

    timeline = asyncio.run(consume())
    assert [timeline.text[bar.start : bar.end] for bar in timeline.chunks] == ["One a.", "Uno b c."]
    guard, words = timeline.lanes
    assert [verdict.word for verdict in guard.verdicts] == ["pass", "pass"]
    assert [verdict.word for verdict in words.verdicts] == ["pass", "pass", "fail"]
    assert (timeline.outcome, timeline.why) == ("stopped", "words failed chunk 6")
