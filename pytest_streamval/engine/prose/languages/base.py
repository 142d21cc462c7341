"""What a language is to the machine: named groups of words, each with its source."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final


class Kind(Enum):
    """What an abbreviation lets stand behind its period."""

    NEVER = "goes on whatever follows: e.g., i.e., vs."
    TITLE = "stands before a name: goes on unless a pronoun or article with a capital follows"
    NUMBER = "stands before a number: goes on before a digit, a numeral or a label, ends before another capital"
    ENDING = "often the last word: ends before any capital, goes on otherwise"
    OFTEN = "ends before a word that begins sentences, goes on otherwise"
    CLOCK = "a time of day: ends before any capital but a day, a month, a zone or a title behind a bare time"


@dataclass(frozen=True, slots=True)
class Group:
    """Words of one kind."""

    name: str
    kind: Kind
    source: str
    """Where the words, or the rule that they obey, come from."""
    words: str
    """Separated by whitespace, without the final period. One with a capital counts only with that capital: "Sun." is a
    day, "sun." ends a sentence."""


@dataclass(frozen=True, slots=True)
class Language:
    """All that is particular to one language."""

    code: str
    name: str
    groups: tuple[Group, ...]
    starters: str
    """Words that begin sentences so often that one of them with a capital ends the sentence before it, even behind an
    abbreviation or an initial; words that are part of names as well ("New", "Will", "First") are left out."""
    short: str = ""
    """Words of up to three letters that are no abbreviations, so that a sentence can end with them before a word in
    lower case."""
    loose: str = ""
    """Words that a line does not end with: behind one of them a line break is only a wrap."""
    exclaimed: str = ""
    """Names that end with an exclamation or question mark, without it."""
    reporting: str = ""
    """Words in lower case that go on behind a question or exclamation: `"Why?" she asked`, but without the quotes."""
    dates: str = ""
    """Days, months and time zones that follow a time of day."""
    counted: str = ""
    """Words that a number follows, so that the number is no list marker: "step 2. Then"."""
    elided: str = ""
    """Words that an apostrophe shortens, without it, so that it opens no quotation: 'tis, 'cause, 's avonds."""
    units: str = ""
    """Words that are units as well if a number stands before them: "6 in. tall"."""
    ordinal: bool = False
    """Whether a period makes a number an ordinal, as in German and Danish dates."""
    kinds: dict[str, Kind] = field(init=False, repr=False, compare=False)
    words: dict[str, frozenset[str]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Build the tables that the rules look words up in."""
        kinds = {word: group.kind for group in self.groups for word in group.words.split()}
        words = {name: frozenset(getattr(self, name).split()) for name in _LISTS}
        object.__setattr__(self, "kinds", kinds)
        object.__setattr__(self, "words", words)


_LISTS: Final = ("starters", "short", "loose", "exclaimed", "reporting", "dates", "counted", "elided", "units")
