"""Chunking per requirement and verdicts: the cases of mellea 0.6 and 0.8, and those in which this engine differs."""

import pytest

from pytest_streamval import (
    ChunkEvent,
    CompletedEvent,
    PartialValidationResult,
    QuickCheckEvent,
    Requirement,
    SimpleContext,
    StreamingDoneEvent,
    StreamingMockBackend,
    assert_accepted,
    stream_with_chunking,
)

TEXT = "One two. Three four.\n\nFive six"


class Records(Requirement):
    """Records its chunks, and fails the chunk that has a word."""

    def __init__(self, chunking=None, fails="none"):
        super().__init__(validation_fn=lambda ctx: True, name=f"records {chunking}", chunking=chunking)
        self.fails = fails
        self.seen = []
        self.contexts = []

    def __copy__(self):
        return self

    async def stream_validate(self, chunk, *, backend, ctx):
        self.seen.append(chunk)
        return PartialValidationResult("fail" if self.fails in chunk else "pass", reason=f"said {self.fails}")


async def run_of(*requirements, chunking="sentence", size=3):
    backend = StreamingMockBackend(TEXT, token_size=size)
    async with stream_with_chunking(
        "Go", backend, SimpleContext(), requirements=requirements, chunking=chunking
    ) as run:
        received = [chunk async for chunk in run.astream()]
    return run, received


def checks_of(run):
    return [event for event in run.history if isinstance(event, QuickCheckEvent)]


@pytest.mark.parametrize("size", [1, 3, 100])
async def test_a_requirement_judges_its_own_chunks_and_the_reader_gets_those_of_the_run(size):
    words, plain = Records("word"), Records()
    run, received = await run_of(words, plain, size=size)
    assert words.seen == TEXT.split()
    assert plain.seen == received == ["One two.", "Three four.", "Five six"]
    assert_accepted(run)


@pytest.mark.parametrize("size", [1, 3, 100])
async def test_a_fail_of_an_own_chunk_stops_the_run_before_the_chunk_that_contains_it(size):
    words = Records("word", fails="Three")
    run, received = await run_of(words, Records(), size=size)
    assert received == ["One two."]
    assert words.seen == ["One", "two.", "Three"]  # the later chunks are skipped
    assert [(each, result.reason) for each, result in run.streaming_failures] == [(words, "said Three")]
    assert (run.outcome, run.completed, run.full_text) == ("stopped", False, "One two.")
    assert not any(isinstance(event, StreamingDoneEvent) for event in run.history)


async def test_a_requirement_without_a_verdict_on_a_chunk_is_unknown_in_its_event():
    run, _ = await run_of(Records("paragraph"), Records("word"))
    kinds = {tuple(result.success for result in check.results) for check in checks_of(run)}
    assert kinds == {("unknown", "pass"), ("pass", "unknown")}


@pytest.mark.parametrize(("fails", "received"), [("none", True), ("six", False)])
async def test_the_fragment_at_the_end_is_judged_by_a_requirement_with_own_chunks(fails, received):
    paragraphs = Records("paragraph", fails=fails)
    run, chunks = await run_of(paragraphs)
    assert paragraphs.seen == ["One two. Three four.", "Five six"]
    assert ("Five six" in chunks) is received
    assert run.accepted is received


async def test_a_requirement_that_judges_nothing_asks_for_no_verdict_of_it():
    class Silent(Requirement):
        """Keeps the default `stream_validate`."""

    run, received = await run_of(Silent(validation_fn=lambda ctx: True))
    assert received == ["One two.", "Three four.", "Five six"]
    assert {result.success for check in checks_of(run) for result in check.results} == {"unknown"}
    assert [each.as_bool() for each in run.final_validations] == [True]


async def test_no_requirements_make_no_checks():
    run, received = await run_of()
    assert checks_of(run) == []
    assert [event.text for event in run.history if isinstance(event, ChunkEvent)] == received
    assert isinstance(run.history[-1], CompletedEvent)


def test_an_unknown_alias_of_a_requirement_is_a_value_error():
    with pytest.raises(ValueError, match="paragraf"):
        Requirement("short", chunking="paragraf")


async def test_text_waits_for_every_requirement_unlike_in_mellea():
    paragraphs = Records("paragraph", fails="four")
    run, received = await run_of(paragraphs)
    assert received == []  # mellea 0.8 has released 'One two.' before the paragraph is complete
    assert run.full_text == ""


async def test_own_chunks_are_those_of_the_output_unlike_in_mellea():
    paragraphs = Records("paragraph")
    await run_of(paragraphs, chunking="word")
    assert paragraphs.seen == ["One two. Three four.", "Five six"]  # mellea 0.8 cuts the words without their spaces
