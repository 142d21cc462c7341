"""Asking all requirements at once: the judges of one run."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_streamval.engine.eager import EagerStarter, Turn
from pytest_streamval.engine.requirement import PartialValidationResult, Requirement, ValidationResult
from pytest_streamval.engine.tasks import settle
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
        self._starter = EagerStarter()
        self._last: tuple[PartialValidationResult, ...] = ()

    async def check(self, chunk: str) -> tuple[PartialValidationResult, ...]:
        """Return every requirement's verdict on a chunk, in their order."""
        backend, ctx, validators = self._backend, self._ctx, self._stream_validators
        if len(validators) == 1 and self._timeout is None:
            try:
                verdict = await self._starter.start_one(validators[0](chunk, backend=backend, ctx=ctx))
            except Exception as error:
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
        await self._starter.rest()
        del self._starter  # its tasks refer to the run, by their contexts

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
        running: dict[Turn, asyncio.Task[None]] = {}
        try:
            try:
                self._starter.start_all(coroutines, found, running, enough)
            except Exception as error:
                self._blame(error, method, self._starter.asking, chunk)
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
        running: dict[Turn, asyncio.Task[None]],
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
                except Exception as error:
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

    def _blame(self, error: Exception, method: str, position: int, chunk: str | None) -> None:
        """Note on an error whose it is."""
        about = "the whole output" if chunk is None else f"the chunk {excerpt(chunk)}"
        note = f"Raised by {self.requirements[position].name}.{method}() about {about}."
        if note not in getattr(error, "__notes__", ()):  # one instance may be raised again and again
            error.add_note(note)

    async def _stop(self, running: dict[Turn, asyncio.Task[None]]) -> None:
        """Cancel and await those that still run, and keep what their clean-up raised."""
        await settle(running.values())
        for task in running.values():
            if not task.cancelled() and (failure := task.exception()) is not None:
                self.cleanup_failures.append(failure)


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
