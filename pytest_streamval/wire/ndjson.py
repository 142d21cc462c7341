"""NDJSON: decoding bytes to lines, and encoding.

https://github.com/ndjson/ndjson-spec: each line holds one value and ends with LF, and a CR before the LF does no harm.
Empty lines are skipped, as the specification allows. A BOM is skipped, as RFC 8259 allows.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_streamval.errors import FrameTooLongError, InvalidArgumentError, decoder_closed_error, excerpt
from pytest_streamval.wire.json_values import json_text
from pytest_streamval.wire.sse import MAX_FRAME, checked_max_frame

if TYPE_CHECKING:
    from pytest_streamval.wire.sse import EventFields

_BOM = b"\xef\xbb\xbf"
_WHITESPACE = b" \t\r\n"


@dataclass(frozen=True, slots=True)
class NDJSONLine:
    """One line of NDJSON."""

    data: str
    """The line without its end."""
    offset: int = 0
    """The offset of the line's start, in bytes from the start of the body."""
    intact: bool = True
    """False if some bytes were not UTF-8. U+FFFD replaces them."""


class NDJSONDecoder:
    """Split a body into lines, independent of its reads.

    The body is split as bytes, so a read can split a character, and U+2028, U+0085 or a CR without an LF end no line.
    Each byte is examined a constant number of times. A line of more than `max_frame` bytes is an error, so the memory
    is bounded.
    """

    def __init__(self, *, max_frame: int = MAX_FRAME) -> None:
        """Create a decoder for one body.

        Args:
            max_frame: The most bytes of a line, without its LF.

        Raises:
            InvalidArgumentError: If `max_frame` is not a number above 0.
        """
        self.max_frame = checked_max_frame(max_frame)
        """The most bytes of a line."""
        self._line = bytearray()  # an incomplete line
        self._position = 0  # the offset of that line
        self._closed = False

    def feed(self, data: bytes) -> list[NDJSONLine]:
        """Return the lines that the next bytes of the body complete, in order.

        Raises:
            FrameTooLongError: If a line is longer than `max_frame`. Its `frames` are the lines before that.
            ClosedError: If it is called after `flush` or an error.
            InvalidArgumentError: If `data` is not `bytes`, for example decoded text.
        """
        try:
            return [_line_of(frame) for frame in self.frames(data)]
        except FrameTooLongError as error:
            raise replace(error, frames=[_line_of(frame) for frame in error.frames]) from None

    def frames(self, data: bytes) -> list[EventFields]:
        """Return the lines of `feed` in the form that `FrameDecoder` reads."""
        if self._closed:
            raise decoder_closed_error("NDJSON", "was closed")
        if not isinstance(data, bytes):
            rule = "It must be the raw bytes of the body. Pass each read undecoded."
            raise InvalidArgumentError("data", excerpt(data), rule)
        *lines, rest = data.split(b"\n")
        if lines and self._line:
            self._line += lines[0]
            lines[0] = bytes(self._line)
            self._line.clear()
        self._line += rest
        long = next((number for number, line in enumerate(lines) if len(line) > self.max_frame), len(lines))
        frames = self._framed(lines[:long])
        if long < len(lines) or len(self._line) > self.max_frame:
            self._closed = True
            self._line.clear()
            raise FrameTooLongError("NDJSON", "", (), self._position, self.max_frame, frames)
        return frames

    def flush(self) -> bytes:
        """End the stream and return the bytes of a line without an end. A second call returns nothing."""
        self._closed = True
        left = bytes(self._line)
        self._line.clear()
        return left

    def end(self) -> tuple[bytes, list[EventFields]]:
        """Return the result of `flush` for a `FrameDecoder`, with a complete last line as a frame.

        A truncated JSON object is not valid JSON, so a last line without an end is never taken for complete by mistake.
        """
        left = self.flush()
        try:
            json.loads(left.decode("utf-8-sig"))
        except (ValueError, RecursionError):
            return left, []
        return b"", self._framed([left])

    def _framed(self, lines: list[bytes]) -> list[EventFields]:
        frames: list[EventFields] = []
        position = self._position
        for line in lines:
            start, position = position, position + len(line) + 1
            bom = len(_BOM) if start == 0 and line.startswith(_BOM) else 0
            data = line[bom:].removesuffix(b"\r")
            if not data.strip(_WHITESPACE):
                continue
            try:
                frames.append(("message", data.decode(), "", None, start + bom, True))
            except UnicodeDecodeError:
                frames.append(("message", data.decode(errors="replace"), "", None, start + bom, False))
        self._position = position
        return frames


def _line_of(frame: EventFields) -> NDJSONLine:
    _, data, _, _, offset, intact = frame
    return NDJSONLine(data, offset, intact)


def ndjson_line(value: object) -> bytes:
    """Return a value as one line of NDJSON, with its end.

    Raises:
        ValueError: If it holds NaN, infinity or half of a surrogate pair.
        TypeError: If it holds a value of a type that JSON does not have.
    """
    return f"{json_text(value)}\n".encode()
