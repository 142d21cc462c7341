"""`EventChannel`: passes the events of several members to one reader."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_streamval.council.events import CouncilEvent


class EventChannel:
    """A queue of events for one reader, which receives all available events at once.

    A sender that waits for `drained` after each read of its model's output keeps the queue short: the queue never holds
    more than the events of one such read for each member.
    """

    def __init__(self) -> None:
        self._events: list[CouncilEvent] = []
        self._waiters: list[asyncio.Future[None]] = []  # senders waiting until `_events` is processed
        self._received: list[CouncilEvent] = []  # the reader is processing these
        self._waiters_of_received: list[asyncio.Future[None]] = []
        self._reader: asyncio.Future[None] | None = None
        self._closed = False

    def send(self, event: CouncilEvent) -> None:
        """Add an event without waiting."""
        self._events.append(event)
        self._wake_reader()

    async def drained(self) -> None:
        """Wait until the reader has processed every event sent so far, that is, until it asks for more."""
        if self._events or self._received:
            waiter = asyncio.get_running_loop().create_future()
            (self._waiters if self._events else self._waiters_of_received).append(waiter)
            await waiter

    def close(self) -> None:
        """End the channel: the reader receives the events that are left, and then an empty list."""
        self._closed = True
        self._wake_reader()

    async def receive(self) -> list[CouncilEvent]:
        """Wait for at least one event, and return all events since the last call. An empty list is the end."""
        self._received = []
        for waiter in self._waiters_of_received:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters_of_received = []
        while not self._events and not self._closed:
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        self._received, self._events = self._events, []
        self._waiters_of_received, self._waiters = self._waiters, []
        return self._received

    def _wake_reader(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
