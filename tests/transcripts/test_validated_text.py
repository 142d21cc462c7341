"""Text that a page shows, compared with the text that a run has released."""

from __future__ import annotations

import pytest

from pytest_streamval.transcripts.validated_text import ShownText, unvalidated_offset, validated_length


@pytest.mark.parametrize(
    ("received", "released", "length"),
    [
        ("", "", 0),
        ("One.", "One. Two.", 4),
        ("One.\n Two.", "One. Two.", 10),
        ("One. No.", "One. Two.", 5),
        ("x", "", 0),
    ],
)
def test_a_validated_length_ends_at_the_first_difference(received, released, length):
    assert validated_length(received, released) == length


@pytest.mark.parametrize(
    ("text", "released", "generated", "plain", "offset"),
    [
        ("One.", "One.", "One. BAD. More.", True, None),
        ("One. BAD.", "One.", "One. BAD. More.", True, 5),
        ("One. BAD.", "One.", "One. BAD. More.", False, 5),
        ("Hello.", "One.", "One. BAD. More.", True, 0),
        ("Hello.", "One.", "One. BAD. More.", False, None),
        ("Hello. BAD. More. Text.", "One.", "One. BAD. More. Text.", False, 7),
        ("BAD.", "", "BAD. More.", False, 0),
        ("BA", "", "BAD. More.", False, None),
        ("token", "", "to", False, None),
        ("", "One.", "One. BAD.", False, None),
        ("One. Two.", "One.", "", False, 5),
        ("chunk", "One.", "", False, None),
    ],
)
def test_an_unvalidated_offset_is_that_of_text_that_was_not_released(text, released, generated, plain, offset):
    assert unvalidated_offset(ShownText("the body", text, is_plain=plain), released, generated) == offset
