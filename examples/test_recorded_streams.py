"""The application's requirements against recorded streams of a real model: left alone, and stopped early."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from chunkers import NumberedItems
from requirements import ForbiddenWord, MaxParagraphLength, MaxSentences, NumberedSteps

from pytest_streamval import (
    ChunkEvent,
    CompletedEvent,
    FullValidationEvent,
    QuickCheckEvent,
    SimpleContext,
    StreamingDoneEvent,
    assert_accepted,
    stream_with_chunking,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_streamval import ChunkingStrategy, Requirement, Script
    from pytest_streamval.typing import StreamingMockBackendFactory

    Recorded = Callable[[str], Script]


async def test_a_good_stream_runs_to_its_end(
    recorded: Recorded, streaming_mock_backend: StreamingMockBackendFactory
) -> None:
    script = recorded("water")
    backend = streaming_mock_backend(script)
    requirements = [MaxSentences(2), ForbiddenWord("desert")]

    async with await stream_with_chunking(
        "The water cycle?", backend, SimpleContext(), requirements=requirements
    ) as result:
        received = [sentence async for sentence in result.astream()]

    assert [type(event) for event in result.history] == [
        QuickCheckEvent,
        ChunkEvent,
        StreamingDoneEvent,
        FullValidationEvent,
        CompletedEvent,
    ]
    assert received == [script.text]
    assert result.completed
    assert result.full_text == script.text
    assert_accepted(result)
    assert result.as_thunk.generation.usage is not None
    assert backend.calls[0].finished


CASES = [
    pytest.param("story", "sentence", MaxSentences(3), 4, "sentence 4 of at most 3", id="too many sentences"),
    pytest.param("story", "sentence", ForbiddenWord("vegetables"), 4, "said 'vegetables'", id="a forbidden word"),
    pytest.param("story", "word", ForbiddenWord("robot"), 6, "said 'robot'", id="a forbidden word, word by word"),
    pytest.param("story", "paragraph", MaxParagraphLength(280), 2, "characters", id="a long paragraph"),
    pytest.param("list", NumberedItems(), NumberedSteps(), 3, "step 3 repeats step 2", id="a repeated step"),
]


@pytest.mark.parametrize(("stream", "chunking", "requirement", "failing", "reason"), CASES)
async def test_a_bad_stream_is_stopped(
    recorded: Recorded,
    streaming_mock_backend: StreamingMockBackendFactory,
    stream: str,
    chunking: str | ChunkingStrategy,
    requirement: Requirement,
    failing: int,
    reason: str,
) -> None:
    script = recorded(stream)
    backend = streaming_mock_backend(script)

    async with await stream_with_chunking(
        "Go on", backend, SimpleContext(), requirements=[requirement], chunking=chunking
    ) as result:
        received = [chunk async for chunk in result.astream()]

    assert not result.completed
    assert len(received) == failing - 1
    [(_, verdict)] = result.streaming_failures
    assert reason in str(verdict.reason)
    assert isinstance(result.history[-2], QuickCheckEvent)
    assert not result.history[-2].passed
    assert result.history[-1] == CompletedEvent(success=False, full_text=result.full_text, attempts_used=1)
    # The released text is the beginning of the model's text, and ends with the last good chunk.
    assert script.text.startswith(result.full_text)
    assert result.full_text.endswith(received[-1])
    # The producer stopped: it was at most one buffer ahead of the reader.
    call = backend.calls[0]
    assert call.cancelled
    assert call.deltas_sent - result.deltas_read <= 20
    assert call.deltas_sent < len(script.deltas)


async def test_without_requirements_nothing_is_checked(
    recorded: Recorded, streaming_mock_backend: StreamingMockBackendFactory
) -> None:
    script = recorded("list")
    result = await stream_with_chunking("Tea?", streaming_mock_backend(script), SimpleContext(), chunking="line")

    pieces = [piece async for piece in result.astream(lossless=True)]

    assert "".join(pieces) == script.text
    assert {type(event) for event in result.history} == {ChunkEvent, StreamingDoneEvent, CompletedEvent}


async def test_requirements_of_one_run_know_nothing_of_another(
    recorded: Recorded, streaming_mock_backend: StreamingMockBackendFactory
) -> None:
    requirement = MaxSentences(1)
    backend = streaming_mock_backend(recorded("water"), recorded("water"))

    for _ in range(2):
        result = await stream_with_chunking("Water?", backend, SimpleContext(), requirements=[requirement])
        await result.acomplete()
        assert result.completed

    assert requirement.seen == 0
