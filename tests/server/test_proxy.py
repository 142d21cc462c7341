"""A server between an application and a provider: it forwards, records, replays, cuts and damages."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from math import inf
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
    receive_until,
    request,
    wait_until,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_streamval.server import ServedRequest
    from pytest_streamval.server.actions import Action

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


@pytest.mark.usefixtures("same_second")
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


def recorded(folder: Path) -> dict[str, str]:
    """Return the text of each recording, and an empty text for any other file."""
    found = sorted(folder.iterdir())
    return {path.name: Script.from_cassette(path).text if path.suffix == ".jsonl" else "" for path in found}


@pytest.fixture
def old(tmp_path: Path) -> dict[str, str]:
    """Make recordings of three requests."""
    with ProviderServer("1.", "2.", "3.") as provider, ProviderServer(upstream=provider.url, cassettes=tmp_path) as it:
        for number in range(3):
            exchange(it, request({**BODY, "seed": number}, CHAT, CLOSE))
    assert list(recorded(tmp_path).values()) == ["2.", "3.", "1."]
    return recorded(tmp_path)


def test_recordings_stay_until_a_run_has_replaced_them(old: dict[str, str], tmp_path: Path) -> None:
    with ProviderServer("One.", "Two.") as provider:
        again = ProviderServer(upstream=provider.url, cassettes=tmp_path, record="all")
        assert recorded(tmp_path) == old
        with again:
            assert recorded(tmp_path) == old
            for number in range(2):
                exchange(again, request({**BODY, "seed": number}, CHAT, CLOSE))
                present = recorded(tmp_path)
                assert {name: present[name] for name in old} == old
                assert len(present) == len(old) + number + 1  # under a temporary name
        assert recorded(tmp_path) == {"stream.2.jsonl": "Two.", "stream.jsonl": "One."}


def run_fails(proxy: ProviderServer) -> None:
    with suppress(ZeroDivisionError), proxy:
        exchange(proxy, request(None, CHAT, CLOSE))
        _ = 1 / 0


def run_is_reported_as_failed(proxy: ProviderServer) -> None:
    proxy.start()
    exchange(proxy, request(None, CHAT, CLOSE))
    proxy.close(failed=True)
    proxy.close()


def requests_nothing(proxy: ProviderServer) -> None:
    with proxy:
        pass


def is_never_opened(proxy: ProviderServer) -> None:
    proxy.close()


@pytest.mark.parametrize("use", [run_fails, run_is_reported_as_failed, requests_nothing, is_never_opened])
def test_a_run_that_fails_leaves_the_old_recordings(use, old: dict[str, str], tmp_path: Path) -> None:
    with ProviderServer("One.", "Two.") as provider:
        use(ProviderServer(upstream=provider.url, cassettes=tmp_path, record="all"))
    assert recorded(tmp_path) == old


def test_a_provider_that_goes_away_leaves_the_old_recordings(old: dict[str, str], tmp_path: Path) -> None:
    with ProviderServer("One.") as provider:
        with ProviderServer(upstream=provider.url, cassettes=tmp_path, record="all") as proxy:
            assert exchange(proxy, request(None, CHAT, CLOSE)).startswith(b"HTTP/1.1 200")
            provider.close()
            assert exchange(proxy, request(None, CHAT, CLOSE)).startswith(b"HTTP/1.1 502")
        assert len(list(proxy.unmet())) == 1
    assert recorded(tmp_path) == old


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
