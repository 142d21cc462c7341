"""The edits that make the text of a timeline: from the text of all deltas to the text that was released."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Edit(NamedTuple):
    """A part of the text of all deltas, and the text in its place."""

    start: int
    end: int
    text: str


class TextEdits:
    """The edits of a text, in order."""

    def __init__(self, edits: Sequence[Edit]) -> None:
        self._edits = edits
        self._ends = [edit.end for edit in edits]
        self._shifts = [0, *accumulate(len(edit.text) - (edit.end - edit.start) for edit in edits)]

    def start(self, offset: int) -> int:
        """Return the offset in the edited text of a character that is in no edit."""
        return offset + self._shifts[bisect_right(self._ends, offset)]

    def end(self, offset: int) -> int:
        """Return the offset in the edited text after a text that ends here: after its edit, before the next one."""
        number = bisect_left(self._ends, offset)
        is_edited = number < len(self._edits) and self._edits[number].start < offset
        return offset + self._shifts[number + is_edited]

    def texts(self, texts: Sequence[str]) -> list[str]:
        """Return the texts of deltas after the edits. A replacement belongs to the delta in which its part begins."""
        return list(self._edited(texts))

    def _edited(self, texts: Sequence[str]) -> Iterator[str]:
        begin = at = number = 0
        for index, text in enumerate(texts):
            end, parts = begin + len(text), []
            at = max(at, begin)
            while number < len(self._edits) and (self._edits[number].start < end or index == len(texts) - 1):
                edit = self._edits[number]
                parts += [text[at - begin : max(0, edit.start - begin)], edit.text]
                at = max(at, edit.end)
                number += 1
            yield "".join([*parts, text[at - begin :]])
            begin = end
