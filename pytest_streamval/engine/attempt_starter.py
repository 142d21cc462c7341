"""`AttemptStarter`: the start of each attempt of a run, with fresh copies of its requirements."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_streamval.engine.attempt import AttemptState, Holdback
from pytest_streamval.engine.chunking_strategy import Chunk, Chunker, ChunkingStrategy, new_chunker
from pytest_streamval.engine.context import Context
from pytest_streamval.engine.own_chunks import OwnChunksAttempt, Track
from pytest_streamval.engine.simple_chunkers import resolve_chunking
from pytest_streamval.engine.tasks import note_cleanup
from pytest_streamval.engine.thunk import ModelOutputThunk
from pytest_streamval.engine.validators import ValidatorGroup
from pytest_streamval.errors import InvalidArgumentError, NotStreamingError, excerpt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_streamval.engine.backend import Backend
    from pytest_streamval.engine.component import Action
    from pytest_streamval.engine.requirement import Requirement


class _DeltaChunker(Chunker):
    """A chunker that returns every delta with text as a chunk."""

    def __init__(self) -> None:
        self._end = 0

    def feed(self, text: str) -> list[Chunk]:
        start, self._end = self._end, self._end + len(text)
        return [Chunk(text, start, self._end)] if text else []

    def flush(self) -> list[Chunk]:
        return []


def _key(chunking: str | ChunkingStrategy | None) -> object:
    return chunking if chunking is None or isinstance(chunking, str) else id(chunking)


def _new_chunker(chunking: str | ChunkingStrategy | None) -> Chunker:
    strategy = resolve_chunking(chunking)
    return _DeltaChunker() if strategy is None else new_chunker(strategy)


@dataclass(slots=True, kw_only=True)
class AttemptStarter:
    """The arguments of a run from which each of its attempts starts."""

    backend: Backend
    judge: Backend
    ctx: Context
    requirements: Sequence[Requirement]
    chunking: str | ChunkingStrategy | None
    options: Mapping[str, object]
    timeout: float | None
    fail_fast: bool
    holdback: Holdback

    async def start(self, action: Action, number: int = 1, *, kept: str = "", released_end: int = 0) -> AttemptState:
        """Copy the requirements, and start a generation.

        Args:
            action: The request of this attempt.
            number: Its number, from 1.
            kept: The text of earlier attempts, which it continues.
            released_end: The length of the part of it that was released.

        Raises:
            NotStreamingError: If the backend returned a computed output.
        """
        copies = [copy(requirement) for requirement in self.requirements]
        tracks = self._tracks(copies)
        answer = await self.backend.generate_from_context(action, self.ctx, model_options=dict(self.options))
        thunk, ctx = await checked_answer(answer, type(self.backend).__name__)
        try:
            _check_streams(thunk, self.backend)
            thunk.generation.streaming = True
            validators = ValidatorGroup(copies, self.judge, ctx, timeout=self.timeout, fail_fast=self.fail_fast)
            attempt = (AttemptState if len(tracks) == 1 else OwnChunksAttempt)(
                number,
                thunk,
                ctx,
                tracks[0][0],
                validators,
                holdback=self.holdback,
                kept=kept,
                released_end=released_end,
            )
            if isinstance(attempt, OwnChunksAttempt):
                attempt.use(
                    [
                        Track(number, chunker, validators.part(positions))
                        for number, (chunker, positions) in enumerate(tracks)
                    ]
                )
        except BaseException as error:
            await stop_after(error, thunk)
            raise
        return attempt

    def _tracks(self, requirements: Sequence[Requirement]) -> list[tuple[Chunker, list[int]]]:
        """Return the chunker of the run and those of requirements, each with the positions of its requirements."""
        tracks: dict[object, tuple[Chunker, list[int]]] = {_key(self.chunking): (_new_chunker(self.chunking), [])}
        for position, requirement in enumerate(requirements):
            chunking = self.chunking if requirement.chunking is None else requirement.chunking
            if _key(chunking) not in tracks:
                tracks[_key(chunking)] = (_new_chunker(chunking), [])
            tracks[_key(chunking)][1].append(position)
        return list(tracks.values())


def _check_streams(thunk: ModelOutputThunk, backend: Backend) -> None:
    if thunk.is_computed():
        raise NotStreamingError(type(backend).__name__)


async def stop_after(error: BaseException, thunk: ModelOutputThunk) -> None:
    """Stop a generation whose run could not start, and add a note about a failed clean-up to the error."""
    thunk.abandon(error)
    try:
        await thunk.end_producer()
    except Exception as failure:  # noqa: BLE001  # a producer's clean-up may raise anything
        note_cleanup(error, failure)


async def checked_answer(answer: object, backend: str) -> tuple[ModelOutputThunk, Context]:
    """Return the output and the context that a backend returned. An output without a context is stopped.

    Raises:
        InvalidArgumentError: A `TypeError`. If the backend returned anything else.
    """
    thunk, ctx = answer if isinstance(answer, tuple) and len(answer) == 2 else (answer, None)  # noqa: PLR2004
    if not (isinstance(thunk, ModelOutputThunk) and isinstance(ctx, Context)):
        if isinstance(thunk, ModelOutputThunk):
            thunk.abandon()
        rule = "It must return (ModelOutputThunk, Context)."
        error = InvalidArgumentError(f"{backend}.generate_from_context()", excerpt(answer), rule)
        if isinstance(thunk, ModelOutputThunk):
            await stop_after(error, thunk)
        raise error
    return thunk, ctx
