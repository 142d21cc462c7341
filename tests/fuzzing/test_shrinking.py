"""Shrinking finds smaller pieces that still show a fault."""

from __future__ import annotations

import pytest

from pytest_streamval.fuzzing.shrinking import smallest_pieces


def test_smallest_pieces_have_the_least_text_and_the_fewest_cuts():
    assert smallest_pieces(list("Once upon a time."), lambda pieces: "p" in "".join(pieces)) == ["p"]
    assert smallest_pieces(["One", " two", " three"], lambda pieces: len(pieces) > 1) == ["n", " "]


def test_smallest_pieces_keep_characters_that_fail_only_together():
    def fails(pieces):
        text = "".join(pieces)
        return text.count("(") == text.count(")") == 1 and len(pieces) > 1

    assert smallest_pieces(["(a", "b", "c)d"], fails) == ["(", ")"]


@pytest.mark.parametrize("tries", [1, 5, 2000])
def test_smallest_pieces_are_found_within_the_number_of_tries(tries):
    tried = []

    def fails(pieces):
        tried.append(pieces)
        return len(pieces) > 1 and "x" in pieces[-1]

    found = smallest_pieces(["a" * 5000, "b" * 4000 + "xyz"], fails, tries=tries)
    assert len(tried) <= tries
    assert len(found) > 1
    assert "x" in found[-1]
