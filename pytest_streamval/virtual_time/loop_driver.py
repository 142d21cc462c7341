"""Driving one event loop: its time is virtual, and instead of sleeping it jumps to the next timer."""

from __future__ import annotations

import logging
import math
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from pytest_streamval.errors import unsupported_loop_error
from pytest_streamval.virtual_time.module_patching import patch_item
from pytest_streamval.virtual_time.real_time import FUNCTIONS

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from pytest_streamval.virtual_time.external_activity import ExternalActivity
    from pytest_streamval.virtual_time.time_source import TimeSource

PATIENCE = 2.0
"""The real seconds for which external activity stops virtual time completely."""

_SLICE = 0.05  # real seconds after which a thread that ended without waking the loop is noticed, at most
_LOOPBACK = 0.001  # real seconds that bytes may take between two ends of a connection in this machine

_log = logging.getLogger(__name__)


class LoopDriver:
    """Gives an event loop virtual time until it is released.

    Only attributes of this loop and of its selector are replaced. Timers keep the delay that they have left when the
    loop is driven and when it is released.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        source: TimeSource,
        activity: ExternalActivity,
        wake_settled: Callable[[], bool],
        end_deadlock: Callable[[asyncio.AbstractEventLoop], None],
    ) -> None:
        """Replace the time and the selector of a loop.

        Args:
            loop: The loop.
            source: The virtual time.
            activity: The activity outside the loop that stops virtual time.
            wake_settled: Wakes the tasks that wait until nothing is left to run, and returns whether there were any.
            end_deadlock: Called if nothing can wake the loop any more.

        Raises:
            EventLoopError: If the loop has no selector that tells when nothing is left to run.
        """
        self.loop: Any = loop
        selector: Any = getattr(loop, "_selector", None)
        if not hasattr(selector, "_fd_to_key"):
            raise unsupported_loop_error(loop_class_name(loop))
        self._source = source
        self._activity = activity
        self._wake_settled = wake_settled
        self._end_deadlock = end_deadlock
        self._real_select: Callable[[float], list[Any]] = selector.select
        self._watched: dict[int, object] = vars(selector)["_fd_to_key"]  # len(get_map()) is ten times as slow
        self._signals = getattr(loop, "_signal_handlers", None)
        self._resolution: float = vars(loop)["_clock_resolution"]
        self._waited = 0.0  # real seconds since the last external event
        self._spent = 0.0  # virtual seconds in that time
        self._warned = False
        self._undo = ExitStack()
        self._shift_timers(source.reading - loop.time())
        patch_item(self._undo, vars(loop), "time", lambda: source.reading)
        patch_item(self._undo, vars(loop), "_clock_resolution", self._resolution)
        patch_item(self._undo, vars(selector), "select", self._select)

    def release(self) -> None:
        """Restore the loop's own time."""
        self._undo.close()
        self._shift_timers(self.loop.time() - self._source.reading)

    def _shift_timers(self, seconds: float) -> None:
        for handle in self.loop._scheduled:
            handle._when += seconds  # the same for all keeps the heap's order

    def _select(self, timeout: float | None = None) -> list[Any]:
        """Return the events of the selector, in place of its `select`. Move virtual time if there are none."""
        # Other threads put callbacks into _ready, so the byte that they write into the loop's pipe is no news.
        nothing_watched = len(self._watched) == 1 and not self._signals
        if timeout == 0:  # a callback is ready to run
            return [] if nothing_watched else self._poll(0)
        # Activity is read before the selector: if it ends in between, it has woken the loop by then.
        ongoing = self._activity.ongoing(self.loop)
        events = [] if nothing_watched else self._poll(_LOOPBACK if self._activity.has_inner_connection else 0)
        if events or self.loop._ready or self._wake_settled():
            return events
        scheduled = self.loop._scheduled
        due = scheduled[0]._when if scheduled else math.inf
        if ongoing:
            return self._wait_in_real_time(due if due <= self._source.end else math.inf)
        self._reset_patience()
        if due <= self._source.end:
            self._jump(due)
        else:
            self._end_deadlock(self.loop)
        return []

    def _poll(self, timeout: float) -> list[Any]:
        events = self._real_select(timeout)
        if events:
            self._reset_patience()
        return events

    def _wait_in_real_time(self, due: float) -> list[Any]:
        """Wait for external activity. The next timer fires when as much real time has passed."""
        monotonic = FUNCTIONS["monotonic"]
        distance = due - self._source.reading
        needed = max(PATIENCE, self._spent + distance)
        while self._waited < needed:
            began = monotonic()
            events = self._real_select(min(_SLICE, _LOOPBACK + self._waited / 2, needed - self._waited))
            self._waited += monotonic() - began
            ongoing = self._activity.ongoing(self.loop)
            if events or not ongoing:
                self._reset_patience()
                return events
            if self._waited >= PATIENCE and not self._warned:
                self._warned = True
                _log.warning("Virtual time continues at the pace of real time because of %s.", ", ".join(ongoing))
        self._spent += distance
        self._jump(due)
        return []

    def _jump(self, due: float) -> None:
        self._source.move(due)
        # The loop runs the timers due before time + resolution. After some years, only a larger one changes the sum.
        self.loop._clock_resolution = max(self._resolution, math.ulp(due))

    def _reset_patience(self) -> None:
        self._waited, self._spent, self._warned = 0.0, 0.0, False


def loop_class_name(loop: asyncio.AbstractEventLoop | None) -> str:
    """Return the full name of a loop's class, empty for None."""
    return "" if loop is None else f"{type(loop).__module__}.{type(loop).__qualname__}"
