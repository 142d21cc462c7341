"""The machine that cuts prose: what it does at a terminator, a quote or a bracket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_streamval.engine.prose.blocks import Layout
from pytest_streamval.engine.prose.characters import (
    AHEAD,
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
from pytest_streamval.engine.prose.lookahead import LOWER, Next, kind_of_letter, look
from pytest_streamval.engine.prose.nesting import DEPTH, NESTING
from pytest_streamval.engine.prose.rules import ENDS, GOES_ON, Verdict

if TYPE_CHECKING:
    import re

    from pytest_streamval.engine.prose.rules import Rule

_CLOSING_SPEECH: Final = frozenset("\"”'’»)")
_OPENING_SPEECH: Final = frozenset("\"“'‘„‚«‹»*_¿¡")
_APOSTROPHES: Final = frozenset("'‘’")
_BREAKS_OFF: Final = frozenset("-—–")


class ProseCuts(Layout):
    """One stream of prose being cut."""

    # Candidates: each method returns the place to go on at, or WAIT

    def _meet_terminator(self, place: int) -> int:  # noqa: C901, PLR0911  # an answer a shape
        """Look at what stands behind a terminator: nearly always, three characters show how it is to be judged."""
        window = self._window
        behind = window[place + 1 : place + 4]
        if not behind:
            return self._weigh(place) if self._final else WAIT
        first = behind[0]
        if first == " ":
            letter = behind[1:2]
            if letter in _OPENING_SPEECH:
                if letter in _APOSTROPHES and behind[2:].islower():
                    return self._weigh(place)  # 't Is laat.
                letter = behind[2:]
            if letter.isalnum() or letter in ("", "`"):
                return self._meet_gap(place, place + 1, letter)
        elif first == "\n":
            letter = behind[1:2]
            if letter == "\n":
                return self._end_line(place + 1)
            if letter.isalnum():
                return self._meet_gap(place, place + 1, letter)
        elif first in _CLOSING_SPEECH:
            if behind[1:] == "\n\n" and first != ")":
                return self._end_line(place + 2)
            letter = behind[2:]
            if behind[1:2] == " " and (letter.isalnum() or not letter) and window[place - 1].isalnum():
                return self._meet_gap(place, place + 2, letter)
        elif first.isalnum() and window[place] == "." and not self._may_be_glued(place, first):
            return place + 1
        return self._weigh(place)

    def _meet_gap(self, place: int, end: int, letter: str) -> int:  # noqa: PLR0911  # an answer a rule
        """Decide where the sentence would end at `end`, with a word behind the gap: what the rules find, sooner."""
        at = self._base + place
        nesting = self._nesting
        if nesting.open and nesting.code(at):
            return place + 1
        word = self._rules.word(self._last_word(place))
        period = self._window[place] == "."
        if (
            word.bare
            or not (period or self._window[place] in "!?")
            or (word.label and (nesting.open or end > place + 1))
        ):
            return self._weigh(place)
        if word.label and period:
            view, more = self._view(place)
            item = self._try_item(place, self._left(place), view, more=more)
            if item is not None:
                return item
        if not letter:
            return self._weigh(place) if self._final else WAIT
        kind = kind_of_letter(letter)
        if nesting.open:
            if self._window[place - 1] == ")":
                return self._weigh(place)
            if nesting.holds_behind(self._window[place + 1 : end], at):
                return place + 1
        if kind == LOWER and end > place + 1:
            return place + 1
        return self._meet_word(place, end, kind, word.period.get(kind) if period else word.mark.get(kind))

    def _meet_word(self, place: int, end: int, kind: str, answer: Verdict | Rule | None) -> int:
        """Do what the word before a terminator answers, or ask the rule that it names."""
        if answer is None:
            return self._weigh(place)
        if not isinstance(answer, Verdict):
            view, more = self._view(place)
            answer = answer(self._left(place), Next(view, sure(AHEAD.match(view)), kind, more=more))
        if answer is ENDS:
            return self._cut(end, end + 1) if self._window[end] == " " else self._end(end)
        return place + 1 if answer is GOES_ON else WAIT

    def _may_be_glued(self, place: int, behind: str) -> bool:
        """Whether a period within a word may end a sentence: before a footnote number, or where a space is missing."""
        before = self._window[place - 1 : place]
        if behind.isdigit():
            return before.islower() or before in ")]"
        return behind.isupper() and (before.islower() or before.isdigit())

    def _weigh(self, place: int) -> int:
        """Decide about any terminator: code and list markers first, then the rules."""
        left = self._left(place)
        view, more = self._view(place)
        code = self._nesting.code(self._base + place)
        if code and not view.startswith(code, 1):
            return WAIT if more and code.startswith(view[1:]) else place + 1
        if view[0] == "." and left[-1:].isalnum() and self._rules.word(left[left.rfind(" ") + 1 :]).label:
            item = self._try_item(place, left, view, more=more)
            if item is not None:
                return item
        return self._judge(place, left, view, more=more)

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
        if verdict is ENDS:
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
        word, run_end = found["word"], place + found.start("word")
        if not self._rules.takes_references(left) or self._nesting.holds(self._base + place):
            return run_end
        if found.end() == len(view) and not found["after"] and more:
            return WAIT
        if found["after"]:
            begins = self._rules.begins(word)
        else:
            begins = bool(found["next"]) and self._rules.begins_shortened(left, word, found["letters"], found["next"])
        return self._end(run_end) if begins else run_end

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
        if view[0] == "．" and left[-1:].isdigit() and behind.isdigit():
            return run_end
        if view[0] == "．" and run_end == place + 1 and self._rules.is_wide_abbreviation(left):
            return run_end
        if self._nesting.holds_behind(ahead["close"], self._base + place):
            return run_end
        if behind and (behind in HOLDS_WIDE or (ahead["close"] and behind in QUOTATIVE)):
            return run_end
        end = ahead.end()
        while view[end - 1] in "\"'" and not self._nesting.holds(self._base + place):
            end -= 1  # it opens the next sentence
        return self._end(place + end)

    # Quotes and brackets, noted once their neighbour is known

    def _meet_pair(self, place: int) -> int:
        """Take note of a bracket, or of a quote whose two forms differ."""
        after = self._window[place + 1 : place + 2]
        if not after and not self._final:
            return WAIT
        at = self._base + place
        character = self._window[place]
        if len(self._nesting.open) >= DEPTH and character in "([{" and self._nesting.holds(at):
            return place + 1
        if not self._nesting.code(at):
            self._nesting.meet(character, at, self._before(place), after)
        return place + 1

    def _meet_speech(self, place: int) -> int:
        """Take note of a quote that may close speech."""
        after = self._window[place + 1 : place + 2]
        if not after and not self._final:
            return WAIT
        at = self._base + place
        before = self._before(place)
        if before in _BREAKS_OFF and self._nesting.holds_behind("", at):
            interrupted = self._meet_interruption(place)
            if interrupted is not None:
                return interrupted
        if not self._nesting.code(at):
            if self._window[place] == '"':
                self._nesting.meet_straight(at, before, after)
            else:
                self._nesting.close("”", at)
        return place + 1

    def _meet_guillemet(self, place: int) -> int:
        after = self._window[place + 1 : place + 2]
        if not after and not self._final:
            return WAIT
        at = self._base + place
        if not self._nesting.code(at):
            self._nesting.meet_guillemet(self._window[place], at, self._before(place), after)
        return place + 1

    def _meet_single(self, place: int) -> int:
        """Take note of a single quote that stands within no word: there it is an apostrophe, and no candidate."""
        window = self._window
        after = window[place + 1 : place + 2]
        if not after and not self._final:
            return WAIT
        character = window[place]
        at = self._base + place
        left = self._left(place)
        if not self._nesting.code(at):
            if character != "’" and after.isalnum() and window[place + 1 : place + 3] in self._rules.contraction_starts:
                view, more = self._view(place)
                contracts = self._rules.contracts(view, more=more)
                if contracts is None:
                    return WAIT
                if contracts:
                    return place + 1
            self._nesting.meet_single(character, at, left, after)
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
        self._nesting.meet_backticks("`" * count, at, self._before(place), view[count : count + 1])
        return place + count


ProseCuts._handlers = (
    dict.fromkeys(NESTING, ProseCuts._meet_pair)
    | dict.fromkeys("'‘’", ProseCuts._meet_single)
    | dict.fromkeys("«»‹›", ProseCuts._meet_guillemet)
    | dict.fromkeys('"”', ProseCuts._meet_speech)
    | dict.fromkeys(TERMINATORS, ProseCuts._meet_terminator)
    | dict.fromkeys(FULL_STOPS, ProseCuts._meet_full_stop)
    | dict.fromkeys(BULLETS, ProseCuts._meet_bullet)
    | {
        ")": ProseCuts._meet_bracket,
        "`": ProseCuts._meet_backticks,
        "\n": ProseCuts._meet_line_end,
    }
)
