"""The hosts and the origins that a server answers."""

from __future__ import annotations

import pytest

from pytest_streamval import Delta, InvalidArgumentError, ProviderServer, Script, ToolCallDelta
from tests.server.clients import BODY, CHAT, CLOSE, exchange, parse
from tests.server.test_hostile_requests import LENGTH, post, raw

LOOPBACK = (
    *("localhost", "LOCALHOST", "localhost:1", "localhost.", "app.localhost", "a.b.localhost:80"),
    *("127.0.0.1", "127.0.0.1:8765", "127.1.2.3", "[::1]", "[::1]:8765", "[0:0:0:0:0:0:0:1]"),
)
FOREIGN = (
    *(
        "evil.test",
        "evil.test:80",
        "localhost.evil.test",
        "evil-localhost",
        "127.0.0.1.evil.test",
        "10.0.0.1",
    ),
    *("[::2]", "[::1", "::1", "", "a b", "user@localhost", "localhost/x", "localhost, localhost", "localhost:80:80"),
)
ORIGINS = (
    "http://localhost:3000",
    "https://localhost",
    "http://127.0.0.1:5173",
    "http://[::1]",
    "http://app.localhost",
)
FOREIGN_ORIGINS = (
    *("null", "https://evil.test", "http://evil.test:3000", "http://localhost.evil.test", "file://", "localhost", ""),
    *("http://localhost:3000/", "http://localhost@evil.test", "http://localhost, http://evil.test", "http://[", "://x"),
)


def answer_to(*headers: str, host: str = "127.0.0.1", **options: object) -> tuple[bytes, ProviderServer]:
    with ProviderServer("Hello.", **options) as server:
        return exchange(server, post(LENGTH, CLOSE, *headers, host=f"host: {host}")), server


@pytest.mark.parametrize("host", LOOPBACK)
def test_a_server_answers_to_every_name_of_this_machine(host: str) -> None:
    assert answer_to(host=host)[0].startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("host", FOREIGN)
def test_a_server_refuses_any_other_host_and_keeps_its_script(host: str) -> None:
    answer, server = answer_to(host=host)
    status, report = parse(answer)
    assert status == 403
    assert f"The host {host!r} is no name of this machine." in report["error"]["message"]
    assert "--allow-host" in report["error"]["message"]
    (entry,) = server.requests
    assert (entry.status, entry.path, entry.body, entry.deltas_sent, entry.finished) == (403, CHAT, BODY, 0, True)
    (unplayed,) = server.unmet()
    assert "Never played" in str(unplayed)


@pytest.mark.parametrize("origin", ORIGINS)
def test_a_page_on_this_machine_may_read_the_answer(origin: str) -> None:
    head = answer_to(f"origin: {origin}")[0].partition(b"\r\n\r\n")[0].decode()
    assert head.startswith("HTTP/1.1 200")
    assert f"\r\naccess-control-allow-origin: {origin}\r\n" in head
    assert "\r\nvary: origin\r\n" in head


@pytest.mark.parametrize("origin", FOREIGN_ORIGINS)
def test_any_other_page_is_refused_and_uses_no_script(origin: str) -> None:
    answer, server = answer_to(f"origin: {origin}")
    status, report = parse(answer)
    assert status == 403
    assert f"A page of the origin {origin!r} must not use this server." in report["error"]["message"]
    assert b"access-control" not in answer
    assert [(entry.status, entry.deltas_sent) for entry in server.requests] == [(403, 0)]
    assert len(list(server.unmet())) == 1


def test_a_request_without_an_origin_gets_no_headers_for_pages() -> None:
    assert b"access-control" not in answer_to()[0]


def test_a_page_on_this_machine_may_ask_before_it_sends_a_request() -> None:
    asking = raw(
        f"OPTIONS {CHAT} HTTP/1.1",
        "host: localhost",
        "origin: http://localhost:3000",
        "access-control-request-method: POST",
        "access-control-request-headers: authorization, x-own",
        "access-control-request-private-network: true",
        CLOSE,
        body=b"",
    )
    with ProviderServer("Hello.") as server:
        head = exchange(server, asking).decode()
        assert head.startswith("HTTP/1.1 204")
        assert "\r\naccess-control-allow-origin: http://localhost:3000\r\n" in head
        assert "POST" in head.partition("access-control-allow-methods: ")[2].partition("\r\n")[0]
        assert "\r\naccess-control-allow-headers: authorization, x-own\r\n" in head
        assert "\r\naccess-control-allow-private-network: true\r\n" in head
        assert exchange(server, asking.replace(b"localhost:3000", b"evil.test")).startswith(b"HTTP/1.1 403")
        assert exchange(server, post(LENGTH, CLOSE, "origin: http://localhost:3000")).startswith(b"HTTP/1.1 200")


def test_a_server_answers_the_names_and_pages_that_are_allowed() -> None:
    options = {"allow_hosts": ["model.test", "[fe80::1]"], "allow_origins": ["https://app.test"]}
    assert answer_to(host="MODEL.test:80", **options)[0].startswith(b"HTTP/1.1 200")
    assert answer_to(host="[fe80::1]", **options)[0].startswith(b"HTTP/1.1 200")
    assert answer_to(host="other.test", **options)[0].startswith(b"HTTP/1.1 403")
    assert answer_to("origin: https://app.test", **options)[0].startswith(b"HTTP/1.1 200")
    assert answer_to("origin: http://app.test", **options)[0].startswith(b"HTTP/1.1 403")
    everything = {"allow_hosts": ["*"], "allow_origins": ["*"]}
    assert answer_to("origin: null", host="evil.test", **everything)[0].startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "options",
    [
        *({"allow_hosts": each} for each in ("app.test", ["http://app.test"], ["app.test:80"], [""], [5], 5)),
        *({"allow_origins": each} for each in ("https://app.test", ["app.test"], ["https://a.b/"], ["http://["], [5])),
    ],
    ids=str,
)
def test_an_invalid_list_of_names_is_rejected(options: dict[str, object]) -> None:
    with pytest.raises(InvalidArgumentError, match="allow_"):
        ProviderServer("Hello.", **options)


def test_a_page_on_this_machine_may_read_the_error_of_a_script() -> None:
    script = Script.of(Delta(tool_calls=(ToolCallDelta(0, "call_1", "f", "no JSON"),)))
    with ProviderServer(script) as server:
        body = b'{"model": "m", "messages": []}'
        lines = ("host: 127.0.0.1", f"content-length: {len(body)}", "origin: http://localhost:5173", CLOSE)
        answer = exchange(server, raw("POST /v1/messages HTTP/1.1", *lines, body=body))
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert b"\r\naccess-control-allow-origin: http://localhost:5173\r\n" in answer
