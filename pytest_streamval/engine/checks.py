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
    from collections.abc import Callable, Collection, Coroutine, Sequence

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
        self._names: dict[str, list[str]] = {}  # of the tasks of validators that suspend

    async def check(self, chunk: str) -> tuple[PartialValidationResult, ...]:
        """Return every requirement's verdict on a chunk, in their order."""
        backend, ctx, validators = self._backend, self._ctx, self._stream_validators
        if len(validators) == 1 and self._timeout is None:
            verdict = await validators[0](chunk, backend=backend, ctx=ctx)
            if not isinstance(verdict, PartialValidationResult):
                raise _no_verdict(self.requirements[0], "stream_validate", verdict, PartialValidationResult)
            return (verdict,)
        coroutines = [validate(chunk, backend=backend, ctx=ctx) for validate in validators]
        found = [NOT_ASKED] * len(coroutines)
        await self._ask("stream_validate", coroutines, found, PartialValidationResult, self._enough)
        return tuple(found)

    async def validate(self) -> tuple[ValidationResult, ...]:
        """Return every requirement's verdict on the whole output, in their order."""
        coroutines = [_asynchronous(each, "validate")(self._backend, self._ctx) for each in self.requirements]
        found = [ValidationResult(result=False)] * len(coroutines)
        await self._ask("validate", coroutines, found, ValidationResult, None)
        return tuple(found)

    async def _ask(
        self,
        method: str,
        coroutines: Sequence[Coroutine[Any, Any, R]],
        found: list[R],
        kind: type[R],
        enough: Callable[[object], bool] | None,
    ) -> None:
        """Put the verdicts into `found`, each at its requirement's position; one that is `enough` ends the round."""
        running: dict[Turn, asyncio.Task[None]] = {}
        try:
            self._starter.start_all(coroutines, found, running, enough)
            if running and not (enough is not None and any(map(enough, found))):
                await self._gather(method, enough, running, found)
        finally:
            if running:
                await self._stop(running)
        for requirement, verdict in zip(self.requirements, found, strict=True):
            if not isinstance(verdict, kind):
                raise _no_verdict(requirement, method, verdict, kind)

    async def _gather(
        self,
        method: str,
        enough: Callable[[object], bool] | None,
        running: dict[Turn, asyncio.Task[None]],
        found: list[R],
    ) -> None:
        """Wait for those that suspended, and take each out of `running`."""
        watch = _Watch(running, self._timeout, first=enough is not None)
        names = self._names.get(method)
        if names is None:
            names = self._names[method] = [f"streamval {method} {each.name}" for each in self.requirements]
        for turn, task in running.items():
            task.set_name(names[turn.asking])
            turn.on_end = watch.turn_ended
        try:
            while running:
                ended = await watch.wait()
                if not ended:
                    late = [self.requirements[turn.asking].name for turn in running]
                    raise ValidatorTimeoutError(late, self._timeout or 0.0)
                for turn in ended:
                    task = running.pop(turn)
                    if turn.failed:
                        task.result()
                if enough is not None and any(map(enough, found)):
                    return
        finally:
            watch.close()

    async def _stop(self, running: dict[Turn, asyncio.Task[None]]) -> None:
        """Cancel and await those that still run, and keep what their clean-up raised."""
        await settle(running.values())
        for task in running.values():
            if not task.cancelled() and (failure := task.exception()) is not None:
                self.cleanup_failures.append(failure)


class _Watch:
    """Waits until all turns have ended, one has failed, or time is up: `asyncio.wait` at a fraction of its cost."""

    __slots__ = ("_ended", "_first", "_left", "_loop", "_timer", "_waiter")

    def __init__(self, turns: Collection[Turn], timeout: float | None, *, first: bool) -> None:
        self._loop = asyncio.get_running_loop()
        self._left = len(turns)
        self._first = first  # one that has ended is reason enough to look
        self._ended: list[Turn] = []
        self._waiter: asyncio.Future[list[Turn]] | None = None
        self._timer = None if timeout is None else self._loop.call_later(timeout, self._wake)

    def wait(self) -> asyncio.Future[list[Turn]]:
        """Return a future of the turns that end next; of none where the time is up."""
        self._ended = []
        self._waiter = self._loop.create_future()
        return self._waiter

    def close(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()

    def turn_ended(self, turn: Turn) -> None:
        """Take note; called in a turn's last step."""
        self._ended.append(turn)
        self._left -= 1
        if not self._left or self._first or turn.failed:
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(self._ended)


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


def _no_verdict(
    requirement: Requirement, method: str, verdict: object, kind: type[PartialValidationResult | ValidationResult]
) -> InvalidVerdictError:
    rule = f"It returns a {kind.__name__} on every path."
    return InvalidVerdictError(f"{requirement.name}.{method}()", excerpt(verdict), rule)
