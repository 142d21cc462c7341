"""All ways in which the official clients are asked: which method, streamed or whole, synchronous or not."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, ExitStack, aclosing, closing
from dataclasses import dataclass, replace
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from tests.sdks.heard import Heard, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

PROMPT = "Go."
MODEL = "m"
MESSAGES = [{"role": "user", "content": PROMPT}]


class Patience(NamedTuple):
    """How a client is set up."""

    seconds: float = 10.0
    """How long it waits for the next bytes."""
    retries: int | None = 0
    """How often it asks again; None leaves that to the client."""


USUAL = Patience()


@dataclass(frozen=True)
class Way:
    """One way of asking one client. The synchronous and the asynchronous client have the same methods."""

    sdk: str
    """The client's distribution."""
    method: str
    """What users call, as they write it."""
    protocol: str
    """What it speaks on the wire."""
    form: Literal["stream", "helper", "whole"]
    """A plain iterator of chunks, the client's own helper around it, or an answer that is not streamed."""
    client: Callable[[str, Patience, bool], Any]
    """Makes a client: of the server's address, and of whether it is asynchronous."""
    ask: Callable[[Any], Any]
    """Calls the method."""
    take: Callable[[Heard, Any], None]
    """Takes a chunk, an event, or the whole answer."""
    whole: Callable[[Any], Any] | None = None
    """What a helper has put together by its end."""
    is_async: bool = False
    """Whether it is the asynchronous client."""

    def __str__(self) -> str:
        return f"{'async ' * self.is_async}{self.sdk} {self.method}"

    def url(self, server: Any) -> str:
        """The address that goes into this client."""
        family = "openai" if self.protocol.startswith("openai") else self.protocol
        address: str = getattr(server, f"{family}_url")
        return address

    def listen(self, server: Any, patience: Patience = USUAL, *, leaves: bool = False) -> Outcome:
        """Ask, and hear whatever comes until it ends.

        Args:
            server: is asked.
            patience: how the client is set up.
            leaves: whether the first text is enough.
        """
        heard = Heard()
        try:
            if self.is_async:
                asyncio.run(self._hear_async(self.url(server), patience, heard, leaves))
            else:
                self._hear(self.url(server), patience, heard, leaves)
        except Exception as error:  # noqa: BLE001  # whatever a client raises is what is asked for here
            return Outcome(heard, error)
        return Outcome(heard, None)

    def _hear(self, url: str, patience: Patience, heard: Heard, leaves: bool) -> None:
        with ExitStack() as stack:
            answer = self.ask(stack.enter_context(self.client(url, patience, False)))
            if self.form == "whole":
                self.take(heard, answer)
                return
            # A stream of OpenAI's or Anthropic's is a context, like the helpers; Gemini's and Ollama's are generators.
            chunks = stack.enter_context(closing(answer) if hasattr(answer, "send") else answer)
            for chunk in chunks:
                self.take(heard, chunk)
                if leaves and heard.text:
                    return
            heard.message = self.whole and self.whole(chunks)

    async def _hear_async(self, url: str, patience: Patience, heard: Heard, leaves: bool) -> None:
        async with AsyncExitStack() as stack:
            answer = self.ask(await stack.enter_async_context(self.client(url, patience, True)))
            if isawaitable(answer):
                answer = await answer
            if self.form == "whole":
                self.take(heard, answer)
                return
            chunks = await stack.enter_async_context(aclosing(answer) if hasattr(answer, "asend") else answer)
            async for chunk in chunks:
                self.take(heard, chunk)
                if leaves and heard.text:
                    return
            message = self.whole and self.whole(chunks)
            heard.message = await message if isawaitable(message) else message


def both(*ways: Way) -> list[Way]:
    """The same ways once more, with the asynchronous client."""
    return [*ways, *(replace(way, is_async=True) for way in ways)]
