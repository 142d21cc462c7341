"""The floor of a council: what members tell, and when the one who listens has taken it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_streamval.council.events import CouncilEvent


class Floor:
    """Passes events on to one reader, who takes all that are there at once.

    Whoever tells may wait until that was taken and dealt with, which is when the reader comes back for more. So what is
    kept here is never more than each member tells between two reads of its model's output.
    """

    def __init__(self) -> None:
        self._events: list[CouncilEvent] = []
        self._tellers: list[asyncio.Future[None]] = []  # who waits until these have been dealt with
        self._given: list[CouncilEvent] = []  # to the reader, who has not come back yet
        self._tellers_of_given: list[asyncio.Future[None]] = []
        self._reader: asyncio.Future[None] | None = None
        self._closed = False

    def tell(self, event: CouncilEvent) -> None:
        """Tell the reader; never waits."""
        self._events.append(event)
        if self._reader is not None:
            self._wake()

    async def taken(self) -> None:
        """Wait until the reader has dealt with all that was told so far."""
        if self._events or self._given:
            waiter = asyncio.get_running_loop().create_future()
            (self._tellers if self._events else self._tellers_of_given).append(waiter)
            await waiter

    def close(self) -> None:
        """Say that nothing more comes."""
        self._closed = True
        self._wake()

    async def take(self) -> list[CouncilEvent]:
        """Return what was told since the last call, at least one event; an empty list is the end."""
        self._given = []
        for teller in self._tellers_of_given:
            if not teller.done():
                teller.set_result(None)
        self._tellers_of_given = []
        while not self._events and not self._closed:
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        self._given, self._events = self._events, []
        self._tellers_of_given, self._tellers = self._tellers, []
        return self._given

    def _wake(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None and not reader.done():
            reader.set_result(None)
