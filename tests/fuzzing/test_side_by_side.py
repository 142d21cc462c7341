"""Two results side by side."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from pytest_streamval.engine.chunking import Chunk
from pytest_streamval.engine.events import ErrorEvent
from pytest_streamval.fuzzing.side_by_side import rows_of, side_by_side
from pytest_streamval.transcripts.transcript import Transcript


@dataclass
class Totals:
    words: int
    lines: list[str] = field(default_factory=list)


class Plain:
    pass


@pytest.mark.parametrize(
    ("result", "rows"),
    [
        ([Chunk("One.", 0, 4), "Two"], ["'One.' 0-4", "'Two'"]),
        (("a", 1), ["'a'", "1"]),
        ([], ["[]"]),
        ((), ["()"]),
        ("One\r\nTwo", [r"'One\r\n'", "'Two'"]),
        ("", ["''"]),
        ({"a": [1], "b": None}, ["'a': [1]", "'b': None"]),
        ({}, ["{}"]),
        (3.5, ["3.5"]),
        (None, ["None"]),
        (Chunk("One.", 0, 4), ["Chunk(text='One.', start=0, end=4)"]),
        (Totals(2, ["One and a half", "Two and more of it", "Three"]), None),
        (Transcript([ErrorEvent(exception_type="OSError", detail="gone")]), ['error OSError: "gone"']),
        (ValueError("no number"), ["raised ValueError: no number"]),
        (ValueError("no\nnumber"), ["raised ValueError: no ..."]),
        (ValueError(), ["raised ValueError: "]),
        (ValueError("x" * 300), [f"raised ValueError: {'x' * 200} ..."]),
        (Plain(), ["<tests.fuzzing.test_side_by_side.Plain object at 0x…>"]),
    ],
)
def test_a_result_has_a_row_for_each_thing_in_it(result: object, rows: list[str] | None) -> None:
    if rows is None:
        rows = ["Totals(words=2,", "       lines=['One and a half',", "              'Two and more of it',"]
        assert rows_of(result)[:3] == rows
    else:
        assert rows_of(result) == rows


def table(left: list[str], right: list[str]) -> str:
    return "\n".join(side_by_side(("one", "other"), left, right))


def test_rows_that_differ_are_marked() -> None:
    assert table(["a", "b", "c"], ["a", "x", "c"]) == "  one  other\n  a    a\n! b    x\n  c    c"


def test_a_row_that_is_missing_leaves_its_place_empty() -> None:
    assert table(["a", "b", "c"], ["a", "c"]) == "  one  other\n  a    a\n! b\n  c    c"
    assert table(["a"], ["a", "b"]) == "  one  other\n  a    a\n!      b"


def test_of_long_results_the_rows_around_the_first_difference_are_shown() -> None:
    left = [str(number) for number in range(30)]
    right = [*left[:10], "x", *left[11:]]
    assert table(left, right) == (
        "  one  other\n  ... 8 rows alike\n  8    8\n  9    9\n! 10   x\n  11   11\n  12   12\n"
        "  ... 17 rows more, of which none differ"
    )
    assert table(left[1:], left) == (
        "  one  other\n!      0\n  1    1\n  2    2\n  ... 27 rows more, of which none differ"
    )


def test_of_many_differences_the_first_are_shown_and_the_others_counted() -> None:
    left = [str(number) for number in range(30)]
    shown = table(left, [f"x{row}" for row in left]).splitlines()
    assert shown[0] == "  one  other"
    assert shown[1:-1] == [f"! {number:<3}  x{number}" for number in range(12)]
    assert shown[-1] == "  ... 18 rows more, of which 18 differ"


def test_results_too_long_to_be_aligned_are_counted_only() -> None:
    left = [f"row {number}" for number in range(1000)]
    assert table(left, ["x", *left[1:]]).splitlines() == [
        "  one    other",
        "! row 0  x",
        "  row 1  row 1",
        "  row 2  row 2",
        "  ... 997 rows more",
    ]
    assert table(left[:212], [f"x{row}" for row in left[:212]]).splitlines()[-1] == ("  ... 200 rows more")


def test_one_row_is_counted_as_one() -> None:
    left = [str(number) for number in range(6)]
    assert table(left, [*left[:3], "x", *left[4:]]).splitlines()[1] == "  ... 1 row alike"


def test_long_cells_are_shown_around_their_first_difference() -> None:
    start = "'" + "x" * 100
    assert table([f"{start}. One.'"], [f"{start}.' and more than the cell can hold of it, as it goes on"]) == (
        "  one                      other\n! …xxxxxxxxxxxxxxx. One.'  …xxxxxxxxxxxxxxx.' and more than the cell can h…"
    )
    assert table(["x" * 60], ["y"]).splitlines()[1] == f"! {'x' * 47}…  y"


def test_a_long_cell_whose_beginning_the_other_one_is() -> None:
    assert table(["x" * 60], ["x" * 50]).splitlines()[1] == f"! …{'x' * 26}  …{'x' * 16}"


def test_long_cells_that_are_alike_are_shown_from_their_beginning() -> None:
    assert table(["x" * 60, "a"], ["x" * 60, "b"]).splitlines()[1] == f"  {'x' * 47}…  {'x' * 47}…"


def test_a_long_cell_beside_none_is_shown_from_its_beginning() -> None:
    assert table(["x" * 60], []).splitlines()[1] == f"! {'x' * 47}…"


def test_columns_stay_in_line_beside_wide_characters_and_marks() -> None:
    assert table(["中文e\u0301", "b"], ["a", "c"]) == "  one    other\n! 中文e\u0301  a\n! b      c"


def test_results_that_look_alike_are_said_to() -> None:
    assert table(["a"], ["a"]) == "  one  other\n  a    a\n  They look alike, but are not equal."
