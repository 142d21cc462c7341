"""What one word of look-ahead shows behind a terminator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_streamval.engine.prose.characters import CONTINUES, DASHES, NUMERIC

if TYPE_CHECKING:
    import re

LOWER: Final = "lower"
UPPER: Final = "upper"
DIGIT: Final = "digit"
OTHER: Final = "other"
HOLDS: Final = "holds"
"""What the next word begins with; `HOLDS` is a character that no sentence begins with."""


class Next:
    """The text behind a terminator, as far as a decision may see."""

    __slots__ = ("_ahead", "_more", "_view", "kind")

    def __init__(self, view: str, ahead: re.Match[str], kind: str, *, more: bool) -> None:
        self._view = view
        self._ahead = ahead
        self._more = more
        self.kind = kind
        """What the next word begins with."""

    @property
    def gap(self) -> str:
        """The whitespace behind the terminator and what closes with it."""
        return self._ahead["gap"]

    @property
    def opening(self) -> str:
        """The quotes, brackets and emphasis that stand before the first letter."""
        return self._ahead["open"]

    @property
    def closing(self) -> str:
        """What closes behind the terminator, emphasis left out."""
        return self._ahead["close"].strip("*_")

    @property
    def closes(self) -> bool:
        """Whether anything closes behind the terminator, emphasis and code included."""
        return bool(self._ahead["close"])

    @property
    def dash(self) -> str:
        """The dash that stands between the sentences."""
        return self._ahead["dash"]

    @property
    def word(self) -> str:
        """The first word as far as it goes, letters only."""
        return self._ahead["word"]

    @property
    def complete(self) -> bool:
        """Whether the word cannot grow any more."""
        return not self._more or self._ahead.end() < len(self._view)

    def kind_behind(self) -> str:
        """Return what the word behind the first one begins with, `""` where more of the text tells."""
        behind = self._view[self._ahead.end() :].lstrip(" -")
        return kind_of_letter(behind[0]) if behind else "" if self._more else OTHER

    @property
    def after(self) -> str:
        """The character behind the word, `""` where the text ends."""
        return self._view[self._ahead.end() : self._ahead.end() + 1]


def look(view: str, ahead: re.Match[str], *, more: bool) -> Next | None:
    """Return what follows, or None where not even the first letter is there yet."""
    at = ahead.end("open")
    character = view[at : at + 1]
    if character.isalpha():  # nearly always
        return Next(view, ahead, kind_of_letter(character), more=more)
    if more and not view[at:].strip(DASHES):
        return None
    kind = _kind(character, view[at + 1 : at + 2])
    if not kind and more:
        return None
    return Next(view, ahead, kind or HOLDS, more=more)


def kind_of_letter(character: str) -> str:
    """Return what a letter or digit begins."""
    if character.islower():
        return LOWER
    if character.isupper() or character.istitle():
        return UPPER
    return DIGIT if character.isdigit() else OTHER


def _kind(character: str, behind: str) -> str:
    """Return what a character that is no letter begins, `""` where the one behind it has to tell."""
    if character.isalnum() or character.islower() or character.isupper():  # "ⓐ" has a case, and is no letter
        return kind_of_letter(character)
    if character and character in NUMERIC:
        return DIGIT
    if character == ",":  # two of them are a low quote, which is among the opening characters
        return HOLDS if behind else ""
    if character == ".":  # ".NET", ".5" or an ellipsis begin a sentence, a stray period does not
        return OTHER if behind.isalnum() or behind == "." else HOLDS if behind else ""
    return HOLDS if character and character in CONTINUES and character != "…" else OTHER
