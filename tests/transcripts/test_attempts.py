"""Transcripts and assertions of runs with replacements and several attempts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_streamval import (
    CheckFailedError,
    PartialValidationResult,
    QuickCheckEvent,
    Requirement,
    SimpleContext,
    StreamChunkingResult,
    StreamingMockBackend,
    ValidationResult,
    assert_accepted,
    assert_no_unvalidated_text,
    stream_with_chunking,
    transcribe,
)

if TYPE_CHECKING:
    from pytest_streamval import Backend, Context


class Guard(Requirement):
    """Fails "bad.", replaces "123.", and accepts an output with "Fine."."""

    name = "guard"

    async def stream_validate(self, chunk: str, *, backend: Backend, ctx: Context) -> PartialValidationResult:
        replacement = "***." if chunk == "123." else None
        if chunk == "bad." or replacement is not None:
            return PartialValidationResult("fail", reason="no", replacement=replacement)
        return PartialValidationResult("pass")

    async def validate(self, backend: Backend, ctx: Context, **options: object) -> ValidationResult:
        return ValidationResult("Fine." in str(ctx.last_output()))


async def run_of(*scripts: str, **options: object) -> StreamChunkingResult:
    backend = StreamingMockBackend(*scripts)
    options = {"max_attempts": len(scripts), **options}
    result = await stream_with_chunking("Go", backend, SimpleContext(), requirements=[Guard()], **options)  # type: ignore[arg-type]
    await result.acomplete()
    return result


async def test_a_transcript_shows_replacements_and_attempts() -> None:
    result = await run_of("One.\n123. bad.", "Uno. Fine.")
    assert (await transcribe(result)).lines == [
        "check passed: pass",
        'chunk "One."',
        'check FAILED: fail "no"',
        'chunk "***.", a replacement',
        'check FAILED: fail "no"',
        'retry "guard: no"',
        "check passed: pass",
        'chunk "Uno."',
        "check passed: pass",
        'chunk "Fine."',
        "streaming done, 10 characters",
        "validation passed: pass",
        "completed successfully",
    ]


@pytest.mark.parametrize(("gap", "line"), [(" ", 'chunk "Fine."'), ("\n\n", r'chunk "\n\n" + "Fine."')])
async def test_a_transcript_shows_the_seam_of_an_attempt_that_continues(gap: str, line: str) -> None:
    result = await run_of(f"One.{gap}bad.", "Fine. Two.", on_retry="continue")
    assert [each for each in (await transcribe(result)).lines if each.startswith("chunk")] == [
        'chunk "One."',
        line,
        'chunk "Two."',
    ]


async def test_a_transcript_shows_no_seam_if_two_attempts_released_nothing() -> None:
    result = await run_of("One. bad.", "bad.", "Fine.", on_retry="continue")
    assert [each for each in (await transcribe(result)).lines if each.startswith("chunk")] == [
        'chunk "One."',
        'chunk "Fine."',
    ]


@pytest.mark.parametrize("received", ["One. ***.", "One. ***. Uno. Fine.", "Uno. Fine.", "Uno.", ""])
async def test_received_text_may_begin_with_a_later_attempt(received: str) -> None:
    result = await run_of("One. 123. bad.", "Uno. Fine.")
    assert_no_unvalidated_text(result, received)


@pytest.mark.parametrize("received", ["One. 123.", "***. Uno.", "One. Uno.", "One. ***. bad.", "Fine."])
async def test_other_text_than_that_of_attempts_is_reported(received: str) -> None:
    result = await run_of("One. 123. bad.", "Uno. Fine.")
    with pytest.raises(CheckFailedError, match="not the text that was validated and released"):
        assert_no_unvalidated_text(result, received)


async def test_a_chunk_that_failed_and_is_no_replacement_is_reported() -> None:
    result = await run_of("One. 123. Fine.")
    [check] = [event for event in result.history if isinstance(event, QuickCheckEvent) and not event.passed]
    events = [type(event)(0, 1, False, ()) if event is result.history[0] else event for event in result.history]  # type: ignore[call-arg]
    assert check.passed is False
    with pytest.raises(CheckFailedError, match=r"'One\.' was released although it had failed"):
        assert_no_unvalidated_text(events, "")


async def test_assert_accepted_shows_the_failures_of_all_attempts() -> None:
    with pytest.raises(CheckFailedError) as caught:
        assert_accepted(await run_of("One. bad.", "Two.", "bad."))
    lines = str(caught.value).splitlines()
    assert [line.strip() for line in lines if "guard" in line] == [
        "guard failed attempt 1: no",
        "guard failed attempt 2: no reason given",
        "guard failed attempt 3: no",
    ]


async def test_assert_accepted_names_a_rejection_of_a_single_attempt_once() -> None:
    with pytest.raises(CheckFailedError) as caught:
        assert_accepted(await run_of("One.", on_retry="hold"))
    assert str(caught.value).count("guard") == 1
    assert "guard rejected the complete output: no reason given" in str(caught.value)
