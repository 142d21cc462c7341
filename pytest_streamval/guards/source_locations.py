"""The lines of code in which an object was started or is suspended."""

from __future__ import annotations

import linecache
import sys
from asyncio import Handle
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_streamval.engine.orchestrator import stream_with_chunking
from pytest_streamval.virtual_time.task_locations import PACKAGE, callers_of, frames_of, is_user_code

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable
    from types import CodeType, FrameType


class SourceLocation(NamedTuple):
    """A line of code."""

    code: CodeType
    line: int

    @classmethod
    def of_caller(cls, frame: FrameType | None) -> SourceLocation | None:
        """Return the innermost line of the test or the code under test that led to a frame, if there is one."""
        in_test = takewhile(_is_below_pytest, callers_of(frame))
        own = next((each for each in in_test if is_user_code(each.f_code)), None)
        return None if own is None else cls(own.f_code, own.f_lineno)

    def __str__(self) -> str:
        path = Path(self.code.co_filename)
        if path.is_relative_to(here := Path.cwd()):
            path = path.relative_to(here)
        return f"{path}:{self.line} in {self.code.co_qualname}"


def is_in_package_task(frame: FrameType) -> bool:
    """Return whether a frame runs in a task of this package, without user code among its callers."""
    codes = [each.f_code for each in takewhile(_is_below_loop, callers_of(frame))]
    return (
        codes[-1].co_filename.startswith(PACKAGE)
        and codes[-1] is not stream_with_chunking.__code__
        and not any(map(is_user_code, codes))
    )


def location_of(awaited: Any) -> str:  # noqa: ANN401  # any awaitable
    """Return the innermost line of user code in which a coroutine or a generator is suspended."""
    return _location(frames_of(awaited))


def location_of_thread(thread: threading.Thread) -> str:
    """Return the innermost line of user code that a thread runs."""
    return _location(reversed(list(callers_of(sys._current_frames().get(thread.ident or 0)))))


def _is_below_pytest(frame: FrameType) -> bool:
    return not str(frame.f_globals.get("__name__")).startswith("_pytest.")


def _is_below_loop(frame: FrameType) -> bool:
    return frame.f_code is not Handle._run.__code__


def _location(frames: Iterable[FrameType]) -> str:
    """Return the innermost line of user code, with its source, of frames whose innermost is the last one."""
    found = list(frames)
    if not found:
        return "at an unknown line"
    own = [frame for frame in found if is_user_code(frame.f_code)]
    frame = (own or found)[-1]
    line = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip() if own else ""
    return f"at {SourceLocation(frame.f_code, frame.f_lineno)}{line and ': '}{line}"
