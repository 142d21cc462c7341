"""`Pace`: the times at which a client reads, for pages and WebSockets."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from pytest_streamval.errors import InvalidArgumentError, excerpt

if TYPE_CHECKING:
    from collections.abc import Callable, Sized


class Pace:
    """The times at which a client reads: at once, one read every few seconds, or only for the test's own calls."""

    def __init__(self, read_every: float | None, unread: Sized, read: Callable[[], None]) -> None:
        """Create a pace.

        Args:
            read_every: The seconds between two reads. None is a client that reads at once, and `math.inf` one that
                reads only for the calls of the test.
            unread: The data that the client has not read.
            read: Makes one read.

        Raises:
            InvalidArgumentError: A `TypeError` and a `ValueError`. If `read_every` is no number of seconds.
        """
        self._every = _checked(read_every)
        self._unread = unread
        self._read = read
        self._loop = asyncio.get_running_loop()
        self._next = -math.inf  # the earliest time of the next read
        self._timer: asyncio.TimerHandle | None = None
        self._waiters: list[asyncio.Future[None]] = []

    @property
    def is_slow(self) -> bool:
        """Whether the client may leave data unread."""
        return self._every is not None

    def read_due(self, on_due: Callable[[], None]) -> None:
        """Read the new data, now or when the next read is due.

        Args:
            on_due: Called when a read is due. It calls this function again.
        """
        if self._every is None:
            while self._unread:
                self._read()
        elif self._unread and self._every != math.inf and self._timer is None:
            if self._loop.time() >= self._next:
                self._read_one()
            else:
                self._timer = self._loop.call_at(self._next, self._when_due, on_due)

    def read_for_call(self) -> bool:
        """Make one read for a call of the test, if the client reads in no other way. Return whether it did."""
        if self._every != math.inf or not self._unread:
            return False
        self._read_one()
        return True

    def _read_one(self) -> None:
        self._next = self._loop.time() + (self._every or 0)
        self._read()

    def _when_due(self, on_due: Callable[[], None]) -> None:
        self._timer = None
        on_due()

    def stop(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # The waiting calls of the test

    def new_waiter(self) -> asyncio.Future[None]:
        """Return a future that is done after the next change."""
        waiter = self._loop.create_future()
        self._waiters.append(waiter)
        return waiter

    def wake(self) -> None:
        """Let the waiting calls look at a change."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()


def _checked(read_every: float | None) -> float | None:
    given: object = read_every
    if given is not None and (isinstance(given, bool) or not isinstance(given, int | float) or not given >= 0):
        rule = "It must be the seconds between two reads, 0 or more, or None for a client that is never slow."
        raise InvalidArgumentError("read_every", excerpt(given), rule)
    return read_every
