"""The results of tools in the requests of all protocols."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pytest_streamval.errors import missing_tool_result_error
from pytest_streamval.wire.json_values import json_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_streamval.server.journal import ServedRequest


class ToolResult(NamedTuple):
    """The result of a tool in a request."""

    names: tuple[str, ...]
    """The id of the call and, if the protocol has no ids, the name of the tool."""
    text: str
    """The result as a text."""


def tool_results(body: object) -> Iterator[ToolResult]:
    """Yield the results of tools in the body of a request of any protocol."""
    fields = body if isinstance(body, dict) else {}
    for name in ("messages", "input", "contents"):
        for message in _dicts(fields.get(name)):
            yield from _results_in(message)


def _results_in(message: dict[str, object]) -> Iterator[ToolResult]:
    if message.get("role") == "tool":  # chat completions and Ollama
        yield ToolResult(_names(message, "tool_call_id", "tool_name", "name"), _text(message.get("content")))
    elif message.get("type") in ("function_call_output", "custom_tool_call_output"):
        yield ToolResult(_names(message, "call_id"), _text(message.get("output")))
    for block in _dicts(message.get("content")):
        if block.get("type") == "tool_result":
            yield ToolResult(_names(block, "tool_use_id"), _text(block.get("content")))
    for part in _dicts(message.get("parts")):
        found = part.get("functionResponse", part.get("function_response"))
        if isinstance(found, dict):
            yield ToolResult(_names(found, "id", "name"), _text(found.get("response")))


def _dicts(value: object) -> Iterator[dict[str, object]]:
    listed = [value] if isinstance(value, dict) else value if isinstance(value, list) else []
    yield from (each for each in listed if isinstance(each, dict))


def _names(found: dict[str, object], *fields: str) -> tuple[str, ...]:
    return tuple(value for field in fields if isinstance(value := found.get(field), str))


def _text(value: object) -> str:
    """Return a result as a text: that of its parts, or its JSON. An object with one text is this text."""
    if isinstance(value, str):
        return value
    texts = [part["text"] for part in _dicts(value) if isinstance(part.get("text"), str)]
    if isinstance(value, list) and texts:
        return "".join(map(str, texts))
    if isinstance(value, dict) and len(value) == 1 and isinstance(only := next(iter(value.values())), str):
        return only
    return "" if value is None else json_text(value)


def request_with_result(requests: Iterable[ServedRequest], call_id: str, text: str) -> ServedRequest:
    """Return the first request that brings the result of a call.

    Args:
        requests: All requests.
        call_id: The id of the call, or the name of its tool.
        text: A part of the result.

    Raises:
        CheckFailedError: An `AssertionError`. If there is no such request.
    """
    __tracebackhide__ = True
    found: list[tuple[str, str, str]] = []
    for number, request in enumerate(requests):
        for names, result in tool_results(request.body):
            if call_id in names and text in result:
                return request
            found.append((f"requests[{number}]", ", ".join(names), request.shown(result)))
    raise missing_tool_result_error(call_id, text, found)
