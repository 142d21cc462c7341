"""The work that is measured, and the hand-over that it is measured by."""

from __future__ import annotations

import asyncio
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_streamval import (
    PartialValidationResult,
    Requirement,
    Script,
    SimpleContext,
    StreamingMockBackend,
    ValidationResult,
    stream_with_chunking,
)

if TYPE_CHECKING:
    from pytest_streamval import Backend, ChunkingStrategy, Context, StreamChunkingResult

TOKEN = 4  # characters
STORY = Path(__file__).parent.parent / "examples" / "streams" / "openai-story.jsonl"


def prose(tokens: int) -> Script:
    """Return a script of a number of tokens from the text of a model, repeated as often as needed."""
    text = Script.from_cassette(STORY).text + "\n\n"
    return Script.from_text("".join(islice(cycle(text), tokens * TOKEN)), TOKEN)


def unbroken(characters: int) -> Script:
    """Return a script without any boundary: letters only."""
    letters = "".join(letter for letter in prose(2_000).text if letter.isalpha())
    return Script.from_text("".join(islice(cycle(letters), characters)), TOKEN)


def tokens(script: Script) -> list[str]:
    """Return the texts of a script, as a queue is given them."""
    return [step for step in script.steps if isinstance(step, str)]


class Passing(Requirement):
    """Passes every chunk without suspending."""

    async def stream_validate(self, chunk: str, *, backend: Backend, ctx: Context) -> PartialValidationResult:
        """Pass."""
        return PartialValidationResult("pass")

    async def validate(self, backend: Backend, ctx: Context, **options: object) -> ValidationResult:
        """Pass."""
        return ValidationResult(result=True)


class Suspending(Passing):
    """Passes every chunk, and lets others run before."""

    async def stream_validate(self, chunk: str, *, backend: Backend, ctx: Context) -> PartialValidationResult:
        """Suspend once, and pass."""
        await asyncio.sleep(0)
        return PartialValidationResult("pass")


class FailingAt(Passing):
    """Fails one chunk."""

    def __init__(self, chunk: int) -> None:
        super().__init__()
        self.left = chunk

    async def stream_validate(self, chunk: str, *, backend: Backend, ctx: Context) -> PartialValidationResult:
        """Count down to the fail."""
        self.left -= 1
        return PartialValidationResult("pass" if self.left >= 0 else "fail")


async def engine(
    script: Script, chunking: str | ChunkingStrategy | None, requirements: list[Requirement]
) -> StreamChunkingResult:
    """Run from the script to the last event, without a reader."""
    backend = StreamingMockBackend(script)
    result = await stream_with_chunking("go", backend, SimpleContext(), chunking=chunking, requirements=requirements)
    await result.acomplete()
    return result
