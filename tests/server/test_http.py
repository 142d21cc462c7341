"""HTTP: invalid and unusual requests to a server."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

import pytest

from pytest_streamval import Delay, ProviderServer, Script, Stall
from tests.server.clients import (
    BODY,
    CHAT,
    CLOSE,
    ask,
    connect,
    exchange,
    parse,
    receive_all,
    receive_until,
    request,
    request_head,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def server() -> Iterator[ProviderServer]:
    with ProviderServer("Hello.", body_limit=100_000) as server:
        yield server


REFUSED = {
    "no body": (request_head(b"", CHAT, CLOSE), 400, "has no body"),
    "wrong JSON": (request_head(b"{no", CHAT, CLOSE) + b"{no", 400, "must be a JSON object"),
    "a JSON array": (request_head(b"[1]", CHAT, CLOSE) + b"[1]", 400, "a list, not an object"),
    "not UTF-8": (request_head(b'{"\xff"}', CHAT, CLOSE) + b'{"\xff"}', 400, "not in UTF-8"),
    "an unknown path": (request(None, "/v2/nothing", CLOSE), 404, "POST /v1/chat/completions"),
    "an unknown path of Ollama": (request(None, "/api/nothing", CLOSE), 404, "There is nothing at POST /api/nothing"),
    "an unknown path of Anthropic": (request(None, "/v1/messages/nothing", CLOSE), 404, "There is nothing"),
    "an unknown path of Gemini": (request(None, "/v1beta/nothing", CLOSE), 404, "There is nothing"),
    "an unknown path of an address": (request(None, "http://other/", CLOSE), 405, "POST / is not served"),
    "a path that is nearly right": (
        request(None, "/v1/v1/chat/completions", CLOSE),
        404,
        "The nearest path that is served is POST /v1/chat/completions.",
    ),
    "GET where it takes POST": (request(None, "/v1/messages", CLOSE, method="GET"), 405, "takes POST"),
    "POST where it takes GET": (request(None, "/v1/models", CLOSE), 405, "takes GET"),
    "no body for Ollama's show": (request_head(b"", "/api/show", CLOSE), 400, "has no body"),
    "HTTP/2.0": (request_head(b"{}", version="2.0") + b"{}", 505, "this server speaks HTTP/1.1"),
    "not HTTP": (b"hello\r\n\r\n", 400, "not HTTP/1.1"),
    "no host": (b"POST / HTTP/1.1\r\n\r\n", 400, "not HTTP/1.1"),
    "a long header": (request_head(b"", CHAT, "x: " + "x" * 70_000), 431, "longer than 65,536 bytes"),
    "a header of 10 MB": (request_head(b"", CHAT, "x: " + "x" * 10_000_000), 431, "longer than 65,536 bytes"),
    "a long body": (request_head(b"x" * 200_000) + b"x" * 200_000, 413, "longer than 100,000 bytes"),
    "a long body in chunks": (
        b"POST /api/chat HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n30D40\r\n" + b"x" * 200_000,
        413,
        "longer than 100,000 bytes",
    ),
    "two requests at once": (request() + request(), 400, "no pipelining"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_an_invalid_request_gets_a_clear_error(
    server: ProviderServer,
    case: tuple[bytes, int, str],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    data, status, message = case
    answer = exchange(server, data)
    found, report = parse(answer)
    assert found == status
    assert message in json.dumps(report, ensure_ascii=False)
    assert "Traceback" not in answer.decode()
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")
    assert ask(server, "openai") == ("Hello.", None)


HALVES = {
    "in the head": (b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n", "ends too early"),
    "in the body": (request_head(b"x" * 10) + b"{", "ends too early"),
    "after the request": (request(), "closed its side"),
}


@pytest.mark.parametrize("case", HALVES.values(), ids=HALVES)
def test_a_half_closed_connection_gets_a_clear_error(case: tuple[bytes, str]) -> None:
    data, message = case
    with ProviderServer(Script.of(Delay(5), "Hello.")) as server:
        status, report = parse(exchange(server, data, half_close=True))
    assert status == 400
    assert message in report["error"]["message"]


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "HTTPS://api.openai.com"])
def test_a_request_may_name_the_complete_address(server: ProviderServer, address: str) -> None:
    assert exchange(server, request(None, f"{address}{CHAT}?x=1", CLOSE)).startswith(b"HTTP/1.1 200")
    assert server.requests[0].path == f"{CHAT}?x=1"


def test_a_connection_without_a_request_is_closed(server: ProviderServer) -> None:
    assert exchange(server, b"", half_close=True) == b""


def test_a_request_during_a_response_is_rejected_after_it(server: ProviderServer) -> None:
    with ProviderServer(Script.of("Hel", Delay(0.05), "lo.")) as slow, connect(slow) as client:
        client.sendall(request())
        begun = receive_until(client, b"Hel")
        client.sendall(request())
        rest = receive_all(client)
    assert b"lo." in begun + rest
    assert rest.index(b"0\r\n\r\n") < rest.index(b"HTTP/1.1 400")


def test_a_client_that_pipelines_without_end_is_disconnected() -> None:
    with ProviderServer(Script.of("Hel", Stall())) as server, connect(server) as client:
        client.sendall(request())
        receive_until(client, b"Hel")
        client.sendall(b"x" * 200_000)
        server.assert_client_disconnected(within=5)


def test_a_client_may_wait_for_100_continue(server: ProviderServer) -> None:
    data = json.dumps(BODY).encode()
    with connect(server) as client:
        client.sendall(request_head(data, CHAT, "expect: 100-continue", CLOSE))
        assert receive_until(client, b"\r\n\r\n").startswith(b"HTTP/1.1 100")
        client.sendall(data)
        assert receive_all(client).startswith(b"HTTP/1.1 200")


def test_a_blank_line_after_a_request_is_not_a_second_request(server: ProviderServer) -> None:
    assert exchange(server, request(None, CHAT, CLOSE) + b"\r\n").startswith(b"HTTP/1.1 200")


def test_a_request_may_arrive_in_pieces(server: ProviderServer) -> None:
    data = request(None, CHAT, CLOSE)
    with connect(server) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(data), 16):
            client.sendall(data[at : at + 16])
        assert receive_all(client).startswith(b"HTTP/1.1 200")


def test_a_server_listens_on_loopback_only(server: ProviderServer) -> None:
    assert server._socket.getsockname()[0] == "127.0.0.1"
    assert server.url == f"http://127.0.0.1:{server.port}"
