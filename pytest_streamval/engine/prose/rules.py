"""The rules that decide whether a terminator ends its sentence, given what stands before and behind it.

Every rule is a pure function of the `LEFT` characters before the terminator, as far as they belong to the sentence,
and the `LOOK` characters from it on. What depends on the last word alone is found once for each word and kept, for a
limited number of words: see `Word`.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from pytest_streamval.engine.prose.characters import LEFT, OPENING, is_ideographic, sure
from pytest_streamval.engine.prose.languages import Kind
from pytest_streamval.engine.prose.lexicon import (
    CONTRACTED,
    NUMERAL,
    QUANTITY,
    WIDE_WORD,
    Words,
    is_acronym,
    is_indic,
    lacks_vowels,
    narrow,
    writes_no_case,
)
from pytest_streamval.engine.prose.lookahead import DIGIT, HOLDS, LOWER, OTHER, UPPER, Next
from pytest_streamval.engine.prose.markers import may_be_label

if TYPE_CHECKING:
    from pytest_streamval.engine.prose.languages import Language


class Verdict(Enum):
    """What a terminator does."""

    GOES_ON = "the sentence goes on"
    ENDS = "the sentence ends behind the terminator and what closes with it"
    ENDS_BEFORE_ELLIPSIS = "the sentence ends behind the first period; the rest is an ellipsis that begins the next"
    WAIT = "more of the text decides"


GOES_ON, ENDS, WAIT = Verdict.GOES_ON, Verdict.ENDS, Verdict.WAIT

Rule: TypeAlias = Callable[[str, Next], Verdict]
Answers: TypeAlias = Mapping[str, Verdict | Rule]
"""What a terminator does, by what follows: a verdict, or the rule to ask."""

KNOWN: Final = 1_024
"""How many words a `Rules` keeps what it found for; with one more it begins anew."""

_NUMBER: Final = re.compile(r"[^\w]*\d[\d.,:]*\Z")
_ABBREVIATES: Final = frozenset("°º&ª")
_BEFORE_INITIAL: Final = frozenset("-‐/('’\"“")
_APOSTROPHES: Final = ("'", "‘", "’")
_MENTIONS: Final = frozenset("\"'“‘„‚«»*_`")
"""Before an abbreviation and after it, these make it a word that the sentence is about."""
_INTRODUCES: Final = frozenset(",;:(-–—")
"""Before an abbreviation that is set off, these show that more follows: `fruit, *e.g.* Gala apples`."""
_MARK: Final = re.compile(r"\((?:[a-zA-Z]|\d{1,2}|[ivx]{2,5})\)\s")
_PART_OF_MARK: Final = re.compile(r"\(\w{0,5}\)?\Z")


class Word(NamedTuple):
    """What the rules make of the word that stands before a terminator, whatever its sentence."""

    period: Answers
    """What a single period behind it does."""
    mark: Mapping[str, Verdict]
    """What a single exclamation or question mark does where nothing but a space stands before a word; what is not in
    here needs the sentence."""
    label: bool
    """Whether it may be the label of a list item, which is looked at before any rule is."""
    bare: bool
    """Whether it has neither letter nor digit, so that the sentence may have none either."""


def _answers(lower: Verdict | Rule, upper: Verdict | Rule, digit: Verdict | Rule, other: Verdict | Rule) -> Answers:
    return {LOWER: lower, UPPER: upper, DIGIT: digit, OTHER: other}


_ALWAYS: Final = _answers(ENDS, ENDS, ENDS, ENDS)
_NEVER: Final = _answers(GOES_ON, GOES_ON, GOES_ON, GOES_ON)
_BEFORE_CAPITALS: Final = _answers(GOES_ON, ENDS, ENDS, ENDS)
"""Also behind a bracket, a quote or a symbol, which no abbreviation ends with."""
_BEHIND_MARK: Final = {UPPER: ENDS, DIGIT: ENDS, OTHER: ENDS}


class Rules:
    """The rules over the words of one language."""

    def __init__(self, language: Language, abbreviations: Iterable[str] = ()) -> None:
        self._words = Words(language, abbreviations)
        self._starters = language.words["starters"]
        self._ordinal = language.ordinal
        self._beginnings = _beginnings(self._starters)
        self._contractions = language.words["contractions"]
        self._contraction_beginnings = _beginnings(self._contractions)
        self.contraction_starts = _starts(self._contractions)
        """The first two characters of a contraction, and the first one alone."""
        self._known: dict[str, Word] = {}
        self._often_answers = _answers(GOES_ON, self._often, GOES_ON, _before_other_script)
        self._by_kind = {
            Kind.NEVER: _NEVER,
            Kind.TITLE: _NEVER,
            Kind.NUMBER: _answers(GOES_ON, _before_number, GOES_ON, ENDS),
            Kind.ENDING: _answers(GOES_ON, self._ending, GOES_ON, ENDS),
            Kind.OFTEN: self._often_answers,
            Kind.DAY: _answers(_if_small, ENDS, GOES_ON, ENDS),
            Kind.CLOCK: _answers(GOES_ON, self._clock, GOES_ON, _before_other_script),
        }

    def word(self, text: str) -> Word:
        """Return what the rules make of the last word of `text`, which holds no space before it."""
        return self._known.get(text) or self._learn(text)

    def verdict(self, left: str, run: str, following: Next) -> Verdict:  # noqa: C901, PLR0911  # an answer a rule
        """Return what the terminators `run` do between `left` and what follows."""
        kind = following.kind
        if kind == HOLDS or (len(left) < LEFT and not _has_letter(left)):
            return GOES_ON
        if left[-1] in "([" and following.closing:
            return GOES_ON  # "(!)", "[...]": a mark about the text, not of it
        if kind == LOWER:
            if "(" in following.opening:
                return _parenthesis(following)
            if following.closing and "\n" not in following.gap:
                return GOES_ON  # "Stop!" he said.
        if following.dash and (following.closing or kind == LOWER):
            return GOES_ON  # who said it: "Be yourself." — Oscar Wilde
        if run == ".":
            if kind == LOWER and following.opening in _APOSTROPHES and following.word in self._contractions:
                kind = following.kind_behind()
            answer = self.word(left[left.rfind(" ") + 1 :]).period.get(kind, WAIT)
            if kind != following.kind:  # 't Is laat.
                return answer if answer in (GOES_ON, WAIT) else ENDS
            return answer if isinstance(answer, Verdict) else answer(left, following)
        if "!" in run or "?" in run or run.strip(".… \xa0"):
            return self._strong(left, run, following)
        return self._ellipsis(left, run, following)

    def holds_on(self, left: str) -> bool:
        """Whether a line that ends with `left` goes on in the next line, whatever that begins with."""
        last = _last_word(left)
        return last[-1:] in (",", "-", "–", "—", "&") or self._words.has(last, "loose")

    def counts(self, left: str, *, digits: bool) -> bool:
        """Whether a label behind `left` is part of the sentence: "go to step" 2, "vitamins A and" B."""
        last = _last_word(left)
        if digits and self._words.has(last, "loose"):
            return True
        return (
            self._words.has(last, "counted")
            or last[-1:] in "=<>+-*/,§#"
            or self._words.kind(last.rstrip(".")) is not None
        )

    def takes_references(self, left: str) -> bool:
        """Whether the word that `left` ends with can have footnote numbers set right behind its period."""
        token = _last_word(left)
        return (
            token[-1:] in (")", "]")
            or token.isdigit()
            or (token.isalpha() and self._words.kind(token) is None and self._words.is_plain(token))
        )

    def begins(self, word: str) -> bool:
        """Whether a capitalised word is one that sentences begin with."""
        return word.lower() in self._starters

    def begins_shortened(self, left: str, word: str, letters: str, after: str) -> bool:
        """Return whether a capitalised abbreviation or initial begins a sentence right after that of `left`.

        `letters` are those that follow its period with periods of their own, `after` is the next character.
        """
        kind = self._words.kind(word)
        if self._words.kind(f"{_last_word(left)}.{word}") is not None:
            return False
        if after.isspace():
            return len(word) == 1 or kind not in (None, Kind.ENDING)
        return kind is Kind.TITLE and not letters and after.isupper()

    def contracts(self, view: str, *, more: bool) -> bool | None:
        """Return whether a single quote is the apostrophe of a contraction, None if more of the text decides."""
        found = sure(CONTRACTED.match(view))
        word, after = found["word"], found["after"]
        if more and not after:
            return None if word is None or word.lower() in self._contraction_beginnings else False
        if after.isalnum() or after == "_":
            return False
        return len(found["year"]) > 1 if word is None else word.lower() in self._contractions

    def is_wide_abbreviation(self, left: str) -> bool:
        """Return whether a full-width period after `left` belongs to an initial or an abbreviation in Latin letters."""
        found = WIDE_WORD.search(left)
        if found is None:
            return False
        return len(found[0]) == 1 or self._words.kind(narrow(found[0])) not in (None, Kind.ENDING)

    # The last word

    def _learn(self, text: str) -> Word:
        """Find out about a word, and keep it."""
        last = _last_word(text)
        token = "" if text[-1:].isspace() else last.lstrip(OPENING)
        mark = {} if self._words.has(last.lstrip(OPENING), "exclaimed") else _BEHIND_MARK
        answers = self._mentioned(last) if last[:1] in _MENTIONS and token else None
        word = Word(answers or self._behind(token), mark, label=may_be_label(text), bare=not _has_letter(text))
        if len(self._known) >= KNOWN:
            self._known.clear()
        self._known[text] = word
        return word

    def _mentioned(self, text: str) -> Answers | None:
        """Return what a period does after an abbreviation that quotes or emphasis begin at, None for other words."""
        kind = self._words.kind(text.lstrip(OPENING + "`"))
        if kind not in (Kind.NEVER, Kind.TITLE):
            return None

        def mentioned(left: str, following: Next) -> Verdict:
            if not following.closes:
                return GOES_ON
            if kind is Kind.TITLE:
                return self._often(left, following)
            before = left[: len(left) - len(text)].rstrip()[-1:]
            return GOES_ON if not before or before in _INTRODUCES or "(" in following.opening else ENDS

        return {**_NEVER, UPPER: mentioned}

    def _behind(self, token: str) -> Answers:
        """Return what a single period behind a word does; one that is a unit too asks for the number before it."""
        answers = self._behind_word(token)
        if not self._words.has(token, "units"):
            return answers
        measure = self._by_kind[Kind.ENDING]

        def measured(left: str, following: Next) -> Verdict:
            before = left.split()[-2:-1]
            answer = (measure if before and QUANTITY.match(before[0]) else answers)[following.kind]
            return answer if isinstance(answer, Verdict) else answer(left, following)

        return dict.fromkeys(answers, measured)

    def _behind_word(self, token: str) -> Answers:  # noqa: PLR0911  # an answer a rule
        """Return what a single period behind a word does, whatever stands before it."""
        last = token[-1:]
        if is_indic(token):
            return _NEVER if self._words.is_indic_abbreviation(token) else _ALWAYS
        if not last.isalnum() and last not in _ABBREVIATES:
            return _BEFORE_CAPITALS
        kind = self._words.kind(token)
        if kind is not None:
            return self._by_kind[kind]
        if len(token) == 1 or (last.isupper() and token[-2] in _BEFORE_INITIAL):
            return self._behind_letter(last)
        if last.isdigit() and _NUMBER.match(token):
            return self._behind_number(token)
        if is_acronym(token):
            return self._often_answers
        lower = ENDS if self._words.is_plain(token) else GOES_ON
        if lacks_vowels(token):
            return {**self._often_answers, LOWER: lower}
        return _ALWAYS if lower is ENDS else _BEFORE_CAPITALS

    def _behind_letter(self, letter: str) -> Answers:
        """Decide behind a single letter: an initial, unless it is the word "I" or a beginning follows."""
        if letter.isdigit():
            return self._behind_number(letter)
        if is_ideographic(letter):
            return _ALWAYS
        return {**self._often_answers, UPPER: self._first_person} if letter == "I" else self._often_answers

    def _behind_number(self, token: str) -> Answers:
        """Decide behind digits: "as payment for 1. above", and in some languages the 3. of May."""
        day = self._ordinal and len(token) <= 2  # noqa: PLR2004  # a day, a month, a century
        return self._often_answers if day else _BEFORE_CAPITALS

    # Exclamation and question marks, ellipses

    def _strong(self, left: str, run: str, following: Next) -> Verdict:  # noqa: PLR0911  # an answer a rule
        """Decide behind `!` and `?`: only a word in lower case, or a name such as Yahoo!, makes them go on."""
        name = run == "!" and self._words.has(_last_word(left).lstrip(OPENING), "exclaimed")
        if following.kind != LOWER:
            return self._often(left, following) if name and following.kind == UPPER else ENDS
        if name:
            return GOES_ON
        if "\n" in following.gap:
            return ENDS
        if not following.complete:
            return WAIT
        if not following.word.islower():
            return ENDS  # iPhone
        if _starts_small(left):
            return ENDS
        return ENDS if "?" in run and not self._words.has(following.word, "reporting") else GOES_ON

    def _ellipsis(self, left: str, run: str, following: Next) -> Verdict:
        """Decide behind `...`, `…`, `. . .` and more dots: golden rules 46 to 51 (Chicago 13.50-13.58)."""
        if following.kind in (LOWER, DIGIT):
            return GOES_ON
        attached = not left[-1].isspace()
        if " ." in run or "\xa0." in run:
            if run.count(".") < 4:  # noqa: PLR2004  # three are an omission, the fourth is the period
                return GOES_ON
            return Verdict.ENDS_BEFORE_ELLIPSIS if attached and run[1] != "." else ENDS
        if attached or following.word != "I":
            return ENDS
        return GOES_ON if following.complete else WAIT

    # Periods, before a capital

    def _first_person(self, left: str, following: Next) -> Verdict:
        """End behind the word "I", which a word in lower case stands before; an initial has a name there."""
        before = left.split()[-2:-1]
        return ENDS if before and before[0].islower() else self._often(left, following)

    def _often(self, left: str, following: Next) -> Verdict:
        """End before a word that begins sentences."""
        del left
        if "(" in following.opening:
            return GOES_ON
        word = following.word
        if not following.complete:
            return WAIT if word.lower() in self._beginnings else GOES_ON
        if word.lower() not in self._starters or (len(word) > 1 and not word[1:].islower()):
            return GOES_ON
        return GOES_ON if len(word) == 1 and following.after == "." else ENDS

    def _ending(self, left: str, following: Next) -> Verdict:
        """End before any capital but that of a further abbreviation: `Co. KG`."""
        del left
        if "(" in following.opening:
            return GOES_ON
        if not following.complete:
            return WAIT
        word = following.word
        return GOES_ON if self._words.kind(word.lower()) is Kind.ENDING or word in ("KG", "AG", "SA", "SE") else ENDS

    def _clock(self, left: str, following: Next) -> Verdict:
        """End before any capital, but not within "6 p.m. EST" nor between "At 5 a.m." and the subject (rule 18)."""
        if not following.complete:
            return WAIT
        word = following.word.lower()
        if self._words.has(word, "dates"):
            return GOES_ON
        return GOES_ON if self._words.kind(word) is Kind.TITLE and _is_bare_time(left) else ENDS


def _before_number(left: str, following: Next) -> Verdict:
    """Go on before a number, a numeral or a label such as A13."""
    del left
    if not following.complete:
        return WAIT
    word = following.word
    return GOES_ON if len(word) == 1 or following.after.isdigit() or NUMERAL.match(word) else ENDS


def _if_small(left: str, following: Next) -> Verdict:
    """End only if all sentences begin in lower case."""
    del following
    return ENDS if _starts_small(left) else GOES_ON


def _before_other_script(left: str, following: Next) -> Verdict:
    """End before a word of a script without case, if the sentence itself has none: `at 2 p.m. 请别迟到。`."""
    return ENDS if following.word and "(" not in following.opening and not writes_no_case(left) else GOES_ON


def _beginnings(words: frozenset[str]) -> frozenset[str]:
    """Return all that the words begin with, themselves included."""
    return frozenset(word[:length] for word in words for length in range(1, len(word) + 1))


def _starts(words: frozenset[str]) -> frozenset[str]:
    """Return the first character and the first two of every word, in each case, and of every year such as '80s."""
    cased = {form for word in words for form in (word, word.capitalize(), word.upper())}
    alone = {word + after for word in cased if len(word) == 1 for after in (*string.punctuation, *" \n\t\xa0’")}
    years = {f"{year:02}" for year in range(100)}
    return frozenset(start for word in cased | alone | years for start in (word[:1], word[:2]))


def _parenthesis(following: Next) -> Verdict:
    """Decide before a bracket and a small letter: an aside goes on, the item (b) begins."""
    shown = following.opening + following.word + following.after
    if _PART_OF_MARK.match(shown) and not following.complete:
        return WAIT
    return ENDS if _MARK.match(shown + " ") and following.after == ")" else GOES_ON


def _last_word(text: str) -> str:
    words = text.rsplit(None, 1)
    return words[-1] if words else ""


def _has_letter(text: str) -> bool:
    """Whether a text has a letter or a digit."""
    return text[-1:].isalnum() or any(map(str.isalnum, text))


def _starts_small(left: str) -> bool:
    """Whether the sentence begins in lower case, as all do where somebody writes without capitals."""
    return len(left) < LEFT and left.lstrip()[:1].islower()


def _is_bare_time(left: str) -> bool:
    """Whether the sentence so far is no more than a time: "At 5 a.m."."""
    words = left.split()
    return len(left) < LEFT and len(words) <= 3  # noqa: PLR2004  # preposition, hour, a.m.
