"""Asking all requirements at once: the judges of one run."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pytest_streamval.engine.eager import EagerStarter, Turn
from pytest_streamval.engine.requirement import PartialValidationResult, Requirement, ValidationResult
from pytest_streamval.engine.tasks import OwnedTask, add_note, settle
from pytest_streamval.errors import InvalidVerdictError, ValidatorTimeoutError, excerpt

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from pytest_streamval.engine.backend import Backend
    from pytest_streamval.engine.context import Context

R = TypeVar("R", PartialValidationResult, ValidationResult)

NOT_ASKED = PartialValidationResult("unknown", reason="cancelled: another requirement failed this chunk first")


class Judges:
    """The requirements of one run with all that they need to judge.

    A round of questions goes to all of them at once. If one raises or is late, the others are cancelled and awaited
    before the error goes on.
    """

    def __init__(
        self,
        requirements: Sequence[Requirement],
        backend: Backend,
        ctx: Context,
        *,
        timeout: float | None,
        fail_fast: bool,
    ) -> None:
        self.requirements = tuple(requirements)
        self.cleanup_failures: list[BaseException] = []
        """What the clean-up of cancelled validators raised, besides the error that ended their round."""
        self._backend = backend
        self._ctx = ctx
        self._timeout = timeout
        self._enough = _is_fail if fail_fast else None
        self._stream_validators = [_asynchronous(each, "stream_validate") for each in self.requirements]
        self._starter: EagerStarter | None = EagerStarter()
        self._running: dict[Turn, OwnedTask[None]] = {}  # of the present round, those that have suspended
        self._last: tuple[PartialValidationResult, ...] = ()

    async def check(self, chunk: str) -> tuple[PartialValidationResult, ...]:
        """Return every requirement's verdict on a chunk, in their order."""
        backend, ctx, validators = self._backend, self._ctx, self._stream_validators
        if len(validators) == 1 and self._timeout is None:
            starter = cast("EagerStarter", self._starter)
            try:
                verdict = await starter.start_one(validators[0](chunk, backend=backend, ctx=ctx))
            except (Exception, asyncio.CancelledError) as error:
                self._blame(error, "stream_validate", 0, chunk)
                raise
            if not isinstance(verdict, PartialValidationResult):
                raise _no_verdict(self.requirements[0], "stream_validate", verdict, PartialValidationResult)
            return self._kept((verdict,))
        coroutines: list[Coroutine[Any, Any, PartialValidationResult]] = []
        try:
            for validate in validators:
                coroutines.append(validate(chunk, backend=backend, ctx=ctx))  # noqa: PERF401  # see _close
        except BaseException:
            _close(coroutines)
            raise
        found = [NOT_ASKED] * len(coroutines)
        await self._ask("stream_validate", coroutines, found, PartialValidationResult, enough=self._enough, chunk=chunk)
        return self._kept(tuple(found))

    def _kept(self, verdicts: tuple[PartialValidationResult, ...]) -> tuple[PartialValidationResult, ...]:
        """Return equal verdicts: most chunks get those of the chunk before, and the history keeps them once."""
        if verdicts != self._last:
            self._last = verdicts
        return self._last

    async def validate(self, **options: object) -> tuple[ValidationResult, ...]:
        """Return every requirement's verdict on the whole output, in their order; each is given the options."""
        coroutines: list[Coroutine[Any, Any, ValidationResult]] = []
        try:
            for each in self.requirements:
                coroutines.append(_asynchronous(each, "validate")(self._backend, self._ctx, **options))  # noqa: PERF401  # see _close
        except BaseException:
            _close(coroutines)
            raise
        found = [ValidationResult(result=False)] * len(coroutines)
        await self._ask("validate", coroutines, found, ValidationResult)
        return tuple(found)

    async def rest(self) -> None:
        """Wait until nothing is left of the checks; nothing is asked afterwards."""
        starter, self._starter = cast("EagerStarter", self._starter), None  # its tasks refer to the run
        await starter.rest()

    def asking(self) -> Requirement | None:
        """Return the requirement whose validator calls this, None for any other code, such as a task of its own."""
        position = None if self._starter is None else self._starter.position(self._running)
        return None if position is None else self.requirements[position]

    async def _ask(
        self,
        method: str,
        coroutines: Sequence[Coroutine[Any, Any, R]],
        found: list[R],
        kind: type[R],
        *,
        enough: Callable[[object], bool] | None = None,
        chunk: str | None = None,
    ) -> None:
        """Put the verdicts into `found`, each at its requirement's position; one that is `enough` ends the round."""
        starter = cast("EagerStarter", self._starter)
        running = self._running = {}
        try:
            try:
                starter.start_all(coroutines, found, running, enough)
            except (Exception, asyncio.CancelledError) as error:
                self._blame(error, method, starter.asking, chunk)
                raise
            if running and not (enough is not None and any(map(enough, found))):
                await self._gather(method, enough, running, found, chunk)
        finally:
            if running:
                await self._stop(running)
        for verdict in found:
            if not isinstance(verdict, kind):
                raise _no_verdict(self.requirements[found.index(verdict)], method, verdict, kind)

    async def _gather(
        self,
        method: str,
        enough: Callable[[object], bool] | None,
        running: dict[Turn, OwnedTask[None]],
        found: list[R],
        chunk: str | None,
    ) -> None:
        """Wait for those that suspended, and take each out of `running`."""
        loop = asyncio.get_running_loop()
        deadline = None if self._timeout is None else loop.time() + self._timeout
        await asyncio.sleep(0)  # the tasks were there first: who only let others run has answered behind this
        while True:
            for turn in [turn for turn, task in running.items() if task.done()]:
                try:
                    running.pop(turn).result()
                except (Exception, asyncio.CancelledError) as error:
                    self._blame(error, method, turn.asking, chunk)
                    raise
            if not running or (enough is not None and any(map(enough, found))):
                return
            for turn, task in running.items():
                task.set_name(f"streamval {method} {self.requirements[turn.asking].name}")
            left = None if deadline is None else max(0.0, deadline - loop.time())
            # not FIRST_EXCEPTION: to that a validator that was cancelled, from wherever, is none
            done, _ = await asyncio.wait(running.values(), timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                late = [self.requirements[turn.asking].name for turn in running]
                raise ValidatorTimeoutError(late, self._timeout or 0.0)

    def _blame(self, error: BaseException, method: str, position: int, chunk: str | None) -> None:
        """Note on an error which validator has raised it; a cancellation of the run itself is no validator's."""
        if isinstance(error, asyncio.CancelledError) and _is_cancelled():
            return
        about = "the complete output" if chunk is None else f"the chunk {excerpt(chunk)}"
        add_note(error, f"Raised by {self.requirements[position].name}.{method}() about {about}.")

    async def _stop(self, running: dict[Turn, OwnedTask[None]]) -> None:
        """Cancel and await those that still run, and keep what their clean-up raised."""
        await settle(running.values())
        for task in running.values():
            if not task.cancelled() and (failure := task.exception()) is not None:
                self.cleanup_failures.append(failure)


def _is_cancelled() -> bool:
    """Return whether the current task has been cancelled."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _is_fail(verdict: object) -> bool:
    return not isinstance(verdict, PartialValidationResult) or verdict.success == "fail"


def _asynchronous(requirement: Requirement, method: str) -> Callable[..., Coroutine[Any, Any, Any]]:
    """Return a validator's method as a coroutine function, whatever kind of function its author made it."""
    validator: Callable[..., Any] = getattr(requirement, method)
    if inspect.iscoroutinefunction(validator):
        return validator

    async def ask(*args: object, **options: object) -> object:
        answer = validator(*args, **options)
        if inspect.isawaitable(answer):
            return await answer
        raise InvalidVerdictError(
            f"{requirement.name}.{method}()",
            f"{excerpt(answer)} without being awaited",
            f"Define it with: async def {method}(...).",
        )

    return ask


def _close(coroutines: Sequence[Coroutine[Any, Any, Any]]) -> None:
    """Close coroutines that will not be awaited, as another one could not even be made."""
    for coroutine in coroutines:
        coroutine.close()


def _no_verdict(
    requirement: Requirement, method: str, verdict: object, kind: type[PartialValidationResult | ValidationResult]
) -> InvalidVerdictError:
    rule = f"It returns a {kind.__name__} on every path."
    return InvalidVerdictError(f"{requirement.name}.{method}()", excerpt(verdict), rule)
