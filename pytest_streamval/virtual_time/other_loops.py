"""Event loops in other threads: they run in real time, which a test on a virtual clock does not expect."""

from __future__ import annotations

import asyncio
import sys
import threading
import warnings
from functools import wraps
from typing import TYPE_CHECKING, Any

from pytest_streamval.errors import RealTimeWarning
from pytest_streamval.virtual_time.module_patching import swap_attribute
from pytest_streamval.virtual_time.task_locations import _is_own

if TYPE_CHECKING:
    from contextlib import ExitStack
    from types import FrameType

_TEST_CLIENT = "starlette.testclient"


class OtherLoops:
    """Warns once, when an event loop begins to run in another thread, or when the test has something done in one."""

    def __init__(self, thread: int) -> None:
        """Watch from the thread that lives on virtual time."""
        self._thread = thread
        self._told = False

    def watch(self, undo: ExitStack) -> None:
        """Notice calls from the clock's thread into loops that run already, until the stack is closed."""
        call_soon = asyncio.BaseEventLoop.call_soon_threadsafe

        @wraps(call_soon)
        def call_soon_threadsafe(loop: Any, *args: Any, **kwargs: Any) -> asyncio.Handle:  # noqa: ANN401  # as given
            if not self._told and threading.get_ident() == self._thread:
                self.notice(loop._thread_id)
            return call_soon(loop, *args, **kwargs)

        swap_attribute(undo, asyncio.BaseEventLoop, "call_soon_threadsafe", call_soon_threadsafe)

    def notice(self, ident: int | None) -> None:
        """Warn of the event loop that runs in a thread, unless there is none or the thread is known to be none's own.

        Args:
            ident: of the thread.
        """
        if self._told or ident in {None, self._thread}:
            return
        thread = next((thread for thread in threading.enumerate() if thread.ident == ident), None)
        if getattr(thread, "only_answers", False):
            return
        self._told = True
        frames = _frames(sys._current_frames().get(self._thread))
        place = next((frame for frame in frames if _is_own(frame)), frames[0])
        by_client = any(frame.f_globals.get("__name__") == _TEST_CLIENT for frame in frames)
        warning = RealTimeWarning(thread.name if thread else str(ident), by_client)
        warnings.warn_explicit(warning, None, place.f_code.co_filename, place.f_lineno)


def _frames(frame: FrameType | None) -> list[FrameType]:
    """Return what runs in a thread, from the inside out."""
    frames: list[FrameType] = []
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    return frames
