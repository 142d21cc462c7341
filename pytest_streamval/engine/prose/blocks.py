"""Layout: where a line, a list item or a fence of code ends a sentence although no terminator does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_streamval.engine.prose.characters import BLANK, TERMINATORS, WAIT, sure
from pytest_streamval.engine.prose.lines import (
    FENCE_MARK,
    PART_OF_FENCE_LINE,
    WRAP,
    Line,
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
    follows,
    is_bullet,
    marker,
)
from pytest_streamval.engine.prose.scanner import CANDIDATES, LINE_ENDS, Reading

if TYPE_CHECKING:
    import re

    from pytest_streamval.engine.prose.rules import Rules


class Layout(Reading):
    """One stream of prose, cut where its layout says so."""

    def __init__(self, rules: Rules, max_chars: int) -> None:
        super().__init__(max_chars)
        self._rules = rules
        self._line = 0  # offset of the open line
        self._fence: re.Pattern[str] | None = None  # what closes the open fence
        self._whole = False  # whether the line stands for itself: a heading, a row of a table

    def _end_line(self, end: int) -> int:
        """End the open chunk at `end`, behind which a line ends: the next one is classified anew."""
        self._heading = True
        self._fence, self._whole, self._meets = None, False, CANDIDATES
        return self._end(end)

    def _classify(self) -> bool:
        """Find out what kind of line begins here, and return False where more text decides."""
        at = self._at
        if is_plain_line(self._window, at):
            self._whole = False
        else:
            view, more = self._view(at)
            kind = kind_of_line(view, more=more)
            if kind == Line.WAIT:
                return False
            self._whole = kind == Line.WHOLE
            if kind == Line.FENCE:
                self._fence = closing_fence(sure(FENCE_MARK.match(view))[1])
        self._line = self._base + at
        self._meets = LINE_ENDS if self._whole or self._fence else CANDIDATES
        self._heading = False
        return True

    def _meet_line_end(self, place: int) -> int:  # noqa: PLR0911  # an answer a rule
        if self._fence is not None:
            return self._meet_fence_line(place, self._fence)
        if self._window[place + 1 : place + 2] == "\n":
            return self._end_line(place)
        view, more = self._view(place)
        indent = sure(BLANK.match(view)).end()
        if "\n" in view[1:indent]:
            return self._end_line(place)
        if indent == len(view) and more:
            return WAIT
        kind = kind_of_line(view[indent:], more=more)
        if kind == Line.WAIT:
            return WAIT
        if self._whole or kind != Line.TEXT or self._line_ends(place, view[indent : indent + 1]):
            return self._end_line(place)
        self._line = self._base + place + indent
        return place + indent

    def _line_ends(self, place: int, first: str) -> bool:
        """Whether a line of text ends its sentence although no terminator does."""
        left = self._left(place).rstrip()
        if self._nesting.holds(self._base + place) or not left or left[-1] in TERMINATORS or self._rules.holds_on(left):
            return False
        return not (first.islower() and self._base + place - self._line >= WRAP)

    def _meet_fence_line(self, place: int, fence: re.Pattern[str]) -> int:
        """End the chunk of a fence behind the line that closes it."""
        view, more = self._view(place)
        if more and PART_OF_FENCE_LINE.match(view):
            return WAIT
        found = fence.match(view)
        return self._end_line(place + found.end()) if found else place + 1

    # List markers

    def _meet_bullet(self, place: int) -> int:
        left = self._left(place)
        text = left.rstrip()
        if text == left or not text or self._nesting.holds(self._base + place):
            return place + 1
        if self._window[place] in "•⁃‣" or text[-1] == ":":
            return self._cut(place - len(left) + len(text), place) + 1
        return place + 1

    def _meet_bracket(self, place: int) -> int:
        item = None
        if self._rules.word(self._last_word(place)).label:
            view, more = self._view(place)
            item = self._try_item(place, self._left(place), view, more=more)
            if item == WAIT:
                return WAIT
        if not self._nesting.code(self._base + place):
            self._nesting.close(")", self._base + place)
        return item or place + 1

    def _try_item(self, place: int, left: str, view: str, *, more: bool) -> int | None:
        """Return where to go on if a list marker ends here, None if none does."""
        label = LABEL.search(left[-LONGEST_LABEL:])
        if label is None or (label["gap"] is None and len(left) > LONGEST_LABEL):
            return None
        before = left[: len(left) - len(label[0])]
        head = label["gap"] is None or is_bullet(before)
        if not head and not self._item and before[-1:] != ":":
            return None
        tail = sure(TAIL.match(view))
        if not tail["space"]:
            return WAIT if tail.end() == len(view) and more else None
        found = marker(label["label"], ("(" if label["open"] else "") + tail["close"])
        if head:
            if found[0].style == "d" and found[0].number > SURELY_AN_ITEM and self._line != self._start:
                return None
        else:
            found = self._continued(found, before)
            if not found or self._nesting.holds_behind(")" if label["open"] else "", self._base + place):
                return None
            self._cut(place - len(label[0]), place - len(label[0].lstrip()))
        self._item = found
        return place + len(tail["close"])

    def _continued(self, found: tuple[Marker, ...], before: str) -> tuple[Marker, ...]:
        """Return what a marker within a line can mean there: the next item, or the first one behind a colon."""
        if before.endswith(":"):
            return tuple(new for new in found if new.number == 1)
        if self._rules.counts(before, digits=found[0].style == "d") or before.endswith(","):
            return ()
        return tuple(new for new in follows(found, self._item) if new.style not in "AR" or ")" in new.close)
