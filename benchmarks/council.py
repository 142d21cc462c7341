"""Print the time and the memory of a council: python -m benchmarks.council [ROUNDS].

20 members send 2,000 deltas each. The engine alone runs the same 20 streams at the same time, with a reader for each
stream. The council sends each delta as an event to one reader. Both run in turn in one process. The result is the
lowest processor time of each, since other programs can only add to it.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import tracemalloc

from benchmarks.measure import cost
from pytest_streamval import (
    Council,
    ModelOutputThunk,
    Script,
    SimpleContext,
    StreamingMockBackend,
    stream_with_chunking,
)

MEMBERS = 20
DELTAS = 2_000
RECEIVED = range(41, 61)  # deltas of each member before the reader stops: every position in a buffer
ROUNDS = 25
LIMIT = 2.0  # microseconds a delta
SCRIPT = Script(("token ",) * DELTAS)


async def read(backend: StreamingMockBackend) -> None:
    """Read one stream of the engine."""
    async with await stream_with_chunking("go", backend, SimpleContext(), chunking=None) as result:
        async for _ in result.astream():
            pass


async def engine() -> None:
    """Run the streams without a council."""
    await asyncio.gather(*[read(StreamingMockBackend(SCRIPT)) for _ in range(MEMBERS)])


async def council() -> None:
    """Run the streams in a council."""
    async for _ in Council([StreamingMockBackend(SCRIPT) for _ in range(MEMBERS)]).ask_stream("go"):
        pass


async def paused(deltas: int) -> float:
    """Return the kilobytes of a council whose reader pauses after the first event of each member."""
    script = Script(("token ",) * deltas)
    backends = [StreamingMockBackend(script) for _ in range(MEMBERS)]
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    async with Council(backends).ask_stream("go") as events:
        members: set[str | None] = set()
        async for event in events:
            members.add(event.member)
            if len(members) == MEMBERS:
                break
        for _ in range(200):
            await asyncio.sleep(0)  # until every buffer is full
        gc.collect()
        held = tracemalloc.get_traced_memory()[0] - before
        ahead = max(backend.calls[0].deltas_sent for backend in backends)
        assert ahead <= ModelOutputThunk.capacity
    return held / 1e3


async def cancelled(received: int) -> int:
    """Return the largest number of deltas that a stopped producer had sent and the reader had not received."""
    backends = [StreamingMockBackend(SCRIPT) for _ in range(MEMBERS)]
    counts = dict.fromkeys(range(MEMBERS), 0)
    async with Council({str(place): backend for place, backend in enumerate(backends)}).ask_stream("go") as events:
        async for event in events:
            counts[int(event.member or 0)] += 1
            if min(counts.values()) == received:
                break
    assert all(backend.calls[0].cancelled for backend in backends)
    return max(backend.calls[0].deltas_sent - counts[place] for place, backend in enumerate(backends))


def main() -> None:
    """Print the figures, and whether each is within its limit."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    cost(council)  # warm up
    pairs = [(cost(engine), cost(council)) for _ in range(rounds)]
    alone, together = (min(side) / MEMBERS / DELTAS * 1e6 for side in zip(*pairs, strict=True))
    verdict = "within" if together - alone <= LIMIT else "ABOVE"
    print(f"{MEMBERS} members x {DELTAS:,} deltas: {alone:.2f} us a delta in the engine, {together:.2f} in a council:")
    print(f"  {together - alone:.2f} us more, {verdict} {LIMIT:g} us")
    tracemalloc.start()
    short, long = (asyncio.run(paused(deltas)) for deltas in (DELTAS, 50 * DELTAS))
    tracemalloc.stop()
    print(f"a paused reader: {short:.0f} kB for {DELTAS:,} deltas each, {long:.0f} kB for {50 * DELTAS:,}")
    ahead = max(asyncio.run(cancelled(received)) for received in RECEIVED)
    verdict = "within" if ahead <= ModelOutputThunk.capacity else "ABOVE"
    print(f"cancelled: {ahead} deltas sent and not received, {verdict} one buffer of {ModelOutputThunk.capacity}")


if __name__ == "__main__":
    main()
