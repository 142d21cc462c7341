"""The simple built-in strategies, and the aliases that name every built-in one."""

from __future__ import annotations

import re
from typing import ClassVar

from pytest_streamval.engine.chunking import Chunk, Chunker, ChunkingStrategy
from pytest_streamval.engine.prose import ProseChunker
from pytest_streamval.errors import InvalidArgumentError, excerpt, unknown_chunking_error


class _BoundaryChunker(Chunker):
    """Cuts at the matches of a pattern, whose group 1 is where the separator begins.

    The fragment is kept in pieces and joined once, when its boundary shows. Only its last `_reach` characters, where
    a boundary may be under way, are looked at again with the next text.
    """

    joins_deltas = True
    _boundary: ClassVar[re.Pattern[str]]
    _separators: ClassVar[re.Pattern[str]]  # matches, possibly empty, what stands between two chunks
    _reach: ClassVar[int]  # the longest part of a boundary that can stand before its last character
    _leading: ClassVar[bool] = True  # whether separators before the first chunk are skipped too

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._start = 0  # offset of the fragment
        self._tail = ""
        self._offset = 0  # offset of the tail
        self._between = self._leading

    def feed(self, text: str) -> list[Chunk]:
        window = self._tail + text
        chunks: list[Chunk] = []
        at = 0
        while True:
            if self._between:
                at = self._separators.match(window, at).end()  # type: ignore[union-attr]  # it matches the empty text
                if at == len(window) or (at == len(window) - 1 and window[at] == "\r"):
                    break  # the next text may go on with the separator
                self._between = False
                self._start = self._offset + at
            found = self._boundary.search(window, at)
            if found is None:
                cut = max(at, len(window) - self._reach)
                if cut > at:
                    self._pieces.append(window[at:cut])
                at = cut
                break
            end = found.start(1)
            self._emit(window[at:end], chunks)
            self._between = True
            at = end
        self._tail = window[at:]
        self._offset += at
        return chunks

    def flush(self) -> list[Chunk]:
        chunks: list[Chunk] = []
        if self._between:
            self._start = self._offset
        self._emit(self._tail, chunks)
        self._tail = ""
        return chunks

    def _emit(self, last: str, chunks: list[Chunk]) -> None:
        """Append the fragment, whose last piece is given, unless it is empty."""
        if self._pieces:
            self._pieces.append(last)
            last = "".join(self._pieces)
            self._pieces.clear()
        if last:
            chunks.append(Chunk(last, self._start, self._start + len(last)))


class _SentenceCuts(_BoundaryChunker):
    _boundary = re.compile(r"[.!?][\"'\u201d\u2019)]?(\s)")
    _separators = re.compile(r"\s*")
    _reach = 2

    def flush(self) -> list[Chunk]:
        return [
            Chunk(text, chunk.start, chunk.start + len(text))
            for chunk in super().flush()
            if (text := chunk.text.rstrip())
        ]


class _WordCuts(_BoundaryChunker):
    _boundary = re.compile(r"(\s)")
    _separators = re.compile(r"\s*")
    _reach = 0


class _LineCuts(_BoundaryChunker):
    _boundary = re.compile(r"(\r\n|\n)")
    _separators = re.compile(r"(?:\r\n|\n)*")
    _reach = 1


class _ParagraphCuts(_BoundaryChunker):
    _boundary = re.compile(r"(\n\r?\n|\r\n\r?\n)")
    _separators = re.compile(r"(?:\r\n|\n)*")
    _reach = 3
    _leading = False  # a single line end at the beginning separates nothing


class _Incremental(ChunkingStrategy):
    """A strategy whose `split` and `flush` are what its chunker does with the whole text.

    They ask `_cuts`, not `chunker()`: in a subclass that redefines one of them that is the one which asks them.
    """

    _cuts: ClassVar[type[Chunker]]

    def split(self, accumulated_text: str) -> list[str]:
        return [chunk.text for chunk in self._cuts().feed(accumulated_text)]

    def flush(self, accumulated_text: str) -> list[str]:
        chunker = self._cuts()
        chunker.feed(accumulated_text)
        return [chunk.text for chunk in chunker.flush()]

    def chunker(self) -> Chunker:
        return self._cuts()


class SentenceChunker(_Incremental):
    r"""Cuts after `.`, `!` or `?`, one optional closing `"` `'` `”` `’` or `)`, and whitespace.

    Chunks carry no surrounding whitespace. Simple and immediate: it cuts after abbreviations too (`Dr. Smith` gives
    two chunks). Where sentences should be what a reader sees, use `"prose"`.
    """

    _cuts = _SentenceCuts


class WordChunker(_Incremental):
    """Cuts at whitespace: every run of other characters is a chunk."""

    _cuts = _WordCuts


class LineChunker(_Incremental):
    r"""Cuts at each line end, `\n` or `\r\n`; empty lines are no chunks, other whitespace stays."""

    _cuts = _LineCuts


class ParagraphChunker(_Incremental):
    r"""Cuts at two or more line ends in a row, `\n` or `\r\n`; what stands between stays byte for byte."""

    _cuts = _ParagraphCuts


_ALIASES: dict[str, type[ChunkingStrategy]] = {
    "sentence": SentenceChunker,
    "word": WordChunker,
    "paragraph": ParagraphChunker,
    "line": LineChunker,
    "prose": ProseChunker,
}


def resolve_chunking(chunking: str | ChunkingStrategy | None) -> ChunkingStrategy | None:
    """Return the strategy that `chunking` means, None for one chunk a delta.

    Raises:
        UnknownNameError: a `ValueError`; a string that is no alias.
        InvalidArgumentError: a `TypeError`; anything that is neither a string, a strategy nor None.
    """
    if chunking is None or isinstance(chunking, ChunkingStrategy):
        return chunking
    if isinstance(chunking, str):
        if chunking not in _ALIASES:
            raise unknown_chunking_error(chunking, list(_ALIASES))
        return _ALIASES[chunking]()
    rule = "it takes an alias, an instance of ChunkingStrategy, or None."
    if isinstance(chunking, type) and issubclass(chunking, ChunkingStrategy):
        rule = f"That is the class; pass an instance, {chunking.__name__}()."
    raise InvalidArgumentError("chunking", excerpt(chunking), rule)
