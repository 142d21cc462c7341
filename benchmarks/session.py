"""Print the cost of a session: python -m benchmarks.session [ROUNDS].

A session runs 1,000 instructions at the same time on the mock, each answered with 20 tokens. The comparison sends
1,000 requests to the same backend without a session. Both run in turn, each in its own event loop. The result is the
median of the ratios.
"""

from __future__ import annotations

import asyncio
import platform
import statistics
import sys
import time
from typing import TYPE_CHECKING

from benchmarks.workloads import prose
from pytest_streamval import Instruction, SimpleContext, StreamingMockBackend, start_session, wait_for_all_mots

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

CALLS = 1_000
TOKENS = 20
ROUNDS = 15
LIMIT = 3.0  # times the engine's own time


async def engine(backend: StreamingMockBackend) -> None:
    """Send the requests to the backend itself."""
    answers = [await backend.generate_from_context(Instruction("Go."), SimpleContext()) for _ in range(CALLS)]
    await asyncio.gather(*(thunk.avalue() for thunk, _ in answers))


async def session(backend: StreamingMockBackend) -> None:
    """Send the requests through a session, and check that it leaves no task."""
    async with start_session(backend) as asked:
        thunks = [await asked.ainstruct("Go.") for _ in range(CALLS)]
        await wait_for_all_mots(thunks)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, f"{len(left)} tasks left"


def seconds(work: Callable[[StreamingMockBackend], Coroutine[None, None, None]]) -> float:
    """Return the seconds of one run."""
    backend = StreamingMockBackend(*[prose(TOKENS)] * CALLS)
    with asyncio.Runner() as runner:
        runner.get_loop()
        began = time.perf_counter()
        runner.run(work(backend))
        took = time.perf_counter() - began
    assert all(call.finished and call.thunk.is_computed() for call in backend.calls)
    return took


def main() -> None:
    """Print the times, and whether the ratio is within its limit."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    seconds(engine), seconds(session)
    pairs = [(seconds(engine), seconds(session)) for _ in range(rounds)]
    ratios = sorted(with_it / without for without, with_it in pairs)
    middle = statistics.median(ratios)
    print(f"Python {platform.python_version()}, {CALLS:,} requests at once, {TOKENS} tokens each, {rounds} rounds")
    for name, side in zip(("engine", "session"), zip(*pairs, strict=True), strict=True):
        print(f"{name:8} {statistics.median(side) * 1e3:6.1f} ms ({min(side) * 1e3:.1f}-{max(side) * 1e3:.1f})")
    verdict = "within" if middle <= LIMIT else "ABOVE"
    print(f"ratio    {middle:6.2f}    ({ratios[0]:.2f}-{ratios[-1]:.2f}), {verdict} {LIMIT:g}; no task left")


if __name__ == "__main__":
    main()
