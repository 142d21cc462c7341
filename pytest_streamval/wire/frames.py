"""The base class of the decoders of all protocols.

A decoder turns frames into deltas. It does not depend on the reads, because the framing below it joins them. It makes
three promises. Anything that it cannot decode raises a `WireError`, never a bare `KeyError`, `TypeError` or
`JSONDecodeError`. That error keeps the text so far. Every text in a delta can be encoded as UTF-8: no half of a
surrogate pair is in it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, NoReturn

from pytest_streamval.errors import (
    FrameTooLongError,
    MalformedFrameError,
    ProviderStreamError,
    StreamTruncatedError,
    decoder_closed_error,
)
from pytest_streamval.model import Usage
from pytest_streamval.wire.json_values import (
    FrameFaultError,
    ProviderReportError,
    optional,
    parse_object,
    provider_report,
)
from pytest_streamval.wire.sse import SSEDecoder, checked_max_frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_streamval.model import Delta
    from pytest_streamval.wire.ndjson import NDJSONDecoder
    from pytest_streamval.wire.sse import EventFields


class FrameDecoder(ABC):
    """Decode one stream of one provider: call `feed` for each read, and `close` at the end of the body.

    An error ends a decoder. `feed` then raises `ClosedError`, as it does after `close`. `close` never reports an
    error twice, so that cleanup code can always call it.
    """

    protocol: ClassVar[str]
    """The protocol's name in errors."""
    terminal: ClassVar[str]
    """The frame that ends a stream, in the words of errors."""
    framing: ClassVar[type[SSEDecoder | NDJSONDecoder]] = SSEDecoder
    """The decoder that splits the body into frames."""
    open_ended: ClassVar[bool] = False
    """Whether frames can follow `terminal`, because only the end of the body ends a stream."""

    def __init__(self) -> None:
        self.done = False
        """Whether the frame that ends a stream has been read."""
        self._framing = self.framing()
        self._texts: list[str] = []
        self._state = ""  # why the decoder decodes nothing more, once it does not
        self._counts: dict[str, int] = {}  # the latest count of each kind of token

    @property
    def max_frame(self) -> int:
        """The most bytes of a frame. It can be changed before the first read."""
        return self._framing.max_frame

    @max_frame.setter
    def max_frame(self, limit: int) -> None:
        self._framing.max_frame = checked_max_frame(limit)

    @property
    def text(self) -> str:
        """The output text so far."""
        return "".join(self._texts)

    def feed(self, data: bytes) -> list[Delta]:
        """Decode the next bytes of the body. They can be split anywhere.

        Returns:
            The deltas that these bytes complete, at most one for each frame. A frame without content has none.

        Raises:
            MalformedFrameError: If a frame cannot be decoded, or is not allowed at its place.
            FrameTooLongError: If a frame is longer than `max_frame`, possibly without end.
            ProviderStreamError: If the provider reports an error.
            ClosedError: If it is called after `close` or an error.
            InvalidArgumentError: If `data` is not `bytes`.
        """
        if self._state:
            raise decoder_closed_error(self.protocol, self._state)
        try:
            frames = self._framing.frames(data)
        except FrameTooLongError as error:
            deltas = self._decode(error.frames)
            self._state = "failed"
            facts = (self.protocol, self.text, deltas, error.offset, error.limit)
            raise FrameTooLongError(*facts) from None
        return self._decode(frames)

    def close(self) -> list[Delta]:
        """End the stream, at the end of the body.

        Returns:
            The deltas that only the end completes: those of a last line of NDJSON without a line end.

        Raises:
            StreamTruncatedError: If the frame that ends a stream is missing. A frame without its blank line is
                discarded, as SSE requires.
            ProviderStreamError: If the discarded bytes are a JSON object that reports an error.
            MalformedFrameError: If the end of the body completes a line that is not allowed there.
        """
        if self._state:
            return []
        left, frames = self._framing.end()
        deltas = self._decode(frames)
        self._state = "was closed"
        if self.done:
            return deltas
        error = _report_in(left)
        if error is not None:
            raise ProviderStreamError(self.protocol, self.text, deltas, error.kind, error.message)
        raise StreamTruncatedError(self.protocol, self.text, deltas, self.terminal, left)

    def _decode(self, frames: Sequence[EventFields]) -> list[Delta]:
        deltas: list[Delta] = []
        for event, frame, _, _, offset, intact in frames:
            try:
                is_fault = not intact or (self.done and not self.open_ended)
                delta = self._raise_fault() if is_fault else self._read(frame, event)
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
        """Decode a frame, or raise `FrameFaultError` or `ProviderReportError`."""

    def _raise_fault(self) -> NoReturn:
        if self.done and not self.open_ended:
            raise FrameFaultError(f"it follows {self.terminal}, which ends the stream")
        raise FrameFaultError("it holds bytes that are not UTF-8, shown as U+FFFD")

    def _read_usage(self, usage: object, inputs: Sequence[str], outputs: Sequence[str], path: str) -> Usage | None:
        """Return the token counts after a report. A count that it leaves out keeps its value.

        Args:
            usage: The report, or None.
            inputs: The fields whose sum is the number of input tokens.
            outputs: The fields whose sum is the number of output tokens.
            path: The path of the report in the frame, or "" if the frame is the report.
        """
        fields = optional(usage, dict, path)
        if fields is None:
            return None
        prefix = f"{path}." if path else ""
        for field in (*inputs, *outputs):
            value = optional(fields.get(field), int, f"{prefix}{field}")
            if value is not None and value < 0:
                raise FrameFaultError(f"{prefix}{field} is {value}, and a count must be 0 or more")
            if value is not None:
                self._counts[field] = value
        return Usage(self._sum(inputs), self._sum(outputs)) if self._counts else None

    def _sum(self, fields: Sequence[str]) -> int | None:
        counts = [self._counts[field] for field in fields if field in self._counts]
        return sum(counts) if counts else None


def _report_in(left: bytes) -> ProviderReportError | None:
    """Return the error in plain JSON that a provider sent instead of a stream or, like Gemini, in the middle of one."""
    data = left.decode(errors="replace")
    try:
        error = parse_object(data).get("error")
    except FrameFaultError:
        return None
    return provider_report(error, data) if error else None
