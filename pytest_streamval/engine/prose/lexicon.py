"""The lexicon: facts about words from the tables of a language and from their letters."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pytest_streamval.engine.prose.languages.base import Abbreviation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_streamval.engine.prose.languages.base import Language

NUMERAL: Final = re.compile(r"\A[IVXLCDM]+\Z")

QUANTITY: Final = re.compile(r"\A[(\[~≈±<>$€£-]*(?:\d[\d.,/½¼¾–-]*|[½¼¾⅓⅔⅛]|[IVXLCDM]+(?:[-–][IVXLCDM]+)?)\Z")
"""A number, in digits or as a Roman numeral."""

CONTRACTED: Final = re.compile(r"['‘](?:(?P<year>\d{1,2}s?)|(?P<word>[^\W\d_]+))(?P<after>.?)", re.DOTALL)
"""A single quote before a word, or before the short form of a year: '80s."""

WIDE_WORD: Final = re.compile(r"(?:(?<![A-Za-z])[A-Za-z]++|(?<![Ａ-Ｚａ-ｚ])[Ａ-Ｚａ-ｚ]++)\Z")
"""The last word of a text, if it is in Latin letters of one width."""

_NARROWER: Final = {0xFEE0 + code: code for code in range(0x21, 0x7F)}

_UNCASED: Final = re.compile("[\u0590-\u1bff\u3040-\u9fff\uac00-\ud7a3\U00020000-\U0003ffff]")
"""A letter of a script without case: Hebrew to Balinese, Kana, Han, Hangul."""

_INDIC: Final = re.compile("[\u0900-\u0a7f\u0b00-\u0b7f]")
"""A letter of Devanagari, Bengali, Gurmukhi or Odia, whose sentences end with a danda."""

_INDIC_ABBREVIATION: Final = re.compile(r"\A(?:[^.]{1,4}\.)*[^.]{1,4}\Z")

_INDIC_ENDINGS: Final = """
    है हैं हूँ हूं हो था थी थे थीं गा गी गे गया गई गयी गए गये ली दी की लिया दिया किया रहा रही रहे नहीं न ना
    आया आई आए गए लो दो करो जाओ आओ सकता सकती सकते होता होती होते करता करती करते आहे आहेत नाही केला केली केले
    गेला गेली गेले छ छन् थियो भयो घर काम बात लोग आज कल दिन साल आप हम तुम मैं वह यह सब कुछ यहाँ वहाँ
    আছে ছিল হয় না নেই করে যায় গেল হল হলো করি যাই ਹੈ ਹਨ ਸੀ ਸਨ ਹਾਂ ਹੋ ਨਹੀਂ
    """
"""Short words at the end of sentences with a period instead of a danda: Hindi, Marathi, Nepali, Bengali, Punjabi."""

_JOINT: Final = re.compile("['’/-]")
_ACRONYM: Final = re.compile(r"\A(?:.*[^\w.])?(?:[^\W\d_]{1,2}\.)+[^\W\d_]{1,2}\Z", re.DOTALL)
"""An acronym without its last period, which is the terminator: `U.S`, `a.m`, `Ph.D`, `J.R.R`."""

_VOWELS: Final = frozenset("aeiouyàáâãäåæèéêëìíîïòóôõöøœùúûüýÿаеёиоуыэюяєіїαεηιουωάέήίόύώ")
_SHORTEST: Final = 4
"""The number of letters from which a word is an abbreviation only if it is in a list."""


class Lexicon:
    """The words of one language."""

    def __init__(self, language: Language, abbreviations: Iterable[str] = ()) -> None:
        self._kinds = language.kinds | dict.fromkeys(abbreviations, Abbreviation.NEVER)
        self._words = language.words
        self._short = language.words["short"]

    def kind(self, token: str) -> Abbreviation | None:
        """Return the kind of an abbreviation, or None for another word or an initial, which is a single capital."""
        if len(token) == 1 and token.isupper():
            return None
        kind = self._kinds.get(token) or self._kinds.get(token.lower())
        if kind is not None:
            return kind
        if token.isalnum():
            return self._kind_of_suffix(token.lower())
        parts = _JOINT.split(token)
        if len(parts) == 1:
            return None
        last = self._kinds.get(parts[-1].lower())
        if "'" in token or "’" in token:  # l'Ing. Rossi
            return last if parts[-1][:1].isupper() or token[1:2] in ("'", "’") else None
        return last if last is Abbreviation.TITLE else None  # Univ.-Prof., Mr./Mrs.

    def _kind_of_suffix(self, word: str) -> Abbreviation | None:
        """Return the kind of the abbreviation at the end of a compound: Goethestr."""
        suffix = next((suffix for suffix in self._words["suffixes"] if word.endswith(suffix)), None)
        return self._kinds[suffix] if suffix and len(word) > len(suffix) + 2 else None

    def has(self, word: str, name: str) -> bool:
        """Return whether a word is in the list `name` of the language, in any case."""
        return word.lower() in self._words[name]

    @staticmethod
    def is_indic_abbreviation(token: str) -> bool:
        """Return whether a word of an Indic script before a period is an abbreviation: short, and not a verb."""
        return _INDIC_ABBREVIATION.match(token) is not None and token not in _INDIC_ENDINGS.split()

    def is_plain(self, token: str) -> bool:
        """Return whether a word that is in no list is certainly not an abbreviation."""
        key = token.lower()
        if NUMERAL.match(token) or (key[0].isdigit() and key[-1].isalpha()):  # Friedrich II., la 3a.
            return False
        if key in self._short or token.isupper() or not key.isalpha():
            return True
        return len(key) >= _SHORTEST and (not key.isascii() or not _VOWELS.isdisjoint(key))


def is_indic(token: str) -> bool:
    """Return whether a word starts with a letter of an Indic script with its own full stop."""
    return _INDIC.match(token) is not None


def has_uncased_letters(text: str) -> bool:
    """Return whether a text has letters of a script without case."""
    return _UNCASED.search(text) is not None


def narrowed(text: str) -> str:
    """Return a text with full-width letters in their usual width."""
    return text.translate(_NARROWER)


def is_acronym(token: str) -> bool:
    """Return whether a word is letters with periods between them."""
    return "." in token and _ACRONYM.match(token) is not None


def lacks_vowels(token: str) -> bool:
    """Return whether a capitalised word has no vowel, like `Hptm` and `Bldg`, and so looks like an abbreviation."""
    return (
        token[0].isupper()
        and token.isalpha()
        and token.isascii()
        and not token.isupper()
        and _VOWELS.isdisjoint(token.lower())
    )
