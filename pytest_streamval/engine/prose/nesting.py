"""Quotes, brackets and code spans: what is open at a place in the text.

No sentence ends inside of what is open: `"Stop! Don't!" he said.` is one sentence to a reader. But a stream cannot
know whether a quote will ever be closed, so nothing stays open for long: see `REACH`.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from pytest_streamval.engine.prose.characters import DASHES, OPENING, TERMINATORS

REACH: Final = 480
"""How many characters something stays open: a long quotation fits, a quote that is never closed loses its hold."""

DEPTH: Final = 16
"""How many things can be open at once; further ones are not noted."""

_PAIRS: Final = {
    "(": ")",
    "[": "]",
    "{": "}",
    "“": "”",
    "„": "“”",
    "‚": "‘’",
    "‹": "›",
    "（": "）",
    "［": "］",
    "｛": "｝",
    "「": "」",
    "『": "』",
    "【": "】",
    "《": "》",
    "〈": "〉",
    "〔": "〕",
}
"""Opening characters that mean nothing else, and what closes them. German closes „ with “, Polish with ”."""

_CLOSERS: Final = frozenset("".join(_PAIRS.values())) - {"“", "‘"}

_EMOTICON: Final = ":;=8-^"
"""Before a bracket, these make a face: `:(` opens nothing."""

_BEFORE_SPEECH: Final = OPENING + DASHES + ",:;.!?"
"""What stands before speech; nothing at all counts as well."""

NESTING: Final = "".join(sorted({*_PAIRS, *_CLOSERS, *"\"'’‘«»“`"}))
"""Every character that opens or closes something."""


class _Open(NamedTuple):
    closers: str
    at: int


class Nesting:
    """What is open, innermost last."""

    __slots__ = ("open",)

    def __init__(self) -> None:
        self.open: list[_Open] = []
        """What was opened and not closed yet; some of it may be too far away to count."""

    def reset(self) -> None:
        """Forget everything, as a blank line does."""
        self.open.clear()

    def holds(self, at: int) -> bool:
        """Whether the place `at` is inside of something."""
        if not self.open:
            return False
        if at - self.open[-1].at <= REACH:
            return True
        self.open.clear()  # whatever is further out was opened even earlier
        return False

    def code(self, at: int) -> str:
        """The backticks that close the code span around the place `at`, or nothing."""
        return self.open[-1].closers if self.holds(at) and self.open[-1].closers[0] == "`" else ""

    def holds_behind(self, closing: str, at: int) -> bool:
        """Whether `closing` leaves something open."""
        if not self.holds(at):
            return False
        return not closing or bool(self._without(closing, at))

    def close(self, closing: str, at: int) -> None:
        """Close what each character of `closing` closes."""
        if self.open:
            self.open = self._without(closing, at)

    def _without(self, closing: str, at: int) -> list[_Open]:
        still = [entry for entry in self.open if at - entry.at <= REACH]
        for character in closing:
            for depth in range(len(still) - 1, -1, -1):
                if character in still[depth].closers:
                    del still[depth:]
                    break
        return still

    def begins(self) -> int:
        """Return where the outermost of what is open was opened, -1 where nothing is."""
        return self.open[0].at if self.open else -1

    def only_brackets(self) -> bool:
        """Whether all that is open is round brackets."""
        return all(entry.closers == ")" for entry in self.open)

    def meet(self, character: str, at: int, lead: str, after: str) -> None:
        """Take note of an opening or closing character, between the text of its sentence and the next character."""
        before = lead[-1:]
        opens = _opens(before, after)
        if character in _PAIRS:
            if character == "“" and self._closes(character, at):
                self.close(character, at)  # „so“
            elif character == "“" and not opens:
                return  # closes something like ,,so“
            elif not (character == "(" and ((before and before in _EMOTICON) or after in TERMINATORS)):
                self._push(_PAIRS[character], at)
        elif character == '"':
            self._meet_straight(character, at, opens=opens)
        elif character in "'‘’":
            self._meet_single(character, at, lead, after, opens=opens)
        elif character in "«»":
            self._meet_guillemet(character, at, opens=opens)
        else:
            self.close(character, at)

    def meet_backticks(self, backticks: str, at: int, before: str, after: str) -> None:
        """Take note of a run of backticks: it closes a span of as many, or opens one."""
        if self.code(at) == backticks:
            self.close("`", at)
        elif not self.code(at) and not before.isalnum() and after.strip():
            self._push(backticks, at)

    def _closes(self, character: str, at: int) -> bool:
        return any(character in entry.closers and at - entry.at <= REACH for entry in self.open)

    def _push(self, closers: str, at: int) -> None:
        if not self.holds(at) or len(self.open) < DEPTH:
            self.open.append(_Open(closers, at))

    def _meet_straight(self, character: str, at: int, *, opens: bool) -> None:
        """Take note of a `"`: it closes an open one, unless it plainly opens, which an inch mark never does."""
        if self._closes(character, at):
            self.close(character, at)
        elif opens:
            self._push(character, at)

    def _meet_single(self, character: str, at: int, lead: str, after: str, *, opens: bool) -> None:
        """Take note of a single quote, which is an apostrophe more often.

        `'` opens before a capital or at the start of speech (`, 'and what…`), so that `the 'nineties` opens nothing.
        """
        if character == "‘":
            if self._closes(character, at):
                self.close(character, at)
            elif opens:
                self._push("’", at)
        elif self._closes(character, at):
            if not after.isalnum() and not lead[-1:].isspace():
                self.close(character, at)
        elif character == "'" and opens and (after.isupper() or lead.rstrip()[-1:] in _BEFORE_SPEECH):
            self._push("'", at)

    def _meet_guillemet(self, character: str, at: int, *, opens: bool) -> None:
        """Take note of « or »: French opens with the first, German and Danish with the second."""
        if self._closes(character, at):
            self.close(character, at)
        elif character == "«" or opens:
            self._push("»" if character == "«" else "«", at)


def _opens(before: str, after: str) -> bool:
    """Whether a quote between these neighbours can open: space or an opening before it, none behind it."""
    return bool(after.strip()) and (not before or before.isspace() or before in OPENING or before in DASHES)
