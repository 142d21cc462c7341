"""The assertion about the results of tools, in all protocols."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_streamval import ProviderServer
from pytest_streamval.errors import CheckFailedError
from pytest_streamval.server.tool_results import tool_results
from tests.server.clients import CHAT, CLOSE, exchange, request

BLOCK = {"type": "tool_result", "tool_use_id": "call_1", "content": "a.txt"}
RESPONSE = {"id": "call_1", "name": "ls", "response": {"output": "a.txt"}}
RESULTS: dict[str, Any] = {
    "chat": {"messages": [{"role": "tool", "tool_call_id": "call_1", "content": "a.txt"}]},
    "chat with parts": {
        "messages": [{"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "a.txt"}]}]
    },
    "responses": {"input": [{"type": "function_call_output", "call_id": "call_1", "output": "a.txt"}]},
    "responses with parts": {
        "input": [
            {"type": "function_call_output", "call_id": "call_1", "output": [{"type": "input_text", "text": "a.txt"}]}
        ]
    },
    "responses with a custom tool": {
        "input": [{"type": "custom_tool_call_output", "call_id": "call_1", "output": "a.txt"}]
    },
    "messages": {"messages": [{"role": "user", "content": [BLOCK]}]},
    "messages with blocks": {
        "messages": [{"role": "user", "content": [{**BLOCK, "content": [{"type": "text", "text": "a.txt"}]}]}]
    },
    "gemini": {"contents": [{"parts": [{"functionResponse": RESPONSE}]}]},
    "gemini without an id": {
        "contents": {"parts": {"function_response": {"name": "call_1", "response": {"result": "a.txt"}}}}
    },
    "ollama": {"messages": [{"role": "tool", "tool_name": "call_1", "content": "a.txt"}]},
}


@pytest.mark.parametrize("body", RESULTS.values(), ids=RESULTS)
def test_the_result_of_a_tool_is_found_in_every_protocol(body: dict[str, Any]) -> None:
    (result,) = tool_results(body)
    assert "call_1" in result.names
    assert result.text == "a.txt"


ODD = [
    None,
    5,
    [],
    {"messages": 5},
    {"messages": [5, {"role": "tool"}]},
    {"contents": [{"parts": [{"functionResponse": 5}]}]},
]


@pytest.mark.parametrize("body", ODD)
def test_a_body_of_any_form_has_results_or_none(body: object) -> None:
    assert [result.text for result in tool_results(body)] in ([], [""])


def test_a_result_that_is_an_object_becomes_json() -> None:
    body = {"contents": [{"parts": [{"functionResponse": {"name": "add", "response": {"a": 1, "b": "ü"}}}]}]}
    assert [result.text for result in tool_results(body)] == ['{"a":1,"b":"ü"}']


def test_assert_tool_result_returns_the_request_and_names_the_results_that_are_there() -> None:
    second = {
        "messages": [*RESULTS["chat"]["messages"], {"role": "tool", "tool_call_id": "call_2", "content": "b.txt"}]
    }
    with ProviderServer(lambda request: "Hello.") as server:
        with pytest.raises(CheckFailedError, match="There is no result of a tool in its requests"):
            server.assert_tool_result("call_1", "a.txt")
        for body in ({"messages": []}, second):
            exchange(server, request(body, CHAT, CLOSE))
        assert server.assert_tool_result("call_1", "a.txt") is server.requests[1]
        assert server.assert_tool_result("call_2", "b") is server.requests[1]
        with pytest.raises(CheckFailedError) as caught:
            server.assert_tool_result("call_1", "b.txt")
    message = str(caught.value)
    assert "No request has the result of the call 'call_1' with 'b.txt'." in message
    assert "requests[1]: call_1 gave 'a.txt'" in message
    assert "requests[1]: call_2 gave 'b.txt'" in message


def test_assert_tool_result_shows_no_secret() -> None:
    body = {"messages": [{"role": "tool", "tool_call_id": "call_1", "content": "planted-secret-1"}]}
    with ProviderServer("Hello.") as server:
        exchange(server, request(body, CHAT, "Authorization: Bearer planted-secret-1", CLOSE))
        with pytest.raises(CheckFailedError) as caught:
            server.assert_tool_result("call_1", "a.txt")
    assert "planted-secret-1" not in str(caught.value)
