"""Where something that a test has left behind is suspended, or was started."""

from __future__ import annotations

import linecache
import sys
from asyncio import Handle
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_streamval.engine.orchestrator import stream_with_chunking
from pytest_streamval.virtual_time.task_locations import _frames, _is_own, _is_package

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable, Iterator
    from types import CodeType, FrameType


class Site(NamedTuple):
    """A line of code."""

    code: CodeType
    line: int

    @classmethod
    def of_caller(cls, frame: FrameType | None) -> Site | None:
        """Return the line of the user's own code from which a frame was called, directly or not."""
        own = next(filter(_is_own, takewhile(_is_of_test, _outwards(frame))), None)
        return None if own is None else cls(own.f_code, own.f_lineno)

    def __str__(self) -> str:
        path = Path(self.code.co_filename)
        if path.is_relative_to(here := Path.cwd()):
            path = path.relative_to(here)
        return f"{path}:{self.line} in {self.code.co_qualname}"


def is_in_own_task(frame: FrameType) -> bool:
    """Return whether a frame is called in a task of this package, from where no code of the user's calls it."""
    frames = list(takewhile(lambda each: each.f_code is not Handle._run.__code__, _outwards(frame)))
    task = frames[-1]
    return _is_package(task) and task.f_code is not stream_with_chunking.__code__ and not any(map(_is_own, frames))


def place_of(awaited: Any) -> str:  # noqa: ANN401  # whatever can be awaited
    """Return the innermost line of the user's own code in which a coroutine or a generator is suspended."""
    return _place(_frames(awaited))


def place_of_thread(thread: threading.Thread) -> str:
    """Return the innermost line of the user's own code that a thread is in."""
    return _place(reversed(list(_outwards(sys._current_frames().get(thread.ident or 0)))))


def _is_of_test(frame: FrameType) -> bool:
    """Return whether a frame is called by a test or a fixture, which pytest calls: not whatever has called pytest."""
    return not str(frame.f_globals.get("__name__")).startswith("_pytest.")


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _place(frames: Iterable[FrameType]) -> str:
    """Return a place for a person, from the frames of which the innermost comes last."""
    found = list(frames)
    if not found:
        return "at a place that Python does not tell"
    own = list(filter(_is_own, found))
    frame = (own or found)[-1]
    line = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip() if own else ""
    return f"at {Site(frame.f_code, frame.f_lineno)}{line and ': '}{line}"
