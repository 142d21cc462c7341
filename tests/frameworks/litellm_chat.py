"""Chats with LiteLLM, by its function or by its proxy: the names of its models, and a turn with tools."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.frameworks.driver import weather

if TYPE_CHECKING:
    from tests.frameworks.driver import Call

PREFIXES = {
    "openai": "openai",
    "openai-responses": "openai/responses",
    "anthropic": "anthropic",
    "gemini": "gemini",
    "ollama": "ollama_chat",
}
"""LiteLLM's prefix of the models of each protocol."""


def address_of(call: Call) -> str:
    """Return the address that LiteLLM needs for the provider of a call."""
    return f"{call.url}/v1beta" if call.protocol == "gemini" else call.url


def thinking_options(call: Call) -> dict[str, Any]:
    """Return the options that OpenAI's responses need besides the effort, so that thinking has its signature."""
    signed = call.thinks and call.protocol == "openai-responses"
    return {"include": ["reasoning.encrypted_content"], "store": False} if signed else {}


def chat_turn(call: Call, completion: Any) -> list[dict[str, Any]]:
    """Return the message of a completion, and the results of its tool calls. Note its thinking and its usage."""
    message = completion.choices[0].message
    call.received.thoughts.append(getattr(message, "reasoning_content", None) or "")
    call.count(completion.usage.prompt_tokens, completion.usage.completion_tokens)
    results = [
        {"role": "tool", "tool_call_id": each.id, "content": weather(**json.loads(each.function.arguments))}
        for each in message.tool_calls or []
    ]
    return [message.model_dump(exclude_none=True), *results]
