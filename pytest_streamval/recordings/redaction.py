"""Secrets in a provider's response. They are overwritten byte for byte, so that nothing else moves.

A secret may come in several reads, and a model that repeats its prompt sends it in several deltas, a piece in each
frame. So the complete response is searched twice: its bytes as they are, and the strings of its JSON, those of the same
place in all frames joined.
"""

from __future__ import annotations

import re
from collections import defaultdict
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from pytest_streamval.http.secrets import is_secret_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_streamval.http.secrets import Secrets

    Span = tuple[int, int]
    Places = dict[str, dict[str, list[Span]]]
    """Strings by their path in their frame, and by the values of `index`, as answers and calls may alternate."""

_FILLING = b"*"
# The start of a frame; a string, with the colon that makes it a key and a number after that; a bracket. Bytes are read
# as Latin-1, a character each: no byte of a longer UTF-8 sequence is any of these. A string ends with its line at the
# latest.
_TOKEN = re.compile(
    r"""(?P<frame>^(?:data:|(?=\{)))"""
    r"""|"(?P<string>(?:[^"\\\r\n]++|\\[^\r\n])*+)(?:"(?P<key>\s*+:(?:\s*+(?P<number>\d++))?)?|(?=[\r\n\\]|\Z))"""
    r"""|(?P<bracket>[\[\]{}])""",
    re.MULTILINE,
)
_UNIT = re.compile(r"\\u(?P<code>[0-9a-fA-F]{4})|\\(?P<escaped>.)|(?P<plain>.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


def redacted(reads: Sequence[bytes], secrets: Secrets) -> list[bytes]:
    """Return the bytes of reads with every secret overwritten. Each read keeps its length."""
    body = b"".join(reads)
    clean = bytearray(body)
    for start, end in _spans(body.decode("latin-1"), secrets):
        clean[start:end] = _FILLING * (end - start)
    ends = accumulate(map(len, reads), initial=0)
    return [bytes(clean[start:end]) for start, end in pairwise(ends)]


def _spans(text: str, secrets: Secrets) -> Iterator[Span]:
    for start, end in secrets.spans(text):
        yield start + _is_escaped(text, start), end
    for path, by_index in _strings(text).items():
        for strings in by_index.values():
            if is_secret_name(path.rpartition("/")[2], in_response=True):
                yield from strings
            else:
                yield from _in_strings(text, strings, secrets)


def _is_escaped(text: str, at: int) -> bool:
    """Return whether a character belongs to an escape sequence, such as the n of a line end before a secret."""
    first = at
    while first and text[first - 1] == "\\":
        first -= 1
    return (at - first) % 2 == 1


def _in_strings(text: str, strings: Sequence[Span], secrets: Secrets) -> Iterator[Span]:
    """Yield the spans of the secrets in strings that belong together, one span for each character."""
    joined = "".join(_decoded(text[start:end]) for start, end in strings)
    found = list(secrets.spans(joined))
    if found:
        units = [unit.span() for start, end in strings for unit in _UNIT.finditer(text, start, end)]
        for start, end in found:
            yield from units[start:end]


def _decoded(string: str) -> str:
    return _UNIT.sub(_character, string) if "\\" in string else string


def _character(unit: re.Match[str]) -> str:
    if unit["code"]:
        return chr(int(unit["code"], 16))
    return unit["plain"] or _ESCAPES.get(unit["escaped"], unit["escaped"])


def _strings(text: str) -> Places:
    """Return the places of the strings in the JSON of a response."""
    places: Places = defaultdict(lambda: defaultdict(list))
    frame = _Frame()
    for token in _TOKEN.finditer(text):
        if token["frame"] is not None:
            frame.enter(places)
            frame = _Frame()
        elif token["bracket"]:
            frame.bracket(token["bracket"])
        else:
            frame.string(token)
    frame.enter(places)
    return places


class _Frame:
    def __init__(self) -> None:
        self._path: list[str] = []
        self._numbers: list[str] = []
        self._strings: list[tuple[str, Span]] = []

    def bracket(self, bracket: str) -> None:
        if bracket in "{[":
            self._path.append("")
        elif self._path:
            self._path.pop()

    def string(self, token: re.Match[str]) -> None:
        if not token["key"]:
            self._strings.append(("/".join(self._path), token.span("string")))
        elif self._path:
            self._path[-1] = token["string"]
            if token["string"] == "index" and token["number"]:
                self._numbers.append(token["number"])

    def enter(self, places: Places) -> None:
        """Add the strings to those of the other frames."""
        index = ",".join(self._numbers)
        for path, span in self._strings:
            # a frame that was cut off may lack the number that comes last
            for each in {index, *(places[path] if self._path else ())}:
                places[path][each].append(span)
