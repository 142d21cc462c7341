"""The queue to which all figures are compared. It needs the standard library only, so every environment can run it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


async def raw_queue(tokens: Sequence[str], *, paced: bool = False) -> list[str]:
    """Send the tokens through a queue, and return those that arrived.

    Args:
        tokens: The tokens to send.
        paced: Whether other tasks run after each token, as with a producer that waits for a network.
    """
    queue: asyncio.Queue[str | None] = asyncio.Queue(maxsize=20)

    async def produce() -> None:
        for token in tokens:
            await queue.put(token)
            if paced:
                await asyncio.sleep(0)
        await queue.put(None)

    task = asyncio.create_task(produce())
    received = []
    while (token := await queue.get()) is not None:
        received.append(token)
    await task
    return received
