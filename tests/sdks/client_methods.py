"""The methods by which clients request an output: streamed or not, synchronous or not."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, ExitStack, aclosing, closing
from dataclasses import dataclass, replace
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from tests.sdks.received import Outcome, Received

if TYPE_CHECKING:
    from collections.abc import Callable

PROMPT = "Go."
MODEL = "m"
MESSAGES = [{"role": "user", "content": PROMPT}]


class ClientOptions(NamedTuple):
    """The options of a client."""

    seconds: float = 10.0
    """The seconds to wait for the next bytes."""
    retries: int | None = 0
    """The number of retries. None leaves it to the client."""


_DEFAULTS = ClientOptions()


@dataclass(frozen=True)
class ClientMethod:
    """A method of a client. The synchronous and the asynchronous client have the same methods."""

    sdk: str
    """The client's distribution."""
    name: str
    """The call as users write it."""
    protocol: str
    """The protocol on the wire."""
    form: Literal["stream", "helper", "whole"]
    """A plain iterator of chunks, the client's helper around it, or a response that is not streamed."""
    client: Callable[[str, ClientOptions, bool], Any]
    """Creates a client from the server's address, the options, and whether it is asynchronous."""
    ask: Callable[[Any], Any]
    """Calls the method."""
    take: Callable[[Received, Any], None]
    """Adds a chunk, an event, or the complete response to what was received."""
    whole: Callable[[Any], Any] | None = None
    """Returns the result of a helper after its end."""
    is_async: bool = False
    """Whether it is the asynchronous client."""

    def __str__(self) -> str:
        return f"{'async ' * self.is_async}{self.sdk} {self.name}"

    def url(self, server: Any) -> str:
        """Return the address for this client."""
        family = "openai" if self.protocol.startswith("openai") else self.protocol
        address: str = getattr(server, f"{family}_url")
        return address

    def call(self, server: Any, options: ClientOptions = _DEFAULTS, *, leaves: bool = False) -> Outcome:
        """Call the method, and receive everything until the response ends.

        Args:
            server: The server.
            options: The options of the client.
            leaves: Whether the client leaves after the first text.
        """
        received = Received()
        try:
            if self.is_async:
                asyncio.run(self._call_async(self.url(server), options, received, leaves))
            else:
                self._call(self.url(server), options, received, leaves)
        except Exception as error:  # noqa: BLE001  # the result is the error of the client
            return Outcome(received, error)
        return Outcome(received, None)

    async def acall(self, server: Any, options: ClientOptions = _DEFAULTS) -> Outcome:
        """Call an asynchronous method in the running event loop, as `call` does."""
        received = Received()
        try:
            await self._call_async(self.url(server), options, received, leaves=False)
        except Exception as error:  # noqa: BLE001  # as in `call`
            return Outcome(received, error)
        return Outcome(received, None)

    def _call(self, url: str, options: ClientOptions, received: Received, leaves: bool) -> None:
        with ExitStack() as stack:
            answer = self.ask(stack.enter_context(self.client(url, options, False)))
            if self.form == "whole":
                self.take(received, answer)
                return
            # The streams of OpenAI and Anthropic are contexts, like the helpers. The others are generators.
            chunks = stack.enter_context(closing(answer) if hasattr(answer, "send") else answer)
            for chunk in chunks:
                self.take(received, chunk)
                if leaves and received.text:
                    return
            received.message = self.whole and self.whole(chunks)

    async def _call_async(self, url: str, options: ClientOptions, received: Received, leaves: bool) -> None:
        async with AsyncExitStack() as stack:
            answer = self.ask(await stack.enter_async_context(self.client(url, options, True)))
            if isawaitable(answer):
                answer = await answer
            if self.form == "whole":
                self.take(received, answer)
                return
            chunks = await stack.enter_async_context(aclosing(answer) if hasattr(answer, "asend") else answer)
            async for chunk in chunks:
                self.take(received, chunk)
                if leaves and received.text:
                    return
            message = self.whole and self.whole(chunks)
            received.message = await message if isawaitable(message) else message


def both(*methods: ClientMethod) -> list[ClientMethod]:
    """Return the methods of the synchronous and of the asynchronous client."""
    return [*methods, *(replace(method, is_async=True) for method in methods)]
