"""Attempts at an instruction: ask, judge, and ask again with what was wrong, until one is accepted."""

from __future__ import annotations

import logging
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from pytest_streamval.engine.thunk import ModelOutputThunk
from pytest_streamval.engine.validators import ValidatorGroup
from pytest_streamval.errors import NoAcceptedAttemptError
from pytest_streamval.model import Delta, ToolCallDelta
from pytest_streamval.session.outputs import resolved, stop

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Sequence

    from pytest_streamval.engine.backend import Backend
    from pytest_streamval.engine.component import CBlock, Component, Instruction
    from pytest_streamval.engine.context import Context
    from pytest_streamval.engine.requirement import Requirement, ValidationResult

logger = logging.getLogger("pytest_streamval")


@dataclass(frozen=True, slots=True)
class Repair:
    """An instruction once more, with the answer that was not accepted and the reasons."""

    instruction: Instruction
    """What was asked."""
    answer: str
    """What the model said."""
    failures: tuple[str, ...]
    """What was wrong with it."""

    def parts(self) -> Sequence[Component | CBlock]:
        """Return the instruction."""
        return (self.instruction,)

    def format_for_llm(self) -> str:
        """Return the instruction, the answer and what was wrong with it."""
        wrong = "\n".join(f"- {failure}" for failure in self.failures)
        return (
            f"{self.instruction.format_for_llm()}\n\n"
            f"This answer was not accepted:\n{self.answer}\n\n"
            f"What is wrong with it:\n{wrong}\n\n"
            "Answer again, and put that right."
        )

    def parse(self, computed: ModelOutputThunk) -> str:
        """Read an answer as the instruction does."""
        return self.instruction.parse(computed)


async def judged(
    requirements: Sequence[Requirement], backend: Backend, ctx: Context, **options: object
) -> list[ValidationResult]:
    """Have an output judged by copies of requirements, by all at once, and return their verdicts in order.

    If one raises, or the caller is cancelled, the others are cancelled and awaited before that goes on.
    """
    copies = [copy(each) for each in requirements]
    validators = ValidatorGroup(copies, backend, ctx, timeout=None, fail_fast=False)
    try:
        return list(await validators.validate(**options))
    finally:
        for failure in validators.cleanup_failures:
            logger.error("The clean-up of a cancelled requirement raised.", exc_info=failure)
        await validators.aclose()


@dataclass(slots=True)
class Attempts:
    """The producer of an output that has to be accepted."""

    instruction: Instruction
    limit: int
    """How many attempts there may be."""
    requirements: Sequence[Requirement]
    ask: Callable[[Component], Awaitable[tuple[ModelOutputThunk, Context]]]
    """Begins an attempt."""
    judge: Callable[[Sequence[Requirement], Context], Awaitable[list[ValidationResult]]]
    accept: Callable[[Instruction, ModelOutputThunk], None]
    """Is given the attempt that is accepted, before anybody reads it."""
    attempt: ModelOutputThunk
    """The output of the attempt that is being made."""
    ctx: Context
    """The context in which it stands."""

    def start(self) -> ModelOutputThunk:
        """Return the output, with the attempts running."""
        output = ModelOutputThunk(action=self.instruction)
        output.start(self._produce)
        # a callback is there even if the task is cancelled before it begins
        cast("asyncio.Task[None]", output.producer).add_done_callback(lambda _: self.attempt.abandon())
        return output

    async def _produce(self, output: ModelOutputThunk) -> None:
        """Make attempts, and put the one that is accepted.

        Raises:
            NoAcceptedAttemptError: a `RuntimeError`; none was.
            BaseException: what a generation or a requirement failed with.
        """
        number = 1
        while failures := await self._failures():
            if number == self.limit:
                raise NoAcceptedAttemptError(str(self.attempt), failures, number)
            number += 1
            self.attempt, self.ctx = await self.ask(Repair(self.instruction, str(self.attempt), tuple(failures)))
        self.accept(self.instruction, self.attempt)
        await _hand_over(self.attempt, output)

    async def _failures(self) -> list[str]:
        """Return what is wrong with an attempt, once it is there."""
        try:
            await resolved(self.attempt)
            verdicts = await self.judge(self.requirements, self.ctx)
        except BaseException:
            await stop(self.attempt)
            raise
        pairs = zip(self.requirements, verdicts, strict=True)
        return [_failure(requirement, verdict) for requirement, verdict in pairs if not verdict]


def _failure(requirement: Requirement, verdict: ValidationResult) -> str:
    """Say in a line what was to be and is not."""
    wanted = requirement.format_for_llm() or requirement.name
    return f"{wanted}: {verdict.reason}" if verdict.reason else wanted


async def _hand_over(accepted: ModelOutputThunk, output: ModelOutputThunk) -> None:
    """Put all that is known of one output into another."""
    known = accepted.generation
    output.generation.model, output.generation.provider = known.model, known.provider
    calls = enumerate(accepted.tool_calls)
    fragments = tuple(ToolCallDelta(index, call.id, call.name, call.arguments) for index, call in calls)
    await output.put(Delta(str(accepted), accepted.thinking, fragments, known.usage, known.finish_reason))
    output.close()  # at once, so that the first read is the last
