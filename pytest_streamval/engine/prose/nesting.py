"""Quotes, brackets and code spans, and which of them are open at a place in the text.

No sentence ends inside an open one: `"Stop! Don't!" he said.` is one sentence to a reader. But a stream cannot know
whether a quote will ever be closed, so nothing stays open for long: see `REACH`.
"""

from __future__ import annotations

from typing import Final

from pytest_streamval.engine.prose.characters import DASHES, OPENING, TERMINATORS

REACH: Final = 480
"""The number of characters for which a quote or bracket stays open. A long quotation fits, and a quote that is never
closed ends there."""

DEPTH: Final = 16
"""The largest number of open quotes and brackets. Further ones are ignored."""

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
"""Characters that can only open, and the characters that close them. German closes „ with “, Polish with ”."""

_CLOSERS: Final = frozenset("".join(_PAIRS.values())) - {"“", "‘", '"'}

_EMOTICON: Final = ":;=8-^"
"""Characters that make an emoticon with a bracket after them: `:(` opens nothing."""

_NO_ASIDE: Final = ("", *TERMINATORS)
"""Characters that make a bracket before them a mark about the text: `(?)`."""

_BEFORE_QUOTE: Final = OPENING + DASHES

_BEFORE_SPEECH: Final = OPENING + DASHES + ",:;.!?"
"""The characters before speech. Speech can also come first."""

_GUILLEMETS: Final = {"«": "»", "»": "«", "‹": "›", "›": "‹"}

NESTING: Final = "".join(sorted({*_PAIRS, *_CLOSERS, *_GUILLEMETS, *"\"'’‘“`"}))
"""Every character that opens or closes something."""


class Nesting:
    """The open quotes, brackets and code spans."""

    __slots__ = ("open",)

    def __init__(self) -> None:
        self.open: list[tuple[str, int]] = []
        """The characters that close each open item, and the offset of its start, innermost last. Some items can be too
        far away to count."""

    def is_inside(self, at: int) -> bool:
        """Return whether the place `at` is inside an open item."""
        if not self.open:
            return False
        if at - self.open[-1][1] <= REACH:
            return True
        self.open.clear()  # outer items start even earlier
        return False

    def open_backticks(self, at: int) -> str:
        """Return the backticks that close the code span around the place `at`, or `""`."""
        return self.open[-1][0] if self.open and self.open[-1][0][0] == "`" and self.is_inside(at) else ""

    def is_inside_after(self, closing: str, at: int) -> bool:
        """Return whether an item is still open after `closing`."""
        if not self.is_inside(at):
            return False
        return not closing or bool(self._without(closing, at))

    def close(self, closing: str, at: int) -> None:
        """Close the innermost item for each character of `closing`."""
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

    def start(self) -> int:
        """Return the offset of the outermost open item, or -1 if there is none."""
        return self.open[0][1] if self.open else -1

    def only_brackets(self) -> bool:
        """Return whether all open items are round brackets."""
        return all(closers == ")" for closers, _ in self.open)

    def note(self, character: str, at: int, before: str, after: str) -> None:
        """Record a bracket, or a quote with two forms, between two characters (`""` at the start of its chunk)."""
        if character == "“":
            if not self._close_innermost(character, at) and _opens(before, after):  # or it closes ,,so“
                self._push("”", at)
        elif character == "(":
            if not (before and before in _EMOTICON) and after not in _NO_ASIDE:
                self._push(")", at)
        elif character in _PAIRS:
            self._push(_PAIRS[character], at)
        else:
            self.close(character, at)

    def note_straight_quote(self, at: int, before: str, after: str) -> None:
        """Record a `"`. It closes an open one, unless it clearly opens, which an inch mark never does."""
        if not self._close_innermost('"', at) and _opens(before, after):
            self._push('"', at)

    def note_guillemet(self, character: str, at: int, before: str, after: str) -> None:
        """Record a guillemet. French opens with the left one, German and Danish with the right one."""
        if not self._close_innermost(character, at) and (character in "«‹" or _opens(before, after)):
            self._push(_GUILLEMETS[character], at)

    def note_single_quote(self, character: str, at: int, lead: str, after: str) -> None:
        """Record a single quote after the text `lead`. It is usually an apostrophe.

        `'` opens before a capital or at the start of speech (`, 'and what…`), so `the 'nineties` opens nothing.
        """
        before = lead[-1:]
        if character == "‘":
            if not self._close_innermost(character, at) and _opens(before, after):
                self._push("’", at)
        elif self._can_close(character, at):
            if not after.isalnum() and not before.isspace():
                self._close_innermost(character, at)
        elif character == "'" and _opens(before, after) and (after.isupper() or lead.rstrip()[-1:] in _BEFORE_SPEECH):
            self._push("'", at)

    def note_backticks(self, backticks: str, at: int, before: str, after: str) -> None:
        """Record a run of backticks. It closes a span with the same number of backticks, or opens one."""
        if self.open_backticks(at) == backticks:
            self.close("`", at)
        elif not self.open_backticks(at) and not before.isalnum() and after.strip():
            self._push(backticks, at)

    def _can_close(self, character: str, at: int) -> bool:
        return any(character in closers and at - opened <= REACH for closers, opened in self.open)

    def _close_innermost(self, character: str, at: int) -> bool:
        """Close the innermost item that a character closes, and all items in it. Return whether there was one."""
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
        if not self.is_inside(at) or len(self.open) < DEPTH:
            self.open.append((closers, at))


def _opens(before: str, after: str) -> bool:
    """Return whether a quote can open: after a space or an opening character, and not before a space."""
    return not after.isspace() and after != "" and (not before or before.isspace() or before in _BEFORE_QUOTE)
