"""Tasks with an owner: a strong reference while they run, and an end that no cancellation interrupts."""

from __future__ import annotations

import asyncio
import types
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_streamval.errors import different_loops_error, event_loop_required_error, harmless

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator, Iterable

T = TypeVar("T")

_running_tasks: set[asyncio.Task[Any]] = set()  # strong references, because an event loop has only weak ones


class OwnedTask(asyncio.Task[T]):
    """A task that its owner can stop.

    `cancelling()` does not tell whether a task will end. It is also above 0 after an `asyncio.timeout` inside the task
    has fired, until the task leaves that timeout and continues. So `stop()` never cancels a task a second time, which
    would interrupt its clean-up. If the task takes its last cancellation back, it is cancelled again at that moment.
    """

    stopping: bool = False
    """Whether the owner has stopped the task."""

    def stop(self) -> None:
        """Cancel the task now, or as soon as it takes back the cancellation that it is handling."""
        if self.stopping or self.done():
            return
        self.stopping = True
        if not self.cancelling():
            self.cancel()

    def uncancel(self) -> int:
        """Take back one request for cancellation, and return the number of requests that remain."""
        remaining = super().uncancel()
        if self.stopping and not remaining:
            self.cancel()
        return remaining


TASK_NAME = "streamval validator"
"""The name of a `ValidatorTask` until it is known which validator suspended in it."""


class ValidatorTask(OwnedTask[None]):
    """A task in which a run awaits validators."""


def start_task(coroutine: Coroutine[Any, Any, T], name: str) -> OwnedTask[T]:
    """Run a coroutine as a named task, and keep a reference to the task until it has ended.

    Raises:
        EventLoopError: If no event loop is running.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError as error:
        coroutine.close()
        raise event_loop_required_error(name) from error
    task = OwnedTask(coroutine, loop=loop, name=name)
    _running_tasks.add(task)
    task.add_done_callback(_running_tasks.discard)
    return task


def current_task_is_cancelled() -> bool:
    """Return whether the current task has a request for cancellation."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def check_loop_of(task: asyncio.Task[Any] | None, shown: str) -> None:
    """Raise an `EventLoopError` if a task that has not ended runs in another event loop.

    Args:
        task: The task that generates an output.
        shown: The output, for the message.
    """
    if task is not None and not task.done() and task.get_loop() is not asyncio.get_running_loop():
        raise different_loops_error(shown)


async def settle(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Stop tasks, and wait until each has ended.

    A cancellation of the caller is raised after that. Raised earlier it would leave tasks running, and passed on to
    the tasks it would interrupt their clean-up.
    """
    pending = {task for task in tasks if not task.done()}
    for task in pending:
        if isinstance(task, OwnedTask):
            task.stop()
        elif not task.cancelling():
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


def add_note(error: BaseException, note: str) -> None:
    """Add a note to an error once, unless its class allows no new attributes."""
    if note in getattr(error, "__notes__", ()):  # one instance may be raised again and again
        return
    with suppress(Exception):  # a frozen dataclass raises, for instance
        error.add_note(harmless(note))


def note_cleanup(error: BaseException, failure: BaseException) -> None:
    """Add a note about a failed clean-up to the error that is raised to the caller."""
    if error.__context__ is None and error is not failure:
        error.__context__ = failure
    add_note(error, f"The clean-up failed too: {type(failure).__name__}: {failure}")


@types.coroutine
def first_step() -> Generator[None, None, None]:
    """Suspend until the first step of the task."""
    yield
