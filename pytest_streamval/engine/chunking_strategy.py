"""The contract of chunking, which splits a stream of text into the pieces that requirements check.

A `ChunkingStrategy` is stateless. The `Chunker` that it makes holds the state of one stream. Every strategy keeps these
rules, and the built-in ones of `simple_chunkers` and `prose` keep them for any text:

1. Monotone: a returned chunk is never taken back.
2. Delta-invariant: the chunks depend only on the text, never on its division into deltas.
3. Bounded delay: a boundary is decided at the latest at the end of the next word.
4. Linear: each character is read at most a constant number of times, and `split` and `chunker` agree.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, NamedTuple, NoReturn, cast

from pytest_streamval.errors import ChunkingContractError, excerpt

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LONGEST_FEED = 16_384
"""The most characters of a long text that a chunker receives at once, so that not all chunks exist at the same time."""


class Chunk(NamedTuple):
    """A piece of the stream with its position: `full_text[start:end] == text`."""

    text: str
    """The text of the piece, never empty."""
    start: int
    """The offset of its first character in the full text, in characters."""
    end: int
    """The offset after its last character."""


class Chunker(ABC):
    """The chunking of one stream. Call `feed` with each new text and `flush` once at the end."""

    joins_deltas: ClassVar[bool] = False
    """Whether the chunks are known to be delta-invariant, so that several deltas can be fed as one text."""
    finds_words: ClassVar[bool] = False
    """Whether the chunks are the words of the text, without the white space between them."""

    @abstractmethod
    def feed(self, text: str) -> list[Chunk]:
        """Add the next text, and return the chunks that it completes, in order."""

    @abstractmethod
    def flush(self) -> list[Chunk]:
        """Return the chunks that the end of the text completes. Nothing is fed afterwards."""


class ChunkingStrategy(ABC):
    """A way to split text into chunks.

    A subclass defines `split`, and `flush` to keep the trailing fragment. `split` is called with the text so far after
    every delta, exactly as the producer put it. A subclass that also overrides `chunker` receives only the new text,
    which makes it linear.
    """

    def __init_subclass__(cls) -> None:
        """Ignore an inherited `chunker` if the subclass redefines only `split` or `flush`."""
        super().__init_subclass__()
        depths = [
            next(depth for depth, base in enumerate(cls.__mro__) if name in base.__dict__)
            for name in ("split", "flush", "chunker")
        ]
        if depths[2] > min(depths):  # also if a mixin defines them, which is no strategy itself
            cls.chunker = ChunkingStrategy.chunker  # type: ignore[method-assign]

    @abstractmethod
    def split(self, accumulated_text: str) -> list[str]:
        """Return all complete chunks of the text so far, in order, and withhold the trailing fragment.

        Each chunk is a non-empty piece of the text without changes. Text between two chunks can be omitted. A longer
        text begins with the same chunks.
        """

    def flush(self, accumulated_text: str) -> list[str]:
        """Return the fragment that `split` withholds, at the end of the stream. By default it is discarded."""
        del accumulated_text
        return []

    def chunker(self) -> Chunker:
        """Return a new `Chunker` for one stream."""
        return _SplitChunker(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def new_chunker(strategy: ChunkingStrategy) -> Chunker:
    """Return a chunker for one stream. The results of one that is not built in are checked.

    Raises:
        ChunkingContractError: A `ValueError`. If `chunker()` returned an object without `feed` or `flush`.
    """
    made: object = strategy.chunker()
    name = f"{type(strategy).__name__}.chunker()"
    if isinstance(made, type) or not all(callable(getattr(made, method, None)) for method in ("feed", "flush")):
        rule = "It must return a new object with feed(text) and flush(), which both return a list of Chunk."
        raise ChunkingContractError(name, f"returned {excerpt(made)}", rule)
    chunker = cast("Chunker", made)
    built_in = type(made).__module__.startswith(f"{__package__}.")
    return chunker if built_in else _CheckedChunker(chunker)


class _CheckedChunker(Chunker):
    """A wrapper of a chunker of any class, which checks that it returns chunks."""

    def __init__(self, chunker: Chunker) -> None:
        self.joins_deltas = getattr(chunker, "joins_deltas", False)  # type: ignore[misc]  # a chunker's own
        self._chunker = chunker
        self._end = 0  # after the last chunk

    def feed(self, text: str) -> list[Chunk]:
        return self._checked("feed", self._chunker.feed(text))

    def flush(self) -> list[Chunk]:
        return self._checked("flush", self._chunker.flush())

    def _checked(self, method: str, found: object) -> list[Chunk]:
        if not isinstance(found, list | tuple):
            self._reject(method, found, "It must return a list of Chunk, or an empty list if no chunk is complete.")
        chunks = []
        for item in found:
            match item:
                case (str(), int(), int()):
                    chunk = Chunk(*item)
                case _:
                    rule = "Each chunk must be a Chunk(text, start, end) with offsets into the full text."
                    self._reject(method, item, rule)
            if chunk.start < self._end or chunk.end - chunk.start != len(chunk.text):
                rule = (
                    "Its offsets must be those of its text in the full text, at or after the end of the previous "
                    f"chunk: {self._end}."
                )
                self._reject(method, item, rule)
            self._end = chunk.end
            chunks.append(chunk)
        return chunks

    def _reject(self, method: str, found: object, rule: str) -> NoReturn:
        raise ChunkingContractError(f"{type(self._chunker).__name__}.{method}()", f"returned {excerpt(found)}", rule)


class _SplitChunker(Chunker):
    """The chunker of a strategy that defines only `split` and `flush`, whose results are checked.

    `split` receives the complete text each time, so the cost is quadratic in the length of the text.
    """

    def __init__(self, strategy: ChunkingStrategy) -> None:
        self._strategy = strategy
        self._name = type(strategy).__name__
        self._text = ""
        self._chunks: list[str] = []
        self._end = 0  # the offset after the last chunk

    def feed(self, text: str) -> list[Chunk]:
        self._text += text
        found = self._checked("split", self._strategy.split(self._text))
        known = len(self._chunks)
        if found[:known] != self._chunks:
            raise ChunkingContractError(
                f"{self._name}.split()",
                f"took back a chunk: after {excerpt(self._chunks[-3:])} it returned {excerpt(found[:known][-3:])}",
                "Every later list must begin with the chunks of the earlier ones, which may have been released. "
                "Withhold text until its boundary is certain.",
            )
        return self._located("split", found[known:])

    def flush(self) -> list[Chunk]:
        return self._located("flush", self._checked("flush", self._strategy.flush(self._text)))

    def _checked(self, method: str, found: object) -> list[str]:
        if isinstance(found, list) and all(isinstance(text, str) and text for text in found):
            return found
        raise ChunkingContractError(
            f"{self._name}.{method}()",
            f"returned {excerpt(found)}",
            "It must return a list of the chunks, each a non-empty str.",
        )

    def _located(self, method: str, found: list[str]) -> list[Chunk]:
        """Return chunks with their offsets: the first occurrence of each after the previous chunk."""
        chunks = []
        for text in found:
            start = self._text.find(text, self._end)
            if start < 0:
                raise ChunkingContractError(
                    f"{self._name}.{method}()",
                    f"returned {excerpt(text)}, which does not occur in the stream after offset {self._end}",
                    "Each chunk must be a piece of the text without changes, in order. Strip, translate or reformat "
                    "text in the requirement instead.",
                )
            self._end = start + len(text)
            self._chunks.append(text)
            chunks.append(Chunk(text, start, self._end))
        return chunks


def texts_to_feed(deltas: Sequence[str]) -> Iterable[str]:
    """Return the text of deltas in one piece, or in pieces of `LONGEST_FEED` characters if it is longer."""
    text = "".join(deltas)
    if len(text) <= LONGEST_FEED:
        return (text,)
    return (text[start : start + LONGEST_FEED] for start in range(0, len(text), LONGEST_FEED))
