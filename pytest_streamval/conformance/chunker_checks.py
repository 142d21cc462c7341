"""The checks of a chunking strategy. Each one plays the pieces of a text and raises a `RuleBrokenError`.

An exception of the strategy itself, and the `ChunkingContractError` of the engine, pass through them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pytest_streamval.conformance import rules
from pytest_streamval.engine.chunking_strategy import Chunk, Chunker, ChunkingStrategy
from pytest_streamval.errors import excerpt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_streamval.conformance.rules import ContractRule

OTHER = "Others. They go on\n\n"
"""The text of another stream."""

_NEXT_WORD = re.compile(r"\s[^\w\s]*+\w\S*+\s")
_SHOWN = 300  # characters of chunks in a message


@dataclass(frozen=True)
class Violation:
    """A broken rule, with the expected and the actual behaviour."""

    rule: ContractRule
    expected: str
    came: str
    cause: Exception | None = None

    def is_like(self, other: Violation) -> bool:
        """Return whether another violation is of the same kind."""
        return self.rule is other.rule and type(self.cause) is type(other.cause)


class RuleBrokenError(Exception):
    """A check found a violation. The caller knows the text and the cut."""

    def __init__(self, rule: ContractRule, expected: str, came: str, cause: Exception | None = None) -> None:
        super().__init__()
        self.violation = Violation(rule, expected, came, cause)


class CheckedStrategy(NamedTuple):
    """A strategy and the rules that apply to it."""

    strategy: ChunkingStrategy
    bounded_delay: bool

    def split_chunker(self) -> Chunker:
        """Return the chunker that calls `split` and `flush`, and checks their results."""
        return ChunkingStrategy.chunker(self.strategy)

    def is_incremental(self) -> bool:
        """Return whether the strategy has a chunker of its own."""
        return not isinstance(self.strategy.chunker(), type(self.split_chunker()))


class ChunkerOutput(NamedTuple):
    """The chunks of a chunker."""

    fed: list[list[Chunk]]
    """The chunks of each piece."""
    flushed: list[Chunk]

    @property
    def chunks(self) -> list[Chunk]:
        """All chunks."""
        return [chunk for chunks in (*self.fed, self.flushed) for chunk in chunks]


def _play_chunker(chunker: Chunker, pieces: Sequence[str]) -> ChunkerOutput:
    return ChunkerOutput([chunker.feed(piece) for piece in pieces], chunker.flush())


def check_repeated_calls(checked: CheckedStrategy, pieces: list[str]) -> None:
    """Check that other calls in between change no result."""
    strategy, text = checked.strategy, "".join(pieces)
    _check_new_chunkers(strategy)
    texts = (text, *(OTHER[:end] for end in range(1, len(OTHER) + 1)), text)
    try:
        results = [([*strategy.split(each)], [*strategy.flush(each)]) for each in texts]
    except Exception:  # noqa: BLE001  # the other checks find an exception for one of the texts
        return
    if results[-1] != results[0]:
        expected = f"{excerpt(results[0], _SHOWN)} from split() and flush(), as at first"
        raise RuleBrokenError(rules.STATELESS, expected, f"{excerpt(results[-1], _SHOWN)} after other texts")


def check_parallel_streams(checked: CheckedStrategy, pieces: list[str]) -> None:
    """Check that another open stream changes no chunk."""
    strategy = checked.strategy
    try:
        _play_chunker(strategy.chunker(), list(OTHER))
        alone = _play_chunker(strategy.chunker(), pieces).chunks
    except Exception:  # noqa: BLE001  # as above
        return
    try:
        beside = _play_beside_another(strategy, pieces).chunks
    except Exception as error:
        expected = "no exception, as without another stream beside it"
        raise RuleBrokenError(rules.STATELESS, expected, rules.show_exception(error), error) from error
    if beside != alone:
        expected = f"{_show_chunks(alone, beside)}, as without another stream beside it"
        raise RuleBrokenError(rules.STATELESS, expected, _show_chunks(beside, alone))


def _check_new_chunkers(strategy: ChunkingStrategy) -> None:
    chunker = strategy.chunker()
    if not isinstance(chunker, Chunker):
        raise RuleBrokenError(rules.NEW_CHUNKER, "a Chunker", excerpt(chunker))
    if strategy.chunker() is chunker:
        raise RuleBrokenError(
            rules.NEW_CHUNKER, "a new object from each call", f"the same {type(chunker).__name__} twice"
        )


def _play_beside_another(strategy: ChunkingStrategy, pieces: list[str]) -> ChunkerOutput:
    """Play a text while another stream of the strategy is open and `split` and `flush` receive other texts."""
    chunker, other = strategy.chunker(), strategy.chunker()
    fed = []
    for at, piece in enumerate(pieces):
        fed.append(chunker.feed(piece))
        if at < len(OTHER):
            other.feed(OTHER[at])
            strategy.split(OTHER[: at + 1])
            strategy.flush(OTHER[: at + 1])
    return ChunkerOutput(fed, chunker.flush())


def check_cuts(checked: CheckedStrategy, pieces: list[str]) -> None:
    """Check the chunks of a text, and that they do not depend on the cuts."""
    played = _play_chunker(checked.strategy.chunker(), pieces)
    _check_places(played, pieces)
    uncut = _play_chunker(checked.strategy.chunker(), ["".join(pieces)])
    if uncut.chunks != played.chunks:
        expected = f"{_show_chunks(uncut.chunks, played.chunks)}, as for the text in one piece"
        raise RuleBrokenError(rules.INVARIANT, expected, _show_chunks(played.chunks, uncut.chunks))
    if len(uncut.flushed) != len(played.flushed):
        expected = f"{_show_chunks(uncut.flushed)} from flush(), as for the text in one piece"
        raise RuleBrokenError(rules.INVARIANT, expected, f"{_show_chunks(played.flushed)} from flush()")


def _check_places(played: ChunkerOutput, pieces: list[str]) -> None:
    text, end = "", 0
    for piece, chunks in zip((*pieces, None), (*played.fed, played.flushed), strict=True):
        text += piece or ""
        method = "flush()" if piece is None else f"feed({excerpt(piece)})"
        if not _are_chunks(chunks):
            raise RuleBrokenError(rules.LISTS, "a list of Chunk", f"{excerpt(chunks, _SHOWN)} from {method}")
        for chunk in chunks:
            if not _is_part_of(text, chunk):
                expected = f"a piece of the {len(text)} characters so far, and its place in them"
                raise RuleBrokenError(rules.PLACES, expected, f"{excerpt(chunk, _SHOWN)} from {method}")
            if chunk.start < end:
                rule = rules.RELEASE if piece is None else rules.MONOTONE
                expected = f"nothing from before offset {end}, the end of the last chunk"
                raise RuleBrokenError(rule, expected, f"{excerpt(chunk, _SHOWN)} from {method}")
            end = chunk.end


def _are_chunks(found: object) -> bool:
    return isinstance(found, list) and all(isinstance(chunk, Chunk) for chunk in found)


def _is_part_of(text: str, chunk: Chunk) -> bool:
    found, start, end = chunk
    return 0 <= start < end == start + len(found) and text[start:end] == found


def check_empty_deltas(checked: CheckedStrategy, pieces: list[str]) -> None:
    """Check that empty deltas between the pieces change nothing."""
    plain = _play_chunker(checked.strategy.chunker(), pieces)
    played = _play_chunker(checked.strategy.chunker(), with_empties(pieces))
    surplus = [found for found in played.fed[::2] if found != []]
    if surplus:
        raise RuleBrokenError(rules.EMPTY, "[] for each empty delta", excerpt(surplus[0], _SHOWN))
    if played.chunks != plain.chunks:
        expected = f"{_show_chunks(plain.chunks, played.chunks)}, as without the empty deltas"
        raise RuleBrokenError(rules.EMPTY, expected, _show_chunks(played.chunks, plain.chunks))


def with_empties(pieces: list[str]) -> list[str]:
    """Return the pieces with an empty one before each of them and one at the end."""
    return ["", *(part for piece in pieces for part in (piece, ""))]


def check_split(checked: CheckedStrategy, pieces: list[str]) -> None:
    """Check that the chunks after each piece are those that `split` returns for the text so far."""
    if not checked.is_incremental():
        return
    played, split = _play_chunker(checked.strategy.chunker(), pieces), _play_chunker(checked.split_chunker(), pieces)
    text, emitted, expected = "", [], []
    for piece, chunks, complete in zip(pieces, played.fed, split.fed, strict=True):
        text += piece
        emitted += _texts(chunks)
        expected += _texts(complete)
        if emitted != expected:
            came = f"{excerpt(emitted, _SHOWN)} from its chunker, after {excerpt(text)}"
            raise RuleBrokenError(rules.AGREE, f"{excerpt(expected, _SHOWN)}, as split() returns", came)
    if _texts(played.flushed) != _texts(split.flushed):
        returned = f"{excerpt(_texts(split.flushed), _SHOWN)}, as flush() of the strategy returns"
        raise RuleBrokenError(
            rules.AGREE, returned, f"{excerpt(_texts(played.flushed), _SHOWN)} from flush() of its chunker"
        )


def check_delay(checked: CheckedStrategy, pieces: list[str]) -> None:
    """Check that every chunk is emitted at the latest at the end of the word after it."""
    if not checked.bounded_delay:
        return
    played = _play_chunker(checked.strategy.chunker(), pieces)
    text, now = "".join(pieces), 0
    for piece, chunks in zip((*pieces, None), (*played.fed, played.flushed), strict=True):
        for chunk in chunks:
            begin = chunk.end - 1 if text[chunk.end - 1].isspace() else chunk.end
            word = _NEXT_WORD.search(text, begin, now)
            if word:
                expected = f"{excerpt(chunk.text)} at the latest after {excerpt(text[: word.end()])}"
                late = "from flush()" if piece is None else f"after {excerpt(text[: now + len(piece)])}"
                raise RuleBrokenError(rules.DELAY, expected, f"it only {late}")
        now += len(piece or "")


def _texts(chunks: list[Chunk]) -> list[str]:
    return [chunk.text for chunk in chunks]


def _show_chunks(chunks: list[Chunk], other: Sequence[Chunk] = ()) -> str:
    """Return the texts of chunks, with their places if the texts of the other chunks are the same."""
    texts = _texts(chunks)
    if texts == _texts(list(other)):
        return excerpt([tuple(chunk) for chunk in chunks], _SHOWN)
    return excerpt(texts, _SHOWN)
