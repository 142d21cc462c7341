"""mellea 0.8.0: `stream`, which its reader drives, or, with `as_events`, a task that queues events."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from mellea.core.base import CBlock, ModelOutputThunk
from mellea.core.requirement import PartialValidationResult, Requirement, ValidationResult
from mellea.helpers.async_helpers import send_to_queue
from mellea.stdlib.context import SimpleContext
from mellea.stdlib.streaming import EventStreamer, Streamer, stream

from benchmarks.peers.adapters.mellea_common import Feeding

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from benchmarks.peers.adapters.source import Source


class Passing(Requirement):
    """Passes every chunk without suspending."""

    async def _stream_validate(self, chunk: str, **given: Any) -> PartialValidationResult:  # noqa: ANN401
        return PartialValidationResult("pass")

    async def validate(self, backend: Any, ctx: Any, **options: Any) -> ValidationResult:  # noqa: ANN401
        """Pass."""
        return ValidationResult(result=True)


class Counting(Passing):
    """Passes so many chunks, then fails one."""

    def __init__(self, left: int) -> None:
        super().__init__()
        self.left = left

    async def _stream_validate(self, chunk: str, **given: Any) -> PartialValidationResult:  # noqa: ANN401
        self.left -= 1
        return PartialValidationResult("pass" if self.left >= 0 else "fail")


passing, failing_at = Passing, Counting


async def send(mot: ModelOutputThunk, deltas: AsyncIterator[str]) -> None:
    """Hand over deltas as a real backend does it."""
    await send_to_queue(deltas, mot)


async def start(source: Source, chunking: str, requirements: list[Requirement], variant: str = "") -> Streamer:
    """Start a run."""
    backend = Feeding(source, send if variant == "backend" else None)
    return await stream(CBlock("go"), backend, SimpleContext(), chunking=chunking, requirements=requirements)


async def run(source: Source, chunking: str, requirements: list[Requirement], variant: str = "") -> object:
    """Read all chunks, without events: the cheapest way to the end."""
    if variant == "events":
        return await read_events(source, chunking, requirements)
    async with await start(source, chunking, requirements, variant) as streamer:
        async for _ in streamer:
            pass
    return streamer


read = run


async def start_events(source: Source, chunking: str, requirements: list[Requirement]) -> EventStreamer:
    """Start a run that queues its events."""
    backend, context = Feeding(source), SimpleContext()
    return await stream(CBlock("go"), backend, context, chunking=chunking, requirements=requirements, as_events=True)


async def read_events(source: Source, chunking: str, requirements: list[Requirement]) -> EventStreamer:
    """Read all events, as the other engines keep them."""
    async with await start_events(source, chunking, requirements) as streamer:
        async for _ in streamer:
            pass
    return streamer


async def unread(source: Source, chunking: str, requirements: list[Requirement]) -> EventStreamer:
    """Run to the end without a reader, which only the form with events can."""
    streamer = await start_events(source, chunking, requirements)
    assert streamer._pump_task is not None
    await asyncio.wait([streamer._pump_task])
    return streamer


async def first(source: Source, chunking: str, requirements: list[Requirement]) -> Callable[[], Awaitable[Any]]:
    """Read one chunk."""
    streamer = await start(source, chunking, requirements)
    await anext(aiter(streamer))
    return streamer.aclose
