"""The simple built-in chunking strategies, and the aliases of all built-in ones."""

from __future__ import annotations

import re
from functools import partial
from typing import ClassVar

from pytest_streamval.engine.chunking_strategy import Chunk, Chunker, ChunkingStrategy
from pytest_streamval.engine.prose import ProseChunker
from pytest_streamval.errors import InvalidArgumentError, excerpt, unknown_chunking_error

_chunk = partial(tuple.__new__, Chunk)  # the constructor of a NamedTuple takes twice as long


class _BoundaryChunker(Chunker):
    """A chunker that splits at the matches of a pattern. Group 1 of a match is the beginning of the separator.

    The fragment is kept in pieces, which are joined when its boundary is found. Only its last `_reach` characters are
    searched again with the next text, because they may be the beginning of a boundary.
    """

    joins_deltas = True
    _boundary: ClassVar[re.Pattern[str]]
    _separators: ClassVar[re.Pattern[str]]  # matches the text between two chunks, possibly empty
    _reach: ClassVar[int]  # the longest part of a boundary before its last character
    _leading: ClassVar[bool] = True  # whether separators before the first chunk are skipped

    def __init__(self) -> None:
        self._find_boundary = self._boundary.search
        self._skip_separators = self._separators.match
        self._pieces: list[str] = []
        self._start = 0  # the offset of the fragment
        self._tail = ""
        self._offset = 0  # the offset of the tail
        self._between = self._leading

    def feed(self, text: str) -> list[Chunk]:
        # no attributes in the loop: CPython finds them slowly in a method that objects of several classes call in turn
        window = self._tail + text
        length, offset, pieces = len(window), self._offset, self._pieces
        find_boundary, skip_separators = self._find_boundary, self._skip_separators
        between, start = self._between, self._start
        chunks: list[Chunk] = []
        position = 0
        while True:
            if between:
                position = skip_separators(window, position).end()  # type: ignore[union-attr]  # it matches the empty text
                if position == length or (position == length - 1 and window[position] == "\r"):
                    break  # the next text may continue the separator
                between = False
                start = offset + position
            boundary = find_boundary(window, position)
            if boundary is None:
                end = max(position, length - self._reach)
                if end > position:
                    pieces.append(window[position:end])
                position = end
                break
            end = boundary.start(1)
            if pieces:
                pieces.append(window[position:end])
                chunks.append(_chunk(("".join(pieces), start, offset + end)))
                pieces.clear()
            elif end > position:
                chunks.append(_chunk((window[position:end], start, offset + end)))
            between = True
            position = end
        self._between, self._start = between, start
        self._tail = window[position:]
        self._offset = offset + position
        return chunks

    def flush(self) -> list[Chunk]:
        chunks: list[Chunk] = []
        if self._between:
            self._start = self._offset
        last = "".join([*self._pieces, self._tail])
        if last:
            chunks.append(Chunk(last, self._start, self._start + len(last)))
        self._pieces.clear()
        self._tail = ""
        return chunks


class _SentenceBoundaryChunker(_BoundaryChunker):
    _boundary = re.compile(r"[.!?][\"'\u201d\u2019)]?(\s)")
    _separators = re.compile(r"\s*")
    _reach = 2

    def flush(self) -> list[Chunk]:
        return [
            Chunk(text, chunk.start, chunk.start + len(text))
            for chunk in super().flush()
            if (text := chunk.text.rstrip())
        ]


class _WordBoundaryChunker(_BoundaryChunker):
    finds_words = True
    _boundary = re.compile(r"(\s)")
    _separators = re.compile(r"\s*")
    _reach = 0


class _LineBoundaryChunker(_BoundaryChunker):
    _boundary = re.compile(r"(\r\n|\n)")
    _separators = re.compile(r"(?:\r\n|\n)*")
    _reach = 1


class _ParagraphBoundaryChunker(_BoundaryChunker):
    _boundary = re.compile(r"(\n\r?\n|\r\n\r?\n)")
    _separators = re.compile(r"(?:\r\n|\n)*")
    _reach = 3
    _leading = False  # a single line end at the beginning separates nothing


class _Incremental(ChunkingStrategy):
    """A strategy whose `split` and `flush` use its chunker class.

    They do not call `chunker()`, because in a subclass that redefines one of them, `chunker()` calls them.
    """

    _chunker_class: ClassVar[type[Chunker]]

    def split(self, accumulated_text: str) -> list[str]:
        return [chunk.text for chunk in self._chunker_class().feed(accumulated_text)]

    def flush(self, accumulated_text: str) -> list[str]:
        chunker = self._chunker_class()
        chunker.feed(accumulated_text)
        return [chunk.text for chunk in chunker.flush()]

    def chunker(self) -> Chunker:
        return self._chunker_class()


class SentenceChunker(_Incremental):
    r"""Splits after `.`, `!` or `?`, one optional closing `"` `'` `”` `’` or `)`, and whitespace.

    Chunks have no surrounding whitespace. This strategy is simple and immediate, so it also splits after abbreviations
    (`Dr. Smith` gives two chunks). Use `"prose"` for sentences as a reader sees them.
    """

    _chunker_class = _SentenceBoundaryChunker


class WordChunker(_Incremental):
    """Splits at whitespace. Every run of other characters is a chunk."""

    _chunker_class = _WordBoundaryChunker


class LineChunker(_Incremental):
    r"""Splits at each line end, `\n` or `\r\n`. Empty lines are no chunks, and other whitespace is kept."""

    _chunker_class = _LineBoundaryChunker


class ParagraphChunker(_Incremental):
    r"""Splits at two or more line ends in a row, `\n` or `\r\n`. The text between them is kept unchanged."""

    _chunker_class = _ParagraphBoundaryChunker


_ALIASES: dict[str, type[ChunkingStrategy]] = {
    "sentence": SentenceChunker,
    "word": WordChunker,
    "paragraph": ParagraphChunker,
    "line": LineChunker,
    "prose": ProseChunker,
}


def resolve_chunking(chunking: str | ChunkingStrategy | None) -> ChunkingStrategy | None:
    """Return the strategy for the argument `chunking`, or None for one chunk per delta.

    Raises:
        UnknownNameError: A `ValueError`. If it is an unknown alias.
        InvalidArgumentError: A `TypeError`. If it is neither a str, a `ChunkingStrategy` nor None.
    """
    if chunking is None or isinstance(chunking, ChunkingStrategy):
        return chunking
    if isinstance(chunking, str):
        if chunking not in _ALIASES:
            raise unknown_chunking_error(chunking, list(_ALIASES))
        return _ALIASES[chunking]()
    rule = "It must be an alias such as 'sentence', an instance of ChunkingStrategy, or None."
    if isinstance(chunking, type) and issubclass(chunking, ChunkingStrategy):
        rule += f" Pass an instance of the class, {chunking.__name__}()."
    raise InvalidArgumentError("chunking", excerpt(chunking), rule)
