"""Starting coroutines at once: each takes its first step here and now, and becomes a task only if it suspends.

Most validators answer without ever suspending, and a task for each would cost many times their own work. Python 3.12
has eager tasks for this; here one task serves all coroutines that do not suspend, which is cheaper still and the same
on every version. A coroutine is stepped as the task that will carry it on, so that `asyncio.current_task()`,
`asyncio.timeout()` and cancel scopes find what they rely on, and not in the caller's context but in a copy of it.
"""

from __future__ import annotations

import asyncio
import types
from asyncio.tasks import _enter_task, _leave_task  # "Extending asyncio" in Python's documentation names these two
from collections.abc import Coroutine
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pytest_streamval.engine.tasks import OwnedTask

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from types import TracebackType

T = TypeVar("T")


class Turn(Coroutine[Any, Any, None]):
    """Awaits coroutines one after the other, until one suspends it; then it awaits no more, and a task carries it on.

    It is itself what that task runs. The task exists beforehand: `ready` until it takes its first step, and that finds
    either nothing to do or the rest of a coroutine that was stepped before.
    """

    __slots__ = ("_awaited", "_blocking", "_context", "_inner", "asking", "ready")

    def __init__(self) -> None:
        self.ready = True
        self.asking = 0
        """Position of the coroutine that it awaits, or awaited last."""
        self._inner: Coroutine[Any, Any, None] | None = None
        self._context: Context
        self._awaited: Any
        self._blocking = False

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
        if awaited is not None and getattr(awaited, "_asyncio_future_blocking", False):
            self._blocking = True
            self._awaited._asyncio_future_blocking = False  # others may await it before the task does
        self.ready = False

    def send(self, value: Any, /) -> Any:  # noqa: ANN401  # a coroutine's protocol
        """Take the next step."""
        if self._inner is None:
            self.ready = False
            raise StopIteration
        awaited, self._awaited = self._awaited, None
        if awaited is None:  # resumed, or a bare yield, which asks for no more than the step that the task takes now
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
        """Raise an exception where the coroutine is suspended."""
        del val, tb  # a task throws instances
        if self._inner is None:
            self.ready = False
            raise typ
        awaited, self._awaited = self._awaited, None
        if isinstance(typ, asyncio.CancelledError) and asyncio.isfuture(awaited) and awaited.cancel():
            awaited._asyncio_future_blocking = self._blocking
            return awaited  # cancelled before the task's first step: as a task would, cancel what is awaited
        return self._context.run(self._inner.throw, typ)

    def close(self) -> None:
        """End the coroutine where it is suspended."""
        if self._inner is not None:
            self._inner.close()

    def __await__(self) -> Any:  # noqa: ANN401  # pragma: no cover  # belongs to the type; a task sends and throws
        return self


@types.coroutine
def _carry_on(inner: Coroutine[Any, Any, T], context: Context, awaited: object) -> Generator[Any, Any, T]:
    """Await what is left of a coroutine that has suspended on `awaited`, in its own context."""
    while True:
        step: Callable[..., Any] = inner.send
        try:
            value = yield awaited
        except BaseException as error:  # noqa: BLE001  # whatever the task throws goes on to the coroutine
            step, value = inner.throw, error
        try:
            awaited = context.run(step, value)
        except StopIteration as end:
            return cast("T", end.value)


class EagerStarter:
    """Starts coroutines, always from one and the same task."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._home: asyncio.Task[Any]
        self.asking = 0
        """Position of the coroutine that was started last."""
        self._spare: Turn | None = None
        self._spare_task: OwnedTask[None]

    async def start_one(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Await a coroutine in the caller's task, but in a copy of its context.

        Raises:
            BaseException: whatever the coroutine raised.
            CancelledError: the task was cancelled, even if the coroutine has suppressed that.
        """
        if self._loop is None:
            self._begin()
        before = self._home.cancelling()
        context = copy_context()
        try:
            awaited = context.run(coroutine.send, None)
        except StopIteration as end:
            result: T = end.value
        else:
            result = await _carry_on(coroutine, context, awaited)
        if self._home.cancelling() > before:
            raise asyncio.CancelledError
        return result

    def _begin(self) -> asyncio.AbstractEventLoop:
        self._loop = asyncio.get_running_loop()
        self._home = cast("asyncio.Task[Any]", asyncio.current_task())
        return self._loop

    def start_all(
        self,
        coroutines: Sequence[Coroutine[Any, Any, T]],
        found: list[T],
        running: dict[Turn, OwnedTask[None]],
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
            CancelledError: a coroutine cancelled the task from which it was started.
        """
        loop = self._loop or self._begin()
        before = self._home.cancelling()
        first, count = 0, len(coroutines)
        _leave_task(loop, self._home)
        try:
            while first < count:
                turn = self._spare
                if turn is None or not turn.ready:
                    turn = self._spare = Turn()
                    # not by loop.create_task(): a task factory may start tasks at once, and this one has to wait
                    self._spare_task = OwnedTask(turn, loop=loop, name="streamval spare")
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
                    self.asking = turn.asking
                turn.carry(inner, context, awaited)
                self._spare = None
                running[turn] = task
                first = turn.asking + 1
        finally:
            _enter_task(loop, self._home)
            for coroutine in coroutines[first:]:
                coroutine.close()
        if self._home.cancelling() > before:
            raise asyncio.CancelledError  # by one of the coroutines: the task would notice only when it suspends

    def position(self, running: Mapping[Turn, asyncio.Task[Any]]) -> int | None:
        """Return the position of the coroutine that the caller runs in; None for code that runs in none of them."""
        current = asyncio.current_task()
        if self._loop is not None and current is self._home:
            return self.asking
        if self._spare is not None and current is self._spare_task:
            return self._spare.asking
        return next((turn.asking for turn, task in running.items() if task is current), None)

    async def rest(self) -> None:
        """Wait until no task is left that has nothing to carry on."""
        if self._spare is not None and self._spare.ready:
            await asyncio.sleep(0)  # it takes its only step before this task goes on
