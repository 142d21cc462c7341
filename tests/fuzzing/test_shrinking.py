"""Shrinking finds smaller pieces that still show a fault."""

from __future__ import annotations

from itertools import count

from pytest_streamval.fuzzing.shrinking import smallest_pieces


def test_smallest_pieces_have_the_least_text_and_the_fewest_cuts():
    assert smallest_pieces(list("Once upon a time."), lambda pieces: "p" in "".join(pieces)) == ["p"]
    assert smallest_pieces(["One", " two", " three"], lambda pieces: len(pieces) > 1) == ["n", " "]


def test_smallest_pieces_keep_characters_that_fail_only_together():
    def fails(pieces):
        text = "".join(pieces)
        return text.count("(") == text.count(")") == 1 and len(pieces) > 1

    assert smallest_pieces(["(a", "b", "c)d"], fails) == ["(", ")"]


def test_smallest_pieces_are_found_within_the_number_of_tries():
    tried = count()

    def fails(pieces):
        next(tried)
        return len(pieces) > 1

    smallest_pieces(["a" * 5000, "b" * 5000], fails)
    assert next(tried) <= 2000
