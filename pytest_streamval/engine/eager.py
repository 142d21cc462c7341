"""Starting coroutines at once: each takes its first step here and now, and becomes a task only if it suspends.

Most validators answer without ever suspending, and a task for each would cost many times their own work. Python 3.12
has eager tasks for this; here one task serves all coroutines that do not suspend, which is cheaper still and the same
on every version. A coroutine is stepped as the task that will carry it on, so that `asyncio.current_task()`,
`asyncio.timeout()` and cancel scopes find what they rely on, and not in the caller's context but in a copy of it.
"""

from __future__ import annotations

import asyncio
from asyncio.tasks import _enter_task, _leave_task  # "Extending asyncio" in Python's documentation names these two
from collections.abc import Coroutine
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

T = TypeVar("T")


class Turn(Coroutine[Any, Any, None]):
    """Awaits coroutines one after the other, until one suspends it; then it awaits no more, and a task carries it on.

    It is itself what that task runs. The task exists beforehand: `ready` until it takes its first step, and that finds
    either nothing to do or the rest of a coroutine that was stepped before.
    """

    __slots__ = ("_awaited", "_context", "_inner", "asking", "ready")

    def __init__(self) -> None:
        self.ready = True
        self.asking = 0
        """Position of the coroutine that it awaits, or awaited last."""
        self._inner: Coroutine[Any, Any, None] | None = None
        self._context: Context
        self._awaited: Any

    async def await_all(
        self,
        coroutines: Sequence[Coroutine[Any, Any, T]],
        first: int,
        found: list[T],
        enough: Callable[[T], bool] | None,
    ) -> None:
        """Await the coroutines from a position on, and put their results into `found`."""
        for index in range(first, len(coroutines)):
            self.asking = index
            result = found[index] = await coroutines[index]
            if self._inner is not None or (enough is not None and enough(result)):
                return

    def carry(self, inner: Coroutine[Any, Any, None], context: Context, awaited: object) -> None:
        """Let the task carry on a coroutine that has suspended on `awaited`."""
        self._inner, self._context, self._awaited = inner, context, awaited
        self.ready = False

    def send(self, value: Any, /) -> Any:  # noqa: ANN401  # a coroutine's protocol
        """Take the next step."""
        if self._inner is None:
            self.ready = False
            raise StopIteration
        awaited, self._awaited = self._awaited, None
        if awaited is None:  # resumed, or a bare yield, which asks for no more than the step that the task takes now
            return self._context.run(self._inner.send, value)
        return awaited

    def throw(
        self,
        typ: type[BaseException] | BaseException,
        val: BaseException | object = None,
        tb: TracebackType | None = None,
        /,
    ) -> Any:  # noqa: ANN401  # a coroutine's protocol
        """Raise an exception where the coroutine is suspended."""
        del val, tb  # a task throws instances
        if self._inner is None:
            self.ready = False
            raise typ
        awaited, self._awaited = self._awaited, None
        if isinstance(typ, asyncio.CancelledError) and asyncio.isfuture(awaited) and awaited.cancel():
            return awaited  # cancelled before the task's first step: as a task would, cancel what is awaited
        return self._context.run(self._inner.throw, typ)

    def close(self) -> None:
        """End the coroutine where it is suspended."""
        if self._inner is not None:
            self._inner.close()

    def __await__(self) -> Any:  # noqa: ANN401  # pragma: no cover  # belongs to the type; a task sends and throws
        return self


class EagerStarter:
    """Starts coroutines, always from one and the same task."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._home: asyncio.Task[Any]
        self._spare: Turn | None = None
        self._spare_task: asyncio.Task[None]

    def start_all(
        self,
        coroutines: Sequence[Coroutine[Any, Any, T]],
        found: list[T],
        running: dict[Turn, asyncio.Task[None]],
        enough: Callable[[T], bool] | None,
    ) -> None:
        """Step each coroutine once, in order.

        Args:
            coroutines: not started yet; those that need not be started are closed.
            found: as long as `coroutines`; gets each result at its position, also later, of those that suspended.
            running: gets those that suspended, with their tasks, also where one of them raises.
            enough: says of a result that no further coroutine need be started.

        Raises:
            BaseException: whatever a coroutine raised; those behind it are not started.
        """
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
            self._home = cast("asyncio.Task[Any]", asyncio.current_task())
        first, count = 0, len(coroutines)
        _leave_task(loop, self._home)
        try:
            while first < count:
                turn = self._spare
                if turn is None or not turn.ready:
                    turn = self._spare = Turn()
                    # not by loop.create_task(): a task factory may start tasks at once, and this one has to wait
                    self._spare_task = asyncio.Task(turn, loop=loop, name="streamval spare")
                task = self._spare_task
                inner = turn.await_all(coroutines, first, found, enough)
                context = copy_context()
                _enter_task(loop, task)
                try:
                    awaited = context.run(inner.send, None)
                except StopIteration:
                    first = turn.asking + 1
                    break
                finally:
                    _leave_task(loop, task)
                turn.carry(inner, context, awaited)
                self._spare = None
                running[turn] = task
                first = turn.asking + 1
        finally:
            _enter_task(loop, self._home)
            for coroutine in coroutines[first:]:
                coroutine.close()

    async def rest(self) -> None:
        """Wait until no task is left that has nothing to carry on."""
        if self._spare is not None and self._spare.ready:
            await asyncio.sleep(0)  # it takes its only step before this task goes on
