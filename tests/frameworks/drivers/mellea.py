"""Mellea: its functions for generation, with its backends for Ollama (the default) and OpenAI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mellea.backends import ModelOption
from mellea.backends.ollama import OllamaModelBackend
from mellea.backends.openai import OpenAIBackend
from mellea.backends.tools import MelleaTool
from mellea.stdlib import functional
from mellea.stdlib.components import Message
from mellea.stdlib.context import ChatContext

from tests.frameworks.city import City
from tests.frameworks.driver import PROMPT, Call, Driver, weather

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mellea.core import ModelOutputThunk

_BACKENDS = {
    "ollama": lambda call: OllamaModelBackend(base_url=call.url, timeout=call.seconds),
    "openai": lambda call: OpenAIBackend(base_url=call.url, api_key="none", timeout=call.seconds),
}


class Mellea(Driver):
    """A backend of Mellea."""

    framework = "mellea"

    async def _turns(self, call: Call, **options: Any) -> AsyncIterator[ModelOutputThunk[str]]:
        """Return the output of each turn before it is computed. Tools are called after it is."""
        backend = _BACKENDS[self.protocol](call)
        model_options: dict[str, Any] = dict(options)
        if call.thinks:
            model_options[ModelOption.THINKING] = True
        if call.tools:
            model_options[ModelOption.TOOLS] = [MelleaTool.from_callable(weather)]
        action, context = Message("user", PROMPT), ChatContext()
        while True:
            thunk, context = await functional.aact(
                action, context, backend, strategy=None, model_options=model_options, tool_calls=call.tools
            )
            yield thunk
            call.received.thoughts.append(thunk.thinking or "")
            usage = thunk.generation.usage or {}
            call.count(usage.get("prompt_tokens"), usage.get("completion_tokens"))
            if not thunk.tool_calls:
                return
            (action,) = await functional.acall_tools(thunk, backend)

    async def stream(self, call: Call) -> AsyncIterator[str]:
        async for thunk in self._turns(call, **{ModelOption.STREAM: True}):
            async with thunk:
                async for piece in thunk:
                    yield piece

    async def whole(self, call: Call) -> str:
        text = ""
        async for thunk in self._turns(call):
            text = await thunk.avalue()
        return text

    async def structured(self, call: Call) -> tuple[str, int]:
        backend = _BACKENDS[self.protocol](call)
        thunk, _ = await functional.aact(
            Message("user", PROMPT), ChatContext(), backend, strategy=None, format=City, await_result=True
        )
        city = City.model_validate_json(str(thunk))
        return city.name, city.population


DRIVERS = [
    Mellea("OllamaModelBackend", "ollama"),
    Mellea("OpenAIBackend", "openai", {"structured": "OpenAI refuses its schema, which lacks `additionalProperties`"}),
]
