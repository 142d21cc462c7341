"""`ValidatorGroup`: the requirements of one run, which are checked at the same time."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

from pytest_streamval.engine.eager import EagerStarter
from pytest_streamval.engine.requirement import PartialValidationResult, Requirement, ValidationResult
from pytest_streamval.engine.tasks import ValidatorTask, add_note, current_task_is_cancelled, settle
from pytest_streamval.errors import InvalidVerdictError, ValidatorTimeoutError, excerpt

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Sequence

    from pytest_streamval.engine.backend import Backend
    from pytest_streamval.engine.context import Context
    from pytest_streamval.engine.eager_tasks import Turn

Results: TypeAlias = "tuple[PartialValidationResult, ...]"

R = TypeVar("R", PartialValidationResult, ValidationResult)

_UNKNOWN = PartialValidationResult("unknown")
_CANCELLED = PartialValidationResult("unknown", reason="cancelled: another requirement failed this chunk first")


class Part:
    """Some of the requirements of a group, which check the same chunks."""

    __slots__ = ("_of", "expanded", "is_alone", "passed", "positions", "previous", "requirements", "validators")

    def __init__(self, positions: tuple[int, ...], group: Sequence[Requirement]) -> None:
        self.positions = positions
        """Their positions among the requirements of the group."""
        self.requirements = tuple(group[position] for position in positions)
        self.validators = [_as_coroutine_function(each, "stream_validate") for each in self.requirements]
        """Their methods `stream_validate`, as coroutine functions."""
        self.is_alone = len(positions) == 1
        self.previous: Results = ()
        """Their results on the last chunk."""
        self.passed = True
        """Whether none of these is a fail."""
        self.expanded: Results | None = None
        """The same with one result for each requirement of the group, if they were requested."""
        self._of = len(group)

    def shared(self, results: Results) -> Results:
        """Return the previous tuple if it is equal, so that the history contains one object for most chunks."""
        if results != self.previous:
            self.previous = results
            self.passed = all(result.success != "fail" for result in results)
            self.expanded = None
        return self.previous

    def expand(self, results: Results) -> Results:
        """Return a result for each requirement of the group: `"unknown"` for those that check other chunks."""
        if results is self.previous and self.expanded is not None:
            return self.expanded
        known = dict(zip(self.positions, results, strict=True))
        expanded = tuple(known.get(position, _UNKNOWN) for position in range(self._of))
        if results is self.previous:
            self.expanded = expanded
        return expanded


class ValidatorGroup:
    """The requirements of one run, with the backend and the context that their validators receive.

    All validators of a round run at the same time. If one raises or is late, the others are cancelled and awaited
    before the error is raised.
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
        """Create a group.

        Args:
            requirements: The requirements, already copied.
            backend: The backend that can act as judge.
            ctx: The context that ends with the output.
            timeout: The limit of each round in seconds, or None.
            fail_fast: Whether the first fail cancels the other checks of a chunk.
        """
        self.requirements = tuple(requirements)
        self._asked = self.requirements  # those of this round
        self.all = self.part(range(len(self.requirements)))
        """All of them, which check the same chunks."""
        self.cleanup_failures: list[BaseException] = []
        """The errors that the clean-up of cancelled validators raised."""
        self._backend = backend
        self._ctx = ctx
        self._timeout = timeout
        self._is_enough = _is_stop if fail_fast else None
        self._starter: EagerStarter | None = EagerStarter()
        self._running: dict[Turn, ValidatorTask] = {}  # the validators of this round that have suspended

    def part(self, positions: Iterable[int]) -> Part:
        """Return some of the requirements, which check chunks together."""
        return Part(tuple(positions), self.requirements)

    async def check(self, chunk: str, part: Part | None = None) -> Results:
        """Return the result of every requirement on a chunk, in their order, or of a part of them."""
        part = self.all if part is None else part
        starter = self._starter
        if not part.is_alone or self._timeout is not None or starter is None:
            return await self._check_together(chunk, part)
        self._asked = part.requirements
        try:
            result = await starter.run_one(part.validators[0](chunk, backend=self._backend, ctx=self._ctx))
        except (Exception, asyncio.CancelledError) as error:
            self._note_validator(error, "stream_validate", 0, chunk)
            raise
        return self._checked(result, part)

    def start_check(self, chunk: str, part: Part) -> tuple[Results, Coroutine[Any, Any, Results] | None]:
        """Check a chunk as far as that is possible without waiting.

        Returns:
            The results and None, or no results and the rest of the check to await.
        """
        starter = self._starter
        if not part.is_alone or self._timeout is not None or starter is None:
            return (), self._check_together(chunk, part)
        self._asked = part.requirements
        try:
            result, rest = starter.start_one(part.validators[0](chunk, backend=self._backend, ctx=self._ctx))
        except (Exception, asyncio.CancelledError) as error:
            self._note_validator(error, "stream_validate", 0, chunk)
            raise
        if rest is not None:
            return (), self._rest_of_check(rest, chunk, part)
        previous = part.previous
        if previous and result is previous[0]:  # most results are one shared object
            return previous, None
        return self._checked(result, part), None

    async def _rest_of_check(self, rest: Coroutine[Any, Any, object], chunk: str, part: Part) -> Results:
        try:
            result = await rest
        except (Exception, asyncio.CancelledError) as error:
            self._note_validator(error, "stream_validate", 0, chunk)
            raise
        return self._checked(result, part)

    def _checked(self, result: object, part: Part) -> Results:
        if not isinstance(result, PartialValidationResult):
            raise _invalid_result(part.requirements[0], "stream_validate", result, PartialValidationResult)
        return part.shared((result,))

    async def _check_together(self, chunk: str, part: Part) -> Results:
        self._asked = part.requirements
        coroutines: list[Coroutine[Any, Any, PartialValidationResult]] = []
        try:
            for validate in part.validators:
                coroutines.append(validate(chunk, backend=self._backend, ctx=self._ctx))  # noqa: PERF401  # see _close
        except BaseException:
            _close(coroutines)
            raise
        results = [_CANCELLED] * len(coroutines)
        kind = PartialValidationResult
        await self._run_round("stream_validate", coroutines, results, kind, is_enough=self._is_enough, chunk=chunk)
        return part.shared(tuple(results))

    async def check_again(self, requirement: Requirement, chunk: str) -> PartialValidationResult:
        """Return the result of one requirement on another text in the place of a chunk."""
        position = next(index for index, each in enumerate(self.requirements) if each is requirement)
        [result] = await self.check(chunk, self.part([position]))
        return result

    async def validate(self, ctx: Context | None = None, **options: object) -> tuple[ValidationResult, ...]:
        """Return the result of every requirement on the complete output, in their order.

        Args:
            ctx: Another context for the validators, which ends with the complete output too.
            options: Keyword arguments for each `validate` method.
        """
        ctx = self._ctx if ctx is None else ctx
        self._asked = self.requirements
        coroutines: list[Coroutine[Any, Any, ValidationResult]] = []
        try:
            for each in self.requirements:
                coroutines.append(_as_coroutine_function(each, "validate")(self._backend, ctx, **options))  # noqa: PERF401  # see _close
        except BaseException:
            _close(coroutines)
            raise
        results = [ValidationResult(result=False)] * len(coroutines)
        await self._run_round("validate", coroutines, results, ValidationResult)
        return tuple(results)

    async def aclose(self) -> None:
        """Wait until no idle task is left. The group cannot be used afterwards. A second call has no effect."""
        starter, self._starter = self._starter, None  # its tasks refer to the run
        if starter is not None:
            await starter.aclose()

    def current_requirement(self) -> Requirement | None:
        """Return the requirement whose validator contains the caller, or None for any other code.

        A task that a validator has started counts as other code.
        """
        position = None if self._starter is None else self._starter.current_position(self._running)
        return None if position is None else self._asked[position]

    async def _run_round(
        self,
        method: str,
        coroutines: Sequence[Coroutine[Any, Any, R]],
        results: list[R],
        kind: type[R],
        *,
        is_enough: Callable[[object], bool] | None = None,
        chunk: str | None = None,
    ) -> None:
        """Run validators, and store each result at its position. A result that is enough ends the round."""
        starter = cast("EagerStarter", self._starter)
        running = self._running = {}
        try:
            try:
                starter.start_all(coroutines, results, running, is_enough)
            except (Exception, asyncio.CancelledError) as error:
                self._note_validator(error, method, starter.position, chunk)
                raise
            if running and not (is_enough is not None and any(map(is_enough, results))):
                await self._wait(method, is_enough, running, results, chunk)
        finally:
            if running:
                await self._stop(running)
        for result in results:
            if not isinstance(result, kind):
                raise _invalid_result(self._asked[results.index(result)], method, result, kind)

    async def _wait(
        self,
        method: str,
        is_enough: Callable[[object], bool] | None,
        running: dict[Turn, ValidatorTask],
        results: list[R],
        chunk: str | None,
    ) -> None:
        """Wait for the validators that have suspended, and remove each from `running` when it has ended."""
        loop = asyncio.get_running_loop()
        deadline = None if self._timeout is None else loop.time() + self._timeout
        await asyncio.sleep(0)  # the tasks are ahead of this one, so those that only yielded have ended afterwards
        while True:
            for turn in [turn for turn, task in running.items() if task.done()]:
                try:
                    running.pop(turn).result()
                except (Exception, asyncio.CancelledError) as error:
                    self._note_validator(error, method, turn.position, chunk)
                    raise
            if not running or (is_enough is not None and any(map(is_enough, results))):
                return
            for turn, task in running.items():
                task.set_name(f"streamval {method} {self._asked[turn.position].name}")
            remaining = None if deadline is None else max(0.0, deadline - loop.time())
            # not FIRST_EXCEPTION, which ignores a validator that was cancelled from elsewhere
            done, _ = await asyncio.wait(running.values(), timeout=remaining, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                late = [self._asked[turn.position].name for turn in running]
                raise ValidatorTimeoutError(late, self._timeout or 0.0)

    def _note_validator(self, error: BaseException, method: str, position: int, chunk: str | None) -> None:
        """Add a note to an error with the validator that raised it, unless the run itself was cancelled."""
        if isinstance(error, asyncio.CancelledError) and current_task_is_cancelled():
            return
        about = "the complete output" if chunk is None else f"the chunk {excerpt(chunk)}"
        add_note(error, f"Raised by {self._asked[position].name}.{method}() about {about}.")

    async def _stop(self, running: dict[Turn, ValidatorTask]) -> None:
        """Cancel and await the validators that still run, and keep the errors of their clean-up."""
        await settle(running.values())
        for task in running.values():
            if not task.cancelled() and (failure := task.exception()) is not None:
                self.cleanup_failures.append(failure)


def _is_stop(result: object) -> bool:
    return not isinstance(result, PartialValidationResult) or result.stops


def _as_coroutine_function(requirement: Requirement, method: str) -> Callable[..., Coroutine[Any, Any, Any]]:
    """Return a validator's method as a coroutine function, even if it is a plain function."""
    validator: Callable[..., Any] = getattr(requirement, method)
    if inspect.iscoroutinefunction(validator):
        return validator

    async def call(*args: object, **options: object) -> object:
        answer = validator(*args, **options)
        if inspect.isawaitable(answer):
            return await answer
        raise InvalidVerdictError(
            f"{requirement.name}.{method}()",
            f"{excerpt(answer)} without being awaited",
            f"Define it with: async def {method}(...).",
        )

    return call


def _close(coroutines: Sequence[Coroutine[Any, Any, Any]]) -> None:
    """Close coroutines that will not be awaited, because a later one could not be created."""
    for coroutine in coroutines:
        coroutine.close()


def _invalid_result(
    requirement: Requirement, method: str, result: object, kind: type[PartialValidationResult | ValidationResult]
) -> InvalidVerdictError:
    rule = f"It must return a {kind.__name__} on every path."
    return InvalidVerdictError(f"{requirement.name}.{method}()", excerpt(result), rule)
