"""What the decoders of all protocols share: the life of a decoder, its errors, and the checks of what a frame holds.

A decoder turns frames into deltas and knows nothing of reads: the framing below it has put them together. It answers
for three promises. What it cannot decode is a `WireError`, never a bare `KeyError`, `TypeError` or `JSONDecodeError`.
The text so far is kept on that error. And every text in a delta can be encoded: it has no half of a surrogate pair.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, NoReturn, TypeVar

from pytest_streamval.errors import (
    DecoderClosedError,
    MalformedFrameError,
    ProviderStreamError,
    StreamTruncatedError,
    excerpt,
)
from pytest_streamval.wire.sse import SSEDecoder

if TYPE_CHECKING:
    from pytest_streamval.engine.delta import Delta

_T = TypeVar("_T")
_WHITESPACE = " \t\n\r"  # what JSON takes for it
_KINDS = {dict: "an object", list: "a list", str: "a string", int: "an integer"}
_SHOWN = 60  # characters of a value that a fault shows

# raw_decode spares the two searches for whitespace that json.loads makes, a fifth of the time of a short frame.
_raw_decode = json.JSONDecoder().raw_decode


class FrameFaultError(Exception):
    """What is wrong with a frame. The decoder adds the frame and the text so far: `MalformedFrameError`."""


class ProviderReportError(Exception):
    """An error that the provider reports. The decoder adds the text so far: `ProviderStreamError`."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(kind, message)
        self.kind = kind
        self.message = message


class FrameDecoder(ABC):
    """Decode one stream of one provider: `feed` what was read, `close` at the end of the body.

    An error ends a decoder. Fed again, after an error or after `close`, it raises `DecoderClosedError`; closed again,
    it says nothing new, so that a clean-up may always close.
    """

    protocol: ClassVar[str]
    """The protocol's name in errors."""
    terminal: ClassVar[str]
    """The frame that ends a stream, as errors name it."""

    def __init__(self) -> None:
        self.done = False
        """Whether the frame that ends the stream was read; nothing may follow it."""
        self._framing = SSEDecoder()
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
        deltas: list[Delta] = []
        for event, frame, _, _, offset, intact in self._framing.frames(data):
            try:
                delta = self._read(frame, event) if intact and not self.done else self._refuse()
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

    def close(self) -> list[Delta]:
        """Say that the body ended.

        Returns:
            The deltas that only the end completes: none, in the protocols so far.

        Raises:
            StreamTruncatedError: If the frame that ends the stream is missing. A frame begun after it is left out, as
                SSE asks.
        """
        if self._state:
            return []
        self._state = "was closed"
        left = self._framing.flush()
        if not self.done:
            raise StreamTruncatedError(self.protocol, self.text, (), self.terminal, left)
        return []

    @abstractmethod
    def _read(self, data: str, event: str) -> Delta | None:
        """Decode the frame of this data and event type, or raise `FrameFaultError` or `ProviderReportError`."""

    def _refuse(self) -> NoReturn:
        if self.done:
            raise FrameFaultError(f"it comes after {self.terminal}, which ends the stream")
        raise FrameFaultError("it holds bytes that are no UTF-8, shown as U+FFFD")

    def _count(self, usage: dict[str, object], *fields: str) -> None:
        """Take the counts of a report. What it leaves out stays as it was reported before."""
        for field in fields:
            value = optional(usage.get(field), int, f"usage.{field}")
            if value is None:
                continue
            if value < 0:
                raise FrameFaultError(f"usage.{field} is {value}, and no count is below 0")
            self._counts[field] = value


def parse_object(data: str) -> dict[str, object]:
    """The JSON object that `data` is, with nothing in it that no text could hold."""
    data = data.strip(_WHITESPACE)
    try:
        value, end = _raw_decode(data)
        if "\\u" in data and ("\\ud" in data or "\\uD" in data):
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise FrameFaultError("it holds half of a surrogate pair, which is no text") from error
    except (ValueError, RecursionError) as error:  # ValueError also for an integer of thousands of digits
        raise FrameFaultError(f"it is no JSON ({error})") from error
    if end != len(data):
        raise FrameFaultError(f"it is no JSON (more data after the value, at character {end})")
    if type(value) is not dict:
        raise FrameFaultError(f"it is {_shown(value)}, not an object")
    return value


def expect(value: object, kind: type[_T], path: str) -> _T:
    """The value, which has to be a `kind`: dict, list, str or int."""
    if value is None:
        raise FrameFaultError(f"{path} is missing")
    if not isinstance(value, kind) or isinstance(value, bool):
        raise FrameFaultError(f"{path} is {_shown(value)}, not {_KINDS[kind]}")
    return value


def optional(value: object, kind: type[_T], path: str) -> _T | None:
    """The value, which has to be a `kind` where there is one."""
    return None if value is None else expect(value, kind, path)


def report(error: object, data: str) -> ProviderReportError:
    """What a provider says about its error, in whatever form it says it; at worst the frame's own `data`."""
    if not isinstance(error, dict):
        return ProviderReportError("an error", error if isinstance(error, str) else data)
    kinds = (error.get("type"), error.get("code"))
    kind = next((str(kind) for kind in kinds if kind and isinstance(kind, str | int)), "an error")
    message = error.get("message")
    return ProviderReportError(kind, message if isinstance(message, str) else data)


def _shown(value: object) -> str:
    # The repr of a deep value could itself fail, and says little.
    return _KINDS[type(value)] if isinstance(value, dict | list) else excerpt(value, _SHOWN)
