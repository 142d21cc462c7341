# pytest: ollama, e2e
"""Paragraphs of a live model, none too long, with every event: python paragraph_chunking.py."""

from __future__ import annotations

import asyncio

from demo import told
from live_backend import ChatBackend
from requirements import MaxParagraphLength

from pytest_streamval import CompletedEvent, SimpleContext, stream_with_chunking


async def main() -> None:
    """Print the events of a story told in paragraphs."""
    async with await stream_with_chunking(
        "Tell a very short story about a robot in a kitchen, in two paragraphs.",
        ChatBackend(),
        SimpleContext(),
        requirements=[MaxParagraphLength(600)],
        chunking="paragraph",
    ) as result:
        async for event in result.events():
            print(told(event), flush=True)
    assert isinstance(result.history[-1], CompletedEvent)


if __name__ == "__main__":
    asyncio.run(main())
