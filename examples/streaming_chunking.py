# pytest: ollama, e2e
"""Sentences of a live model, checked as they come, and everything that happens: python streaming_chunking.py."""

from __future__ import annotations

import asyncio

from live_backend import ChatBackend
from requirements import ForbiddenWord, MaxSentences

from pytest_streamval import (
    ChunkEvent,
    CompletedEvent,
    QuickCheckEvent,
    SimpleContext,
    StreamEvent,
    stream_with_chunking,
)


def show(event: StreamEvent) -> None:
    """Print what a reader should see of an event."""
    match event:
        case ChunkEvent(text=sentence):
            print(sentence, flush=True)
        case QuickCheckEvent(passed=False, results=results):
            print(f"[stopped: {', '.join(result.reason for result in results if result.reason)}]")
        case CompletedEvent(success=success):
            print("[complete]" if success else "[incomplete]")
        case _:
            pass  # events of other kinds, also of later versions


async def main() -> None:
    """Ask for a summary, and stop it after three sentences."""
    async with stream_with_chunking(
        "Explain the water cycle in a few sentences.",
        ChatBackend(),
        SimpleContext(),
        requirements=[MaxSentences(3), ForbiddenWord("desert")],
        chunking="sentence",
    ) as run:
        async for event in run.events():
            show(event)
    assert len(run.full_text) > 0


if __name__ == "__main__":
    asyncio.run(main())
