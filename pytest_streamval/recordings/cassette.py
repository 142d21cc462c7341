"""Cassettes: recorded streams, byte for byte, with the boundaries and times of the reads.

A cassette is JSONL. The first line is the header: at least `protocol`, and what is known of request and response.
Every further line is one read: `at`, the seconds since the request, and the bytes as `text` where they are UTF-8 and
as `base64` where they are not.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_streamval.model import Delta, ToolCallDelta
from pytest_streamval.errors import InvalidCassetteError, WireError, excerpt
from pytest_streamval.recordings.files import put_file
from pytest_streamval.wire.registry import ADAPTERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from os import PathLike

    from pytest_streamval.wire.adapter import Adapter

FOLDER = "__cassettes__"
"""Where recordings are, beside the tests."""

_FAILURE = 400  # the lowest status that says failure
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]")  # ends of lines to an editor, or not in UTF-8
_SAYING = ("messages", "contents", "content", "parts", "text", "prompt")  # fields of requests that lead to what is said
_ENDINGS = ("complete", "refused", "broken", "silent", "left")
_KINDS = {"how": str, "at": int | float, "why": str, "seconds": int | float}


class Read(NamedTuple):
    """What one read of the response's body brought."""

    at: float
    """Seconds since the request."""
    data: bytes
    """The bytes."""


class Ending(NamedTuple):
    """How a stream ended."""

    how: str
    """`complete`; `refused` by a status; `broken` off; `silent` for too long; or `left` by its reader."""
    at: float
    """Seconds since the request."""
    why: str = ""
    """What broke, what was waited for, or what made the reader leave, as far as that is known."""
    seconds: float | None = None
    """How long was waited, or after how long the provider wants to be asked again."""


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
    """Where it was read from, or is to be written."""
    header: Mapping[str, Any]
    """What is known of request and response."""
    reads: tuple[Read, ...]
    """The reads of the response's body, in order."""

    def __repr__(self) -> str:
        told = f"{self.header.get('method', 'POST')} {self.header.get('path', 'anything')}"
        return f"<Cassette {self.path}: {told}, {len(self.reads)} reads, {len(self.body)} bytes>"

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
        if fault := _fault(header):
            raise InvalidCassetteError(str(path), 1, fault)
        return cls(str(path), header, tuple(_read(str(path), number, line) for number, line in enumerate(rest, 2)))

    def dump(self, path: str | PathLike[str] | None = None) -> None:
        """Write a file that `load` reads; it is there as a whole or, after an error, not at all.

        Args:
            path: where to, if not to the cassette's own path; missing folders are made.

        Raises:
            OSError: the file cannot be written.
            ValueError: the header holds what JSON cannot.
        """
        lines = [self.header, *({"at": round(at, 6), **_written(data)} for at, data in self.reads)]
        put_file(Path(self.path if path is None else path), "".join(map(_line, lines)).encode())

    @property
    def body(self) -> bytes:
        """All bytes of the response's body."""
        return b"".join(read.data for read in self.reads)

    @property
    def prompt(self) -> str:
        """The last message of the request, as far as it is text."""
        return prompt_of(self.header.get("request"))

    @property
    def ending(self) -> Ending:
        """How the stream ended; where the header does not say, the status does."""
        how = "refused" if self._is_refusal() else "complete"
        return Ending(**{"how": how, "at": self._last, **self.header.get("end", {})})

    @property
    def is_stream(self) -> bool:
        """Whether it is a stream indeed: an answer may also come as one JSON object, as the report of an error does."""
        kinds = [value for name, value in self.header.get("headers") or () if name.lower() == "content-type"]
        whole = any(kind.partition(";")[0].strip().lower() == "application/json" for kind in kinds)
        return not whole and not self._is_refusal()

    @property
    def _last(self) -> float:
        return self.reads[-1].at if self.reads else 0.0

    def decode(self) -> Recording:
        """Return what the provider sent; a fault in the stream is part of the recording, and raises nothing."""
        adapter = ADAPTERS[self.header["protocol"]]
        if self._is_refusal():
            return Recording((), adapter.parse_error(self.body))
        if self.is_stream:
            return self._decode(adapter)
        try:
            return Recording(((self._last, (_as_delta(adapter, self.body),)),), None)
        except WireError as error:
            return Recording((), error)

    def _decode(self, adapter: Adapter) -> Recording:
        decoder = adapter.decoder()
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

    def _is_refusal(self) -> bool:
        status: int | None = self.header.get("status")
        return status is not None and status >= _FAILURE


def prompt_of(request: object) -> str:
    """Return the last message in the body of a request of any protocol, as far as it is text."""
    if isinstance(request, list):
        return next(filter(None, map(prompt_of, reversed(request))), "")
    if not isinstance(request, dict):
        return request if isinstance(request, str) else ""
    return next(filter(None, (prompt_of(request.get(name)) for name in _SAYING)), "")


def _as_delta(adapter: Adapter, body: bytes) -> Delta:
    """Return an answer that was not streamed as the one delta of a stream."""
    answer = adapter.parse_response(body)
    calls = (ToolCallDelta(index, call.id, call.name, call.arguments) for index, call in enumerate(answer.tool_calls))
    return Delta(answer.text, answer.thinking, tuple(calls), answer.usage, answer.finish_reason)


# Reading


def _parse(path: str, number: int, line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError as error:
        raise InvalidCassetteError(path, number, f"no JSON: {error}") from error
    if not isinstance(found, dict):
        raise InvalidCassetteError(path, number, f"{excerpt(found)} is no JSON object")
    return found


def _fault(header: Mapping[str, Any]) -> str:
    """Return what is wrong with a header, if anything is."""
    protocol = header.get("protocol")
    if protocol not in list(ADAPTERS):  # a list, as what JSON brings may be unhashable
        known = ", ".join(repr(name) for name in ADAPTERS)
        return f'"protocol" is {excerpt(protocol)}, and known are {known}'
    return next(_faults(header), "")


def _faults(header: Mapping[str, Any]) -> Iterator[str]:
    status, headers, end = header.get("status"), header.get("headers"), header.get("end", {"how": "complete"})
    if status is not None and type(status) is not int:
        yield f'"status" is {excerpt(status)} and no whole number'
    if headers is not None and not (isinstance(headers, list) and all(map(_is_pair, headers))):
        yield f'"headers" is {excerpt(headers)} and no list of pairs, ["name", "value"] each'
    if not isinstance(end, dict) or end.get("how") not in _ENDINGS or not end.keys() <= set(Ending._fields):
        yield f'"end" is {excerpt(end)}, and its "how" is one of {", ".join(_ENDINGS)}'
    elif not all(isinstance(value, _KINDS[name]) for name, value in end.items()):
        yield f'"end" is {excerpt(end)}, of which "at" and "seconds" are numbers and "why" is a text'


def _is_pair(value: object) -> bool:
    return isinstance(value, list) and [type(part) for part in value] == [str, str]


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


# Writing


def _written(data: bytes) -> dict[str, str]:
    try:
        return {"text": data.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}


def _line(value: Mapping[str, Any]) -> str:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return _ESCAPED.sub(lambda match: f"\\u{ord(match[0]):04x}", text) + "\n"
