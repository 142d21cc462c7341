"""This project's engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_streamval import (
    Backend,
    ModelOutputThunk,
    PartialValidationResult,
    Requirement,
    Script,
    SimpleContext,
    StreamChunkingResult,
    StreamingMockBackend,
    ValidationResult,
    stream_with_chunking,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from benchmarks.peers.adapters.source import Source


class Feeding(Backend):
    """Puts the tokens of a source."""

    def __init__(self, source: Source, variant: str) -> None:
        self.source = source
        self.produce = self._stream if variant == "backend" else self._feed

    async def generate_from_context(self, action: Any, ctx: Any, **options: Any) -> Any:  # noqa: ANN401
        """Start the producer, as a backend of this project does it."""
        thunk = ModelOutputThunk(action=action)
        thunk.start(self.produce)
        return thunk, ctx.add(action).add(thunk)

    async def _feed(self, thunk: ModelOutputThunk) -> None:
        await self.source.feed(thunk.put)

    async def _stream(self, thunk: ModelOutputThunk) -> None:
        async for token in self.source.stream():
            await thunk.put(token)


class Counting(Requirement):
    """Passes so many chunks, then fails one."""

    def __init__(self, left: int) -> None:
        super().__init__()
        self.left = left

    async def stream_validate(self, chunk: str, **given: Any) -> PartialValidationResult:  # noqa: ANN401
        """Count down to the fail."""
        self.left -= 1
        return PartialValidationResult("pass" if self.left >= 0 else "fail")


class Passing(Requirement):
    """Passes every chunk without suspending."""

    async def stream_validate(self, chunk: str, **given: Any) -> PartialValidationResult:  # noqa: ANN401
        """Pass."""
        return PartialValidationResult("pass")

    async def validate(self, backend: Any, ctx: Any, **options: Any) -> ValidationResult:  # noqa: ANN401
        """Pass."""
        return ValidationResult(result=True)


passing, failing_at = Passing, Counting


async def start(
    source: Source, chunking: str, requirements: list[Requirement], variant: str = ""
) -> StreamChunkingResult:
    """Start a run."""
    script = variant == "double"
    backend = StreamingMockBackend(Script(tuple(source.tokens))) if script else Feeding(source, variant)
    return await stream_with_chunking("go", backend, SimpleContext(), chunking=chunking, requirements=requirements)


async def run(
    source: Source, chunking: str, requirements: list[Requirement], variant: str = ""
) -> StreamChunkingResult:
    """Run to the end without a reader. The events are kept all the same."""
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
    return result.aclose
