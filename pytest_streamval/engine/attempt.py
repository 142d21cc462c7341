"""The attempts of a run: generations, with the requirements that check them and the text that they release."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from pytest_streamval.engine.chunking_strategy import Chunk
from pytest_streamval.engine.events import ChunkEvent, Release
from pytest_streamval.engine.output_text import OutputText, TextSoFar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_streamval.engine.chunking_strategy import Chunker
    from pytest_streamval.engine.context import Context
    from pytest_streamval.engine.requirement import PartialValidationResult, Requirement, ValidationResult
    from pytest_streamval.engine.thunk import ModelOutputThunk
    from pytest_streamval.engine.validators import ValidatorGroup
    from pytest_streamval.model import Usage

Failure: TypeAlias = "tuple[Requirement, PartialValidationResult]"
"""A requirement, as copied for its attempt, and its result."""


_NO_CHUNK = Chunk("", 0, 0)


@dataclass(frozen=True, slots=True)
class Holdback:
    """The distance between the chunk that is checked and the chunk that is released."""

    chunks: int = 0
    """The number of further chunks that are checked before a chunk is released."""
    characters: int = 0
    """The number of characters after a chunk that are checked before it is released."""
    until_accepted: bool = False
    """Whether nothing is released before every requirement has accepted the complete output."""

    def __bool__(self) -> bool:
        return bool(self.chunks or self.characters or self.until_accepted)


@dataclass(slots=True)
class _HeldChunk:
    """A chunk that was checked and is not released yet."""

    text: str  # that of its replacement, if it was replaced
    start: int
    end: int
    index: int
    source: tuple[int, int]  # its offsets in the output
    replaced: bool
    checked: float  # the time of its check


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of a run, as far as it has come."""

    number: int
    """Its number, from 1."""
    released_text: str
    """The text that it released, which is void after a restart."""
    failures: tuple[Failure, ...]
    """The requirements that failed a chunk or the complete output, with their results."""
    usage: Usage | None
    """The provider's token count, or None if the generation was stopped before it arrived."""


class AttemptState:
    """The state of one attempt."""

    __slots__ = (
        *("number", "thunk", "ctx", "chunker", "validators", "text", "kept", "holdback", "is_plain"),
        *("failures", "final_validations", "natural_end", "accepted", "chunks_checked", "chunks_released"),
        *("checked", "released_end", "_held", "_failed_start", "_text_so_far", "_overlap"),
    )

    def __init__(
        self,
        number: int,
        thunk: ModelOutputThunk,
        ctx: Context,
        chunker: Chunker,
        validators: ValidatorGroup,
        *,
        holdback: Holdback,
        kept: str = "",
        released_end: int = 0,
    ) -> None:
        """Create the state.

        Args:
            number: Its number, from 1.
            thunk: The output.
            ctx: The context that ends with the output.
            chunker: The chunker of the output.
            validators: The requirements, copied for this attempt.
            holdback: The time at which chunks are released.
            kept: The text of earlier attempts, which this one continues.
            released_end: The length of the part of it that was released, which white space follows.
        """
        self.number = number
        self.thunk = thunk
        self.ctx = ctx
        self.chunker = chunker
        self.validators = validators
        self.text = OutputText(thunk, kept)
        self.kept = kept
        self.failures: list[Failure] = []
        """The requirements that failed the chunk which stopped this attempt, or the complete output."""
        self.final_validations: tuple[ValidationResult, ...] = ()
        self.natural_end = False
        self.accepted = False
        """Whether every requirement has accepted the complete output."""
        self.chunks_checked = 0
        self.chunks_released = 0
        self.checked = _NO_CHUNK
        """The chunk that is or was checked last, or its replacement, with its offsets in the output."""
        self.released_end = released_end
        """The offset in the text after the last released chunk."""
        self.holdback = holdback
        self.is_plain = not holdback and not kept
        """Whether chunks are released as they are, immediately after their check."""
        self._held: deque[_HeldChunk] | tuple[()] = ()
        self._overlap = 0  # the characters at the beginning of the first chunk that the kept text ends with
        self._failed_start = 0  # the offset in the text of the chunk that stopped this attempt
        self._text_so_far: TextSoFar | None = None

    @property
    def full_text(self) -> str:
        """The complete text after a natural end, otherwise the text up to the end of the last released chunk."""
        if self.natural_end and (self.accepted or not self.holdback.until_accepted):
            return self.text.up_to()
        return self.text.up_to(self.released_end)

    @property
    def accepted_text(self) -> str:
        """The text that was released, or would have been if all were not held until the output is accepted."""
        if self._held and self.holdback.until_accepted:
            return self.text.up_to(self._held[-1].end)
        return self.full_text

    def view(self) -> Attempt:
        """Return the attempt as it can be read from outside."""
        released = self.full_text[len(self.kept) :]
        return Attempt(self.number, released, tuple(self.failures), self.thunk.generation.usage)

    def text_to_continue(self) -> str:
        """Return the released text with the white space after it, for the next attempt to continue."""
        if self.natural_end:
            return self.text.up_to()
        end = self._held[0].start if self._held else self._failed_start
        return self.text.up_to(max(end, self.released_end)) if self.released_end else ""

    def released_output(self) -> ModelOutputThunk:
        """Return the output with the text that the consumer gets, which is the output itself if nothing was edited."""
        return self.thunk.with_text(self.text.up_to()) if self.text.is_edited else self.thunk

    def final_ctx(self) -> Context:
        """Return the context for the final validation. Its last output is what the consumer gets."""
        return self.ctx.with_last_output(self.released_output()) if self.text.is_edited else self.ctx

    def text_so_far(self) -> str:
        """Return the text up to and including the chunk that is checked."""
        if self._text_so_far is None:
            self._text_so_far = TextSoFar(self.text)
        chunk = self.checked
        return self._text_so_far.with_chunk(chunk.end + self.text.shift - len(chunk.text), chunk.text)

    # The check

    def join(self, first: Chunk) -> None:
        """Join the first chunk to the kept text, so that exactly the white space of one boundary is between them."""
        if self.kept[-1:].isspace():
            self._overlap = int(first.text.startswith(self.kept[-1]))
            self.text.replace(0, first.start + self._overlap, "")
        elif first.start == 0 and self.chunker.joins_deltas:
            self.text.replace(0, 0, " ")

    async def replace(
        self, chunk: Chunk, results: tuple[PartialValidationResult, ...], positions: Sequence[int] | None = None
    ) -> tuple[PartialValidationResult, ...]:
        """Replace a chunk that was failed, or set `failures` if a result stops the stream.

        If several requirements replace the chunk, each later one checks the replacement of the one before it.

        Args:
            chunk: The chunk.
            results: The results of the requirements that have checked it.
            positions: The positions of these requirements, by default of all.

        Returns:
            The results, with those that stop the stream.
        """
        validators = self.validators
        requirements = [validators.requirements[each] for each in positions or range(len(results))]
        self._failed_start = chunk.start + self.text.shift
        if any(result.stops for result in results):
            pairs = zip(requirements, results, strict=True)
            self.failures += [pair for pair in pairs if pair[1].success == "fail"]
            return results
        is_replaced = False
        for index, (requirement, result) in enumerate(zip(requirements, results, strict=True)):
            if result.success != "fail":
                continue
            newest = await validators.check_again(requirement, self.checked.text) if is_replaced else result
            if newest.stops:
                self.failures.append((requirement, newest))
                return *results[:index], newest, *results[index + 1 :]
            if newest.replacement is not None:
                self._put(chunk, newest.replacement, again=is_replaced)
                is_replaced = True
        return results

    def _put(self, chunk: Chunk, replacement: str, *, again: bool) -> None:
        """Put a replacement in the place of a chunk."""
        self.checked = chunk._replace(text=replacement)
        self.is_plain = False
        if self._text_so_far is not None:
            self._text_so_far.forget_from(self._failed_start)
        if again:
            self.text.replace_again(replacement)
        else:
            self.text.replace(chunk.start, chunk.end, replacement)

    # The release

    def add(self, chunk: Chunk, *, replaced: bool) -> Sequence[ChunkEvent]:
        """Add the chunk that was checked, and return the events of the chunks that are released now."""
        text = self.checked.text if replaced else chunk.text[self._overlap :]
        self._overlap = 0
        return self.hold(text, (chunk.start, chunk.end), replaced=replaced)

    def hold(self, text: str, source: tuple[int, int], *, replaced: bool) -> Sequence[ChunkEvent]:
        """Add a text that was checked, and return the events of the chunks that are released now.

        Args:
            text: The text to release.
            source: Its offsets in the output.
            replaced: Whether it is a replacement.
        """
        end = source[1] + self.text.shift
        self._held = held = self._held or deque()
        index = self.chunks_checked - 1
        held.append(_HeldChunk(text, end - len(text), end, index, source, replaced, time.time()))
        released = []
        while held and self._is_due(held[0], end):
            released.append(self._released(held.popleft()))
        return released

    def settle(self, *, at_end: bool = False) -> Sequence[ChunkEvent]:
        """Return the events of the chunks that are released now, because all requirements have checked them."""
        del at_end
        return ()

    def rest(self) -> Sequence[ChunkEvent]:
        """Return the events of all chunks that are still held."""
        held, self._held = self._held, ()
        return [self._released(chunk) for chunk in held]

    def _is_due(self, chunk: _HeldChunk, checked_end: int) -> bool:
        holdback = self.holdback
        return (
            not holdback.until_accepted
            and len(self._held) > holdback.chunks
            and checked_end - chunk.end >= holdback.characters
        )

    def _released(self, chunk: _HeldChunk) -> ChunkEvent:
        self.chunks_released = chunk.index + 1
        self.released_end = chunk.end
        held_chunks = self.chunks_checked - chunk.index - 1
        held_seconds = time.time() - chunk.checked if self.holdback else 0.0
        release = Release(chunk.replaced, held_chunks, held_seconds, chunk.source)
        return ChunkEvent(chunk.text, chunk.index, self.number, chunk.start, chunk.end).after(release)
