"""A table of two results side by side that shows their differences."""

from __future__ import annotations

from difflib import SequenceMatcher
from itertools import accumulate, zip_longest
from pprint import pformat
from typing import TYPE_CHECKING

from pytest_streamval.engine.chunking_strategy import Chunk
from pytest_streamval.errors import described, plural
from pytest_streamval.errors.text import display_width
from pytest_streamval.transcripts.differences import common_length
from pytest_streamval.transcripts.transcript import Transcript, without_addresses

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_CELL = 48  # columns of the terminal that one cell takes at most
_AROUND = 2  # equal rows shown before the first difference and after the last one that is shown
_SHOWN = 12  # rows shown in all
_WINDOW = 200  # rows after the first difference that are aligned with each other
_ERROR = 200  # characters of an error's message


def rows_of(result: object) -> list[str]:
    """Return a result in rows of one line each: one for each item, line, key or event."""
    return [without_addresses(row) for row in _rows(result)]


def _rows(result: object) -> list[str]:
    if isinstance(result, Exception):
        first, *more = described(result).splitlines() or [""]
        shown = first if len(first) <= _ERROR else f"{first[:_ERROR]} ..."
        return [f"raised {type(result).__name__}: {shown}{' ...' if more else ''}"]
    if isinstance(result, Transcript):
        return result.lines
    if isinstance(result, str):
        return [repr(line) for line in result.splitlines(keepends=True)] or [repr(result)]
    if type(result) in {list, tuple} and result:
        return [_row(item) for item in result]  # type: ignore[attr-defined]  # a list or a tuple
    if type(result) is dict and result:
        return [f"{key!r}: {value!r}" for key, value in result.items()]
    return pformat(result, width=_CELL, sort_dicts=False).splitlines()


def _row(item: object) -> str:
    return f"{item.text!r} {item.start}-{item.end}" if type(item) is Chunk else repr(item)


def side_by_side(titles: tuple[str, str], left: Sequence[str], right: Sequence[str]) -> list[str]:
    """Return the lines of a table of two columns. Rows whose cells differ are marked with `!`.

    Of long results only the rows around the first difference are shown.

    Args:
        titles: The titles of the two columns.
        left: The rows of one result.
        right: The rows of the other result.
    """
    alike = common_length(left, right)
    first = max(0, alike - _AROUND)
    rows: list[tuple[str | None, str | None]] = [(row, row) for row in left[first:alike]]
    rows += _aligned(left[alike : alike + _WINDOW], right[alike : alike + _WINDOW])
    differing = [at for at, (a, b) in enumerate(rows[:_SHOWN]) if a != b]
    shown = rows[: min(_SHOWN, max(differing, default=_SHOWN) + _AROUND + 1)]
    cells = [_fitted(*row) for row in shown]
    width = max(display_width(cell) for cell, _ in [titles, *cells])
    lines = [f"  {_padded(titles[0], width)}  {titles[1]}"]
    if first:
        lines.append(f"  ... {plural(first, 'row')} alike")
    lines += [
        f"{' ' if a == b else '!'} {_padded(cell, width)}  {other}".rstrip()
        for (a, b), (cell, other) in zip(shown, cells, strict=True)
    ]
    return [*lines, *_rest(rows[len(shown) :], max(len(left), len(right)) - alike - _WINDOW, left == right)]


def _rest(rows: Sequence[tuple[str | None, str | None]], beyond: int, same: bool) -> Iterator[str]:  # noqa: FBT001  # private
    """Yield lines about the rows that are not shown. `beyond` more rows were not aligned."""
    if beyond > 0:
        yield f"  ... {plural(len(rows) + beyond, 'row')} more"
    elif rows:
        yield f"  ... {plural(len(rows), 'row')} more, {sum(a != b for a, b in rows) or 'none'} of them different"
    if same:
        yield "  They look alike but are not equal."


def _aligned(left: Sequence[str], right: Sequence[str]) -> Iterator[tuple[str | None, str | None]]:
    """Yield pairs of rows, with equal ones in one pair, and None if a side has no row."""
    for _, a, a_end, b, b_end in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        yield from zip_longest(left[a:a_end], right[b:b_end])


def _fitted(left: str | None, right: str | None) -> tuple[str, str]:
    """Return two cells, cut to their width so that the first difference is visible."""
    a, b = left or "", right or ""
    start = 0
    if a != b and a and b and max(len(a), len(b)) > _CELL:
        start = max(0, common_length(a, b) - _CELL // 3)
    return _clipped(a, start), _clipped(b, start)


def _clipped(cell: str, start: int) -> str:
    shown = f"…{cell[start:]}" if start else cell
    if display_width(shown) <= _CELL:
        return shown
    fitting = sum(columns < _CELL for columns in accumulate(map(display_width, shown)))
    return f"{shown[:fitting]}…"


def _padded(cell: str, width: int) -> str:
    return cell + " " * (width - display_width(cell))
