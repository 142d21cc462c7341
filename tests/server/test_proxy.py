"""A server between an application and a provider: it forwards, records, replays, cuts and damages."""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_streamval import (
    Cassette,
    InvalidArgumentError,
    MissingExtraError,
    ProviderServer,
    ProviderStatusError,
    Raise,
    Read,
    Script,
    ServedRequest,
    Stall,
    faults,
)
from pytest_streamval.http.connection import tls_context
from pytest_streamval.server.actions import Disconnect, Flush, Hang, SendData, SendHead, Sleep
from pytest_streamval.server.proxy import replay_actions
from tests.server.clients import (
    BODY,
    CHAT,
    CLOSE,
    PROTOCOLS,
    ask,
    connect,
    exchange,
    generate,
    parse,
    receive_all,
    receive_until,
    request,
    request_head,
    wait_until,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_streamval.server.actions import Action

CERTIFICATE = Path(__file__).parent.parent / "data" / "server" / "loopback.pem"  # self-signed, with its key
WORDS = Script.of("Héllo ", "there, ", "\U0001f34e.")


def body_of(data: bytes) -> bytes:
    return data.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize(("protocol", "stream"), [*((protocol, True) for protocol in PROTOCOLS), ("openai", False)])
def test_a_proxy_forwards_a_response_and_records_and_replays_it(protocol: str, stream: bool, tmp_path: Path) -> None:
    with ProviderServer(WORDS) as provider, ProviderServer(upstream=provider.url, cassettes=tmp_path) as proxy:
        assert ask(proxy, protocol, stream=stream) == (WORDS.text, None)
        assert list(proxy.unmet()) == []
        (recorded,) = proxy.recordings
        entry = proxy.requests[0]
        assert (entry.finished, entry.deltas_sent > 0) == (True, stream)
    (path,) = tmp_path.iterdir()
    cassette = Cassette.load(path)
    assert cassette.header["protocol"] == protocol
    assert cassette.body == recorded.body
    assert Script.from_cassette(path).text == WORDS.text
    with ProviderServer(cassettes=tmp_path, upstream=provider.url, record="none") as replay:
        assert ask(replay, protocol, stream=stream) == (WORDS.text, None)
        assert list(replay.unmet()) == []


def test_a_proxy_keeps_the_bytes_and_the_chunks_of_the_provider() -> None:
    data = request(None, CHAT, CLOSE)
    with ProviderServer(WORDS, WORDS) as provider, ProviderServer(upstream=provider.url) as proxy:
        direct, passed = exchange(provider, data), exchange(proxy, data)
    assert body_of(passed).replace(b"chatcmpl-2", b"chatcmpl-1") == body_of(direct)


def test_a_proxy_forwards_each_read_at_once() -> None:
    with ProviderServer(Script.of("Hel", Stall())) as provider, ProviderServer(upstream=provider.url) as proxy:
        with connect(proxy) as client:
            client.sendall(request())
            assert b"Hel" in receive_until(client, b"Hel")
        provider.assert_client_disconnected(within=5)
        proxy.assert_client_disconnected(within=5)


def test_a_proxy_leaves_the_provider_when_its_client_leaves_without_reading() -> None:
    script = Script.of("x" * 10_000_000, Stall())
    with ProviderServer(script) as provider, ProviderServer(upstream=provider.url) as proxy:
        with connect(proxy) as client:
            client.sendall(request())
            receive_until(client, b"xxx")
            wait_until(lambda: proxy.requests[0].bytes_sent > 100_000)
        provider.assert_client_disconnected(within=5)
        proxy.assert_client_disconnected(within=5)


def test_a_proxy_records_a_response_that_its_client_left() -> None:
    with ProviderServer(Script.of("Hel", Stall())) as provider:
        with ProviderServer(upstream=provider.url) as proxy:
            with connect(proxy) as client:
                client.sendall(request())
                receive_until(client, b"Hel")
            provider.assert_client_disconnected(within=5)
        (cassette,) = proxy.recordings
    assert cassette.ending.how == "left"
    assert b"Hel" in cassette.body


def test_a_proxy_forwards_secrets_and_does_not_record_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINE_API_KEY", "from-the-environment-1")
    seen: list[str] = []

    def provider_rule(request: object) -> str:
        return "You are sk-planted-secret-01, from-the-environment-1."

    with ProviderServer(provider_rule, token_size=7) as provider:
        with ProviderServer(upstream=provider.url, cassettes=tmp_path) as proxy:
            answer = exchange(proxy, request(None, CHAT, "authorization: Bearer sk-planted-secret-01", CLOSE))
        seen.append(provider.requests[0].headers["authorization"])
    assert seen == ["[redacted]"]
    assert b" sk-pla" in answer
    kept = next(tmp_path.iterdir()).read_text()
    assert "planted" not in kept
    assert "environment-1" not in kept


def test_a_proxy_replays_recorded_requests_and_forwards_the_others(tmp_path: Path) -> None:
    with ProviderServer("One.", "Two.") as provider:
        for expected in (1, 2):
            with ProviderServer(upstream=provider.url, cassettes=tmp_path) as proxy:
                for number in range(expected):
                    body = {**BODY, "seed": number}
                    assert exchange(proxy, request(body, CHAT, CLOSE)).startswith(b"HTTP/1.1 200")
                assert len(proxy.recordings) == 1
        assert len(provider.requests) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["stream.2.jsonl", "stream.jsonl"]
    with ProviderServer(cassettes=tmp_path) as replay:
        exchange(replay, request({**BODY, "seed": 1}, CHAT, CLOSE))
        status, report = parse(exchange(replay, request({**BODY, "seed": 7}, CHAT, CLOSE)))
        assert status == 400
        assert "is now    7" in report["error"]["message"]
        refused, unused = map(str, replay.unmet())
    assert "No recording answers" in refused
    assert "stream.jsonl" in unused


def test_a_proxy_records_once_or_replaces_its_recordings(tmp_path: Path) -> None:
    with ProviderServer("One.", "Two.") as provider:
        for mode, asked_for in (("once", 1), ("once", 1), ("all", 2)):
            with ProviderServer(upstream=provider.url, cassettes=tmp_path, record=mode) as proxy:
                assert exchange(proxy, request(None, CHAT, CLOSE)).startswith(b"HTTP/1.1 200")
            assert len(provider.requests) == asked_for
    (path,) = tmp_path.iterdir()
    assert Script.from_cassette(path).text == "Two."


@pytest.mark.parametrize(
    "fault", [faults.reset(after_deltas=2), faults.truncate(), faults.malformed_json(), faults.overloaded()]
)
def test_a_fault_strikes_real_traffic(fault: faults.Fault) -> None:
    with ProviderServer(*[WORDS] * 2) as provider, ProviderServer(upstream=provider.url, fault=fault) as proxy:
        text, error = ask(proxy, "openai")
        assert error is not None
        name = proxy.requests[0].fault
        assert name == fault.name
        assert text == {"reset": "Héllo there, ", "truncate": "Héllo ", "malformed_json": "Héllo "}.get(fault.name, "")
        assert len(provider.requests) == (fault.name != "overloaded")


def test_a_cut_applies_to_real_traffic() -> None:
    with ProviderServer(WORDS) as provider, ProviderServer(upstream=provider.url, cut="chars") as proxy:
        answer = body_of(exchange(proxy, request(None, CHAT, CLOSE)))
    assert answer.startswith(b"1\r\nd\r\n1\r\na\r\n")


FAILING = {
    "a parse": (Script.of(Raise(ProviderStatusError("openai", "u", 429, "slow", 2.0))), "refused"),
    "a broken connection": (Script.of("Hel", Raise(EOFError())), "broken"),
    "a reset": (Script.of("Hel", Raise(ConnectionResetError())), "broken"),
}


@pytest.mark.parametrize("case", FAILING.values(), ids=FAILING)
def test_a_proxy_forwards_records_and_replays_a_failure(case: tuple[Script, str], tmp_path: Path) -> None:
    script, how = case
    with ProviderServer(script) as provider, ProviderServer(upstream=provider.url, cassettes=tmp_path) as proxy:
        first = ask(proxy, "openai")
        (cassette,) = proxy.recordings
    assert cassette.ending.how == how
    assert cassette.ending.seconds == (2.0 if how == "refused" else None)
    with ProviderServer(cassettes=tmp_path) as replay:
        second = ask(replay, "openai")
    assert (second[0], type(second[1])) == (first[0], type(first[1]))
    assert first[1] is not None


def silent_provider() -> tuple[socket.socket, str]:
    """Return a listening socket that accepts nothing, and its address."""
    listening = socket.create_server(("127.0.0.1", 0))
    return listening, f"http://127.0.0.1:{listening.getsockname()[1]}"


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


def test_a_proxy_forwards_other_requests() -> None:
    with ProviderServer(models=["big"]) as provider, ProviderServer(upstream=provider.openai_url) as proxy:
        found = exchange(proxy, request("", "/v1/models", CLOSE, method="GET"))
        assert parse(found)[1]["data"][0]["id"] == "big"
        assert proxy.recordings == ()


HEADER = {"protocol": "openai", "status": 200, "headers": [["content-type", "text/event-stream"], ["x-mine", "1"]]}


def cassette(*reads: Read, how: str = "complete", status: int = 200) -> Cassette:
    return Cassette("a.jsonl", {**HEADER, "status": status, "end": {"how": how, "at": 9.0}}, reads)


PLAYED = {
    "as fast as possible": (
        replay_actions(cassette(Read(0.5, b"a"), Read(1.5, b"b")), inf),
        [SendHead(200, "text/event-stream", (("x-mine", "1"),)), SendData(b"a"), Flush(), SendData(b"b")],
    ),
    "twice as fast": (
        replay_actions(cassette(Read(0.5, b"a"), Read(1.5, b"b"), Read(1.5, b"c")), 2.0),
        [
            Sleep(0.25),
            SendHead(200, "text/event-stream", (("x-mine", "1"),)),
            SendData(b"a"),
            Sleep(0.5),
            SendData(b"b"),
            SendData(b"c"),
        ],
    ),
    "no body": (replay_actions(cassette(), inf), [SendHead(200, "text/event-stream", (("x-mine", "1"),))]),
    "silence": (
        replay_actions(cassette(Read(0.5, b"a"), how="silent"), inf),
        [SendHead(200, "text/event-stream", (("x-mine", "1"),)), SendData(b"a"), Hang()],
    ),
    "broken at once": (replay_actions(cassette(how="broken"), inf), [Disconnect("closed")]),
}


@pytest.mark.parametrize("case", PLAYED.values(), ids=PLAYED)
def test_a_recording_is_replayed_read_for_read(case: tuple[Iterator[Action], list[Action]]) -> None:
    actions, expected = case
    assert list(actions) == expected


def test_a_proxy_forwards_an_invalid_stream_without_counting_its_deltas(tmp_path: Path) -> None:
    cassette(Read(0.0, b"data: {no\n\n"), Read(0.0, b"more")).dump(tmp_path / "a.jsonl")
    with ProviderServer(cassettes=tmp_path) as replay:
        assert b"data: {no\n\n" in exchange(replay, request(None, CHAT, CLOSE))
        assert replay.requests[0].deltas_sent == 0


def test_a_replay_lists_its_own_models(tmp_path: Path) -> None:
    cassette(Read(0.0, b"a")).dump(tmp_path / "a.jsonl")
    with ProviderServer(cassettes=tmp_path, upstream="http://127.0.0.1:1", record="none", models=["big"]) as replay:
        found = exchange(replay, request("", "/v1/models", CLOSE, method="GET"))
    assert parse(found)[1]["data"][0]["id"] == "big"


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


def test_a_proxy_needs_httpx2_to_forward_requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx2", None)
    with pytest.raises(MissingExtraError, match=r"with an upstream need httpx2.*pytest-streamval\[live\]"):
        ProviderServer(upstream="https://api.openai.com")
    with ProviderServer(upstream="https://api.openai.com", cassettes=tmp_path, record="none") as replay:
        assert b"No recording answers" in exchange(replay, request(None, CHAT, CLOSE))


INVALID = {
    "not an address": ({"upstream": "nowhere"}, "It must be an address"),
    "half an address": ({"upstream": "http://[::1"}, "It must be an address"),
    "a high port": ({"upstream": "http://127.0.0.1:99999"}, "It must be an address"),
    "a file": ({"cassettes": __file__}, "It must be a folder of recordings.*from_cassette"),
    "an unknown folder": ({"cassettes": "nowhere"}, "an existing one without an upstream"),
    "a number": ({"upstream": 5}, "It must be an address"),
    "without TLS": ({"upstream": "http://example.com"}, "begin with https"),
    "an unknown mode": ({"upstream": "http://localhost:1", "record": "maybe"}, "none, once, new, all"),
}


@pytest.mark.parametrize("case", INVALID.values(), ids=INVALID)
def test_a_proxy_refuses_invalid_options(case: tuple[dict[str, object], str]) -> None:
    options, message = case
    with pytest.raises(InvalidArgumentError, match=message):
        ProviderServer(**options)


def test_a_server_takes_either_scripts_or_a_provider() -> None:
    with pytest.raises(InvalidArgumentError, match="not both"):
        ProviderServer("One.", upstream="https://api.openai.com")


def test_a_proxy_forwards_many_streams_at_once() -> None:
    async def main(proxy: ProviderServer) -> list[str | None]:
        outputs = [await generate(proxy, "openai", prompt=str(number)) for number in range(20)]
        return [await output.avalue() for output in outputs]

    def rule(request: ServedRequest) -> str:
        return f"Answer to {request.prompt}."

    with ProviderServer(rule) as provider, ProviderServer(upstream=provider.url) as proxy:
        assert asyncio.run(main(proxy)) == [f"Answer to {number}." for number in range(20)]
        assert len(proxy.recordings) == 20


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
