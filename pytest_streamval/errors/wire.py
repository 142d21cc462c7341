"""Errors of the wire protocols."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_streamval.errors.base import StreamvalError
from pytest_streamval.errors.text import excerpt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_streamval.model import Delta

# Wire protocols


class WireError(StreamvalError):
    """A provider's stream is not what its protocol promises."""

    def __init__(self, protocol: str, text: str, deltas: Sequence[Delta], *facts: object) -> None:
        super().__init__(protocol, text, tuple(deltas), *facts)
        self.protocol = protocol
        self.text = text
        """All text decoded before the fault."""
        self.deltas = tuple(deltas)
        """Deltas decoded by the call that raised, which it could not return."""


class MalformedFrameError(WireError, ValueError):
    """A frame cannot be decoded."""

    def __init__(  # noqa: PLR0917  # what an error is made of are its positional arguments, for pickle
        self, protocol: str, text: str, deltas: Sequence[Delta], frame: str, offset: int, fault: str
    ) -> None:
        super().__init__(protocol, text, deltas, frame, offset, fault)
        self.frame = frame
        self.offset = offset
        """Where the frame begins, in bytes from the start of the body."""
        self.fault = fault

    def __str__(self) -> str:
        return (
            f"The {self.protocol} stream has a malformed frame at byte {self.offset}: {self.fault}. The frame: "
            f"{excerpt(self.frame, 200)}. The {len(self.text)} characters before it are kept in .text."
        )


class StreamTruncatedError(WireError, EOFError):
    """A stream ended before the frame that ends it."""

    def __init__(self, protocol: str, text: str, deltas: Sequence[Delta], expected: str, left: bytes = b"") -> None:
        super().__init__(protocol, text, deltas, expected, left)
        self.expected = expected
        self.left = left
        """Bytes of the frame that the end cut off, which were not decoded."""

    def __str__(self) -> str:
        inside = f", inside the frame {excerpt(self.left)}" if self.left else ""
        return (
            f"The {self.protocol} stream ended without {self.expected}{inside}: the connection was cut or the provider "
            f"gave up. The {len(self.text)} characters that arrived are kept in .text."
        )


class ProviderStreamError(WireError):
    """The provider reported an error in the middle of its stream."""

    def __init__(self, protocol: str, text: str, deltas: Sequence[Delta], kind: str, message: str) -> None:
        super().__init__(protocol, text, deltas, kind, message)
        self.kind = kind
        self.message = message

    def __str__(self) -> str:
        return (
            f"The {self.protocol} provider stopped its stream with {self.kind}: {self.message}. The {len(self.text)} "
            "characters before it are kept in .text."
        )


class MalformedResponseError(WireError, ValueError):
    """An answer that was not streamed cannot be decoded."""

    def __init__(self, protocol: str, body: str, fault: str) -> None:
        super().__init__(protocol, "", ())
        self.args = (protocol, body, fault)
        self.body = body
        self.fault = fault

    def __str__(self) -> str:
        return (
            f"The {self.protocol} answer is malformed: {self.fault}. The answer: {excerpt(self.body, 200)}. It has to "
            "be the JSON object that this protocol answers with: ask the provider whose protocol it is."
        )


class ProviderResponseError(WireError):
    """The provider answered with an error in the place of an output."""

    def __init__(self, protocol: str, kind: str, message: str) -> None:
        super().__init__(protocol, "", ())
        self.args = (protocol, kind, message)
        self.kind = kind
        self.message = message

    def __str__(self) -> str:
        return (
            f"The {self.protocol} provider answered with {self.kind}: {self.message}. No output came with it; what the "
            "provider says is in .kind and .message."
        )


class UnencodableDeltaError(StreamvalError, ValueError):
    """A protocol has no way to say what it was to say."""

    def __init__(self, protocol: str, shown: str, rule: str) -> None:
        super().__init__(protocol, shown, rule)
        self.protocol = protocol
        self.shown = shown
        self.rule = rule

    def __str__(self) -> str:
        return f"The {self.protocol} protocol cannot carry {self.shown}: {self.rule}"


class DecoderClosedError(StreamvalError, RuntimeError):
    """A decoder was fed after its end, or after an error."""

    def __init__(self, protocol: str, state: str) -> None:
        super().__init__(protocol, state)
        self.protocol = protocol
        self.state = state

    def __str__(self) -> str:
        return (
            f"This {self.protocol} decoder {self.state} and takes no more bytes. A decoder reads one stream; make a "
            "new one for each response."
        )
