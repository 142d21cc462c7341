"""`CouncilRun`: one prompt to a council, from the first request to the result."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from pytest_streamval.council.events import CouncilEvent
from pytest_streamval.council.member_run import AskOptions, MemberRun, Role
from pytest_streamval.council.results import CouncilResult
from pytest_streamval.engine.tasks import settle, start_task

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from pytest_streamval.council.cache import CouncilCache
    from pytest_streamval.council.event_channel import EventChannel
    from pytest_streamval.council.members import Member
    from pytest_streamval.council.results import ModelAnswer

logger = logging.getLogger("pytest_streamval.council")

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(kw_only=True, eq=False, repr=False)
class CouncilRun:
    """One prompt to a council. `run` sends the first request."""

    prompt: str
    mode: str
    """The name of the mode."""
    mode_function: Callable[[CouncilRun], Awaitable[None]]
    """The mode, which calls `ask_members` and `ask_synthesizer`."""
    members: tuple[Member, ...]
    synthesizer: Member | None
    options: AskOptions
    max_rounds: int
    """The number of rounds of a debate."""
    streams: bool
    """Whether members send streams or complete answers."""
    cache: CouncilCache | None
    key: str | None
    """The key in the cache, or None if the result cannot be cached."""
    rounds: list[tuple[ModelAnswer, ...]] = field(default_factory=list, init=False)
    """The answers of each round so far, in a mode with rounds."""
    _channel: EventChannel | None = field(default=None, init=False)
    _latest: dict[str, MemberRun] = field(default_factory=dict, init=False)
    _synthesis: MemberRun | None = field(default=None, init=False)
    _result: CouncilResult | None = field(default=None, init=False)
    _cached: CouncilResult | None = field(default=None, init=False)  # reset as soon as an answer of this run differs
    _turns: int = field(default=0, init=False)  # calls of `ask_members`
    _asks_models: bool = field(default=False, init=False)  # whether this run has asked a model

    async def run(self, channel: EventChannel | None = None) -> CouncilResult:
        """Ask, send the events to a channel, and return the result. A cancellation stops every member first."""
        self._channel = channel
        if self.cache is not None and self.key is not None:
            self._cached = self._checked(await _in_thread(self.cache.load, self.key))
        await self.mode_function(self)
        result = self.so_far()
        if self.cache is not None and self.key is not None and result.ok and not result.cached:
            await _in_thread(self.cache.store, self.key, result)
        self._result = result
        if channel is not None:
            channel.send(CouncilEvent("done", result=result))
        return result

    def _checked(self, found: CouncilResult | None) -> CouncilResult | None:
        """Return a result of the cache if it is one of this prompt. The file may be a stranger's."""
        if found is None or ((found.prompt, found.mode) == (self.prompt, self.mode) and found.ok):
            return found
        logger.warning("The cache %s has a result of another run under this key. The run ignores it.", self.cache)
        return None

    def so_far(self) -> CouncilResult:
        """Return the result, or before the end a result with the text released so far."""
        if self._result is not None:
            return self._result
        answers = tuple(self._latest[member.name].answer for member in self.members if member.name in self._latest)
        synthesis = None if self._synthesis is None else self._synthesis.answer
        text = synthesis.text if synthesis is not None and synthesis.ok else None
        cached = bool(self._latest) and not self._asks_models
        return CouncilResult(self.prompt, self.mode, answers, text, cached, synthesis, tuple(self.rounds))

    async def ask_members(self, requests: Iterable[tuple[Member, str]]) -> tuple[ModelAnswer, ...]:
        """Ask members at the same time, each with its own prompt, and return their answers in this order."""
        cached = self._cached_answers()
        self._turns += 1
        runs = [self._new_run(member, prompt, "member", cached.get(member.name)) for member, prompt in requests]
        self._latest |= {run.member.name: run for run in runs}
        if cached and not self.options.requirements:
            for run in runs:  # nothing to wait for, so the events of each member can follow each other
                await _run_all([run])
        else:
            await _run_all(runs)
        answers = tuple(run.answer for run in runs)
        if any(answer != cached.get(answer.name) for answer in answers):
            self._cached = None  # later answers depend on these
        return answers

    def _cached_answers(self) -> dict[str, ModelAnswer]:
        """Return the cached answers of this turn by name."""
        if self._cached is None:
            return {}
        turns = self._cached.rounds or (self._cached.answers,)
        return {answer.name: answer for answer in turns[self._turns]} if self._turns < len(turns) else {}

    async def ask_synthesizer(self, prompt: str) -> None:
        """Ask the synthesizer, if there is one. The requirements apply to members only."""
        if self.synthesizer is not None:
            cached = None if self._cached is None else self._cached.synthesizer
            self._synthesis = self._new_run(self.synthesizer, prompt, "synthesis", cached)
            await _run_all([self._synthesis])

    def _new_run(self, member: Member, prompt: str, role: Role, cached: ModelAnswer | None) -> MemberRun:
        self._asks_models = self._asks_models or cached is None
        options = self.options if role == "member" else replace(self.options, requirements=())
        return MemberRun(
            member=member,
            prompt=prompt,
            options=options,
            role=role,
            streams=self.streams,
            channel=self._channel,
            cached=cached,
        )


async def _in_thread(work: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
    """Call a function that waits for a disk in a thread, which has ended on return, also after a cancellation."""
    with ThreadPoolExecutor(1, "streamval council cache") as thread:
        return await asyncio.get_running_loop().run_in_executor(thread, partial(work, *args, **options))


async def _run_all(runs: list[MemberRun]) -> None:
    """Run members at the same time, each in its own task; a cancellation stops all of them before it passes through."""
    tasks = [start_task(run.run(), f"streamval council {run.member.name}") for run in runs]
    try:
        await asyncio.wait(tasks)
    finally:
        await settle(tasks)
    for task in tasks:
        if not task.cancelled():  # by code outside of the council; the answer has the error
            task.result()
