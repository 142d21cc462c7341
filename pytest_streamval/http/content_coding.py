"""The content codings of HTTP (RFC 9110, 8.4): bodies that arrive compressed are read, recorded and redacted as text.

A compressed body hides a secret from the code that redacts it, but not from a reader of the file, and has other
boundaries than the text in it. So each read is decoded as soon as it arrives, and a body that cannot be decoded is
refused.
"""

from __future__ import annotations

import sys
import zlib
from dataclasses import replace
from importlib import import_module
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol

from pytest_streamval.errors import UndecodableBodyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from pytest_streamval.http.request import HttpRequest

CODINGS = ("gzip", "deflate", "br", "zstd")
"""The codings that can be decoded, the last two with the libraries of the extra `compression`."""

_HEADER = "content-encoding"
_DESCRIBES_CODED = frozenset({_HEADER, "content-length", "content-md5", "content-digest"})
_PLAIN = {"", "identity", "none"}  # "none" is no coding, but how applications switch the compression of streams off
_ALIASES = {"x-gzip": "gzip"}  # RFC 9110, 8.4.1.3
_MOST_CODINGS = 5  # of one body, as in curl and httpx2
_PIECE = 1 << 18  # bytes that are decoded at a time
_FREE = 1 << 26  # decoded bytes of a body that need no reason
_ZLIB_HEADER = 2  # bytes
_RATIO = 100  # decoded bytes for each received one, after those; a stream of equal frames has fewer
_ZSTD = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
_RULE = f"It must be {', '.join(CODINGS[:-1])} or {CODINGS[-1]}, or several of them"


class BodyDecoder:
    """A decoder of one body. It takes the bytes of each read and returns the text in them, without delay.

    A body that ends early is returned as far as it came: its protocol notices that its end is missing.
    """

    def __init__(self, coding: str) -> None:
        """Create a decoder.

        Args:
            coding: The value of the header: the codings in the order in which they were applied.

        Raises:
            UndecodableBodyError: A `ValueError`. If a coding is unknown, or its library is not installed.
        """
        self._coding = coding
        self._received = self._decoded = 0
        names = _names(coding)
        if len(names) > _MOST_CODINGS:
            raise UndecodableBodyError(coding, f"it has {len(names)} codings, and {_MOST_CODINGS} are the most")
        self._steps = [_decompressor(name, coding) for name in reversed(names)]

    def feed(self, data: bytes) -> bytes:
        """Return the decoded bytes of a read. There may be none yet.

        Raises:
            UndecodableBodyError: A `ValueError`. If the data is not in this coding, or grows too much.
        """
        self._received += len(data)
        pieces: Iterable[bytes] = [data]
        for decompress in self._steps:
            pieces = self._counted(chain.from_iterable(map(decompress, pieces)))
        try:
            return b"".join(pieces)
        except UndecodableBodyError:
            raise
        except Exception as error:  # each library has an error class of its own
            raise UndecodableBodyError(self._coding, f"the data is not in this coding ({error})") from error

    def _counted(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self._decoded += len(piece)
            if self._decoded > max(_FREE, _RATIO * self._received):
                fault = f"its first {self._received:,} bytes grow to more than {self._decoded:,} when they are decoded"
                raise UndecodableBodyError(self._coding, fault)
            yield piece


def body_decoder(headers: Mapping[str, str]) -> BodyDecoder | None:
    """Return a decoder of the body with these headers, or None if it is not coded.

    Raises:
        UndecodableBodyError: A `ValueError`. If a coding is unknown, or its library is not installed.
    """
    coding = next((value for name, value in headers.items() if name.lower() == _HEADER), "")
    return BodyDecoder(coding) if _names(coding) else None


def describes_coded_body(header: str) -> bool:
    """Return whether a header is true only for the coded body: its coding, its length, its checksum."""
    return header.lower() in _DESCRIBES_CODED


def decoded_request(request: HttpRequest) -> HttpRequest:
    """Return a request whose body is not coded, as it is recorded and compared.

    Raises:
        UndecodableBodyError: A `ValueError`. If the body cannot be decoded.
    """
    decoder = body_decoder(request.headers)
    if decoder is None:
        return request
    headers = {name: value for name, value in request.headers.items() if not describes_coded_body(name)}
    return replace(request, body=decoder.feed(request.body), headers=headers)


def _names(coding: str) -> list[str]:
    names = (name.strip().lower() for name in coding.split(","))
    return [_ALIASES.get(name, name) for name in names if name not in _PLAIN]


# One coding


class _Decompressor(Protocol):
    """The interface that the standard library has for all compressions but zlib's."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    @property
    def needs_input(self) -> bool: ...

    def decompress(self, data: bytes, max_length: int) -> bytes: ...


def _decompressor(name: str, coding: str) -> Callable[[bytes], Iterator[bytes]]:
    """Return a function that yields the decoded pieces of each read."""
    if name == "gzip":
        return _Members(lambda: _Zlib(zlib.MAX_WBITS | 16)).feed
    if name == "deflate":
        return _Deflate().feed
    if name == "br":
        return _Brotli(_library("brotli", coding)).feed
    if name == "zstd":
        return _Members(_library(_ZSTD, coding).ZstdDecompressor).feed
    raise UndecodableBodyError(coding, f"{name!r} is not known. {_RULE}")


def _library(name: str, coding: str) -> Any:  # noqa: ANN401  # libraries without types
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        fault = f'it needs {name}, which is not installed. Install it with: pip install "pytest-streamval[compression]"'
        raise UndecodableBodyError(coding, fault) from error


class _Members:
    """A coding whose body can have several members, one after the other, as a server that flushes may write."""

    def __init__(self, create: Callable[[], _Decompressor]) -> None:
        self._create = create
        self._member = create()

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._member.eof:
                data = data.lstrip(b"\0")  # padding after a member
                self._member = self._create() if data else self._member
            yield from _pieces(self._member, data)
            data = self._member.unused_data if data else b""


class _Deflate:
    """Deflate in both forms that servers send: with the header of zlib, as RFC 9110 says, and without one."""

    def __init__(self) -> None:
        self._head = b""
        self._stream: _Zlib | None = None

    def feed(self, data: bytes) -> Iterator[bytes]:
        if self._stream is None:
            self._head += data
            if len(self._head) < _ZLIB_HEADER:
                return
            data, self._stream = self._head, _Zlib(_window_bits(self._head))
        ended = self._stream.eof
        yield from _pieces(self._stream, data)
        if (data if ended else self._stream.unused_data).strip(b"\0"):
            raise ValueError("there is more data after its end")


def _window_bits(head: bytes) -> int:
    """Return the argument of zlib for a body, by its first bytes (RFC 1950, 2.2)."""
    has_header = head[0] & 15 == 8 and int.from_bytes(head[:2]) % 31 == 0  # noqa: PLR2004  # the method "deflate"
    return zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS


class _Zlib:
    """A decompressor of zlib with the interface of the others."""

    def __init__(self, wbits: int) -> None:
        self._stream = zlib.decompressobj(wbits)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        piece = self._stream.decompress(self._stream.unconsumed_tail + data, max_length)
        self.needs_input = len(piece) < max_length
        return piece


class _Brotli:
    def __init__(self, library: Any) -> None:  # noqa: ANN401  # as above
        self._stream = library.Decompressor()

    def feed(self, data: bytes) -> Iterator[bytes]:
        # the rest of its output may wait although all of the input was taken
        while piece := self._stream.process(data, output_buffer_limit=_PIECE):
            yield piece
            data = b""


def _pieces(stream: _Decompressor, data: bytes) -> Iterator[bytes]:
    """Yield the decoded data in pieces of bounded size."""
    while not stream.eof:
        yield stream.decompress(data, _PIECE)
        data = b""
        if stream.needs_input:
            return
