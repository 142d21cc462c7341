"""The hand-over that everything is measured by; the standard library only, so that every environment can run it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


async def raw_queue(tokens: Sequence[str], *, paced: bool = False) -> list[str]:
    """Hand the tokens over as a queue does it, and return what arrived.

    Args:
        tokens: what to hand over.
        paced: whether the producer lets others run behind each token, as one does that waits for a network.
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
