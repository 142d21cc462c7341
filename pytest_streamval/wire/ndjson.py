"""NDJSON: decoding bytes to lines, and encoding.

https://github.com/ndjson/ndjson-spec: each line holds one value and ends with LF, and a CR before the LF does no harm.
Empty lines are skipped, as the specification allows. A BOM is skipped, as RFC 8259 allows.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_streamval.errors import InvalidArgumentError, decoder_closed_error, excerpt
from pytest_streamval.wire.json_values import json_text

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
    Each byte is examined a constant number of times.
    """

    def __init__(self) -> None:
        self._line: list[bytes] = []  # the pieces of an incomplete line
        self.pending = 0
        """The number of bytes of the incomplete line so far."""
        self._position = 0  # the offset of that line
        self._closed = False

    def feed(self, data: bytes) -> list[NDJSONLine]:
        """Return the lines that the next bytes of the body complete, in order.

        Raises:
            ClosedError: If it is called after `flush`.
            InvalidArgumentError: If `data` is not `bytes`, for example decoded text.
        """
        return [NDJSONLine(data, offset, intact) for _, data, _, _, offset, intact in self.frames(data)]

    def frames(self, data: bytes) -> list[EventFields]:
        """Return the lines of `feed` in the form that `FrameDecoder` reads."""
        if self._closed:
            raise decoder_closed_error("NDJSON", "was closed")
        if not isinstance(data, bytes):
            rule = "It must be the raw bytes of the body. Pass each read undecoded."
            raise InvalidArgumentError("data", excerpt(data), rule)
        *lines, rest = data.split(b"\n")
        if lines and self._line:
            lines[0] = b"".join((*self._line, lines[0]))
            self._line.clear()
        if rest:
            self._line.append(rest)
        self.pending = len(rest) if lines else self.pending + len(rest)
        return self._framed(lines)

    def flush(self) -> bytes:
        """End the stream and return the bytes of a line without an end. A second call returns nothing."""
        self._closed = True
        left = b"".join(self._line)
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


def ndjson_line(value: object) -> bytes:
    """Return a value as one line of NDJSON, with its end.

    Raises:
        ValueError: If it holds NaN, infinity or half of a surrogate pair.
        TypeError: If it holds a value of a type that JSON does not have.
    """
    return f"{json_text(value)}\n".encode()
