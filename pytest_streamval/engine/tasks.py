"""Owning tasks: a strong reference while they run, and an end that nothing interrupts half-way."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_streamval.errors import EventLoopRequiredError

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable

T = TypeVar("T")

_owned: set[asyncio.Task[Any]] = set()  # an event loop itself refers to its tasks weakly


def start_task(coroutine: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
    """Run a coroutine as a named task that is referred to until it has ended."""
    try:
        task = asyncio.create_task(coroutine, name=name)
    except RuntimeError as error:
        coroutine.close()
        raise EventLoopRequiredError(name) from error
    _owned.add(task)
    task.add_done_callback(_owned.discard)
    return task


async def settle(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks, unless they are being cancelled already, and wait until each has ended.

    A cancellation of the caller is kept back until then: it would leave tasks behind, and a second one handed on to
    them would break their clean-up.
    """
    pending = {task for task in tasks if not task.done()}
    for task in pending:
        if not task.cancelling():
            task.cancel()
    interrupted: asyncio.CancelledError | None = None
    while pending:
        try:
            _, pending = await asyncio.wait(pending)
        except asyncio.CancelledError as error:
            interrupted = error
            pending = {task for task in pending if not task.done()}
    if interrupted is not None:
        raise interrupted
