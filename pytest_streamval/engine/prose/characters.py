"""Classes of characters, and the patterns built from them.

Sources: Unicode 15.1 `PropList.txt` (Sentence_Terminal, Quotation_Mark), Unicode Standard Annex #29 (STerm, ATerm,
Close, SContinue). A class is a plain string, so that a reader can check it against its source character by character.
"""

from __future__ import annotations

import re
from typing import Final

LOOK: Final = 64
"""How many characters, from a candidate on, a decision may see. Past them it decides with what it has."""

LEFT: Final = 64
"""How many characters before a candidate a decision may see."""

WAIT: Final = -1
"""Answer of a rule that needs more of the text."""

TERMINATORS: Final = ".!?…‼⁇⁈⁉"
"""UAX #29 ATerm and STerm that want whitespace behind them, with the ellipsis and the doubled marks."""

FULL_STOPS: Final = "。！？｡．︒﹒﹖﹗" + "؟۔।॥።፧፨։៕។။᱾᱿꓿꛳꣎꣏"
"""Sentence terminals of scripts that write no case and often no space: they end a sentence by themselves.

CJK first, then Arabic, Urdu, Devanagari, Ethiopic, Armenian, Khmer, Burmese, Ol Chiki, Lisu, Bamum, Saurashtra
(UAX #29, STerm). Left out: Tibetan and Thai, whose marks end phrases as well.
"""

DASHES: Final = "‐‑‒–—―-"

OPENING: Final = "\"'“”‘„‚«»‹›([{¿¡*_~「『（【《〈〔［｛"
"""What may stand between the gap and the first letter of a sentence (UAX #29 Close, Markdown's emphasis)."""

CLOSING: Final = "\"'”’“‘»«›‹)]}*_`" + "」』）】》〉〕］｝｣〞〟"
"""What may follow a terminator and still belong to its sentence (UAX #29 Close, Markdown's emphasis and code)."""

WIDE_CLOSING: Final = "」』）】》〉〕］｝｣〞〟”’»)]"
"""The same behind a full stop of `FULL_STOPS`, where no whitespace follows to tell."""

CONTINUES: Final = ",;:&/=|%>)]}.!?…،؛、，；："
"""A character that no sentence begins with: UAX #29 SContinue, and further marks that hold on to what was before."""

NUMERIC: Final = "$€£¥₹#@+§°"
"""Begins a word that has no case, as a digit does."""

BULLETS: Final = "•⁃‣◦▪●○■"

EMOJI: Final = (
    "[\u2600-\u26ff\u2728\u2764\u2b50\U0001f1e6-\U0001f1ff\U0001f300-\U0001faff][\ufe0f\u200d\U0001f3fb-\U0001f3ff]*"
)
"""One pictograph. Check marks and crosses (U+2705, U+274C) are not in it: they begin items more often than they end."""

AHEAD: Final = re.compile(
    rf"(?P<run>[{TERMINATORS}]+(?:[ \xa0]\.(?![.\w]))*)"
    rf"(?P<close>[{re.escape(CLOSING)}]*(?:[ \xa0\u202f](?:»|'')(?=[\s,.;:]|\Z))?(?:\[\d{{1,3}}\]|[¹²³⁰⁴-⁹])*)"
    rf"(?P<gap>\s*)"
    rf"(?P<dash>(?:[{DASHES}]+\s+)?)"
    rf"(?P<open>(?:,,)?[{re.escape(OPENING)}]*)"
    rf"(?P<word>[^\W\d_]*)"
)
"""A terminator and all that one word of look-ahead can show; a spaced ellipsis counts as one run."""

GLUED_REFERENCES: Final = re.compile(rf"\.\d{{1,3}}(?:[,–\s]\d{{1,3}})*(?=\s+[{re.escape(OPENING)}]*[A-Z])")
"""Footnote numbers set right behind the period: `reflective cognition.10 This model relates to …`"""

GLUED_SENTENCE: Final = re.compile(
    rf"[{TERMINATORS}]+(?P<word>[^\W\d_]*)(?:(?P<after>['’\s])|\.(?P<letters>(?:[^\W\d_]\.)*)(?P<next>[^.]?))?"
)
"""A sentence that begins right after the last one, without a space: with a word, an abbreviation or initials."""

PART_OF_GLUED_REFERENCES: Final = re.compile(rf"\.\d{{1,3}}(?:[,–\s]\d{{0,3}})*\s*[{re.escape(OPENING)}]*\Z")
"""The beginning of a text that more can still make `GLUED_REFERENCES`."""

INTERRUPTED: Final = re.compile(rf"[\"”]\s+[{re.escape(OPENING)}]*(?P<next>[^{re.escape(OPENING)}\s])?")
"""The end of speech that a dash breaks off: `afore she comes, to--" At this moment, …`"""

FULL_STOP_AHEAD: Final = re.compile(rf"[{FULL_STOPS}!?…]+(?P<close>[{re.escape(WIDE_CLOSING)}\"']*)")

REFERENCES: Final = re.compile(r"(?:\[\d{1,3}\] ?)+(?!\S)")
"""Reference marks behind the gap, which belong to the sentence before: `Hydrogen is a gas. [1] It is colourless.`"""

PART_OF_REFERENCES: Final = re.compile(r"(?:\[\d{1,3}\] ?)*(?:\[\d{0,3}\]?)?\Z")
"""The beginning of a text that more can still make `REFERENCES`."""

PICTOGRAPHS: Final = re.compile(rf"(?:{EMOJI})+")

QUOTATIVE: Final = "とっ"
"""What begins と and って, which report the speech that a closing mark has just ended: 「行こう！」と言った。"""

HOLDS_WIDE: Final = "、，；：,;:"
"""Behind a full stop and its closing marks, these hold on to the sentence."""

BLANK: Final = re.compile(r"\s*")
BLANK_LINE: Final = re.compile(r"[^\S\n]*\n[^\S\n]*\n")


def sure(match: re.Match[str] | None) -> re.Match[str]:
    """Return a match that cannot be missing, because the pattern matches whatever stands there."""
    return match  # type: ignore[return-value]  # that is what the caller vouches for


def is_ideographic(character: str) -> bool:
    """Whether the character is of a script that is written without spaces: Han, Kana, Hangul and their kin."""
    return "\u2e80" <= character <= "\u9fff" or "\uac00" <= character <= "\ud7a3" or character >= "\U00020000"
