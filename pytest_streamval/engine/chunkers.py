"""The simple built-in chunking strategies, and the aliases of all built-in ones."""

from __future__ import annotations

import re
from typing import ClassVar

from pytest_streamval.engine.chunking import Chunk, Chunker, ChunkingStrategy
from pytest_streamval.engine.prose import ProseChunker
from pytest_streamval.errors import InvalidArgumentError, excerpt, unknown_chunking_error


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
        self._pieces: list[str] = []
        self._start = 0  # the offset of the fragment
        self._tail = ""
        self._offset = 0  # the offset of the tail
        self._between = self._leading

    def feed(self, text: str) -> list[Chunk]:
        window = self._tail + text
        chunks: list[Chunk] = []
        position = 0
        while True:
            if self._between:
                position = self._separators.match(window, position).end()  # type: ignore[union-attr]  # it matches the empty text
                if position == len(window) or (position == len(window) - 1 and window[position] == "\r"):
                    break  # the next text may continue the separator
                self._between = False
                self._start = self._offset + position
            boundary = self._boundary.search(window, position)
            if boundary is None:
                end = max(position, len(window) - self._reach)
                if end > position:
                    self._pieces.append(window[position:end])
                position = end
                break
            end = boundary.start(1)
            self._append_chunk(window[position:end], chunks)
            self._between = True
            position = end
        self._tail = window[position:]
        self._offset += position
        return chunks

    def flush(self) -> list[Chunk]:
        chunks: list[Chunk] = []
        if self._between:
            self._start = self._offset
        self._append_chunk(self._tail, chunks)
        self._tail = ""
        return chunks

    def _append_chunk(self, last: str, chunks: list[Chunk]) -> None:
        """Append the fragment with its last piece as a chunk, unless it is empty."""
        if self._pieces:
            self._pieces.append(last)
            last = "".join(self._pieces)
            self._pieces.clear()
        if last:
            chunks.append(Chunk(last, self._start, self._start + len(last)))


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
