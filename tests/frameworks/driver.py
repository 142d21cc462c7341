"""Drivers: agent frameworks with one interface, so that the same tests run all of them."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from contextlib import aclosing
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from tests.frameworks.page import WAITS
from tests.sdks.received import Outcome, Received

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence

    from pytest_streamval import ProviderServer

PROMPT = "What is the weather in Ödenburg?"
"""The prompt of every call."""
WEATHER = "18 °C"
"""The result of the tool."""
MODELS = {
    "openai": "gpt-5",
    "openai-responses": "gpt-5",
    "anthropic": "claude-sonnet-4-5",
    "gemini": "gemini-2.5-flash",
    "ollama": "qwen3",
}
"""A model of each protocol that thinks. Frameworks decide by the name of a model what they request."""
BUDGET = 1024
"""The tokens of thinking that are requested, if the protocol takes a number."""
OUTPUT = 4096
"""The tokens of an output at most, if the protocol needs the number."""

TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Return the weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
"""The tool `weather` as chat completions describe it, for frameworks that leave that to the caller."""

Feature = Literal["stream", "whole", "tools", "thinking", "usage", "usage streamed", "structured", "leaving"]


def weather(city: str) -> str:
    """Return the weather in a city."""
    return WEATHER


@dataclass
class Call:
    """A call of a framework, and the output that it received."""

    server: ProviderServer
    """The provider."""
    protocol: str
    """The protocol on the wire."""
    seconds: float = 30.0
    """The seconds to wait for the next bytes."""
    tools: bool = False
    """Whether the model may call `weather`."""
    thinks: bool = False
    """Whether the model is to think."""
    leaves: bool = False
    """Whether the caller leaves after the first text."""
    received: Received = field(default_factory=Received)
    """The output so far."""

    @property
    def url(self) -> str:
        """The address for this protocol."""
        family = "openai" if self.protocol.startswith("openai") else self.protocol
        address: str = getattr(self.server, f"{family}_url")
        return address

    @property
    def model(self) -> str:
        """The name of the model."""
        return MODELS[self.protocol]

    def count(self, prompt: int | None, output: int | None) -> None:
        """Note the usage."""
        self.received.usage = (prompt, output)


class WaitsError(Exception):
    """The end of a call that waits for bytes long after its timeout."""


class Driver(ABC):
    """A framework with one of its models."""

    patience: ClassVar[float] = 60.0
    """The seconds after which a call counts as waiting for ever."""
    shortest: ClassVar[float] = 0.0
    """The least seconds to wait for bytes that will not arrive. A proxy takes time for those that will."""

    races: ClassVar[frozenset[str]] = frozenset()
    """The names of the cases in which two things happen at the same time, so that the outcome differs."""

    framework: ClassVar[str]
    """The distribution of the framework."""
    language: ClassVar[str] = "python"
    """The language of the framework."""
    lacks: Mapping[Feature, str] = {}
    """The features that the framework does not have, with the reason."""

    def __init__(self, name: str, protocol: str, lacks: Mapping[Feature, str] | None = None) -> None:
        """Create a driver.

        Args:
            name: The model as users write it.
            protocol: The protocol on the wire.
            lacks: The features that this model does not have, with the reason.
        """
        self.name = name
        self.protocol = protocol
        self.lacks = {**self.lacks, **(lacks or {})}

    def __str__(self) -> str:
        return f"{self.framework} {self.name}"

    @property
    def version(self) -> str:
        """The installed version of the framework."""
        return version(self.framework)

    def start(self) -> None:  # noqa: B027  # most have none
        """Start the process of the framework, if it has one. It may run already."""

    def close(self) -> None:  # noqa: B027  # most have none
        """End the process of the framework, and wait for its end."""

    def written(self, steps: Sequence[Any]) -> list[Any]:
        """Return the steps of a script in the form that the framework expects of a model's text."""
        return list(steps)

    def complete(self, text: str) -> str:
        """Return the form in which the framework gives a text that is not streamed."""
        return text

    def raised(self, outcome: Outcome) -> str:
        """Return the name of an error as users import it, or an empty text."""
        return WAITS if isinstance(outcome.error, WaitsError) else outcome.raised

    @abstractmethod
    def stream(self, call: Call) -> AsyncIterator[str]:
        """Stream an output, with the second turn if the model calls a tool, and return its text piece by piece."""

    @abstractmethod
    async def whole(self, call: Call) -> str:
        """Request an output that is not streamed, with the second turn if the model calls a tool."""

    @abstractmethod
    async def structured(self, call: Call) -> tuple[str, int]:
        """Request a `City` as a structured output, and return its fields."""


def texts_of(steps: Sequence[Any]) -> tuple[list[str], list[Any]]:
    """Return the texts among steps of a script, and the other steps."""
    texts = [step if isinstance(step, str) else step.text for step in steps]
    return [text for text in texts if text], [step for step, text in zip(steps, texts, strict=True) if not text]


async def call_streamed(driver: Driver, call: Call) -> Outcome:
    """Stream an output to its end, or leave after the first text."""

    async def main() -> None:
        async with aclosing(driver.stream(call)) as pieces:  # type: ignore[type-var]  # they are generators
            async for piece in pieces:
                call.received.texts.append(piece)
                if call.leaves and piece:
                    return

    return await _outcome(main(), driver, call)


async def call_whole(driver: Driver, call: Call) -> Outcome:
    """Receive an output that is not streamed."""

    async def main() -> None:
        call.received.texts.append(await driver.whole(call))

    return await _outcome(main(), driver, call)


async def _outcome(main: Coroutine[Any, Any, None], driver: Driver, call: Call) -> Outcome:
    try:
        async with asyncio.timeout(driver.patience) as limit:
            await main
    except Exception as error:  # noqa: BLE001  # the result is the error of the framework
        return Outcome(call.received, WaitsError() if limit.expired() else error)
    return Outcome(call.received, None)
