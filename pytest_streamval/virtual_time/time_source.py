"""The present time of a virtual clock, and the callers that see it."""

from __future__ import annotations

import math
import sys
from datetime import timedelta
from threading import get_ident
from typing import TYPE_CHECKING, Any

from pytest_streamval.errors import VirtualClockUseError
from pytest_streamval.virtual_time import date_mocking
from pytest_streamval.virtual_time.instants import LAST
from pytest_streamval.virtual_time.module_patching import patch_item

if TYPE_CHECKING:
    from contextlib import ExitStack

START = 1_767_225_600
"""The default start: 2026-01-01 00:00 UTC, in seconds since the epoch."""

_PER_SECOND = 1_000_000  # microseconds
_UTC = timedelta()

_NAMES = "_pytest coverage execnet hypothesis pluggy pytest pytest_asyncio pytest_timeout trio xdist"
_TEST_TOOLS = frozenset(_NAMES.split())
"""Packages that report how long a test took, or wait in real time."""

REAL_TIME_PACKAGES = sys.stdlib_module_names | _TEST_TOOLS
"""Packages that measure durations in real time, because they wait for threads, processes and sockets."""

_active: TimeSource | None = None


class TimeSource:
    """The present time of one virtual clock. Its patches read it, and its event loop moves it."""

    def __init__(self, start: int | None) -> None:
        """Create the time of a clock that does not run yet.

        Args:
            start: The start in microseconds since the epoch. By default, it is the date that freezegun or time-machine
                has set, and otherwise 2026-01-01 00:00 UTC.
        """
        self.reading = 0.0
        """The virtual seconds since the start. This is also the time of the event loop."""
        self.end = math.inf
        """The reading at the end of the calendar. Timers that are due later never fire."""
        self.thread: int | None = None
        """The identifier of the thread that has this time, None while the clock does not run."""
        self._start = start
        self._origin = START * _PER_SECOND if start is None else start
        self._freezes: list[Any] = []  # freezegun's own list, while the clock runs
        self._freezes_before = 0

    @property
    def microseconds(self) -> int:
        """The microseconds since the epoch."""
        if self._freezes:
            return date_mocking.frozen_microseconds(self._freezes[-1])
        return self._origin + self._elapsed()

    @property
    def timestamp(self) -> float:
        """The seconds since the epoch, as `time.time()` returns them."""
        seconds, rest = divmod(self.microseconds, _PER_SECOND)
        return seconds + rest / _PER_SECOND

    @property
    def utc_offset(self) -> timedelta:
        """The difference between local time and UTC."""
        return date_mocking.frozen_offset() if self._freezes else _UTC

    def begin(self) -> None:
        """Set the date of the start.

        Raises:
            VirtualClockUseError: If the clock has a start of its own and another library has set a date.
        """
        freezes, travelled = date_mocking.active_freezes(), date_mocking.travelled_microseconds()
        if self._start is not None and (freezes or travelled is not None):
            raise VirtualClockUseError(
                "A virtual clock was created with a start while freezegun or time-machine has set another date.",
                "Use one of the two.",
            )
        self._freezes, self._freezes_before = freezes, len(freezes)
        if freezes:
            self._set_now(self.microseconds)
        elif travelled is not None:
            self._set_now(travelled)
        else:
            self._set_origin(self._origin)

    def restart(self, microseconds: int) -> None:
        """Set the reading to 0 and the date to another one."""
        if self._freezes:
            date_mocking.move_freezes(self._freezes, microseconds - self.microseconds)
        self.reading = 0.0
        self._set_origin(microseconds)

    def stop(self) -> None:
        """Keep the last date, and follow freezegun no longer."""
        self._set_now(self.microseconds)
        self._freezes = []

    def move(self, reading: float) -> None:
        """Move the time to a reading, and the date by the same distance."""
        before, self.reading = self.reading, reading
        if self._freezes:
            date_mocking.move_freezes(self._freezes, self._elapsed() - round(before * _PER_SECOND))

    def move_date(self, microseconds: int) -> None:
        """Move the time forward to a date, or move only the date back."""
        distance = microseconds - self.microseconds
        if distance >= 0:
            self.move((self._elapsed() + distance) / _PER_SECOND)
        elif self._freezes:
            date_mocking.move_freezes(self._freezes, distance)
        else:
            self._set_origin(self._origin + distance)

    def continue_from(self, microseconds: int) -> None:
        """Continue from a date if the freeze that set it has ended and had begun before the clock."""
        if len(self._freezes) < self._freezes_before:
            self._freezes_before = len(self._freezes)
            self._set_now(microseconds)

    def _elapsed(self) -> int:
        return round(self.reading * _PER_SECOND)

    def _set_now(self, microseconds: int) -> None:
        self._set_origin(microseconds - self._elapsed())

    def _set_origin(self, origin: int) -> None:
        self._origin = origin
        self.end = LAST - origin / _PER_SECOND


def activate(source: TimeSource, undo: ExitStack) -> None:
    """Make a time the virtual time of this process until the stack is closed.

    Raises:
        VirtualClockUseError: If another one is active.
    """
    if _active is not None:
        raise VirtualClockUseError(
            "A virtual clock was started while another one is running.", "A process has one time: use the first clock."
        )
    patch_item(undo, globals(), "_active", source)


def active() -> TimeSource | None:
    """Return the virtual time if this thread has it."""
    source = _active
    return source if source is not None and source.thread == get_ident() else None


def active_for_dates() -> TimeSource | None:
    """Return the virtual time if the caller of the calling function gets virtual dates."""
    if (source := active()) is None:
        return None
    caller: str = sys._getframe(2).f_globals.get("__name__", "")
    if caller.partition(".")[0] in _TEST_TOOLS or f"{caller}.".startswith(date_mocking.ignored_packages()):
        return None
    return source


def active_for_durations() -> TimeSource | None:
    """Return the virtual time if the caller of the calling function measures virtual durations."""
    if (source := active()) is None:
        return None
    caller: str = sys._getframe(2).f_globals.get("__name__", "")
    return None if caller.partition(".")[0] in REAL_TIME_PACKAGES else source
