"""Responses of OpenAI's Responses API that were stored: retrieved, named by later requests, cancelled and deleted."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_streamval import ProviderServer, Script
from tests.server.clients import CLOSE, exchange, parse, request

PATH = "/v1/responses"
ITEMS = [
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello."},
    {"type": "function_call", "id": "fc_7", "call_id": "c1", "name": "f", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c1", "output": "18"},
    {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Go."}]},
]


def ask(server: ProviderServer, **body: Any) -> tuple[int, Any]:
    return parse(exchange(server, request({"model": "m", "input": "Hi", **body}, PATH, CLOSE)))


def send(server: ProviderServer, method: str, path: str) -> tuple[int, Any]:
    return parse(exchange(server, request({}, f"{PATH}/{path}", CLOSE, method=method)))


def test_a_strict_server_knows_the_responses_that_it_sent() -> None:
    with ProviderServer("One.", "Two.", "Three.", strict=True) as server:
        ident = ask(server)[1]["id"]
        output = {"type": "function_call_output", "call_id": "c1", "output": "18"}
        for given in ("Hi", [output]):
            status, body = ask(server, input=given, previous_response_id=ident)
            assert (status, body["previous_response_id"]) == (200, ident)
            ident = body["id"]


@pytest.mark.parametrize("ident", ["resp_nothing", "resp_2", "x" * 1_000])
def test_a_strict_server_refuses_an_unknown_previous_response(ident: str) -> None:
    with ProviderServer("One.", strict=True) as server:
        ask(server)
        status, body = ask(server, previous_response_id=ident)
        assert status == 400
        assert body["error"]["code"] == "previous_response_not_found"
        assert body["error"]["param"] == "previous_response_id"
        assert body["error"]["type"] == "invalid_request_error"
        assert f"Previous response with id '{ident[:80]}' not found." in body["error"]["message"]
        assert "https://" in body["error"]["message"]


def test_a_response_that_is_not_stored_or_deleted_is_unknown_later() -> None:
    with ProviderServer("One.", "Two.", strict=True) as server:
        unstored = ask(server, store=False)[1]["id"]
        deleted = ask(server)[1]["id"]
        assert send(server, "DELETE", deleted) == (200, {"id": deleted, "object": "response", "deleted": True})
        assert send(server, "GET", deleted)[0] == 404
        for ident in (unstored, deleted):
            assert ask(server, previous_response_id=ident)[0] == 400


def test_a_lenient_server_warns_of_an_unknown_previous_response() -> None:
    with ProviderServer("One.") as server:
        assert ask(server, previous_response_id="resp_9")[0] == 200
        assert "resp_9" in server.requests[0].warnings[0]


def test_a_proxy_leaves_the_previous_response_to_its_provider() -> None:
    with (
        ProviderServer("One.") as provider,
        ProviderServer(upstream=f"http://127.0.0.1:{provider.port}", strict=True) as proxy,
    ):
        body = {"model": "m", "input": "Hi", "previous_response_id": "resp_9"}
        assert b" 200 OK" in exchange(proxy, request(body, PATH, CLOSE))
        assert proxy.requests[0].warnings == ()


def test_only_a_response_in_the_background_can_be_cancelled() -> None:
    with ProviderServer("One.", "Two.") as server:
        ask(server)
        ask(server, background=True)
        status, body = send(server, "POST", "resp_1/cancel")
        assert (status, body["error"]["message"]) == (400, "Cannot cancel a synchronous response.")
        status, body = send(server, "POST", "resp_2/cancel")
        assert (status, body["id"], body["status"]) == (200, "resp_2", "completed")
        status, body = send(server, "POST", "resp_3/cancel")
        assert (status, body["error"]["message"]) == (404, "Response with id 'resp_3' not found.")
        assert send(server, "GET", "resp_2/cancel")[0] == 405
        assert list(server.unmet()) == []


def test_a_response_has_the_items_of_its_input() -> None:
    with ProviderServer("One.", "Two.") as server:
        ask(server, input=ITEMS)
        status, body = send(server, "GET", "resp_1/input_items?order=asc")
        assert status == 200
        assert [item["type"] for item in body["data"]] == [
            "message",
            "message",
            "function_call",
            "function_call_output",
            "message",
        ]
        assert [item["id"] for item in body["data"]] == ["msg_in_1_0", "msg_in_1_1", "fc_7", "fc_in_1_3", "msg_in_1_4"]
        assert body["data"][0]["content"] == [{"type": "input_text", "text": "Hi"}]
        assert body["data"][1]["content"] == [{"type": "output_text", "text": "Hello."}]
        assert (body["object"], body["has_more"]) == ("list", False)
        assert (body["first_id"], body["last_id"]) == ("msg_in_1_0", "msg_in_1_4")
        ident = ask(server)[1]["id"]
        assert send(server, "GET", f"{ident}/input_items")[1]["data"][0]["content"][0]["text"] == "Hi"


def test_the_items_of_an_input_come_in_pages() -> None:
    with ProviderServer(Script.of("One.")) as server:
        ask(server, input=ITEMS)
        found, after = [], ""
        for _ in range(3):
            body = send(server, "GET", f"resp_1/input_items?limit=2{after}")[1]
            found += [item["id"] for item in body["data"]]
            after = f"&after={body['last_id']}"
        assert found == ["msg_in_1_4", "fc_in_1_3", "fc_7", "msg_in_1_1", "msg_in_1_0"]
        assert body["has_more"] is False
        for limit in ("0", "101", "x", "9" * 5_000):
            assert send(server, "GET", f"resp_1/input_items?limit={limit}")[0] == 400
        body = send(server, "GET", f"resp_1/input_items?order=desc{after}")[1]
        assert (body["data"], body["first_id"], body["last_id"]) == ([], None, None)


def test_a_server_forgets_the_oldest_responses_but_not_their_names() -> None:
    with ProviderServer(lambda _: "One.", strict=True) as server:
        for _ in range(101):
            ask(server)
        assert send(server, "GET", "resp_1")[0] == 404
        assert ask(server, previous_response_id="resp_1")[0] == 200
