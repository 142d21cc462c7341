"""mellea 0.7.0: `stream_with_chunking`, a task that runs with or without a reader."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mellea.core.base import CBlock, ModelOutputThunk
from mellea.core.requirement import PartialValidationResult, Requirement, ValidationResult
from mellea.helpers.async_helpers import send_to_queue
from mellea.stdlib.context import SimpleContext
from mellea.stdlib.streaming import StreamChunkingResult, stream_with_chunking

from benchmarks.peers.adapters.mellea_common import Feeding

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from benchmarks.peers.adapters.source import Source


class Passing(Requirement):
    """Passes every chunk without suspending."""

    async def stream_validate(self, chunk: str, **given: Any) -> PartialValidationResult:  # noqa: ANN401
        """Pass."""
        return PartialValidationResult("pass")

    async def validate(self, backend: Any, ctx: Any, **options: Any) -> ValidationResult:  # noqa: ANN401
        """Pass."""
        return ValidationResult(result=True)


class Counting(Passing):
    """Passes so many chunks, then fails one."""

    def __init__(self, left: int) -> None:
        super().__init__()
        self.left = left

    async def stream_validate(self, chunk: str, **given: Any) -> PartialValidationResult:  # noqa: ANN401
        """Count down to the fail."""
        self.left -= 1
        return PartialValidationResult("pass" if self.left >= 0 else "fail")


passing, failing_at = Passing, Counting


async def send(mot: ModelOutputThunk, deltas: AsyncIterator[str]) -> None:
    """Hand over deltas as a real backend does it."""
    await send_to_queue(deltas, mot._gen.queue)


async def start(
    source: Source, chunking: str, requirements: list[Requirement], variant: str = ""
) -> StreamChunkingResult:
    """Start a run."""
    backend = Feeding(source, send if variant == "backend" else None)
    return await stream_with_chunking(
        CBlock("go"), backend, SimpleContext(), chunking=chunking, requirements=requirements
    )


async def run(
    source: Source, chunking: str, requirements: list[Requirement], variant: str = ""
) -> StreamChunkingResult:
    """Run to the end without a reader. The events are queued all the same."""
    result = await start(source, chunking, requirements, variant)
    await result.acomplete()
    return result


unread = run


async def read(source: Source, chunking: str, requirements: list[Requirement]) -> StreamChunkingResult:
    """Run to the end, and read all chunks."""
    result = await start(source, chunking, requirements)
    async for _ in result.astream():
        pass
    await result.acomplete()
    return result


async def first(source: Source, chunking: str, requirements: list[Requirement]) -> Callable[[], Awaitable[Any]]:
    """Read one chunk."""
    result = await start(source, chunking, requirements)
    await anext(result.astream())
    return result.acomplete
