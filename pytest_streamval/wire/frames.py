"""The base class of the decoders of all protocols.

A decoder turns frames into deltas. It does not depend on the reads, because the framing below it joins them. It reads
a stream as its provider's own client would, or better: a deviation from the protocol that loses nothing is noted, and
anything that would lose or falsify a part of the output raises.

It makes three promises. Anything that it cannot decode raises a `WireError`, never a bare `KeyError`, `TypeError` or
`JSONDecodeError`. That error keeps the text so far. Every text in a delta can be encoded as UTF-8: no half of a
surrogate pair is in it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar

from pytest_streamval.errors import (
    FrameTooLongError,
    MalformedFrameError,
    ProviderStreamError,
    StreamTruncatedError,
    decoder_closed_error,
    excerpt,
)
from pytest_streamval.model import Delta, Deviation
from pytest_streamval.wire.error_reports import (
    ProviderReportError,
    report_in_rest,
    report_in_words,
    report_of_words,
    report_outside_frames,
    valid_text,
)
from pytest_streamval.wire.json_values import (
    FrameFaultError,
    NotAnObjectError,
    load_object,
    may_hold_surrogates,
)
from pytest_streamval.wire.secondary_values import SecondaryValues
from pytest_streamval.wire.sse import SSEDecoder, checked_max_frame
from pytest_streamval.wire.surrogates import SurrogateJoiner
from pytest_streamval.wire.unusual_bodies import (
    DONE,
    first_object,
    has_nothing,
    is_done,
    is_keep_alive_name,
    lines_of_frame,
    object_of_body,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_streamval.errors import WireError
    from pytest_streamval.model import DeviationKind
    from pytest_streamval.wire.json_array import JSONArrayDecoder
    from pytest_streamval.wire.ndjson import NDJSONDecoder
    from pytest_streamval.wire.sse import EventFields

_MOST = 10  # deviations of one kind that are kept


class FrameDecoder(SecondaryValues, ABC):
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
    reads_after_end: ClassVar[bool] = False
    """Whether the output goes on after `terminal` if more of it comes, as in the provider's own client. Otherwise only
    counts and a missing finish reason are read there, and a text is that of another answer."""
    own_events: ClassVar[tuple[str, ...]] = ()
    """The prefixes of the protocol's names of events, which no keep-alive has."""

    def __init__(self, *, strict: bool = False) -> None:
        """Create a decoder. A strict one raises a `MalformedFrameError` at the first deviation."""
        SecondaryValues.__init__(self)
        self.done = False
        """Whether the frame that ends a stream has been read."""
        self.deviations: list[Deviation] = []
        """The deviations so far, at most ten of each kind."""
        self._strict = strict
        self._framing: SSEDecoder | NDJSONDecoder | JSONArrayDecoder = self.framing()
        self._texts: list[str] = []
        self._state = ""  # why the decoder decodes nothing more, once it does not
        self._offset = 0  # of the frame that is read
        self._noted: dict[DeviationKind, int] = {}
        self._skipped = ""  # the first frame or line that was not read
        self._has_reason = False  # whether a finish reason has been read
        self._joiner: SurrogateJoiner | None = None  # from the first frame that may hold halves of surrogate pairs

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
        deltas: list[Delta] = []
        try:
            frames = self._framing.frames(data)
        except FrameTooLongError as error:
            self._decode(error.frames, deltas)
            self._state = "failed"
            raise FrameTooLongError(self.protocol, self.text, deltas, error.offset, error.limit) from None
        self._decode(frames, deltas)
        return deltas

    def close(self) -> list[Delta]:
        """End the stream, at the end of the body.

        A missing end frame is noted if a finish reason has been read and the body does not end inside a frame. So is a
        missing blank line after the last frame.

        Returns:
            The deltas that only the end completes.

        Raises:
            StreamTruncatedError: If the end of the stream is missing.
            ProviderStreamError: If the bytes after the last frame report an error.
            MalformedFrameError: If the end of the body completes a frame that is not allowed there.
        """
        if self._state:
            return []
        deltas: list[Delta] = []
        left = self._decode_end(deltas)
        self._state = "was closed"
        if not self.done:
            self._end_early(left, deltas)
        try:
            rest = (self._flush(), None if self._joiner is None else self._joiner.flush())
        except FrameFaultError as fault:
            raise MalformedFrameError(self.protocol, self.text, deltas, "", self._offset, str(fault)) from None
        for delta in filter(None, rest):
            deltas.append(delta)
            self._texts.append(delta.text)
        return deltas

    def _decode_end(self, deltas: list[Delta]) -> bytes:
        """Decode the frames that the end of the body completes, and return the bytes of an incomplete frame."""
        if not isinstance(self._framing, SSEDecoder):
            left, frames = self._framing.end()
        elif self._strict:
            left, frames = self._framing.flush(), []
        else:
            left, frames = self._framing.end()
            for frame in frames:
                self._offset = frame[4]
                self._note("missing-blank-line", "the body ends after the last frame, without a blank line")
        self._decode(frames, deltas)
        return left

    def _end_early(self, left: bytes, deltas: list[Delta]) -> None:
        """Accept the end of a body without an end frame if nothing is missing, or raise."""
        if not self._strict and not left.strip() and self._is_finished():
            last = "a finish reason" if self._has_reason else "token counts"
            self._note("missing-end", f"the body ends without {self.terminal}, but after {last}")
            if not self._has_reason:
                self._note("missing-finish-reason", "token counts end the stream, but no frame had a finish_reason")
            return
        if not self._strict and self._read_body(left, deltas):
            self._note("not-streamed", "the body is a complete answer, and no stream")
            return
        error = report_in_rest(left.decode(errors="replace"))
        if error is not None:
            raise self._stream_error(error, deltas, left.decode(errors="replace"))
        raise StreamTruncatedError(self.protocol, self.text, deltas, self.terminal, left)

    def _is_finished(self) -> bool:
        """Return whether nothing but the end frame is missing."""
        return self._has_reason

    def _read_body(self, left: bytes, deltas: list[Delta]) -> bool:
        """Read a body that is a complete answer in JSON, and return whether it is one."""
        body = object_of_body(left)
        try:
            delta = None if body is None else self._read(body, "message")
        except (FrameFaultError, ProviderReportError):
            return False
        if delta is not None and self._joiner:
            delta = self._joiner.join(delta)
        new = [] if delta is None else [delta]
        if not self.done and not any(delta.finish_reason for delta in new):
            return False
        deltas += new
        self._texts += [delta.text for delta in new]
        return True

    def _decode(self, frames: Sequence[EventFields], deltas: list[Delta]) -> None:
        for event, frame, _, _, offset, intact in frames:
            self._offset = offset
            try:
                if self.done or not intact or not event:
                    delta = self._read_unusual(frame, event, intact=intact)
                else:
                    delta = self._read(frame, event)
                if self._joiner is not None and delta is not None:
                    delta = self._joiner.join(delta)
            except (FrameFaultError, ProviderReportError) as fault:
                if isinstance(fault, NotAnObjectError) and self._decode_lines(frame, offset, deltas):
                    continue
                error = self._error(event, frame, fault, deltas)
                if error is None:
                    continue
                self._state = "failed"
                raise error from fault.__cause__
            if delta is not None:
                deltas.append(delta)
                if delta.text:
                    self._texts.append(delta.text)
                if delta.finish_reason:
                    self._has_reason = True

    def _decode_lines(self, frame: str, offset: int, deltas: list[Delta]) -> bool:
        """Decode the frames of a server that leaves out the blank lines, and return whether they are such."""
        lines = [] if self._strict else lines_of_frame(frame)
        if lines:
            self._note("missing-blank-line", f"{len(lines)} frames have no blank line between them")
            self._decode([("message", line, "", None, offset, True) for line in lines], deltas)
        return bool(lines)

    @abstractmethod
    def _read(self, data: str, event: str) -> Delta | None:
        """Decode a frame, or raise `FrameFaultError` or `ProviderReportError`."""

    def _flush(self) -> Delta | None:
        """Return the rest of the output that waits for its end, at the end of the stream."""
        return None

    def _read_unusual(self, data: str, event: str, *, intact: bool) -> Delta | None:
        """Decode a text outside of the frames, a frame after the end, or one that is not UTF-8."""
        if not event:
            return self._read_outside(data)
        is_after_end = self.done and not self.open_ended
        if is_after_end:
            is_end = is_done(data) and self.terminal.removeprefix("the frame ") == DONE
            kind: DeviationKind = "repeated-end" if is_end else "frame-after-end"
            self._note(kind, f"it follows {self.terminal}, which ends the stream")
        if not intact:
            raise FrameFaultError("it holds bytes that are not UTF-8, shown as U+FFFD")
        delta = self._read(data, event)
        if delta is None or not is_after_end or self.reads_after_end:
            return delta
        reason = None if self._has_reason else delta.finish_reason
        return Delta(usage=delta.usage, finish_reason=reason) if delta.usage or reason else None

    def _read_outside(self, text: str) -> Delta | None:
        error = report_outside_frames(text)
        if error is not None:
            raise error
        self._note("unframed-line", f"it belongs to no field of a frame: {excerpt(text)}")
        with suppress(NotAnObjectError):
            return self._read(text if is_done(text) else first_object(text) or text, "message")
        self._skipped = self._skipped or text
        return None

    def _error(
        self, event: str, frame: str, fault: FrameFaultError | ProviderReportError, deltas: list[Delta]
    ) -> WireError | None:
        """Return the error for a frame that could not be read, or None if it lost nothing."""
        if isinstance(fault, FrameFaultError):
            report = self._report(event, frame, fault)
            if report is None and self._is_harmless(event, frame, fault):
                return None
            if report is None:
                return MalformedFrameError(self.protocol, self.text, deltas, frame, self._offset, str(fault))
            fault = report
        return self._stream_error(fault, deltas, frame)

    def _stream_error(self, report: ProviderReportError, deltas: list[Delta], frame: str) -> ProviderStreamError:
        error = ProviderStreamError(self.protocol, report.kind, report.message, valid_text(frame))
        return error.after(self.text, deltas)

    def _report(self, event: str, frame: str, fault: FrameFaultError) -> ProviderReportError | None:
        """Return the error that a frame reports which could not be read, or None."""
        if event == "error":
            return report_of_words(frame)
        return report_in_words(frame) if isinstance(fault, NotAnObjectError) else None

    def _is_harmless(self, event: str, frame: str, fault: FrameFaultError) -> bool:
        """Return whether a frame that could not be read is a keep-alive, or comes after the end."""
        if self._strict:
            return False
        if self.done and not self.open_ended:
            return True
        if not isinstance(fault, NotAnObjectError):
            return False
        is_foreign = event != "message" and not event.startswith(self.own_events or ("message",))
        is_alive = is_keep_alive_name(event) or not frame.startswith("{")
        if (is_foreign and is_alive) or has_nothing(frame):
            self._note("keep-alive", f"the event {excerpt(event)} has no JSON object as its data: {excerpt(frame)}")
            return True
        return False

    def _ends_another_protocol(self, data: str) -> bool:
        """Return whether a frame is the end mark of chat completions, which gateways send in other protocols too."""
        if not is_done(data):
            return False
        self._note("end-of-another-protocol", f"{DONE} ends OpenAI's chat completions")
        return True

    def _object(self, data: str) -> dict[str, object]:
        """Return the JSON object in a frame."""
        if self._joiner is None and may_hold_surrogates(data):
            self._joiner = SurrogateJoiner(self._note)
        return load_object(data)

    def _note(self, kind: DeviationKind, detail: str) -> None:
        """Note a deviation of the frame that is read, which loses nothing.

        Raises:
            FrameFaultError: If the decoder is strict.
        """
        if self._strict:
            raise FrameFaultError(detail)
        noted = self._noted[kind] = self._noted.get(kind, 0) + 1
        if noted <= _MOST:
            self.deviations.append(Deviation(kind, self._offset, detail))
