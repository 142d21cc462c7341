# pytest: ollama, e2e
"""Words of a live model, released one by one, with the space between them: python word_chunking.py."""

from __future__ import annotations

import asyncio

from live_backend import ChatBackend
from requirements import ForbiddenWord

from pytest_streamval import SimpleContext, stream_with_chunking


async def main() -> None:
    """Print an answer word by word, until a forbidden one comes."""
    async with await stream_with_chunking(
        "Name five animals of the sea.",
        ChatBackend(),
        SimpleContext(),
        requirements=[ForbiddenWord("kraken")],
        chunking="word",
    ) as result:
        async for piece in result.astream(lossless=True):
            print(piece, end="", flush=True)
    print()
    assert result.completed or result.streaming_failures


if __name__ == "__main__":
    asyncio.run(main())
