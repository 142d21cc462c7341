"""Transcripts and assertions of runs whose requirements check chunks of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_streamval import (
    CheckFailedError,
    ChunkEvent,
    PartialValidationResult,
    Requirement,
    SimpleContext,
    StreamChunkingResult,
    StreamingMockBackend,
    assert_no_unvalidated_text,
    stream_with_chunking,
    transcribe,
)

if TYPE_CHECKING:
    from pytest_streamval import Backend, Context


class Words(Requirement):
    """Fails "bad" and replaces "secret"."""

    chunking = "word"

    async def stream_validate(self, chunk: str, *, backend: Backend, ctx: Context) -> PartialValidationResult:
        replacement = "…" if chunk == "secret" else None
        verdict = "fail" if "bad" in chunk or replacement is not None else "pass"
        return PartialValidationResult(verdict, replacement=replacement)  # type: ignore[arg-type]


class Sentences(Requirement):
    """Passes every sentence."""

    async def stream_validate(self, chunk: str, *, backend: Backend, ctx: Context) -> PartialValidationResult:
        return PartialValidationResult("pass")


async def run_of(*scripts: str, chunking: str = "sentence") -> StreamChunkingResult:
    backend, requirements = StreamingMockBackend(*scripts), [Sentences(chunking="sentence"), Words()]
    result = await stream_with_chunking(
        "Go", backend, SimpleContext(), requirements=requirements, chunking=chunking, max_attempts=len(scripts)
    )
    await result.acomplete()
    return result


async def test_a_transcript_shows_the_offsets_of_the_chunks_of_requirements() -> None:
    assert (await transcribe(await run_of("A secret. One bad"))).lines == [
        "check of 0-1 passed: pass",
        "check of 2-9 passed: pass",
        "check of 0-9 passed: pass",
        'chunk "A secret."',
        "check of 10-13 passed: pass",
        "check of 14-17 FAILED: fail",
        "completed WITHOUT SUCCESS",
    ]


@pytest.mark.parametrize("chunking", ["sentence", "word", "line"])
@pytest.mark.parametrize(("scripts", "received"), [(["One secret two. Three."], ""), (["One. bad.", "Two."], "Two.")])
async def test_text_that_all_requirements_have_checked_is_validated(
    scripts: list[str], received: str, chunking: str
) -> None:
    result = await run_of(*scripts, chunking=chunking)
    assert_no_unvalidated_text(result, received or result.full_text)


@pytest.mark.parametrize("chunking", ["sentence", "word", "line"])
async def test_text_that_was_released_before_a_check_of_a_requirement_is_reported(chunking: str) -> None:
    history = list((await run_of("One two. Three.", chunking=chunking)).history)
    place = next(number for number, event in enumerate(history) if isinstance(event, ChunkEvent))
    moved = [*history[: place - 1], history[place], history[place - 1], *history[place + 1 :]]
    assert_no_unvalidated_text(history, "One")
    with pytest.raises(CheckFailedError, match="was released before any verdict"):
        assert_no_unvalidated_text(moved, "")
