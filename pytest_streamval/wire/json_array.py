"""A JSON array that arrives piece by piece, as Gemini sends a stream without `alt=sse`: its objects are the frames.

Source: https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_streamval.errors import FrameTooLongError, InvalidArgumentError, decoder_closed_error, excerpt
from pytest_streamval.wire.sse import MAX_FRAME, checked_max_frame

if TYPE_CHECKING:
    from pytest_streamval.wire.sse import EventFields

_START = re.compile(rb"\A(?:\xef\xbb\xbf)?[ \t\r\n]*\[[ \t\r\n]*[{\]]")
_MAYBE_START = re.compile(rb"\A(?:\xef(?:\xbb\xbf?)?)?[ \t\r\n]*(?:\[[ \t\r\n]*)?")
_LONGEST_START = 64  # bytes, after which a body that has not begun is no array
_MARK = re.compile(rb'\\.|["{}]', re.DOTALL)
_BETWEEN = b"\xef\xbb\xbf \t\r\n[],"  # the bytes between two objects


def starts_array(body: bytes) -> bool | None:
    """Return whether a body is an array of objects, or None if its first bytes do not tell yet."""
    if _START.match(body):
        return True
    return None if _MAYBE_START.fullmatch(body) and len(body) <= _LONGEST_START else False


class JSONArrayDecoder:
    """Split an array into its objects, independent of its reads.

    Each byte is examined a constant number of times. An object of more than `max_frame` bytes is an error, so the
    memory is bounded. A text between two objects is a frame without an event, as in `SSEDecoder`.
    """

    def __init__(self, *, max_frame: int = MAX_FRAME) -> None:
        """Create a decoder for one body.

        Args:
            max_frame: The most bytes of an object.

        Raises:
            InvalidArgumentError: If `max_frame` is not a number above 0.
        """
        self.max_frame = checked_max_frame(max_frame)
        """The most bytes of an object."""
        self._buffer = bytearray()  # from the start of an incomplete object, or of the bytes between two
        self._scanned = 0  # the bytes of it that were examined
        self._position = 0  # the offset of it in the body
        self._depth = 0  # the number of open braces
        self._in_string = False
        self._closed = False

    def frames(self, data: bytes) -> list[EventFields]:
        """Return the objects that the next bytes of the body complete, in order.

        Raises:
            FrameTooLongError: If an object is longer than `max_frame`. Its `frames` are the objects before that.
            ClosedError: If it is called after `flush` or an error.
            InvalidArgumentError: If `data` is not `bytes`.
        """
        if self._closed:
            raise decoder_closed_error("JSON array", "was closed")
        if not isinstance(data, bytes):
            raise InvalidArgumentError("data", excerpt(data), "It must be the raw bytes of the body.")
        self._buffer += data
        pieces, rest, end = self._split()
        is_escape = end < len(self._buffer) and self._buffer.endswith(b"\\")
        frames: list[EventFields] = []
        for start, stop, is_object in pieces:
            if stop - start > self.max_frame:
                self._fail(start, frames)
            frames += self._framed(start, stop, is_object=is_object)
        if len(self._buffer) - rest > self.max_frame:
            self._fail(rest, frames)
        del self._buffer[:rest]
        self._position += rest
        self._scanned = len(self._buffer) - is_escape
        return frames

    def flush(self) -> bytes:
        """End the stream and return the bytes of an incomplete object. A second call returns nothing."""
        self._closed = True
        left = bytes(self._buffer).strip(_BETWEEN)
        self._buffer.clear()
        return left

    def end(self) -> tuple[bytes, list[EventFields]]:
        """Return the result of `flush` for a `FrameDecoder`. No object is complete only at the end."""
        return self.flush(), []

    def _split(self) -> tuple[list[tuple[int, int, bool]], int, int]:
        """Return the bounds of the objects and of the texts between them, the start of the rest, and the last mark."""
        pieces: list[tuple[int, int, bool]] = []
        start, end = 0, self._scanned
        for found in _MARK.finditer(self._buffer, self._scanned):
            mark, end = found[0], found.end()
            if mark == b'"':
                self._in_string = not self._in_string
            elif self._in_string or mark not in (b"{", b"}"):
                continue
            elif mark == b"{":
                if not self._depth:
                    pieces.append((start, found.start(), False))
                    start = found.start()
                self._depth += 1
            elif self._depth:
                self._depth -= 1
                if not self._depth:
                    pieces.append((start, end, True))
                    start = end
        return pieces, start, end

    def _framed(self, start: int, stop: int, *, is_object: bool) -> list[EventFields]:
        """Return the frame of an object, or of a text between two objects if there is one."""
        data = bytes(self._buffer[start:stop])
        if not is_object:
            inner = data.strip(_BETWEEN)
            start, data = start + data.find(inner), inner
        if not data:
            return []
        event, offset = "message" if is_object else "", self._position + start
        try:
            return [(event, data.decode(), "", None, offset, True)]
        except UnicodeDecodeError:
            return [(event, data.decode(errors="replace"), "", None, offset, False)]

    def _fail(self, start: int, frames: list[EventFields]) -> None:
        self._closed = True
        self._buffer.clear()
        raise FrameTooLongError("JSON array", "", (), self._position + start, self.max_frame, frames)
