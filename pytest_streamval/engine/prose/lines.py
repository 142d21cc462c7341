"""Lines: which of them are chunks of their own, and which continue in the next line."""

from __future__ import annotations

import re
from typing import Final

from pytest_streamval.engine.prose.characters import BULLETS, LOOK

WRAP: Final = 40
"""The length, in characters, from which a line may have been wrapped. A shorter line ends where its writer ended it."""

_STRUCTURE: Final = rf"""
    [ \t]*+ (?:
      (?P<fence> `{{3,}}[^`\n]*(?:\n|\Z) | ~{{3,}} )   # 4.5
    | (?P<whole> \#{{1,6}}(?=\s) | \| | (?:[-*_][ \t]*){{3,}}(?:\n|\Z) | ={{3,}}[ \t]*(?:\n|\Z) )  # 4.1-4.3; tables
    | (?P<item> [{BULLETS}] | [-*+–—](?=[ \t]) | >  # 5.1, 5.2
        | \(?(?:\d{{1,3}}|[A-Za-z]|[ivxIVX]{{2,5}})(?:\.\)|[.)])(?=\s) )
    )"""
"""The start of a line that is a chunk of its own (CommonMark 0.31)."""

_PART: Final = r"(?P<wait> [ \t]*+(?:`{3,}[^`\n]*|~+|`+|\#{1,6}|[-*_=\ \t]+|[–—+]|\(?\w{0,5}[.)]*)\Z )"
"""The start of a line that can still become one of `_STRUCTURE`."""

_SOON: Final = re.compile(rf"\A (?: {_PART} | {_STRUCTURE} )", re.VERBOSE)
_SURE: Final = re.compile(rf"\A {_STRUCTURE}", re.VERBOSE)

_QUOTES: Final = frozenset("\"'“‘")

_ROMAN: Final = frozenset("ivxIVX")


class LineKind:
    """The kinds of lines."""

    WAIT: Final = "wait"
    TEXT: Final = "text"
    ITEM: Final = "item"
    WHOLE: Final = "whole"
    FENCE: Final = "fence"


def is_plain_line(text: str, at: int) -> bool:
    """Return whether two characters show that the line at `at` is text. Only Roman numerals start with letters."""
    begin = text[at : at + 2]
    if begin.isalpha():
        return len(begin) > 1 and (begin[1] not in _ROMAN or begin[0] not in _ROMAN)
    return begin[:1] in _QUOTES


def kind_of_line(view: str, *, more: bool) -> str:
    """Return the kind of the line at the start of `view`."""
    if is_plain_line(view, 0):
        return LineKind.TEXT
    found = (_SOON if more and len(view) < LOOK else _SURE).match(view)
    return (found.lastgroup or LineKind.TEXT) if found else LineKind.TEXT


FENCE_MARK: Final = re.compile(r"\A[ \t]*+(`{3,}|~{3,})")


def closing_fence(mark: str) -> re.Pattern[str]:
    """Return the pattern of a line end and the line that closes a fence opened by `mark`."""
    return re.compile(rf"\n[ \t]*+(?:{re.escape(mark[0])}){{{len(mark)},}}+[ \t\r]*+(?=\n|\Z)")


PART_OF_FENCE_LINE: Final = re.compile(r"\n[ \t]*+(?:`++|~++)?[ \t\r]*+\Z")
"""The start of a line that can still become one that closes a fence."""
