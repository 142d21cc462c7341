"""LangChain: an agent with each of its chat models."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from langchain.agents import create_agent
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_google_genai import ChatGoogleGenerativeAI
from langchain_ollama import ChatOllama
from langchain_openai import ChatOpenAI

from tests.frameworks.city import City
from tests.frameworks.driver import BUDGET, OUTPUT, PROMPT, Call, Driver, weather

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from tests.frameworks.driver import Feature

_REASONING = {"reasoning": {"effort": "low", "summary": "auto"}, "include": ["reasoning.encrypted_content"]}


def _openai(call: Call) -> ChatOpenAI:
    return ChatOpenAI(model=call.model, base_url=call.url, api_key="none", timeout=call.seconds, stream_usage=True)


def _responses(call: Call) -> ChatOpenAI:
    options: dict[str, Any] = {**_REASONING, "store": False} if call.thinks else {}
    return ChatOpenAI(
        model=call.model,
        base_url=call.url,
        api_key="none",
        timeout=call.seconds,
        use_responses_api=True,
        # The form of messages that keeps the reasoning for the next request.
        output_version="responses/v1",
        **options,
    )


def _anthropic(call: Call) -> ChatAnthropic:
    options: dict[str, Any] = {"thinking": {"type": "enabled", "budget_tokens": BUDGET}} if call.thinks else {}
    return ChatAnthropic(
        model=call.model,
        base_url=call.url,
        api_key="none",
        timeout=call.seconds,
        max_tokens=OUTPUT,
        **options,
    )


def _gemini(call: Call) -> ChatGoogleGenerativeAI:
    return ChatGoogleGenerativeAI(
        model=call.model,
        base_url=call.url,
        api_key="none",
        timeout=call.seconds,
        include_thoughts=call.thinks,
    )


def _ollama(call: Call) -> ChatOllama:
    return ChatOllama(
        model=call.model, base_url=call.url, reasoning=call.thinks, client_kwargs={"timeout": call.seconds}
    )


_MODELS = {
    "openai": _openai,
    "openai-responses": _responses,
    "anthropic": _anthropic,
    "gemini": _gemini,
    "ollama": _ollama,
}


class LangChain(Driver):
    """An agent of LangChain."""

    framework = "langchain"

    def _agent(self, call: Call, output: Any = None) -> Any:
        return create_agent(_MODELS[self.protocol](call), tools=[weather] if call.tools else [], response_format=output)

    async def stream(self, call: Call) -> AsyncIterator[str]:
        question = {"messages": [("user", PROMPT)]}
        async with aclosing(self._agent(call).astream(question, stream_mode="messages")) as chunks:
            async for chunk, _ in chunks:
                if isinstance(chunk, AIMessageChunk):
                    _note(call, chunk)
                    if chunk.text:
                        yield chunk.text

    async def whole(self, call: Call) -> str:
        messages = (await self._agent(call).ainvoke({"messages": [("user", PROMPT)]}))["messages"]
        for message in messages:
            if isinstance(message, AIMessage):
                _note(call, message)
        return messages[-1].text

    async def structured(self, call: Call) -> tuple[str, int]:
        state = await self._agent(call, City).ainvoke({"messages": [("user", PROMPT)]})
        city = state["structured_response"]
        return city.name, city.population


def _note(call: Call, message: AIMessage) -> None:
    for block in message.content_blocks:
        if block["type"] == "reasoning":
            call.received.thoughts.append(block.get("reasoning", ""))
    if usage := message.usage_metadata:
        call.count(usage["input_tokens"], usage["output_tokens"])


_LEAVING: Mapping[Feature, str] = {"leaving": "it closes its connection only at its timeout"}
DRIVERS = [
    LangChain(
        "ChatOpenAI",
        "openai",
        {**_LEAVING, "thinking": "it drops `reasoning_content`, which OpenAI does not send"},
    ),
    LangChain("ChatOpenAI(use_responses_api=True)", "openai-responses", _LEAVING),
    LangChain("ChatAnthropic", "anthropic"),
    LangChain("ChatGoogleGenerativeAI", "gemini"),
    LangChain("ChatOllama", "ollama"),
]
