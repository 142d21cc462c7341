"""The ready matchers for snapshots."""

from __future__ import annotations

import pytest

from pytest_streamval import (
    ChunkEvent,
    CompletedEvent,
    CouncilEvent,
    ErrorEvent,
    FullValidationEvent,
    ModelAnswer,
    PartialValidationResult,
    QuickCheckEvent,
    RetryEvent,
    ValidationResult,
    without_messages,
    without_offsets,
)

CHECK = QuickCheckEvent(0, 1, False, (PartialValidationResult("fail", reason="why"), PartialValidationResult("pass")))
MASKED = QuickCheckEvent(0, 1, False, (PartialValidationResult("fail", reason="…"), PartialValidationResult("pass")))
DONE = CompletedEvent(True, "One.", 1)
ANSWER = ModelAnswer("a", "m", "Yes.")
FAILED = ModelAnswer("a", "m", "Ye", error="OSError: gone", failed_requirement="Polite: rude")
MASKED_ANSWER = ModelAnswer("a", "m", "Ye", error="OSError: …", failed_requirement="…")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (ErrorEvent("OSError", "gone"), ErrorEvent("OSError", "…")),
        (RetryEvent(2, "why"), RetryEvent(2, "…")),
        (CHECK, MASKED),
        (FullValidationEvent(1, False, (ValidationResult(False, reason="why"),)),
         FullValidationEvent(1, False, (ValidationResult(False, reason="…"),))),
        (DONE, DONE),
        (ANSWER, ANSWER),
        (FAILED, MASKED_ANSWER),
        (CouncilEvent("member_done", "a", answer=FAILED), CouncilEvent("member_done", "a", answer=MASKED_ANSWER)),
        (CouncilEvent("member_check", "a", check=CHECK), CouncilEvent("member_check", "a", check=MASKED)),
        ("text", "text"),
        (ModelAnswer, ModelAnswer),
    ],
)  # fmt: skip
def test_without_messages_masks_what_is_not_the_text_of_the_model(data, expected) -> None:
    assert without_messages(data, path=()) == expected


def test_without_messages_keeps_the_event_and_its_details() -> None:
    event = QuickCheckEvent(0, 1, False, CHECK.results).of((0,), 3, 7)
    masked = without_messages(event)
    assert masked.results == MASKED.results
    assert masked.own_chunk == event.own_chunk
    assert masked.timestamp == event.timestamp
    assert event.results == CHECK.results


def test_without_offsets_leaves_out_the_places_of_chunks() -> None:
    assert without_offsets(ChunkEvent("One.", 0, 1, 3, 7)) == ChunkEvent("One.", 0, 1)
    own = QuickCheckEvent(0, 1, True, (PartialValidationResult("pass"),)).of((0,), 3, 7)
    assert without_offsets(own) == "check passed: pass"
    assert without_offsets(CHECK) is CHECK
    assert without_offsets("check of 3-7 passed") == "check of 3-7 passed"
