"""Pauses under a date that freezegun has frozen, together with the clock of the event loop."""

from __future__ import annotations

import asyncio
import sys
from threading import Timer
from typing import Any, Final

from pytest_streamval.errors import FrozenClockError

_PATIENCE: Final = 2.0  # real seconds in which the test may move the frozen date
_INSTANT: Final = 1e-6  # seconds after which a clock that runs has another reading


async def pause(seconds: float) -> None:
    """Sleep. Under a frozen clock, raise an error instead of waiting for ever.

    Raises:
        FrozenClockError: If freezegun has frozen the clock of the event loop, and nothing moves it.
    """
    loop = asyncio.get_running_loop()
    if seconds > 0 and _stands_still(loop):
        await _FrozenPause(loop, seconds).wait()
    else:
        await asyncio.sleep(seconds)


def _stands_still(loop: asyncio.AbstractEventLoop) -> bool:
    """Return whether the time of a loop is frozen. A virtual clock gives its loop a time of its own, which moves."""
    api: Any = sys.modules.get("freezegun.api")
    if api is None or not api.freeze_factories or "time" in vars(loop):
        return False
    before, began = loop.time(), api.real_monotonic()
    while api.real_monotonic() - began < _INSTANT:
        pass
    return loop.time() == before


class _FrozenPause:
    """A pause that ends when the test has moved the frozen date, or fails if the date stands still."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._loop = loop
        self._seconds = seconds
        self._end = loop.create_future()
        self._reading = loop.time()
        self._watch = self._started_watch()

    async def wait(self) -> None:
        timer = self._loop.call_later(self._seconds, self._finish)
        try:
            await self._end
        finally:
            timer.cancel()
            self._watch.cancel()
            self._watch.join()  # it ends at once

    def _finish(self) -> None:
        if not self._end.done():
            self._end.set_result(None)

    def _started_watch(self) -> Timer:
        """Return a thread that wakes the loop, whose own timers stand still too."""
        watch = Timer(_PATIENCE, self._loop.call_soon_threadsafe, [self._look])
        watch.daemon = True
        watch.start()
        return watch

    def _look(self) -> None:
        if self._end.done():
            return
        if self._loop.time() == self._reading:
            self._end.set_exception(FrozenClockError(self._seconds))
            return
        self._reading = self._loop.time()
        self._watch = self._started_watch()
