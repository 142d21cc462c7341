"""The rules that decide whether a terminator ends its sentence.

Every rule is a pure function of the `LEFT` characters before the terminator, as far as they belong to the sentence, and
of the `LOOK` characters from it on.
"""

from __future__ import annotations

import re
import string
from typing import TYPE_CHECKING, Final

from pytest_streamval.engine.prose.characters import LEFT, OPENING, matched
from pytest_streamval.engine.prose.languages import Abbreviation
from pytest_streamval.engine.prose.lexicon import (
    CONTRACTED,
    WIDE_WORD,
    narrowed,
)
from pytest_streamval.engine.prose.lookahead import DIGIT, LOWER, NO_START, UPPER, Following
from pytest_streamval.engine.prose.periods import (
    CONTINUES,
    ENDS,
    WAIT,
    Decision,
    PeriodRules,
    has_letter,
    last_word,
    prefixes,
    starts_in_lower_case,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_streamval.engine.prose.languages import Language


_APOSTROPHES: Final = ("'", "‘", "’")
_MARK: Final = re.compile(r"\((?:[a-zA-Z]|\d{1,2}|[ivx]{2,5})\)\s")
_PART_OF_MARK: Final = re.compile(r"\(\w{0,5}\)?\Z")


class Rules(PeriodRules):
    """The rules for terminators after the words of one language."""

    def __init__(self, language: Language, abbreviations: Iterable[str] = ()) -> None:
        super().__init__(language, abbreviations)
        self._contractions = language.words["contractions"]
        self._contraction_prefixes = prefixes(self._contractions)
        self.contraction_starts = _starts(self._contractions)
        """The first two characters of each contraction, and the first one alone."""

    def decide(self, left: str, run: str, following: Following) -> Decision:  # noqa: C901, PLR0911  # one return for each rule
        """Return the decision for the terminators `run` between `left` and the following text."""
        kind = following.kind
        if kind == NO_START or (len(left) < LEFT and not has_letter(left)):
            return CONTINUES
        if left[-1] in "([" and following.closing:
            return CONTINUES  # "(!)", "[...]": a mark about the text, not of it
        if kind == LOWER:
            if "(" in following.opening:
                return _parenthesis(following)
            if following.closing and "\n" not in following.gap:
                return CONTINUES  # "Stop!" he said.
        if following.dash and (following.closing or kind == LOWER):
            return CONTINUES  # who said it: "Be yourself." — Oscar Wilde
        if run == ".":
            if kind == LOWER and following.opening in _APOSTROPHES and following.word in self._contractions:
                kind = following.kind_of_second_word()
            answer = self.word(left[left.rfind(" ") + 1 :]).period.get(kind, WAIT)
            if kind != following.kind:  # 't Is laat.
                return answer if answer in (CONTINUES, WAIT) else ENDS
            return answer if isinstance(answer, Decision) else answer(left, following)
        if "!" in run or "?" in run or run.strip(".… \xa0"):
            return self._after_mark(left, run, following)
        return self._after_ellipsis(left, run, following)

    def continues_in_next_line(self, left: str) -> bool:
        """Return whether a line that ends with `left` continues in any next line."""
        last = last_word(left)
        return last[-1:] in (",", "-", "–", "—", "&") or self._words.has(last, "loose")

    def keeps_label(self, left: str, *, digits: bool) -> bool:
        """Return whether a label after `left` is part of the sentence: "go to step" 2, "vitamins A and" B."""
        last = last_word(left)
        if digits and self._words.has(last, "loose"):
            return True
        return (
            self._words.has(last, "counted")
            or last[-1:] in "=<>+-*/,§#"
            or self._words.kind(last.rstrip(".")) is not None
        )

    def allows_references(self, left: str) -> bool:
        """Return whether the last word of `left` can have footnote numbers directly after its period."""
        token = last_word(left)
        return (
            token[-1:] in (")", "]")
            or token.isdigit()
            or (token.isalpha() and self._words.kind(token) is None and self._words.is_plain(token))
        )

    def is_starter(self, word: str) -> bool:
        """Return whether a capitalised word is a starter, a word that often starts sentences."""
        return word.lower() in self._starters

    def starts_with_abbreviation(self, left: str, word: str, letters: str, after: str) -> bool:
        """Return whether a capitalised abbreviation or initial starts a sentence directly after that of `left`.

        `letters` are the letters after its period that have periods of their own, and `after` is the next character.
        """
        kind = self._words.kind(word)
        if self._words.kind(f"{last_word(left)}.{word}") is not None:
            return False
        if after.isspace():
            return len(word) == 1 or kind not in (None, Abbreviation.ENDING)
        return kind is Abbreviation.TITLE and not letters and after.isupper()

    def is_contraction(self, view: str, *, more: bool) -> bool | None:
        """Return whether a single quote is the apostrophe of a contraction, or None if that needs more text."""
        found = matched(CONTRACTED.match(view))
        word, after = found["word"], found["after"]
        if more and not after:
            return None if word is None or word.lower() in self._contraction_prefixes else False
        if after.isalnum() or after == "_":
            return False
        return len(found["year"]) > 1 if word is None else word.lower() in self._contractions

    def is_wide_abbreviation(self, left: str) -> bool:
        """Return whether a full-width period after `left` belongs to an initial or an abbreviation in Latin letters."""
        found = WIDE_WORD.search(left)
        if found is None:
            return False
        return len(found[0]) == 1 or self._words.kind(narrowed(found[0])) not in (None, Abbreviation.ENDING)

    # Exclamation and question marks, ellipses

    def _after_mark(self, left: str, run: str, following: Following) -> Decision:  # noqa: PLR0911  # one return for each rule
        """Decide after `!` and `?`, which continue only before a word in lower case or in a name such as Yahoo!."""
        name = run == "!" and self._words.has(last_word(left).lstrip(OPENING), "exclaimed")
        if following.kind != LOWER:
            return self._before_starter(left, following) if name and following.kind == UPPER else ENDS
        if name:
            return CONTINUES
        if "\n" in following.gap:
            return ENDS
        if not following.complete:
            return WAIT
        if not following.word.islower():
            return ENDS  # iPhone
        if starts_in_lower_case(left):
            return ENDS
        return ENDS if "?" in run and not self._words.has(following.word, "reporting") else CONTINUES

    def _after_ellipsis(self, left: str, run: str, following: Following) -> Decision:
        """Decide after `...`, `…`, `. . .` and more periods: golden rules 46 to 51 (Chicago 13.50-13.58)."""
        if following.kind in (LOWER, DIGIT):
            return CONTINUES
        attached = not left[-1].isspace()
        if " ." in run or "\xa0." in run:
            if run.count(".") < 4:  # noqa: PLR2004  # three are an omission, the fourth is the period
                return CONTINUES
            return Decision.ENDS_BEFORE_ELLIPSIS if attached and run[1] != "." else ENDS
        if attached or following.word != "I":
            return ENDS
        return CONTINUES if following.complete else WAIT


def _starts(words: frozenset[str]) -> frozenset[str]:
    """Return the first character and the first two of every word, in each case, and of every year such as '80s."""
    cased = {form for word in words for form in (word, word.capitalize(), word.upper())}
    alone = {word + after for word in cased if len(word) == 1 for after in (*string.punctuation, *" \n\t\xa0’")}
    years = {f"{year:02}" for year in range(100)}
    return frozenset(start for word in cased | alone | years for start in (word[:1], word[:2]))


def _parenthesis(following: Following) -> Decision:
    """Decide before a bracket and a small letter: an aside continues the sentence, the item (b) starts."""
    shown = following.opening + following.word + following.after
    if _PART_OF_MARK.match(shown) and not following.complete:
        return WAIT
    return ENDS if _MARK.match(shown + " ") and following.after == ")" else CONTINUES
