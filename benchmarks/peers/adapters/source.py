"""The producer that all engines are fed by."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence


class Source:
    """Tokens to send, one at a time, and the count of those that were sent."""

    def __init__(self, tokens: Sequence[str], *, paced: bool = False) -> None:
        """Create a source.

        Args:
            tokens: The tokens to send.
            paced: Whether other tasks run after each token, as with a producer that waits for a network.
        """
        self.tokens = tokens
        self.paced = paced
        self.sent = 0
        """How many were handed over."""

    async def feed(self, put: Callable[[str], Awaitable[None]]) -> None:
        """Hand the tokens over, one call of `put` for each."""
        for token in self.tokens:
            await put(token)
            self.sent += 1
            if self.paced:
                await asyncio.sleep(0)

    async def stream(self) -> AsyncIterator[str]:
        """Return an iterator of the tokens, as the client of a provider does."""
        for token in self.tokens:
            self.sent += 1
            yield token
            if self.paced:
                await asyncio.sleep(0)
