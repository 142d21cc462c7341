"""The forms of keys: values that look like a key in any place, such as `sk-...` and JSON Web Tokens."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Span = tuple[int, int]

_DATA = Path(__file__).with_suffix(".json")
_FEWEST = 8  # characters of a text with a key or with the credentials of an address
_SHORT = 4  # characters of a beginning that words have too, as `risk-` has `sk-`; it must not follow a letter or digit
_SCHEMES = ("earer ", "asic ")  # the end of the name of a scheme, before its credentials
_CREDENTIALS = re.compile(r"\b(?:bearer|basic) ++(?P<value>[\w.~+/=-]{8,}+)", re.IGNORECASE | re.ASCII)
_UNLIKE_A_WORD = re.compile(r"[\d.~+/=_-]|(?<=.)[A-Z]")
_SHORTEST_KEY = 15
_OF_KEYS = r"A-Za-z\d_.+/=-"
# Every key has a run of so many of these characters, and few words do. One match takes the shorter words before it too,
# which halves the time of prose, and the last match is empty.
_LONG = re.compile(
    rf"(?:[{_OF_KEYS}]{{0,{_SHORTEST_KEY - 1}}}+[^{_OF_KEYS}]++)*+"
    rf"(?:([{_OF_KEYS}]{{{_SHORTEST_KEY},}}+)|[{_OF_KEYS}]{{0,{_SHORTEST_KEY - 1}}}+\Z)",
    re.ASCII,
)
_PRIVATE_KEY, _DASHES = "PRIVATE KEY", "-----"
_PRIVATE_KEY_BEGINS = re.compile(r"-----BEGIN [A-Z\d ]{0,24}PRIVATE KEY(?: BLOCK)?-----")
_PRIVATE_KEY_ENDS = "-----END "
_PRIVATE_KEY_LINES = re.compile(r"(?:[A-Za-z\d+/=\s]|\\[nr])*+")
_USER, _HOST = "://", "@"
_SHORTEST_USER = 8  # characters of a user without a password that may be a token; `git@` is none
_CREDENTIALS_OF_ADDRESS = re.compile(r"://(?P<value>[^\s/?#\"'<>\\]++)")

own_patterns: list[re.Pattern[str]] = []
"""Patterns that the user has declared."""


class _Form(NamedTuple):
    """The form of the keys with a beginning."""

    begin: str
    """The beginning."""
    pattern: re.Pattern[str]
    """A match is the beginning, and in its group all characters of the key after it."""
    needs: str
    """The characters that a key must hold."""
    is_word: bool
    """Whether an ordinary name may begin in the same way."""


@cache
def _forms() -> Mapping[str, Sequence[_Form]]:
    """Return the forms in the data by the shortest of their beginnings, those with longer ones first."""
    rows = json.loads(_DATA.read_text(encoding="utf-8"))["shapes"]
    forms = sorted((_form(begin, row) for row in rows for begin in row["begins"]), key=lambda form: -len(form.begin))
    begins = {form.begin for form in forms}
    shortest = [each for each in begins if not any(each != other and each.startswith(other) for other in begins)]
    return {hint: [form for form in forms if form.begin.startswith(hint)] for hint in shortest}


def _form(begin: str, row: Mapping[str, Any]) -> _Form:
    is_short = len(begin) <= _SHORT
    edge = r"(?<![A-Za-z\d])" if is_short else ""
    pattern = re.compile(rf"{edge}{re.escape(begin)}([{row['characters']}]{{{row['least']},}}+)")
    return _Form(begin, pattern, row.get("holds", ""), is_short)


def prepare_shapes() -> None:
    """Compile the shapes, which the first search does otherwise."""
    _forms()


def long_words(text: str) -> frozenset[str]:
    """Return the words of a text that are long enough for a key."""
    return frozenset(filter(None, _LONG.findall(text)))


def shaped_spans(text: str, words: frozenset[str]) -> Iterator[Span]:
    """Yield the spans of values in a text that look like a key or like the credentials of an address.

    Args:
        text: The text.
        words: Its long words.
    """
    for pattern in own_patterns:
        yield from (match.span() for match in pattern.finditer(text))
    if len(text) < _FEWEST:
        return
    for hint in _hints_in(words):
        yield from _keys(text, hint)
    if any(map(text.__contains__, _SCHEMES)):
        yield from _after_schemes(text)
    if _DASHES in text and _PRIVATE_KEY in text:
        yield from _private_keys(text)
    if _HOST in text and _USER in text:
        yield from _credentials_of_addresses(text)


@cache
def _hints() -> Mapping[str, Sequence[str]]:
    """Return the beginnings of keys by the sign that is in them, empty for those without one of two frequent signs."""
    groups: dict[str, list[str]] = {"-": [], "_": [], "": []}
    for hint in _forms():
        groups["-" if "-" in hint else "_" if "_" in hint else ""].append(hint)
    return groups


def _hints_in(words: frozenset[str]) -> Iterator[str]:
    """Yield the beginnings of keys that words have. To search for each in the complete text costs time."""
    if not words:
        return
    for sign, hints in _hints().items():
        joined = " ".join([word for word in words if sign in word] if sign else words)
        if joined:
            yield from [hint for hint in hints if hint in joined]


def _keys(text: str, hint: str) -> Iterator[Span]:
    forms = _forms()[hint]
    at = text.find(hint)
    while at >= 0:
        form, match = next(((form, found) for form in forms if (found := form.pattern.match(text, at))), (None, None))
        if form is None or match is None:
            at = text.find(hint, at + 1)
            continue
        key = match[1].rstrip(".")
        is_name = form.is_word and not any(each.isdigit() or each.isupper() for each in key)
        if not is_name and form.needs in key:
            yield at, match.start(1) + len(key)
        at = text.find(hint, match.end())


def _after_schemes(text: str) -> Iterator[Span]:
    for match in _CREDENTIALS.finditer(text):
        value = match["value"].rstrip(".")
        if _UNLIKE_A_WORD.search(value):
            yield match.start("value"), match.start("value") + len(value)


def _private_keys(text: str) -> Iterator[Span]:
    has_end = True
    end = 0
    for begin in _PRIVATE_KEY_BEGINS.finditer(text):
        if begin.start() < end:
            continue
        at = text.find(_PRIVATE_KEY_ENDS, begin.end()) if has_end else -1
        has_end = at >= 0
        dashes = text.find("-----", at + len(_PRIVATE_KEY_ENDS)) if has_end else -1
        if dashes >= 0:
            end = dashes + len("-----")
        else:
            lines = _PRIVATE_KEY_LINES.match(text, begin.end())
            end = begin.end() if lines is None else lines.end()
        yield begin.start(), end


def _credentials_of_addresses(text: str) -> Iterator[Span]:
    for match in _CREDENTIALS_OF_ADDRESS.finditer(text):
        start = match.start("value")
        at = match["value"].rfind("@")
        if at >= _SHORTEST_USER or ":" in match["value"][: max(at, 0)]:
            yield start, start + at
