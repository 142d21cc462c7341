"""The rules for a period after a word.

Decisions that depend only on the last word are computed once per word and kept, for a limited number of words: see
`Word`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from pytest_streamval.engine.prose.characters import LEFT, OPENING, is_ideographic
from pytest_streamval.engine.prose.languages import Abbreviation
from pytest_streamval.engine.prose.lexicon import (
    NUMERAL,
    QUANTITY,
    Lexicon,
    has_uncased_letters,
    is_acronym,
    is_indic,
    lacks_vowels,
)
from pytest_streamval.engine.prose.lookahead import DIGIT, LOWER, OTHER, UPPER, Following
from pytest_streamval.engine.prose.markers import may_be_label

if TYPE_CHECKING:
    from pytest_streamval.engine.prose.languages import Language


class Decision(Enum):
    """The effect of a terminator."""

    CONTINUES = "the sentence continues"
    ENDS = "the sentence ends after the terminator and its closing characters"
    ENDS_BEFORE_ELLIPSIS = (
        "the sentence ends after the first period, and the rest is an ellipsis that starts the next one"
    )
    WAIT = "the decision needs more text"


CONTINUES, ENDS, WAIT = Decision.CONTINUES, Decision.ENDS, Decision.WAIT

PeriodRule: TypeAlias = Callable[[str, Following], Decision]
Decisions: TypeAlias = Mapping[str, Decision | PeriodRule]
"""The decision by the kind of the next word. It can be a rule, which sees the text."""

KNOWN: Final = 1_024
"""The number of words for which a `PeriodRules` keeps its decisions. It forgets all of them before the next one."""

_NUMBER: Final = re.compile(r"\A[^\w]*\d[\d.,:]*\Z")
_ABBREVIATES: Final = frozenset("°º&ª")
_BEFORE_INITIAL: Final = frozenset("-‐/('’\"“")
_MENTIONS: Final = frozenset("\"'“‘„‚«»*_`")
"""Characters around an abbreviation that the sentence only mentions."""
_INTRODUCES: Final = frozenset(",;:(-–—")
"""Characters before a quoted abbreviation that show that more text follows: `fruit, *e.g.* Gala apples`."""


class Word(NamedTuple):
    """The decisions that depend only on the word before a terminator."""

    period: Decisions
    """The decisions for a single period after it."""
    mark: Mapping[str, Decision]
    """The decisions for a single exclamation or question mark, followed by a space and a word. If none is here, it
    depends on the sentence."""
    label: bool
    """Whether it can be the label of a list item, which is checked before the rules."""
    bare: bool
    """Whether it has neither letters nor digits, so that the sentence may have none either."""


def _decisions(
    lower: Decision | PeriodRule,
    upper: Decision | PeriodRule,
    digit: Decision | PeriodRule,
    other: Decision | PeriodRule,
) -> Decisions:
    return {LOWER: lower, UPPER: upper, DIGIT: digit, OTHER: other}


_ALWAYS: Final = _decisions(ENDS, ENDS, ENDS, ENDS)
_NEVER: Final = _decisions(CONTINUES, CONTINUES, CONTINUES, CONTINUES)
_BEFORE_CAPITALS: Final = _decisions(CONTINUES, ENDS, ENDS, ENDS)
"""Also after a bracket, a quote or a symbol, which no abbreviation ends with."""
_AFTER_MARK: Final = {UPPER: ENDS, DIGIT: ENDS, OTHER: ENDS}


class PeriodRules:
    """The rules for a period after a word of one language."""

    def __init__(self, language: Language, abbreviations: Iterable[str] = ()) -> None:
        self._words = Lexicon(language, abbreviations)
        self._starters = language.words["starters"]
        self._ordinal = language.ordinal
        self._prefixes = prefixes(self._starters)
        self._known: dict[str, Word] = {}
        self._starter_decisions = _decisions(CONTINUES, self._before_starter, CONTINUES, _before_other_script)
        self._by_kind = {
            Abbreviation.NEVER: _NEVER,
            Abbreviation.TITLE: _NEVER,
            Abbreviation.NUMBER: _decisions(CONTINUES, _before_number, CONTINUES, ENDS),
            Abbreviation.ENDING: _decisions(CONTINUES, self._before_capital, CONTINUES, ENDS),
            Abbreviation.OFTEN: self._starter_decisions,
            Abbreviation.DAY: _decisions(_if_in_lower_case, ENDS, CONTINUES, ENDS),
            Abbreviation.CLOCK: _decisions(CONTINUES, self._after_time, CONTINUES, _before_other_script),
        }

    def word(self, text: str) -> Word:
        """Return the decisions of the last word of `text`, which has no space before it."""
        return self._known.get(text) or self._look_up(text)

    # The last word

    def _look_up(self, text: str) -> Word:
        last = last_word(text)
        token = "" if text[-1:].isspace() else last.lstrip(OPENING)
        mark = {} if self._words.has(last.lstrip(OPENING), "exclaimed") else _AFTER_MARK
        decisions = self._decisions_if_mentioned(last) if last[:1] in _MENTIONS and token else None
        word = Word(
            decisions or self._decisions_after(token), mark, label=may_be_label(text), bare=not has_letter(text)
        )
        if len(self._known) >= KNOWN:
            self._known.clear()
        self._known[text] = word
        return word

    def _decisions_if_mentioned(self, text: str) -> Decisions | None:
        """Return the decisions after an abbreviation in quotes or emphasis, or None for other words."""
        kind = self._words.kind(text.lstrip(OPENING + "`"))
        if kind not in (Abbreviation.NEVER, Abbreviation.TITLE):
            return None

        def mentioned(left: str, following: Following) -> Decision:
            if not following.closes:
                return CONTINUES
            if kind is Abbreviation.TITLE:
                return self._before_starter(left, following)
            before = left[: len(left) - len(text)].rstrip()[-1:]
            return CONTINUES if not before or before in _INTRODUCES or "(" in following.opening else ENDS

        return {**_NEVER, UPPER: mentioned}

    def _decisions_after(self, token: str) -> Decisions:
        """Return the decisions for a period after a word. After a unit they depend on a number before it."""
        decisions = self._decisions_after_word(token)
        if not self._words.has(token, "units"):
            return decisions
        measure = self._by_kind[Abbreviation.ENDING]

        def measured(left: str, following: Following) -> Decision:
            before = left.split()[-2:-1]
            answer = (measure if before and QUANTITY.match(before[0]) else decisions)[following.kind]
            return answer if isinstance(answer, Decision) else answer(left, following)

        return dict.fromkeys(decisions, measured)

    def _decisions_after_word(self, token: str) -> Decisions:  # noqa: PLR0911  # one return for each rule
        """Return the decisions for a period after a word that is not a unit."""
        last = token[-1:]
        if is_indic(token):
            return _NEVER if self._words.is_indic_abbreviation(token) else _ALWAYS
        if not last.isalnum() and last not in _ABBREVIATES:
            return _BEFORE_CAPITALS
        kind = self._words.kind(token)
        if kind is not None:
            return self._by_kind[kind]
        if len(token) == 1 or (last.isupper() and token[-2] in _BEFORE_INITIAL):
            return self._decisions_after_letter(last)
        if last.isdigit() and _NUMBER.match(token):
            return self._decisions_after_number(token)
        if is_acronym(token):
            return self._starter_decisions
        lower = ENDS if self._words.is_plain(token) else CONTINUES
        if lacks_vowels(token):
            return {**self._starter_decisions, LOWER: lower}
        return _ALWAYS if lower is ENDS else _BEFORE_CAPITALS

    def _decisions_after_letter(self, letter: str) -> Decisions:
        """Return the decisions after a single letter: an initial, or the word "I"."""
        if letter.isdigit():
            return self._decisions_after_number(letter)
        if is_ideographic(letter):
            return _ALWAYS
        return {**self._starter_decisions, UPPER: self._first_person} if letter == "I" else self._starter_decisions

    def _decisions_after_number(self, token: str) -> Decisions:
        """Return the decisions after digits: "as payment for 1. above", and in some languages the 3. of May."""
        day = self._ordinal and len(token) <= 2  # noqa: PLR2004  # a day, a month, a century
        return self._starter_decisions if day else _BEFORE_CAPITALS

    # Periods, before a capital

    def _first_person(self, left: str, following: Following) -> Decision:
        """End after the word "I" if a word in lower case is before it. An initial has a name before it."""
        before = left.split()[-2:-1]
        return ENDS if before and before[0].islower() else self._before_starter(left, following)

    def _before_starter(self, left: str, following: Following) -> Decision:
        """End before a starter, a word that often starts sentences."""
        del left
        if "(" in following.opening:
            return CONTINUES
        word = following.word
        if not following.complete:
            return WAIT if word.lower() in self._prefixes else CONTINUES
        if word.lower() not in self._starters or (len(word) > 1 and not word[1:].islower()):
            return CONTINUES
        return CONTINUES if len(word) == 1 and following.after == "." else ENDS

    def _before_capital(self, left: str, following: Following) -> Decision:
        """End before any capital except that of another abbreviation: `Co. KG`."""
        del left
        if "(" in following.opening:
            return CONTINUES
        if not following.complete:
            return WAIT
        word = following.word
        return (
            CONTINUES
            if self._words.kind(word.lower()) is Abbreviation.ENDING or word in ("KG", "AG", "SA", "SE")
            else ENDS
        )

    def _after_time(self, left: str, following: Following) -> Decision:
        """End before any capital, but not in "6 p.m. EST" and not between "At 5 a.m." and the subject (rule 18)."""
        if not following.complete:
            return WAIT
        word = following.word.lower()
        if self._words.has(word, "dates"):
            return CONTINUES
        return CONTINUES if self._words.kind(word) is Abbreviation.TITLE and _is_bare_time(left) else ENDS


def _before_number(left: str, following: Following) -> Decision:
    """Continue before a number, a numeral or a label such as A13."""
    del left
    if not following.complete:
        return WAIT
    word = following.word
    return CONTINUES if len(word) == 1 or following.after.isdigit() or NUMERAL.match(word) else ENDS


def _if_in_lower_case(left: str, following: Following) -> Decision:
    """End only if the sentence starts in lower case."""
    del following
    return ENDS if starts_in_lower_case(left) else CONTINUES


def _before_other_script(left: str, following: Following) -> Decision:
    """End before a word of a script without case, if the sentence itself has none: `at 2 p.m. 请别迟到。`."""
    return ENDS if following.word and "(" not in following.opening and not has_uncased_letters(left) else CONTINUES


def prefixes(words: frozenset[str]) -> frozenset[str]:
    """Return all prefixes of the words, including the words."""
    return frozenset(word[:length] for word in words for length in range(1, len(word) + 1))


def last_word(text: str) -> str:
    """Return the last word of a text, or an empty string."""
    words = text.rsplit(None, 1)
    return words[-1] if words else ""


def has_letter(text: str) -> bool:
    """Return whether a text has a letter or a digit."""
    return text[-1:].isalnum() or any(map(str.isalnum, text))


def starts_in_lower_case(left: str) -> bool:
    """Return whether the sentence starts in lower case, like all sentences of some writers."""
    return len(left) < LEFT and left.lstrip()[:1].islower()


def _is_bare_time(left: str) -> bool:
    """Return whether the sentence so far is only a time: "At 5 a.m."."""
    words = left.split()
    return len(left) < LEFT and len(words) <= 3  # noqa: PLR2004  # preposition, hour, a.m.
