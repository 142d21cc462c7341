"""`UnsettledText`: the end of an output, in which later checks may still replace text."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_FEW = 64  # the items of a list, half of which are removed at once, so that each takes a constant time


class Edit(NamedTuple):
    """A part of the output that was replaced, by its offsets in the output, and the text in its place."""

    start: int
    end: int
    text: str


_START, _END = itemgetter(0), itemgetter(1)


class UnsettledText:
    """The text of an output after a settled beginning, in pieces, and the replacements in it, in order.

    All offsets are offsets in the output. No method takes longer for a longer text, but for the text that it returns.
    """

    __slots__ = ("_edits", "_ends", "_first_edit", "_first_end", "_pieces", "add")

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self.add = self._pieces.append
        """Add the next text."""
        self._ends: list[int] = []  # the offset after each piece, as far as it was needed
        self._first_end = 0  # the offset before the first piece
        self._edits: list[Edit] = []
        self._first_edit = 0  # the index of the first replacement that was not taken

    @property
    def end(self) -> int:
        """The offset after the text."""
        ends = self._ends
        for index in range(len(ends), len(self._pieces)):
            ends.append((ends[-1] if ends else self._first_end) + len(self._pieces[index]))
        return ends[-1] if ends else self._first_end

    @property
    def has_edits(self) -> bool:
        """Whether there are replacements."""
        return self._first_edit < len(self._edits)

    def forget(self, end: int) -> None:
        """Forget the text up to an offset, unless it has few pieces."""
        if len(self._pieces) < _FEW or self.end < end:
            return
        count = bisect_right(self._ends, end)
        if count > len(self._pieces) // 2:
            self._first_end = self._ends[count - 1]
            del self._pieces[:count], self._ends[:count]

    def plain(self, start: int, end: int) -> str:
        """Return a part of the text as it was generated."""
        if self.end <= start:
            return ""
        parts = []
        index = bisect_right(self._ends, start)
        while start < end and index < len(self._pieces):
            piece, piece_end = self._pieces[index], self._ends[index]
            offset = piece_end - len(piece)
            parts.append(piece[start - offset : end - offset])
            start, index = piece_end, index + 1
        return parts[0] if len(parts) == 1 else "".join(parts)

    def edited(self, start: int, end: int) -> str:
        """Return a part of the text with the replacements in it."""
        if not self.has_edits:
            return self.plain(start, end)
        parts = []
        for edit in self._edits_in(start, end):
            parts += [self.plain(start, edit.start), edit.text]
            start = max(start, edit.end)
        return "".join([*parts, self.plain(start, end)])

    def is_edited(self, start: int) -> bool:
        """Return whether a replacement ends after an offset."""
        return self.has_edits and self._edits[-1].end > start

    def start_of(self, start: int) -> int:
        """Return the start of the replacement that contains an offset, or the offset itself."""
        edit = next(self._edits_in(start, start), None)
        return start if edit is None else edit.start

    def replace(self, start: int, end: int, text: str) -> None:
        """Replace the end of the text, with the replacements in it. None of them contains the start."""
        while self.is_edited(start):
            self._edits.pop()
        self._edits.append(Edit(start, end, text))

    def end_of_edits(self, start: int) -> int:
        """Return the end of the last replacement that begins before an offset, or 0."""
        count = bisect_left(self._edits, start, self._first_edit, key=_START)
        return self._edits[count - 1].end if count > self._first_edit else 0

    def take_edits(self, end: int) -> Sequence[Edit]:
        """Remove the replacements that begin before an offset, and return them."""
        first = self._first_edit
        last = self._first_edit = bisect_left(self._edits, end, first, key=_START)
        taken = self._edits[first:last]
        if last > max(_FEW, len(self._edits) // 2) or last == len(self._edits):
            del self._edits[:last]
            self._first_edit = 0
        return taken

    def _edits_in(self, start: int, end: int) -> Iterator[Edit]:
        for index in range(bisect_right(self._edits, start, self._first_edit, key=_END), len(self._edits)):
            edit = self._edits[index]
            if edit.start >= end:
                return
            yield edit
