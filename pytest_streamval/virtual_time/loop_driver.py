"""Driving one event loop: its time is the clock's, and where it would sleep, the clock jumps."""

from __future__ import annotations

import logging
import math
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from pytest_streamval.errors import UnsupportedLoopError
from pytest_streamval.virtual_time.module_patching import swap
from pytest_streamval.virtual_time.real_time import FUNCTIONS

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from pytest_streamval.virtual_time.clock import VirtualClock

PATIENCE = 2.0
"""For how many seconds of real time what is under way outside the loop holds virtual time still."""

_SLICE = 0.05  # seconds of real time, at most, after which a thread that ended in silence is noticed
_SETTLE = 0.001  # seconds that bytes may take from one end of a connection to the other, within this machine

_log = logging.getLogger(__name__)


class LoopDriver:
    """Gives an event loop the time of a clock, until it is released.

    Only attributes of this one loop and of its selector are replaced. What was scheduled before keeps the delay that it
    had left, and so does what is still scheduled when the loop is released.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: VirtualClock) -> None:
        """Take over a loop.

        Raises:
            UnsupportedLoopError: it has no selector in which it could be told that nothing is left to wait for.
        """
        self.loop: Any = loop
        selector: Any = getattr(loop, "_selector", None)
        if not hasattr(selector, "_fd_to_key"):
            raise UnsupportedLoopError(kind_of(loop))
        self._clock = clock
        self._poll: Callable[[float], list[Any]] = selector.select
        self._watched: dict[int, object] = vars(selector)["_fd_to_key"]  # get_map() counts ten times as slowly
        self._signals = getattr(loop, "_signal_handlers", None)
        self._resolution: float = vars(loop)["_clock_resolution"]
        self._waited = 0.0  # real seconds, since something came from outside
        self._spent = 0.0  # virtual seconds, of those
        self._told = False
        self._undo = ExitStack()
        self._shift(clock._reading - loop.time())
        swap(self._undo, vars(loop), "time", lambda: clock._reading)
        swap(self._undo, vars(loop), "_clock_resolution", self._resolution)
        swap(self._undo, vars(selector), "select", self._select)

    def release(self) -> None:
        """Give the loop its own time back."""
        self._undo.close()
        self._shift(self.loop.time() - self._clock._reading)

    def _shift(self, seconds: float) -> None:
        for handle in self.loop._scheduled:
            handle._when += seconds  # all by the same, so that the heap stays one

    def _select(self, timeout: float | None = None) -> list[Any]:
        """Return what is ready to be read or written, as a selector does, at the virtual time at which it is."""
        # another thread puts what it wants done into _ready, and what it then writes into the loop's pipe is no news
        nothing_watched = len(self._watched) == 1 and not self._signals
        if timeout == 0:  # something is ready to run
            return [] if nothing_watched else self._look(0)
        outside = self._clock._outside
        # before the look: what ends between the two has woken the loop by then
        under_way = outside.under_way(self.loop)
        events = [] if nothing_watched else self._look(_SETTLE if outside.talks_to_itself else 0)
        if events or self.loop._ready or self._clock._settle():
            return events
        scheduled = self.loop._scheduled
        due = scheduled[0]._when if scheduled else math.inf
        if under_way:
            return self._wait(due if due <= self._clock._end else math.inf)
        self._begin_anew()
        if due <= self._clock._end:
            self._jump(due)
        else:
            self._clock._stuck(self.loop)
        return []

    def _look(self, timeout: float) -> list[Any]:
        events = self._poll(timeout)
        if events:
            self._begin_anew()
        return events

    def _wait(self, due: float) -> list[Any]:
        """Wait in real time for what is under way; what is due comes when as much real time has passed."""
        monotonic = FUNCTIONS["monotonic"]
        distance = due - self._clock._reading
        needed = max(PATIENCE, self._spent + distance)
        while self._waited < needed:
            began = monotonic()
            events = self._poll(min(_SLICE, _SETTLE + self._waited / 2, needed - self._waited))
            self._waited += monotonic() - began
            under_way = self._clock._outside.under_way(self.loop)
            if events or not under_way:
                self._begin_anew()
                return events
            if self._waited >= PATIENCE and not self._told:
                self._told = True
                _log.warning("Virtual time has come down to the pace of real time, for %s.", ", ".join(under_way))
        self._spent += distance
        self._jump(due)
        return []

    def _jump(self, due: float) -> None:
        self._clock._move(due)
        # the loop runs what is due before now + resolution, which has to be a later moment after some years too
        self.loop._clock_resolution = max(self._resolution, math.ulp(due))

    def _begin_anew(self) -> None:
        """Have patience again with what is under way."""
        self._waited, self._spent, self._told = 0.0, 0.0, False


def kind_of(loop: asyncio.AbstractEventLoop | None) -> str:
    """Return the full name of a loop's class, and nothing for no loop."""
    return "" if loop is None else f"{type(loop).__module__}.{type(loop).__qualname__}"
