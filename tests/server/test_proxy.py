"""A server between an application and a provider: passes on, records, replays, cuts, breaks."""

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
    ProviderServer,
    ProviderStatusError,
    Raise,
    Read,
    Script,
    Stall,
    faults,
)
from pytest_streamval.errors import MissingExtraError
from pytest_streamval.http.connection import tls_context
from pytest_streamval.server.actions import Break, Frame, Head, Pause, Silence, Turn
from pytest_streamval.server.proxy import played
from tests.server.clients import (
    CHAT,
    PROTOCOLS,
    QUESTION,
    ask,
    asked,
    connected,
    eventually,
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

    from pytest_streamval.server.actions import Step
    from pytest_streamval.typing import ServedRequest

CLOSE = "connection: close"
CERTIFICATE = Path(__file__).parent.parent / "data" / "server" / "loopback.pem"  # its own, with its key
WORDS = Script.of("Héllo ", "there, ", "\U0001f34e.")


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    assert server_threads() == []


def body_of(data: bytes) -> bytes:
    return data.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_answer_passes_through_and_is_recorded_and_replayed(protocol: str, stream: bool, tmp_path: Path) -> None:
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


def test_the_bytes_and_the_chunks_are_those_of_the_provider() -> None:
    data = request(None, CHAT, CLOSE)
    with ProviderServer(WORDS, WORDS) as provider, ProviderServer(upstream=provider.url) as proxy:
        direct, passed = exchanged(provider, data), exchanged(proxy, data)
    assert body_of(passed).replace(b"chatcmpl-2", b"chatcmpl-1") == body_of(direct)


def test_what_comes_is_passed_on_before_the_next_is_there() -> None:
    with ProviderServer(Script.of("Hel", Stall())) as provider, ProviderServer(upstream=provider.url) as proxy:
        with connected(proxy) as client:
            client.sendall(request())
            assert b"Hel" in until(client, b"Hel")
        provider.assert_client_disconnected(within=5)
        proxy.assert_client_disconnected(within=5)


def test_a_client_that_leaves_without_reading_closes_the_connection_to_the_provider() -> None:
    script = Script.of("x" * 10_000_000, Stall())
    with ProviderServer(script) as provider, ProviderServer(upstream=provider.url) as proxy:
        with connected(proxy) as client:
            client.sendall(request())
            until(client, b"xxx")
            eventually(lambda: proxy.requests[0].bytes_sent > 100_000)
        provider.assert_client_disconnected(within=5)
        proxy.assert_client_disconnected(within=5)


def test_what_a_client_left_is_recorded_as_far_as_it_came() -> None:
    with ProviderServer(Script.of("Hel", Stall())) as provider:
        with ProviderServer(upstream=provider.url) as proxy:
            with connected(proxy) as client:
                client.sendall(request())
                until(client, b"Hel")
            provider.assert_client_disconnected(within=5)
        (cassette,) = proxy.recordings
    assert cassette.ending.how == "left"
    assert b"Hel" in cassette.body


def test_secrets_are_passed_on_and_not_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINE_API_KEY", "from-the-environment-1")
    seen: list[str] = []

    def provider_rule(request: object) -> str:
        return "You are sk-planted-secret-01, from-the-environment-1."

    with ProviderServer(provider_rule, token_size=7) as provider:
        with ProviderServer(upstream=provider.url, cassettes=tmp_path) as proxy:
            answer = exchanged(proxy, request(None, CHAT, "authorization: Bearer sk-planted-secret-01", CLOSE))
        seen.append(provider.requests[0].headers["authorization"])
    assert seen == ["[redacted]"]
    assert b" sk-pla" in answer
    kept = next(tmp_path.iterdir()).read_text()
    assert "planted" not in kept
    assert "environment-1" not in kept


def test_what_is_recorded_is_replayed_and_the_rest_is_asked(tmp_path: Path) -> None:
    with ProviderServer("One.", "Two.") as provider:
        for expected in (1, 2):
            with ProviderServer(upstream=provider.url, cassettes=tmp_path) as proxy:
                for number in range(expected):
                    body = {**QUESTION, "seed": number}
                    assert exchanged(proxy, request(body, CHAT, CLOSE)).startswith(b"HTTP/1.1 200")
                assert len(proxy.recordings) == 1
        assert len(provider.requests) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["stream.2.jsonl", "stream.jsonl"]
    with ProviderServer(cassettes=tmp_path) as replay:
        exchanged(replay, request({**QUESTION, "seed": 1}, CHAT, CLOSE))
        status, report = refusal(exchanged(replay, request({**QUESTION, "seed": 7}, CHAT, CLOSE)))
        assert status == 400
        assert "is now    7" in report["error"]["message"]
        refused, unused = map(str, replay.unmet())
    assert "No recording answers" in refused
    assert "stream.jsonl" in unused


def test_recordings_are_made_once_or_anew(tmp_path: Path) -> None:
    with ProviderServer("One.", "Two.") as provider:
        for mode, asked_for in (("once", 1), ("once", 1), ("all", 2)):
            with ProviderServer(upstream=provider.url, cassettes=tmp_path, record=mode) as proxy:
                assert exchanged(proxy, request(None, CHAT, CLOSE)).startswith(b"HTTP/1.1 200")
            assert len(provider.requests) == asked_for
    (path,) = tmp_path.iterdir()
    assert Script.from_cassette(path).text == "Two."


@pytest.mark.parametrize(
    "fault", [faults.reset(after_deltas=2), faults.truncate(), faults.malformed_json(), faults.overloaded()]
)
def test_real_traffic_gets_faults(fault: faults.Fault) -> None:
    with ProviderServer(*[WORDS] * 2) as provider, ProviderServer(upstream=provider.url, fault=fault) as proxy:
        text, error = ask(proxy, "openai")
        assert error is not None
        name = proxy.requests[0].fault
        assert name == fault.name
        assert text == {"reset": "Héllo there, ", "truncate": "Héllo ", "malformed_json": "Héllo "}.get(fault.name, "")
        assert len(provider.requests) == (fault.name != "overloaded")


def test_real_traffic_is_cut() -> None:
    with ProviderServer(WORDS) as provider, ProviderServer(upstream=provider.url, cut="chars") as proxy:
        answer = body_of(exchanged(proxy, request(None, CHAT, CLOSE)))
    assert answer.startswith(b"1\r\nd\r\n1\r\na\r\n")


FAILING = {
    "a refusal": (Script.of(Raise(ProviderStatusError("openai", "u", 429, "slow", 2.0))), "refused"),
    "a broken connection": (Script.of("Hel", Raise(EOFError())), "broken"),
    "a reset": (Script.of("Hel", Raise(ConnectionResetError())), "broken"),
}


@pytest.mark.parametrize("case", FAILING.values(), ids=FAILING)
def test_a_provider_that_fails_fails_here_too_and_again_when_it_is_replayed(
    case: tuple[Script, str], tmp_path: Path
) -> None:
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


def silent_provider(*writes: bytes) -> tuple[socket.socket, str]:
    """Return a listening socket, and its address; whoever connects is in its backlog."""
    listening = socket.create_server(("127.0.0.1", 0))
    return listening, f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_a_provider_that_is_not_there_is_told_to_the_client_and_to_the_test() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with ProviderServer(upstream=url) as proxy:
        text, error = ask(proxy, "anthropic")
        assert isinstance(error, ProviderStatusError)
        assert (text, error.status) == ("", 502)
        (failure,) = proxy.unmet()
        assert proxy.recordings == ()
    assert "ConnectionRefusedError" in str(failure)


@pytest.mark.parametrize("said", [b"", b"no HTTP at all\r\n\r\n"])
def test_a_provider_that_says_nothing_of_sense_is_no_provider(said: bytes) -> None:
    listening, url = silent_provider()
    with listening, ProviderServer(upstream=url) as proxy, connected(proxy) as client:
        client.sendall(request(None, CHAT, CLOSE))
        connection, _ = listening.accept()
        with connection:
            connection.sendall(said)
            connection.shutdown(socket.SHUT_WR)
            assert b"502" in everything(client)


def test_what_is_no_request_for_an_output_is_passed_on_too() -> None:
    with ProviderServer(models=["big"]) as provider, ProviderServer(upstream=provider.openai_url) as proxy:
        found = exchanged(proxy, request("", "/v1/models", CLOSE, method="GET"))
        assert refusal(found)[1]["data"][0]["id"] == "big"
        assert proxy.recordings == ()


HEADER = {"protocol": "openai", "status": 200, "headers": [["content-type", "text/event-stream"], ["x-mine", "1"]]}


def cassette(*reads: Read, how: str = "complete", status: int = 200) -> Cassette:
    return Cassette("a.jsonl", {**HEADER, "status": status, "end": {"how": how, "at": 9.0}}, reads)


PLAYED = {
    "as fast as possible": (
        played(cassette(Read(0.5, b"a"), Read(1.5, b"b")), inf),
        [Head(200, "text/event-stream", (("x-mine", "1"),)), Frame(b"a"), Turn(), Frame(b"b")],
    ),
    "twice as fast": (
        played(cassette(Read(0.5, b"a"), Read(1.5, b"b"), Read(1.5, b"c")), 2.0),
        [
            Pause(0.25),
            Head(200, "text/event-stream", (("x-mine", "1"),)),
            Frame(b"a"),
            Pause(0.5),
            Frame(b"b"),
            Frame(b"c"),
        ],
    ),
    "no body": (played(cassette(), inf), [Head(200, "text/event-stream", (("x-mine", "1"),))]),
    "silence": (
        played(cassette(Read(0.5, b"a"), how="silent"), inf),
        [Head(200, "text/event-stream", (("x-mine", "1"),)), Frame(b"a"), Silence()],
    ),
    "broken at once": (played(cassette(how="broken"), inf), [Break("closed")]),
}


@pytest.mark.parametrize("case", PLAYED.values(), ids=PLAYED)
def test_a_recording_is_played_read_for_read(case: tuple[Iterator[Step], list[Step]]) -> None:
    steps, expected = case
    assert list(steps) == expected


def test_a_stream_that_is_none_is_passed_on_without_counting_its_deltas(tmp_path: Path) -> None:
    cassette(Read(0.0, b"data: {no\n\n"), Read(0.0, b"more")).dump(tmp_path / "a.jsonl")
    with ProviderServer(cassettes=tmp_path) as replay:
        assert b"data: {no\n\n" in exchanged(replay, request(None, CHAT, CLOSE))
        assert replay.requests[0].deltas_sent == 0


def test_a_replay_asks_nobody_for_its_models(tmp_path: Path) -> None:
    cassette(Read(0.0, b"a")).dump(tmp_path / "a.jsonl")
    with ProviderServer(cassettes=tmp_path, upstream="http://127.0.0.1:1", record="none", models=["big"]) as replay:
        found = exchanged(replay, request("", "/v1/models", CLOSE, method="GET"))
    assert refusal(found)[1]["data"][0]["id"] == "big"


@pytest.mark.parametrize("rest", [b"5\r\nab", b"nonsense\r\n"])
def test_an_answer_that_breaks_off_is_recorded_as_broken(rest: bytes) -> None:
    head = b"HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n"
    listening, url = silent_provider()
    with listening, ProviderServer(upstream=url) as proxy, connected(proxy) as client:
        client.sendall(request(None, CHAT, CLOSE))
        connection, _ = listening.accept()
        with connection:
            connection.sendall(head + rest)
            connection.shutdown(socket.SHUT_WR)
            found = everything(client)
            assert b"application/octet-stream" in found
            assert not found.endswith(b"0\r\n\r\n")
            assert [each.ending.how for each in proxy.recordings] == ["broken"]


def passed_on(data: bytes, answer: bytes) -> tuple[bytes, bytes]:
    """Return the request that a provider received from a proxy, and the answer that the client received."""
    listening, url = silent_provider()
    with listening, ProviderServer(upstream=url) as proxy, connected(proxy) as client:
        client.sendall(data)
        connection, _ = listening.accept()
        with connection:
            received = until(connection, b"\r\n\r\n")
            connection.sendall(answer)
            connection.shutdown(socket.SHUT_WR)
            return received, everything(client)


def test_the_path_and_the_headers_of_a_request_are_sent_as_they_are() -> None:
    target = "/v1/../files/a%2Fb|c//?key=%7e&x={1}"
    data = request("", target, "x-mine: 1", "x-mine: 2", "user-agent: me", CLOSE, method="PUT")
    received, _ = passed_on(data, b"HTTP/1.1 204 No Content\r\n\r\n")
    first, *lines = received.split(b"\r\n\r\n")[0].decode().split("\r\n")
    assert first == f"PUT {target} HTTP/1.1"
    names = [line.partition(":")[0] for line in lines]
    assert names == ["host", "accept-encoding", "connection", "content-length", "x-mine", "x-mine", "user-agent"]


def test_a_compressed_answer_and_repeated_headers_are_passed_on_as_they_are() -> None:
    head = (
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\nset-cookie: a=1\r\nset-cookie: b=2\r\ncontent-length: 3\r\n\r\n"
    )
    received, answer = passed_on(head_of(b"", "/v1/models", CLOSE, method="GET"), head + b"\x1f\x8b!")
    assert b"content-length" not in received
    assert answer.endswith(b"\r\n\r\n\x1f\x8b!")
    assert answer.count(b"set-cookie: ") == 2
    assert b"content-encoding: gzip" in answer


def test_an_answer_that_is_not_recorded_breaks_off_here_too() -> None:
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    _, answer = passed_on(request("", "/v1/models", CLOSE, method="GET"), head + b"5\r\nab")
    assert answer.endswith(b"\r\n2\r\nab\r\n")


def test_the_head_of_an_answer_is_passed_on_before_its_first_byte() -> None:
    listening, url = silent_provider()
    with listening, ProviderServer(upstream=url) as proxy, connected(proxy) as client:
        client.sendall(request())
        connection, _ = listening.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 9\r\n\r\n")
            assert b"200" in until(client, b"\r\n\r\n")


def test_a_server_that_passes_requests_on_needs_httpx2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx2", None)
    with pytest.raises(MissingExtraError, match=r"with an upstream need httpx2.*pytest-streamval\[live\]"):
        ProviderServer(upstream="https://api.openai.com")
    with ProviderServer(upstream="https://api.openai.com", cassettes=tmp_path, record="none") as replay:
        assert b"No recording answers" in exchanged(replay, request(None, CHAT, CLOSE))


WRONG = {
    "no address": ({"upstream": "nowhere"}, "It must be an address"),
    "half an address": ({"upstream": "http://[::1"}, "It must be an address"),
    "no port": ({"upstream": "http://127.0.0.1:99999"}, "It must be an address"),
    "a file": ({"cassettes": __file__}, "It must be a folder of recordings.*from_cassette"),
    "no folder": ({"cassettes": "nowhere"}, "an existing one without an upstream"),
    "no text": ({"upstream": 5}, "It must be an address"),
    "in the open": ({"upstream": "http://example.com"}, "begin with https"),
    "a mode that is none": ({"upstream": "http://localhost:1", "record": "maybe"}, "none, once, new, all"),
}


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG)
def test_what_is_no_upstream_is_refused(case: tuple[dict[str, object], str]) -> None:
    options, message = case
    with pytest.raises(InvalidArgumentError, match=message):
        ProviderServer(**options)


def test_a_server_has_scripts_or_a_provider() -> None:
    with pytest.raises(InvalidArgumentError, match="not both"):
        ProviderServer("One.", upstream="https://api.openai.com")


def test_many_streams_pass_through_at_once() -> None:
    async def main(proxy: ProviderServer) -> list[str | None]:
        outputs = [await asked(proxy, "openai", prompt=str(number)) for number in range(20)]
        return [await output.avalue() for output in outputs]

    def rule(request: ServedRequest) -> str:
        return f"Answer to {request.prompt}."

    with ProviderServer(rule) as provider, ProviderServer(upstream=provider.url) as proxy:
        assert asyncio.run(main(proxy)) == [f"Answer to {number}." for number in range(20)]
        assert len(proxy.recordings) == 20


def test_a_provider_is_reached_by_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    tls_context.cache_clear()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    body = b'data: {"choices": [{"index": 0, "delta": {"content": "Hi."}}]}\n\ndata: [DONE]\n\n'
    listening, url = silent_provider()
    with listening, ProviderServer(upstream=url.replace("http:", "https:")) as proxy, connected(proxy) as client:
        client.sendall(request(None, CHAT, CLOSE))
        plain, _ = listening.accept()
        with context.wrap_socket(plain, server_side=True) as connection:
            assert b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1" in until(connection, b"\r\n\r\n")
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
            assert body in everything(client)
        assert proxy.requests[0].deltas_sent == 1
        assert proxy.recordings[0].header["server"] == url.replace("http:", "https:")
    tls_context.cache_clear()


def test_a_certificate_that_nobody_vouches_for_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    tls_context.cache_clear()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    listening, url = silent_provider()
    with listening, ProviderServer(upstream=url.replace("http:", "https:")) as proxy, connected(proxy) as client:
        client.sendall(request(None, CHAT, CLOSE))
        plain, _ = listening.accept()
        with plain, pytest.raises(ssl.SSLError):
            context.wrap_socket(plain, server_side=True)
        status, report = refusal(everything(client))
    assert status == 502
    assert "SSLCertVerificationError" in report["error"]["message"]
