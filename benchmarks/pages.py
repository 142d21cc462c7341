"""Print the cost of pages: python -m benchmarks.pages [ROUNDS].

A client requests 1,000 pages of an application at the same time, of 200 reads each, in one event loop. The comparison
is 1,000 runs of the engine at the same time, of 200 words and one requirement each. Both run in turn. The result is the
median of the ratios of a read to an event of the engine, in processor time.
"""

from __future__ import annotations

import asyncio
import gc
import platform
import sys
import tracemalloc
from typing import TYPE_CHECKING

from benchmarks.measure import ROUNDS, compare
from benchmarks.workloads import Passing, engine
from pytest_streamval import AppClient, Script

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from pytest_streamval import StreamChunkingResult
    from pytest_streamval.app.asgi_requests import Scope

PAGES, READS = 1_000, 200
LIMIT = 3.0  # times an event of the engine
FLAT = 1.0  # megabytes that later pages may add
BATCHES = 4
EVENT = b'data: {"text": "token "}\n\n'


async def app(scope: Scope, receive: object, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
    """Send the events of a page, one in each step of the event loop."""
    del receive
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200})
    for _ in range(READS):
        await send({"type": "http.response.body", "body": EVENT, "more_body": True})
        await asyncio.sleep(0)
    await send({"type": "http.response.body"})


async def pages() -> None:
    """Request all pages at the same time."""
    async with AppClient(app) as client:
        found = await asyncio.gather(*(client.get("/") for _ in range(PAGES)))
    assert all(len(page.reads) == READS and page.complete for page in found)


async def runs() -> list[StreamChunkingResult]:
    """Run the engine as often at the same time."""
    script = Script.from_text("token " * READS, token_size=6)
    return await asyncio.gather(*(engine(script, "word", [Passing()]) for _ in range(PAGES)))


async def count_events() -> int:
    """Return the number of events of all these runs."""
    return sum([1 for run in await runs() async for _ in run.events()])


async def growth() -> float:
    """Return the megabytes that batches of pages add after the first one, once they are dropped."""
    tracemalloc.start()
    sizes = []
    for _ in range(BATCHES):
        await pages()
        await asyncio.sleep(0)
        gc.collect()
        sizes.append(tracemalloc.get_traced_memory()[0] / 1e6)
    tracemalloc.stop()
    return sizes[-1] - sizes[0]


def main() -> None:
    """Print the cost of a read, and whether it and the memory are within their limits."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    events = asyncio.run(count_events())
    ratio = compare(pages, runs, events / (PAGES * READS), rounds)
    grown = asyncio.run(growth())
    print(f"Python {platform.python_version()}, {PAGES:,} pages of {READS} reads at once, {rounds} rounds")
    print(f"read      {ratio.seconds / PAGES / READS * 1e6:5.2f} µs")
    verdict = "within" if ratio.median <= LIMIT else "ABOVE"
    spread = f"{ratio.low:.2f}-{ratio.high:.2f}"
    print(f"ratio     {ratio.median:5.2f}    x an event of the engine ({spread}), {verdict} {LIMIT:g}")
    verdict = "within" if grown <= FLAT else "ABOVE"
    print(f"memory    {grown:5.2f} MB added by {(BATCHES - 1) * PAGES:,} more pages, {verdict} {FLAT:g}")


if __name__ == "__main__":
    main()
