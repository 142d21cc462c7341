"""The table of a language: named groups of words, each with its source."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final


class Abbreviation(Enum):
    """The kinds of abbreviations, by the effect of the period after them."""

    NEVER = "always continues: e.g., i.e., vs."
    TITLE = "comes before a name: always continues"
    NUMBER = "comes before a number: continues before a digit, a numeral or a label, ends before other capitals"
    ENDING = "often the last word: ends before any capital, otherwise continues"
    OFTEN = "ends before a word that often starts sentences, otherwise continues"
    DAY = "a word that is a day or a month before a number: continues before a digit, otherwise ends"
    CLOCK = "a time of day: ends before any capital except a day, a month, a zone or a title after a bare time"


@dataclass(frozen=True, slots=True)
class Group:
    """Abbreviations of one kind."""

    name: str
    kind: Abbreviation
    source: str
    """The source of the words, or of their rule."""
    words: str
    """The words, separated by whitespace, without the final period. A word with a capital only matches with that
    capital: "Sun." is a day, and "sun." ends a sentence."""


@dataclass(frozen=True, slots=True)
class Language:
    """The table of one language. Each list of words is one string, separated by whitespace."""

    code: str
    name: str
    groups: tuple[Group, ...]
    starters: str
    """Words that start sentences so often that one of them with a capital ends the sentence before it, even after an
    abbreviation or an initial. Words that are also parts of names ("New", "Will", "First") are left out."""
    short: str = ""
    """Words of up to three letters that are not abbreviations, so that a sentence can end with them before a word in
    lower case."""
    loose: str = ""
    """Words that end no sentence: a line break after one of them is only a wrap."""
    exclaimed: str = ""
    """Names that end with an exclamation or question mark, without the mark."""
    reporting: str = ""
    """Words in lower case that continue the sentence after a question or exclamation without quotes: `Why? she asked`.
   """
    dates: str = ""
    """Days, months and time zones that follow a time of day."""
    counted: str = ""
    """Words with a number after them that is not a list marker: "step 2. Then"."""
    units: str = ""
    """Units of measure that mean something else, or nothing, without a number before them: "6 in. tall"."""
    contractions: str = ""
    """Words that start with an apostrophe, which is not an opening quote: 'tis, 'twas. The apostrophe is left out."""
    suffixes: str = ""
    """Abbreviations that are also the ends of words: Goethestr. 5."""
    ordinal: bool = False
    """Whether a period makes a number an ordinal, as in German and Danish dates."""
    kinds: dict[str, Abbreviation] = field(init=False, repr=False, compare=False)
    words: dict[str, frozenset[str]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Build the tables for the rules."""
        kinds = {word: group.kind for group in self.groups for word in group.words.split()}
        words = {name: frozenset(getattr(self, name).split()) for name in _LISTS}
        object.__setattr__(self, "kinds", kinds)
        object.__setattr__(self, "words", words)


_LISTS: Final = (
    "starters",
    "short",
    "loose",
    "exclaimed",
    "reporting",
    "dates",
    "counted",
    "units",
    "contractions",
    "suffixes",
)
