"""RFC 9110, RFC 9112 and RFC 9113 at the edge of a server, and damaged requests."""

from __future__ import annotations

import json
import random
import re
from typing import TYPE_CHECKING

import pytest

from benchmarks.hostile_requests import HEADS, REQUESTS, damaged, fault_in, play, play_head, reads_of, search
from pytest_streamval import ProviderServer, read_stream
from pytest_streamval.server.connection import Connection
from tests.server.clients import (
    BODY,
    CHAT,
    CLOSE,
    connect,
    exchange,
    parse,
    receive_all,
    receive_until,
    request,
    silent_provider,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

JSON = json.dumps(BODY).encode()
LENGTH = f"content-length: {len(JSON)}"


@pytest.fixture
def server() -> Iterator[ProviderServer]:
    with ProviderServer("Hello.", body_limit=100_000) as server:
        yield server


def raw(line: str, *headers: str, body: bytes = JSON) -> bytes:
    """Return a request with exactly these lines in its head."""
    return "\r\n".join([line, *headers, "", ""]).encode("latin-1") + body


def post(*headers: str, body: bytes = JSON, host: str = "host: 127.0.0.1") -> bytes:
    return raw(f"POST {CHAT} HTTP/1.1", host, *headers, body=body)


ANSWERED = {
    "both lengths": (post(LENGTH, "transfer-encoding: chunked"), 400, "both Content-Length and Transfer-Encoding"),
    "two lengths": (post(LENGTH, "content-length: 1"), 400, "not HTTP/1.1"),
    "a list of lengths": (post(f"{LENGTH}, 1"), 400, "not HTTP/1.1"),
    "the same length twice": (post(LENGTH, LENGTH, CLOSE), 200, ""),
    "an endless length": (post("content-length: 99999999999", body=b""), 413, "longer than 100,000 bytes"),
    "a length of 25 digits": (post("content-length: " + "9" * 25, body=b""), 400, "not HTTP/1.1"),
    "a negative length": (post("content-length: -1"), 400, "not HTTP/1.1"),
    "a signed length": (post(f"content-length: +{len(JSON)}"), 400, "not HTTP/1.1"),
    "a length with an underscore": (post("content-length: 1_0"), 400, "not HTTP/1.1"),
    "another coding": (post("transfer-encoding: gzip, chunked"), 501, "not HTTP/1.1"),
    "a chunk size that is none": (post("transfer-encoding: chunked", body=b"0x5\r\n"), 400, "not HTTP/1.1"),
    "a negative chunk size": (post("transfer-encoding: chunked", body=b"-5\r\nhello"), 400, "not HTTP/1.1"),
    "a chunk size of 25 digits": (post("transfer-encoding: chunked", body=b"f" * 25 + b"\r\n"), 400, "not HTTP/1.1"),
    "a chunk without its end": (post("transfer-encoding: chunked", body=b"2\r\n{}}}0\r\n\r\n"), 400, "not HTTP/1.1"),
    "a chunk with an extension": (
        post("transfer-encoding: chunked", CLOSE, body=b"%x;a=b\r\n%b\r\n0\r\nx: y\r\n\r\n" % (len(JSON), JSON)),
        200,
        "",
    ),
    "a folded header": (post("x: a\r\n b", LENGTH, CLOSE), 200, ""),
    "a folded first header": (raw("GET / HTTP/1.1", " x: y", "host: 127.0.0.1", body=b""), 400, "not HTTP/1.1"),
    "a bare CR in a value": (post("x: a\rb", LENGTH), 400, "not HTTP/1.1"),
    "a NUL in a value": (post("x: a\0b", LENGTH), 400, "not HTTP/1.1"),
    "a space before the colon": (post("x : a", LENGTH), 400, "not HTTP/1.1"),
    "a header without a name": (post(": a", LENGTH), 400, "not HTTP/1.1"),
    "lines that end with LF": (post(LENGTH, CLOSE).replace(b"\r\n", b"\n"), 200, ""),
    "no host": (raw("GET / HTTP/1.1", body=b""), 400, "not HTTP/1.1"),
    "two hosts": (post("host: 127.0.0.1", LENGTH), 400, "not HTTP/1.1"),
    "a coding in HTTP/1.0": (raw("POST / HTTP/1.0", "transfer-encoding: chunked", body=b""), 400, "HTTP/1.0, which"),
    "HTTP/0.9": (raw("GET / HTTP/0.9", "host: 127.0.0.1", body=b""), 505, "this server speaks HTTP/1.1"),
    "HTTP/3.0": (raw("GET / HTTP/3.0", "host: 127.0.0.1", body=b""), 505, "this server speaks HTTP/1.1"),
    "another expectation": (post(LENGTH, "expect: 200-ok"), 417, "an Expect other than 100-continue"),
    "a fragment": (raw("GET /v1/models#x HTTP/1.1", "host: 127.0.0.1", body=b""), 400, "has a fragment"),
    "a tunnel": (raw("CONNECT a.test:443 HTTP/1.1", "host: a.test:443", body=b""), 501, "opens no tunnels"),
    "a tunnel to a path": (raw("CONNECT /v1 HTTP/1.1", "host: 127.0.0.1", body=b""), 400, "opens no tunnels"),
    "an authority": (raw("GET a.test:443 HTTP/1.1", "host: 127.0.0.1", body=b""), 400, "a path or a complete address"),
    "a word": (raw("GET models HTTP/1.1", "host: 127.0.0.1", body=b""), 400, "a path or a complete address"),
    "an address without a host": (raw("GET http:///v1 HTTP/1.1", "host: 127.0.0.1", body=b""), 400, "a complete"),
    "an address that is none": (raw("GET http://[ HTTP/1.1", "host: 127.0.0.1", body=b""), 400, "a complete address"),
    "an address with a wrong port": (raw("GET http://a:x/ HTTP/1.1", "host: 127.0.0.1", body=b""), 400, "a complete"),
    "an asterisk": (raw("GET * HTTP/1.1", "host: 127.0.0.1", body=b""), 400, "a path or a complete address"),
    "options of the server": (raw("OPTIONS * HTTP/1.1", "host: 127.0.0.1", CLOSE, body=b""), 404, "OPTIONS *"),
    "a path that is no address": (raw("POST //[ HTTP/1.1", "host: 127.0.0.1", LENGTH, CLOSE), 404, "POST //["),
    "a path of an address that is none": (
        raw("POST http://a.test//[ HTTP/1.1", "host: a.test", LENGTH, CLOSE),
        404,
        "POST //[",
    ),
    "a method in small letters": (raw("get /v1/models HTTP/1.1", "host: 127.0.0.1", CLOSE, body=b""), 405, "takes GET"),
    "deep JSON": (
        post("content-length: 40000", CLOSE, body=b"[" * 40_000),
        400,
        "must be a JSON object",
    ),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 30 + b"\r\n\r\n", 400, "not HTTP/1.1"),
}


@pytest.mark.parametrize("case", ANSWERED.values(), ids=ANSWERED)
def test_a_hostile_request_gets_an_answer_and_uses_no_script(
    server: ProviderServer, case: tuple[bytes, int, str], caplog: pytest.LogCaptureFixture
) -> None:
    data, status, message = case
    answer = exchange(server, data)
    assert int(answer.split(b" ")[1]) == status, answer
    assert fault_in(answer) is None
    assert message in answer.decode()
    assert caplog.records == []
    played = [entry for entry in server.requests if entry.deltas_sent]
    assert len(played) == (status == 200)


def test_a_rejected_head_request_gets_no_body(server: ProviderServer) -> None:
    answer = exchange(server, raw("HEAD http://[ HTTP/1.1", "host: 127.0.0.1", body=b""))
    assert answer.startswith(b"HTTP/1.1 400")
    assert answer.endswith(b"\r\n\r\n")
    assert answer.count(b"\r\n\r\n") == 1


@pytest.mark.parametrize("host", [[], ["host: 127.0.0.1"], ["host: 127.0.0.1", "connection: keep-alive"]], ids=str)
@pytest.mark.parametrize("path", [CHAT, "/api/chat", "/v1/messages"])
def test_a_client_of_http_1_0_gets_a_stream_that_ends_with_its_connection(
    path: str, host: list[str], server: ProviderServer
) -> None:
    head, _, body = exchange(server, raw(f"POST {path} HTTP/1.0", *host, LENGTH)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"\r\nconnection: close" in head.lower()
    assert b"transfer-encoding" not in head.lower()
    assert b"content-length" not in head.lower()
    protocol = {CHAT: "openai", "/api/chat": "ollama", "/v1/messages": "anthropic"}[path]
    assert read_stream(protocol, body).text == "Hello."
    assert server.requests[0].finished


def test_a_client_of_http_1_0_gets_other_responses_with_their_length(server: ProviderServer) -> None:
    answer = exchange(server, raw("GET / HTTP/1.0", body=b""))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"\r\ncontent-length: 17\r\n" in answer
    assert answer.endswith(b"\r\n\r\nOllama is running")
    head = exchange(server, raw("HEAD / HTTP/1.0", body=b""))
    assert head.endswith(b"\r\n\r\n")
    refused = exchange(server, raw("GET / HTTP/1.0", "host: evil.test", body=b""))
    assert refused.startswith(b"HTTP/1.1 403 ")


def test_a_client_of_http_1_1_must_name_a_host_and_of_http_1_2_is_answered(server: ProviderServer) -> None:
    assert exchange(server, raw("GET / HTTP/1.1", body=b"")).startswith(b"HTTP/1.1 400 ")
    assert exchange(server, raw("GET / HTTP/1.2", "host: 127.0.0.1", CLOSE, body=b"")).startswith(b"HTTP/1.1 200 ")


JOURNALLED = {
    "no HTTP": (b"hello\r\n\r\n", ("", "hello", 400), "not HTTP/1.1"),
    "TLS": (b"\x16\x03\x01\r\n\r\n", ("", "\x16\x03\x01", 400), "not HTTP/1.1"),
    "no host": (raw("GET /v1/models HTTP/1.1", body=b""), ("", "GET /v1/models HTTP/1.1", 400), "not HTTP/1.1"),
    "a version": (raw("GET / HTTP/3.0", "host: 127.0.0.1", body=b""), ("GET", "/", 505), "HTTP/3.0"),
    "a length": (post("content-length: 99999999999", body=b""), ("POST", CHAT, 413), "longer than"),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ("PRI", "*", 505), "speaks HTTP/1.1 only"),
    "a broken chunk": (post("transfer-encoding: chunked", body=b"0x5\r\n"), ("POST", CHAT, 400), "not HTTP/1.1"),
    "an early end": (post("content-length: 5", body=b""), ("POST", CHAT, 400), "ends too early"),
    "no JSON": (post("content-length: 2", CLOSE, body=b"[]"), ("POST", CHAT, 400), "must be a JSON object"),
    "a method": (raw(f"PUT {CHAT} HTTP/1.1", "host: 127.0.0.1", CLOSE, body=b""), ("PUT", CHAT, 405), "takes POST"),
    "a path": (raw("GET /nothing HTTP/1.1", "host: 127.0.0.1", CLOSE, body=b""), ("GET", "/nothing", 404), "nothing"),
    "a host": (raw("GET / HTTP/1.1", "host: evil.test", CLOSE, body=b""), ("GET", "/", 403), "evil.test"),
    "a coding": (post("content-length: 2", "content-encoding: zip", CLOSE, body=b"{}"), ("POST", CHAT, 415), "zip"),
}


@pytest.mark.parametrize("case", JOURNALLED.values(), ids=JOURNALLED)
def test_a_refused_request_is_in_the_journal_with_its_reason(
    case: tuple[bytes, tuple[str, str, int], str], server: ProviderServer
) -> None:
    data, expected, reason = case
    exchange(server, data, half_close="too early" in reason)
    (entry,) = server.requests
    assert (entry.method, entry.path, entry.status) == expected
    assert reason in entry.refusal
    assert entry.finished
    assert not entry.client_disconnected


def test_a_second_refused_request_of_a_connection_is_in_the_journal(server: ProviderServer) -> None:
    with connect(server) as client:
        client.sendall(post(LENGTH))
        receive_until(client, b"0\r\n\r\n")
        client.sendall(b"GET /v1 HTTP/x\r\n\r\n")
        assert b" 400 " in receive_all(client)
    first, second = server.requests
    assert (first.status, first.refusal) == (200, "")
    assert (second.method, second.path, second.status) == ("", "GET /v1 HTTP/x", 400)


def test_a_client_that_begins_with_http2_gets_an_error_in_http2(server: ProviderServer) -> None:
    answer = exchange(server, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")
    frames = []
    while answer:
        size = int.from_bytes(answer[:3], "big")
        frames.append((answer[3], answer[4], int.from_bytes(answer[5:9], "big"), answer[9 : 9 + size]))
        answer = answer[9 + size :]
    settings, (kind, flags, stream, payload) = frames
    assert settings == (4, 0, 0, b"")
    assert (kind, flags, stream) == (7, 0, 0)  # GOAWAY
    assert payload[:8] == b"\0\0\0\0" + b"\0\0\0\x0d"  # HTTP_1_1_REQUIRED
    assert payload[8:] == b"This server speaks HTTP/1.1 only."


@pytest.mark.parametrize("head", HEADS, ids=repr)
def test_a_recording_with_an_impossible_head_gets_an_answer(head: dict[str, object]) -> None:
    written, faults = play_head(head)
    assert faults == []
    status = int(written.split(b" ")[1])
    assert status in {head["status"] or 200, 500}
    if status in {204, 304}:
        assert b"data: x" not in written
        assert b"ransfer-" not in written
    if status == 500:
        assert b"Error" in written


def test_a_server_reports_a_request_that_it_fails_to_understand(
    server: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("planted")

    monkeypatch.setattr("pytest_streamval.server.handler.route", fail)
    status, report = parse(exchange(server, request(None, CHAT, CLOSE)))
    assert (status, report["error"]["message"]) == (500, "KeyError: 'planted'")
    assert "KeyError: 'planted'" in str(next(server.unmet()))
    assert server.requests[0].path == repr(CHAT)


HEADERS = (
    "Proxy-Authorization: Basic secret",
    "Proxy-Connection: keep-alive",
    "Connection: close, X-Hop, x-other",
    "X-Hop: 1",
    "X-Other: 2",
    "TE: trailers",
    "Keep-Alive: 5",
    "Upgrade: h2c",
    "Origin: http://localhost:3000",
    "X-End: kept",
)


def test_a_proxy_passes_on_only_headers_for_the_other_end() -> None:
    listening, url = silent_provider()
    with listening, ProviderServer(upstream=url) as proxy, connect(proxy) as client:
        client.sendall(request(None, CHAT, *HEADERS))
        connection, _ = listening.accept()
        with connection:
            found = b""
            while not found.endswith(JSON):
                found += connection.recv(65_536)
            connection.sendall(
                b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close, x-mine\r\nx-mine: 1\r\n"
                b"proxy-authenticate: Basic\r\naccess-control-allow-origin: *\r\nx-end: kept\r\n\r\n{}"
            )
            answer = receive_all(client)
    sent = {line.partition(b":")[0].lower() for line in found.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]}
    assert sent == {b"host", b"accept-encoding", b"connection", b"content-length", b"x-end"}
    head = answer.partition(b"\r\n\r\n")[0].lower()
    assert b"\r\nx-end: kept" in head
    assert re.search(rb"x-mine|proxy-authenticate", head) is None
    assert re.findall(rb"access-control-allow-origin: (.*?)\r\n", head) == [b"http://localhost:3000"]


def test_a_server_survives_damaged_requests() -> None:
    assert search(300, seed=1) == []


@pytest.mark.parametrize("data", REQUESTS, ids=range(len(REQUESTS)))
def test_a_server_survives_a_request_that_ends_anywhere(data: bytes) -> None:
    assert [fault for end in range(0, len(data), 3) for fault in play(data[:end], [data[:end]])] == []


def test_the_search_finds_an_error_that_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyError("planted")

    monkeypatch.setattr(Connection, "_handle", fail)
    assert "KeyError escaped" in search(1, seed=1)[0]


def test_the_search_finds_a_response_that_is_no_http() -> None:
    assert fault_in(b"hello") is not None
    assert fault_in(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc") is not None
    assert fault_in(b"HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n") is not None
    assert fault_in(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n") is None


def test_the_damage_of_a_request_is_repeatable() -> None:
    first, second = (random.Random(7) for _ in range(2))  # noqa: S311  # repeatable
    data = damaged(first)
    assert data == damaged(second)
    assert b"".join(reads_of(data, first)) == data
