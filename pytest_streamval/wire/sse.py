"""Server-sent events: decoding bytes to events, and encoding, by section 9.2.6 of the WHATWG HTML standard.

https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from pytest_streamval.errors import FrameTooLongError, InvalidArgumentError, decoder_closed_error, excerpt
from pytest_streamval.wire.unusual_bodies import is_complete

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_FRAME = 64 * 2**20
"""The most bytes of a frame or a line by default, more than the images and documents that providers send."""

_BOM = b"\xef\xbb\xbf"
_ENDS = b"\r\n"
_LF = 0x0A
_CR = 0x0D
_MOST_LINES = 1_024  # of an incomplete frame that are kept one by one; an object takes more memory than a short line
_MAX_RETRY_DIGITS = 640  # int() accepts that many with any limit

EventFields: TypeAlias = tuple[str, str, str, int | None, int, bool]
"""The fields of a `ServerSentEvent`, or a text outside of them, which has no event name."""


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One dispatched event."""

    event: str = "message"
    """The type: the value of the `event` field, or "message"."""
    data: str = ""
    """The lines of the `data` fields, joined by LF."""
    id: str = ""
    """The last event id. It keeps its value until a frame has a new one."""
    retry: int | None = None
    """The reconnection time that this frame sets, in milliseconds."""
    offset: int = 0
    """The offset of the frame's start, in bytes from the start of the body."""
    intact: bool = True
    """False if some bytes of the type or data were not UTF-8. U+FFFD replaces them, as the standard requires."""

    def json(self) -> Any:  # noqa: ANN401  # any JSON value
        """Return the data as parsed JSON.

        Raises:
            JSONDecodeError: A `ValueError`. If the data is not JSON.
        """
        return json.loads(self.data)


class SSEDecoder:
    """Split a body into events, independent of its reads.

    The body is split as bytes. No byte of a longer UTF-8 sequence is a CR, an LF or a colon, and a broken sequence ends
    before one. So decoding each line gives the same text as decoding the complete stream. A read can split a character,
    and U+2028, U+0085 and similar characters are text.

    Each byte is examined a constant number of times: a line in many reads is collected and split once. A frame of more
    than `max_frame` bytes is an error, so the memory is bounded.
    """

    def __init__(self, *, max_frame: int = MAX_FRAME) -> None:
        """Create a decoder for one body.

        Args:
            max_frame: The most bytes of a frame, with its line ends and without its blank line.

        Raises:
            InvalidArgumentError: If `max_frame` is not a number above 0.
        """
        self.max_frame = checked_max_frame(max_frame)
        """The most bytes of a frame."""
        self.last_event_id = ""
        """The id to reconnect with. It changes when a frame is dispatched, even a frame without data."""
        self.retry: int | None = None
        """The reconnection time in milliseconds, or None if the stream has not set it."""
        self._head: bytes | None = b""  # the first bytes, until they are longer than a BOM or differ from it
        self._line = bytearray()  # an incomplete line
        self._block: list[bytes] = []  # the last lines of the incomplete frame, with their ends
        self._packed = bytearray()  # the lines before them
        self._start = 0  # the offset of that frame
        self._position = 0  # the offset of the incomplete line
        self._after_cr = False  # an LF that follows belongs to the line end before it
        self._outside: list[EventFields] = []  # the texts outside of the fields of the last frame
        self._closed = False

    def feed(self, data: bytes) -> list[ServerSentEvent]:
        """Return the events that the next bytes of the body complete, in order.

        Raises:
            FrameTooLongError: If a frame is longer than `max_frame`. Its `frames` are the events before that.
            ClosedError: If it is called after `flush` or an error.
            InvalidArgumentError: If `data` is not `bytes`, for example decoded text.
        """
        try:
            frames = self.frames(data)
        except FrameTooLongError as error:
            raise replace(error, frames=_events(error.frames)) from None
        return _events(frames)

    def frames(self, data: bytes) -> list[EventFields]:
        """Return the events of `feed` as tuples for `FrameDecoder`, in four fifths of the time.

        The texts of lines that belong to no field, which the standard ignores, come before the event of their frame.
        """
        if self._closed:
            raise decoder_closed_error("SSE", "was closed")
        if not isinstance(data, bytes):
            rule = "It must be the raw bytes of the body. Pass each read undecoded."
            raise InvalidArgumentError("data", excerpt(data), rule)
        if self._head is not None:
            data = self._skip_bom(data)
        if self._after_cr and data:
            data = self._skip_lf(data)
        return self._dispatch(self._complete_lines(data) if data else [])

    def flush(self) -> bytes:
        """End the stream and return the bytes of a frame without a blank line, which the standard discards.

        A second call returns nothing. Complete lines of that frame still set `retry`, which takes effect line by line.
        """
        self._closed = True
        lines = self._lines_of_frame()
        left = b"".join((self._head or b"", *lines, self._line))
        for field, value in map(_field, lines):
            if field == b"retry":
                self._set_retry(value)
        self._discard_frame()
        return left

    def end(self) -> tuple[bytes, list[EventFields]]:
        """Return the result of `flush` for a `FrameDecoder`, with a last frame that lacks only its blank line.

        The standard discards such a frame. Its data must be complete JSON, or the end mark of OpenAI's streams: a
        truncated frame has neither. Comments are not counted as left.
        """
        last = bytes(self._line)
        if self._head or not (self._block or last) or last.partition(b":")[0] not in {b"", b"data"}:
            return self.flush(), []
        block = [line for line in (*self._lines_of_frame(), last) if line and not line.startswith(b":")]
        frame = self._interpret(block, self._start)
        self._outside.clear()
        if frame is not None and is_complete(frame[1]):
            self.flush()
            return b"", [frame]
        self.flush()
        return b"".join(block), []

    def _skip_bom(self, data: bytes) -> bytes:
        head = (self._head or b"") + data
        if len(head) < len(_BOM) and _BOM.startswith(head):
            self._head = head
            return b""
        self._head = None
        if not head.startswith(_BOM):
            return head
        self._start = self._position = len(_BOM)
        return head[len(_BOM) :]

    def _skip_lf(self, data: bytes) -> bytes:
        self._after_cr = False
        if data[0] != _LF:
            return data
        self._position += 1
        if self._block:
            self._block[-1] += data[:1]
        else:
            self._start = self._position
        return data[1:]

    def _complete_lines(self, data: bytes) -> list[bytes]:
        """Return the lines that `data` completes, with their ends. The rest is kept in `_line`."""
        lines = data.splitlines(keepends=True)  # bytes.splitlines splits at CR, LF and CRLF only
        last = data[-1]
        rest = lines.pop() if last not in (_LF, _CR) else b""
        self._after_cr = last == _CR
        if self._line and lines:
            self._line += lines[0]
            lines[0] = bytes(self._line)
            self._line.clear()
        if rest:
            self._line += rest
        return lines

    def _dispatch(self, lines: list[bytes]) -> list[EventFields]:
        frames: list[EventFields] = []
        block = self._block
        position = self._position
        for line in lines:
            position += len(line)
            if line[0] != _LF and line[0] != _CR:
                block.append(line)
                continue
            if block:
                if position - len(line) - self._start > self.max_frame:
                    self._raise_too_long(frames)
                frame = self._interpret(self._lines_of_frame(), self._start)
                if self._outside:
                    frames += self._outside
                    self._outside.clear()
                if frame is not None:
                    frames.append(frame)
                block.clear()
            self._start = position
        self._position = position
        if position + len(self._line) - self._start > self.max_frame:
            self._raise_too_long(frames)
        if len(block) > _MOST_LINES:
            self._packed += b"".join(block[:-1])  # an LF may still belong to the last one
            del block[:-1]
        return frames

    def _lines_of_frame(self) -> list[bytes]:
        """Return the complete lines of the frame. The packed ones are unpacked."""
        if not self._packed:
            return self._block
        lines = [*bytes(self._packed).splitlines(keepends=True), *self._block]
        self._packed.clear()
        return lines

    def _discard_frame(self) -> None:
        self._head, self._line, self._block, self._packed = None, bytearray(), [], bytearray()

    def _raise_too_long(self, frames: list[EventFields]) -> NoReturn:
        self._closed = True
        self._discard_frame()
        raise FrameTooLongError("SSE", "", (), self._start, self.max_frame, frames)

    def _interpret(self, block: list[bytes], offset: int) -> EventFields | None:
        """Return the event of a frame, or None if it has no data."""
        kind = b""
        data: list[bytes] = []
        retry: int | None = None
        others: list[bytes] = []
        for line in block:
            # The form that all providers send comes first. It needs no splitting.
            if line[:6] == b"data: ":
                data.append(line[6:].rstrip(_ENDS))
                continue
            if line[:7] == b"event: ":
                kind = line[7:].rstrip(_ENDS)
                continue
            field, value = _field(line)
            if field == b"data":
                data.append(value)
            elif field == b"event":
                kind = value
            elif field:
                others.append(line)
        if others or (kind == b"error" and not data):
            retry = self._read_others(others, offset, lacks_data=not data)
        if not data:
            return None
        joined = data[0] if len(data) == 1 else b"\n".join(data)
        try:
            return kind.decode() or "message", joined.decode(), self.last_event_id, retry, offset, True
        except UnicodeDecodeError:
            name, text = kind.decode(errors="replace"), joined.decode(errors="replace")
            return name or "message", text, self.last_event_id, retry, offset, False

    def _read_others(self, lines: list[bytes], offset: int, *, lacks_data: bool) -> int | None:
        """Read the lines of a frame that have neither its type nor its data. Return the reconnection time, if any.

        A line of no field is kept as a text outside of the frames. So is an event `error` without data.
        """
        retry: int | None = None
        outside: list[bytes] = []
        for line in lines:
            field, value = _field(line)
            if field == b"id":
                self._set_id(value)
            elif field == b"retry":
                retry = self.retry if self._set_retry(value) else retry
            else:
                outside.append(line)
        if not lines and lacks_data:
            outside.append(b"error:")
        if outside:
            text = b"".join(outside).decode(errors="replace").strip()
            self._outside.append(("", text, self.last_event_id, None, offset, True))
        return retry

    def _set_id(self, value: bytes) -> None:
        if b"\0" not in value:
            self.last_event_id = value.decode(errors="replace")

    def _set_retry(self, value: bytes) -> bool:
        """Set the reconnection time if the value is valid: ASCII digits and nothing else."""
        if not value.isdigit() or len(value) > _MAX_RETRY_DIGITS:
            return False
        self.retry = int(value)
        return True


def _events(frames: Iterable[EventFields]) -> list[ServerSentEvent]:
    return [ServerSentEvent(*frame) for frame in frames if frame[0]]


def checked_max_frame(max_frame: int) -> int:
    """Return a limit of frames.

    Raises:
        InvalidArgumentError: If it is not a number above 0.
    """
    given: object = max_frame
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        raise InvalidArgumentError("max_frame", excerpt(given), "It must be a number of bytes, 1 or more.")
    return given


def _field(line: bytes) -> tuple[bytes, bytes]:
    """Return the name and value of a line. A comment has an empty name, and no field has one."""
    name, _, value = line.rstrip(_ENDS).partition(b":")
    return name, value[1:] if value.startswith(b" ") else value


class SSEEncoder:
    """Encode events so that a decoder reads the same events.

    An event id is written only if it differs from the id before it.
    """

    def __init__(self) -> None:
        self._last_id = ""

    def encode(self, event: ServerSentEvent) -> bytes:
        """Return the frame of an event. Its `offset` and `intact` are not encoded.

        Raises:
            InvalidArgumentError: If a field cannot be encoded: a line end in type or id, a CR in the data, a NUL in the
                id, half of a surrogate pair, a reconnection time below 0, an empty type.
        """
        frame = b""
        if event.retry is not None:
            if event.retry < 0:
                raise InvalidArgumentError(
                    "retry", excerpt(event.retry), "It must be a number of milliseconds, 0 or more."
                )
            frame = b"retry: %d\n" % event.retry
        if event.id != self._last_id:
            frame += b"id: %b\n" % _one_line("id", event.id, "\r\n\0")
        if not event.event:
            raise InvalidArgumentError("event", "''", 'It must not be empty. The default type is "message".')
        _one_line("event", event.event)
        if "\r" in event.data:
            raise InvalidArgumentError(
                "data", excerpt(event.data), "Its lines must end with LF, because a decoder reads a CR as LF."
            )
        try:
            frame += sse_frame(event.data, event.event)
        except UnicodeEncodeError as error:
            raise InvalidArgumentError("data", excerpt(event.data), f"It must be valid UTF-8 ({error}).") from error
        self._last_id = event.id
        return frame

    def comment(self, text: str = "") -> bytes:
        """Return a comment, which is not an event and keeps a connection alive.

        Raises:
            InvalidArgumentError: If it has more than one line.
        """
        return b": %b\n\n" % _one_line("text", text)


def sse_frame(data: str, event: str = "message", end: str = "\n") -> bytes:
    """Return one frame with this line end. Neither `data` nor `event` may hold a CR, nor `event` an LF."""
    kind = "" if event == "message" else f"event: {event}{end}"
    lines = data.replace("\n", f"{end}data: ")
    return f"{kind}data: {lines}{end}{end}".encode()


def _one_line(field: str, value: str, forbidden: str = "\r\n") -> bytes:
    if any(character in value for character in forbidden):
        raise InvalidArgumentError(field, excerpt(value), "It must be one line, and an id must not hold a NUL.")
    try:
        return value.encode()
    except UnicodeEncodeError as error:
        raise InvalidArgumentError(field, excerpt(value), f"It must be valid UTF-8 ({error}).") from error
