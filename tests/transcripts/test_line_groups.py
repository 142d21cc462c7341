"""Snapshots whose lines may have any order, or may have others between them."""

from __future__ import annotations

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from pytest_streamval.transcripts.line_groups import LineGroups, LineSubset, grouped_text

LINES = st.lists(st.sampled_from("abcd"), max_size=8)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=8))
def test_line_groups_match_the_lines_from_which_they_were_written(lines) -> None:
    text = grouped_text(lines)
    found = [line for line, _ in lines]
    assert LineGroups.parse(text).match(found)
    assert sorted(LineGroups.parse(text).lines) == sorted(found)
    if found:
        assert LineSubset.parse(text).match(found)
    assert not list(LineGroups.parse(text).difference(found, width=None))


def test_the_lines_of_a_group_match_in_any_order_but_only_there() -> None:
    groups = LineGroups.parse("x\nin any order:\n  a\n  b\n  b\ny\n")
    for order in set(permutations("abb")):
        assert groups.match(["x", *order, "y"])
    for other in ("xaby", "xabbb", "axbby", "xaabby", "xabb", "abb", ""):
        assert not groups.match(list(other))
        assert list(groups.difference(list(other), width=None))


def test_a_heading_without_a_group_is_a_line() -> None:
    assert LineGroups.parse("in any order:\na").match(["in any order:", "a"])


@given(LINES, LINES)
def test_a_line_subset_matches_every_text_with_these_lines_in_order(kept, found) -> None:
    rest = iter(found)
    expected = bool(kept) and all(line in rest for line in kept)
    subset = LineSubset.parse("\n".join(kept))
    assert subset.match(found) is expected
    if not expected:
        assert any(line.startswith("-") for line in subset.difference(found))


def test_a_line_subset_with_a_group_finds_its_lines_in_any_order() -> None:
    assert [line[0] for line in LineSubset.parse("\n").difference(["x"])] == ["-"]
    subset = LineSubset.parse("x\n\nin any order:\n  a\n  b\ny")
    assert subset.match(list("-x-b-a-y-"))
    assert not subset.match(list("-x-b-y-a"))
    assert list(subset.difference(list("-x-b"))) == ["  x", "- a", "+ -", "+ b"]
    assert list(subset.difference(["x"])) == ["  x", "- a", "- b", "  ... no more lines were received"]
    assert list(subset.difference(["z"] * 1_015))[-1] == "  ... 1,003 more, none of them the missing one"
