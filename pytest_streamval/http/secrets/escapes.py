"""Escapes in texts: of JSON, which may be nested in strings of JSON to any depth, of addresses, and ends of lines."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_ESCAPE = re.compile(r"\\(?:u(?P<code>[\da-fA-F]{4})|x(?P<byte>[\da-fA-F]{2})|(?P<character>[\"'`/\\bfnrt]))")
_PERCENT = re.compile(r"%(?P<byte>[\da-fA-F]{2})")
_LINE_END = re.compile(r"(?<=[A-Za-z\d+/=_-])\r?\n[ \t]{0,8}(?=[A-Za-z\d+/_-])", re.ASCII)  # in base64
_LINE = 60  # characters of a line of base64, at least: MIME has 76, and PEM 64
_CHARACTERS = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_DEEPEST = 16  # layers; a string of JSON at this depth has 65,535 backslashes before each quote


class Layer:
    """A text with the escapes of one kind decoded, and the places of its characters in the text."""

    def __init__(self, text: str, pattern: re.Pattern[str], *, removes: bool = False) -> None:
        """Decode a text.

        Args:
            text: The text.
            pattern: The escapes.
            removes: Whether an escape stands for nothing. Otherwise it stands for one character.
        """
        self.text = pattern.sub("" if removes else _decoded, text)
        """The decoded text. Bytes become the characters of Latin-1."""
        self._size = 0 if removes else 1
        self._source = text
        self._pattern = pattern
        self._points: list[int] = []
        self._shifts: list[int] = []

    @property
    def is_changed(self) -> bool:
        """Whether an escape was decoded."""
        return len(self.text) != len(self._source)

    def source(self, start: int, end: int) -> tuple[int, int]:
        """Return the span in the text from which a span was decoded."""
        if not self._points:
            self._find_points()
        return self._source_of(start), self._source_of(end)

    def _source_of(self, at: int) -> int:
        return at + self._shifts[bisect_right(self._points, at) - 1]

    def _find_points(self) -> None:
        """Note after each escape how far the following characters were moved."""
        shift = 0
        points, shifts = [0], [0]
        for match in self._pattern.finditer(self._source):
            shift += match.end() - match.start() - self._size
            points.append(match.end() - shift)
            shifts.append(shift)
        self._points, self._shifts = points, shifts


def json_layer(text: str) -> Layer | None:
    """Return a text with the escapes of JSON decoded, or None if it has none."""
    return Layer(text, _ESCAPE) if "\\" in text else None


def layers_of(text: str) -> Iterator[Layer]:
    """Yield a text with its escapes decoded: those of JSON, and those of addresses."""
    if "\\" in text and (layer := Layer(text, _ESCAPE)).is_changed:
        yield layer
    if "%" in text and (layer := Layer(text, _PERCENT)).is_changed:
        yield layer


def all_layers(text: str) -> Iterator[tuple[Layer, ...]]:
    """Yield the layers of a text at every depth, each with those that lead to it.

    The work is at most that for a text of 32 times the length: deeper layers are not decoded, and of two kinds of
    escapes in a decoded text only one is.
    """
    for first in layers_of(text):
        way: tuple[Layer, ...] = (first,)
        while True:
            yield way
            following = next(layers_of(way[-1].text), None)
            if following is None or len(way) == _DEEPEST:
                break
            way = (*way, following)


def unwrapped_layer(text: str, words: Iterable[str]) -> Layer | None:
    """Return a text without the ends of lines in base64, or None if no word is as long as such a line.

    Args:
        text: The text.
        words: Its long words.
    """
    return Layer(text, _LINE_END, removes=True) if "\n" in text and max(map(len, words), default=0) >= _LINE else None


def unescaped(text: str) -> str:
    """Return a text with the escapes of JSON decoded."""
    return _ESCAPE.sub(_decoded, text) if "\\" in text else text


def _decoded(escape: re.Match[str]) -> str:
    kind = str(escape.lastgroup)
    value = escape[kind]
    return _CHARACTERS.get(value, value) if kind == "character" else chr(int(value, 16))
