"""Owning tasks: a strong reference while they run, and an end that nothing interrupts half-way."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_streamval.errors import event_loop_required_error

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable

T = TypeVar("T")

_owned: set[asyncio.Task[Any]] = set()  # an event loop itself refers to its tasks weakly


class OwnedTask(asyncio.Task[T]):
    """A task that its owner can stop.

    `cancelling()` does not say whether a task will end: it is also above 0 between the moment at which an
    `asyncio.timeout` of the task's own fires and the moment at which the task leaves that timeout and goes on. So a
    task that is being cancelled is not cancelled again, which would interrupt its clean-up, but the stop is kept: when
    the last cancellation is taken back, the task is cancelled then.
    """

    stopping: bool = False
    """Whether the owner has stopped it."""

    def stop(self) -> None:
        """Cancel the task, now or as soon as it takes back the cancellation that it is handling."""
        if self.stopping or self.done():
            return
        self.stopping = True
        if not self.cancelling():
            self.cancel()

    def uncancel(self) -> int:
        """Take back one request for cancellation, and return how many are left."""
        left = super().uncancel()
        if self.stopping and not left:
            self.cancel()
        return left


def start_task(coroutine: Coroutine[Any, Any, T], name: str) -> OwnedTask[T]:
    """Run a coroutine as a named task that is referred to until it has ended."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError as error:
        coroutine.close()
        raise event_loop_required_error(name) from error
    task = OwnedTask(coroutine, loop=loop, name=name)
    _owned.add(task)
    task.add_done_callback(_owned.discard)
    return task


def stop_task(task: asyncio.Task[Any]) -> None:
    """Cancel a task once, whatever kind of task it is."""
    if isinstance(task, OwnedTask):
        task.stop()
    elif not task.cancelling():
        task.cancel()


async def settle(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Stop tasks, and wait until each has ended.

    A cancellation of the caller is kept back until then: it would leave tasks running, and a second one handed on to
    them would break their clean-up.
    """
    pending = {task for task in tasks if not task.done()}
    for task in pending:
        stop_task(task)
    interrupted: asyncio.CancelledError | None = None
    while pending:
        try:
            _, pending = await asyncio.wait(pending)
        except asyncio.CancelledError as error:
            interrupted = error
            pending = {task for task in pending if not task.done()}
    if interrupted is not None:
        raise interrupted


def add_note(error: BaseException, note: str) -> None:
    """Add a note to an error, once; an error whose class takes no attributes stays without."""
    if note in getattr(error, "__notes__", ()):  # one instance may be raised again and again
        return
    with suppress(Exception):  # a frozen dataclass takes none, for instance
        error.add_note(note)


def note_cleanup(error: BaseException, failure: BaseException) -> None:
    """Note on the error that a caller gets what the clean-up after it has raised."""
    if error.__context__ is None and error is not failure:
        error.__context__ = failure
    add_note(error, f"The clean-up failed too: {type(failure).__name__}: {failure}")
