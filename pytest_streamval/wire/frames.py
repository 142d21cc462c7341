"""What the decoders of all protocols share: the life of a decoder, and its errors.

A decoder turns frames into deltas and knows nothing of reads: the framing below it has put them together. It answers
for three promises. What it cannot decode is a `WireError`, never a bare `KeyError`, `TypeError` or `JSONDecodeError`.
The text so far is kept on that error. And every text in a delta can be encoded: it has no half of a surrogate pair.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, NoReturn

from pytest_streamval.errors import (
    DecoderClosedError,
    MalformedFrameError,
    ProviderStreamError,
    StreamTruncatedError,
)
from pytest_streamval.wire.json_values import FrameFaultError, ProviderReportError, optional, parse_object, report
from pytest_streamval.wire.sse import SSEDecoder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_streamval.model import Delta
    from pytest_streamval.wire.ndjson import NDJSONDecoder
    from pytest_streamval.wire.sse import Frame


class FrameDecoder(ABC):
    """Decode one stream of one provider: `feed` what was read, `close` at the end of the body.

    An error ends a decoder. Fed again, after an error or after `close`, it raises `DecoderClosedError`; closed again,
    it says nothing new, so that a clean-up may always close.
    """

    protocol: ClassVar[str]
    """The protocol's name in errors."""
    terminal: ClassVar[str]
    """What ends a stream, as errors name it."""
    framing: ClassVar[type[SSEDecoder | NDJSONDecoder]] = SSEDecoder
    """What cuts the body into frames."""
    open_ended: ClassVar[bool] = False
    """Whether frames may follow `terminal`, because only the end of the body ends a stream."""

    def __init__(self) -> None:
        self.done = False
        """Whether all was read that a stream has to have at its end."""
        self._framing = self.framing()
        self._texts: list[str] = []
        self._state = ""  # why the decoder takes no more, once it does
        self._counts: dict[str, int] = {}  # the latest count of each kind of token

    @property
    def text(self) -> str:
        """All output text so far."""
        return "".join(self._texts)

    def feed(self, data: bytes) -> list[Delta]:
        """Take the next bytes of the body, however they were read.

        Returns:
            The deltas that these bytes complete, at most one for each frame; a frame that carries nothing gives none.

        Raises:
            MalformedFrameError: If a frame cannot be decoded, or may not stand where it stands.
            ProviderStreamError: If the provider reports an error.
            DecoderClosedError: After `close` or an error.
            InvalidArgumentError: If `data` is no `bytes`.
        """
        if self._state:
            raise DecoderClosedError(self.protocol, self._state)
        return self._decode(self._framing.frames(data))

    def close(self) -> list[Delta]:
        """Say that the body ended.

        Returns:
            The deltas that only the end completes: those of a last line of NDJSON without its line end.

        Raises:
            StreamTruncatedError: If what ends a stream is missing. A frame that no blank line ended is left out, as SSE
                asks.
            ProviderStreamError: If what was left out is the report of an error, a JSON object instead of a frame.
            MalformedFrameError: If the end of the body completes a line that may not stand there.
        """
        if self._state:
            return []
        left, frames = self._framing.end()
        deltas = self._decode(frames)
        self._state = "was closed"
        if self.done:
            return deltas
        error = _reported(left)
        if error is not None:
            raise ProviderStreamError(self.protocol, self.text, deltas, error.kind, error.message)
        raise StreamTruncatedError(self.protocol, self.text, deltas, self.terminal, left)

    def _decode(self, frames: Sequence[Frame]) -> list[Delta]:
        deltas: list[Delta] = []
        for event, frame, _, _, offset, intact in frames:
            try:
                refused = not intact or (self.done and not self.open_ended)
                delta = self._refuse() if refused else self._read(frame, event)
            except FrameFaultError as fault:
                self._state = "failed"
                facts = (self.protocol, self.text, deltas, frame, offset, str(fault))
                raise MalformedFrameError(*facts) from fault.__cause__
            except ProviderReportError as error:
                self._state = "failed"
                raise ProviderStreamError(self.protocol, self.text, deltas, error.kind, error.message) from None
            if delta is not None:
                deltas.append(delta)
                if delta.text:
                    self._texts.append(delta.text)
        return deltas

    @abstractmethod
    def _read(self, data: str, event: str) -> Delta | None:
        """Decode the frame of this data and event type, or raise `FrameFaultError` or `ProviderReportError`."""

    def _refuse(self) -> NoReturn:
        if self.done and not self.open_ended:
            raise FrameFaultError(f"it comes after {self.terminal}, which ends the stream")
        raise FrameFaultError("it holds bytes that are no UTF-8, shown as U+FFFD")

    def _count(self, usage: dict[str, object], *fields: str, path: str = "usage.") -> None:
        """Take the counts of a report. What it leaves out stays as it was reported before."""
        for field in fields:
            value = optional(usage.get(field), int, f"{path}{field}")
            if value is None:
                continue
            if value < 0:
                raise FrameFaultError(f"{path}{field} is {value}, and no count is below 0")
            self._counts[field] = value


def _reported(left: bytes) -> ProviderReportError | None:
    """The error that a provider reports in plain JSON, in the place of a stream or, as Gemini does, in its middle."""
    data = left.decode(errors="replace")
    try:
        error = parse_object(data).get("error")
    except FrameFaultError:
        return None
    return report(error, data) if error else None
