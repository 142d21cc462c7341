"""Secrets in a provider's response. They are overwritten byte for byte, so that nothing else moves.

A secret may come in several reads, and a model that repeats its prompt sends it in several deltas, a piece in each
frame. So the complete response is searched twice: its bytes as they are, and the strings of its JSON, those of the same
place in all frames joined.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from pytest_streamval.http.secrets.assigned_values import named_values
from pytest_streamval.http.secrets.escapes import json_layer, unescaped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_streamval.http.secrets import Secrets

    Span = tuple[int, int]
    Places = dict[str, dict[str, list[Span]]]
    """Strings by their path in their frame, and by the values of `index`, as answers and calls may alternate."""

_NUMBER = re.compile(r"-?\d[\d.eE+-]*+", re.ASCII)
_DIGIT = re.compile(r"\d", re.ASCII)
# The start of a frame; a string, with the colon that makes it a key and a number after that; a bracket. Bytes are read
# as Latin-1, a character each: no byte of a longer UTF-8 sequence is any of these. A string ends with its line at the
# latest.
_TOKEN = re.compile(
    r"""(?P<frame>^(?:data:|(?=\{)))"""
    r"""|"(?P<string>(?:[^"\\\r\n]++|\\[^\r\n])*+)(?:"(?P<key>\s*+:(?:\s*+(?P<number>\d++))?)?|(?=[\r\n\\]|\Z))"""
    r"""|(?P<opening>[\[{])|(?P<closing>[\]}])""",
    re.MULTILINE,
)
_SAMPLE = 40  # equal strings that are searched for a secret in place of all
_LONGEST_NAME = 64  # characters of a name that are part of a path
_DEEPEST = 32  # levels of a frame whose names are part of a path; deeper strings share one


def redacted(reads: Sequence[bytes], secrets: Secrets) -> list[bytes]:
    """Return the bytes of reads with every secret overwritten. Each read keeps its length."""
    body = b"".join(reads)
    text = body.decode("latin-1")
    clean = bytearray(body)
    strings = _strings(text)
    for by_index in strings.values():
        for each in by_index.values():
            for start, end in _in_strings(text, each, secrets):
                clean[start:end] = b"*" * (end - start)
    for start, end in _in_text(text, secrets, is_json=bool(strings)):
        clean[start:end] = _filling(text, start, end)
    ends = accumulate(map(len, reads), initial=0)
    return [bytes(clean[start:end]) for start, end in pairwise(ends)]


def _filling(text: str, start: int, end: int) -> bytes:
    """Return bytes in the place of a secret. A number stays one, so that the JSON stays valid."""
    value = text[start:end]
    is_number = _NUMBER.fullmatch(value) is not None and text[max(0, start - 2) : start].rstrip()[-1:] in {*":[,"}
    return _DIGIT.sub("1", value).encode() if is_number else b"*" * (end - start)


def _in_text(text: str, secrets: Secrets, *, is_json: bool) -> Iterator[Span]:
    """Yield the spans of the secrets in the text of a response as it is."""
    if not is_json:
        yield from secrets.spans(text)
        return
    for start, end in secrets.plain_spans(text):
        yield start + _is_escaped(text, start), end
    yield from ((found.start, found.end) for found in named_values(text, in_request=False))


def _is_escaped(text: str, at: int) -> bool:
    """Return whether a character belongs to an escape sequence, such as the n of a line end before a secret."""
    first = at
    while first and text[first - 1] == "\\":
        first -= 1
    return (at - first) % 2 == 1


def _in_strings(text: str, strings: Sequence[Span], secrets: Secrets) -> Iterator[Span]:
    """Yield the spans of the secrets in strings that belong together."""
    pieces = [text[start:end] for start, end in strings]
    if len(pieces) > _SAMPLE and len(set(pieces)) == 1 and not _has_secret("".join(pieces[:_SAMPLE]), secrets):
        return  # the name of a model, for example, which is the same in every frame
    encoded = "".join(pieces)
    layer = json_layer(encoded)
    found = list(secrets.spans(encoded if layer is None else layer.text))
    if found:
        offsets = [*accumulate(map(len, pieces), initial=0)]
        for span in found:
            yield from _pieces_of(span if layer is None else layer.source(*span), strings, offsets)


def _pieces_of(span: Span, strings: Sequence[Span], offsets: Sequence[int]) -> Iterator[Span]:
    """Yield the parts of a span of joined strings, each in the string that it is from."""
    start, end = span
    number = bisect_right(offsets, start) - 1
    while start < end:
        stop = min(end, offsets[number + 1])
        shift = strings[number][0] - offsets[number]
        yield start + shift, stop + shift
        start, number = stop, number + 1


def _has_secret(encoded: str, secrets: Secrets) -> bool:
    return any(secrets.spans(unescaped(encoded)))


def _strings(text: str) -> Places:
    """Return the places of the strings in the JSON of a response."""
    places: Places = defaultdict(lambda: defaultdict(list))
    frame = _Frame()
    for token in _TOKEN.finditer(text):
        kind = token.lastgroup
        if kind == "string":
            frame.strings.append(("/".join(frame.path), token.span("string")))
        elif kind == "opening":
            frame.enter_value()
        elif kind == "closing":
            frame.leave_value()
        elif kind == "frame":
            frame.add_to(places)
            frame = _Frame()
        else:
            frame.name(token)
    frame.add_to(places, is_last=True)
    return places


class _Frame:
    """The strings of one frame."""

    def __init__(self) -> None:
        self.path: list[str] = []
        """The names that lead to the current place, or as many as count."""
        self.strings: list[tuple[str, Span]] = []
        """The strings so far, with their paths."""
        self._deeper = 0
        self._numbers: list[str] = []

    def enter_value(self) -> None:
        if len(self.path) < _DEEPEST:
            self.path.append("")
        else:
            self._deeper += 1

    def leave_value(self) -> None:
        if self._deeper:
            self._deeper -= 1
        elif self.path:
            self.path.pop()

    def name(self, token: re.Match[str]) -> None:
        if self.path and not self._deeper:
            self.path[-1] = name = token["string"][:_LONGEST_NAME]
            if name == "index" and token["number"]:
                self._numbers.append(token["number"])

    def add_to(self, places: Places, *, is_last: bool = False) -> None:
        """Add the strings to those of the other frames."""
        index = ",".join(self._numbers)
        for path, span in self.strings:
            # the last frame may have been cut off, and lack the number that comes last
            for each in {index, *places[path]} if is_last and self.path else (index,):
                places[path][each].append(span)
