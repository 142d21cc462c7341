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
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from pytest_streamval.engine.eager_py311 import SteppedTasks
from pytest_streamval.engine.tasks import TASK_NAME, ValidatorTask

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator, Mapping, Sequence
    from contextvars import Context

T = TypeVar("T")


class EagerTasks(Protocol):
    """A way to start a task whose first step runs immediately."""

    def start(self, coroutine: Coroutine[Any, Any, None]) -> ValidatorTask | None:
        """Run the first step of a coroutine, and return the task that continues it, or None if it has ended.

        Raises:
            BaseException: If the first step raised it.
        """

    async def aclose(self) -> None:
        """Wait until no idle task is left."""


class BuiltInEagerTasks:
    """The eager tasks of asyncio, which Python 3.12 and later have."""

    def start(self, coroutine: Coroutine[Any, Any, None]) -> ValidatorTask | None:
        """Run the first step of a coroutine, and return its task, or None if it has ended."""
        make: Any = ValidatorTask  # the type checker knows the signature of Python 3.11
        task: ValidatorTask = make(coroutine, loop=asyncio.get_running_loop(), name=TASK_NAME, eager_start=True)
        if task.done():
            task.result()
            return None
        return task

    async def aclose(self) -> None:
        """Return, because there are no idle tasks."""


class Turn:
    """A loop that awaits coroutines one after the other until one suspends."""

    __slots__ = ("has_suspended", "position", "task")

    def __init__(self, position: int) -> None:
        self.position = position
        """The position of the coroutine that is awaited, or was awaited last."""
        self.task: asyncio.Task[Any] | None = None
        """The task in which the loop runs, once it has begun."""
        self.has_suspended = False
        """Whether another turn has started the remaining coroutines."""

    async def await_all(
        self,
        coroutines: Sequence[Coroutine[Any, Any, T]],
        results: list[T],
        is_enough: Callable[[T], bool] | None,
    ) -> None:
        """Await the coroutines from `position` on, and store their results."""
        self.task = asyncio.current_task()
        for index in range(self.position, len(coroutines)):
            self.position = index
            result = results[index] = await coroutines[index]
            if self.has_suspended or (is_enough is not None and is_enough(result)):
                return


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
        """Await a coroutine in the caller's task, but in a copy of its context.

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
            result: T = end.value
        else:
            result = await _carry_on(coroutine, context, awaited)
        if home.cancelling() > before:
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
                turn = self._newest = Turn(started)
                try:
                    task = self._tasks.start(turn.await_all(coroutines, results, is_enough))
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
