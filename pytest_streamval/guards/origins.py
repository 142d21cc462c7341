"""Who began a task or a timer: the test's own code, or an installed library that keeps it for its own purposes."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import ref

from pytest_streamval.guards.source_locations import Site
from pytest_streamval.virtual_time.task_locations import _INSTALLED, _PACKAGE, _is_own, _is_own_code, _is_standard

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

_HELPER = f"{_INSTALLED}anyio"  # starts tasks in the name of its callers, as asyncio does

# by the id of the task: when it is collected, weak references to it are gone already
_of_libraries: dict[int, Callable[[], asyncio.Task[Any] | None]] = {}


class Timer(NamedTuple):
    """A call that the test's own code has put off."""

    handle: asyncio.TimerHandle
    loop: asyncio.AbstractEventLoop
    site: Site

    def is_pending(self) -> bool:
        """Return whether its time has not come yet."""
        return self.handle._scheduled and not self.handle.cancelled() and not self.loop.is_closed()  # type: ignore[attr-defined]


def create_task(original: Callable[..., asyncio.Task[Any]]) -> Callable[..., asyncio.Task[Any]]:
    """Return a `create_task` that notes the tasks of libraries."""

    def create_task(loop: asyncio.BaseEventLoop, coro: Any, **options: Any) -> asyncio.Task[Any]:  # noqa: ANN401  # as asyncio's
        task = original(loop, coro, **options)
        _of_libraries.pop(id(task), None)  # that of an earlier one, which is gone
        code = getattr(coro, "cr_code", None)
        if (
            code is not None
            and not code.co_filename.startswith(_PACKAGE)
            and not _is_own_code(code)
            and _is_installed(_creator(sys._getframe(1)))
        ):
            _of_libraries[id(task)] = ref(task)
        return task

    return create_task


def is_of_library(task: asyncio.Task[Any]) -> bool:
    """Return whether the code of a task and its creator both belong to installed packages: it is not the test's."""
    return id(task) in _of_libraries and _of_libraries[id(task)]() in {task, None}


def forget_collected() -> None:
    """Forget the tasks of libraries that are gone."""
    for number in [number for number, task in _of_libraries.items() if task() is None]:
        del _of_libraries[number]


def timer_of(handle: asyncio.TimerHandle, loop: asyncio.AbstractEventLoop, caller: FrameType) -> Timer | None:
    """Return the timer that the test's own code has started; None if other code has."""
    return Timer(handle, loop, Site(caller.f_code, caller.f_lineno)) if _is_own(caller) else None


def _creator(frame: FrameType | None) -> FrameType | None:
    """Return the frame that started a task, past the helpers of asyncio and anyio; None if the event loop has."""
    while frame is not None and (_is_standard(frame) or _HELPER in frame.f_code.co_filename):
        if frame.f_code is asyncio.Handle._run.__code__:
            return None
        frame = frame.f_back
    return frame


def _is_installed(frame: FrameType | None) -> bool:
    if frame is None:
        return False
    name = frame.f_code.co_filename
    return _INSTALLED in name and not name.startswith(_PACKAGE)
