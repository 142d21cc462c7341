"""What a server does with requests that are not as they should be."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

import pytest

from pytest_streamval import Delay, ProviderServer, Script, Stall
from tests.server.clients import (
    CHAT,
    QUESTION,
    ask,
    connected,
    everything,
    exchanged,
    head_of,
    refusal,
    request,
    server_threads,
    until,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

CLOSE = "connection: close"


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    assert server_threads() == []


@pytest.fixture
def server() -> Iterator[ProviderServer]:
    with ProviderServer("Hello.", body_limit=100_000) as server:
        yield server


REFUSED = {
    "no body": (head_of(b"", CHAT, CLOSE), 400, "has no body"),
    "wrong JSON": (head_of(b"{no", CHAT, CLOSE) + b"{no", 400, "is not JSON"),
    "JSON that is no object": (head_of(b"[1]", CHAT, CLOSE) + b"[1]", 400, "a list, not an object"),
    "no UTF-8": (head_of(b'{"\xff"}', CHAT, CLOSE) + b'{"\xff"}', 400, "not in UTF-8"),
    "an unknown path": (request(None, "/v2/nothing", CLOSE), 404, "POST /v1/chat/completions"),
    "an unknown path of Ollama": (request(None, "/api/nothing", CLOSE), 404, "There is nothing at POST /api/nothing"),
    "an unknown path of Anthropic": (request(None, "/v1/messages/nothing", CLOSE), 404, "There is nothing"),
    "an unknown path of Gemini": (request(None, "/v1beta/nothing", CLOSE), 404, "There is nothing"),
    "an array from Gemini": (request(None, "/v1/models/m:streamGenerateContent", CLOSE), 404, "without ?alt=sse"),
    "an unknown path of an address": (request(None, "http://other/", CLOSE), 405, "POST / is nothing"),
    "a model that is not there": (request("", "/v1/models/nothing", CLOSE, method="GET"), 404, "There is nothing"),
    "GET where it takes POST": (request(None, CHAT, CLOSE, method="GET"), 405, "it takes POST"),
    "POST where it takes GET": (request(None, "/v1/models", CLOSE), 405, "it takes GET"),
    "no body for Ollama's show": (head_of(b"", "/api/show", CLOSE), 400, "has no body"),
    "HTTP/1.0": (head_of(b"{}", version="1.0") + b"{}", 426, "this server speaks HTTP/1.1"),
    "no HTTP": (b"hello\r\n\r\n", 400, "no HTTP/1.1"),
    "no host": (b"POST / HTTP/1.1\r\n\r\n", 400, "no HTTP/1.1"),
    "a long header": (head_of(b"", CHAT, "x: " + "x" * 70_000), 431, "longer than 65,536 bytes"),
    "a header of 10 MB": (head_of(b"", CHAT, "x: " + "x" * 10_000_000), 431, "longer than 65,536 bytes"),
    "a long body": (head_of(b"x" * 200_000) + b"x" * 200_000, 413, "longer than 100,000 bytes"),
    "a long body in chunks": (
        b"POST /api/chat HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n30D40\r\n" + b"x" * 200_000,
        413,
        "longer than 100,000 bytes",
    ),
    "two requests at once": (request() + request(), 400, "no pipelining"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_a_bad_request_gets_a_clear_answer(
    server: ProviderServer,
    case: tuple[bytes, int, str],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    data, status, message = case
    answer = exchanged(server, data)
    found, report = refusal(answer)
    assert found == status
    assert message in json.dumps(report, ensure_ascii=False)
    assert "Traceback" not in answer.decode()
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")
    assert ask(server, "openai") == ("Hello.", None)


HALVES = {
    "in the head": (b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n", "ends too early"),
    "in the body": (head_of(b"x" * 10) + b"{", "ends too early"),
    "behind the request": (request(), "closed its side"),
}


@pytest.mark.parametrize("case", HALVES.values(), ids=HALVES)
def test_a_connection_that_is_half_closed_gets_a_clear_answer(case: tuple[bytes, str]) -> None:
    data, message = case
    with ProviderServer(Script.of(Delay(5), "Hello.")) as server:
        status, report = refusal(exchanged(server, data, half_close=True))
    assert status == 400
    assert message in report["error"]["message"]


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "HTTPS://api.openai.com"])
def test_a_path_may_be_named_with_its_whole_address(server: ProviderServer, address: str) -> None:
    assert exchanged(server, request(None, f"{address}{CHAT}?x=1", CLOSE)).startswith(b"HTTP/1.1 200")
    assert server.requests[0].path == f"{CHAT}?x=1"


def test_a_connection_without_a_request_is_closed(server: ProviderServer) -> None:
    assert exchanged(server, b"", half_close=True) == b""


def test_a_request_that_comes_during_an_answer_is_refused_behind_it(server: ProviderServer) -> None:
    with ProviderServer(Script.of("Hel", Delay(0.05), "lo.")) as slow, connected(slow) as client:
        client.sendall(request())
        begun = until(client, b"Hel")
        client.sendall(request())
        rest = everything(client)
    assert b"lo." in begun + rest
    assert rest.index(b"0\r\n\r\n") < rest.index(b"HTTP/1.1 400")


def test_a_client_that_pipelines_without_end_is_cut_off() -> None:
    with ProviderServer(Script.of("Hel", Stall())) as server, connected(server) as client:
        client.sendall(request())
        until(client, b"Hel")
        client.sendall(b"x" * 200_000)
        server.assert_client_disconnected(within=5)


def test_a_client_may_wait_for_leave_to_send_its_body(server: ProviderServer) -> None:
    data = json.dumps(QUESTION).encode()
    with connected(server) as client:
        client.sendall(head_of(data, CHAT, "expect: 100-continue", CLOSE))
        assert until(client, b"\r\n\r\n").startswith(b"HTTP/1.1 100")
        client.sendall(data)
        assert everything(client).startswith(b"HTTP/1.1 200")


def test_a_blank_line_behind_a_request_is_no_second_one(server: ProviderServer) -> None:
    assert exchanged(server, request(None, CHAT, CLOSE) + b"\r\n").startswith(b"HTTP/1.1 200")


def test_a_body_may_come_in_pieces(server: ProviderServer) -> None:
    data = request(None, CHAT, CLOSE)
    with connected(server) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(data), 16):
            client.sendall(data[at : at + 16])
        assert everything(client).startswith(b"HTTP/1.1 200")


def test_nothing_but_loopback_is_listened_on(server: ProviderServer) -> None:
    assert server._socket.getsockname()[0] == "127.0.0.1"
    assert server.url == f"http://127.0.0.1:{server.port}"
