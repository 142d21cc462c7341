"""One prompt before a council: members at once, then the synthesizer, and whatever rounds a mode has."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from pytest_streamval.council import prompts
from pytest_streamval.council.answering import Answering, Role, Terms
from pytest_streamval.council.events import CouncilEvent
from pytest_streamval.council.results import CouncilResult
from pytest_streamval.engine.tasks import settle, start_task

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from pytest_streamval.council.cache import CouncilCache
    from pytest_streamval.council.floor import Floor
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

    async def hold(self, floor: Floor | None = None) -> CouncilResult:
        """Ask, and return what came of it.

        Args:
            floor: who is told what happens while it happens.

        Raises:
            asyncio.CancelledError: the caller was cancelled; every member has been stopped.
        """
        self._floor = floor
        result = None
        if self._cache is not None and self._key is not None:
            result = await _in_thread(self._cache.load, self._key)
        if result is not None:
            self._tell_again(result)
        else:
            await self._course(self)
            result = self.so_far()
            if self._cache is not None and self._key is not None and result.ok:
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
        rounds = tuple(self.rounds)
        return CouncilResult(self.prompt, self._mode, answers, synthesis, False, conclusion, rounds)  # noqa: FBT003  # in their order

    # What a mode is made of

    async def hear(self, asked: Iterable[tuple[Member, str]]) -> tuple[ModelAnswer, ...]:
        """Ask members, each its own prompt, all at once; return their answers in this order."""
        answerings = [self._answering(member, prompt, self._terms, "member") for member, prompt in asked]
        self._latest |= {answering.member.name: answering for answering in answerings}
        await _at_once(answerings)
        return tuple(answering.answer for answering in answerings)

    async def conclude(self, prompt: str) -> None:
        """Have the synthesizer answer, if there is one; what members have to fulfil is not asked of it."""
        if self.synthesizer is not None:
            terms = replace(self._terms, requirements=())
            self._conclusion = self._answering(self.synthesizer, prompt, terms, "synthesis")
            await _at_once([self._conclusion])

    def _answering(self, member: Member, prompt: str, terms: Terms, role: Role) -> Answering:
        return Answering(member, prompt, terms, streams=self._streams, floor=self._floor, role=role)

    def _tell_again(self, result: CouncilResult) -> None:
        """Tell what is known from an earlier run: each text in one piece."""
        floor = self._floor
        if floor is None:
            return
        for answer in result.answers:
            floor.tell(CouncilEvent("member_delta", answer.name, answer.text))
            floor.tell(CouncilEvent("member_done", answer.name, answer=answer))
        if result.synthesizer is not None:
            floor.tell(CouncilEvent("synthesis_delta", result.synthesizer.name, result.synthesizer.text))
            floor.tell(CouncilEvent("synthesis_done", result.synthesizer.name, answer=result.synthesizer))


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
