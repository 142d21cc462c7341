"""The kinds of leaks: how each is found to be open, described and ended."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from pytest_streamval.engine.component import text_of
from pytest_streamval.errors import excerpt
from pytest_streamval.guards.source_locations import SourceLocation, location_of, location_of_thread
from pytest_streamval.guards.tracking import TrackedRun
from pytest_streamval.virtual_time.task_locations import is_user_code

if TYPE_CHECKING:
    import asyncio
    import threading
    from collections.abc import AsyncGenerator, Sequence

    from pytest_streamval.engine.owners import Owner
    from pytest_streamval.engine.run import Run
    from pytest_streamval.engine.run_view import RunView
    from pytest_streamval.guards.origins import TrackedTimer
    from pytest_streamval.guards.tracking import TrackedGenerator, TrackedOwner
    from pytest_streamval.scripting.mock import MockCall


class Leak(ABC):
    """An object that began in a test and did not end as it should."""

    advice: ClassVar[str]
    """A sentence that says how to avoid it."""

    def __init__(self, target: object) -> None:
        self.target = target
        """The object, which a fixture may hold."""

    def report(self) -> tuple[str, str, str]:
        """Return the description, the location and the advice."""
        return self._description(), self._location(), self.advice

    def names(self) -> tuple[str, ...]:
        """Return the names by which the ini value `streamval_leaks_allow` may allow it."""
        return ()

    @abstractmethod
    def _description(self) -> str: ...

    @abstractmethod
    def _location(self) -> str: ...


class OpenObject(Leak):
    """An object that has not ended. It is a leak if it does not end by itself."""

    is_certain: bool = False
    """Whether it is a leak even if it ends by itself after the test."""

    def __init__(self, target: object, loop: asyncio.AbstractEventLoop | None = None) -> None:
        super().__init__(target)
        self.loop = loop
        """The event loop that has to run for it to end."""

    @abstractmethod
    def is_open(self) -> bool:
        """Return whether it has not ended yet."""

    def end(self) -> None:  # a thread cannot be ended
        """Begin to end it."""


class PendingTask(OpenObject):
    """A task that has not ended."""

    advice = "Await it, or cancel it and await it. asyncio.TaskGroup does this for all tasks that it starts."

    def __init__(self, task: asyncio.Task[Any]) -> None:
        super().__init__(task, task.get_loop())
        self.task = task
        # a task that has not begun would do its work after the end of the test
        self.is_certain = not task.cancelling() and _has_not_begun(task.get_coro())

    def is_open(self) -> bool:
        """Return whether the task is pending."""
        return not self.task.done()

    def end(self) -> None:
        """Cancel the task."""
        self.task.cancel()
        self.task.add_done_callback(_retrieve_error)

    def names(self) -> tuple[str, ...]:
        """Return the name of the task, and that of its coroutine function with its module."""
        return self.task.get_name(), _qualified_name(self.task.get_coro())

    def _description(self) -> str:
        if self.task.get_name().startswith("streamval producer "):
            kind = "producer still running"
        else:
            kind = "task that has not begun" if self.is_certain else "task still pending"
        return f"a {kind}{', although it was cancelled' if self.task.cancelling() else ''}: {_task_name(self.task)}"

    def _location(self) -> str:
        return location_of(self.task.get_coro())


class DestroyedTask(Leak):
    """A pending task without a reference that the garbage collector destroyed."""

    advice = f"An event loop does not keep its tasks. {PendingTask.advice}"

    def __init__(self, task: asyncio.Task[Any]) -> None:
        super().__init__(task)
        self._task = task

    def names(self) -> tuple[str, ...]:
        """Return the name of the task, and that of its coroutine function."""
        return self._task.get_name(), _qualified_name(self._task.get_coro())

    def _description(self) -> str:
        return f"a task destroyed while it was pending: {_task_name(self._task)}"

    def _location(self) -> str:
        code = getattr(self._task.get_coro(), "cr_code", None)  # its frame is gone
        return "of an unknown function" if code is None else f"of {SourceLocation(code, code.co_firstlineno)}"


class DroppedOutput(DestroyedTask):
    """An output that was dropped during its generation, which stopped its producer."""

    advice = "Read it to its end, or await cancel_generation()."

    def _description(self) -> str:
        return f"an output dropped during its generation: {_task_name(self._task)}"


class PendingRun(PendingTask):
    """A run whose result was neither completed nor closed."""

    advice = "Use 'async with', or await acomplete() or aclose(), or read astream() to its end."

    def __init__(self, task: asyncio.Task[Any], run: Run, checks: Sequence[asyncio.Task[Any]]) -> None:
        super().__init__(task)
        self.target = self.run = run
        self.checks = checks
        """The tasks of the validators that have not answered yet."""
        observers = () if run.observers is None else run.observers.members
        self._tracked = next((each for each in observers if isinstance(each, TrackedRun)), None)
        # a task that owns it may be about to end it, as that of a council which the test has left
        self.is_certain = not task.cancelling() and not (self._tracked is not None and self._tracked.has_owner)

    def _description(self) -> str:
        location = None if self._tracked is None else self._tracked.location
        start = "" if location is None else f", from {location}"
        return f"a StreamChunkingResult neither completed nor closed: {self.task.get_name()}{start}"

    def _location(self) -> str:
        return location_of((self.checks[0] if self.checks else self.task).get_coro())


class DroppedRun(Leak):
    """A run whose result was dropped, which stopped it."""

    advice = PendingRun.advice

    def __init__(self, tracked: TrackedRun, run: RunView) -> None:
        super().__init__(run)
        self._tracked = tracked
        self._action = excerpt(text_of(run.action))

    def _description(self) -> str:
        return f"a StreamChunkingResult dropped while it was running: streamval run {self._action}"

    def _location(self) -> str:
        location = self._tracked.location
        return "from code of a library" if location is None else f"from {location}"


class OpenOutput(OpenObject):
    """An output of a mock backend that was not read to its end."""

    advice = "Read it to its end, for instance with `await thunk.avalue()`, or `await thunk.cancel_generation()`."

    def __init__(self, call: MockCall, producer: asyncio.Task[None]) -> None:
        super().__init__(call.thunk, producer.get_loop())
        self.call = call
        self.producer = producer

    def is_open(self) -> bool:
        """Return whether the output is not computed."""
        return not self.call.thunk.is_computed()

    def end(self) -> None:
        """Cancel the generation."""
        self.producer.cancel()

    def _description(self) -> str:
        return f"an output neither read to its end nor cancelled: the answer to {excerpt(text_of(self.call.action))}"

    def _location(self) -> str:
        sent = f"its producer has sent {self.call.deltas_sent} of {len(self.call.script.deltas)} deltas"
        return sent if self.producer.done() else f"{sent} and is {location_of(self.producer.get_coro())}"


class OpenGenerator(OpenObject):
    """An asynchronous generator that is suspended between two items."""

    advice = "Read it in `async with contextlib.aclosing(...)`, or await its aclose()."

    def __init__(self, tracked: TrackedGenerator, generator: AsyncGenerator[Any, Any]) -> None:
        super().__init__(generator, tracked.loop)
        self._generator: Any = generator
        self.is_certain = tracked.dropped  # the event loop closes a dropped one as soon as it can

    def is_open(self) -> bool:
        """Return whether it is suspended."""
        return self._generator.ag_frame is not None and not self._generator.ag_running

    def end(self) -> None:
        """Let its event loop close it, unless the loop does so anyway."""
        if not self.is_certain and self.loop is not None and not self.loop.is_closed():
            self.loop.create_task(self._generator.aclose()).add_done_callback(_retrieve_error)

    def names(self) -> tuple[str, ...]:
        """Return the name of its function with its module."""
        return (_qualified_name(self._generator),)

    def _description(self) -> str:
        return f"an asynchronous generator not closed: {self._generator.__qualname__}()"

    def _location(self) -> str:
        return location_of(self._generator)


class LiveThread(OpenObject):
    """A thread that has not ended."""

    advice = "Make it end, and join() it."

    def __init__(self, thread: threading.Thread) -> None:
        super().__init__(thread)
        self.thread = thread

    def is_open(self) -> bool:
        """Return whether it is alive."""
        return self.thread.is_alive()

    def names(self) -> tuple[str, ...]:
        """Return its name."""
        return (self.thread.name,)

    def _description(self) -> str:
        return f"a {'daemon ' if self.thread.daemon else ''}thread still alive: {self.thread.name}"

    def _location(self) -> str:
        return location_of_thread(self.thread)


class PendingTimer(OpenObject):
    """A timer that would fire after the end of the test."""

    advice = "Keep the handle that call_later() or call_at() returns, and cancel() it."
    is_certain = True

    def __init__(self, timer: TrackedTimer) -> None:
        super().__init__(timer.handle, timer.loop)
        self._timer = timer

    def is_open(self) -> bool:
        """Return whether it has not fired."""
        return self._timer.is_pending()

    def end(self) -> None:
        """Cancel it."""
        self._timer.handle.cancel()

    def names(self) -> tuple[str, ...]:
        """Return the name of the function that it calls."""
        callback = getattr(self._timer.handle, "_callback", None)
        name = getattr(callback, "__qualname__", type(callback).__name__)
        return (f"{getattr(callback, '__module__', None) or ''}.{name}".removeprefix("."),)

    def _description(self) -> str:
        return f"a timer that has not fired: {self.names()[0]}"

    def _location(self) -> str:
        return f"from {self._timer.location}"


class OpenOwner(OpenObject):
    """A session or a server of this package that is open."""

    advice = "Use 'with', or call close() or, on a session, await aclose()."
    is_certain = True

    def __init__(self, owner: Owner, tracked: TrackedOwner) -> None:
        super().__init__(owner)
        self._owner = owner
        self._tracked = tracked

    def is_open(self) -> bool:
        """Return whether it has anything to close."""
        return self._owner.at_work

    def end(self) -> None:
        """Close it."""
        self._owner.close()

    def names(self) -> tuple[str, ...]:
        """Return the name of its class."""
        return (type(self._owner).__name__,)

    def _description(self) -> str:
        return f"a {type(self._owner).__name__} left open: {self._owner!r}"

    def _location(self) -> str:
        return _opening(self._tracked)


class DroppedOwner(Leak):
    """A session or a server of this package that was dropped while it was open, which closed it."""

    advice = OpenOwner.advice

    def __init__(self, tracked: TrackedOwner) -> None:
        super().__init__(tracked)
        self._tracked = tracked

    def _description(self) -> str:
        return f"dropped while it was open: {self._tracked.dropped}"

    def _location(self) -> str:
        return _opening(self._tracked)


def _opening(tracked: TrackedOwner) -> str:
    return "opened by code of a library" if tracked.location is None else f"opened at {tracked.location}"


def _qualified_name(awaited: Any) -> str:  # noqa: ANN401  # the coroutine of a task, or a generator
    """Return the name of the function, with its module if the frame still exists."""
    frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "ag_frame", None)
    name = getattr(awaited, "__qualname__", type(awaited).__name__)
    return name if frame is None else f"{frame.f_globals.get('__name__')}.{name}"


def _task_name(task: asyncio.Task[Any]) -> str:
    coroutine = task.get_coro()
    return f"{task.get_name()}, {getattr(coroutine, '__qualname__', type(coroutine).__name__)}()"


def _retrieve_error(task: asyncio.Task[Any]) -> None:
    """Retrieve the error of a task that the guard ended, so that asyncio does not log it."""
    if not task.cancelled():
        task.exception()


def _has_not_begun(coroutine: Any) -> bool:  # noqa: ANN401  # the coroutine of a task
    if not inspect.iscoroutine(coroutine) or inspect.getcoroutinestate(coroutine) != inspect.CORO_CREATED:
        return False
    return coroutine.cr_frame is not None and is_user_code(coroutine.cr_frame.f_code)
