"""Watch a recorded model stream being cut and checked: python demo.py [--fast]."""

from __future__ import annotations

import argparse
import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING

from chunkers import NumberedItems
from requirements import NumberedSteps

from pytest_streamval import (
    ChunkEvent,
    CompletedEvent,
    ErrorEvent,
    FullValidationEvent,
    QuickCheckEvent,
    Script,
    SimpleContext,
    StreamingDoneEvent,
    StreamingMockBackend,
    stream_with_chunking,
)

if TYPE_CHECKING:
    from pytest_streamval import ChunkingStrategy, Requirement, StreamChunkingResult, StreamEvent

STREAM = Path(__file__).parent / "streams" / "openai-list.jsonl"


def told(event: StreamEvent) -> str:
    """Return an event as a line."""
    match event:
        case QuickCheckEvent(passed=True):
            line = "check      passed"
        case QuickCheckEvent():
            reasons = "; ".join(result.reason or "no reason given" for result in event.results if not result)
            line = f"check      FAILED: {reasons}"
        case ChunkEvent():
            line = f"chunk {event.chunk_index:<4} {event.text!r}"
        case StreamingDoneEvent():
            line = f"stream     ended by itself after {len(event.full_text)} characters"
        case FullValidationEvent():
            line = f"validation {'passed' if event.passed else 'FAILED'}"
        case ErrorEvent():
            line = f"error      {event.exception_type}: {event.detail}"
        case CompletedEvent():
            line = f"completed  success={event.success}"
        case _:
            line = repr(event)
    return line


async def watch(
    script: Script, chunking: str | ChunkingStrategy, requirements: list[Requirement]
) -> tuple[StreamChunkingResult, StreamingMockBackend]:
    """Stream a script and print every event as it happens."""
    backend = StreamingMockBackend(script)
    began = time.time()
    async with await stream_with_chunking(
        "How do I make tea?", backend, SimpleContext(), requirements=requirements, chunking=chunking
    ) as result:
        async for event in result.events():
            print(f"  {event.timestamp - began:6.3f} s  {told(event)}", flush=True)
        await result.acomplete()
    return result, backend


async def main() -> None:
    """Play the stream twice: left alone, and held to a requirement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fast", action="store_true", help="without the recorded pauses")
    script = Script.from_cassette(STREAM, timing=not parser.parse_args().fast)
    total = len(script.deltas)
    print(f"{STREAM.name}: what SmolLM2-135M-Instruct answered when it was recorded, in {total} deltas.\n")

    print("Left alone, cut into paragraphs:")
    await watch(script, "paragraph", [])

    print("\nThe same answer, cut into list items, none of which may repeat an earlier one:")
    result, backend = await watch(script, NumberedItems(), [NumberedSteps()])
    call = backend.calls[0]
    received = sum(isinstance(event, ChunkEvent) for event in result.history)
    print(f"\n  The reader got {received} items. The repeated one was judged before it was released, and held back.")
    print(f"  The model was stopped after {call.deltas_sent} of its {total} deltas.\n")


if __name__ == "__main__":
    asyncio.run(main())
