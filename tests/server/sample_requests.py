"""Requests to all providers, and their parts."""

from __future__ import annotations

from typing import Any, NamedTuple

CHAT, RESPONSES, MESSAGES = "/v1/chat/completions", "/v1/responses", "/v1/messages"
GEMINI, OLLAMA, GENERATE = "/v1beta/models/m:generateContent", "/api/chat", "/api/generate"
GEMINI_3 = "/v1beta/models/gemini-3-pro:generateContent"

USER = {"role": "user", "content": "Hi"}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}
OPEN_SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
PARTLY_REQUIRED = {**SCHEMA, "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}}
NESTED = {**SCHEMA, "properties": {"a": {"type": "array", "items": OPEN_SCHEMA}}}

CALL = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
ASSISTANT = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "3"}
TOOL = {"type": "function", "function": {"name": "add", "parameters": SCHEMA}}

ITEM = {"type": "function_call", "call_id": "call_1", "name": "add", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "call_1", "output": "3"}
FUNCTION = {"type": "function", "name": "add", "parameters": SCHEMA}

USE = {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "add", "input": {}}]}
USED = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "3"}]}
CUSTOM = {"name": "add", "input_schema": SCHEMA}

TEXT = {"role": "user", "parts": [{"text": "Hi"}]}
MODEL_CALL = {"role": "model", "parts": [{"functionCall": {"name": "add", "args": {}}}]}
MODEL_RESULT = {"role": "user", "parts": [{"functionResponse": {"name": "add", "response": {}}}]}
DECLARATION = {"functionDeclarations": [{"name": "add"}]}


class Request(NamedTuple):
    """A request, and the words with which it is refused, empty if it is accepted."""

    path: str
    body: dict[str, Any]
    words: str = ""


def chat(words: str = "", **fields: Any) -> Request:
    return Request(CHAT, without_none({"model": "m", "messages": [USER], **fields}), words)


def responses(words: str = "", **fields: Any) -> Request:
    return Request(RESPONSES, without_none({"model": "m", "input": "Hi", **fields}), words)


def messages(words: str = "", **fields: Any) -> Request:
    return Request(MESSAGES, without_none({"model": "m", "max_tokens": 2_000, "messages": [USER], **fields}), words)


def gemini(words: str = "", path: str = GEMINI, **fields: Any) -> Request:
    return Request(path, without_none({"contents": [TEXT], **fields}), words)


def ollama(words: str = "", path: str = OLLAMA, **fields: Any) -> Request:
    return Request(path, without_none({"model": "m", "stream": False, **fields}), words)


def without_none(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if value is not None}


def strict_format(schema: object) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "a", "strict": True, "schema": schema}}
