"""Classes of characters, and the patterns built from them.

Sources: Unicode 15.1 `PropList.txt` (Sentence_Terminal, Quotation_Mark), Unicode Standard Annex #29 (STerm, ATerm,
Close, SContinue). A class is a plain string, so that a reader can compare it with its source character by character.
"""

from __future__ import annotations

import re
from typing import Final

LOOK: Final = 64
"""The number of characters, from a candidate on, that a decision can see. If they are not enough, it decides anyway."""

LEFT: Final = 64
"""The number of characters before a candidate that a decision can see."""

WAIT: Final = -1
"""The result of a handler that needs more text."""

TERMINATORS: Final = ".!?…‼⁇⁈⁉"
"""The terminators that need whitespace after them (UAX #29 ATerm and STerm), with the ellipsis and the doubled marks.
"""

FULL_STOPS: Final = "。！？｡．︒﹒﹖﹗" + "؟۔।॥።፧፨։៕។။᱾᱿꓿꛳꣎꣏"
"""The sentence terminals of scripts without case and often without spaces. They end a sentence by themselves.

CJK first, then Arabic, Urdu, Devanagari, Ethiopic, Armenian, Khmer, Burmese, Ol Chiki, Lisu, Bamum, Saurashtra (UAX
#29, STerm). Tibetan and Thai are left out, because their marks also end phrases.
"""

DASHES: Final = "‐‑‒–—―-"

OPENING: Final = "\"'“”‘„‚«»‹›([{¿¡*_~「『（【《〈〔［｛"
"""The characters between the gap and the first letter of a sentence (UAX #29 Close, Markdown's emphasis)."""

CLOSING: Final = "\"'”’“‘»«›‹)]}*_`" + "」』）】》〉〕］｝｣〞〟"
"""The characters after a terminator that belong to its sentence (UAX #29 Close, Markdown's emphasis and code)."""

WIDE_CLOSING: Final = "」』）】》〉〕］｝｣〞〟”’»)]"
"""The same after a full stop of `FULL_STOPS`, which has no whitespace after it."""

CONTINUES: Final = ",;:&/=|%>)]}.!?…،؛、，；："
"""The characters that no sentence starts with: UAX #29 SContinue, and similar marks."""

NUMERIC: Final = "$€£¥₹#@+§°"
"""The symbols that a number can start with."""

BULLETS: Final = "•⁃‣◦▪●○■"

EMOJI: Final = (
    "[\u2600-\u26ff\u2728\u2764\u2b50\U0001f1e6-\U0001f1ff\U0001f300-\U0001faff][\ufe0f\u200d\U0001f3fb-\U0001f3ff]*+"
)
"""One pictograph. Check marks and crosses (U+2705, U+274C) are left out, because they start items more often than they
end them."""

AHEAD: Final = re.compile(
    rf"\A(?P<run>[{TERMINATORS}]++(?:[ \xa0]\.(?![.\w]))*+)"
    rf"(?P<close>[{re.escape(CLOSING)}]*+(?:[ \xa0\u202f](?:»|'')(?=[\s,.;:]|\Z))?(?:\[\d{{1,3}}\]|[¹²³⁰⁴-⁹])*+)"
    rf"(?P<gap>\s*+)"
    rf"(?P<dash>(?:[{DASHES}]+\s+)?)"
    rf"(?P<open>(?:,,)?+[{re.escape(OPENING)}]*+)"
    rf"(?P<word>[^\W\d_]*+)"
)
"""A terminator at the start of a text, and one word of look-ahead. A spaced ellipsis is one run."""

GLUED_REFERENCES: Final = re.compile(rf"\.\d{{1,3}}(?:[,–\s]\d{{1,3}})*(?=\s+[{re.escape(OPENING)}]*[A-Z])")
"""Footnote numbers directly after the period: `reflective cognition.10 This model relates to …`"""

GLUED_SENTENCE: Final = re.compile(
    rf"[{TERMINATORS}]+(?P<word>[^\W\d_]*)(?:(?P<after>['’\s])|\.(?P<letters>(?:[^\W\d_]\.)*)(?P<next>[^.]?))?"
)
"""A sentence that follows the last one without a space: it starts with a word, an abbreviation or initials."""

PART_OF_GLUED_REFERENCES: Final = re.compile(rf"\.\d{{1,3}}(?:[,–\s]\d{{0,3}})*+\s*+[{re.escape(OPENING)}]*+\Z")
"""The start of a text that can still become `GLUED_REFERENCES`."""

INTERRUPTED: Final = re.compile(rf"[\"”]\s+[{re.escape(OPENING)}]*(?P<next>[^{re.escape(OPENING)}\s])?")
"""The end of speech that a dash interrupts: `afore she comes, to--" At this moment, …`"""

FULL_STOP_AHEAD: Final = re.compile(rf"[{FULL_STOPS}!?…]+(?P<close>[{re.escape(WIDE_CLOSING)}\"']*)")

REFERENCES: Final = re.compile(r"(?:\[\d{1,3}\] ?){1,40}(?!\S)")
"""Reference marks after the gap, which belong to the sentence before: `Hydrogen is a gas. [1] It is colourless.`"""

PART_OF_REFERENCES: Final = re.compile(r"(?:\[\d{1,3}\] ?){0,40}(?:\[\d{0,3}\]?)?\Z")
"""The start of a text that can still become `REFERENCES`."""

PICTOGRAPHS: Final = re.compile(rf"(?:{EMOJI})+")

QUOTATIVE: Final = "とっ"
"""The first characters of と and って, which report the speech before them: 「行こう！」と言った。"""

CONTINUES_WIDE: Final = "、，；：,;:"
"""The characters that continue the sentence after a full stop and its closing marks."""

BLANK: Final = re.compile(r"\s*")
BLANK_LINE: Final = re.compile(r"(?<![^\S\n])[^\S\n]*+\n[^\S\n]*+\n")


def matched(match: re.Match[str] | None) -> re.Match[str]:
    """Return a match that cannot be None, because the pattern matches every text."""
    return match  # type: ignore[return-value]  # never None here


def is_ideographic(character: str) -> bool:
    """Return whether a character belongs to a script without spaces, such as Han, Kana and Hangul."""
    return "\u2e80" <= character <= "\u9fff" or "\uac00" <= character <= "\ud7a3" or character >= "\U00020000"
