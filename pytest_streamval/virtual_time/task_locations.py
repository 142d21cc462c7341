"""The lines of code in which tasks are suspended, and whose code that is."""

from __future__ import annotations

import asyncio
import gc
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_streamval.engine import eager

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType, FrameType

PACKAGE = str(Path(__file__).parents[1]) + os.sep
"""The folder of this package."""
INSTALLED = f"{os.sep}site-packages{os.sep}"
"""A part of the path of every installed package."""

_STANDARD = str(Path(os.__file__).parent) + os.sep
_ROOT = str(Path(__file__).parents[2]) + os.sep
# These await another object without an attribute that refers to it.
_WRAPPERS = {"coroutine_wrapper", "async_generator_asend", "async_generator_athrow", "anext_awaitable"}


def waiting_tasks(loop: asyncio.AbstractEventLoop) -> tuple[tuple[str, str], ...]:
    """Return the name and the location of every task that waits in a loop, sorted by name."""
    found = [(task.get_name(), _task_location(task)) for task in asyncio.all_tasks(loop)]
    return tuple(sorted(found, key=lambda task: natural_key(task[0])))


def natural_key(name: str) -> list[tuple[int, str]]:
    """Return a sort key that places `Task-9` before `Task-10`."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", name)]


def frames_of(awaited: Any) -> Iterator[FrameType]:  # noqa: ANN401  # any awaitable
    """Yield the frames of a coroutine and of the objects that it awaits, outermost first."""
    while awaited is not None:
        frame = _first_attribute(awaited, "cr_frame", "gi_frame", "ag_frame")
        if frame is not None:
            yield frame
        if type(awaited).__name__ in _WRAPPERS:
            awaited = gc.get_referents(awaited)[0]
        elif frame is not None and frame.f_code is eager._carry_on.__code__:
            awaited = frame.f_locals["inner"]
        else:
            awaited = _first_attribute(awaited, "cr_await", "gi_yieldfrom", "ag_await", "_inner")


def callers_of(frame: FrameType | None) -> Iterator[FrameType]:
    """Yield a frame, its caller, and so on, innermost first."""
    while frame is not None:
        yield frame
        frame = frame.f_back


def is_standard_library(code: CodeType) -> bool:
    """Return whether code belongs to Python's standard library."""
    return code.co_filename.startswith(_STANDARD) and INSTALLED not in code.co_filename


def is_user_code(code: CodeType) -> bool:
    """Return whether code is a test or under test: not installed, and of neither Python nor this package."""
    return INSTALLED not in code.co_filename and not code.co_filename.startswith((_STANDARD, PACKAGE))


def _task_location(task: asyncio.Task[Any]) -> str:
    """Return the user's line in which a task is suspended, and the line of a library that it has called."""
    frames = list(frames_of(task.get_coro()))
    if not frames:
        return "an unknown line"
    frames = [frame for frame in frames if not is_standard_library(frame.f_code)] or frames
    own = [frame for frame in frames if is_user_code(frame.f_code)]
    if not own or own[-1] is frames[-1]:
        return _line_of_frame(frames[-1])
    return f"{_line_of_frame(own[-1])}, in {_line_of_frame(frames[-1])}"


def _first_attribute(owner: object, *names: str) -> Any:  # noqa: ANN401  # a frame or any awaitable
    return next((getattr(owner, name) for name in names if hasattr(owner, name)), None)


def _line_of_frame(frame: FrameType) -> str:
    name = frame.f_code.co_filename
    if INSTALLED in name:
        name = name.rpartition(INSTALLED)[2]
    roots = (f"{Path.cwd()}{os.sep}", _ROOT, _STANDARD)
    name = name.removeprefix(next((root for root in roots if name.startswith(root)), ""))
    return f"{name}:{frame.f_lineno} in {frame.f_code.co_qualname}"
