"""Responses that other tools have captured: the output of curl, and HAR exports of browsers and proxies.

`curl -N URL > FILE` writes the body, and `curl -i` the head before it. `--raw` leaves the chunks of HTTP in the body,
which are the writes of the provider. A HAR file (http://www.softwareishard.com/blog/har-12-spec/) has requests and
responses, each body as one text.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_streamval.errors import InvalidFileError, UndecodableBodyError, excerpt, invalid_capture_error, listed
from pytest_streamval.files.json_text import UnreadableJsonError, parse_json
from pytest_streamval.http.content_coding import BodyDecoder, describes_coded_body
from pytest_streamval.http.request import HttpRequest, joined_headers
from pytest_streamval.http.retry_after import seconds_to_wait
from pytest_streamval.http.secrets import Secrets, keys_in_environment
from pytest_streamval.recordings.cassette import LONGEST, STATUSES, Cassette, Read, is_header
from pytest_streamval.recordings.har import har_entries
from pytest_streamval.recordings.redacted_responses import redacted
from pytest_streamval.recordings.stream_recorder import StreamRecorder
from pytest_streamval.wire.detection import protocol_of_body, protocol_of_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_HEAD = re.compile(rb"\AHTTP/\d(?:\.\d)? (?P<status>\d{3})[^\r\n]*\r?\n(?P<fields>(?:[^\r\n]+\r?\n)*)\r?\n")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]{0,255})?\r\n")
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_CONTROL = re.compile("[\\0-\\x08\\x0e-\\x1f]")
_TEXT = 8  # characters of text for each one that is none; compressed data has fewer than two
_FAILURE = 400  # the lowest status of a failure
_UNKNOWN = {"model", "server", "method", "path", "request"}  # fields of a cassette that a request has
_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Capture:
    """A captured response."""

    reads: tuple[bytes, ...]
    """The body, in the pieces that are known."""
    status: int | None = None
    """The status, or None if it was not captured."""
    headers: Mapping[str, str] | None = None
    """The headers by name in lower case, or None if they were not captured."""
    request: HttpRequest | None = None
    """The request, or None if it was not captured."""
    seconds: float = 0.0
    """The seconds from the request to the end of the response, 0 if they are unknown."""
    entry: int | None = None
    """The number of the entry of a HAR export, from 1."""

    @property
    def body(self) -> bytes:
        """The complete body."""
        return b"".join(self.reads)

    @property
    def protocol(self) -> str | None:
        """The protocol, by the frames or else by the path of the request. None if neither tells."""
        found = protocol_of_body(self.body)
        return found or (None if self.request is None else protocol_of_path(self.request.url))

    def cassette(self, protocol: str, path: str) -> Cassette:
        """Return a recording without secrets, which answers the captured request or, without one, any request.

        Args:
            protocol: The name of the protocol.
            path: The file of the recording.
        """
        request = self.request or HttpRequest("http://unknown/")
        secrets = Secrets.of(request, keys_in_environment())
        times, end = iter((0.0,)), min(self.seconds, LONGEST)
        recorder = StreamRecorder(
            request,
            secrets,
            protocol=protocol,
            provider=protocol,
            clock=lambda: next(times, end),
        )
        has_status = self.status in STATUSES
        recorder.begin(self.status or 0, self._headers_to_keep())
        for read in self.reads:
            recorder.read(read)
        is_refused = (self.status or 0) >= _FAILURE
        recorder.end("refused" if is_refused else "complete", seconds=seconds_to_wait(self.headers or {}))
        cassette = recorder.cassette(Path(path))
        unknown = {*(_UNKNOWN if self.request is None else ()), *(() if has_status else ("status",))}
        return replace(
            cassette, header={name: cassette.header[name] for name in cassette.header if name not in unknown}
        )

    def _headers_to_keep(self) -> Mapping[str, str]:
        kept = {name: value for name, value in (self.headers or {}).items() if is_header(name, value)}
        if "content-type" not in kept and _is_json(self.body):
            kept["content-type"] = _JSON
        return kept


def cassette_in(path: str, data: bytes, *, protocol: str | None = None) -> Cassette | None:
    """Return the cassette in the bytes of a file, without secrets, or None if it is none.

    Args:
        path: The path of the file, for errors.
        data: Its bytes.
        protocol: Another protocol to read it by.

    Raises:
        InvalidFileError: A `ValueError`. If it is an invalid cassette.
    """
    try:
        header = parse_json(data.partition(b"\n")[0])
    except UnreadableJsonError:
        return None
    if not isinstance(header, dict) or "protocol" not in header:
        return None
    cassette = Cassette.parse(path, data)
    given, reads = cassette.header, [read.data for read in cassette.reads]
    headers = joined_headers(given.get("headers") or ())
    if "content-encoding" in headers:  # an older recorder wrote the body as it came
        reads = _decoded_reads(path, reads, headers)
        given = {**given, "headers": [pair for pair in given["headers"] if not describes_coded_body(pair[0])]}
    pairs = zip(cassette.reads, redacted(reads, Secrets(keys_in_environment())), strict=True)
    return replace(
        cassette,
        header={**given, "protocol": protocol or given["protocol"]},
        reads=tuple(Read(read.at, clean) for read, clean in pairs if clean),
    )


def load_captures(path: str, data: bytes, *, entry: int | None = None) -> list[Capture]:
    """Return the captured responses in a file: one, or those in a HAR export that are the answer of a model.

    Args:
        path: The path of the file, for errors.
        data: Its bytes.
        entry: The number of the only entry of a HAR export to return, from 1.

    Raises:
        InvalidFileError: A `ValueError`. If the file holds no response that can be read.
    """
    data = _as_utf8(data)
    if not data.strip():
        raise invalid_capture_error(path, "the file is empty")
    entries = har_entries(path, data)
    if entries is None and entry is not None:
        raise invalid_capture_error(path, f"it has no entry {entry}, as it is not a HAR export")
    if entries is None:
        return [_decoded(path, _of_curl(data))]
    captures = [Capture(**each._asdict()) for each in entries]
    return _answers(path, captures) if entry is None else [_entry(path, captures, entry)]


def _entry(path: str, captures: list[Capture], number: int) -> Capture:
    for capture in captures:
        if capture.entry == number:
            return _decoded(path, capture)
    numbers = listed((str(each.entry) for each in captures), most=20)
    raise invalid_capture_error(path, f"its entry {number} does not exist or has no body; these have one: {numbers}")


def _answers(path: str, captures: list[Capture]) -> list[Capture]:
    """Return the captures that are the answer of a model. The others are pages, pictures and the like."""
    found = []
    for capture in captures:
        with suppress(InvalidFileError):
            decoded = _decoded(path, capture)
            found += [decoded] if decoded.protocol else []
    if not found:
        fault = f"none of its {len(captures):,} entries with a body is a model's answer. --entry N reads one of them"
        raise invalid_capture_error(path, fault)
    return found


def _as_utf8(data: bytes) -> bytes:
    """Return the bytes that curl wrote into a file that PowerShell stored in UTF-16."""
    return data.decode("utf-16", "replace").encode() if data.startswith((b"\xff\xfe", b"\xfe\xff")) else data


def _of_curl(data: bytes) -> Capture:
    """Return the response in the output of curl. The last of several heads counts, after redirects and a 100."""
    head = None
    while found := _HEAD.match(data):
        head, data = found, data[found.end() :]
    if head is None:
        return Capture((data,))
    pairs = (line.partition(":") for line in head["fields"].decode("latin-1").splitlines())
    headers = joined_headers((name.strip(), value.strip()) for name, _, value in pairs)
    chunks = tuple(_chunks(data)) if "chunked" in headers.get("transfer-encoding", "").lower() else ()
    return Capture(chunks or (data,), int(head["status"]), headers)


def _chunks(body: bytes) -> Iterator[bytes]:
    """Yield the chunks of a body that still has them. Yield nothing for any other body."""
    at = 0
    while (size := _CHUNK.match(body, at)) and (length := int(size[1], 16)):
        yield body[size.end() : size.end() + length]
        at = size.end() + length + len(b"\r\n")


def _decoded(path: str, capture: Capture) -> Capture:
    """Return a capture whose body is not compressed. Tools write the header also if they have decoded the body."""
    headers = capture.headers or {}
    kept = {name: value for name, value in headers.items() if not describes_coded_body(name)}
    reads = tuple(filter(None, _decoded_reads(path, capture.reads, headers)))
    return replace(capture, reads=reads, headers=None if capture.headers is None else kept)


def _decoded_reads(path: str, reads: Sequence[bytes], headers: Mapping[str, str]) -> list[bytes]:
    """Return the text in each read of a body."""
    body = b"".join(reads)
    magic = next((coding for start, coding in _MAGIC.items() if body.startswith(start)), None)
    if magic is None and _is_text(body):
        return list(reads)
    try:
        decoder = BodyDecoder(headers.get("content-encoding") or magic or "unknown")
        return [decoder.feed(read) for read in reads]
    except UndecodableBodyError as error:
        raise invalid_capture_error(path, f"its body is not text, and {_reason(error)}") from error


def _reason(error: UndecodableBodyError) -> str:
    if error.coding == "unknown":
        return "no header names its compression. Capture it without compression, or with curl --compressed"
    return f"it cannot be decoded as {excerpt(error.coding)}: {error.fault}"


def _is_text(data: bytes) -> bool:
    """Return whether nearly all of the data is text, as a stream may be cut inside a character."""
    text = data.decode(errors="replace")
    wrong = text.count("\ufffd") + len(_CONTROL.findall(text))
    return wrong <= 1 or wrong * _TEXT < len(text)


def _is_json(body: bytes) -> bool:
    """Return whether a body is one JSON object and not the first line of a stream."""
    try:
        found = parse_json(body)
    except UnreadableJsonError:
        return False
    return isinstance(found, dict) and found.get("done") is not False  # as Ollama's lines have it
