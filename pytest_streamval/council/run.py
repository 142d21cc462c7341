"""One prompt before a council: members at once, then the synthesizer, and whatever rounds a mode has."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from pytest_streamval.council import prompts
from pytest_streamval.council.events import CouncilEvent
from pytest_streamval.council.member_run import Answering, Role, Terms
from pytest_streamval.council.results import CouncilResult
from pytest_streamval.engine.tasks import settle, start_task

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from pytest_streamval.council.cache import CouncilCache
    from pytest_streamval.council.event_channel import Floor
    from pytest_streamval.council.members import Member
    from pytest_streamval.council.results import ModelAnswer

P = ParamSpec("P")
T = TypeVar("T")


class Sitting:
    """One prompt before a council."""

    def __init__(
        self,
        prompt: str,
        mode: str,
        *,
        members: tuple[Member, ...],
        synthesizer: Member | None,
        terms: Terms,
        course: Callable[[Sitting], Awaitable[None]],
        streams: bool,
        cache: CouncilCache | None = None,
        key: str | None = None,
    ) -> None:
        """Make a sitting; nobody is asked before `hold`.

        Args:
            prompt: what is asked.
            mode: how the result calls the way in which it is asked.
            members: who is asked.
            synthesizer: who makes one answer of all; None for nobody.
            terms: on what terms members are asked.
            course: the mode itself, which asks whom it wants, through `hear` and `conclude`.
            streams: whether members are asked for streams, or for whole answers.
            cache: where results are kept.
            key: under which name; None where this one is not kept.
        """
        self.prompt = prompt
        self.members = members
        self.synthesizer = synthesizer
        self.rounds: list[tuple[ModelAnswer, ...]] = []
        self._mode = mode
        self._terms = terms
        self._course = course
        self._streams = streams
        self._cache = cache
        self._key = key
        self._floor: Floor | None = None
        self._latest: dict[str, Answering] = {}
        self._conclusion: Answering | None = None
        self._held: CouncilResult | None = None
        self._kept: CouncilResult | None = None  # what models said in an earlier run, as long as this one is equal
        self._turns = 0  # how often members were asked
        self._asks_models = False  # a model was asked in this run

    async def hold(self, floor: Floor | None = None) -> CouncilResult:
        """Ask, and return what came of it.

        Args:
            floor: who is told what happens while it happens.

        Raises:
            asyncio.CancelledError: the caller was cancelled; every member has been stopped.
        """
        self._floor = floor
        if self._cache is not None and self._key is not None:
            self._kept = await _in_thread(self._cache.load, self._key)
        await self._course(self)
        result = self.so_far()
        if self._cache is not None and self._key is not None and result.ok and not result.cached:
            await _in_thread(self._cache.store, self._key, result)
        self._held = result
        if floor is not None:
            floor.tell(CouncilEvent("done", result=result))
        return result

    def so_far(self) -> CouncilResult:
        """Return what there is: all of it at the end, and before that what has been released."""
        if self._held is not None:
            return self._held
        answers = tuple(self._latest[member.name].answer for member in self.members if member.name in self._latest)
        conclusion = None if self._conclusion is None else self._conclusion.answer
        synthesis = conclusion.text if conclusion is not None and conclusion.ok else None
        cached = bool(self._latest) and not self._asks_models
        return CouncilResult(self.prompt, self._mode, answers, synthesis, cached, conclusion, tuple(self.rounds))

    # What a mode is made of

    async def hear(self, asked: Iterable[tuple[Member, str]]) -> tuple[ModelAnswer, ...]:
        """Ask members, each its own prompt, all at once; return their answers in this order."""
        kept = self._kept_of_turn(self._turns)
        self._turns += 1
        answerings = [
            self._answering(member, prompt, self._terms, "member", kept.get(member.name)) for member, prompt in asked
        ]
        self._latest |= {answering.member.name: answering for answering in answerings}
        if kept and not self._terms.requirements:
            for answering in answerings:  # nothing to wait for: each member's events are kept together
                await _at_once([answering])
        else:
            await _at_once(answerings)
        answers = tuple(answering.answer for answering in answerings)
        if any(answer != kept.get(answer.name) for answer in answers):
            self._kept = None  # what follows depends on these answers, and was said about others
        return answers

    def _kept_of_turn(self, turn: int) -> dict[str, ModelAnswer]:
        """Return the kept answers of a turn, by the names of the members."""
        if self._kept is None:
            return {}
        turns = self._kept.rounds or (self._kept.answers,)
        return {answer.name: answer for answer in turns[turn]} if turn < len(turns) else {}

    async def conclude(self, prompt: str) -> None:
        """Have the synthesizer answer, if there is one; what members have to fulfil is not asked of it."""
        if self.synthesizer is not None:
            terms = replace(self._terms, requirements=())
            kept = None if self._kept is None else self._kept.synthesizer
            self._conclusion = self._answering(self.synthesizer, prompt, terms, "synthesis", kept)
            await _at_once([self._conclusion])

    def _answering(self, member: Member, prompt: str, terms: Terms, role: Role, kept: ModelAnswer | None) -> Answering:
        self._asks_models = self._asks_models or kept is None
        return Answering(member, prompt, terms, streams=self._streams, floor=self._floor, role=role, kept=kept)


async def _in_thread(work: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
    """Do what a disk may take its time for, in a thread that has ended afterwards, also after a cancellation."""
    with ThreadPoolExecutor(1, "streamval council cache") as thread:
        return await asyncio.get_running_loop().run_in_executor(thread, partial(work, *args, **options))


async def members_at_once(sitting: Sitting) -> None:
    """Ask each member on its own: the mode `raw`."""
    await sitting.hear((member, sitting.prompt) for member in sitting.members)


async def members_and_synthesis(sitting: Sitting) -> None:
    """Ask each member on its own, then the synthesizer about their answers: the mode `synthesize`."""
    answers = await sitting.hear((member, sitting.prompt) for member in sitting.members)
    if usable := [answer for answer in answers if answer.usable]:
        await sitting.conclude(prompts.synthesis(sitting.prompt, usable))


async def _at_once(answerings: list[Answering]) -> None:
    """Have all answer, each in a task of its own; a cancellation stops each of them before it passes through."""
    tasks = [start_task(each.run(), f"streamval council {each.member.name}") for each in answerings]
    try:
        await asyncio.wait(tasks)
    finally:
        await settle(tasks)
    for task in tasks:
        if not task.cancelled():  # by somebody who cancels tasks at large: its answer says so
            task.result()
