"""Chat completions that were stored: retrieved, listed, changed and deleted."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from pytest_streamval import (
    Delta,
    ProviderServer,
    ProviderStatusError,
    Raise,
    Script,
    Stall,
    ToolCallDelta,
    Usage,
    faults,
)
from tests.server.clients import CLOSE, connect, exchange, parse, receive_until, request

PATH = "/v1/chat/completions"
MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "file", "file": {"file_id": "f"}}]},
    {"role": "assistant", "content": "Hello."},
    {"role": "user", "name": "Ann", "content": "Go."},
]


def ask(server: ProviderServer, **body: Any) -> bytes:
    asked = {"model": "m", "messages": MESSAGES, "store": True, **body}
    return exchange(server, request(asked, PATH, CLOSE))


def send(server: ProviderServer, method: str, path: str = "", body: object = None) -> tuple[int, Any]:
    return parse(exchange(server, request(body or {}, f"{PATH}{path}", CLOSE, method=method)))


def names(found: tuple[int, Any]) -> list[str]:
    assert found[0] == 200
    return [each["id"] for each in found[1]["data"]]


def test_a_stored_completion_is_sent_again_as_it_was() -> None:
    call = Delta(tool_calls=(ToolCallDelta(0, "c1", "f", '{"a":1}'),))
    with ProviderServer(Script.of("One.", call, Delta(usage=Usage(3, 4))), "Two.", strict=True) as server:
        sent = parse(ask(server, temperature=0.5))[1]
        status, found = send(server, "GET", f"/{sent['id']}")
        assert status == 200
        assert {name: found[name] for name in sent} == sent
        assert (found["temperature"], found["top_p"], found["metadata"]) == (0.5, 1.0, {})
        assert found["request_id"] == "req_1"
        assert send(server, "GET", f"/{sent['id']}")[1] == found
        assert server.requests[-1].protocol is None
        assert parse(ask(server))[1]["choices"][0]["message"]["content"] == "Two."


def test_a_completion_that_was_streamed_is_stored_whole() -> None:
    with ProviderServer(Script.of("One ", "two.")) as server:
        assert b"data: [DONE]" in ask(server, stream=True)
        body = send(server, "GET", "/chatcmpl-1")[1]
        assert (body["object"], body["choices"][0]["message"]["content"]) == ("chat.completion", "One two.")


@pytest.mark.parametrize("store", [False, None, "yes"])
def test_a_completion_that_is_not_stored_is_unknown_later(store: object) -> None:
    with ProviderServer("One.") as server:
        ident = parse(ask(server, store=store))[1]["id"]
        for method, part in [("GET", ""), ("POST", ""), ("DELETE", ""), ("GET", "/messages")]:
            status, body = send(server, method, f"/{ident}{part}", {"metadata": {}})
            assert (status, body["error"]["type"]) == (404, "invalid_request_error")
            assert f"Chat completion with id '{ident}' not found." in body["error"]["message"]
        assert names(send(server, "GET")) == []
        assert list(server.unmet()) == []


@pytest.mark.parametrize(
    "failing",
    [
        faults.server_error(),
        faults.rate_limited(0),
        Script.of(Raise(ProviderStatusError("openai", "u", 429, "slow", 3.0))),
    ],
    ids=["a server error", "a limited rate", "a scripted error"],
)
def test_an_error_is_no_stored_completion(failing: Any) -> None:
    with ProviderServer(failing, "One.") as server:
        assert b"200 OK" not in ask(server)
        ask(server)
        assert names(send(server, "GET")) == ["chatcmpl-2"]


def test_a_deleted_completion_is_gone() -> None:
    with ProviderServer("One.", "Two.") as server:
        ask(server)
        ask(server)
        deleted = {"id": "chatcmpl-1", "object": "chat.completion.deleted", "deleted": True}
        assert send(server, "DELETE", "/chatcmpl-1") == (200, deleted)
        assert send(server, "DELETE", "/chatcmpl-1")[0] == 404
        assert names(send(server, "GET")) == ["chatcmpl-2"]


def test_the_metadata_of_a_completion_is_changed() -> None:
    with ProviderServer("One.") as server:
        ask(server, metadata={"user": "ann"})
        assert send(server, "GET", "/chatcmpl-1")[1]["metadata"] == {"user": "ann"}
        changed = send(server, "POST", "/chatcmpl-1", {"metadata": {"user": "bob"}})
        assert (changed[0], changed[1]["metadata"]) == (200, {"user": "bob"})
        assert send(server, "GET", "/chatcmpl-1")[1] == changed[1]
        for wrong, words in [(["a"], "'metadata'"), ({"a": 1}, "'metadata.a'"), ({"a": "b" * 513}, "512")]:
            status, body = send(server, "POST", "/chatcmpl-1", {"metadata": wrong})
            assert status == 400
            assert words in body["error"]["message"]
        assert send(server, "POST", "/chatcmpl-1", {"metadata": None})[1]["metadata"] == {}
        assert send(server, "POST", "/chatcmpl-1", ["a"])[0] == 400


def test_completions_are_listed_by_model_and_metadata() -> None:
    with ProviderServer(lambda _: "One.") as server:
        ask(server, metadata={"a b": "é"})
        ask(server, model="n", metadata={"a b": "é"})
        ask(server, model="n")
        assert names(send(server, "GET")) == ["chatcmpl-1", "chatcmpl-2", "chatcmpl-3"]
        assert names(send(server, "GET", "?model=n")) == ["chatcmpl-2", "chatcmpl-3"]
        metadata = f"{quote('metadata[a b]')}={quote('é')}"
        assert names(send(server, "GET", f"?{metadata}")) == ["chatcmpl-1", "chatcmpl-2"]
        assert names(send(server, "GET", f"?model=n&{metadata}")) == ["chatcmpl-2"]
        assert names(send(server, "GET", "?metadata[a b]=".replace(" ", "%20"))) == []


def test_a_list_of_completions_comes_in_pages() -> None:
    with ProviderServer(lambda _: "One.") as server:
        for _ in range(5):
            ask(server)
        first = send(server, "GET", "?limit=2")[1]
        assert (first["object"], first["first_id"], first["last_id"]) == ("list", "chatcmpl-1", "chatcmpl-2")
        assert first["has_more"] is True
        last = send(server, "GET", "?limit=2&after=chatcmpl-4")[1]
        assert ([each["id"] for each in last["data"]], last["has_more"]) == (["chatcmpl-5"], False)
        assert names(send(server, "GET", "?limit=2&order=desc")) == ["chatcmpl-5", "chatcmpl-4"]
        assert send(server, "GET", "?limit=0")[0] == 400


def test_a_completion_has_the_messages_of_its_request() -> None:
    with ProviderServer("One.") as server:
        ask(server)
        body = send(server, "GET", "/chatcmpl-1/messages")[1]
        assert [each["id"] for each in body["data"]] == [f"chatcmpl-1-{place}" for place in range(4)]
        assert [each["content"] for each in body["data"]] == ["Be brief.", None, "Hello.", "Go."]
        assert body["data"][1]["content_parts"] == [{"type": "text", "text": "Hi"}]
        assert [each["name"] for each in body["data"]] == [None, None, None, "Ann"]
        assert names(send(server, "GET", "/chatcmpl-1/messages?limit=1&order=desc")) == ["chatcmpl-1-3"]
        assert send(server, "POST", "/chatcmpl-1/messages")[0] == 405


def test_a_completion_can_be_retrieved_while_it_is_streamed() -> None:
    with ProviderServer(Script.of("One.", Stall()), "Two.") as server:
        body = {"model": "m", "messages": MESSAGES, "store": True, "stream": True}
        with connect(server) as client:
            client.sendall(request(body, PATH))
            receive_until(client, b"One.")
            assert send(server, "GET", "/chatcmpl-1")[0] == 200


@pytest.mark.parametrize("prefix", ["", "/openai/v1", "/api/v1"])
def test_stored_completions_are_at_the_paths_of_other_providers(prefix: str) -> None:
    with ProviderServer("One.") as server:
        ask(server)
        for path in ("", "/chatcmpl-1", "/chatcmpl-1/messages"):
            found = parse(exchange(server, request({}, f"{prefix}/chat/completions{path}", CLOSE, method="GET")))
            assert found[0] == 200


def test_a_server_forgets_the_oldest_completions() -> None:
    with ProviderServer(lambda _: "One.") as server:
        for _ in range(101):
            ask(server)
        assert send(server, "GET", "/chatcmpl-1")[0] == 404
        assert len(names(send(server, "GET", "?limit=100"))) == 100


def test_a_proxy_leaves_stored_completions_to_its_provider() -> None:
    with (
        ProviderServer("One.") as provider,
        ProviderServer(upstream=f"http://127.0.0.1:{provider.port}") as proxy,
    ):
        ask(proxy)
        assert names(send(proxy, "GET")) == ["chatcmpl-1"]
        assert send(proxy, "DELETE", "/chatcmpl-1")[0] == 200
        assert names(send(provider, "GET")) == []
