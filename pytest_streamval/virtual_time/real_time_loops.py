"""Event loops in other threads. They run in real time, which a test on a virtual clock does not expect."""

from __future__ import annotations

import asyncio
import sys
import threading
import warnings
from functools import wraps
from typing import TYPE_CHECKING, Any

from pytest_streamval.errors import RealTimeWarning
from pytest_streamval.virtual_time.module_patching import patch_attribute
from pytest_streamval.virtual_time.task_locations import callers_of, is_user_code

if TYPE_CHECKING:
    from contextlib import ExitStack

_TEST_CLIENT = "starlette.testclient"


class RealTimeLoops:
    """Warns once if an event loop starts in another thread, or if the test calls one."""

    def __init__(self, thread: int) -> None:
        """Create a watcher.

        Args:
            thread: The identifier of the thread that has virtual time.
        """
        self._thread = thread
        self._warned = False

    def watch(self, undo: ExitStack) -> None:
        """Watch for calls from the clock's thread into other loops until the stack is closed."""
        call_soon = asyncio.BaseEventLoop.call_soon_threadsafe

        @wraps(call_soon)
        def call_soon_threadsafe(loop: Any, *args: Any, **kwargs: Any) -> asyncio.Handle:  # noqa: ANN401  # as asyncio's
            if not self._warned and threading.get_ident() == self._thread:
                self.warn_once(loop._thread_id)
            return call_soon(loop, *args, **kwargs)

        patch_attribute(undo, asyncio.BaseEventLoop, "call_soon_threadsafe", call_soon_threadsafe)

    def warn_once(self, ident: int | None) -> None:
        """Warn of the event loop in a thread, except in the clock's own thread and in that of a `ProviderServer`.

        Args:
            ident: The identifier of the thread, None if the loop does not run.
        """
        if self._warned or ident in {None, self._thread}:
            return
        thread = next((thread for thread in threading.enumerate() if thread.ident == ident), None)
        if getattr(thread, "only_answers", False):
            return
        self._warned = True
        frames = list(callers_of(sys._current_frames().get(self._thread)))
        place = next((frame for frame in frames if is_user_code(frame.f_code)), frames[0])
        by_client = any(frame.f_globals.get("__name__") == _TEST_CLIENT for frame in frames)
        warning = RealTimeWarning(thread.name if thread else str(ident), by_client)
        warnings.warn_explicit(warning, None, place.f_code.co_filename, place.f_lineno)
