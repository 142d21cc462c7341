"""Tables of two results side by side."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from pytest_streamval.engine.chunking_strategy import Chunk
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
def test_a_result_has_a_row_for_each_of_its_items(result: object, rows: list[str] | None) -> None:
    if rows is None:
        rows = ["Totals(words=2,", "       lines=['One and a half',", "              'Two and more of it',"]
        assert rows_of(result)[:3] == rows
    else:
        assert rows_of(result) == rows


def table(left: list[str], right: list[str]) -> str:
    return "\n".join(side_by_side(("one", "other"), left, right))


def test_a_table_marks_rows_that_differ() -> None:
    assert table(["a", "b", "c"], ["a", "x", "c"]) == "  one  other\n  a    a\n! b    x\n  c    c"


def test_a_table_leaves_the_place_of_a_missing_row_empty() -> None:
    assert table(["a", "b", "c"], ["a", "c"]) == "  one  other\n  a    a\n! b\n  c    c"
    assert table(["a"], ["a", "b"]) == "  one  other\n  a    a\n!      b"


def test_a_table_of_long_results_shows_the_rows_around_the_first_difference() -> None:
    left = [str(number) for number in range(30)]
    right = [*left[:10], "x", *left[11:]]
    assert table(left, right) == (
        "  one  other\n  ... 8 rows alike\n  8    8\n  9    9\n! 10   x\n  11   11\n  12   12\n"
        "  ... 17 rows more, none of them different"
    )
    assert table(left[1:], left) == (
        "  one  other\n!      0\n  1    1\n  2    2\n  ... 27 rows more, none of them different"
    )


def test_a_table_of_many_differences_shows_the_first_and_counts_the_others() -> None:
    left = [str(number) for number in range(30)]
    shown = table(left, [f"x{row}" for row in left]).splitlines()
    assert shown[0] == "  one  other"
    assert shown[1:-1] == [f"! {number:<3}  x{number}" for number in range(12)]
    assert shown[-1] == "  ... 18 rows more, 18 of them different"


def test_a_table_counts_the_rows_that_are_too_many_to_align() -> None:
    left = [f"row {number}" for number in range(1000)]
    assert table(left, ["x", *left[1:]]).splitlines() == [
        "  one    other",
        "! row 0  x",
        "  row 1  row 1",
        "  row 2  row 2",
        "  ... 997 rows more",
    ]
    assert table(left[:212], [f"x{row}" for row in left[:212]]).splitlines()[-1] == ("  ... 200 rows more")


def test_a_table_counts_one_row_in_the_singular() -> None:
    left = [str(number) for number in range(6)]
    assert table(left, [*left[:3], "x", *left[4:]]).splitlines()[1] == "  ... 1 row alike"


def test_a_table_shows_long_cells_around_their_first_difference() -> None:
    start = "'" + "x" * 100
    assert table([f"{start}. One.'"], [f"{start}.' and more than the cell can hold of it, as it goes on"]) == (
        "  one                      other\n! …xxxxxxxxxxxxxxx. One.'  …xxxxxxxxxxxxxxx.' and more than the cell can h…"
    )
    assert table(["x" * 60], ["y"]).splitlines()[1] == f"! {'x' * 47}…  y"


def test_a_table_shows_a_long_cell_that_begins_with_the_other_cell() -> None:
    assert table(["x" * 60], ["x" * 50]).splitlines()[1] == f"! …{'x' * 26}  …{'x' * 16}"


def test_a_table_shows_the_beginning_of_long_cells_that_are_alike() -> None:
    assert table(["x" * 60, "a"], ["x" * 60, "b"]).splitlines()[1] == f"  {'x' * 47}…  {'x' * 47}…"


def test_a_table_shows_the_beginning_of_a_long_cell_without_a_counterpart() -> None:
    assert table(["x" * 60], []).splitlines()[1] == f"! {'x' * 47}…"


def test_the_columns_of_a_table_are_aligned_with_wide_characters_and_combining_marks() -> None:
    assert table(["中文e\u0301", "b"], ["a", "c"]) == "  one    other\n! 中文e\u0301  a\n! b      c"


def test_a_table_notes_that_unequal_results_look_alike() -> None:
    assert table(["a"], ["a"]) == "  one  other\n  a    a\n  They look alike but are not equal."
