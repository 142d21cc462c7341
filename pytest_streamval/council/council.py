"""`Council`: one prompt to many models at once, checked while they stream, and one answer of all."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from pytest_streamval.council import modes
from pytest_streamval.council import run as sitting
from pytest_streamval.council.cache import CouncilCache, as_cache
from pytest_streamval.council.identity import key_of
from pytest_streamval.council.member_run import Terms
from pytest_streamval.council.members import Backend_co, Member, Model, as_member, members_of
from pytest_streamval.council.run import Sitting
from pytest_streamval.council.stream import CouncilStream
from pytest_streamval.engine.backend import Backend
from pytest_streamval.engine.chunkers import resolve_chunking
from pytest_streamval.engine.orchestrator import check_timeout, checked_requirements
from pytest_streamval.errors import EventLoopRunningError, InvalidArgumentError, excerpt

if TYPE_CHECKING:
    import os
    from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence

    from pytest_streamval.council.events import CouncilEvent
    from pytest_streamval.council.results import CouncilResult
    from pytest_streamval.engine.chunking import ChunkingStrategy
    from pytest_streamval.engine.requirement import Requirement

if TYPE_CHECKING:
    from typing_extensions import TypeVar as TypeVarWithDefault

    Synthesizer_co = TypeVarWithDefault("Synthesizer_co", bound=Member | None, default=Member | None, covariant=True)
else:
    Synthesizer_co = TypeVar("Synthesizer_co", covariant=True)

T = TypeVar("T")

STREAMED = ("synthesize", "raw")
"""The modes that stream."""
MODES = (*STREAMED, "debate", "adversarial")
"""All modes."""


class Council(Generic[Backend_co, Synthesizer_co]):
    """Puts a prompt to several models at once, and makes one answer of theirs.

    No run raises because of what a model, its provider or a requirement does: that becomes the error of the one
    member, and the others go on. Only a cancellation passes through, after every member has been stopped.
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
        """Make a council; nobody is asked yet.

        Args:
            models: who is asked: specs such as `"openai:gpt-4.1"` and backends, in a list, or in a mapping that names
                them.
            synthesizer: who makes one answer of all, and is the judge in adversarial mode; None for nobody.
            requirements: what each member's answer has to fulfil. A member that fails one is stopped, and left out of
                the synthesis.
            chunking: the pieces in which requirements judge and text is released; without requirements text is
                released as it comes.
            cache: where results are kept and looked for: a file, a `CouncilCache`, or True for the usual file.
            timeout: seconds for which a member may keep silent, and for which its requirements may judge a chunk; None
                leaves it to the backends.
            model_options: for every request, by `ModelOption` or the provider's own names.
            validation_backend: what requirements may ask; by default the member itself.

        Raises:
            InvalidArgumentError: a `TypeError`; an argument does not fit. A spec that names no known provider does: it
                makes a member that answers with an error.
            UnknownChunkingError: a `ValueError`; `chunking` is a string that is no alias.
        """
        self.members = cast("tuple[Member[Backend_co], ...]", members_of(models))
        """Who is asked, by name."""
        merging = None if synthesizer is None else as_member(synthesizer, unnamed="synthesizer")
        self.synthesizer = cast("Synthesizer_co", merging)
        """Who makes one answer of all."""
        self.cache = as_cache(cache)
        """Where results are kept."""
        resolve_chunking(chunking)
        check_timeout("timeout", timeout)
        judge: object = validation_backend
        if judge is not None and not isinstance(judge, Backend):
            rule = "It must be an instance of a subclass of Backend."
            raise InvalidArgumentError("validation_backend", excerpt(judge), rule)
        checked = tuple(checked_requirements(requirements))
        self._terms = Terms(checked, chunking, validation_backend, dict(model_options or {}), timeout)

    async def ask(
        self,
        prompt: str,
        synthesize: bool = True,  # noqa: FBT001, FBT002  # as designed
        *,
        mode: str | None = None,
        rounds: int = 2,
    ) -> CouncilResult:
        """Ask, and return the result; no stream is opened.

        Args:
            prompt: what is asked.
            synthesize: whether the synthesizer, if there is one, makes one answer of all.
            mode: `"synthesize"`, `"raw"`, `"debate"` or `"adversarial"`, in the place of `synthesize`.
            rounds: of a debate.

        Raises:
            asyncio.CancelledError: the caller was cancelled; every member has been stopped.
        """
        return await self.sitting(prompt, _mode(mode, synthesize=synthesize), rounds=rounds, streams=False).hold()

    def ask_stream(self, prompt: str, synthesize: bool = True, *, mode: str | None = None) -> CouncilStream:  # noqa: FBT001, FBT002  # as designed
        """Return what happens, event by event: `async for event in council.ask_stream(prompt)`.

        Members interleave as their text arrives. The last event is `done`, with the result that `ask` gives.

        Args:
            prompt: what is asked.
            synthesize: whether the synthesizer, if there is one, makes one answer of all.
            mode: `"synthesize"` or `"raw"`, in the place of `synthesize`.

        Raises:
            InvalidArgumentError: a `ValueError`; the mode does not stream.
        """
        chosen = _mode(mode, synthesize=synthesize)
        if chosen not in STREAMED:
            rule = f"What streams is {' and '.join(STREAMED)}; await ask(..., mode={chosen!r}) for this one."
            raise InvalidArgumentError("mode", excerpt(chosen), rule)
        return CouncilStream(self.sitting(prompt, chosen))

    async def debate(self, prompt: str, rounds: int = 2) -> CouncilResult:
        """Have members answer, see each other's answers without names, and answer again; then synthesize."""
        return await self.ask(prompt, mode="debate", rounds=rounds)

    async def adversarial(self, prompt: str) -> CouncilResult:
        """Have the first member propose, the others refute, and the synthesizer give its verdict."""
        return await self.ask(prompt, mode="adversarial")

    def ask_sync(
        self,
        prompt: str,
        synthesize: bool = True,  # noqa: FBT001, FBT002  # as designed
        *,
        mode: str | None = None,
        rounds: int = 2,
    ) -> CouncilResult:
        """Ask from code without an event loop.

        Raises:
            EventLoopRunningError: a `RuntimeError`; there is one: await `ask` there.
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
        """Tell what happens to a function, from code without an event loop; return the result.

        What `on_event` raises stops every member and is raised here.

        Raises:
            EventLoopRunningError: a `RuntimeError`; there is one: iterate over `ask_stream` there.
        """

        async def follow() -> CouncilResult:
            async with self.ask_stream(prompt, synthesize, mode=mode) as events:
                async for event in events:
                    on_event(event)
                return events.so_far()

        return _run("stream_sync", follow)

    def sitting(self, prompt: str, mode: str, *, rounds: int = 2, streams: bool = True) -> Sitting:
        """Return a prompt before this council, which `hold` puts to it."""
        given: object = prompt
        if not isinstance(given, str):
            raise InvalidArgumentError("prompt", excerpt(given), "It must be a str.")
        number: object = rounds
        if not isinstance(number, int) or number < 1:
            raise InvalidArgumentError("rounds", excerpt(number), "A debate has 1 round or more.")
        courses: dict[str, Callable[[Sitting], Awaitable[None]]] = {
            "synthesize": sitting.members_and_synthesis,
            "raw": sitting.members_at_once,
            "debate": modes.debate(rounds),
            "adversarial": modes.adversarial,
        }
        synthesizer = None if mode == "raw" else self.synthesizer
        key = None
        if self.cache is not None:
            played = rounds if mode == "debate" else 1
            key = key_of(prompt, mode, played, members=self.members, synthesizer=synthesizer, terms=self._terms)
        return Sitting(
            prompt,
            mode,
            members=self.members,
            synthesizer=synthesizer,
            terms=self._terms,
            course=courses[mode],
            streams=streams,
            cache=self.cache,
            key=key,
        )

    def __repr__(self) -> str:
        names = ", ".join(member.name for member in self.members)
        return f"<Council of {names}{'' if self.synthesizer is None else f', synthesized by {self.synthesizer.name}'}>"


def _mode(mode: str | None, *, synthesize: bool) -> str:
    if mode is None:
        return "synthesize" if synthesize else "raw"
    if mode not in MODES:
        raise InvalidArgumentError("mode", excerpt(mode), f"Choose from: {', '.join(MODES)}.")
    return mode


def _run(method: str, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine in an event loop of its own."""
    if asyncio._get_running_loop() is not None:
        raise EventLoopRunningError(f"Council.{method}", "a council")
    return asyncio.run(work())
