"""Tasks whose first step runs immediately.

Python 3.12 and later have eager tasks. On Python 3.11, a coroutine is stepped as a task that exists already. If it
suspends, that task continues it. If it ends, the task stays idle and serves the next coroutine, until the event loop
runs its only step.
"""

from __future__ import annotations

import asyncio
from asyncio.tasks import _enter_task, _leave_task  # Python's documentation ("Extending asyncio") names these two
from collections.abc import Coroutine
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from pytest_streamval.engine.tasks import TASK_NAME, ValidatorTask

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

T = TypeVar("T")


class Turn:
    """A loop that awaits coroutines one after the other until one suspends."""

    # Defaults of the class, because a constructor would double the cost of a turn.
    position: int = 0
    """The position of the coroutine that is awaited, or was awaited last."""
    task: asyncio.Task[Any] | None = None
    """The task in which the loop runs, once that is known."""
    has_suspended: bool = False
    """Whether another turn has started the remaining coroutines."""

    async def await_all(
        self,
        coroutines: Sequence[Coroutine[Any, Any, T]],
        first: int,
        results: list[T],
        is_enough: Callable[[T], bool] | None,
    ) -> None:
        """Await the coroutines from a position on, and store their results."""
        if self.task is None:  # pragma: no cover  # SteppedTasks, the only kind on Python 3.11, sets it
            self.task = asyncio.current_task()
        for index in range(first, len(coroutines)):
            self.position = index
            result = results[index] = await coroutines[index]
            if self.has_suspended or (is_enough is not None and is_enough(result)):
                return


class EagerTasks(Protocol):
    """A way to start a task whose first step runs immediately."""

    def start(self, turn: Turn, coroutine: Coroutine[Any, Any, None]) -> ValidatorTask | None:
        """Run the first step of a turn, and return the task that continues it, or None if it has ended.

        Args:
            turn: The turn.
            coroutine: The call of its `await_all`.

        Raises:
            BaseException: If the first step raised it.
        """

    async def aclose(self) -> None:
        """Wait until no idle task is left."""


class BuiltInEagerTasks:  # pragma: no cover  # it cannot run on Python 3.11
    """The eager tasks of asyncio, which Python 3.12 and later have."""

    def start(self, turn: Turn, coroutine: Coroutine[Any, Any, None]) -> ValidatorTask | None:
        """Run the first step of a turn, and return its task, or None if it has ended."""
        turn.task = None
        kind: Any = ValidatorTask  # the type checker knows the signature of Python 3.11
        task: ValidatorTask = kind.__new__(kind)
        try:
            kind.__init__(task, coroutine, loop=asyncio.get_running_loop(), name=TASK_NAME, eager_start=True)
        except (KeyboardInterrupt, SystemExit):
            task.exception()  # otherwise asyncio would also log that it was never retrieved
            raise
        if task.done():
            task.result()
            return None
        return task

    async def aclose(self) -> None:
        """Return, because there are no idle tasks."""


class Continuation(Coroutine[Any, Any, None]):
    """The coroutine of a task. It does nothing until `carry` sets another coroutine to continue."""

    __slots__ = ("_awaited", "_blocking", "_context", "_inner", "is_idle")

    def __init__(self) -> None:
        self.is_idle = True
        """Whether the task can still receive a coroutine."""
        self._inner: Coroutine[Any, Any, None] | None = None
        self._context: Context
        self._awaited: Any
        self._blocking = False

    def carry(self, inner: Coroutine[Any, Any, None], context: Context, awaited: object) -> None:
        """Continue a coroutine that has suspended on `awaited`."""
        self._inner, self._context, self._awaited = inner, context, awaited
        if awaited is not None and getattr(awaited, "_asyncio_future_blocking", False):
            self._blocking = True
            self._awaited._asyncio_future_blocking = False  # others may await it before the task does
        self.is_idle = False

    def send(self, value: Any, /) -> Any:  # noqa: ANN401  # a coroutine's protocol
        """Run the next step."""
        if self._inner is None:
            self.is_idle = False
            raise StopIteration
        awaited, self._awaited = self._awaited, None
        if awaited is None:  # resumed, or suspended by a bare yield, which waits for this step only
            return self._context.run(self._inner.send, value)
        if self._blocking:
            awaited._asyncio_future_blocking = True
        return awaited

    def throw(
        self,
        typ: type[BaseException] | BaseException,
        val: BaseException | object = None,
        tb: TracebackType | None = None,
        /,
    ) -> Any:  # noqa: ANN401  # a coroutine's protocol
        """Raise an exception at the point at which the coroutine is suspended."""
        del val, tb  # a task throws instances
        if self._inner is None:
            self.is_idle = False
            raise typ
        awaited, self._awaited = self._awaited, None
        if isinstance(typ, asyncio.CancelledError) and asyncio.isfuture(awaited) and awaited.cancel():
            awaited._asyncio_future_blocking = self._blocking
            return awaited  # cancelled before the task's first step: cancel the awaited future, as a task does
        return self._context.run(self._inner.throw, typ)

    def close(self) -> None:
        """Close the coroutine."""
        if self._inner is not None:
            self._inner.close()

    def __await__(self) -> Any:  # noqa: ANN401  # pragma: no cover  # the type requires it, but a task sends and throws
        return self


class SteppedTasks:
    """Tasks that are prepared beforehand, so that the first step of a coroutine can run as one of them."""

    def __init__(self) -> None:
        self._home: asyncio.Task[Any] | None = None  # the task that starts the coroutines, always the same
        self._loop: asyncio.AbstractEventLoop
        self._spare: Continuation | None = None
        self._spare_task: ValidatorTask

    def start(self, turn: Turn, coroutine: Coroutine[Any, Any, None]) -> ValidatorTask | None:
        """Run the first step of a turn, and return the task that continues it, or None if it has ended."""
        home = self._home
        if home is None:
            self._loop = asyncio.get_running_loop()
            home = self._home = cast("asyncio.Task[Any]", asyncio.current_task())
        loop, spare = self._loop, self._spare
        if spare is None or not spare.is_idle:
            spare = self._spare = Continuation()
            # not by loop.create_task(), because a task factory may start tasks eagerly, and this one has to wait
            self._spare_task = ValidatorTask(spare, loop=loop, name=TASK_NAME)
        task = turn.task = self._spare_task
        context = copy_context()
        _leave_task(loop, home)
        _enter_task(loop, task)
        try:
            awaited = context.run(coroutine.send, None)
        except StopIteration:
            return None
        finally:
            _leave_task(loop, task)
            _enter_task(loop, home)
        spare.carry(coroutine, context, awaited)
        self._spare = None
        return task

    async def aclose(self) -> None:
        """Wait until the idle task has ended."""
        if self._spare is not None and self._spare.is_idle:
            await asyncio.sleep(0)  # it runs its only step before this task continues
