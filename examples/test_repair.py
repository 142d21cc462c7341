"""A word that must not reach the reader: a real model said it, and was asked again. Recordings replay both streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

from requirements import ForbiddenWord

from pytest_streamval import (
    LiveBackend,
    ModelOption,
    Restart,
    RetryEvent,
    SimpleContext,
    assert_accepted,
    stream_with_chunking,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_streamval import Requirement
    from pytest_streamval.typing import StreamCassette

SERVED = "http://127.0.0.1:18080/v1"
"""The address of the model when it was recorded: SmolLM2-135M-Instruct, as in `streams/README.md`."""
OPTIONS: dict[str, object] = {ModelOption.TEMPERATURE: 0, ModelOption.SEED: 1, ModelOption.MAX_NEW_TOKENS: 60}


def something_smaller(action: object, failures: Sequence[tuple[Requirement, object]], released_text: str) -> str:
    """Return the request of the next attempt. The model is tiny, and repeats a word that its request names."""
    del action, failures, released_text
    return "Describe a small pond in two sentences."


async def test_a_forbidden_word_is_repaired_by_another_attempt(stream_cassette: StreamCassette) -> None:
    backend = stream_cassette(LiveBackend("openai:smollm2", base_url=SERVED, retries=0))
    async with stream_with_chunking(
        "Describe the ocean in two sentences.",
        backend,
        SimpleContext(),
        requirements=[ForbiddenWord("vast")],
        model_options=OPTIONS,
        max_attempts=2,
        repair=something_smaller,
    ) as run:
        received = [chunk async for chunk in run.astream()]

    assert_accepted(run)
    assert [attempt.released_text for attempt in run.attempts] == ["", run.full_text]
    assert run.attempts[0].failures[0][1].reason == "said 'vast'"
    assert [event.attempt for event in run.history if isinstance(event, RetryEvent)] == [2]
    assert isinstance(received[0], Restart)
    assert "".join(received).startswith("The pond in the center of the small town of Ravenswood was a tranquil oasis")
    assert "vast" not in "".join(received)
