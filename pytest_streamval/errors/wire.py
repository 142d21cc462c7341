"""Errors of the wire protocols."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from pytest_streamval.errors.base import ClosedError, StreamvalError
from pytest_streamval.errors.text import excerpt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_streamval.model import Delta


class WireError(StreamvalError):
    """A provider's stream breaks its protocol, or reports an error."""

    protocol: str
    text: str
    """The text that was decoded before the fault."""
    deltas: Sequence[Delta]
    """The deltas that were decoded by the call that raised, which it could not return."""


@dataclass(eq=False, repr=False)
class MalformedFrameError(WireError, ValueError):
    """A frame cannot be decoded."""

    protocol: str
    text: str
    deltas: Sequence[Delta]
    frame: str
    offset: int
    """The start of the frame, in bytes from the start of the body."""
    fault: str

    def __str__(self) -> str:
        return (
            f"The {self.protocol} stream has a malformed frame at byte {self.offset}: {self.fault}. The frame: "
            f"{excerpt(self.frame, 200)}. The {len(self.text)} characters before it are kept in .text."
        )


@dataclass(eq=False, repr=False)
class FrameTooLongError(WireError, ValueError):
    """A frame or a line has more bytes than a decoder keeps. A stream without an end of it would fill the memory."""

    protocol: str
    text: str
    deltas: Sequence[Delta]
    offset: int
    """The start of the frame, in bytes from the start of the body."""
    limit: int
    """The limit in bytes."""
    frames: Sequence[Any] = ()
    """The frames of the same read before this one, if a decoder of SSE or NDJSON is used by itself."""

    def __str__(self) -> str:
        return (
            f"The {self.protocol} stream has a frame at byte {self.offset} that is longer than {self.limit:,} bytes. "
            f"It may have no end. If it is meant, raise the limit with max_frame=. The {len(self.text)} characters "
            "before it are kept in .text."
        )


@dataclass(eq=False, repr=False)
class StreamTruncatedError(WireError, EOFError):
    """A stream ended before the frame that ends it."""

    protocol: str
    text: str
    deltas: Sequence[Delta]
    expected: str
    left: bytes = b""
    """The bytes of the last frame, which is incomplete and was not decoded."""

    def __str__(self) -> str:
        inside = f", inside the frame {excerpt(self.left)}" if self.left else ""
        return (
            f"The {self.protocol} stream ended without {self.expected}{inside}: the connection broke, or the provider "
            f"gave up. The {len(self.text)} characters that arrived are kept in .text."
        )


@dataclass(eq=False, repr=False)
class ProviderStreamError(WireError):
    """The provider reported an error in the middle of its stream.

    In a script, `Raise(ProviderStreamError("anthropic", "overloaded_error", "Overloaded"))` is sent to the client as
    the provider's own frame of an error.
    """

    text = ""
    deltas = ()
    provider: str
    """The protocol of the stream, such as "anthropic"."""
    kind: str
    """The provider's name for the error: its type, its status or its code."""
    message: str
    """The provider's words."""
    report: str = ""
    """The frame with the error, if it was read from a stream. A server sends it again as it is."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.protocol = self.provider

    def after(self, text: str, deltas: Sequence[Delta]) -> Self:
        """Return this error, with the text and the deltas before it."""
        vars(self).update(text=text, deltas=tuple(deltas))
        return self

    def __str__(self) -> str:
        return (
            f"The {self.provider} provider stopped its stream with {self.kind}: {self.message}. The {len(self.text)} "
            "characters before it are kept in .text."
        )


@dataclass(eq=False, repr=False)
class MalformedResponseError(WireError, ValueError):
    """An answer that was not streamed cannot be decoded."""

    text = ""
    deltas = ()
    protocol: str
    body: str
    fault: str

    def __str__(self) -> str:
        return (
            f"The {self.protocol} answer is malformed: {self.fault}. The answer: {excerpt(self.body, 200)}. It must be "
            "the JSON object of this protocol: check that the address is of such a provider."
        )


@dataclass(eq=False, repr=False)
class ProviderResponseError(WireError):
    """The provider answered with an error instead of an output."""

    text = ""
    deltas = ()
    protocol: str
    kind: str
    message: str

    def __str__(self) -> str:
        return (
            f"The {self.protocol} provider answered with {self.kind}: {self.message}. There is no output; the error is "
            "in .kind and .message."
        )


@dataclass(eq=False, repr=False)
class UnencodableDeltaError(StreamvalError, ValueError):
    """A protocol cannot express a delta."""

    protocol: str
    shown: str
    rule: str

    def __str__(self) -> str:
        return f"The {self.protocol} protocol cannot carry {self.shown}: {self.rule}"


def decoder_closed_error(protocol: str, state: str) -> ClosedError:
    """Return the error for a decoder that was fed after its end, or after an error."""
    return ClosedError(
        f"This {protocol} decoder {state} and takes no more bytes. A decoder reads one stream; create another one for "
        "each response."
    )
