"""Pydantic AI: an agent with each of its models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic_ai import Agent, AgentRunResultEvent, PartDeltaEvent, PartStartEvent
from pydantic_ai.messages import TextPart, TextPartDelta, ThinkingPart, ThinkingPartDelta
from pydantic_ai.models.anthropic import AnthropicModel, AnthropicModelSettings
from pydantic_ai.models.google import GoogleModel, GoogleModelSettings
from pydantic_ai.models.ollama import OllamaModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel, OpenAIResponsesModelSettings
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.google import GoogleProvider
from pydantic_ai.providers.ollama import OllamaProvider
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.settings import ModelSettings

from tests.frameworks.city import City
from tests.frameworks.driver import BUDGET, PROMPT, Call, Driver, weather

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

_THINKING: dict[str, ModelSettings] = {
    "openai": ModelSettings(thinking="low"),
    "openai-responses": OpenAIResponsesModelSettings(openai_reasoning_effort="low", openai_reasoning_summary="auto"),
    "anthropic": AnthropicModelSettings(anthropic_thinking={"type": "enabled", "budget_tokens": BUDGET}),
    "gemini": GoogleModelSettings(google_thinking_config={"include_thoughts": True}),
}


_MODELS: dict[str, Callable[[Call], Any]] = {
    "OpenAIChatModel": lambda call: OpenAIChatModel(call.model, provider=_openai(call)),
    "OpenAIResponsesModel": lambda call: OpenAIResponsesModel(call.model, provider=_openai(call)),
    "AnthropicModel": lambda call: AnthropicModel(
        call.model, provider=AnthropicProvider(base_url=call.url, api_key="none")
    ),
    "GoogleModel": lambda call: GoogleModel(call.model, provider=GoogleProvider(base_url=call.url, api_key="none")),
    "OllamaModel": lambda call: OllamaModel("qwen3", provider=OllamaProvider(base_url=call.url)),
}


def _openai(call: Call) -> OpenAIProvider:
    return OpenAIProvider(base_url=call.url, api_key="none")


class PydanticAI(Driver):
    """An agent of Pydantic AI."""

    framework = "pydantic-ai-slim"

    def _agent(self, call: Call, output: Any = str) -> Agent[None, Any]:
        settings = ModelSettings(timeout=call.seconds)
        if call.thinks:
            settings |= _THINKING[call.protocol]
        tools = [weather] if call.tools else []
        return Agent(_MODELS[self.name](call), output_type=output, tools=tools, model_settings=settings)

    async def stream(self, call: Call) -> AsyncIterator[str]:
        async with self._agent(call).run_stream_events(PROMPT) as events:
            async for event in events:
                match event:
                    case (
                        PartStartEvent(part=TextPart(content=text))
                        | PartDeltaEvent(delta=TextPartDelta(content_delta=text))
                    ):
                        yield text
                    case (
                        PartStartEvent(part=ThinkingPart(content=thought))
                        | PartDeltaEvent(delta=ThinkingPartDelta(content_delta=thought))
                    ):
                        call.received.thoughts.append(thought or "")
                    case AgentRunResultEvent(result=result):
                        call.count(result.usage.input_tokens, result.usage.output_tokens)

    async def whole(self, call: Call) -> str:
        result = await self._agent(call).run(PROMPT)
        for message in result.all_messages():
            call.received.thoughts += [part.content for part in message.parts if isinstance(part, ThinkingPart)]
        call.count(result.usage.input_tokens, result.usage.output_tokens)
        return result.output

    async def structured(self, call: Call) -> tuple[str, int]:
        city = (await self._agent(call, City).run(PROMPT)).output
        return city.name, city.population


DRIVERS = [
    PydanticAI("OpenAIChatModel", "openai"),
    PydanticAI("OpenAIResponsesModel", "openai-responses"),
    PydanticAI("AnthropicModel", "anthropic"),
    PydanticAI("GoogleModel", "gemini"),
    PydanticAI("OllamaModel", "openai"),
]
