"""Waits for the next step of an application, which may never come."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

from pytest_streamval.virtual_time.time_source import active

if TYPE_CHECKING:
    from collections.abc import Collection

_REAL = 1.0  # seconds


async def wait_briefly(futures: Collection[asyncio.Future[Any]]) -> None:
    """Wait until one of the futures is done, or until only a timer can go on.

    On a virtual clock, no time passes. In real time, this ends after one second. A cancellation does not reach the
    futures.
    """
    await asyncio.wait(futures, timeout=_limit(), return_when=asyncio.FIRST_COMPLETED)


async def settle_briefly(task: asyncio.Task[Any]) -> None:
    """Wait until only a timer can go on, on a virtual clock. In real time, wait one second for the end of a task."""
    if active() is None:
        await asyncio.wait([task], timeout=_REAL)
    else:
        await asyncio.sleep(_limit())


def _limit() -> float:
    """Return the seconds of a brief wait. The shortest virtual time passes only if nothing else can run."""
    loop = asyncio.get_running_loop()
    return _REAL if active() is None else max(1e-9, 2 * math.ulp(loop.time()))
