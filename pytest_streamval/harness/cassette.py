"""Cassettes: recorded streams, byte for byte, with the boundaries and times of the reads.

A cassette is JSONL. The first line is the header: at least `protocol`, and what is known of request and response.
Every further line is one read: `at`, the seconds since the request, and the bytes as `text` where they are UTF-8 and
as `base64` where they are not.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_streamval.errors import InvalidCassetteError, WireError, excerpt
from pytest_streamval.wire import AnthropicMessagesDecoder, GeminiDecoder, OllamaDecoder, OpenAIChatDecoder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

    from pytest_streamval.engine.delta import Delta
    from pytest_streamval.wire import FrameDecoder

_DECODERS: Mapping[str, type[FrameDecoder]] = {
    "anthropic": AnthropicMessagesDecoder,
    "openai": OpenAIChatDecoder,
    "gemini": GeminiDecoder,
    "ollama": OllamaDecoder,
}


class Read(NamedTuple):
    """What one read of the response's body brought."""

    at: float
    """Seconds since the request."""
    data: bytes
    """The bytes."""


@dataclass(frozen=True, slots=True)
class Recording:
    """The deltas of a cassette."""

    reads: tuple[tuple[float, tuple[Delta, ...]], ...]
    """For each read the seconds since the request, and the deltas that it completed; maybe none."""
    error: WireError | None
    """What was wrong with the stream behind the last delta, if anything."""


@dataclass(frozen=True, slots=True)
class Cassette:
    """A recorded stream."""

    path: str
    """Where it was read from."""
    header: Mapping[str, Any]
    """What is known of request and response."""
    reads: tuple[Read, ...]
    """The reads of the response's body, in order."""

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Cassette:
        """Read a cassette.

        Raises:
            InvalidCassetteError: a `ValueError`; a line is not what it has to be, or the protocol is not known.
            OSError: the file cannot be read.
        """
        lines = Path(path).read_bytes().splitlines()
        objects = [_parse(str(path), number, line) for number, line in enumerate(lines, 1)]
        if not objects:
            raise InvalidCassetteError(str(path), 1, "the file is empty")
        header, *rest = objects
        if header.get("protocol") not in list(_DECODERS):  # a list, as what JSON brings may be unhashable
            known = ", ".join(repr(name) for name in _DECODERS)
            fault = f'"protocol" is {excerpt(header.get("protocol"))}, and known are {known}'
            raise InvalidCassetteError(str(path), 1, fault)
        return cls(str(path), header, tuple(_read(str(path), number, line) for number, line in enumerate(rest, 2)))

    def decode(self) -> Recording:
        """Return what the provider sent; a fault in the stream is part of the recording, and raises nothing."""
        decoder = _DECODERS[self.header["protocol"]]()
        reads: list[tuple[float, tuple[Delta, ...]]] = []
        at = 0.0
        try:
            for at, data in self.reads:
                reads.append((at, tuple(decoder.feed(data))))
            reads.append((at, tuple(decoder.close())))
        except WireError as error:
            reads.append((at, error.deltas))
            return Recording(tuple(reads), error)
        return Recording(tuple(reads), None)


def _parse(path: str, number: int, line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError as error:
        raise InvalidCassetteError(path, number, f"no JSON: {error}") from error
    if not isinstance(found, dict):
        raise InvalidCassetteError(path, number, f"{excerpt(found)} is no JSON object")
    return found


def _read(path: str, number: int, line: Mapping[str, Any]) -> Read:
    at, text, encoded = line.get("at"), line.get("text"), line.get("base64")
    if isinstance(at, bool) or not isinstance(at, int | float):
        raise InvalidCassetteError(path, number, f'"at" is {excerpt(at)} and no number of seconds')
    if isinstance(text, str) and encoded is None:
        return Read(float(at), text.encode("utf-8", "surrogatepass"))
    if isinstance(encoded, str) and text is None:
        try:
            return Read(float(at), base64.b64decode(encoded, validate=True))
        except binascii.Error as error:
            raise InvalidCassetteError(path, number, f'"base64" cannot be decoded: {error}') from error
    raise InvalidCassetteError(path, number, 'a read has either "text" or "base64", and that is a string')
