"""`Council`: sends one prompt to several models, checks their streams, and combines their answers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, cast

from pytest_streamval.council.cache import CouncilCache, as_cache, cache_key
from pytest_streamval.council.member_run import AskOptions
from pytest_streamval.council.members import Backend_co, Member, Model, make_member, make_members
from pytest_streamval.council.modes import MODES, STREAMED
from pytest_streamval.council.names import DEFAULT, find_names
from pytest_streamval.council.run import CouncilRun
from pytest_streamval.council.stream import CouncilStream
from pytest_streamval.engine.backend import Backend
from pytest_streamval.engine.orchestrator import check_timeout, checked_requirements
from pytest_streamval.engine.simple_chunkers import resolve_chunking
from pytest_streamval.errors import (
    InvalidArgumentError,
    event_loop_running_error,
    excerpt,
)
from pytest_streamval.http.pool import ConnectionPool

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    # on Python 3.11, `typing` has no TypeVar with a default
    from typing_extensions import TypeVar as TypeVarWithDefault

    from pytest_streamval.council.events import CouncilEvent
    from pytest_streamval.council.results import CouncilResult
    from pytest_streamval.engine.chunking_strategy import ChunkingStrategy
    from pytest_streamval.engine.requirement import Requirement
    from pytest_streamval.live.backend import LiveBackend

    Synthesizer_co = TypeVarWithDefault("Synthesizer_co", bound=Member | None, default=Member | None, covariant=True)
else:
    Synthesizer_co = TypeVar("Synthesizer_co", covariant=True)

T = TypeVar("T")


class Council(Generic[Backend_co, Synthesizer_co]):
    """Sends one prompt to several models at the same time, and combines their answers.

    An error of a model, its provider or a requirement never raises: it becomes the error of that member's answer, and
    the other members continue. Only a cancellation passes through, after every member has stopped.
    """

    def __init__(
        self,
        models: Sequence[Model] | Mapping[str, Model],
        *,
        synthesizer: Model | None = None,
        requirements: Sequence[Requirement] | None = None,
        chunking: str | ChunkingStrategy | None = "sentence",
        cache: CouncilCache | str | os.PathLike[str] | bool | None = None,
        timeout: float | None = None,
        model_options: Mapping[str, object] | None = None,
        validation_backend: Backend | None = None,
    ) -> None:
        """Make a council.

        Args:
            models: The members: a list of specs such as `"openai:gpt-4.1"` and backends, or a dict of them by name.
            synthesizer: The model that combines the answers, and that judges in adversarial mode, or None for no model.
            requirements: The requirements on each member's answer. A member that fails one is stopped, and the
                synthesis does not use its answer.
            chunking: The chunks in which requirements check text and release it. Without requirements, text is released
                as it arrives.
            cache: The cache for results: a file, a `CouncilCache`, or True for the default file.
            timeout: The longest silence of a member, and the longest check of a chunk, in seconds. None leaves the
                limit to the backends.
            model_options: The options of every request, by `ModelOption` or by the provider's own names.
            validation_backend: The backend for requirements that ask a model, by default the member itself.

        Raises:
            InvalidArgumentError: If an argument is invalid (a `TypeError` and a `ValueError`). A spec with an unknown
                provider is valid: its member answers with an error.
            UnknownNameError: If `chunking` is an unknown alias (a `ValueError`).
        """
        self._pool = ConnectionPool()
        self.members = cast("tuple[Member[Backend_co], ...]", make_members(models, self._pool))
        """The members, in their order."""
        merging = None
        if synthesizer is not None:
            merging = make_member(synthesizer, default_name="synthesizer", pool=self._pool)
        self.synthesizer = cast("Synthesizer_co", merging)
        """The synthesizer, or None."""
        self.cache = as_cache(cache)
        """The cache, or None."""
        resolve_chunking(chunking)
        check_timeout("timeout", timeout)
        judge: object = validation_backend
        if judge is not None and not isinstance(judge, Backend):
            rule = "It must be an instance of a subclass of Backend."
            raise InvalidArgumentError("validation_backend", excerpt(judge), rule)
        checked = tuple(checked_requirements(requirements))
        self._options = AskOptions(checked, chunking, validation_backend, dict(model_options or {}), timeout)

    @classmethod
    def named(cls, name: str = DEFAULT, **options: Any) -> Council[LiveBackend | None, Member | None]:  # noqa: ANN401  # those of Council
        """Return a council that `streamval.toml`, or `[tool.streamval]` in `pyproject.toml`, names.

        The file is that of the current folder or of its nearest parent.

        Args:
            name: The name of the council.
            options: Options of `Council`.

        Raises:
            UnknownNameError: If no file names this council (a `ValueError`).
            InvalidArgumentError: If the file or an option is invalid (a `ValueError`).
        """
        names = find_names()
        found = names.council(name)
        if found.synthesizer is not None:
            options = {"synthesizer": names.spec(found.synthesizer), **options}
        return cast("Council[LiveBackend | None, Member | None]", Council(names.members(found.models), **options))

    async def ask(
        self,
        prompt: str,
        synthesize: bool = True,  # noqa: FBT001, FBT002  # as designed
        *,
        mode: str | None = None,
        rounds: int = 2,
    ) -> CouncilResult:
        """Ask without streaming, and return the result.

        Args:
            prompt: The prompt.
            synthesize: Whether the synthesizer combines the answers.
            mode: `"synthesize"`, `"raw"`, `"debate"` or `"adversarial"`. It overrides `synthesize`.
            rounds: The number of rounds of a debate.

        Raises:
            InvalidArgumentError: If the members, the mode or another argument of the council is invalid.
            asyncio.CancelledError: If the caller is cancelled. Every member has stopped by then.
        """
        return await self.new_run(
            prompt, _council_mode(mode, synthesize=synthesize), rounds=rounds, streams=False
        ).run()

    def ask_stream(self, prompt: str, synthesize: bool = True, *, mode: str | None = None) -> CouncilStream:  # noqa: FBT001, FBT002  # as designed
        """Return the events as they happen: `async for event in council.ask_stream(prompt)`.

        The events of different members interleave. The last event is `done`, with the result that `ask` returns.

        Args:
            prompt: The prompt.
            synthesize: Whether the synthesizer combines the answers.
            mode: `"synthesize"` or `"raw"`. It overrides `synthesize`.

        Raises:
            InvalidArgumentError: If an argument is invalid, or the mode does not stream.
        """
        chosen = _council_mode(mode, synthesize=synthesize)
        if chosen not in STREAMED:
            rule = f"A stream has the mode {' or '.join(STREAMED)}. Await ask(..., mode={chosen!r}) instead."
            raise InvalidArgumentError("mode", excerpt(chosen), rule)
        return CouncilStream(self.new_run(prompt, chosen))

    async def debate(self, prompt: str, rounds: int = 2) -> CouncilResult:
        """Let members answer, read the answers of their peers without names, and answer again, then synthesize."""
        return await self.ask(prompt, mode="debate", rounds=rounds)

    async def adversarial(self, prompt: str) -> CouncilResult:
        """Let the first member propose an answer, the others refute it, and the synthesizer give a verdict."""
        return await self.ask(prompt, mode="adversarial")

    def ask_sync(
        self,
        prompt: str,
        synthesize: bool = True,  # noqa: FBT001, FBT002  # as designed
        *,
        mode: str | None = None,
        rounds: int = 2,
    ) -> CouncilResult:
        """Ask from synchronous code, as `ask` does.

        Raises:
            EventLoopError: If an event loop is running (a `RuntimeError`). Await `ask` there.
        """
        return _run("ask_sync", lambda: self.ask(prompt, synthesize, mode=mode, rounds=rounds))

    def stream_sync(
        self,
        prompt: str,
        on_event: Callable[[CouncilEvent], object],
        synthesize: bool = True,  # noqa: FBT001, FBT002  # as designed
        *,
        mode: str | None = None,
    ) -> CouncilResult:
        """Call a function with each event, from synchronous code, and return the result.

        An exception in `on_event` stops every member and is raised here.

        Raises:
            EventLoopError: If an event loop is running (a `RuntimeError`). Iterate over `ask_stream` there.
        """

        async def follow() -> CouncilResult:
            async with self.ask_stream(prompt, synthesize, mode=mode) as events:
                async for event in events:
                    on_event(event)
                return events.so_far()

        return _run("stream_sync", follow)

    def new_run(self, prompt: str, mode: str, *, rounds: int = 2, streams: bool = True) -> CouncilRun:
        """Return a `CouncilRun` that has not started yet."""
        given: object = prompt
        if not isinstance(given, str):
            raise InvalidArgumentError("prompt", excerpt(given), "It must be a str.")
        number: object = rounds
        if not isinstance(number, int) or number < 1:
            raise InvalidArgumentError("rounds", excerpt(number), "It must be a number of rounds, 1 or more.")
        synthesizer = None if mode == "raw" else self.synthesizer
        key = None
        if self.cache is not None:
            key = cache_key(
                prompt,
                mode,
                rounds if mode == "debate" else 1,
                members=self.members,
                synthesizer=synthesizer,
                model_options=self._options.model_options,
            )
        return CouncilRun(
            prompt=prompt,
            mode=mode,
            mode_function=MODES[mode],
            members=self.members,
            synthesizer=synthesizer,
            options=self._options,
            max_rounds=rounds,
            streams=streams,
            cache=self.cache,
            key=key,
        )

    async def aclose(self) -> None:
        """Close the connections that wait for another request. The next prompt makes new ones.

        The members that the council makes from specs share their connections. They are closed with their event loop
        too, and if the council is dropped. The connections of a backend that the council was given stay open.
        """
        await self._pool.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        names = ", ".join(member.name for member in self.members)
        return f"<Council of {names}{'' if self.synthesizer is None else f', synthesized by {self.synthesizer.name}'}>"


def _council_mode(mode: str | None, *, synthesize: bool) -> str:
    if mode is None:
        return "synthesize" if synthesize else "raw"
    if mode not in MODES:
        raise InvalidArgumentError("mode", excerpt(mode), f"Choose from: {', '.join(MODES)}.")
    return mode


def _run(method: str, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    if asyncio._get_running_loop() is not None:
        raise event_loop_running_error(f"Council.{method}", "a council")
    return asyncio.run(work())
