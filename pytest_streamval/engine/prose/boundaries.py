"""The scanner's decisions at terminators, quotes and brackets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_streamval.engine.prose.blocks import BlockScanner
from pytest_streamval.engine.prose.characters import (
    AHEAD,
    BLANK_LINE,
    BULLETS,
    CONTINUES_WIDE,
    FULL_STOP_AHEAD,
    FULL_STOPS,
    GLUED_REFERENCES,
    GLUED_SENTENCE,
    INTERRUPTED,
    PART_OF_GLUED_REFERENCES,
    PART_OF_REFERENCES,
    PICTOGRAPHS,
    QUOTATIVE,
    REFERENCES,
    TERMINATORS,
    WAIT,
    is_ideographic,
    matched,
)
from pytest_streamval.engine.prose.lookahead import LOWER, Following, kind_of_letter, look_ahead
from pytest_streamval.engine.prose.nesting import DEPTH, NESTING
from pytest_streamval.engine.prose.periods import CONTINUES, ENDS, Decision

if TYPE_CHECKING:
    import re

    from pytest_streamval.engine.prose.periods import PeriodRule

_CLOSING_SPEECH: Final = frozenset("\"”'’»)")
_OPENING_SPEECH: Final = frozenset("\"“'‘„‚«‹»*_¿¡")
_APOSTROPHES: Final = frozenset("'‘’")
_BREAKS_OFF: Final = frozenset("-—–")


class BoundaryScanner(BlockScanner):
    """The scanner that splits one stream of prose."""

    # Candidates: each method returns the place to continue at, or WAIT

    def _handle_terminator(self, place: int) -> int:  # noqa: C901, PLR0911  # one return for each form
        """Handle a terminator. Nearly always, the three characters after it show how to decide."""
        window = self._window
        after = window[place + 1 : place + 4]
        if not after:
            return self._decide(place) if self._final else WAIT
        first = after[0]
        if first == " ":
            letter = after[1:2]
            if letter in _OPENING_SPEECH:
                if letter in _APOSTROPHES and after[2:].islower():
                    return self._decide(place)  # 't Is laat.
                letter = after[2:]
            if letter.isalnum() or letter in ("", "`"):
                return self._handle_gap(place, place + 1, letter)
        elif first == "\n":
            letter = after[1:2]
            if letter == "\n":
                return self._end_line(place + 1)
            if letter.isalnum():
                return self._handle_gap(place, place + 1, letter)
        elif first in _CLOSING_SPEECH:
            if after[1:] == "\n\n" and first != ")":
                return self._end_line(place + 2)
            letter = after[2:]
            if after[1:2] == " " and (letter.isalnum() or not letter) and window[place - 1].isalnum():
                return self._handle_gap(place, place + 2, letter)
        elif first.isalnum() and window[place] == "." and not self._may_be_glued(place, first):
            return place + 1
        return self._decide(place)

    def _handle_gap(self, place: int, end: int, letter: str) -> int:  # noqa: PLR0911  # one return for each rule
        """Decide about a sentence that would end at `end` before a word, with the result of the rules but faster."""
        at = self._base + place
        nesting = self._nesting
        if nesting.open and nesting.open_backticks(at):
            return place + 1
        word = self._rules.word(self._last_word(place))
        period = self._window[place] == "."
        if (
            word.bare
            or not (period or self._window[place] in "!?")
            or (word.label and (nesting.open or end > place + 1))
        ):
            return self._decide(place)
        if word.label and period:
            view, more = self._view(place)
            item = self._try_item(place, self._text_before(place), view, more=more)
            if item is not None:
                return item
        if not letter:
            return self._decide(place) if self._final else WAIT
        kind = kind_of_letter(letter)
        if nesting.open:
            if self._window[place - 1] == ")":
                return self._decide(place)
            if nesting.is_inside_after(self._window[place + 1 : end], at):
                return place + 1
        if kind == LOWER and end > place + 1:
            return place + 1
        return self._handle_word(place, end, kind, word.period.get(kind) if period else word.mark.get(kind))

    def _handle_word(self, place: int, end: int, kind: str, answer: Decision | PeriodRule | None) -> int:
        """Apply the decision of the word before a terminator, or of its rule."""
        if answer is None:
            return self._decide(place)
        if not isinstance(answer, Decision):
            view, more = self._view(place)
            answer = answer(self._text_before(place), Following(view, matched(AHEAD.match(view)), kind, more=more))
        if answer is ENDS:
            return self._cut(end, end + 1) if self._window[end] == " " else self._end_chunk(end)
        return place + 1 if answer is CONTINUES else WAIT

    def _may_be_glued(self, place: int, after: str) -> bool:
        """Return whether a period in a word can end a sentence: before a footnote number, or if a space is missing."""
        before = self._window[place - 1 : place]
        if after.isdigit():
            return before.islower() or before in ")]"
        return after.isupper() and (before.islower() or before.isdigit())

    def _decide(self, place: int) -> int:
        """Decide about any terminator: by code and list markers first, then by the rules."""
        left = self._text_before(place)
        view, more = self._view(place)
        code = self._nesting.open_backticks(self._base + place)
        if code and not view.startswith(code, 1):
            return WAIT if more and code.startswith(view[1:]) else place + 1
        if view[0] == "." and left[-1:].isalnum() and self._rules.word(left[left.rfind(" ") + 1 :]).label:
            item = self._try_item(place, left, view, more=more)
            if item is not None:
                return item
        return self._apply_rules(place, left, view, more=more)

    def _apply_rules(self, place: int, left: str, view: str, *, more: bool) -> int:  # noqa: PLR0911  # one return for each rule
        """Apply the rules to a terminator, if enough text is known."""
        ahead = matched(AHEAD.match(view))
        run, close, gap = ahead.group("run", "close", "gap")
        if not gap:
            return self._decide_without_gap(place, left, view, ahead, more=more)
        if "\n" in gap and BLANK_LINE.match(gap):
            return self._end_line(place + ahead.end("close"))
        if more and view[ahead.end("gap") :] in ("", "'"):
            return WAIT  # a quote that seems to open can be half of one that closes: so. ''
        run_end = place + len(run)
        if self._nesting.is_inside_after(close, self._base + place) and not self._is_unbalanced(left):
            return run_end
        following = look_ahead(view, ahead, more=more)
        if following is None:
            return WAIT
        if close and following.opening[:1] == "(" and self._nesting.start() > self._start:
            return run_end  # the sentence is longer than its speech, and the bracket belongs to it
        decision = self._rules.decide(left, run, following)
        if decision is ENDS:
            return self._end_sentence(place, view, ahead, more=more)
        if decision is Decision.ENDS_BEFORE_ELLIPSIS:
            return self._end_chunk(place + 1)
        return WAIT if decision is Decision.WAIT else run_end

    def _decide_without_gap(self, place: int, left: str, view: str, ahead: re.Match[str], *, more: bool) -> int:
        """Decide about a terminator without whitespace after it. Few sentences end there."""
        after = view[ahead.end("run") : ahead.end("run") + 1]
        if after.isdecimal() and ahead["run"] == ".":
            return self._handle_glued(place, left, view, more=more)
        if after.isupper():
            return self._handle_glued_sentence(place, left, view, more=more)
        if more and PART_OF_REFERENCES.match(view, ahead.end("close")):
            return WAIT
        run_end = place + ahead.end("run")
        return self._end_chunk(run_end) if self._ends_between_ideographs(place, left, after, ahead["run"]) else run_end

    def _is_unbalanced(self, left: str) -> bool:
        """Return whether only brackets are open and one was closed just before, so that too many were opened."""
        return left[-1:] == ")" and self._nesting.only_brackets()

    def _end_sentence(self, place: int, view: str, ahead: re.Match[str], *, more: bool) -> int:
        """End a sentence after its closing characters, and after references or pictographs that belong to it."""
        end = ahead.end("close")
        gap = ahead["gap"]
        after = view[ahead.end("gap") :]
        if "\n" in gap or not after:
            return self._end_chunk(place + end)
        if after[0].isalpha():
            return self._cut(place + end, place + ahead.end("gap"))
        if after[0] == "[":
            if more and PART_OF_REFERENCES.match(after):
                return WAIT
            found = REFERENCES.match(after)
            if found:
                end = ahead.end("gap") + len(found[0].rstrip())
        else:
            found = PICTOGRAPHS.match(after)
            if found and not self._begins_with_symbol():
                if found.end() == len(after) and more:
                    return WAIT
                end = ahead.end("gap") + found.end()
        return self._end_chunk(place + end)

    def _handle_glued(self, place: int, left: str, view: str, *, more: bool) -> int:
        """End a sentence after footnote numbers that follow its period without a space."""
        if self._nesting.is_inside(self._base + place) or not self._rules.allows_references(left):
            return place + 1
        found = GLUED_REFERENCES.match(view)
        if found:
            return self._end_chunk(place + found.end())
        return WAIT if more and PART_OF_GLUED_REFERENCES.match(view) else place + 1

    def _handle_glued_sentence(self, place: int, left: str, view: str, *, more: bool) -> int:
        """End a sentence before the next one, which follows without a space but with a word that starts sentences."""
        found = matched(GLUED_SENTENCE.match(view))
        word, run_end = found["word"], place + found.start("word")
        if not self._rules.allows_references(left) or self._nesting.is_inside(self._base + place):
            return run_end
        if found.end() == len(view) and not found["after"] and more:
            return WAIT
        if found["after"]:
            begins = self._rules.is_starter(word)
        else:
            begins = bool(found["next"]) and self._rules.starts_with_abbreviation(
                left, word, found["letters"], found["next"]
            )
        return self._end_chunk(run_end) if begins else run_end

    def _begins_with_symbol(self) -> bool:
        """Return whether the open chunk starts with a pictograph, which may be the bullet of a list item."""
        first = self._before_window[0] if self._before_window else self._window[self._start - self._base :][:1]
        return not first[0].isalnum() and first[0] > "\u00ff" and not first[0].isspace() and first[0] not in "“‘„«¿"

    def _ends_between_ideographs(self, place: int, left: str, after: str, run: str) -> bool:
        """Return whether an ASCII `!` or `?` is between ideographs."""
        if not left or not after or run.strip("!?") or self._nesting.is_inside(self._base + place):
            return False
        return is_ideographic(left[-1]) and is_ideographic(after)

    def _handle_full_stop(self, place: int) -> int:
        view, more = self._view(place)
        ahead = matched(FULL_STOP_AHEAD.match(view))
        if ahead.end() == len(view) and more:
            return WAIT
        left = self._text_before(place)
        after = view[ahead.end() : ahead.end() + 1]
        run_end = place + ahead.start("close")
        if view[0] == "．" and left[-1:].isdigit() and after.isdigit():
            return run_end
        if view[0] == "．" and run_end == place + 1 and self._rules.is_wide_abbreviation(left):
            return run_end
        if self._nesting.is_inside_after(ahead["close"], self._base + place):
            return run_end
        if after and (after in CONTINUES_WIDE or (ahead["close"] and after in QUOTATIVE)):
            return run_end
        end = ahead.end()
        while view[end - 1] in "\"'" and not self._nesting.is_inside(self._base + place):
            end -= 1  # the quote opens the next sentence
        return self._end_chunk(place + end)

    # Quotes and brackets, recorded when the next character is known

    def _handle_pair(self, place: int) -> int:
        """Record a bracket, or a quote with two forms."""
        after = self._window[place + 1 : place + 2]
        if not after and not self._final:
            return WAIT
        at = self._base + place
        character = self._window[place]
        if len(self._nesting.open) >= DEPTH and character in "([{" and self._nesting.is_inside(at):
            return place + 1
        if not self._nesting.open_backticks(at):
            self._nesting.note(character, at, self._character_before(place), after)
        return place + 1

    def _handle_speech(self, place: int) -> int:
        """Record a quote that can close speech."""
        after = self._window[place + 1 : place + 2]
        if not after and not self._final:
            return WAIT
        at = self._base + place
        before = self._character_before(place)
        if before in _BREAKS_OFF and self._nesting.is_inside_after("", at):
            interrupted = self._handle_interruption(place)
            if interrupted is not None:
                return interrupted
        if not self._nesting.open_backticks(at):
            if self._window[place] == '"':
                self._nesting.note_straight_quote(at, before, after)
            else:
                self._nesting.close("”", at)
        return place + 1

    def _handle_guillemet(self, place: int) -> int:
        after = self._window[place + 1 : place + 2]
        if not after and not self._final:
            return WAIT
        at = self._base + place
        if not self._nesting.open_backticks(at):
            self._nesting.note_guillemet(self._window[place], at, self._character_before(place), after)
        return place + 1

    def _handle_single(self, place: int) -> int:
        """Record a single quote outside of words. In a word it is an apostrophe."""
        window = self._window
        after = window[place + 1 : place + 2]
        if not after and not self._final:
            return WAIT
        character = window[place]
        at = self._base + place
        left = self._text_before(place)
        if not self._nesting.open_backticks(at):
            if character != "’" and after.isalnum() and window[place + 1 : place + 3] in self._rules.contraction_starts:
                view, more = self._view(place)
                contracts = self._rules.is_contraction(view, more=more)
                if contracts is None:
                    return WAIT
                if contracts:
                    return place + 1
            self._nesting.note_single_quote(character, at, left, after)
        elif character == "'" and left.endswith((".", "?", "!", ",", "'")) and not after.isalnum():
            self._nesting.close("`", at)  # `as TeX quotes'
        return place + 1

    def _handle_interruption(self, place: int) -> int | None:
        """End the sentence after speech that a dash interrupts, if a capital follows."""
        view, more = self._view(place)
        ahead = INTERRUPTED.match(view)
        if ahead is None or self._nesting.is_inside_after(view[0], self._base + place):
            return None
        if ahead["next"] is None:
            return WAIT if more else None
        return self._end_chunk(place + 1) if ahead["next"][-1].isupper() else None

    def _handle_backticks(self, place: int) -> int:
        view, more = self._view(place)
        count = len(view) - len(view.lstrip("`"))
        if count == len(view) and more:
            return WAIT
        at = self._base + place
        self._nesting.note_backticks("`" * count, at, self._character_before(place), view[count : count + 1])
        return place + count


BoundaryScanner._handlers = (
    dict.fromkeys(NESTING, BoundaryScanner._handle_pair)
    | dict.fromkeys("'‘’", BoundaryScanner._handle_single)
    | dict.fromkeys("«»‹›", BoundaryScanner._handle_guillemet)
    | dict.fromkeys('"”', BoundaryScanner._handle_speech)
    | dict.fromkeys(TERMINATORS, BoundaryScanner._handle_terminator)
    | dict.fromkeys(FULL_STOPS, BoundaryScanner._handle_full_stop)
    | dict.fromkeys(BULLETS, BoundaryScanner._handle_bullet)
    | {
        ")": BoundaryScanner._handle_bracket,
        "`": BoundaryScanner._handle_backticks,
        "\n": BoundaryScanner._handle_line_end,
    }
)
