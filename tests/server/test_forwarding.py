"""Forwarding: the bytes between a proxy and a provider."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import pytest

from pytest_streamval import ProviderServer, ProviderStatusError
from pytest_streamval.http.connection import tls_context
from tests.server.clients import (
    CHAT,
    CLOSE,
    ask,
    connect,
    parse,
    receive_all,
    receive_until,
    request,
    request_head,
    silent_provider,
)

CERTIFICATE = Path(__file__).parent.parent / "data" / "server" / "loopback.pem"  # self-signed, with its key


def test_a_proxy_reports_an_unreachable_provider_to_the_client_and_to_the_test() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with ProviderServer(upstream=url) as proxy:
        text, error = ask(proxy, "anthropic")
        assert isinstance(error, ProviderStatusError)
        assert (text, error.status) == ("", 502)
        (failure,) = proxy.unmet()
        assert proxy.recordings == ()
    assert "ConnectionRefusedError" in str(failure)


@pytest.mark.parametrize("data", [b"", b"no HTTP at all\r\n\r\n"])
def test_a_proxy_reports_a_provider_that_does_not_speak_http(data: bytes) -> None:
    listening, url = silent_provider()
    with listening, ProviderServer(upstream=url) as proxy, connect(proxy) as client:
        client.sendall(request(None, CHAT, CLOSE))
        connection, _ = listening.accept()
        with connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            assert b"502" in receive_all(client)


@pytest.mark.parametrize("rest", [b"5\r\nab", b"nonsense\r\n"])
def test_a_proxy_records_a_connection_that_breaks(rest: bytes) -> None:
    head = b"HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n"
    listening, url = silent_provider()
    with listening, ProviderServer(upstream=url) as proxy, connect(proxy) as client:
        client.sendall(request(None, CHAT, CLOSE))
        connection, _ = listening.accept()
        with connection:
            connection.sendall(head + rest)
            connection.shutdown(socket.SHUT_WR)
            found = receive_all(client)
            assert b"application/octet-stream" in found
            assert not found.endswith(b"0\r\n\r\n")
            assert [each.ending.how for each in proxy.recordings] == ["broken"]


def forward(data: bytes, response: bytes) -> tuple[bytes, bytes]:
    """Return the request that a provider gets from a proxy, and the response that the client gets."""
    listening, url = silent_provider()
    with listening, ProviderServer(upstream=url) as proxy, connect(proxy) as client:
        client.sendall(data)
        connection, _ = listening.accept()
        with connection:
            received = receive_until(connection, b"\r\n\r\n")
            connection.sendall(response)
            connection.shutdown(socket.SHUT_WR)
            return received, receive_all(client)


def test_a_proxy_keeps_the_path_and_the_headers_of_a_request() -> None:
    target = "/v1/../files/a%2Fb|c//?key=%7e&x={1}"
    data = request("", target, "x-mine: 1", "x-mine: 2", "user-agent: me", CLOSE, method="PUT")
    received, _ = forward(data, b"HTTP/1.1 204 No Content\r\n\r\n")
    first, *lines = received.split(b"\r\n\r\n")[0].decode().split("\r\n")
    assert first == f"PUT {target} HTTP/1.1"
    names = [line.partition(":")[0] for line in lines]
    assert names == ["host", "accept-encoding", "connection", "content-length", "x-mine", "x-mine", "user-agent"]


def test_a_proxy_keeps_a_compressed_response_and_repeated_headers() -> None:
    head = (
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\nset-cookie: a=1\r\nset-cookie: b=2\r\ncontent-length: 3\r\n\r\n"
    )
    received, answer = forward(request_head(b"", "/v1/models", CLOSE, method="GET"), head + b"\x1f\x8b!")
    assert b"content-length" not in received
    assert answer.endswith(b"\r\n\r\n\x1f\x8b!")
    assert answer.count(b"set-cookie: ") == 2
    assert b"content-encoding: gzip" in answer


@pytest.mark.parametrize(
    "wait",
    [b"retry-after: Sun Nov  6 08:49:37 1994", b"retry-after-ms: 1.50", b"retry-after: nan", b"retry-after: 120"],
)
def test_a_proxy_passes_the_wait_of_a_refusal_on_unchanged(wait: bytes) -> None:
    response = b"HTTP/1.1 429 Busy\r\n" + wait + b"\r\ncontent-length: 2\r\n\r\n{}"
    _, answer = forward(request(None, CHAT, CLOSE), response)
    assert b"\r\n" + wait + b"\r\n" in answer


def test_a_proxy_breaks_a_connection_whose_response_is_not_recorded() -> None:
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    _, answer = forward(request("", "/v1/models", CLOSE, method="GET"), head + b"5\r\nab")
    assert answer.endswith(b"\r\n2\r\nab\r\n")


def test_a_proxy_forwards_the_head_before_the_first_byte_of_the_body() -> None:
    listening, url = silent_provider()
    with listening, ProviderServer(upstream=url) as proxy, connect(proxy) as client:
        client.sendall(request())
        connection, _ = listening.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 9\r\n\r\n")
            assert b"200" in receive_until(client, b"\r\n\r\n")


def test_a_proxy_reaches_a_provider_by_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    tls_context.cache_clear()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    body = b'data: {"choices": [{"index": 0, "delta": {"content": "Hi."}}]}\n\ndata: [DONE]\n\n'
    listening, url = silent_provider()
    with listening, ProviderServer(upstream=url.replace("http:", "https:")) as proxy, connect(proxy) as client:
        client.sendall(request(None, CHAT, CLOSE))
        plain, _ = listening.accept()
        with context.wrap_socket(plain, server_side=True) as connection:
            assert b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1" in receive_until(connection, b"\r\n\r\n")
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
            assert body in receive_all(client)
        assert proxy.requests[0].deltas_sent == 1
        assert proxy.recordings[0].header["server"] == url.replace("http:", "https:")
    tls_context.cache_clear()


def test_a_proxy_refuses_an_untrusted_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    tls_context.cache_clear()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    listening, url = silent_provider()
    with listening, ProviderServer(upstream=url.replace("http:", "https:")) as proxy, connect(proxy) as client:
        client.sendall(request(None, CHAT, CLOSE))
        plain, _ = listening.accept()
        with plain, pytest.raises(ssl.SSLError):
            context.wrap_socket(plain, server_side=True)
        status, report = parse(receive_all(client))
    assert status == 502
    assert "SSLCertVerificationError" in report["error"]["message"]
