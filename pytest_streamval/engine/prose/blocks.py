"""Blocks: lines, list items and fenced code, which end a sentence without a terminator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_streamval.engine.prose.characters import BLANK, TERMINATORS, WAIT, matched
from pytest_streamval.engine.prose.lines import (
    FENCE_MARK,
    PART_OF_FENCE_LINE,
    WRAP,
    LineKind,
    closing_fence,
    is_plain_line,
    kind_of_line,
)
from pytest_streamval.engine.prose.markers import (
    LABEL,
    LONGEST_LABEL,
    SURELY_AN_ITEM,
    TAIL,
    Marker,
    continuing,
    is_bullet,
    meanings_of,
)
from pytest_streamval.engine.prose.scanner import CANDIDATES, LINE_ENDS, TextScanner

if TYPE_CHECKING:
    import re

    from pytest_streamval.engine.prose.rules import Rules


class BlockScanner(TextScanner):
    """The scanner that splits prose at its blocks."""

    def __init__(self, rules: Rules, max_chars: int) -> None:
        super().__init__(max_chars)
        self._rules = rules
        self._line = 0  # offset of the open line
        self._fence: re.Pattern[str] | None = None  # the pattern that closes the open fence
        self._is_own_chunk = False  # whether the line is a chunk of its own: a heading, a row of a table

    def _end_line(self, end: int) -> int:
        """End the open chunk at `end`, the end of a line. The next line is classified anew."""
        self._at_line_start = True
        self._fence, self._is_own_chunk, self._candidates = None, False, CANDIDATES
        return self._end_chunk(end)

    def _classify(self) -> bool:
        """Classify the line that begins at `_at`. Return False if that needs more text."""
        at = self._at
        if is_plain_line(self._window, at):
            self._is_own_chunk = False
        else:
            view, more = self._view(at)
            kind = kind_of_line(view, more=more)
            if kind == LineKind.WAIT:
                return False
            self._is_own_chunk = kind == LineKind.WHOLE
            if kind == LineKind.FENCE:
                self._fence = closing_fence(matched(FENCE_MARK.match(view))[1])
        self._line = self._base + at
        self._candidates = LINE_ENDS if self._is_own_chunk or self._fence else CANDIDATES
        self._at_line_start = False
        return True

    def _handle_line_end(self, place: int) -> int:  # noqa: PLR0911  # one return for each rule
        if self._fence is not None:
            return self._handle_fence_line(place, self._fence)
        if self._window[place + 1 : place + 2] == "\n":
            return self._end_line(place)
        view, more = self._view(place)
        indent = matched(BLANK.match(view)).end()
        if "\n" in view[1:indent]:
            return self._end_line(place)
        if indent == len(view) and more:
            return WAIT
        kind = kind_of_line(view[indent:], more=more)
        if kind == LineKind.WAIT:
            return WAIT
        if self._is_own_chunk or kind != LineKind.TEXT or self._line_ends_sentence(place, view[indent : indent + 1]):
            return self._end_line(place)
        self._line = self._base + place + indent
        return place + indent

    def _line_ends_sentence(self, place: int, first: str) -> bool:
        """Return whether a line of text ends its sentence without a terminator."""
        left = self._text_before(place).rstrip()
        if (
            self._nesting.is_inside(self._base + place)
            or not left
            or left[-1] in TERMINATORS
            or self._rules.continues_in_next_line(left)
        ):
            return False
        return not (first.islower() and self._base + place - self._line >= WRAP)

    def _handle_fence_line(self, place: int, fence: re.Pattern[str]) -> int:
        """End the chunk of a fenced code block after its last line."""
        view, more = self._view(place)
        if more and PART_OF_FENCE_LINE.match(view):
            return WAIT
        found = fence.match(view)
        return self._end_line(place + found.end()) if found else place + 1

    # List markers

    def _handle_bullet(self, place: int) -> int:
        left = self._text_before(place)
        text = left.rstrip()
        if text == left or not text or self._nesting.is_inside(self._base + place):
            return place + 1
        if self._window[place] in "•⁃‣" or text[-1] == ":":
            return self._cut(place - len(left) + len(text), place) + 1
        return place + 1

    def _handle_bracket(self, place: int) -> int:
        item = None
        if self._rules.word(self._last_word(place)).label:
            view, more = self._view(place)
            item = self._try_item(place, self._text_before(place), view, more=more)
            if item == WAIT:
                return WAIT
        if not self._nesting.open_backticks(self._base + place):
            self._nesting.close(")", self._base + place)
        return item or place + 1

    def _try_item(self, place: int, left: str, view: str, *, more: bool) -> int | None:
        """Return the place to continue at if a list marker ends here, or None if none does."""
        label = LABEL.search(left[-LONGEST_LABEL:])
        if label is None or (label["gap"] is None and len(left) > LONGEST_LABEL):
            return None
        before = left[: len(left) - len(label[0])]
        head = label["gap"] is None or is_bullet(before)
        if not head and not self._item and before[-1:] != ":":
            return None
        tail = matched(TAIL.match(view))
        if not tail["space"]:
            return WAIT if tail.end() == len(view) and more else None
        found = meanings_of(label["label"], ("(" if label["open"] else "") + tail["close"])
        if head:
            if found[0].style == "d" and found[0].number > SURELY_AN_ITEM and self._line != self._start:
                return None
        else:
            found = self._continued(found, before)
            if not found or self._nesting.is_inside_after(")" if label["open"] else "", self._base + place):
                return None
            self._cut(place - len(label[0]), place - len(label[0].lstrip()))
        self._item = found
        return place + len(tail["close"])

    def _continued(self, found: tuple[Marker, ...], before: str) -> tuple[Marker, ...]:
        """Return the meanings of a marker within a line: the next item, or the first one after a colon."""
        if before.endswith(":"):
            return tuple(new for new in found if new.number == 1)
        if self._rules.keeps_label(before, digits=found[0].style == "d") or before.endswith(","):
            return ()
        return tuple(new for new in continuing(found, self._item) if new.style not in "AR" or ")" in new.close)
