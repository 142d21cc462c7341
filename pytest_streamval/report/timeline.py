"""The timeline of a stream: its deltas, chunks and verdicts, with the time of each, and how the stream ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

from pytest_streamval.errors import excerpt
from pytest_streamval.files.typed_json import OPTIONAL

Subject: TypeAlias = Literal["", "page", "WebSocket", "response", "script", "output"]
Outcome: TypeAlias = Literal["complete", "invalid", "stopped", "error", "cancelled", "unfinished"]
OUTCOMES: dict[Outcome, str] = {
    "complete": "came to its end",
    "invalid": "failed its final validation",
    "stopped": "was stopped by a requirement",
    "error": "ended with an error",
    "cancelled": "was cancelled",
    "unfinished": "had not ended",
}
"""How a stream can end, in the words of a picture or a page."""


class Bar(NamedTuple):
    """A chunk that was released, or that the consumer has received."""

    at: int
    """Microseconds since the stream began."""
    after: int
    """The number of deltas that had been read by then."""
    start: int
    """The offset of its first character."""
    end: int
    """The offset after its last character."""


class Verdict(NamedTuple):
    """The verdict of a requirement."""

    word: str
    """`pass`, `fail` or `unknown`."""
    reason: str | None
    at: int
    """Microseconds since the stream began."""
    after: int
    """The number of deltas that had been read by then."""


class Lane(NamedTuple):
    """All verdicts of one requirement."""

    name: str
    verdicts: list[Verdict]
    """On each chunk, including a chunk that was not released."""
    final: Verdict | None
    """On the complete output."""


class Stop(NamedTuple):
    """The moment when a run stopped its generation."""

    at: int
    """Microseconds since the stream began."""
    after: int
    """The number of deltas that had been read by then."""
    reason: str
    unread: int
    """The number of deltas that the producer had sent and that were never read."""


@dataclass(slots=True)
class Timeline:
    """A stream, as values that JSON can hold. Offsets count characters in the full text."""

    asked: str
    """The prompt, shortened."""
    outcome: Outcome
    why: str
    """The reason why it was stopped or failed. Empty if there is none."""
    span: int
    """Its duration, in microseconds."""
    released: int
    """The length of the full text, in characters. Later characters must not be shown to the consumer."""
    tokens: int
    """The number of deltas that were read."""
    characters: int
    """The number of their characters."""
    times: list[int]
    """When each delta was read, in microseconds since the stream began. Of a long stream, the first deltas only."""
    texts: list[str]
    """The text of each of them. The last one may be shortened."""
    chunks: list[Bar]
    """The chunks, when they were released."""
    received: list[Bar]
    """The chunks that the consumer took, when it took them."""
    lanes: list[Lane]
    """The verdicts of the requirements."""
    stop: Stop | None
    """When and why the run stopped its generation, if it did."""
    deviations: list[str] = field(default_factory=list, metadata=OPTIONAL)
    """The deviations of the timeline's stream from its protocol that lost nothing, in words."""
    subject: Subject = field(default="", metadata=OPTIONAL)
    """The thing whose stream it is: empty for a run, another word for one without a run."""
    reads: list[int] = field(default_factory=list, metadata=OPTIONAL)
    """When the browser read a piece of the page, in microseconds since the stream began."""

    @property
    def title(self) -> str:
        """How it ended, in words: `The page 'POST /chat' came to its end`."""
        reader = "reader" if self.subject in {"script", "output"} else "client"
        end = f"was left by its {reader}" if self.subject and self.outcome == "cancelled" else OUTCOMES[self.outcome]
        return f"The {self.subject or 'stream'} {excerpt(self.asked, 40)} {end}"

    @property
    def text(self) -> str:
        """The text of the deltas that are kept."""
        return "".join(self.texts)
