"""One word of look-ahead after a terminator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_streamval.engine.prose.characters import CONTINUES, DASHES, NUMERIC

if TYPE_CHECKING:
    import re

LOWER: Final = "lower"
UPPER: Final = "upper"
DIGIT: Final = "digit"
OTHER: Final = "other"
NO_START: Final = "no start"
"""The kinds of the first character of the next word. No sentence starts with a `NO_START` character."""


class Following:
    """The text after a terminator, as far as a decision can see it."""

    __slots__ = ("_ahead", "_more", "_view", "kind")

    def __init__(self, view: str, ahead: re.Match[str], kind: str, *, more: bool) -> None:
        self._view = view
        self._ahead = ahead
        self._more = more
        self.kind = kind
        """The kind of the first character of the next word."""

    @property
    def gap(self) -> str:
        """The whitespace after the terminator and its closing characters."""
        return self._ahead["gap"]

    @property
    def opening(self) -> str:
        """The quotes, brackets and emphasis before the first letter."""
        return self._ahead["open"]

    @property
    def closing(self) -> str:
        """The closing characters after the terminator, without emphasis."""
        return self._ahead["close"].strip("*_")

    @property
    def closes(self) -> bool:
        """Whether there are closing characters after the terminator, including emphasis and code."""
        return bool(self._ahead["close"])

    @property
    def dash(self) -> str:
        """The dash between the sentences."""
        return self._ahead["dash"]

    @property
    def word(self) -> str:
        """The letters of the first word, as far as they are known."""
        return self._ahead["word"]

    @property
    def complete(self) -> bool:
        """Whether the word is complete."""
        return not self._more or self._ahead.end() < len(self._view)

    def kind_of_second_word(self) -> str:
        """Return the kind of the first character of the second word, or `""` if that needs more text."""
        after = self._view[self._ahead.end() :].lstrip(" -")
        return kind_of_letter(after[0]) if after else "" if self._more else OTHER

    @property
    def after(self) -> str:
        """The character after the word, or `""` at the end of the text."""
        return self._view[self._ahead.end() : self._ahead.end() + 1]


def look_ahead(view: str, ahead: re.Match[str], *, more: bool) -> Following | None:
    """Return the text that follows, or None if not even its first letter is known."""
    at = ahead.end("open")
    character = view[at : at + 1]
    if character.isalpha():  # nearly always
        return Following(view, ahead, kind_of_letter(character), more=more)
    if more and not view[at:].strip(DASHES):
        return None
    kind = _kind(character, view[at + 1 : at + 2])
    if not kind and more:
        return None
    return Following(view, ahead, kind or NO_START, more=more)


def kind_of_letter(character: str) -> str:
    """Return the kind of a letter or digit."""
    if character.islower():
        return LOWER
    if character.isupper() or character.istitle():
        return UPPER
    return DIGIT if character.isdigit() else OTHER


def _kind(character: str, after: str) -> str:
    """Return the kind of a character that is not a letter, or `""` if that depends on the next one."""
    if character.isalnum() or character.islower() or character.isupper():  # "ⓐ" has a case, and is not a letter
        return kind_of_letter(character)
    if character and character in NUMERIC:
        return DIGIT
    if character == ",":  # two of them are a low quote, which is an opening character
        return NO_START if after else ""
    if character == ".":  # ".NET", ".5" or an ellipsis can start a sentence, a stray period cannot
        return OTHER if after.isalnum() or after == "." else NO_START if after else ""
    return NO_START if character and character in CONTINUES and character != "…" else OTHER
