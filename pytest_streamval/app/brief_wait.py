"""A wait for the next step of an application, which may never come."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from pytest_streamval.virtual_time.time_source import active

if TYPE_CHECKING:
    from collections.abc import Collection

_REAL = 1.0  # seconds
_VIRTUAL = 1e-7  # seconds, less than a clock shows, and reached only when nothing else can run


async def wait_briefly(futures: Collection[asyncio.Future[Any]]) -> None:
    """Wait until one of the futures is done, or until the application waits for time to pass.

    On a virtual clock, this ends as soon as only a timer can go on, and no time passes. In real time, it ends after one
    second. A cancellation does not reach the futures.
    """
    limit = _REAL if active() is None else _VIRTUAL
    await asyncio.wait(futures, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
