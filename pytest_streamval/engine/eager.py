"""Eager starts: coroutines take their first step immediately, and get a task only if they suspend.

Most validators return without suspending, and a task for each would cost many times their own work. One task therefore
awaits them one after the other. If one of them suspends, that task continues with it, and another one starts the rest.

Each coroutine runs as the task that continues it and in a copy of the caller's context. So `asyncio.current_task()`,
`asyncio.timeout()` and cancel scopes work as in any other task.
"""

from __future__ import annotations

import asyncio
import sys
import types
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pytest_streamval.engine.eager_tasks import BuiltInEagerTasks, SteppedTasks, Turn

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator, Mapping, Sequence
    from contextvars import Context

    from pytest_streamval.engine.eager_tasks import EagerTasks
    from pytest_streamval.engine.tasks import ValidatorTask

T = TypeVar("T")


@types.coroutine
def _carry_on(inner: Coroutine[Any, Any, T], context: Context, awaited: object) -> Generator[Any, Any, T]:
    """Await the rest of a coroutine that has suspended on `awaited`, in its own context."""
    while True:
        step: Callable[..., Any] = inner.send
        try:
            value = yield awaited
        except BaseException as error:  # noqa: BLE001  # the coroutine receives every exception that the task throws
            step, value = inner.throw, error
        try:
            awaited = context.run(step, value)
        except StopIteration as end:
            return cast("T", end.value)


class EagerStarter:
    """Starts coroutines, always from the same task."""

    def __init__(self, tasks: EagerTasks | None = None) -> None:
        """Create a starter.

        Args:
            tasks: The way to start tasks, by default the best one of this version of Python.
        """
        self._tasks: EagerTasks = tasks or (BuiltInEagerTasks() if sys.version_info >= (3, 12) else SteppedTasks())
        self._home: asyncio.Task[Any] | None = None  # the task that starts the coroutines
        self._newest: Turn | None = None
        self.position = 0
        """The position of the coroutine that was started last."""

    async def run_one(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Await a coroutine in the caller's task, but in a copy of its context. Raises like `start_one`."""
        result, rest = self.start_one(coroutine)
        return cast("T", result) if rest is None else await rest

    def start_one(self, coroutine: Coroutine[Any, Any, T]) -> tuple[T | None, Coroutine[Any, Any, T] | None]:
        """Run the first step of a coroutine in the caller's task, but in a copy of its context.

        Returns:
            Its result and None, or None and the rest to await if it has suspended.

        Raises:
            BaseException: If the coroutine raised it.
            CancelledError: If the task was cancelled, even if the coroutine has suppressed that.
        """
        home = self._home or self._set_home()
        before = home.cancelling()
        context = copy_context()
        try:
            awaited = context.run(coroutine.send, None)
        except StopIteration as end:
            if home.cancelling() > before:
                raise asyncio.CancelledError from None
            return end.value, None
        return None, self._rest(coroutine, context, awaited, before)

    async def _rest(self, coroutine: Coroutine[Any, Any, T], context: Context, awaited: object, before: int) -> T:
        """Await the rest of a coroutine, as far as the task has not been cancelled more often than before."""
        result = await _carry_on(coroutine, context, awaited)
        if cast("asyncio.Task[Any]", self._home).cancelling() > before:
            raise asyncio.CancelledError
        return result

    def _set_home(self) -> asyncio.Task[Any]:
        self._home = cast("asyncio.Task[Any]", asyncio.current_task())
        return self._home

    def start_all(
        self,
        coroutines: Sequence[Coroutine[Any, Any, T]],
        results: list[T],
        running: dict[Turn, ValidatorTask],
        is_enough: Callable[[T], bool] | None,
    ) -> None:
        """Run the first step of each coroutine, in order.

        Args:
            coroutines: The coroutines. Those that are not started are closed.
            results: A list as long as `coroutines`. It receives each result at its position, also the later ones.
            running: Receives the turns that have suspended, with their tasks, also if a coroutine raises.
            is_enough: Returns whether a result makes it unnecessary to start the remaining coroutines.

        Raises:
            BaseException: If a coroutine raised it. The coroutines after it are not started.
            CancelledError: If a coroutine cancelled the task from which it was started.
        """
        home = self._home or self._set_home()
        before = home.cancelling()
        started, count = 0, len(coroutines)
        try:
            while started < count:
                turn = self._newest
                if turn is None or turn.has_suspended:
                    turn = self._newest = Turn()
                try:
                    task = self._tasks.start(turn, turn.await_all(coroutines, started, results, is_enough))
                finally:
                    self.position = turn.position
                    started = turn.position + 1
                if task is None:
                    break
                turn.has_suspended = True
                running[turn] = task
        finally:
            for coroutine in coroutines[started:]:
                coroutine.close()
        if home.cancelling() > before:
            raise asyncio.CancelledError  # by one of the coroutines: the task would notice only when it suspends

    def current_position(self, running: Mapping[Turn, ValidatorTask]) -> int | None:
        """Return the position of the coroutine that contains the caller, or None for any other code."""
        current = asyncio.current_task()
        if current is not None and current is self._home:
            return self.position
        if current is not None and self._newest is not None and self._newest.task is current:
            return self._newest.position
        return next((turn.position for turn, task in running.items() if task is current), None)

    async def aclose(self) -> None:
        """Wait until no idle task is left."""
        await self._tasks.aclose()
