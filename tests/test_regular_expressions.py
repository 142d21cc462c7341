"""The regular expressions of the package: their time grows at most linearly with the input, on any input."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pytest_streamval.engine.prose.lines import closing_fence
from tests.regular_expressions import compiled_patterns, growth, inline_patterns, steepness

SIZE = 3_200  # characters
MADE = {
    "engine/prose/lines.py:closing_fence": closing_fence("```"),
    "http/secrets/declared_secrets.py:_pattern": None,  # the user's own
    "http/secrets/key_shapes.py:_form": None,  # all of them are in the cache of `_forms`, whose patterns are collected
    "plugin/cassettes.py:recorded_at": re.compile(r"it(?:\.(\d+))?\.jsonl"),
}
"""The patterns that are made when a function is called, by its place, each with an example."""
PATTERNS: dict[str, list[re.Pattern[Any]]] = {}
for found, where in {
    **compiled_patterns(),
    **{made: place for place, made in {**inline_patterns(), **MADE}.items() if made is not None},
}.items():
    PATTERNS.setdefault(where.removeprefix("pytest_streamval."), []).append(found)


def test_the_patterns_of_all_modules_classes_and_functions_are_found() -> None:
    places = " ".join(PATTERNS)
    for place in (
        "http.secrets.key_shapes._LONG",
        "engine.prose.scanner._QUICK",  # a method of a pattern
        "engine.SentenceChunker",  # an attribute of a class
        "virtual_time/task_locations.py",  # a call of `re.split`
    ):
        assert place in places, f"{place} was not found"
    assert sum(map(len, PATTERNS.values())) > 150


def test_every_pattern_that_is_made_by_a_function_is_known() -> None:
    made = {place for place, pattern in inline_patterns().items() if pattern is None}
    assert made == MADE.keys(), "add an example of the pattern to MADE, so that it is searched too"


@pytest.mark.parametrize("place", PATTERNS)
def test_the_time_of_a_pattern_grows_at_most_linearly(place: str) -> None:
    assert [found for pattern in PATTERNS[place] if (found := steepness(pattern, SIZE))] == []


@pytest.mark.parametrize(
    "steep",
    [r"\s+x", r"a\S*!", r"(?:a|b|ab)*c", rb".*?x.*?y"],
    ids=["starts", "runs", "ambiguous", "bytes"],
)
def test_a_steep_pattern_is_found(steep: str | bytes) -> None:
    assert "times as long" in steepness(re.compile(steep), SIZE)


def test_a_work_that_takes_linear_time_is_not_steep() -> None:
    assert growth(lambda size: sum(range(size * 100)), SIZE) == ""
    assert growth(lambda size: sum(range(size * size // 4)), SIZE) != ""
