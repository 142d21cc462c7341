# pytest: ollama, e2e
"""Sentences of a live model, checked as they come: python streaming_chunking.py."""

from __future__ import annotations

import asyncio

from live_backend import ChatBackend
from requirements import ForbiddenWord, MaxSentences

from pytest_streamval import SimpleContext, stream_with_chunking


async def main() -> None:
    """Ask for a summary, and stop it after three sentences."""
    async with await stream_with_chunking(
        "Explain the water cycle in a few sentences.",
        ChatBackend(),
        SimpleContext(),
        requirements=[MaxSentences(3), ForbiddenWord("desert")],
        chunking="sentence",
    ) as result:
        async for sentence in result.astream():
            print(sentence, flush=True)
    for requirement, verdict in result.streaming_failures:
        print(f"[stopped by {requirement}: {verdict.reason}]")
    assert len(result.full_text) > 0


if __name__ == "__main__":
    asyncio.run(main())
