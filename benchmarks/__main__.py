"""Print the table of the engine's costs: python -m benchmarks [WORD ...], the cases that contain every word."""

from __future__ import annotations

import asyncio
import platform
import sys
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.measure import compare, kept
from benchmarks.workloads import FailingAt, Passing, Suspending, engine, prose, tokens, unbroken
from benchmarks.yardstick import raw_queue
from pytest_streamval import Script, SimpleContext, StreamingMockBackend, stream_with_chunking

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_streamval import Requirement

    Case = tuple[str, float, str, Callable[[], tuple[float, str]]]

TOKENS = 16_000
STREAMS, SHORT = 1_000, 200  # of so many tokens each
UNBROKEN = 200_000  # characters


def against_queue(chunking: str, *requirements: Requirement) -> tuple[float, str]:
    """Compare a run with the hand-over of the same tokens through a queue."""
    script = prose(TOKENS)
    found = compare(partial(engine, script, chunking, list(requirements)), partial(raw_queue, tokens(script)))
    return found.median, f"{found.low:.2f}-{found.high:.2f}, {found.seconds / TOKENS * 1e6:.2f} µs a token"


def with_own_chunks(chunking: str, dearer: str, *others: str) -> tuple[float, str]:
    """Compare requirements that check different chunks with the dearest one of them alone."""
    script = prose(TOKENS)
    alone = [Passing(chunking=dearer)]
    together = [*alone, *(Passing(chunking=other) for other in others)]
    found = compare(partial(engine, script, chunking, together), partial(engine, script, chunking, alone), rounds=15)
    return found.median, f"{found.low:.2f}-{found.high:.2f}"


def many_streams() -> tuple[float, str]:
    """Compare many runs at once with one hand-over of as many tokens, token for token."""
    script, whole = prose(SHORT), prose(TOKENS)

    async def work() -> None:
        await asyncio.gather(*[engine(script, "sentence", [Passing()]) for _ in range(STREAMS)])

    found = compare(work, partial(raw_queue, tokens(whole)), scale=TOKENS / (STREAMS * SHORT), rounds=5)
    return found.median, f"{found.low:.2f}-{found.high:.2f}, {STREAMS * SHORT / found.seconds:,.0f} tokens/s"


def without_boundary(chunking: str) -> tuple[float, str]:
    """Compare text that has no boundary with prose, character for character."""
    text, ordinary = unbroken(UNBROKEN), prose(UNBROKEN // 4)
    found = compare(partial(engine, text, chunking, []), partial(engine, ordinary, chunking, []))
    return found.median, f"{found.low:.2f}-{found.high:.2f}"


def growth(chunking: str, *requirements: Requirement) -> tuple[float, str]:
    """Compare four times the text."""
    once, four_times = prose(TOKENS), prose(4 * TOKENS)
    found = compare(
        partial(engine, four_times, chunking, list(requirements)), partial(engine, once, chunking, list(requirements))
    )
    return found.median, f"{found.low:.2f}-{found.high:.2f}"


def sent_after_fail() -> tuple[float, str]:
    """Count the deltas that a producer without pauses sends after the one that completes the failing chunk."""
    worst = 0
    for failing in range(0, 200, 7):
        words = [f"{index} " for index in range(1_000)]
        backend = StreamingMockBackend(Script(tuple(words)))

        async def run(backend: StreamingMockBackend = backend, failing: int = failing) -> None:
            result = await stream_with_chunking(
                "go", backend, SimpleContext(), chunking="word", requirements=[FailingAt(failing)]
            )
            await result.acomplete()

        asyncio.run(run())
        worst = max(worst, backend.calls[0].deltas_sent - (failing + 1))
    return float(worst), "the most of 29 runs"


def memory() -> tuple[float, str]:
    """Measure the memory of a run that was not read."""
    return kept(partial(engine, prose(TOKENS), "word", [Passing() for _ in range(4)])), "MB"


CASES: list[Case] = [
    ("sentences, 0 requirements", 1.0, "x queue", partial(against_queue, "sentence")),
    ("sentences, 1 requirement", 1.0, "x queue", partial(against_queue, "sentence", Passing())),
    ("prose, 1 requirement", 1.8, "x queue", partial(against_queue, "prose", Passing())),
    ("words, 4 requirements", 8.0, "x queue", partial(against_queue, "word", *[Passing() for _ in range(4)])),
    ("words, 4 that suspend", 20.0, "x queue", partial(against_queue, "word", *[Suspending() for _ in range(4)])),
    ("words and sentences", 1.2, "x words", partial(with_own_chunks, "word", "word", "sentence")),
    ("the same in sentences", 1.2, "x words", partial(with_own_chunks, "sentence", "word", "sentence")),
    ("1,000 streams, 1 requirement", 2.2, "x queue", many_streams),
    *[
        (f"no boundary, {chunking}", 1.2, "x prose", partial(without_boundary, chunking))
        for chunking in ("sentence", "prose", "paragraph", "word", "line")
    ],
    ("64,000 tokens, sentences", 4.4, "x 16,000", partial(growth, "sentence", Passing())),
    ("64,000 tokens, words", 4.4, "x 16,000", partial(growth, "word", *[Passing() for _ in range(4)])),
    ("deltas sent after a fail", 20.0, "deltas", sent_after_fail),
    ("kept by an unread run", 6.5, "MB", memory),
]


def main() -> None:
    """Print the table, a line as soon as it is measured."""
    chosen = [case for case in CASES if all(word in case[0] for word in sys.argv[1:])]
    print(f"Python {platform.python_version()}, {TOKENS:,} tokens of 4 characters unless said otherwise.")
    print("The queue is asyncio.Queue(maxsize=20), handing over the same tokens and nothing else.\n")
    print(f"{'case':30} {'measured':>8}  {'at most':>7}  {'unit':9} spread")
    missed = 0
    for name, limit, unit, measure in chosen:
        value, note = measure()
        missed += value > limit
        print(
            f"{name:30} {value:8.2f}  {limit:7.1f}  {unit:9} {note}{'' if value <= limit else '  MISSED'}", flush=True
        )
    print(f"\n{len(chosen) - missed} of {len(chosen)} within their limits.")


if __name__ == "__main__":
    main()
