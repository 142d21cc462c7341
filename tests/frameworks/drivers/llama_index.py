"""LlamaIndex: a function agent with each of its models."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from google.genai import types
from llama_index.core.agent.workflow import AgentOutput, AgentStream, FunctionAgent
from llama_index.core.base.llms.types import ThinkingBlock
from llama_index.core.llms import ChatMessage
from llama_index.llms.anthropic import Anthropic
from llama_index.llms.google_genai import GoogleGenAI
from llama_index.llms.ollama import Ollama
from llama_index.llms.openai import OpenAI, OpenAIResponses

from tests.frameworks.city import City
from tests.frameworks.driver import BUDGET, OUTPUT, PROMPT, Call, Driver, weather

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


def _openai(call: Call) -> OpenAI:
    return OpenAI(model=call.model, api_base=call.url, api_key="none", timeout=call.seconds)


def _responses(call: Call) -> OpenAIResponses:
    options: dict[str, Any] = {}
    if call.thinks:
        options = {
            "reasoning_options": {"effort": "low", "summary": "auto"},
            "include": ["reasoning.encrypted_content"],
            "store": False,
        }
    return OpenAIResponses(model=call.model, api_base=call.url, api_key="none", timeout=call.seconds, **options)


def _anthropic(call: Call) -> Anthropic:
    options: dict[str, Any] = {}
    if call.thinks:
        options = {"thinking_dict": {"type": "enabled", "budget_tokens": BUDGET}, "temperature": 1.0}
    return Anthropic(
        model=call.model, base_url=call.url, api_key="none", timeout=call.seconds, max_tokens=OUTPUT, **options
    )


def _gemini(call: Call) -> GoogleGenAI:
    options: dict[str, Any] = {}
    if call.thinks:
        thinking = types.ThinkingConfig(include_thoughts=True)
        options = {"generation_config": types.GenerateContentConfig(thinking_config=thinking)}
    return GoogleGenAI(
        model=call.model,
        api_key="none",
        context_window=100_000,
        max_tokens=OUTPUT,
        http_options=types.HttpOptions(base_url=call.url, timeout=int(call.seconds * 1000)),
        **options,
    )


def _ollama(call: Call) -> Ollama:
    return Ollama(
        model=call.model,
        base_url=call.url,
        request_timeout=call.seconds,
        context_window=100_000,
        thinking=call.thinks,
    )


_MODELS: dict[str, Callable[[Call], Any]] = {
    "OpenAI": _openai,
    "OpenAIResponses": _responses,
    "Anthropic": _anthropic,
    "GoogleGenAI": _gemini,
    "Ollama": _ollama,
}


class LlamaIndex(Driver):
    """A function agent of LlamaIndex."""

    framework = "llama-index-core"
    patience = 240.0  # its model of Anthropic sends a request eleven times
    lacks = {"usage": "its agents report none"}  # noqa: RUF012  # read only

    def _agent(self, call: Call, *, streaming: bool) -> FunctionAgent:
        tools = [weather] if call.tools else []
        return FunctionAgent(tools=tools, llm=_MODELS[self.name](call), streaming=streaming)

    async def _events(self, call: Call, *, streaming: bool) -> AsyncIterator[Any]:
        handler = self._agent(call, streaming=streaming).run(PROMPT)
        try:
            async for event in handler.stream_events():
                if isinstance(event, AgentOutput):
                    blocks = event.response.blocks
                    call.received.thoughts += [block.content for block in blocks if isinstance(block, ThinkingBlock)]
                yield event
            await handler
        finally:
            await handler.cancel_run()

    async def stream(self, call: Call) -> AsyncIterator[str]:
        async with aclosing(self._events(call, streaming=True)) as events:
            async for event in events:
                if isinstance(event, AgentStream):
                    yield event.delta

    async def whole(self, call: Call) -> str:
        text = ""
        async for event in self._events(call, streaming=False):
            if isinstance(event, AgentOutput):
                text = event.response.content or ""
        return text

    async def structured(self, call: Call) -> tuple[str, int]:
        model = _MODELS[self.name](call).as_structured_llm(City)
        city = (await model.achat([ChatMessage(role="user", content=PROMPT)])).raw
        return city.name, city.population


DRIVERS = [
    LlamaIndex("OpenAI", "openai"),
    LlamaIndex(
        "OpenAIResponses", "openai-responses", {"thinking": "its asynchronous calls leave it out of the second turn"}
    ),
    LlamaIndex("Anthropic", "anthropic"),
    LlamaIndex("GoogleGenAI", "gemini"),
    LlamaIndex("Ollama", "ollama"),
]
