"""The language of docstrings, messages, comments and pages; `python3 -m tests.language` prints the figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.language import OTHERS, ROOMS, Figures, forbidden, reports, texts_of_module


@pytest.mark.parametrize("room", [*ROOMS, *OTHERS])
def test_the_docstrings_and_pages_of_a_room_are_in_plain_english(room: str) -> None:
    total, files = reports()[room]
    excesses = total.excesses()
    assert not excesses, f"too many of {', '.join(excesses)} (found/allowed):\n  {total.row()}  all files\n{files}"


def test_every_text_belongs_to_a_room() -> None:
    assert reports().keys() == {*ROOMS, *OTHERS}


def test_no_text_has_a_forbidden_phrase() -> None:
    places = forbidden()
    assert not places, "\n".join([f"{len(places)} places:", *places])


SAMPLE = '''
"""Says what; nobody knows where."""

LIMIT = 5
"""A limit, `what`."""


def call(name):
    """Return what is asked.

        code = "what"

    Args:
        name: what it is called;
            where.
    """
    raise ValueError(f"{name} does not fit: it is a str")  # whoever asks
'''


def test_all_texts_of_a_module_are_found() -> None:
    found = list(texts_of_module(Path("pytest_streamval/room/module.py"), SAMPLE))
    assert {text.kind for text in found} == {"docstring", "comment", "message"}
    assert {text.room for text in found} == {"room"}
    figures = Figures()
    for text in found:
        if text.kind == "docstring":
            figures.add(text.prose)
    assert figures.counts == {"what": 3, "where": 2, ";": 2, "vague": 1}
    assert [text.words for text in found if text.kind == "comment"] == ["# whoever asks"]
    assert " does not fit: it is a str" in [text.words for text in found if text.kind == "message"]


def test_a_short_text_may_have_a_word_once() -> None:
    figures = Figures()
    figures.add("What a word is.")
    assert figures.excesses() == []
    figures.add("And what another is.")
    assert figures.excesses() == ["what"]
