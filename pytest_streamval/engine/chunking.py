"""The contract of chunking: where a stream of text is cut into the pieces that requirements judge.

A `ChunkingStrategy` is stateless and says *how* to cut; the `Chunker` it makes holds *how far* one stream has come.
What every strategy promises, and what the built-in ones of `chunkers` and `prose` keep for any text:

1. monotone: what was emitted is never taken back;
2. delta-invariant: the chunks depend on the text alone, never on where it was cut into deltas;
3. bounded delay: a boundary is decided at the latest at the end of the next word;
4. linear: no character is looked at more than a constant number of times, and `split` and `chunker` agree.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple, NoReturn, cast

from pytest_streamval.errors import ChunkingContractError, excerpt


class Chunk(NamedTuple):
    """A piece of the stream, with its place: `full_text[start:end] == text`."""

    text: str
    """The piece, never empty."""
    start: int
    """Offset of its first character in the full text, in characters."""
    end: int
    """Offset behind its last character."""


class Chunker(ABC):
    """One stream being cut: `feed` it text as it comes, `flush` it once at the end."""

    joins_deltas: ClassVar[bool] = False
    """True where the chunks are known not to depend on the cuts, so that several deltas may be fed as one text."""

    @abstractmethod
    def feed(self, text: str) -> list[Chunk]:
        """Take the next text and return the chunks that it completed, in order."""

    @abstractmethod
    def flush(self) -> list[Chunk]:
        """Return what the end of the text completes; nothing is fed afterwards."""


class ChunkingStrategy(ABC):
    """How to cut text into chunks.

    A subclass defines `split`, and `flush` where the trailing fragment is wanted; it is then asked with the text so
    far after every single delta, exactly as the producer put it. One that overrides `chunker` as well is asked for
    the new text only, which makes it linear.
    """

    def __init_subclass__(cls) -> None:
        """Let a subclass that redefines `split` or `flush` alone be heard, whatever `chunker` it inherits."""
        super().__init_subclass__()
        defined_by = [
            next(place for place, base in enumerate(cls.__mro__) if name in base.__dict__)
            for name in ("split", "flush", "chunker")
        ]
        if defined_by[2] > min(defined_by):  # by a mixin too, which is no strategy itself
            cls.chunker = ChunkingStrategy.chunker  # type: ignore[method-assign]

    @abstractmethod
    def split(self, accumulated_text: str) -> list[str]:
        """Return all complete chunks of the text so far, in order, and withhold the trailing fragment.

        Each is a non-empty piece of the text, letter for letter; text between two chunks may be left out. A longer
        text begins with the same chunks.
        """

    def flush(self, accumulated_text: str) -> list[str]:
        """Return the fragment that `split` withholds, once the stream has ended; by default it is discarded."""
        del accumulated_text
        return []

    def chunker(self) -> Chunker:
        """Return a new `Chunker` for one stream."""
        return _SplitChunker(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def started(strategy: ChunkingStrategy) -> Chunker:
    """Return a chunker for one stream, held to its contract unless it is a built-in one.

    Raises:
        ChunkingContractError: `chunker()` returned an object without `feed` or `flush`.
    """
    made: object = strategy.chunker()
    name = f"{type(strategy).__name__}.chunker()"
    if isinstance(made, type) or not all(callable(getattr(made, method, None)) for method in ("feed", "flush")):
        rule = "It returns a new object with feed(text) and flush(), each of which returns a list of Chunk."
        raise ChunkingContractError(name, f"returned {excerpt(made)}", rule)
    chunker = cast("Chunker", made)
    built_in = type(made).__module__.startswith(__name__.removesuffix("chunking"))
    return chunker if built_in else _CheckedChunker(chunker)


class _CheckedChunker(Chunker):
    """Feeds a chunker that may be of any class, and makes sure that it returns chunks."""

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
            self._reject(method, found, "It returns a list of Chunk, an empty one if no chunk is complete.")
        chunks = []
        for given in found:
            match given:
                case (str(), int(), int()):
                    chunk = Chunk(*given)
                case _:
                    rule = "A chunk is a Chunk(text, start, end), with offsets into the full text."
                    self._reject(method, given, rule)
            if chunk.start < self._end or chunk.end - chunk.start != len(chunk.text):
                rule = (
                    f"Its offsets are those of its text in the full text, at or after the end of the chunk before: "
                    f"{self._end}."
                )
                self._reject(method, given, rule)
            self._end = chunk.end
            chunks.append(chunk)
        return chunks

    def _reject(self, method: str, found: object, rule: str) -> NoReturn:
        raise ChunkingContractError(f"{type(self._chunker).__name__}.{method}()", f"returned {excerpt(found)}", rule)


class _SplitChunker(Chunker):
    """Drives a strategy that knows `split` and `flush` only, and holds it to its contract.

    Such a strategy sees the whole text each time, so the cost is quadratic in its length: the price of two methods.
    """

    def __init__(self, strategy: ChunkingStrategy) -> None:
        self._strategy = strategy
        self._name = type(strategy).__name__
        self._text = ""
        self._emitted: list[str] = []
        self._end = 0  # behind the last emitted chunk

    def feed(self, text: str) -> list[Chunk]:
        self._text += text
        found = self._checked("split", self._strategy.split(self._text))
        known = len(self._emitted)
        if found[:known] != self._emitted:
            raise ChunkingContractError(
                f"{self._name}.split()",
                f"took back a chunk: after {excerpt(self._emitted[-3:])} it returned {excerpt(found[:known][-3:])}",
                "A chunk that was returned once begins every later answer, as it may have been shown already; withhold "
                "text whose boundary is not certain yet.",
            )
        return self._located("split", found[known:])

    def flush(self) -> list[Chunk]:
        return self._located("flush", self._checked("flush", self._strategy.flush(self._text)))

    def _checked(self, method: str, found: object) -> list[str]:
        """Return the strategy's answer if it is a list of non-empty `str`."""
        if isinstance(found, list) and all(isinstance(text, str) and text for text in found):
            return found
        raise ChunkingContractError(
            f"{self._name}.{method}()",
            f"returned {excerpt(found)}",
            "It returns a list of the chunks found, each a non-empty str.",
        )

    def _located(self, method: str, found: list[str]) -> list[Chunk]:
        """Give every chunk its place: the first one at or behind the end of the chunk before."""
        chunks = []
        for text in found:
            start = self._text.find(text, self._end)
            if start < 0:
                raise ChunkingContractError(
                    f"{self._name}.{method}()",
                    f"returned {excerpt(text)}, which does not occur in the stream behind offset {self._end}",
                    "A chunk is a piece of the text, letter for letter and in order: strip, translate or reformat in "
                    "the requirement instead.",
                )
            self._end = start + len(text)
            self._emitted.append(text)
            chunks.append(Chunk(text, start, self._end))
        return chunks
