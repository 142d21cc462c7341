"""JSON one line each, bytes in and lines out, and back again.

https://github.com/ndjson/ndjson-spec: a value stands on one line and every line ends with LF, before which a CR does
no harm. Empty lines are left out, as the specification allows. So is a BOM, which RFC 8259 lets a reader ignore.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_streamval.errors import DecoderClosedError, InvalidArgumentError, excerpt
from pytest_streamval.wire.json_values import json_text

if TYPE_CHECKING:
    from pytest_streamval.wire.sse import Frame

_BOM = b"\xef\xbb\xbf"
_WHITESPACE = b" \t\r\n"


@dataclass(frozen=True, slots=True)
class NDJSONLine:
    """One line."""

    data: str
    """What stands on it, without its end."""
    offset: int = 0
    """Where it begins, in bytes from the start of the body."""
    intact: bool = True
    """False where bytes were no UTF-8: U+FFFD stands for them."""


class NDJSONDecoder:
    """Cut a body into lines, whatever the reads.

    Lines are told apart in the bytes, so that a character cut by a read needs no care, and U+2028, U+0085 and a lone CR
    end no line. No byte is looked at more often than a constant number of times.
    """

    def __init__(self) -> None:
        self._line: list[bytes] = []  # the pieces of a line without its end
        self._position = 0  # where that line begins
        self._closed = False

    def feed(self, data: bytes) -> list[NDJSONLine]:
        """Take the next bytes of the body, as many or as few as were read.

        Returns:
            The lines that these bytes complete, in order.

        Raises:
            DecoderClosedError: After `flush`.
            InvalidArgumentError: If `data` is no `bytes`, such as text that was decoded already.
        """
        return [NDJSONLine(data, offset, intact) for _, data, _, _, offset, intact in self.frames(data)]

    def frames(self, data: bytes) -> list[Frame]:
        """Do what `feed` does for a decoder on top."""
        if self._closed:
            raise DecoderClosedError("NDJSON", "was closed")
        if not isinstance(data, bytes):
            rule = "A body is decoded from its raw bytes, as they were read."
            raise InvalidArgumentError("data", excerpt(data), rule)
        *lines, rest = data.split(b"\n")
        if lines and self._line:
            lines[0] = b"".join((*self._line, lines[0]))
            self._line.clear()
        if rest:
            self._line.append(rest)
        return self._framed(lines)

    def flush(self) -> bytes:
        """End the stream, and return the bytes of a line that has no end; a second call returns nothing."""
        self._closed = True
        left = b"".join(self._line)
        self._line.clear()
        return left

    def end(self) -> tuple[bytes, list[Frame]]:
        """Do what `flush` does for a decoder on top, but take a last line that is whole for a line.

        A cut-off JSON object is no JSON, so that one without its line end cannot be taken for whole by mistake.
        """
        left = self.flush()
        try:
            json.loads(left.decode("utf-8-sig"))
        except (ValueError, RecursionError):
            return left, []
        return b"", self._framed([left])

    def _framed(self, lines: list[bytes]) -> list[Frame]:
        frames: list[Frame] = []
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
    """Write a value as one line of NDJSON, with its end.

    Raises:
        ValueError: If it holds what JSON has no word for: NaN, infinity, half of a surrogate pair.
        TypeError: If it holds a value of another type than JSON's.
    """
    return f"{json_text(value)}\n".encode()
