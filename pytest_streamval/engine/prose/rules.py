"""The rules that decide whether a terminator ends its sentence, given what stands before and behind it.

Every rule is a pure function of the `LEFT` characters before the terminator, as far as they belong to the sentence,
and the `LOOK` characters from it on. The words are the language's, see `languages`; here is what they mean.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, Final

from pytest_streamval.engine.prose.characters import (
    CONTINUES,
    DASHES,
    LEFT,
    NUMERIC,
    OPENING,
    is_ideographic,
)
from pytest_streamval.engine.prose.languages import Kind, Language

if TYPE_CHECKING:
    from collections.abc import Callable


class Verdict(Enum):
    """What a terminator does."""

    GOES_ON = "the sentence goes on"
    ENDS = "the sentence ends behind the terminator and what closes with it"
    ENDS_BEFORE_ELLIPSIS = "the sentence ends behind the first period; the rest is an ellipsis that begins the next"
    WAIT = "more of the text decides"


GOES_ON, ENDS, WAIT = Verdict.GOES_ON, Verdict.ENDS, Verdict.WAIT

LOWER, UPPER, DIGIT, OTHER, HOLDS = "lower", "upper", "digit", "other", "holds"
"""What the next word begins with; `HOLDS` is a character that no sentence begins with."""

_ACRONYM: Final = re.compile(r"(?:.*[^\w.])?(?:[^\W\d_]{1,2}\.)+[^\W\d_]{1,2}\Z", re.DOTALL)
"""`U.S`, `a.m`, `Ph.D`, `J.R.R`, the last period of which is the terminator in question."""

_NUMBER: Final = re.compile(r"[^\w]*\d[\d.,:]*\Z")
_APOSTROPHE: Final = re.compile("['’]")
_BEFORE_INITIAL: Final = frozenset("-‐/('’\"“")
_NUMERAL: Final = re.compile(r"[IVXLCDM]+\Z")
_VOWELS: Final = frozenset("aeiouyàáâãäåæèéêëìíîïòóôõöøœùúûüýÿаеёиоуыэюяєіїαεηιουωάέήίόύώ")
_SHORTEST: Final = 4
"""Letters of a word that is no abbreviation unless it is listed as one."""
_MARK: Final = re.compile(r"\((?:[a-zA-Z]|\d{1,2}|[ivx]{2,5})\)\s")
_PART_OF_MARK: Final = re.compile(r"\(\w{0,5}\)?\Z")


class Next:
    """What one word of look-ahead shows behind a terminator."""

    __slots__ = ("_ahead", "_view", "character", "complete", "gap", "kind", "opening")

    def __init__(self, view: str, ahead: re.Match[str], kind: str, *, more: bool) -> None:
        self._view = view
        self._ahead = ahead
        self.kind = kind
        self.gap, self.opening = ahead.group("gap", "open")
        self.character = view[ahead.end("open") : ahead.end("open") + 1]
        self.complete = not more or ahead.end() < len(view)
        """Whether the word cannot grow any more."""

    @property
    def closing(self) -> str:
        """What closes behind the terminator, emphasis left out."""
        return self._ahead["close"].strip("*_")

    @property
    def dash(self) -> str:
        """The dash that stands between the sentences."""
        return self._ahead["dash"]

    @property
    def word(self) -> str:
        """The first word as far as it goes, letters only."""
        return self._ahead["word"]

    @property
    def after(self) -> str:
        """The character behind the word, `""` where the text ends."""
        return self._view[self._ahead.end() : self._ahead.end() + 1]


def look(view: str, ahead: re.Match[str], *, more: bool) -> Next | None:
    """Return what follows, or None where not even the first letter is there yet."""
    at = ahead.end("open")
    character = view[at : at + 1]
    if character.isalpha():  # nearly always
        return Next(view, ahead, _kind(character, ""), more=more)
    if more and not view[at:].strip(DASHES):
        return None
    kind = _kind(character, view[at + 1 : at + 2])
    if not kind and more:
        return None
    return Next(view, ahead, kind or HOLDS, more=more)


def _kind(character: str, behind: str) -> str:
    """Return what a character begins, `""` where the one behind it has to tell."""
    if character.islower():
        return LOWER
    if character.isupper() or character.istitle():
        return UPPER
    if character.isdigit() or (character and character in NUMERIC):
        return DIGIT
    if character == ",":  # two of them are a low quote, which is among the opening characters
        return HOLDS if behind else ""
    if character == ".":  # ".NET", ".5" or an ellipsis begin a sentence, a stray period does not
        return OTHER if behind.isalnum() or behind == "." else HOLDS if behind else ""
    return HOLDS if character and character in CONTINUES and character != "…" else OTHER


class Rules:
    """The rules over the words of one language."""

    def __init__(self, language: Language) -> None:
        self._kinds = language.kinds
        self._words = language.words
        self._starters = language.words["starters"]
        self._short = language.words["short"]
        self._ordinal = language.ordinal
        self._beginnings = {word[:length] for word in self._starters for length in range(1, len(word) + 1)}
        self._never = {word for word, kind in self._kinds.items() if kind in (Kind.NEVER, Kind.TITLE) and len(word) > 1}
        self._marked = language.kinds.keys() | language.words["exclaimed"]
        self._by_kind: dict[Kind, Callable[[str, Next], Verdict]] = {
            Kind.NEVER: _never,
            Kind.TITLE: _never,
            Kind.NUMBER: _before_number,
            Kind.ENDING: self._ending,
            Kind.OFTEN: self._often,
            Kind.CLOCK: self._clock,
        }

    def ends_plainly(self, left: str) -> bool:
        """Whether `left` ends with a word so plain that a capital is all it needs: what `verdict` finds, sooner."""
        word = left.rpartition(" ")[2]
        if not word.isalpha() or word in self._marked:
            return False
        if word.islower():
            return len(word) > 1 and word.strip("ivx") != ""
        small = word.lower()
        return word.istitle() and len(word) > 1 and small not in self._marked and not _VOWELS.isdisjoint(small)

    def plainly_goes_on(self, left: str) -> bool:
        """Whether `left` ends with an abbreviation that goes on before any word: what `verdict` finds, sooner."""
        return left.rpartition(" ")[2].lower() in self._never

    def verdict(self, left: str, run: str, following: Next) -> Verdict:  # noqa: PLR0911  # an answer a rule
        """Return what the terminators `run` do between `left` and what follows."""
        if following.kind == HOLDS or (len(left) < LEFT and not any(map(str.isalnum, left))):
            return GOES_ON
        if left[-1] in "([" and following.closing:
            return GOES_ON  # "(!)", "[...]": a mark about the text, not of it
        if following.kind == LOWER:
            if "(" in following.opening:
                return _parenthesis(following)
            if following.closing and "\n" not in following.gap:
                return GOES_ON  # "Stop!" he said.
        if following.dash and (following.closing or following.kind == LOWER):
            return GOES_ON  # who said it: "Be yourself." — Oscar Wilde
        if "!" in run or "?" in run or run.strip(".… \xa0"):
            return self._strong(left, run, following)
        return self._period(left, following) if run == "." else self._ellipsis(left, run, following)

    def holds_on(self, left: str) -> bool:
        """Whether a line that ends with `left` goes on in the next line, whatever that begins with."""
        last = left.rsplit(None, 1)[-1] if left.strip() else ""
        return last[-1:] in (",", "-", "–", "—", "&") or last.lower() in self._words["loose"]

    def counts(self, left: str, *, digits: bool) -> bool:
        """Whether a label behind `left` is part of the sentence: "go to step" 2, "vitamins A and" B."""
        last = left.rsplit(None, 1)[-1] if left.strip() else ""
        if digits and last.lower() in self._words["loose"]:
            return True
        return (
            last.lower() in self._words["counted"]
            or last[-1:] in "=<>+-*/,§#"
            or self._kind_of(last.rstrip(".")) is not None
        )

    def takes_references(self, left: str) -> bool:
        """Whether the word that `left` ends with can have footnote numbers set right behind its period."""
        token = left.rsplit(None, 1)[-1] if left.strip() else ""
        return (
            token[-1:] in (")", "]")
            or token.isdigit()
            or (token.isalpha() and self._kind_of(token) is None and self._is_plain(token))
        )

    def begins(self, word: str) -> bool:
        """Whether a capitalised word is one that sentences begin with."""
        return word.lower() in self._starters

    # Exclamation and question marks

    def _strong(self, left: str, run: str, following: Next) -> Verdict:  # noqa: PLR0911  # an answer a rule
        """Decide behind `!` and `?`: only a word in lower case, or a name such as Yahoo!, makes them go on."""
        name = left.rsplit(None, 1)[-1].lstrip(OPENING).lower() in self._words["exclaimed"] if run == "!" else False
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
        return ENDS if "?" in run and following.word not in self._words["reporting"] else GOES_ON

    # Ellipses

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

    # Periods

    def _period(self, left: str, following: Next) -> Verdict:
        """Decide behind a single period, by the word that it stands at."""
        last = left[-1]
        if not last.isalnum() and last not in "°º&ª":
            return GOES_ON if following.kind == LOWER and last.isspace() else self._after_mark(following)
        token = left.rsplit(None, 1)[-1].lstrip(OPENING)
        kind = self._kind_of(token)
        if kind is not None:
            return self._by_kind[kind](left, following)
        if len(token) == 1 or (last.isupper() and token[-2] in _BEFORE_INITIAL):
            return self._initial(left, token[-1], following)
        if last.isdigit() and _NUMBER.match(token):
            return self._number(token, left, following)
        if "." in token and _ACRONYM.match(token):
            return self._often(left, following)
        return self._word(token, left, following)

    def _kind_of(self, token: str) -> Kind | None:
        """Return what an abbreviation is, None for any other word; a single capital is an initial, listed or not."""
        if len(token) == 1 and token.isupper():
            return None
        kind = self._kinds.get(token.lower()) or self._kinds.get(token)
        if kind is None and ("'" in token or "’" in token):  # l'Ing. Rossi
            elided = _APOSTROPHE.split(token)[-1]
            return self._kinds.get(elided.lower()) if elided[:1].isupper() or token[1:2] in ("'", "’") else None
        return kind

    def _after_mark(self, following: Next) -> Verdict:
        """Decide behind a bracket, a quote or a symbol, which no abbreviation ends with."""
        return GOES_ON if following.kind == LOWER else ENDS

    def _word(self, token: str, left: str, following: Next) -> Verdict:
        """Decide behind a word that is in no list: one that looks like an abbreviation is taken for one."""
        if following.kind == LOWER:
            return ENDS if self._is_plain(token) else GOES_ON
        if (
            token[0].isupper()
            and token.isalpha()
            and not token.isupper()
            and _VOWELS.isdisjoint(token.lower())
            and token.isascii()
        ):
            return self._often(left, following)
        return ENDS

    def _is_plain(self, token: str) -> bool:
        key = token.lower()
        if _NUMERAL.match(token) or (key[0].isdigit() and key[-1].isalpha()):  # Friedrich II., la 3a.
            return False
        if key in self._short or token.isupper() or not key.isalpha():
            return True
        return len(key) >= _SHORTEST and (not key.isascii() or not _VOWELS.isdisjoint(key))

    def _initial(self, left: str, letter: str, following: Next) -> Verdict:
        """Decide behind a single letter: an initial, unless it is the word "I" or a beginning follows."""
        if letter.isdigit():
            return self._number(letter, left, following)
        if is_ideographic(letter):
            return ENDS
        before = left.split()[-2:-1]
        if letter == "I" and following.kind == UPPER and before and before[0].islower():
            return ENDS
        return self._often(left, following)

    def _number(self, token: str, left: str, following: Next) -> Verdict:
        """Decide behind digits: "as payment for 1. above", and in some languages the 3. of May."""
        if following.kind == LOWER:
            return GOES_ON
        if self._ordinal and len(token) <= 2:  # noqa: PLR2004  # a day, a month, a century
            return GOES_ON if following.kind == DIGIT else self._often(left, following)
        return ENDS

    # Abbreviations

    def _often(self, left: str, following: Next) -> Verdict:
        """End before a word that begins sentences."""
        del left
        if following.kind != UPPER or "(" in following.opening:
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
        if following.kind != UPPER or "(" in following.opening:
            return ENDS if following.kind == OTHER else GOES_ON
        if not following.complete:
            return WAIT
        word = following.word
        return GOES_ON if self._kinds.get(word.lower()) is Kind.ENDING or word in ("KG", "AG", "SA", "SE") else ENDS

    def _clock(self, left: str, following: Next) -> Verdict:
        """End before any capital, but not within "6 p.m. EST" nor between "At 5 a.m." and the subject (rule 18)."""
        if following.kind != UPPER:
            return GOES_ON
        if not following.complete:
            return WAIT
        word = following.word.lower()
        if word in self._words["dates"]:
            return GOES_ON
        return GOES_ON if self._kinds.get(word) is Kind.TITLE and _is_bare_time(left) else ENDS


def _never(left: str, following: Next) -> Verdict:
    del left, following
    return GOES_ON


def _before_number(left: str, following: Next) -> Verdict:
    """Go on before a number, a numeral or a label such as A13."""
    del left
    if following.kind != UPPER:
        return ENDS if following.kind == OTHER else GOES_ON
    if not following.complete:
        return WAIT
    word = following.word
    return GOES_ON if len(word) == 1 or following.after.isdigit() or _NUMERAL.match(word) else ENDS


def _parenthesis(following: Next) -> Verdict:
    """Decide before a bracket and a small letter: an aside goes on, the item (b) begins."""
    shown = following.opening + following.word + following.after
    if _PART_OF_MARK.match(shown) and not following.complete:
        return WAIT
    return ENDS if _MARK.match(shown + " ") and following.after == ")" else GOES_ON


def _starts_small(left: str) -> bool:
    """Whether the sentence begins in lower case, as all do where somebody writes without capitals."""
    return len(left) < LEFT and left.lstrip()[:1].islower()


def _is_bare_time(left: str) -> bool:
    """Whether the sentence so far is no more than a time: "At 5 a.m."."""
    words = left.split()
    return len(left) < LEFT and len(words) <= 3  # noqa: PLR2004  # preposition, hour, a.m.
