"""The timeline of a stream: what came when, what was judged how, what the consumer had when, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, NamedTuple

OUTCOMES = {
    "complete": "came to its end",
    "invalid": "failed its final validation",
    "stopped": "was stopped by a requirement",
    "error": "ended with an error",
    "cancelled": "was cancelled",
    "unfinished": "had not ended",
}
"""How a stream may end, and how that is said."""


class Moment(NamedTuple):
    """A point in the life of a stream."""

    at: int
    """Microseconds since it began."""
    after: int
    """How many deltas had been read by then."""


class Bar(NamedTuple):
    """A chunk that was released, or that the consumer has received."""

    at: int
    """Microseconds since the stream began."""
    after: int
    """How many deltas had been read by then."""
    start: int
    """Offset of its first character."""
    end: int
    """Offset behind its last character."""


class Verdict(NamedTuple):
    """What a requirement said."""

    word: str
    """`pass`, `fail` or `unknown`."""
    reason: str | None
    at: int
    """Microseconds since the stream began."""
    after: int
    """How many deltas had been read by then."""


class Lane(NamedTuple):
    """What one requirement said."""

    name: str
    verdicts: list[Verdict]
    """On each chunk, also on one that was not released."""
    final: Verdict | None
    """On the whole."""


class Stop(NamedTuple):
    """The end that a run put to its generation."""

    at: int
    """Microseconds since the stream began."""
    after: int
    """How many deltas had been read by then."""
    reason: str
    unread: int
    """How many deltas the producer had sent that were never read."""


@dataclass(slots=True)
class Timeline:
    """A stream, as values that JSON can hold. Offsets are characters in the full text."""

    asked: str
    """What was asked, shortened."""
    outcome: str
    """One of `OUTCOMES`."""
    why: str
    """What stopped it or was wrong with it; empty where nothing was."""
    span: int
    """How long it took, in microseconds."""
    released: int
    """How many characters may be shown to anybody: the length of the full text."""
    tokens: int
    """How many deltas were read."""
    characters: int
    """How many characters they had."""
    times: list[int]
    """When each delta was read, in microseconds since the stream began; of a long stream the first ones only."""
    texts: list[str]
    """What each of them was; the last one may be shortened."""
    chunks: list[Bar]
    """The chunks, when they were released."""
    received: list[Bar]
    """The chunks that the consumer took, when it took them."""
    lanes: list[Lane]
    """What the requirements said."""
    stop: Stop | None
    """When and why the run stopped its generation, if it did."""

    def facts(self) -> dict[str, Any]:
        """Return it as values of JSON, which makes an array of each named tuple."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    @property
    def text(self) -> str:
        """The text of the deltas that are kept."""
        return "".join(self.texts)
