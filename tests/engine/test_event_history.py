import asyncio
import gc
import random
import tracemalloc
from itertools import pairwise

import pytest

from pytest_streamval import (
    ChunkEvent,
    CompletedEvent,
    PartialValidationResult,
    QuickCheckEvent,
    Requirement,
    RetryEvent,
    Script,
    SimpleContext,
    StreamingMockBackend,
    stream_with_chunking,
)
from pytest_streamval.engine.event_history import BLOCK, FEW, MANY, EventHistory
from pytest_streamval.engine.events import Release

CHECK = QuickCheckEvent(0, 1, True, ())
UNKNOWN, PASSED = PartialValidationResult("unknown"), PartialValidationResult("pass", reason="fine")


def history_of(events):
    history = EventHistory()
    for event in events:
        history.append(event)
    history.pack(FEW)
    return history


def chunks(count, *, text="word ", start=0, attempt=1, first=0):
    return [
        ChunkEvent(text, first + number, attempt, start + number * len(text), start + (number + 1) * len(text))
        for number in range(count)
    ]


def with_checks(events, *results, passed=True):
    checks = (QuickCheckEvent(event.chunk_index, event.attempt, passed, results) for event in events)
    return [each for pair in zip(checks, events, strict=True) for each in pair]


RUNS = {
    "few": chunks(10),
    "chunks": chunks(5 * BLOCK),
    "checks and chunks": with_checks(chunks(2 * BLOCK), UNKNOWN, PASSED),
    "failed checks": with_checks(chunks(2 * BLOCK), UNKNOWN, passed=False),
    "checks of their own": [
        QuickCheckEvent(number, 1, True, (UNKNOWN,)).of((0,), number, number + 1) for number in range(2 * BLOCK)
    ],
    "held chunks": [event.after(Release(held_chunks=1)) for event in chunks(2 * BLOCK)],
    "other events": [each for event in chunks(2 * BLOCK) for each in (event, RetryEvent(1, "why"))],
    "gaps": [event for number in range(3 * BLOCK) for event in chunks(1, start=number * 9, first=number)],
    "no offsets": [ChunkEvent("word", number, 1) for number in range(3 * BLOCK)],
    "other texts": [ChunkEvent("a word", number, 1, number, number + 1) for number in range(3 * BLOCK)],
    "two attempts": [*chunks(BLOCK + 9), *chunks(3 * BLOCK, attempt=2)],
    "no chunks": [CHECK] * 3 * BLOCK,
    "far away": [*chunks(9), *chunks(3 * BLOCK, start=2**40, first=9)],
    "emoji": chunks(3 * BLOCK, text="🍎é"),
}


@pytest.mark.parametrize("events", RUNS.values(), ids=RUNS.keys())
def test_the_history_of_a_run_holds_equal_events_at_their_times(events):
    history = history_of(events)
    assert len(history) == len(events)
    assert list(history) == list(events)
    assert [event.timestamp for event in history] == [event.timestamp for event in events]
    chance = random.Random(1)  # noqa: S311  # repeatable
    for _ in range(50):
        start, stop = chance.randrange(-len(events), len(events)), chance.randrange(-len(events), len(events))
        assert history[start] == events[start]
        assert history[start:stop] == events[start:stop]
    assert history[-1] == events[-1]
    for name in ("own_chunk", "release"):
        found = [getattr(event, name, None) for event in history]
        assert found == [getattr(event, name, None) for event in events]
    for place in (len(events), -len(events) - 1):
        with pytest.raises(IndexError):
            history[place]


def test_the_history_of_a_run_packs_only_long_runs():
    events = chunks(2 * BLOCK - 1)
    assert all(found is event for found, event in zip(history_of(events), events, strict=True))
    assert history_of(chunks(2 * BLOCK)).packed == BLOCK


async def result_of(text, chunking, requirements=()):
    backend = StreamingMockBackend(Script((text,)))
    result = await stream_with_chunking("x", backend, SimpleContext(), chunking=chunking, requirements=requirements)
    await result.acomplete()
    return result


async def test_a_run_packs_its_events_only_if_there_are_many():
    for count, packed in ((MANY - 1, 0), (MANY, MANY)):
        backend = StreamingMockBackend(Script(("a ",) * count))
        result = await stream_with_chunking("x", backend, SimpleContext(), chunking="word")
        chunks = [chunk async for chunk in result.astream()]
        assert chunks == ["a"] * count
        assert (result._run.history.packed > 0) == (packed > 0)


def peak_of(size, chunking, requirements=()):
    """Return the most bytes that a run takes for a text in one delta, without the text."""
    text = ("It was late. " if chunking != "paragraph" else "It was.\n\n") * (size // 9)
    gc.collect()
    tracemalloc.start()
    try:
        asyncio.run(result_of(text[:size], chunking, requirements))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("chunking", ["sentence", "prose", "word", "line", "paragraph", None])
def test_one_long_delta_takes_memory_of_a_few_times_its_text(chunking):
    # The difference of two sizes is without the events that are not packed yet.
    small, large = 100_000, 300_000
    grown = peak_of(large, chunking) - peak_of(small, chunking)
    assert grown < 8 * (large - small), f"{grown / (large - small):.1f}"


def test_the_checks_of_one_long_delta_take_memory_of_a_few_times_its_text():
    small, large = 100_000, 300_000
    requirements = [Requirement("fine", validation_fn=lambda _: True)]
    grown = peak_of(large, "sentence", requirements) - peak_of(small, "sentence", requirements)
    assert grown < 10 * (large - small), f"{grown / (large - small):.1f}"


@pytest.mark.parametrize("chunking", ["sentence", "prose", "word", "line", "paragraph"])
async def test_one_long_delta_has_the_chunks_of_many_short_ones(chunking):
    text = "".join(f'He said: "No. {number}!" (Or not?)\n\n- Then\r\nmore.\r\n\r\n' for number in range(4_000))
    assert len(text) > 2 * 65_536
    whole = await result_of(text, chunking)
    backend = StreamingMockBackend(Script(tuple(text[start:end] for start, end in pairwise([0, 5, 70_001, len(text)]))))
    cut = await stream_with_chunking("x", backend, SimpleContext(), chunking=chunking)
    read = [chunk async for chunk in cut.astream()]
    assert whole.full_text == cut.full_text == text
    found = [event for event in whole.history if isinstance(event, ChunkEvent)]
    assert [event.text for event in found] == read
    assert all(text[event.start : event.end] == event.text for event in found)
    assert isinstance(whole.history[-1], CompletedEvent)


async def test_other_tasks_run_during_one_long_delta_and_can_cancel_the_run():
    backend = StreamingMockBackend(Script(("It was late. " * 100_000,)))
    result = await stream_with_chunking("x", backend, SimpleContext())
    stream = result.astream()
    await anext(stream)
    await result.aclose()
    assert result.outcome == "left"
    assert 0 < len(result.history) < 50_000


async def test_a_requirement_stops_one_long_delta_at_its_chunk():
    class Stop(Requirement):
        async def stream_validate(self, chunk, *, backend, ctx):
            del backend, ctx
            return PartialValidationResult("fail" if "9999." in chunk else "unknown")

    text = "".join(f"It was {number}. " for number in range(20_000))
    result = await result_of(text, "sentence", [Stop("no 9999")])
    assert result.outcome == "stopped"
    assert result.full_text.endswith("It was 9998.")
    assert len(result.history) == 2 * 9_999 + 2
