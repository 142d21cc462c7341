"""Bodies in the content codings of HTTP, for tests."""

from __future__ import annotations

import gzip
import importlib
import sys
import zlib
from typing import TYPE_CHECKING, Any

import brotli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

zstd: Any = importlib.import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")


def raw_deflate(data: bytes) -> bytes:
    """Return data without zlib's header, as some servers send it under the name of deflate."""
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return stream.compress(data) + stream.flush()


CODINGS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("X-GZip", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "raw deflate": ("deflate", raw_deflate),
    "br": ("br", brotli.compress),
    "zstd": ("zstd", zstd.compress),
    "gzip, br": ("gzip, br", lambda data: brotli.compress(gzip.compress(data))),
    "None, GZIP": ("None, GZIP", gzip.compress),
    "identity, zstd, deflate": ("identity, zstd,deflate", lambda data: zlib.compress(zstd.compress(data))),
    "gzip members": ("gzip", lambda data: gzip.compress(data[:9]) + gzip.compress(data[9:]) + b"\0\0"),
    "zstd frames": ("zstd", lambda data: zstd.compress(data[:9]) + zstd.compress(data[9:])),
}
"""The value of the header and the function that codes a body, by a name for the test."""


class Flushing:
    """Pieces of a body, each coded and flushed by itself, as a server sends a stream."""

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._stream: Any = {
            "gzip": lambda: zlib.compressobj(wbits=zlib.MAX_WBITS | 16),
            "deflate": zlib.compressobj,
            "br": brotli.Compressor,
            "zstd": zstd.ZstdCompressor,
        }[coding]()

    def pieces(self, pieces: Iterable[bytes]) -> list[bytes]:
        """Return the coded pieces, and the end of the coding."""
        return [*map(self._piece, pieces), self._end()]

    def _piece(self, data: bytes) -> bytes:
        if self._coding == "br":
            return bytes(self._stream.process(data) + self._stream.flush())
        if self._coding == "zstd":
            return bytes(self._stream.compress(data, self._stream.FLUSH_BLOCK))
        return bytes(self._stream.compress(data) + self._stream.flush(zlib.Z_SYNC_FLUSH))

    def _end(self) -> bytes:
        return bytes(self._stream.finish() if self._coding == "br" else self._stream.flush())
