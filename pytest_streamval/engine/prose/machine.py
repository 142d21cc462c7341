"""The machine that cuts prose: what it does where a candidate stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_streamval.engine.prose.characters import (
    AHEAD,
    BLANK,
    BLANK_LINE,
    BULLETS,
    FULL_STOP_AHEAD,
    FULL_STOPS,
    GLUED_REFERENCES,
    GLUED_SENTENCE,
    HOLDS_WIDE,
    INTERRUPTED,
    PART_OF_GLUED_REFERENCES,
    PART_OF_REFERENCES,
    PICTOGRAPHS,
    QUOTATIVE,
    REFERENCES,
    TERMINATORS,
    WAIT,
    is_ideographic,
    sure,
)
from pytest_streamval.engine.prose.lines import (
    FENCE_MARK,
    PART_OF_FENCE_LINE,
    WRAP,
    Line,
    closing_fence,
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
from pytest_streamval.engine.prose.nesting import DEPTH, NESTING
from pytest_streamval.engine.prose.reading import CANDIDATES, LINE_ENDS, Reading
from pytest_streamval.engine.prose.rules import Rules, Verdict, look

if TYPE_CHECKING:
    import re


class ProseCuts(Reading):
    """One stream of prose being cut."""

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
        view, more = self._view(self._at)
        kind = kind_of_line(view, more=more)
        if kind == Line.WAIT:
            return False
        self._line = self._base + self._at
        self._whole = kind == Line.WHOLE
        if kind == Line.FENCE:
            self._fence = closing_fence(sure(FENCE_MARK.match(view))[1])
        self._meets = LINE_ENDS if self._whole or self._fence else CANDIDATES
        self._heading = False
        return True

    # Candidates: each method returns the place to go on at, or WAIT

    def _meet_terminator(self, place: int) -> int:  # noqa: C901, PLR0911  # the cheap answers come first
        window = self._window
        behind = window[place + 1 : place + 3]
        character = window[place]
        if character == "." and behind[:1].isalnum() and not self._may_be_glued(place, behind[0]):
            return place + 1
        left = self._left(place)
        opened = self._nesting.open
        if len(opened) == 1 and behind == opened[0].closers + " " and window[place + 3 : place + 4].isupper():
            if self._nesting.holds(self._base + place) and self._rules.ends_plainly(left):
                return self._cut(place + 2, place + 3)
        elif behind[:1] == " " and behind[1:].isalnum():
            if character == "." and self._rules.plainly_goes_on(left):
                return place + 1
            if not opened and behind[1:].isupper() and self._rules.ends_plainly(left):
                return self._cut(place + 1, place + 2)
        if behind == "\n\n":
            return self._end_line(place + 1)
        view, more = self._view(place)
        code = opened and self._nesting.code(self._base + place)
        if code and not view.startswith(code, 1):
            return WAIT if more and code.startswith(view[1:]) else place + 1
        if (
            character == "."
            and left[-1:].isalnum()
            and (len(left) < LONGEST_LABEL or not left[-LONGEST_LABEL:].isalnum())
        ):
            item = self._try_item(place, left, view, more=more)
            if item is not None:
                return item
        return self._judge(place, left, view, more=more)

    def _may_be_glued(self, place: int, behind: str) -> bool:
        """Whether a period within a word may end a sentence: before a footnote number, or where a space is missing."""
        before = self._window[place - 1 : place]
        if behind.isdigit():
            return before.islower() or before in ")]"
        return behind.isupper() and (before.islower() or before.isdigit())

    def _judge(self, place: int, left: str, view: str, *, more: bool) -> int:  # noqa: PLR0911  # an answer a rule
        """Ask the rules about a terminator, once enough of the text is there."""
        ahead = sure(AHEAD.match(view))
        run, close, gap = ahead.group("run", "close", "gap")
        if not gap:
            return self._judge_without_gap(place, left, view, ahead, more=more)
        if "\n" in gap and BLANK_LINE.match(gap):
            return self._end_line(place + ahead.end("close"))
        if more and view[ahead.end("gap") :] in ("", "'"):
            return WAIT  # one that seems to open may turn out to be half of one that closes: so. ''
        run_end = place + len(run)
        if self._nesting.holds_behind(close, self._base + place) and not self._is_unbalanced(left):
            return run_end
        following = look(view, ahead, more=more)
        if following is None:
            return WAIT
        if close and following.opening[:1] == "(" and self._nesting.begins() > self._start:
            return run_end  # the sentence is more than the speech in it, and the bracket adds to it
        verdict = self._rules.verdict(left, run, following)
        if verdict is Verdict.ENDS:
            return self._end_sentence(place, view, ahead, more=more)
        if verdict is Verdict.ENDS_BEFORE_ELLIPSIS:
            return self._end(place + 1)
        return WAIT if verdict is Verdict.WAIT else run_end

    def _judge_without_gap(self, place: int, left: str, view: str, ahead: re.Match[str], *, more: bool) -> int:
        """Decide where no whitespace follows: seldom a sentence ends there."""
        behind = view[ahead.end("run") : ahead.end("run") + 1]
        if behind.isdecimal() and ahead["run"] == ".":
            return self._meet_glued(place, left, view, more=more)
        if behind.isupper():
            return self._meet_glued_sentence(place, left, view, more=more)
        if more and PART_OF_REFERENCES.match(view, ahead.end("close")):
            return WAIT
        run_end = place + ahead.end("run")
        return self._end(run_end) if self._ends_between_ideographs(place, left, behind, ahead["run"]) else run_end

    def _is_unbalanced(self, left: str) -> bool:
        """Whether only brackets are open, and one was closed right here: then a bracket too many was opened before."""
        return left[-1:] == ")" and self._nesting.only_brackets()

    def _end_sentence(self, place: int, view: str, ahead: re.Match[str], *, more: bool) -> int:
        """End a sentence behind its closing characters, and behind references or pictographs that are its own."""
        end = ahead.end("close")
        gap = ahead["gap"]
        behind = view[ahead.end("gap") :]
        if "\n" in gap or not behind:
            return self._end(place + end)
        if behind[0].isalpha():
            return self._cut(place + end, place + ahead.end("gap"))
        if behind[0] == "[":
            if more and PART_OF_REFERENCES.match(behind):
                return WAIT
            found = REFERENCES.match(behind)
            if found:
                end = ahead.end("gap") + len(found[0].rstrip())
        else:
            found = PICTOGRAPHS.match(behind)
            if found and not self._begins_with_symbol():
                if found.end() == len(behind) and more:
                    return WAIT
                end = ahead.end("gap") + found.end()
        return self._end(place + end)

    def _meet_glued(self, place: int, left: str, view: str, *, more: bool) -> int:
        """End a sentence behind the footnote numbers that are set right behind its period."""
        if self._nesting.holds(self._base + place) or not self._rules.takes_references(left):
            return place + 1
        found = GLUED_REFERENCES.match(view)
        if found:
            return self._end(place + found.end())
        return WAIT if more and PART_OF_GLUED_REFERENCES.match(view) else place + 1

    def _meet_glued_sentence(self, place: int, left: str, view: str, *, more: bool) -> int:
        """End a sentence that the next one follows without a space, where that begins as sentences do."""
        found = sure(GLUED_SENTENCE.match(view))
        run_end = place + found.start("word")
        if not self._rules.takes_references(left) or self._nesting.holds(self._base + place):
            return run_end
        if found.end() == len(view) and not found["after"] and more:
            return WAIT
        return self._end(run_end) if found["after"] and self._rules.begins(found["word"]) else run_end

    def _begins_with_symbol(self) -> bool:
        """Whether the open chunk begins with a pictograph, as each item of a list does that is marked with them."""
        first = self._done[0] if self._done else self._window[self._start - self._base :][:1]
        return not first[0].isalnum() and first[0] > "\u00ff" and not first[0].isspace() and first[0] not in "“‘„«¿"

    def _ends_between_ideographs(self, place: int, left: str, behind: str, run: str) -> bool:
        """Whether an ASCII `!` or `?` stands amid text that is written without spaces."""
        if not left or not behind or run.strip("!?") or self._nesting.holds(self._base + place):
            return False
        return is_ideographic(left[-1]) and is_ideographic(behind)

    def _meet_full_stop(self, place: int) -> int:
        view, more = self._view(place)
        ahead = sure(FULL_STOP_AHEAD.match(view))
        if ahead.end() == len(view) and more:
            return WAIT
        left = self._left(place)
        behind = view[ahead.end() : ahead.end() + 1]
        run_end = place + ahead.start("close")
        if view[0] in "．." and left[-1:].isdigit() and behind.isdigit():
            return run_end
        if self._nesting.holds_behind(ahead["close"], self._base + place):
            return run_end
        if behind and (behind in HOLDS_WIDE or (ahead["close"] and behind in QUOTATIVE)):
            return run_end
        end = ahead.end()
        while view[end - 1] in "\"'" and not self._nesting.holds(self._base + place):
            end -= 1  # it opens the next sentence
        return self._end(place + end)

    def _meet_bullet(self, place: int) -> int:
        left = self._left(place)
        text = left.rstrip()
        if text == left or not text or self._nesting.holds(self._base + place):
            return place + 1
        if self._window[place] in "•⁃‣" or text[-1] == ":":
            return self._cut(place - len(left) + len(text), place) + 1
        return place + 1

    def _meet_bracket(self, place: int) -> int:
        left = self._left(place)
        view, more = self._view(place)
        item = self._try_item(place, left, view, more=more) if left[-1:].isalnum() else None
        if item == WAIT:
            return WAIT
        if not self._nesting.code(self._base + place):
            self._nesting.close(")", self._base + place)
        return item or place + 1

    def _meet(self, place: int) -> int:
        """Take note of a quote or bracket, once its neighbour is known."""
        character = self._window[place]
        after = self._window[place + 1 : place + 2]
        if not after and not self._final:
            return WAIT
        if character in "([{" and len(self._nesting.open) >= DEPTH and self._nesting.holds(self._base + place):
            return place + 1
        if after.isalnum() and character in "'’" and self._window[place - 1 : place].isalnum():
            return place + 1  # an apostrophe
        at = self._base + place
        left = self._left(place)
        if character in '"”' and left.endswith(("-", "—", "–")) and self._nesting.holds_behind("", at):
            interrupted = self._meet_interruption(place)
            if interrupted is not None:
                return interrupted
        if not self._nesting.code(at):
            self._nesting.meet(character, at, left, after)
        elif character == "'" and left.endswith((".", "?", "!", ",", "'")) and not after.isalnum():
            self._nesting.close("`", at)  # `as TeX quotes'
        return place + 1

    def _meet_interruption(self, place: int) -> int | None:
        """End the sentence behind speech that a dash breaks off, where a capital follows."""
        view, more = self._view(place)
        ahead = INTERRUPTED.match(view)
        if ahead is None or self._nesting.holds_behind(view[0], self._base + place):
            return None
        if ahead["next"] is None:
            return WAIT if more else None
        return self._end(place + 1) if ahead["next"][-1].isupper() else None

    def _meet_backticks(self, place: int) -> int:
        view, more = self._view(place)
        count = len(view) - len(view.lstrip("`"))
        if count == len(view) and more:
            return WAIT
        at = self._base + place
        before = self._window[place - 1] if self._start < at else ""
        self._nesting.meet_backticks("`" * count, at, before, view[count : count + 1])
        return place + count

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

    def _try_item(self, place: int, left: str, view: str, *, more: bool) -> int | None:
        """Return where to go on if a list marker ends here, None if none does."""
        label = LABEL.search(left[-LONGEST_LABEL:])
        if label is None or (label["gap"] is None and len(left) > LONGEST_LABEL):
            return None
        before = left[: len(left) - len(label[0])]
        tail = sure(TAIL.match(view))
        if not tail["space"]:
            return WAIT if tail.end() == len(view) and more else None
        found = marker(label["label"], ("(" if label["open"] else "") + tail["close"])
        head = label["gap"] is None or is_bullet(before)
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


ProseCuts._handlers = (
    dict.fromkeys(NESTING, ProseCuts._meet)
    | dict.fromkeys(TERMINATORS, ProseCuts._meet_terminator)
    | dict.fromkeys(FULL_STOPS, ProseCuts._meet_full_stop)
    | dict.fromkeys(BULLETS, ProseCuts._meet_bullet)
    | {
        ")": ProseCuts._meet_bracket,
        "`": ProseCuts._meet_backticks,
        "\n": ProseCuts._meet_line_end,
    }
)
