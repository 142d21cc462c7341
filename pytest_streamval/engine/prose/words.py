"""Words: what the tables of a language and the letters of a word tell about it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pytest_streamval.engine.prose.languages import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_streamval.engine.prose.languages import Language

NUMERAL: Final = re.compile(r"[IVXLCDM]+\Z")

_APOSTROPHE: Final = re.compile("['’]")
_ACRONYM: Final = re.compile(r"(?:.*[^\w.])?(?:[^\W\d_]{1,2}\.)+[^\W\d_]{1,2}\Z", re.DOTALL)
"""`U.S`, `a.m`, `Ph.D`, `J.R.R`, the last period of which is the terminator in question."""

_VOWELS: Final = frozenset("aeiouyàáâãäåæèéêëìíîïòóôõöøœùúûüýÿаеёиоуыэюяєіїαεηιουωάέήίόύώ")
_INDIC_VERBS: Final = frozenset(
    ["है", "हैं", "हूँ", "हूं", "था", "थी", "थे", "हो", "आहे", "आहेत", "नाही", "का", "की", "के", "छ", "छन्"]
)
"""Short words of scripts with a full stop of their own that end sentences, also where a period stands for it."""
_INDIC_SHORT: Final = 4
"""Characters of a word in such a script, marks included, that is an abbreviation if a period follows."""
_INDIC_TITLES: Final = frozenset(["श्री", "श्रीमती", "सुश्री", "प्रोफे", "डॉक्ट", "अधि", "कुमारी", "सरदा"])
_SHORTEST: Final = 4
"""Letters of a word that is no abbreviation unless it is listed as one."""


class Words:
    """The words of one language."""

    def __init__(self, language: Language, abbreviations: Iterable[str] = ()) -> None:
        self._kinds = {**language.kinds, **dict.fromkeys(abbreviations, Kind.NEVER)}
        self._words = language.words
        self._short = language.words["short"]

    def kind(self, token: str) -> Kind | None:
        """Return what an abbreviation is, None for any other word; a single capital is an initial, listed or not."""
        if len(token) == 1 and token.isupper():
            return None
        kind = self._kinds.get(token.lower()) or self._kinds.get(token)
        if kind is None and ("'" in token or "’" in token):  # l'Ing. Rossi
            elided = _APOSTROPHE.split(token)[-1]
            return self._kinds.get(elided.lower()) if elided[:1].isupper() or token[1:2] in ("'", "’") else None
        return kind

    def has(self, word: str, name: str) -> bool:
        """Whether a word is in the list `name` of the language, whatever its case."""
        return word.lower() in self._words[name]

    def is_plain(self, token: str) -> bool:
        """Whether a word that is in no list is surely no abbreviation."""
        key = token.lower()
        if NUMERAL.match(token) or (key[0].isdigit() and key[-1].isalpha()):  # Friedrich II., la 3a.
            return False
        if key in self._short or token.isupper() or not key.isalpha():
            return True
        return len(key) >= _SHORTEST and (not key.isascii() or not _VOWELS.isdisjoint(key))


def is_indic_abbreviation(token: str) -> bool:
    """Whether a word before a period abbreviates, in a script that ends its sentences with a danda: डॉ. सिंह."""
    if not "\u0900" <= token[-1:] <= "\u0b7f":
        return False
    return token in _INDIC_TITLES or (len(token) <= _INDIC_SHORT and token not in _INDIC_VERBS)


def is_acronym(token: str) -> bool:
    """Whether a word is letters with periods between them."""
    return "." in token and _ACRONYM.match(token) is not None


def lacks_vowels(token: str) -> bool:
    """Whether a word with a capital has no vowel, as `Hptm` and `Bldg`, so that it looks like an abbreviation."""
    return (
        token[0].isupper()
        and token.isalpha()
        and token.isascii()
        and not token.isupper()
        and _VOWELS.isdisjoint(token.lower())
    )
