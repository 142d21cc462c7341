"""The differences of two lists of lines."""

from __future__ import annotations

from difflib import SequenceMatcher
from itertools import zip_longest
from typing import TYPE_CHECKING

from pytest_streamval.errors import plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_CONTEXT = 2  # equal lines shown before the first difference and after the last
_SHOWN = 12  # lines shown of those that differ
_WINDOW = 200  # lines after the first difference that are aligned with each other
_CONTEXT_WIDTH = 60  # characters shown of an equal line
_HEAD = 16  # characters kept at the beginning of a line that is cut, which name the kind of its event


def difference(expected: Sequence[str], found: Sequence[str], *, width: int | None = None) -> Iterator[str]:
    """Yield the lines around the first difference. Expected lines begin with `-`, found ones with `+`.

    Args:
        expected: The expected lines. One in brackets is the heading of those below it.
        found: The lines that were found.
        width: The characters shown of a line that differs. None shows complete lines.
    """
    start = common_length(expected, found)
    if start == len(expected) == len(found):
        return
    rest = min(len(expected), len(found)) - start
    end = common_length(expected[: -rest - 1 : -1], found[: -rest - 1 : -1])
    yield from _lines_before(expected[:start], width)
    first = expected[start : len(expected) - end]
    second = found[start : len(found) - end]
    changes = list(_changed_lines(first[:_WINDOW], second[:_WINDOW], width))
    yield from changes[:_SHOWN]
    more = sum(line[0] != " " for line in changes[_SHOWN:])
    more += max(0, len(first) - _WINDOW) + max(0, len(second) - _WINDOW)
    if more:
        yield f"  ... {plural(more, 'line')} more not as expected"
    else:
        yield from _equal_lines(expected[len(expected) - end :], width)


def common_length(first: Sequence[str], second: Sequence[str]) -> int:
    """Return the number of lines or characters at the beginning that are equal in both."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(first), len(second)))


def _lines_before(lines: Sequence[str], width: int | None) -> Iterator[str]:
    hidden = lines[:-_CONTEXT]
    if hidden:
        heading = next((f", the last below {line}" for line in reversed(hidden) if line.startswith("[")), "")
        yield f"  ... {plural(len(hidden), 'line')} as expected{heading}"
    yield from _equal_lines(lines[-_CONTEXT:], width)


def _equal_lines(lines: Sequence[str], width: int | None) -> Iterator[str]:
    yield from (f"  {_shortened_line(line, 0, width and _CONTEXT_WIDTH)}" for line in lines[:_CONTEXT])
    if len(lines) > _CONTEXT:
        yield f"  ... {plural(len(lines) - _CONTEXT, 'line')} as expected"


def _changed_lines(expected: Sequence[str], found: Sequence[str], width: int | None) -> Iterator[str]:
    """Yield the lines that differ, each next to its counterpart, and a few equal ones between them."""
    for tag, a, a_end, b, b_end in SequenceMatcher(None, expected, found, autojunk=False).get_opcodes():
        if tag == "equal":
            yield from _equal_lines(expected[a:a_end], width)
            continue
        for old, new in zip_longest(expected[a:a_end], found[b:b_end]):
            at = common_length(old or "", new or "")
            if old is not None:
                yield f"- {_shortened_line(old, at, width)}"
            if new is not None:
                yield f"+ {_shortened_line(new, at, width)}"


def _shortened_line(line: str, at: int, width: int | None) -> str:
    """Return the beginning of a line and the part around an offset, in `width` characters."""
    if width is None or len(line) <= width:
        return line
    if at < width * 2 // 3:
        return f"{line[:width]} ..."
    begin = at - width // 3
    end = begin + width - _HEAD
    return f"{line[:_HEAD]} ... {line[begin:end]}{' ...' if end < len(line) else ''}"
