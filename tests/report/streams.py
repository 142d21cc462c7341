"""Streams of every outcome, on a virtual clock: what the tests of pictures, pages and parts look at."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from pytest_streamval import (
    Delay,
    PartialValidationResult,
    Raise,
    Requirement,
    Script,
    SimpleContext,
    Stall,
    StreamingMockBackend,
    ValidationResult,
    stream_with_chunking,
)
from pytest_streamval.engine.observer import observing
from pytest_streamval.virtual_time import VirtualClock
from pytest_streamval.report.timeline_observer import FOR_A_PAGE, Limits, StreamWatch

if TYPE_CHECKING:
    from pytest_streamval.report.timeline import Timeline

NASTY = "<script>alert(1)</script>&\x1b[31m\u202e\u2028 </script>"


class NoBad(Requirement):
    """Fails a chunk with BAD in it, knows nothing of a question, and fails a whole without an end."""

    async def stream_validate(self, chunk, *, backend, ctx):
        await asyncio.sleep(0.05)
        if "BAD" in chunk:
            return PartialValidationResult("fail", reason=f"BAD is in it {NASTY}")
        return PartialValidationResult("unknown" if chunk.endswith("?") else "pass")

    async def validate(self, backend, ctx, **_):
        return ValidationResult("END" in str(ctx.last_output()), reason="looked for an END")


SCRIPTS = {
    "complete": ("One. ", "Two? ", "EN", "D."),
    "invalid": ("One. ", "Two. ", "Three."),
    "stopped": ("One. ", "Two? ", "So BAD. ", "Nev", "er."),
    "error": ("One. ", "Two. ", Raise(ConnectionError("reset <b>"))),
    "cancelled": ("One. ", "Two. ", Stall()),
    "unfinished": ("One. ", "Two. ", Stall()),
}


def stream(outcome: str, script: tuple = (), asked: str = "Go on", limits: Limits = FOR_A_PAGE) -> Timeline:
    """Return the timeline of a stream that ends so: a delta every 0.1 s, a verdict 0.05 s later."""
    steps = [part for step in script or SCRIPTS[outcome] for part in (Delay(0.1), step)]
    watches: list[StreamWatch] = []

    def watch() -> StreamWatch:
        watches.append(StreamWatch(limits))
        return watches[-1]

    async def consume() -> Timeline:
        backend, requirements = StreamingMockBackend(Script.of(*steps)), [NoBad("no BAD")]
        run = stream_with_chunking(asked, backend, SimpleContext(), requirements=requirements)
        async with await run as result:
            with suppress(ConnectionError, TimeoutError):
                async with asyncio.timeout(5):
                    async for _ in result.astream():
                        if outcome == "unfinished":
                            return watches[0].timeline()
                        await asyncio.sleep(0.02)
        return watches[0].timeline()

    with VirtualClock() as clock, observing(watch):
        return clock.run(consume())
