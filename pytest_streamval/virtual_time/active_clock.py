"""The virtual clock of this process, and the callers who live on it."""

from __future__ import annotations

import sys
from threading import get_ident
from typing import TYPE_CHECKING

from pytest_streamval.errors import VirtualClockUseError
from pytest_streamval.virtual_time import other_libraries
from pytest_streamval.virtual_time.module_patching import swap

if TYPE_CHECKING:
    from contextlib import ExitStack

    from pytest_streamval.virtual_time.clock import VirtualClock

_JUDGES = {
    "_pytest",
    "coverage",
    "execnet",
    "hypothesis",
    "pluggy",
    "pytest",
    "pytest_asyncio",
    "pytest_timeout",
    "trio",
    "xdist",
}
"""Packages that say how long a test took, or wait in earnest."""

WAIT_IN_EARNEST = sys.stdlib_module_names | _JUDGES
"""Packages that use time to wait for threads, processes and sockets, or to say how long a test took."""

_clock: VirtualClock | None = None


def take(clock: VirtualClock, undo: ExitStack) -> None:
    """Make a clock the one of this process, until the stack is closed.

    Raises:
        VirtualClockUseError: there is another one.
    """
    if _clock is not None:
        raise VirtualClockUseError(
            "A virtual clock was started while another one is running.",
            "A process has one time: use the clock that is there.",
        )
    swap(undo, globals(), "_clock", clock)


def here() -> VirtualClock | None:
    """Return the clock, if this is its thread."""
    clock = _clock
    return clock if clock is not None and clock._thread == get_ident() else None


def dated_by() -> VirtualClock | None:
    """Return the clock, if the caller of the method that asks wants to know the date on it."""
    if (clock := here()) is None:
        return None
    caller: str = sys._getframe(2).f_globals.get("__name__", "")
    return None if caller.partition(".")[0] in _JUDGES or f"{caller}.".startswith(other_libraries.ignored()) else clock


def measured_by() -> VirtualClock | None:
    """Return the clock, if the caller of the function that asks measures durations on it."""
    if (clock := here()) is None:
        return None
    caller: str = sys._getframe(2).f_globals.get("__name__", "")
    return None if caller.partition(".")[0] in WAIT_IN_EARNEST else clock
