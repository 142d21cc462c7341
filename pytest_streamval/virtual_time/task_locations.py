"""Where tasks are suspended."""

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

_STANDARD = str(Path(os.__file__).parent) + os.sep
_PACKAGE = str(Path(__file__).parents[1]) + os.sep
_ROOT = str(Path(__file__).parents[2]) + os.sep
_INSTALLED = f"{os.sep}site-packages{os.sep}"
# Await something themselves without telling what.
_WRAPPERS = {"coroutine_wrapper", "async_generator_asend", "async_generator_athrow", "anext_awaitable"}


def waiting_in(loop: asyncio.AbstractEventLoop) -> tuple[tuple[str, str], ...]:
    """Return the name of every task that waits in a loop, and where, in the order of the names."""
    found = [(task.get_name(), _place(task)) for task in asyncio.all_tasks(loop)]
    return tuple(sorted(found, key=lambda task: _in_numbers(task[0])))


def _in_numbers(name: str) -> list[tuple[int, str]]:
    """Return what to sort a name by, so that Task-9 comes before Task-10."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", name)]


def _place(task: asyncio.Task[Any]) -> str:
    """Say where a task is suspended: in whose code, and in which library that one has called."""
    frames = list(_frames(task.get_coro()))
    if not frames:
        return "a place that Python does not know"
    frames = [frame for frame in frames if not _is_standard(frame)] or frames
    own = [frame for frame in frames if _is_own(frame)]
    if not own or own[-1] is frames[-1]:
        return _shown(frames[-1])
    return f"{_shown(own[-1])}, in {_shown(frames[-1])}"


def _frames(awaited: Any) -> Iterator[FrameType]:  # noqa: ANN401  # whatever can be awaited
    """Yield the frames of a coroutine and of what it awaits, and so on, from the outside in."""
    while awaited is not None:
        frame = _first(awaited, "cr_frame", "gi_frame", "ag_frame")
        if frame is not None:
            yield frame
        if type(awaited).__name__ in _WRAPPERS:
            awaited = gc.get_referents(awaited)[0]
        elif frame is not None and frame.f_code is eager._carry_on.__code__:
            awaited = frame.f_locals["inner"]
        else:
            awaited = _first(awaited, "cr_await", "gi_yieldfrom", "ag_await", "_inner")


def _first(owner: object, *names: str) -> Any:  # noqa: ANN401  # a frame, or whatever can be awaited
    return next((getattr(owner, name) for name in names if hasattr(owner, name)), None)


def _is_standard(frame: FrameType) -> bool:
    name = frame.f_code.co_filename
    return name.startswith(_STANDARD) and _INSTALLED not in name


def _is_own(frame: FrameType) -> bool:
    """Return whether a frame is of the code that is tested or tests: of no library, nor of Python's own."""
    return _is_own_code(frame.f_code)


def _is_own_code(code: CodeType) -> bool:
    name = code.co_filename
    return _INSTALLED not in name and not name.startswith((_STANDARD, _PACKAGE))


def _is_package(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith(_PACKAGE)


def _shown(frame: FrameType) -> str:
    """Return where a frame is: its own code from the working directory, that of others from where it is installed."""
    name = frame.f_code.co_filename
    if _INSTALLED in name:
        name = name.rpartition(_INSTALLED)[2]
    roots = (f"{Path.cwd()}{os.sep}", _ROOT, _STANDARD)
    name = name.removeprefix(next((root for root in roots if name.startswith(root)), ""))
    return f"{name}:{frame.f_lineno} in {frame.f_code.co_qualname}"
