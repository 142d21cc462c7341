"""What a chunking strategy is checked for: each check plays pieces of a text and raises `RuleBroken`.

What the strategy itself raises, and the `ChunkingContractError` of the engine, pass through them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pytest_streamval.conformance.rules import (
    AGREE,
    DELAY,
    EMPTY,
    INVARIANT,
    LISTS,
    MONOTONE,
    NEW_CHUNKER,
    PLACES,
    RELEASE,
    STATELESS,
    raised,
)
from pytest_streamval.engine.chunking import Chunk, Chunker, ChunkingStrategy
from pytest_streamval.errors import excerpt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_streamval.conformance.rules import Rule

OTHER = "Others. They go on\n\n"
"""What another stream brings meanwhile."""

_NEXT_WORD = re.compile(r"\s\S*\w\S*\s")
_SHOWN = 300  # characters of an answer in a message


@dataclass(frozen=True)
class Fault:
    """A broken rule, and how that showed."""

    rule: Rule
    expected: str
    came: str
    cause: Exception | None = None

    def is_like(self, other: Fault) -> bool:
        """Return whether another fault is of the same kind."""
        return self.rule is other.rule and type(self.cause) is type(other.cause)


class RuleBroken(Exception):  # noqa: N818  # it carries a fault to where the text and the cut are known
    """A check found a fault."""

    def __init__(self, rule: Rule, expected: str, came: str, cause: Exception | None = None) -> None:
        super().__init__()
        self.fault = Fault(rule, expected, came, cause)


class Subject(NamedTuple):
    """What is checked."""

    strategy: ChunkingStrategy
    bounded_delay: bool

    def splitting(self) -> Chunker:
        """Return the chunker that asks `split` and `flush`, and that holds them to their part of the contract."""
        return ChunkingStrategy.chunker(self.strategy)

    def is_incremental(self) -> bool:
        """Return whether the strategy brings a chunker of its own."""
        return not isinstance(self.strategy.chunker(), type(self.splitting()))


class Played(NamedTuple):
    """What a chunker gave."""

    fed: list[list[Chunk]]
    """By the piece that it was fed."""
    flushed: list[Chunk]

    @property
    def chunks(self) -> list[Chunk]:
        """All of them."""
        return [chunk for chunks in (*self.fed, self.flushed) for chunk in chunks]


def _play(chunker: Chunker, pieces: Sequence[str]) -> Played:
    return Played([chunker.feed(piece) for piece in pieces], chunker.flush())


def answers_the_same_again(subject: Subject, pieces: list[str]) -> None:
    """Check that what was asked in between changes no answer."""
    strategy, text = subject.strategy, "".join(pieces)
    _check_new_chunkers(strategy)
    try:
        before, after = _answers_before_and_after(strategy, text)
    except Exception:  # noqa: BLE001  # what it raises on either text is what the other checks look for
        return
    if after != before:
        expected = f"{excerpt(before, _SHOWN)} from split() and flush(), as at first"
        raise RuleBroken(STATELESS, expected, f"{excerpt(after, _SHOWN)} after other texts")


def serves_streams_side_by_side(subject: Subject, pieces: list[str]) -> None:
    """Check that another stream under way changes nothing."""
    try:
        alone = _play_alone(subject.strategy, pieces).chunks
    except Exception:  # noqa: BLE001  # as above
        return
    try:
        beside = _play_beside_another(subject.strategy, pieces).chunks
    except Exception as error:
        expected = "no exception, as without another stream beside it"
        raise RuleBroken(STATELESS, expected, raised(error), error) from error
    if beside != alone:
        expected = f"{_shown(alone, beside)}, as without another stream beside it"
        raise RuleBroken(STATELESS, expected, _shown(beside, alone))


def _check_new_chunkers(strategy: ChunkingStrategy) -> None:
    chunker = strategy.chunker()
    if not isinstance(chunker, Chunker):
        raise RuleBroken(NEW_CHUNKER, "a Chunker", excerpt(chunker))
    if strategy.chunker() is chunker:
        raise RuleBroken(NEW_CHUNKER, "a new object from each call", f"the same {type(chunker).__name__} twice")


def _answers_before_and_after(strategy: ChunkingStrategy, text: str) -> list[tuple[list[str], list[str]]]:
    """Return what `split` and `flush` say of a text, before and after they are asked about others."""
    asked = (text, *(OTHER[:end] for end in range(1, len(OTHER) + 1)), text)
    answers = [([*strategy.split(each)], [*strategy.flush(each)]) for each in asked]
    return [answers[0], answers[-1]]


def _play_alone(strategy: ChunkingStrategy, pieces: list[str]) -> Played:
    _play(strategy.chunker(), list(OTHER))
    return _play(strategy.chunker(), pieces)


def _play_beside_another(strategy: ChunkingStrategy, pieces: list[str]) -> Played:
    """Play a text while another stream of the strategy is under way, and while it is asked about other texts."""
    chunker, other = strategy.chunker(), strategy.chunker()
    fed = []
    for at, piece in enumerate(pieces):
        fed.append(chunker.feed(piece))
        if at < len(OTHER):
            other.feed(OTHER[at])
            strategy.split(OTHER[: at + 1])
            strategy.flush(OTHER[: at + 1])
    return Played(fed, chunker.flush())


def keeps_what_it_gave(subject: Subject, pieces: list[str]) -> None:
    """Check what a chunker gives, and that another cut of the text changes nothing of it."""
    played = _play(subject.strategy.chunker(), pieces)
    _check_places(played, pieces)
    whole = _play(subject.strategy.chunker(), ["".join(pieces)])
    if whole.chunks != played.chunks:
        expected = f"{_shown(whole.chunks, played.chunks)}, as for the text in one piece"
        raise RuleBroken(INVARIANT, expected, _shown(played.chunks, whole.chunks))
    if len(whole.flushed) != len(played.flushed):
        expected = f"{_shown(whole.flushed)} from flush(), as for the text in one piece"
        raise RuleBroken(INVARIANT, expected, f"{_shown(played.flushed)} from flush()")


def _check_places(played: Played, pieces: list[str]) -> None:
    text, end = "", 0
    for piece, chunks in zip((*pieces, None), (*played.fed, played.flushed), strict=True):
        text += piece or ""
        method = "flush()" if piece is None else f"feed({excerpt(piece)})"
        if not _are_chunks(chunks):
            raise RuleBroken(LISTS, "a list of Chunk", f"{excerpt(chunks, _SHOWN)} from {method}")
        for chunk in chunks:
            if not _stands_in(text, chunk):
                expected = f"a piece of the {len(text)} characters that had come, and its place in them"
                raise RuleBroken(PLACES, expected, f"{excerpt(chunk, _SHOWN)} from {method}")
            if chunk.start < end:
                rule = RELEASE if piece is None else MONOTONE
                expected = f"nothing from before offset {end}, where the last chunk ended"
                raise RuleBroken(rule, expected, f"{excerpt(chunk, _SHOWN)} from {method}")
            end = chunk.end


def _are_chunks(found: object) -> bool:
    return isinstance(found, list) and all(isinstance(chunk, Chunk) for chunk in found)


def _stands_in(text: str, chunk: Chunk) -> bool:
    found, start, end = chunk
    return 0 <= start < end == start + len(found) and text[start:end] == found


def passes_over_empty_deltas(subject: Subject, pieces: list[str]) -> None:
    """Check that empty deltas between the pieces change nothing."""
    plain = _play(subject.strategy.chunker(), pieces)
    played = _play(subject.strategy.chunker(), with_empties(pieces))
    surplus = [found for found in played.fed[::2] if found != []]
    if surplus:
        raise RuleBroken(EMPTY, "[] for each empty delta", excerpt(surplus[0], _SHOWN))
    if played.chunks != plain.chunks:
        expected = f"{_shown(plain.chunks, played.chunks)}, as without the empty deltas"
        raise RuleBroken(EMPTY, expected, _shown(played.chunks, plain.chunks))


def with_empties(pieces: list[str]) -> list[str]:
    """Return the pieces with an empty one before each of them and one at the end."""
    return ["", *(part for piece in pieces for part in (piece, ""))]


def agrees_with_split(subject: Subject, pieces: list[str]) -> None:
    """Check that a chunker has given, behind every piece, what `split` says of the text so far."""
    if not subject.is_incremental():
        return
    played, split = _play(subject.strategy.chunker(), pieces), _play(subject.splitting(), pieces)
    text, given, expected = "", [], []
    for piece, chunks, complete in zip(pieces, played.fed, split.fed, strict=True):
        text += piece
        given += _texts(chunks)
        expected += _texts(complete)
        if given != expected:
            came = f"{excerpt(given, _SHOWN)} from its chunker, behind {excerpt(text)}"
            raise RuleBroken(AGREE, f"{excerpt(expected, _SHOWN)}, as split() returns", came)
    if _texts(played.flushed) != _texts(split.flushed):
        returned = f"{excerpt(_texts(split.flushed), _SHOWN)}, as flush() of the strategy returns"
        raise RuleBroken(AGREE, returned, f"{excerpt(_texts(played.flushed), _SHOWN)} from flush() of its chunker")


def decides_in_time(subject: Subject, pieces: list[str]) -> None:
    """Check that no chunk came later than the end of the word behind it."""
    if not subject.bounded_delay:
        return
    played = _play(subject.strategy.chunker(), pieces)
    text, now = "".join(pieces), 0
    for piece, chunks in zip((*pieces, None), (*played.fed, played.flushed), strict=True):
        for chunk in chunks:
            begin = chunk.end - 1 if text[chunk.end - 1].isspace() else chunk.end
            word = _NEXT_WORD.search(text, begin, now)
            if word:
                expected = f"{excerpt(chunk.text)} at the latest behind {excerpt(text[: word.end()])}"
                late = "from flush()" if piece is None else f"behind {excerpt(text[: now + len(piece)])}"
                raise RuleBroken(DELAY, expected, f"it only {late}")
        now += len(piece or "")


def _texts(chunks: list[Chunk]) -> list[str]:
    return [chunk.text for chunk in chunks]


def _shown(chunks: list[Chunk], beside: Sequence[Chunk] = ()) -> str:
    """Return chunks as a person reads them: their texts, and their places too where only these tell them apart."""
    texts = _texts(chunks)
    if texts == _texts(list(beside)):
        return excerpt([tuple(chunk) for chunk in chunks], _SHOWN)
    return excerpt(texts, _SHOWN)
