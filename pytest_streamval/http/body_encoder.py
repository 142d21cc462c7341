"""Compression of bodies in the content codings of HTTP (RFC 9110, 8.4.1), so that each write can be read at once."""

from __future__ import annotations

import sys
import zlib
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pytest_streamval.errors import InvalidArgumentError, excerpt
from pytest_streamval.http.content_coding import CODINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_LIBRARIES = {"br": "brotli", "zstd": "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"}
_PREFERRED = ("zstd", "br", "gzip", "deflate")  # among codings that a client accepts alike
_USUAL = "gzip"


class BodyEncoder:
    """A compressor of one body. It takes the bytes of each write, and returns bytes from which these can be read."""

    def __init__(self, coding: str) -> None:
        """Create an encoder.

        Args:
            coding: One of `CODINGS`.

        Raises:
            InvalidArgumentError: A `ValueError`. If there is no such coding, or its library is not installed.
        """
        if coding not in CODINGS:
            raise InvalidArgumentError("coding", excerpt(coding), f"It must be one of {', '.join(CODINGS)}.")
        self._write, self._finish = _compressor(coding)

    def feed(self, data: bytes) -> bytes:
        """Return the compressed bytes of a write."""
        return self._write(data)

    def finish(self) -> bytes:
        """Return the bytes that end the body."""
        return self._finish()


def accepted_coding(accept: str) -> str:
    """Return the coding that a client prefers, among those that can be written, by its `Accept-Encoding`.

    A client that names none of them gets gzip, as from proxies that compress everything.
    """
    wanted = _qualities(accept)
    possible = [coding for coding in _PREFERRED if wanted.get(coding, 0.0) > 0 and _is_installed(coding)]
    return max(possible, key=wanted.__getitem__, default=_USUAL)


def _qualities(accept: str) -> dict[str, float]:
    """Return the weight of each coding in a header (RFC 9110, 12.4.2). An invalid weight counts as none."""
    found: dict[str, float] = {}
    for each in accept.split(","):
        name, *parameters = (part.strip().lower() for part in each.split(";"))
        weight = next((part.removeprefix("q=") for part in parameters if part.startswith("q=")), "1")
        found[name] = float(weight) if weight.replace(".", "", 1).isdecimal() and weight.isascii() else 0.0
    return found


def _is_installed(coding: str) -> bool:
    try:
        _library(coding)
    except InvalidArgumentError:
        return False
    return True


def _library(coding: str) -> Any:  # noqa: ANN401  # libraries without types
    name = _LIBRARIES.get(coding, "zlib")
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        rule = f'It needs {name}. Install it with: pip install "pytest-streamval[compression]"'
        raise InvalidArgumentError("coding", excerpt(coding), rule) from error


def _compressor(coding: str) -> tuple[Callable[[bytes], bytes], Callable[[], bytes]]:
    """Return the functions that compress a write and end the body."""
    library = _library(coding)
    if coding == "br":
        brotli = library.Compressor()
        return lambda data: _joined((brotli.process(data), brotli.flush())), brotli.finish
    if coding == "zstd":
        zstd = library.ZstdCompressor()
        return lambda data: bytes(zstd.compress(data, zstd.FLUSH_BLOCK)), zstd.flush
    stream = zlib.compressobj(wbits=zlib.MAX_WBITS | (16 if coding == "gzip" else 0))
    return lambda data: _joined((stream.compress(data), stream.flush(zlib.Z_SYNC_FLUSH))), stream.flush


def _joined(pieces: Iterable[bytes]) -> bytes:
    return b"".join(pieces)
