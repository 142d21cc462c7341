# pytest: ollama, e2e
"""Items of a live model's list, by a chunker of one's own: python custom_chunking.py."""

from __future__ import annotations

import asyncio

from chunkers import NumberedItems
from live_backend import ChatBackend
from requirements import NumberedSteps

from pytest_streamval import SimpleContext, stream_with_chunking


async def main() -> None:
    """Ask for steps, and stop at the first that repeats an earlier one."""
    async with await stream_with_chunking(
        "List five steps to brew tea, numbered.",
        ChatBackend(),
        SimpleContext(),
        requirements=[NumberedSteps()],
        chunking=NumberedItems(),
    ) as result:
        async for item in result.astream():
            print(item, flush=True)
    for _, verdict in result.streaming_failures:
        print(f"[stopped: {verdict.reason}]")
    assert result.history


if __name__ == "__main__":
    asyncio.run(main())
