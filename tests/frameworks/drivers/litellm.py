"""LiteLLM: its function for chats, with a model of each protocol. The caller runs the tools."""

from __future__ import annotations

import json
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import litellm

from tests.frameworks.city import City
from tests.frameworks.driver import PROMPT, TOOL, Call, Driver, weather

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

litellm.telemetry = False
litellm.suppress_debug_info = True

_PREFIXES = {
    "openai": "openai",
    "openai-responses": "openai/responses",
    "anthropic": "anthropic",
    "gemini": "gemini",
    "ollama": "ollama_chat",
}


class LiteLLM(Driver):
    """`litellm.acompletion` with a model."""

    framework = "litellm"

    async def _complete(self, call: Call, messages: list[Any], **options: Any) -> Any:
        if call.thinks:
            options["reasoning_effort"] = "low"
        if call.thinks and self.protocol == "openai-responses":
            options |= {"include": ["reasoning.encrypted_content"], "store": False}
        if call.tools:
            options["tools"] = [TOOL]
        return await litellm.acompletion(
            model=f"{_PREFIXES[self.protocol]}/{call.model}",
            api_base=f"{call.url}/v1beta" if self.protocol == "gemini" else call.url,
            api_key="none",
            messages=messages,
            timeout=call.seconds,
            **options,
        )

    async def stream(self, call: Call) -> AsyncIterator[str]:
        messages: list[Any] = [{"role": "user", "content": PROMPT}]
        while messages[-1]["role"] != "assistant":
            stream = await self._complete(call, messages, stream=True, stream_options={"include_usage": True})
            chunks = []
            async with aclosing(stream):
                async for chunk in stream:
                    chunks.append(chunk)
                    for choice in chunk.choices:
                        if choice.delta.content:
                            yield choice.delta.content
            if chunks:
                messages += _turn(call, litellm.stream_chunk_builder(chunks, messages))
            else:
                return

    async def whole(self, call: Call) -> str:
        messages: list[Any] = [{"role": "user", "content": PROMPT}]
        while messages[-1]["role"] != "assistant":
            messages += _turn(call, await self._complete(call, messages))
        return messages[-1]["content"] or ""

    async def structured(self, call: Call) -> tuple[str, int]:
        messages = [{"role": "user", "content": PROMPT}]
        response = await self._complete(call, messages, response_format=City)
        city = City.model_validate_json(response.choices[0].message.content)
        return city.name, city.population


def _turn(call: Call, response: Any) -> list[dict[str, Any]]:
    """Return the message of a response, and the results of its tool calls."""
    message = response.choices[0].message
    call.received.thoughts.append(getattr(message, "reasoning_content", None) or "")
    call.count(response.usage.prompt_tokens, response.usage.completion_tokens)
    results = [
        {"role": "tool", "tool_call_id": each.id, "content": weather(**json.loads(each.function.arguments))}
        for each in message.tool_calls or []
    ]
    return [message.model_dump(), *results]


DRIVERS = [LiteLLM(f"acompletion({prefix + '/…'!r})", protocol) for protocol, prefix in _PREFIXES.items()]
