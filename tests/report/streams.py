"""Timelines of streams with every outcome, made on a virtual clock, for the tests of pictures, pages and parts."""

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
from pytest_streamval.report.timeline_observer import FOR_A_PAGE, Limits, TimelineObserver
from pytest_streamval.virtual_time import VirtualClock

if TYPE_CHECKING:
    from pytest_streamval.report.timeline import Timeline

NASTY = "<script>alert(1)</script>&\x1b[31m\u202e\u2028 </script>"


class NoBad(Requirement):
    """Fails a chunk with BAD in it and a complete output without END. Its verdict on a question is unknown."""

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
    """Return the timeline of a stream with an outcome. A delta comes every 0.1 s, its verdict 0.05 s later."""
    steps = [part for step in script or SCRIPTS[outcome] for part in (Delay(0.1), step)]

    async def consume() -> Timeline:
        observer = TimelineObserver(limits)
        backend, requirements = StreamingMockBackend(Script.of(*steps)), [NoBad("no BAD")]
        with observing(lambda: observer), suppress(ConnectionError, TimeoutError):
            run = await stream_with_chunking(asked, backend, SimpleContext(), requirements=requirements)
            async with run as result, asyncio.timeout(5):
                async for _ in result.astream():
                    if outcome == "unfinished":
                        return observer.timeline()
                    await asyncio.sleep(0.02)
        return observer.timeline()

    with VirtualClock() as clock:
        return clock.run(consume())
