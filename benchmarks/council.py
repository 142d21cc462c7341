"""Print what a council adds to its engine, and what it holds: python -m benchmarks.council [ROUNDS].

20 members send 2,000 deltas each. The engine alone runs the same 20 streams at once, each read by a task of its own;
the council tells each delta as an event to one reader. Both in turn, in one process, in processor time; of each side
counts the lowest: what other programs do can only add to it.
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
TAKEN = range(41, 61)  # deltas of each member that a reader takes before it stops: every place in a buffer
ROUNDS = 25
LIMIT = 2.0  # microseconds a delta
SCRIPT = Script(("token ",) * DELTAS)


async def read(backend: StreamingMockBackend) -> None:
    """Read one stream of the engine alone."""
    async with await stream_with_chunking("go", backend, SimpleContext(), chunking=None) as result:
        async for _ in result.astream():
            pass


async def engine() -> None:
    """Run the streams without a council."""
    await asyncio.gather(*[read(StreamingMockBackend(SCRIPT)) for _ in range(MEMBERS)])


async def council() -> None:
    """Run them in one."""
    async for _ in Council([StreamingMockBackend(SCRIPT) for _ in range(MEMBERS)]).ask_stream("go"):
        pass


async def paused(deltas: int) -> float:
    """Return how many kilobytes a council holds, all told, while its reader pauses after the first event of each."""
    script = Script(("token ",) * deltas)
    backends = [StreamingMockBackend(script) for _ in range(MEMBERS)]
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    async with Council(backends).ask_stream("go") as events:
        heard: set[str | None] = set()
        async for event in events:
            heard.add(event.member)
            if len(heard) == MEMBERS:
                break
        for _ in range(200):
            await asyncio.sleep(0)  # what could still come has come
        gc.collect()
        held = tracemalloc.get_traced_memory()[0] - before
        ahead = max(backend.calls[0].deltas_sent for backend in backends)
        assert ahead <= ModelOutputThunk.capacity
    return held / 1e3


async def cancelled(taken: int) -> int:
    """Return how many deltas the fastest producer had sent that nobody was told, when all were stopped."""
    backends = [StreamingMockBackend(SCRIPT) for _ in range(MEMBERS)]
    told = dict.fromkeys(range(MEMBERS), 0)
    async with Council({str(place): backend for place, backend in enumerate(backends)}).ask_stream("go") as events:
        async for event in events:
            told[int(event.member or 0)] += 1
            if min(told.values()) == taken:
                break
    assert all(backend.calls[0].cancelled for backend in backends)
    return max(backend.calls[0].deltas_sent - told[place] for place, backend in enumerate(backends))


def main() -> None:
    """Measure, and say whether each limit is kept."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    cost(council)  # warm up
    pairs = [(cost(engine), cost(council)) for _ in range(rounds)]
    alone, told = (min(side) / MEMBERS / DELTAS * 1e6 for side in zip(*pairs, strict=True))
    verdict = "within" if told - alone <= LIMIT else "ABOVE"
    print(f"{MEMBERS} members x {DELTAS:,} deltas: {alone:.2f} us a delta in the engine, {told:.2f} us in a council:")
    print(f"  {told - alone:.2f} us more, {verdict} {LIMIT:g} us")
    tracemalloc.start()
    short, long = (asyncio.run(paused(deltas)) for deltas in (DELTAS, 50 * DELTAS))
    tracemalloc.stop()
    print(f"a reader that pauses: {short:.0f} kB held of {DELTAS:,} deltas each, {long:.0f} kB of {50 * DELTAS:,}")
    ahead = max(asyncio.run(cancelled(taken)) for taken in TAKEN)
    verdict = "within" if ahead <= ModelOutputThunk.capacity else "ABOVE"
    print(f"cancelled: {ahead} deltas sent and not told, {verdict} one buffer of {ModelOutputThunk.capacity}")


if __name__ == "__main__":
    main()
