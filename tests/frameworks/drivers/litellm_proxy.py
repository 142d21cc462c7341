"""LiteLLM's proxy: official clients, and a model of each protocol. The caller runs the tools."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, ClassVar

from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

from tests.frameworks.city import City
from tests.frameworks.driver import BUDGET, OUTPUT, PROMPT, TOOL, Call, Driver, weather
from tests.frameworks.litellm_chat import PREFIXES, address_of, chat_turn, thinking_options
from tests.frameworks.litellm_proxy import KEY, LiteLLMProxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_FUNCTION = {**TOOL["function"], "strict": True}
_USER = {"role": "user", "content": PROMPT}


class ProxyDriver(Driver):
    """A method of a client of the proxy. All share one process of the proxy."""

    framework = "litellm[proxy]"
    shortest = 6.0
    races = frozenset({"close_mid_frame", "reset", "unfinished", "unfinished(after_deltas=99)"})
    _proxy: ClassVar[LiteLLMProxy | None] = None

    @property
    def version(self) -> str:
        return version("litellm")

    def start(self) -> None:
        if ProxyDriver._proxy is None:
            ProxyDriver._proxy = LiteLLMProxy()

    def close(self) -> None:
        if ProxyDriver._proxy is not None:
            ProxyDriver._proxy.close()
            ProxyDriver._proxy = None

    def _options(self, call: Call) -> dict[str, Any]:
        """Return the options of each call: the model, and the address of its provider."""
        return {"model": f"{PREFIXES[self.protocol]}/{call.model}", "extra_body": {"api_base": address_of(call)}}

    def _openai(self, call: Call) -> AsyncOpenAI:
        return AsyncOpenAI(base_url=f"{self._proxy.url}/v1", api_key=KEY, timeout=call.seconds)


class ChatCompletions(ProxyDriver):
    """`client.chat.completions` of OpenAI's client."""

    def _options(self, call: Call) -> dict[str, Any]:
        options = super()._options(call)
        if call.thinks:
            options["reasoning_effort"] = "low"
        options["extra_body"] |= thinking_options(call)
        if call.tools:
            options["tools"] = [{**TOOL, "function": _FUNCTION}]
        return options

    async def stream(self, call: Call) -> AsyncIterator[str]:
        options = {**self._options(call), "stream_options": {"include_usage": True}}
        messages: list[Any] = [_USER]
        async with self._openai(call) as client:
            while messages[-1]["role"] != "assistant":
                async with client.chat.completions.stream(messages=messages, **options) as stream:
                    async for event in stream:
                        if event.type == "content.delta":
                            yield event.delta
                    messages += chat_turn(call, await stream.get_final_completion())

    async def whole(self, call: Call) -> str:
        messages: list[Any] = [_USER]
        async with self._openai(call) as client:
            while messages[-1]["role"] != "assistant":
                completion = await client.chat.completions.create(messages=messages, **self._options(call))
                messages += chat_turn(call, completion)
        return messages[-1]["content"] or ""

    async def structured(self, call: Call) -> tuple[str, int]:
        async with self._openai(call) as client:
            options = self._options(call)
            completion = await client.chat.completions.parse(messages=[_USER], response_format=City, **options)
        city = completion.choices[0].message.parsed
        return city.name, city.population


class Messages(ProxyDriver):
    """`client.messages` of Anthropic's client."""

    def _options(self, call: Call) -> dict[str, Any]:
        options = {**super()._options(call), "max_tokens": OUTPUT}
        if call.thinks:
            options["thinking"] = {"type": "enabled", "budget_tokens": BUDGET}
        if call.tools:
            schema = _FUNCTION["parameters"]
            description = _FUNCTION["description"]
            options["tools"] = [{"name": _FUNCTION["name"], "description": description, "input_schema": schema}]
        return options

    def _client(self, call: Call) -> AsyncAnthropic:
        return AsyncAnthropic(base_url=self._proxy.url, api_key=KEY, timeout=call.seconds)

    async def stream(self, call: Call) -> AsyncIterator[str]:
        messages: list[Any] = [_USER]
        async with self._client(call) as client:
            while messages[-1]["role"] != "assistant":
                async with client.messages.stream(messages=messages, **self._options(call)) as stream:
                    async for text in stream.text_stream:
                        yield text
                    messages += _messages_turn(call, await stream.get_final_message())

    async def whole(self, call: Call) -> str:
        messages: list[Any] = [_USER]
        async with self._client(call) as client:
            while messages[-1]["role"] != "assistant":
                message = await client.messages.create(messages=messages, **self._options(call))
                messages += _messages_turn(call, message)
        return "".join(block.text for block in message.content if block.type == "text")

    async def structured(self, call: Call) -> tuple[str, int]:
        async with self._client(call) as client:
            message = await client.messages.parse(messages=[_USER], output_format=City, **self._options(call))
        city = message.parsed_output
        return city.name, city.population


class Responses(ProxyDriver):
    """`client.responses` of OpenAI's client."""

    def _options(self, call: Call) -> dict[str, Any]:
        options = {**super()._options(call), "model": f"openai/{call.model}"}
        if call.thinks:
            options |= {"reasoning": {"effort": "low", "summary": "auto"}, "store": False}
            options["include"] = ["reasoning.encrypted_content"]
        if call.tools:
            options["tools"] = [{"type": "function", **_FUNCTION}]
        return options

    async def stream(self, call: Call) -> AsyncIterator[str]:
        items: list[Any] = [_USER]
        async with self._openai(call) as client:
            while items is not None:
                async with client.responses.stream(input=items, **self._options(call)) as stream:
                    async for event in stream:
                        if event.type == "response.output_text.delta":
                            yield event.delta
                    items = _responses_turn(call, items, await stream.get_final_response())

    async def whole(self, call: Call) -> str:
        items: list[Any] = [_USER]
        async with self._openai(call) as client:
            while items is not None:
                response = await client.responses.create(input=items, **self._options(call))
                items = _responses_turn(call, items, response)
        return response.output_text

    async def structured(self, call: Call) -> tuple[str, int]:
        async with self._openai(call) as client:
            response = await client.responses.parse(input=[_USER], text_format=City, **self._options(call))
        city = response.output_parsed
        return city.name, city.population


def _messages_turn(call: Call, message: Any) -> list[dict[str, Any]]:
    """Return a message, and the results of its tool calls."""
    call.received.thoughts += [block.thinking for block in message.content if block.type == "thinking"]
    call.count(message.usage.input_tokens, message.usage.output_tokens)
    results = [
        {"type": "tool_result", "tool_use_id": block.id, "content": weather(**block.input)}
        for block in message.content
        if block.type == "tool_use"
    ]
    own = {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in message.content]}
    return [own, {"role": "user", "content": results}] if results else [own]


def _responses_turn(call: Call, items: list[Any], response: Any) -> list[Any] | None:
    """Return the input of the next turn, or None after a response without tool calls."""
    thoughts = (item for item in response.output if item.type == "reasoning")
    call.received.thoughts += [part.text for item in thoughts for part in item.summary]
    call.count(response.usage.input_tokens, response.usage.output_tokens)
    results = [
        {"type": "function_call_output", "call_id": item.call_id, "output": weather(**json.loads(item.arguments))}
        for item in response.output
        if item.type == "function_call"
    ]
    own = [item.model_dump(exclude_none=True, exclude={"parsed_arguments"}) for item in response.output]
    return [*items, *own, *results] if results else None


DRIVERS = [
    *(ChatCompletions(f"chat.completions({prefix + '/…'!r})", protocol) for protocol, prefix in PREFIXES.items()),
    Messages("messages('anthropic/…')", "anthropic"),
    Responses("responses('openai/…')", "openai-responses"),
]
