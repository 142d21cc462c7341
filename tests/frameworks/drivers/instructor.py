"""Instructor: structured outputs, complete and in parts. The text is that of a field."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import instructor
from anthropic import AsyncAnthropic
from google import genai
from openai import AsyncOpenAI
from pydantic import BaseModel

from pytest_streamval import Delta, ToolCallDelta
from tests.frameworks.city import City
from tests.frameworks.driver import OUTPUT, PROMPT, Call, Driver, texts_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence


class Answer(BaseModel):
    """An output with a text."""

    text: str


def _openai(call: Call) -> Any:
    return instructor.from_openai(AsyncOpenAI(base_url=call.url, api_key="none", timeout=call.seconds))


def _anthropic(call: Call) -> Any:
    return instructor.from_anthropic(AsyncAnthropic(base_url=call.url, api_key="none", timeout=call.seconds))


def _gemini(call: Call) -> Any:
    options = {"base_url": call.url, "timeout": int(call.seconds * 1000)}
    return instructor.from_genai(genai.Client(api_key="none", http_options=options), use_async=True)


_CLIENTS = {"openai": _openai, "anthropic": _anthropic, "gemini": _gemini}


class Instructor(Driver):
    """A client of a provider in Instructor."""

    framework = "instructor"
    lacks = {  # noqa: RUF012  # read only
        "tools": "the structured output is its only tool",
        "thinking": "the structured output is its only result",
        "usage streamed": "`create_partial` gives none",
    }

    def written(self, steps: Sequence[Any]) -> list[Any]:
        """Return the steps with their text in the arguments of a tool call."""
        pieces, others = texts_of(steps)
        pieces = [json.dumps(piece)[1:-1] for piece in pieces]
        pieces = ['{"text": "' + pieces[0], *pieces[1:-1], pieces[-1] + '"}']
        calls = [ToolCallDelta(0, "call_c3", "Answer", pieces[0])]
        calls += [ToolCallDelta(0, arguments=piece) for piece in pieces[1:]]
        return [*(Delta(tool_calls=(call,)) for call in calls), *others]

    def _options(self, call: Call) -> dict[str, Any]:
        options: dict[str, Any] = {"model": call.model, "messages": [{"role": "user", "content": PROMPT}]}
        return {**options, "max_tokens": OUTPUT} if self.protocol == "anthropic" else options

    async def stream(self, call: Call) -> AsyncIterator[str]:
        seen = ""
        async for part in _CLIENTS[self.protocol](call).create_partial(response_model=Answer, **self._options(call)):
            text = part.text or ""
            yield text[len(seen) :]
            seen = text

    async def whole(self, call: Call) -> str:
        client = _CLIENTS[self.protocol](call)
        answer, completion = await client.create_with_completion(response_model=Answer, **self._options(call))
        self._count(call, completion)
        return answer.text

    def _count(self, call: Call, completion: Any) -> None:
        match self.protocol:
            case "openai":
                call.count(completion.usage.prompt_tokens, completion.usage.completion_tokens)
            case "anthropic":
                call.count(completion.usage.input_tokens, completion.usage.output_tokens)
            case _:
                usage = completion.usage_metadata
                call.count(usage.prompt_token_count, usage.candidates_token_count)

    async def structured(self, call: Call) -> tuple[str, int]:
        city = await _CLIENTS[self.protocol](call).create(response_model=City, **self._options(call))
        return city.name, city.population


DRIVERS = [
    Instructor("from_openai", "openai"),
    Instructor("from_anthropic", "anthropic"),
    Instructor("from_genai", "gemini", {"leaving": "Gemini sends a tool call in one piece"}),
]
