"""The origin of a task or a timer: user code, or an installed library that keeps it for its own purposes."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import ref

from pytest_streamval.guards.source_locations import SourceLocation
from pytest_streamval.virtual_time.task_locations import (
    INSTALLED,
    PACKAGE,
    callers_of,
    is_standard_library,
    is_user_code,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType

_ANYIO = f"{INSTALLED}anyio"  # starts tasks on behalf of its callers, as asyncio does

_ENDS_OF_LOOPS = frozenset(  # the code of tasks that end at once
    getattr(asyncio.BaseEventLoop, name).__code__ for name in ("shutdown_asyncgens", "shutdown_default_executor")
)

# by the id of the task: when a task is collected, weak references to it are dead already
_of_libraries: dict[int, Callable[[], asyncio.Task[Any] | None]] = {}


class TrackedTimer(NamedTuple):
    """A timer that user code has started."""

    handle: asyncio.TimerHandle
    loop: asyncio.AbstractEventLoop
    location: SourceLocation

    def is_pending(self) -> bool:
        """Return whether it may still fire."""
        return self.handle._scheduled and not self.handle.cancelled() and not self.loop.is_closed()  # type: ignore[attr-defined]


def create_task(original: Callable[..., asyncio.Task[Any]]) -> Callable[..., asyncio.Task[Any]]:
    """Return a `create_task` that records the tasks of libraries."""

    def create_task(loop: asyncio.BaseEventLoop, coro: Any, **options: Any) -> asyncio.Task[Any]:  # noqa: ANN401  # as asyncio's
        task = original(loop, coro, **options)
        _of_libraries.pop(id(task), None)  # the entry of an earlier task with this id
        code = getattr(coro, "cr_code", None)
        if (
            code is not None
            and not code.co_filename.startswith(PACKAGE)
            and code not in _ENDS_OF_LOOPS
            and not is_user_code(code)
            and _is_installed(_creator(sys._getframe(1)))
        ):
            _of_libraries[id(task)] = ref(task)
        return task

    return create_task


def is_of_library(task: asyncio.Task[Any], *, is_destroyed: bool = False) -> bool:
    """Return whether the code of a task and the code that started it both belong to installed packages.

    Args:
        task: The task.
        is_destroyed: Whether the task is being destroyed. Weak references to it may be dead then. Otherwise a dead
            one is that of an earlier task with this id, because not every task begins in `create_task`.
    """
    found = _of_libraries.get(id(task))
    return found is not None and found() in ({task, None} if is_destroyed else {task})


def forget_collected() -> None:
    """Drop the entries of tasks that were garbage-collected."""
    for number in [number for number, task in _of_libraries.items() if task() is None]:
        del _of_libraries[number]


def timer_of(handle: asyncio.TimerHandle, loop: asyncio.AbstractEventLoop, caller: FrameType) -> TrackedTimer | None:
    """Return the timer if user code has started it."""
    if not is_user_code(caller.f_code):
        return None
    return TrackedTimer(handle, loop, SourceLocation(caller.f_code, caller.f_lineno))


def _creator(frame: FrameType | None) -> CodeType | None:
    """Return the code that started a task through the helpers of asyncio and anyio, None for the event loop."""
    for each in callers_of(frame):
        if each.f_code is asyncio.Handle._run.__code__:
            return None
        if not is_standard_library(each.f_code) and _ANYIO not in each.f_code.co_filename:
            return each.f_code
    return None


def _is_installed(code: CodeType | None) -> bool:
    return code is not None and INSTALLED in code.co_filename and not code.co_filename.startswith(PACKAGE)
