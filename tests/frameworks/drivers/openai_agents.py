"""The OpenAI Agents SDK: an agent with each of its models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    function_tool,
)
from openai import AsyncOpenAI
from openai.types.shared import Reasoning

from tests.frameworks.city import City
from tests.frameworks.driver import PROMPT, Call, Driver, weather

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_MODELS = {"openai": OpenAIChatCompletionsModel, "openai-responses": OpenAIResponsesModel}


class OpenAIAgents(Driver):
    """An agent of the OpenAI Agents SDK."""

    framework = "openai-agents"

    def _agent(self, call: Call, output: Any = None) -> Agent[None]:
        settings = ModelSettings(include_usage=True)
        if call.thinks:
            settings.reasoning = Reasoning(effort="low", summary="auto")
            settings.response_include = ["reasoning.encrypted_content"]
            settings.store = False
        client = AsyncOpenAI(base_url=call.url, api_key="none", timeout=call.seconds)
        return Agent(
            name="weather",
            model=_MODELS[self.protocol](model=call.model, openai_client=client),
            model_settings=settings,
            tools=[function_tool(weather)] if call.tools else [],
            output_type=output,
        )

    async def stream(self, call: Call) -> AsyncIterator[str]:
        run = Runner.run_streamed(self._agent(call), PROMPT)
        try:
            async for event in run.stream_events():
                if event.type != "raw_response_event":
                    continue
                match event.data.type:
                    case "response.output_text.delta":
                        yield event.data.delta
                    case "response.reasoning_summary_text.delta":
                        call.received.thoughts.append(event.data.delta)
        finally:
            run.cancel()
        _count(call, run)

    async def whole(self, call: Call) -> str:
        run = await Runner.run(self._agent(call), PROMPT)
        for item in run.new_items:
            if item.type == "reasoning_item":
                call.received.thoughts += [part.text for part in item.raw_item.summary]
        _count(call, run)
        return str(run.final_output)

    async def structured(self, call: Call) -> tuple[str, int]:
        city = (await Runner.run(self._agent(call, City), PROMPT)).final_output
        return city.name, city.population


def _count(call: Call, run: Any) -> None:
    usage = run.context_wrapper.usage
    call.count(usage.input_tokens, usage.output_tokens)


DRIVERS = [
    OpenAIAgents("OpenAIChatCompletionsModel", "openai"),
    OpenAIAgents("OpenAIResponsesModel", "openai-responses"),
]
