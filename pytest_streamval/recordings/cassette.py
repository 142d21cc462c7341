"""Cassettes: recorded streams, byte for byte, with the boundaries and times of the reads.

A cassette is JSONL. The first line is the header: at least `protocol`, and facts of request and response.
Every further line is one read: `at`, the seconds since the request, and the bytes, as `text` if they are UTF-8
and as `base64` otherwise.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_streamval.errors import WireError, excerpt, invalid_cassette_error
from pytest_streamval.files.json_text import UnreadableJsonError, json_line, parse_json
from pytest_streamval.files.writing import write_file
from pytest_streamval.wire.json_array import starts_array
from pytest_streamval.wire.prompts import prompt_of
from pytest_streamval.wire.registry import ADAPTERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from os import PathLike

    from pytest_streamval.model import Delta, Deviation
    from pytest_streamval.wire.adapter import Adapter

FOLDER = "__cassettes__"
"""The folder of recordings, beside the tests."""

_FAILURE = 400  # the lowest status of a failure
_ENDINGS = ("complete", "refused", "broken", "silent", "left")
STATUSES = range(200, 1000)
"""The statuses of a final response. RFC 9112 has three digits."""
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token of RFC 9110
_VALUE = re.compile(r"[\t -~\x80-\xff]*")  # Latin-1, as HTTP carries it, without control characters
LONGEST = 1e12
"""The most seconds that a recording may take, more than all years of a datetime."""
_SECONDS = f"from 0 to {LONGEST:,.0f}"


class Read(NamedTuple):
    """One read of a response's body."""

    at: float
    """Seconds since the request."""
    data: bytes
    """The bytes."""


class Ending(NamedTuple):
    """The end of a stream."""

    how: str
    """`complete`, `refused` by a status, `broken` off, `silent` for too long, or `left` by its reader."""
    at: float
    """Seconds since the request."""
    why: str = ""
    """The fault, the awaited bytes, or the reason of the reader to leave. Empty if unknown."""
    seconds: float | None = None
    """The time limit that passed, or the wait that the provider asks for before another request."""


@dataclass(frozen=True, slots=True)
class Recording:
    """The deltas of a cassette."""

    reads: tuple[tuple[float, tuple[Delta, ...]], ...]
    """For each read the seconds since the request, and the deltas that it completed."""
    error: WireError | None
    """The fault of the stream after the last delta, if any."""
    deviations: tuple[Deviation, ...] = ()
    """The differences of the stream from its protocol that lost nothing, at most ten of each kind."""


@dataclass(frozen=True, slots=True)
class Cassette:
    """A recorded stream."""

    path: str
    """The file from which it was read, or to which it is written."""
    header: Mapping[str, Any]
    """The facts of request and response."""
    reads: tuple[Read, ...]
    """The reads of the response's body, in order."""

    def __repr__(self) -> str:
        request = f"{self.header.get('method', 'POST')} {self.header.get('path', 'anything')}"
        return f"<Cassette {self.path}: {request}, {len(self.reads)} reads, {len(self.body)} bytes>"

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Cassette:
        """Read a cassette.

        Raises:
            InvalidFileError: A `ValueError`. If a line is invalid, or the protocol is unknown.
            OSError: If the file cannot be read.
        """
        return cls.parse(str(path), Path(path).read_bytes())

    @classmethod
    def parse(cls, path: str, data: bytes) -> Cassette:
        """Return the cassette in the bytes of a file.

        Args:
            path: The path of the file, for errors.
            data: Its bytes.

        Raises:
            InvalidFileError: A `ValueError`. If a line is invalid, or the protocol is unknown.
        """
        objects = [_parse(path, number, line) for number, line in enumerate(data.splitlines(), 1)]
        if not objects:
            raise invalid_cassette_error(path, 1, "the file is empty")
        header, *rest = objects
        if fault := _fault(header):
            raise invalid_cassette_error(path, 1, fault)
        return cls(path, header, tuple(_read(path, number, line) for number, line in enumerate(rest, 2)))

    def dump(self, path: str | PathLike[str] | None = None) -> None:
        """Write a file that `load` reads. It is written completely or, after an error, not at all.

        Args:
            path: The file, by default the cassette's own path. Missing folders are made.

        Raises:
            OSError: If the file cannot be written. It names the file.
            ValueError: If the header holds a value that JSON cannot.
        """
        write_file(self.path if path is None else path, self.to_bytes())

    def to_bytes(self) -> bytes:
        """Return the content of the file that `load` reads.

        Raises:
            ValueError: If the header holds a value that JSON cannot.
        """
        lines = [self.header, *({"at": round(at, 6), **_written(data)} for at, data in self.reads)]
        return "".join(f"{json_line(line)}\n" for line in lines).encode()

    @property
    def body(self) -> bytes:
        """All bytes of the response's body."""
        return b"".join(read.data for read in self.reads)

    @property
    def prompt(self) -> str:
        """The text of the last message of the request."""
        return prompt_of(self.header.get("request"))

    @property
    def ending(self) -> Ending:
        """The end of the stream, from the header or, without one there, from the status."""
        how = "refused" if self._is_refusal() else "complete"
        return Ending(**{"how": how, "at": self._last, **self.header.get("end", {})})

    @property
    def is_stream(self) -> bool:
        """Whether it is a stream. A response may also be one JSON object, like the report of an error."""
        kinds = [value for name, value in self.header.get("headers") or () if name.lower() == "content-type"]
        is_json = any(kind.partition(";")[0].strip().lower() == "application/json" for kind in kinds)
        # Gemini's stream without `alt=sse` is a JSON array.
        return (not is_json or starts_array(self.body) is True) and not self._is_refusal()

    @property
    def _last(self) -> float:
        return self.reads[-1].at if self.reads else 0.0

    def decode(self) -> Recording:
        """Return the deltas that the provider sent. A fault in the stream is part of the result and is not raised."""
        adapter = ADAPTERS[self.header["protocol"]]
        if self._is_refusal():
            return Recording((), adapter.parse_error(self.body))
        if self.is_stream:
            return self._decode(adapter)
        try:
            return Recording(((self._last, (adapter.parse_response(self.body).to_delta(),)),), None)
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
            reads.append((at, tuple(error.deltas)))
            return Recording(tuple(reads), error, tuple(decoder.deviations))
        return Recording(tuple(reads), None, tuple(decoder.deviations))

    def _is_refusal(self) -> bool:
        status: int | None = self.header.get("status")
        return status is not None and status >= _FAILURE


# Reading


def _parse(path: str, number: int, line: bytes) -> dict[str, Any]:
    try:
        found = parse_json(line)
    except UnreadableJsonError as error:
        raise invalid_cassette_error(path, number, error.fault) from error
    if not isinstance(found, dict):
        raise invalid_cassette_error(path, number, f"{excerpt(found)} is not a JSON object")
    return found


def _fault(header: Mapping[str, Any]) -> str:
    """Return the fault of a header, or an empty string."""
    protocol = header.get("protocol")
    if protocol not in list(ADAPTERS):  # a list, as a value of JSON may be unhashable
        known = ", ".join(repr(name) for name in ADAPTERS)
        return f'Invalid "protocol": {excerpt(protocol)}. It must be one of {known}'
    return next(_faults(header), "")


def _faults(header: Mapping[str, Any]) -> Iterator[str]:
    status, headers, end = header.get("status"), header.get("headers"), header.get("end", {"how": "complete"})
    if status is not None and not (type(status) is int and status in STATUSES):
        rule = f"It must be a whole number from {STATUSES[0]} to {STATUSES[-1]}"
        yield f'Invalid "status": {excerpt(status)}. {rule}'
    if headers is not None and not (isinstance(headers, list) and all(map(_is_pair, headers))):
        yield f'Invalid "headers": {excerpt(headers)}. It must be a list of pairs, ["name", "value"]'
    for name, value in headers or ():
        if not is_header(name, value):
            yield f'Invalid "headers": {excerpt([name, value])}. HTTP has no such header'
    if not isinstance(end, dict) or end.get("how") not in _ENDINGS or not end.keys() <= set(Ending._fields):
        yield f'Invalid "end": {excerpt(end)}. Its "how" must be one of {", ".join(_ENDINGS)}'
    elif not all(_KINDS[name](value) for name, value in end.items()):
        rule = f'"at" and "seconds" must be numbers {_SECONDS} and "why" a text'
        yield f'Invalid "end": {excerpt(end)}. {rule}'


def is_header(name: str, value: str) -> bool:
    """Return whether HTTP can carry a header."""
    return _NAME.fullmatch(name) is not None and _VALUE.fullmatch(value) is not None


def _is_time(value: object) -> bool:
    return type(value) in {int, float} and 0 <= value <= LONGEST  # type: ignore[operator]  # a number


def _is_text(value: object) -> bool:
    return isinstance(value, str)


_KINDS: Mapping[str, Callable[[object], bool]] = {
    "how": _is_text,
    "at": _is_time,
    "why": _is_text,
    "seconds": _is_time,
}
"""The checks of the fields of an end."""


def _is_pair(value: object) -> bool:
    return isinstance(value, list) and [type(part) for part in value] == [str, str]


def _read(path: str, number: int, line: Mapping[str, Any]) -> Read:
    at: Any = line.get("at")
    text, encoded = line.get("text"), line.get("base64")
    if not _is_time(at):
        fault = f'Invalid "at": {excerpt(at)}. It must be a number of seconds {_SECONDS}'
        raise invalid_cassette_error(path, number, fault)
    if isinstance(text, str) and encoded is None:
        return Read(float(at), text.encode("utf-8", "surrogatepass"))
    if isinstance(encoded, str) and text is None:
        try:
            return Read(float(at), base64.b64decode(encoded, validate=True))
        except ValueError as error:  # binascii.Error, or characters that are not ASCII
            raise invalid_cassette_error(path, number, f'"base64" cannot be decoded: {error}') from error
    raise invalid_cassette_error(path, number, 'Invalid read. It must have either "text" or "base64", a string')


# Writing


def _written(data: bytes) -> dict[str, str]:
    try:
        return {"text": data.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}
