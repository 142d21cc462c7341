"""Quotes, brackets and code spans: what is open at a place in the text.

No sentence ends inside of what is open: `"Stop! Don't!" he said.` is one sentence to a reader. But a stream cannot
know whether a quote will ever be closed, so nothing stays open for long: see `REACH`.
"""

from __future__ import annotations

from typing import Final

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
    "„": '“”"',
    "‚": "‘’",
    "（": "）",
    "［": "］",
    "｛": "｝",
    "「": "」",
    "『": "』",
    "【": "】",
    "《": "》",
    "〈": "〉",
    "〔": "〕",
    "｢": "｣",
    "〝": "〞〟",
}
"""Opening characters that mean nothing else, and what closes them. German closes „ with “, Polish with ”."""

_CLOSERS: Final = frozenset("".join(_PAIRS.values())) - {"“", "‘", '"'}

_EMOTICON: Final = ":;=8-^"
"""Before a bracket, these make a face: `:(` opens nothing."""

_NO_ASIDE: Final = ("", *TERMINATORS)
"""Behind a bracket, these make it a mark about the text: `(?)`."""

_BEFORE_QUOTE: Final = OPENING + DASHES

_BEFORE_SPEECH: Final = OPENING + DASHES + ",:;.!?"
"""What stands before speech; nothing at all counts as well."""

_GUILLEMETS: Final = {"«": "»", "»": "«", "‹": "›", "›": "‹"}

NESTING: Final = "".join(sorted({*_PAIRS, *_CLOSERS, *_GUILLEMETS, *"\"'’‘“`"}))
"""Every character that opens or closes something."""


class Nesting:
    """What is open, innermost last."""

    __slots__ = ("open",)

    def __init__(self) -> None:
        self.open: list[tuple[str, int]] = []
        """What closes each thing that was opened and is not closed yet, and where it was opened; some of it may be too
        far away to count."""

    def holds(self, at: int) -> bool:
        """Whether the place `at` is inside of something."""
        if not self.open:
            return False
        if at - self.open[-1][1] <= REACH:
            return True
        self.open.clear()  # whatever is further out was opened even earlier
        return False

    def code(self, at: int) -> str:
        """The backticks that close the code span around the place `at`, or nothing."""
        return self.open[-1][0] if self.open and self.open[-1][0][0] == "`" and self.holds(at) else ""

    def holds_behind(self, closing: str, at: int) -> bool:
        """Whether `closing` leaves something open."""
        if not self.holds(at):
            return False
        return not closing or bool(self._without(closing, at))

    def close(self, closing: str, at: int) -> None:
        """Close what each character of `closing` closes."""
        if self.open:
            self.open = self._without(closing, at)

    def _without(self, closing: str, at: int) -> list[tuple[str, int]]:
        still = [entry for entry in self.open if at - entry[1] <= REACH]
        for character in closing:
            for depth in range(len(still) - 1, -1, -1):
                if character in still[depth][0]:
                    del still[depth:]
                    break
        return still

    def begins(self) -> int:
        """Return where the outermost of what is open was opened, -1 where nothing is."""
        return self.open[0][1] if self.open else -1

    def only_brackets(self) -> bool:
        """Whether all that is open is round brackets."""
        return all(closers == ")" for closers, _ in self.open)

    def meet(self, character: str, at: int, before: str, after: str) -> None:
        """Take note of a bracket or quote that has two forms, between two characters, `""` where its chunk begins."""
        if character == "“":
            if not self._closed(character, at) and _opens(before, after):  # „so“; else it closes something like ,,so“
                self._push("”", at)
        elif character == "(":
            if not (before and before in _EMOTICON) and after not in _NO_ASIDE:
                self._push(")", at)
        elif character in _PAIRS:
            self._push(_PAIRS[character], at)
        else:
            self.close(character, at)

    def meet_straight(self, at: int, before: str, after: str) -> None:
        """Take note of a `"`: it closes an open one, unless it plainly opens, which an inch mark never does."""
        if not self._closed('"', at) and _opens(before, after):
            self._push('"', at)

    def meet_guillemet(self, character: str, at: int, before: str, after: str) -> None:
        """Take note of a guillemet: French opens with the left one, German and Danish with the right one."""
        if not self._closed(character, at) and (character in "«‹" or _opens(before, after)):
            self._push(_GUILLEMETS[character], at)

    def meet_single(self, character: str, at: int, lead: str, after: str) -> None:
        """Take note of a single quote behind the text `lead`; it is an apostrophe more often.

        `'` opens before a capital or at the start of speech (`, 'and what…`), so that `the 'nineties` opens nothing.
        """
        before = lead[-1:]
        if character == "‘":
            if not self._closed(character, at) and _opens(before, after):
                self._push("’", at)
        elif self._closes(character, at):
            if not after.isalnum() and not before.isspace():
                self._closed(character, at)
        elif character == "'" and _opens(before, after) and (after.isupper() or lead.rstrip()[-1:] in _BEFORE_SPEECH):
            self._push("'", at)

    def meet_backticks(self, backticks: str, at: int, before: str, after: str) -> None:
        """Take note of a run of backticks: it closes a span of as many, or opens one."""
        if self.code(at) == backticks:
            self.close("`", at)
        elif not self.code(at) and not before.isalnum() and after.strip():
            self._push(backticks, at)

    def _closes(self, character: str, at: int) -> bool:
        return any(character in closers and at - opened <= REACH for closers, opened in self.open)

    def _closed(self, character: str, at: int) -> bool:
        """Whether a character closes something, which is closed then, with all that was opened in it."""
        still = self.open
        depth = len(still)
        for closers, opened in reversed(still):
            depth -= 1
            if at - opened > REACH:
                return False
            if character in closers:
                del still[depth:]
                while still and at - still[0][1] > REACH:
                    del still[0]
                return True
        return False

    def _push(self, closers: str, at: int) -> None:
        if not self.holds(at) or len(self.open) < DEPTH:
            self.open.append((closers, at))


def _opens(before: str, after: str) -> bool:
    """Whether a quote between these neighbours can open: space or an opening before it, none behind it."""
    return not after.isspace() and after != "" and (not before or before.isspace() or before in _BEFORE_QUOTE)
