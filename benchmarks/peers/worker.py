"""The process in a contender's environment: python -m benchmarks.peers.worker ADAPTER TEXTS.

It answers each line of standard input, a JSON object whose `do` names one of `ACTIONS`, with a line of JSON. `TEXTS`
is a file of JSON with the tokens to work on, by name. Only the standard library and the adapter are imported here.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measure import cost, kept
from benchmarks.peers.adapters.source import Source
from benchmarks.yardstick import raw_queue

if TYPE_CHECKING:
    from collections.abc import Callable

    Answer = dict[str, Any]

ENOUGH = 16_000  # tokens: shorter runs are repeated until a round has as many
FIRST_CHUNKS = 200  # runs, of which the median counts
MEASURABLE = 0.1  # seconds
WORDS = 1_000  # of a run that fails
FAILING = range(0, 200, 7)  # the chunks at which it does


class Bench:
    """One contender and the texts."""

    def __init__(self, adapter: str, texts: dict[str, list[str]]) -> None:
        self.contender = import_module(f"benchmarks.peers.adapters.{adapter}")
        self.texts = texts

    def run(
        self,
        *,
        chunking: str,
        requirements: int,
        tokens: int,
        paced: bool,
        text: str = "prose",
        streams: int = 1,
        variant: str = "",
    ) -> Answer:
        """Measure one round: the processor time of whole runs, and of the raw queue with the same tokens."""
        sent = self.texts[text][:tokens]
        repeat = max(1, ENOUGH // (tokens * streams))

        async def runs() -> None:
            for _ in range(repeat):
                work = [self._run(sent, chunking, requirements, paced, variant) for _ in range(streams)]
                await (asyncio.gather(*work) if streams > 1 else work[0])

        async def queues() -> None:
            for _ in range(repeat * streams):
                await raw_queue(sent, paced=paced)

        queue = cost(queues)
        return {"seconds": cost(runs) / repeat, "queue": queue / repeat}

    async def _run(self, sent: list[str], chunking: str, requirements: int, paced: bool, variant: str) -> None:  # noqa: FBT001
        given = [self.contender.passing() for _ in range(requirements)]
        await self.contender.run(Source(sent, paced=paced), chunking, given, variant)

    def first(self, *, tokens: int, paced: bool) -> Answer:
        """Measure the processor time until the first chunk of a run is in the reader's hands."""
        sent = self.texts["prose"][:tokens]

        async def once() -> float:
            began = time.process_time()
            end = await self.contender.first(Source(sent, paced=paced), "sentence", [self.contender.passing()])
            took = time.process_time() - began
            await end()
            return took

        async def often() -> list[float]:
            return [await once() for _ in range(FIRST_CHUNKS)]

        return {"seconds": statistics.median(asyncio.run(often()))}

    def sent_after_fail(self, *, paced: bool) -> Answer:
        """Return the most deltas that a producer sends after the one that completes the failing chunk."""
        words = [f"{index} " for index in range(WORDS)]

        async def extra(failing: int) -> int:
            source = Source(words, paced=paced)
            await self.contender.run(source, "word", [self.contender.failing_at(failing)])
            return source.sent - (failing + 1)

        return {"deltas": max(asyncio.run(extra(failing)) for failing in FAILING)}

    def kept(self, *, chunking: str, requirements: int, tokens: int, how: str) -> Answer:
        """Measure the memory of a finished run, in megabytes."""
        sent = self.texts["prose"][:tokens]
        work = getattr(self.contender, how)

        async def once() -> object:
            return await work(Source(sent), chunking, [self.contender.passing() for _ in range(requirements)])

        return {"megabytes": kept(once)}

    def split(self, *, texts: list[list[str]]) -> Answer:
        """Cut texts, each of which comes in pieces if the contender takes them."""
        return {"chunks": [self.contender.split(pieces) for pieces in texts], "streaming": self.contender.STREAMING}

    def speed(self, *, tokens: int) -> Answer:
        """Measure the processor time of cutting a text, as often as it takes to be measurable."""
        sent = self.texts["prose"][:tokens]
        pieces = sent if self.contender.STREAMING else ["".join(sent)]
        began, cuts = time.process_time(), 0
        while (took := time.process_time() - began) < MEASURABLE:
            self.contender.split(pieces)
            cuts += 1
        return {"seconds": took / cuts}


ACTIONS: dict[str, Callable[..., Answer]] = {
    "run": Bench.run,
    "first": Bench.first,
    "sent_after_fail": Bench.sent_after_fail,
    "kept": Bench.kept,
    "split": Bench.split,
    "speed": Bench.speed,
}


def main() -> None:
    """Answer until standard input ends."""
    answers, sys.stdout = sys.stdout, sys.stderr  # output of a contender must not get between the answers
    bench = Bench(sys.argv[1], json.loads(Path(sys.argv[2]).read_text(encoding="utf-8")))
    for line in sys.stdin:
        request = json.loads(line)
        answer = partial(ACTIONS[request.pop("do")], bench)(**request)
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
