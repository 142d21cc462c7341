"""The server's own path, which gives the journal to test authors in other languages."""

from __future__ import annotations

import json
from typing import Any

from pytest_streamval import ProviderServer, Script, Stall
from tests.server.clients import (
    BODY,
    CHAT,
    CLOSE,
    connect,
    exchange,
    get,
    parse,
    receive_until,
    request,
    request_head,
)

PATH = "/__streamval/requests"


def journal(server: ProviderServer) -> list[dict[str, Any]]:
    status, answer = parse(get(server, PATH))
    assert status == 200
    found: list[dict[str, Any]] = answer["requests"]
    return found


def test_the_journal_is_json_without_secrets() -> None:
    key = "planted-secret-1"
    body = {**BODY, "api_key": key, "messages": [{"role": "user", "content": f"My key is {key}"}]}
    with ProviderServer("Hi.") as server:
        assert journal(server) == []
        exchange(server, request(body, f"{CHAT}?key={key}", f"Authorization: Bearer {key}", CLOSE))
        response = get(server, PATH)
        (entry,) = parse(response)[1]["requests"]
    assert key.encode() not in response
    assert (entry["number"], entry["method"], entry["protocol"], entry["status"]) == (0, "POST", "openai", 200)
    assert (entry["outcome"], entry["deltas_sent"], entry["refusal"], entry["warnings"]) == ("finished", 3, "", [])
    assert entry["body"]["model"] == "m"
    assert entry["prompt"].startswith("My key is ")
    assert entry["peer"].startswith("127.0.0.1:")


def test_requests_for_the_journal_are_not_in_it() -> None:
    with ProviderServer(Script.of("One ", Stall())) as server:
        with connect(server) as client:
            client.sendall(request())
            receive_until(client, b"One")
            assert [entry["outcome"] for entry in journal(server)] == ["open"]
        assert len(server.requests) == 1


def test_the_journal_has_the_numbers_of_the_requests_that_it_keeps() -> None:
    with ProviderServer(lambda _: "Hi.", journal_limit=0) as server:
        for _ in range(3):
            exchange(server, request(None, CHAT, CLOSE))
        assert [entry["number"] for entry in journal(server)] == [2]


def test_the_journal_has_bodies_of_any_form() -> None:
    with ProviderServer("Hi.") as server:
        for data in (b"no JSON \xff", b'"\\ud800"', b"[NaN]", b'{"a": ' + b"[" * 700 + b"]" * 700 + b"}"):
            exchange(server, request_head(data, CHAT, CLOSE) + data)
        assert len(journal(server)) == 4


def test_the_journal_is_read_only() -> None:
    with ProviderServer("Hi.") as server:
        assert b"405" in exchange(server, request({}, PATH, CLOSE)).split(b"\r\n")[0]
        assert b"404" in get(server, "/__streamval/other").split(b"\r\n")[0]
        head = exchange(server, request("", PATH, CLOSE, method="HEAD"))
        assert head.split(b"\r\n")[0].endswith(b"200 OK")
        assert (
            b"403"
            in exchange(server, request("", PATH, "origin: https://evil.test", CLOSE, method="GET")).split(b"\r\n")[0]
        )
        assert server.requests[0].status == 403
        assert list(server.unmet()) != []  # its script is still there


def test_a_proxy_has_a_journal_too() -> None:
    with ProviderServer("Hi.") as real, ProviderServer(upstream=real.url) as server:
        exchange(server, request(None, CHAT, CLOSE))
        assert [entry["status"] for entry in journal(server)] == [200]
        assert len(real.requests) == 1


def test_a_refused_request_has_its_reason() -> None:
    with ProviderServer() as server:
        exchange(server, request(None, CHAT, CLOSE))
        exchange(server, request(None, "/nowhere", CLOSE))
        exchange(server, request(None, CHAT, "origin: https://evil.test", CLOSE))
        reasons = [entry["refusal"] for entry in journal(server)]
    assert "no script" in reasons[0]
    assert "There is nothing at POST /nowhere" in reasons[1]
    assert "must not use this server" in reasons[2]
    assert json.dumps(reasons)
