"""Attempts at an instruction: ask, validate, and ask again with the reasons, until an answer is accepted."""

from __future__ import annotations

import logging
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from pytest_streamval.engine.retries import Repair, failure_text
from pytest_streamval.engine.thunk import ModelOutputThunk
from pytest_streamval.engine.validators import ValidatorGroup
from pytest_streamval.errors import NoAcceptedAttemptError
from pytest_streamval.session.outputs import resolve, stop_output

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Sequence

    from pytest_streamval.engine.backend import Backend
    from pytest_streamval.engine.component import Component, Instruction
    from pytest_streamval.engine.context import Context
    from pytest_streamval.engine.requirement import Requirement, ValidationResult

logger = logging.getLogger("pytest_streamval")


async def validate_all(
    requirements: Sequence[Requirement], backend: Backend, ctx: Context, **options: object
) -> list[ValidationResult]:
    """Validate an output with copies of requirements at the same time, and return the results in their order.

    If one raises, or the caller is cancelled, the others are cancelled and awaited first.
    """
    copies = [copy(each) for each in requirements]
    validators = ValidatorGroup(copies, backend, ctx, timeout=None, fail_fast=False)
    try:
        return list(await validators.validate(ctx, **options))
    finally:
        for failure in validators.cleanup_failures:
            logger.error("The clean-up of a cancelled requirement failed.", exc_info=failure)
        await validators.aclose()


@dataclass(slots=True)
class Attempts:
    """The producer of an output that requirements have to accept."""

    instruction: Instruction
    limit: int
    """The largest number of attempts."""
    requirements: Sequence[Requirement]
    ask: Callable[[Component], Awaitable[tuple[ModelOutputThunk, Context]]]
    """Starts an attempt."""
    validate: Callable[[Sequence[Requirement], Context], Awaitable[list[ValidationResult]]]
    accept: Callable[[Instruction, ModelOutputThunk], None]
    """Receives the accepted attempt before its text can be read."""
    attempt: ModelOutputThunk
    """The output of the current attempt."""
    ctx: Context
    """The context that ends with the current attempt."""

    def start(self) -> ModelOutputThunk:
        """Start the attempts, and return the output."""
        output = ModelOutputThunk(action=self.instruction)
        output.hands_on = True
        output.start(self._produce)
        # the callback also runs if the task is cancelled before its first step
        cast("asyncio.Task[None]", output.producer).add_done_callback(lambda _: self.attempt.abandon())
        return output

    async def _produce(self, output: ModelOutputThunk) -> None:
        number = 1
        while failures := await self._failures():
            if number == self.limit:
                raise NoAcceptedAttemptError(str(self.attempt), failures, number)
            number += 1
            self.attempt, self.ctx = await self.ask(Repair(self.instruction, tuple(failures), str(self.attempt)))
        self.accept(self.instruction, self.attempt)
        await _copy_output(self.attempt, output)

    async def _failures(self) -> list[str]:
        """Wait for the current attempt, and return the requirements that it fails."""
        try:
            await resolve(self.attempt)
            results = await self.validate(self.requirements, self.ctx)
        except BaseException:
            await stop_output(self.attempt)
            raise
        pairs = zip(self.requirements, results, strict=True)
        return [failure_text(requirement, result) for requirement, result in pairs if not result]


async def _copy_output(accepted: ModelOutputThunk, output: ModelOutputThunk) -> None:
    known = accepted.generation
    output.generation.model, output.generation.provider = known.model, known.provider
    output.generation.deviations, output.generation.response = known.deviations, known.response
    await output.put(accepted.as_delta())
    output.close()  # before the first read, so that this read is also the last
