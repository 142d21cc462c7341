"""Hostile requests: valid ones with random damage, in random reads, at a server without a socket.

`python -m benchmarks.hostile_requests [REQUESTS] [SEED]` searches for bytes that a `ProviderServer` answers wrongly: an
error that escapes into the event loop, a response that is no HTTP, a task that remains, a connection that stays open.
"""

from __future__ import annotations

import asyncio
import random
import re
import sys
import time
from typing import TYPE_CHECKING, Any

from pytest_streamval import ProviderServer
from pytest_streamval.recordings.cassette import Cassette, Read
from pytest_streamval.server.connection import Connection
from pytest_streamval.server.proxy import replay_actions
from pytest_streamval.server.request_head import HTTP2_REFUSAL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_streamval.server.handler import RequestHandler

BODY = b'{"model": "m", "stream": true, "messages": [{"role": "user", "content": "Hi"}]}'
_CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)

REQUESTS = (
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY),
    b"POST /v1/messages HTTP/1.1\r\nHost: localhost:80\r\nTransfer-Encoding: chunked\r\nA: b\r\n\r\n%b" % _CHUNKS,
    b"POST /api/chat HTTP/1.1\r\nHost: [::1]:1\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n%b"
    % (len(BODY), BODY),
    b"POST http://api.openai.com/v1/responses HTTP/1.1\r\nHost: api.openai.com\r\nContent-Length: 2\r\n\r\n{}",
    b"GET /v1/models?key=1 HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://localhost:3000\r\nConnection: close\r\n\r\n",
    b"HEAD /api/tags HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"OPTIONS /v1 HTTP/1.1\r\nHost: [::1]\r\nOrigin: http://[::1]\r\nAccess-Control-Request-Method: A\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"CONNECT api.openai.com:443 HTTP/1.1\r\nHost: api.openai.com:443\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
)
"""Requests to damage. All but the last two are valid."""

TOKENS = (
    *(b"\r", b"\n", b"\r\n", b"\0", b" ", b"\t", b":", b",", b";", b"/", b"?", b"#", b"%", b"*", b"[", b"//[", b"\x7f"),
    *(b"\x80", b"\xff", b"\xe2\x80\xae", b"\r\n ", b"\n\n", b"\r\n\r\n", b"0", b"-1", b"+1", b"0x1", b"9" * 25, b"1e9"),
    *(b"Content-Length: 5\r\n", b"Content-Length: 5, 5\r\n", b"Content-Length: " + b"9" * 19 + b"\r\n"),
    *(b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip, chunked\r\n", b"Transfer-Encoding: identity\r\n"),
    *(b"Host: evil.test\r\n", b"Host: \r\n", b"Host: a@b\r\n", b"Origin: null\r\n", b"Origin: http://evil.test\r\n"),
    *(b"Expect: x\r\n", b"Connection: upgrade\r\n", b"Upgrade: websocket\r\n", b"HTTP/1.0", b"HTTP/1.2", b"HTTP/3.0"),
    *(
        b"http://[",
        b"http://",
        b"http://u:p@h:99999/",
        b"TRACE",
        b"post",
        b"ffffffffffffffff\r\n",
        b";a=b",
        b"\r\nA\r\n",
    ),
)
"""Bytes that are put into requests."""

HEADS: tuple[dict[str, Any], ...] = (
    {"status": 200, "headers": [["content-type", "text/event-stream"], ["x", "y"]]},
    {"status": 99},
    {"status": 1000},
    {"status": 101, "headers": [["upgrade", "h2c"]]},
    {"status": 204, "headers": [["content-type", "text/plain"]]},
    {"status": 304},
    {"status": "200"},
    {"status": None},
    {"status": 200.5},
    {"status": 200, "headers": [["content-type", "a\r\nb: c"]]},
    {"status": 200, "headers": [["x y", "z"]]},
    {"status": 200, "headers": [["", ""]]},
    {"status": 200, "headers": [["x", "\ud800"]]},
    {"status": 200, "headers": [["x", "\u202e"]]},
    {"status": 200, "headers": [["content-length", "5"], ["transfer-encoding", "gzip"], ["connection", "x-a"]]},
    {"status": 200, "headers": [[1, 2]]},
    {"status": 200, "headers": [["x"]]},
    {"status": 200, "headers": "x"},
)
"""Heads of recordings, most of them impossible."""

_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) [ -~]*\r\n")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([ -~\t\x80-\xff]*)\r\n")
_CHUNK = re.compile(rb"([0-9a-f]+)\r\n")


def damaged(chance: random.Random) -> bytes:
    """Return the bytes of a request, or of two, with up to six places of damage."""
    data = bytearray(chance.choice(REQUESTS))
    if chance.random() < 0.2:
        data += chance.choice(REQUESTS)
    for _ in range(chance.randrange(7)):
        at = chance.randrange(len(data) + 1)
        kind = chance.randrange(4)
        if kind == 0:
            data[at:at] = chance.choice(TOKENS)
        elif kind == 1:
            line = data.find(b"\n", at) + 1  # the start of a header, usually
            data[line:line] = chance.choice(TOKENS)
        elif kind == 2:
            del data[at : at + chance.randrange(1, 30)]
        elif data:
            data[min(at, len(data) - 1)] = chance.randrange(256)
    return bytes(data)


def reads_of(data: bytes, chance: random.Random) -> Iterator[bytes]:
    """Yield data in random reads."""
    at = 0
    while at < len(data):
        size = chance.choice((1, 2, 7, 50, 10_000))
        yield data[at : at + size]
        at += size


class FakeTransport(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        """The bytes for the client."""
        self.ended = False
        """Whether nothing more is sent."""
        self.closed = False
        """Whether nothing more is read, too."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep data. Nothing may be written after the end."""
        assert not self.ended, "it was written to after its end"
        self.written += data

    def write_eof(self) -> None:
        """End the sending side."""
        self.ended = True

    def close(self) -> None:
        """End both sides."""
        self.ended = self.closed = True

    abort = close

    def is_closing(self) -> bool:
        """Return whether it was closed."""
        return self.closed

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Do nothing, as nothing is buffered."""


def fault_in(written: bytes) -> str | None:
    """Return what is wrong with the bytes that a client got, or None."""
    if written == HTTP2_REFUSAL:
        return None
    rest = written
    while rest:
        match = _STATUS.match(rest)
        if match is None:
            return f"no status line: {rest[:60]!r}"
        status, rest = int(match[1]), rest[match.end() :]
        fields: dict[bytes, bytes] = {}
        while field := _FIELD.match(rest):
            if field[1].lower() in fields and field[1].lower() in {b"content-length", b"transfer-encoding"}:
                return f"two headers {field[1]!r}"
            fields[field[1].lower()] = field[2]
            rest = rest[field.end() :]
        if not rest.startswith(b"\r\n"):
            return f"no header: {rest[:60]!r}"
        body = _rest_after_body(rest[2:], status, fields)
        if body is None:
            return f"no body of {status} {fields}: {rest[:60]!r}"
        rest = body
    return None


def _rest_after_body(rest: bytes, status: int, fields: dict[bytes, bytes]) -> bytes | None:
    if status < 200 or status in {204, 304}:
        return None if fields.keys() & {b"content-length", b"transfer-encoding"} else rest
    if not rest or rest.startswith(b"HTTP/1.1 "):  # the request was a HEAD, or the connection broke
        return rest
    if b"content-length" in fields:
        length = int(fields[b"content-length"])
        return rest[length:] if len(rest) >= length else None
    while chunk := _CHUNK.match(rest):
        size = int(chunk[1], 16)
        rest = rest[chunk.end() + size :]
        if not rest.startswith(b"\r\n"):
            return None
        rest = rest[2:]
        if not size:
            return rest
    return None if rest else b""  # a response may break off after a chunk


async def _play(handler: RequestHandler, reads: list[bytes], transport: FakeTransport) -> list[str]:
    loop = asyncio.get_running_loop()
    faults: list[str] = []
    loop.set_exception_handler(lambda _, context: faults.append(f"the loop got {context}"))
    connection = Connection(handler)
    connection.connection_made(transport)
    before = asyncio.all_tasks()
    try:
        for data in reads:
            if transport.closed:
                break
            connection.data_received(data)
            await asyncio.sleep(0)
        for _ in range(20):
            await asyncio.sleep(0)
        if not transport.closed:
            connection.eof_received()
    except Exception as error:  # noqa: BLE001  # any error is a finding
        faults.append(f"{type(error).__name__} escaped: {error}")
    for _ in range(50):
        await asyncio.sleep(0)
    if (fault := fault_in(bytes(transport.written))) is not None:
        faults.append(fault)
    connection.connection_lost(None)
    for _ in range(10):
        await asyncio.sleep(0)
    faults += [f"a task remains: {task.get_name()}" for task in asyncio.all_tasks() - before]
    return faults


def play(data: bytes, reads: list[bytes]) -> list[str]:
    """Send a request to a server in some reads, and return what went wrong."""
    server = ProviderServer("Hello.", body_limit=10_000)
    faults = asyncio.run(_play(server._handler, reads, FakeTransport()))
    return [f"{fault} for {data!r}" for fault in faults]


def play_head(head: dict[str, Any]) -> tuple[bytes, list[str]]:
    """Replay a recording with a head, and return the bytes for the client and what went wrong."""
    cassette = Cassette("x.jsonl", {"protocol": "openai", **head}, (Read(0.0, b"data: x\n\n"),))
    server = ProviderServer("Hello.")
    handler = server._handler
    handler._play = lambda *_: replay_actions(cassette, float("inf"))  # type: ignore[method-assign]
    transport = FakeTransport()
    faults = asyncio.run(_play(handler, [REQUESTS[0]], transport))
    return bytes(transport.written), faults


def search(count: int, seed: int) -> list[str]:
    """Send damaged requests, and return what went wrong."""
    faults = []
    for number in range(count):
        chance = random.Random(f"{seed} {number}")
        data = damaged(chance)
        faults += play(data, list(reads_of(data, chance)))
    return faults


def main() -> int:
    """Search, and print the findings."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    began = time.perf_counter()
    faults = search(count, seed)
    for fault in faults[:50]:
        print(fault)
    print(f"{count:,} requests in {time.perf_counter() - began:.0f} s, seed {seed}: {len(faults):,} faults")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
