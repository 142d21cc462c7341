"""Strands Agents: an agent with each of its models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from strands import Agent, ModelRetryStrategy, tool
from strands.models.anthropic import AnthropicModel
from strands.models.gemini import GeminiModel
from strands.models.ollama import OllamaModel
from strands.models.openai import OpenAIModel
from strands.models.openai_responses import OpenAIResponsesModel

from tests.frameworks.city import City
from tests.frameworks.driver import BUDGET, OUTPUT, PROMPT, Call, Driver, weather

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


def _openai(call: Call) -> OpenAIModel:
    client = {"base_url": call.url, "api_key": "none", "timeout": call.seconds}
    return OpenAIModel(client_args=client, model_id=call.model)


def _responses(call: Call) -> OpenAIResponsesModel:
    client = {"base_url": call.url, "api_key": "none", "timeout": call.seconds}
    reasoning = {"reasoning": {"effort": "low", "summary": "auto"}} if call.thinks else {}
    return OpenAIResponsesModel(client_args=client, model_id=call.model, params=reasoning)


def _anthropic(call: Call) -> AnthropicModel:
    client = {"base_url": call.url, "api_key": "none", "timeout": call.seconds}
    thinking = {"thinking": {"type": "enabled", "budget_tokens": BUDGET}} if call.thinks else {}
    return AnthropicModel(client_args=client, model_id=call.model, max_tokens=OUTPUT, params=thinking)


def _gemini(call: Call) -> GeminiModel:
    options = {"base_url": call.url, "timeout": int(call.seconds * 1000)}
    thinking = {"thinking_config": {"include_thoughts": True}} if call.thinks else {}
    return GeminiModel(client_args={"api_key": "none", "http_options": options}, model_id=call.model, params=thinking)


def _ollama(call: Call) -> OllamaModel:
    thinking: dict[str, Any] = {"additional_args": {"think": True}} if call.thinks else {}
    return OllamaModel(call.url, ollama_client_args={"timeout": call.seconds}, model_id=call.model, **thinking)


_MODELS: dict[str, Callable[[Call], Any]] = {
    "openai": _openai,
    "openai-responses": _responses,
    "anthropic": _anthropic,
    "gemini": _gemini,
    "ollama": _ollama,
}


class Strands(Driver):
    """An agent of Strands."""

    framework = "strands-agents"
    lacks = {"whole": "an agent always streams"}  # noqa: RUF012  # read only

    def _agent(self, call: Call) -> Agent:
        tools = [tool(weather)] if call.tools else []
        # As by default, but without its pauses of up to a minute.
        retries = ModelRetryStrategy(initial_delay=0, max_delay=0)
        model = _MODELS[self.protocol](call)
        return Agent(model=model, tools=tools, callback_handler=None, retry_strategy=retries)

    async def stream(self, call: Call) -> AsyncIterator[str]:
        async for event in self._agent(call).stream_async(PROMPT):
            if "data" in event:
                yield event["data"]
            if event.get("reasoning"):
                call.received.thoughts.append(event.get("reasoningText", ""))
            if "result" in event:
                usage = event["result"].metrics.accumulated_usage
                call.count(usage["inputTokens"], usage["outputTokens"])

    async def whole(self, call: Call) -> str:
        raise NotImplementedError

    async def structured(self, call: Call) -> tuple[str, int]:
        result = await self._agent(call).invoke_async(PROMPT, structured_output_model=City)
        return result.structured_output.name, result.structured_output.population


DRIVERS = [
    Strands("OpenAIModel", "openai"),
    Strands("OpenAIResponsesModel", "openai-responses", {"thinking": "it does not send the reasoning back"}),
    Strands("AnthropicModel", "anthropic"),
    Strands("GeminiModel", "gemini"),
    Strands("OllamaModel", "ollama", {"thinking": "it does not read `thinking`"}),
]
