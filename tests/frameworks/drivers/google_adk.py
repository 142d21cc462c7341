"""The Agent Development Kit of Google: an agent with each of its models that can have another address."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from google.adk.agents import LlmAgent
from google.adk.agents.run_config import RunConfig, StreamingMode
from google.adk.models.google_llm import Gemini
from google.adk.planners import BuiltInPlanner
from google.adk.runners import InMemoryRunner
from google.genai import types

from tests.frameworks.city import City
from tests.frameworks.driver import PROMPT, Call, Driver, weather

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from google.adk.events import Event

    from tests.sdks.received import Outcome


class ErrorEventError(Exception):
    """A run that ended without an exception, but had an event with an error."""


class GoogleADK(Driver):
    """An agent of the Agent Development Kit."""

    framework = "google-adk"

    async def _events(self, call: Call, mode: StreamingMode, output: Any = None) -> AsyncIterator[Event]:
        thinking = types.ThinkingConfig(include_thoughts=True)
        agent = LlmAgent(
            name="weather",
            model=Gemini(model=call.model, base_url=call.url, client_kwargs={"api_key": "none"}),
            tools=[weather] if call.tools else [],
            planner=BuiltInPlanner(thinking_config=thinking) if call.thinks else None,
            output_schema=output,
            generate_content_config=types.GenerateContentConfig(
                http_options=types.HttpOptions(timeout=int(call.seconds * 1000))
            ),
        )
        runner = InMemoryRunner(agent, app_name="tests")
        session = await runner.session_service.create_session(app_name="tests", user_id="user")
        question = types.Content(role="user", parts=[types.Part(text=PROMPT)])
        config = RunConfig(streaming_mode=mode)
        async with aclosing(
            runner.run_async(user_id="user", session_id=session.id, new_message=question, run_config=config)
        ) as events:
            codes = []
            async for event in events:
                codes.append(event.error_code)
                yield event
        if any(codes):
            raise ErrorEventError

    def raised(self, outcome: Outcome) -> str:
        return "event.error_code" if isinstance(outcome.error, ErrorEventError) else super().raised(outcome)

    async def stream(self, call: Call) -> AsyncIterator[str]:
        async with aclosing(self._events(call, StreamingMode.SSE)) as events:
            async for event in events:
                # The last event of an output repeats its text.
                for text in _note(call, event, thinks=bool(event.partial)):
                    if event.partial:
                        yield text

    async def whole(self, call: Call) -> str:
        texts: list[str] = []
        async for event in self._events(call, StreamingMode.NONE):
            texts += _note(call, event, thinks=True)
        return "".join(texts)

    async def structured(self, call: Call) -> tuple[str, int]:
        texts: list[str] = []
        async for event in self._events(call, StreamingMode.NONE, City):
            texts += _note(call, event, thinks=False)
        city = City.model_validate_json("".join(texts))
        return city.name, city.population


def _note(call: Call, event: Event, *, thinks: bool) -> list[str]:
    """Note the thinking and the usage of an event, and return its texts."""
    parts = (event.content and event.content.parts) or []
    if thinks:
        call.received.thoughts += [part.text for part in parts if part.text and part.thought]
    if usage := event.usage_metadata:
        call.count(usage.prompt_token_count, usage.candidates_token_count)
    return [part.text for part in parts if part.text and not part.thought]


DRIVERS = [GoogleADK("Gemini", "gemini")]
