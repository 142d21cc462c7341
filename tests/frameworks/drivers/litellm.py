"""LiteLLM: its function for chats, with a model of each protocol. The caller runs the tools."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import litellm

from tests.frameworks.city import City
from tests.frameworks.driver import PROMPT, TOOL, Call, Driver
from tests.frameworks.litellm_chat import PREFIXES, address_of, chat_turn, thinking_options

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

litellm.telemetry = False
litellm.suppress_debug_info = True


class LiteLLM(Driver):
    """`litellm.acompletion` with a model."""

    framework = "litellm"

    async def _complete(self, call: Call, messages: list[Any], **options: Any) -> Any:
        if call.thinks:
            options["reasoning_effort"] = "low"
        if call.tools:
            options["tools"] = [TOOL]
        return await litellm.acompletion(
            model=f"{PREFIXES[self.protocol]}/{call.model}",
            api_base=address_of(call),
            api_key="none",
            messages=messages,
            timeout=call.seconds,
            **options,
            **thinking_options(call),
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
                messages += chat_turn(call, litellm.stream_chunk_builder(chunks, messages))
            else:
                return

    async def whole(self, call: Call) -> str:
        messages: list[Any] = [{"role": "user", "content": PROMPT}]
        while messages[-1]["role"] != "assistant":
            messages += chat_turn(call, await self._complete(call, messages))
        return messages[-1]["content"] or ""

    async def structured(self, call: Call) -> tuple[str, int]:
        messages = [{"role": "user", "content": PROMPT}]
        response = await self._complete(call, messages, response_format=City)
        city = City.model_validate_json(response.choices[0].message.content)
        return city.name, city.population


DRIVERS = [LiteLLM(f"acompletion({prefix + '/…'!r})", protocol) for protocol, prefix in PREFIXES.items()]
