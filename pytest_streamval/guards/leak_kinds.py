"""What a test may have left behind, kind by kind: how it shows, how it is described, how it is ended."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from pytest_streamval.engine.component import text_of
from pytest_streamval.errors import excerpt
from pytest_streamval.guards.source_locations import Site, place_of, place_of_thread
from pytest_streamval.guards.tracking import RunWatch
from pytest_streamval.virtual_time.task_locations import _is_own

if TYPE_CHECKING:
    import asyncio
    import threading
    from collections.abc import AsyncGenerator, Sequence

    from pytest_streamval.engine.owners import Owner
    from pytest_streamval.engine.run import Run
    from pytest_streamval.engine.run_view import RunView
    from pytest_streamval.guards.origins import Timer
    from pytest_streamval.guards.tracking import Begun, OwnerWatch
    from pytest_streamval.scripting.mock import MockCall


class Leak(ABC):
    """Something that began in a test and did not end as it should."""

    way_out: ClassVar[str]
    """What to do about it."""

    def __init__(self, thing: object) -> None:
        self.thing = thing
        """What a fixture may be holding."""

    def described(self) -> tuple[str, str, str]:
        """Return what it is, where it is suspended, and what to do about it."""
        return self._what(), self._place(), self.way_out

    def names(self) -> tuple[str, ...]:
        """Return the names by which the ini value `streamval_leaks_allow` may allow it."""
        return ()

    @abstractmethod
    def _what(self) -> str:
        """Return what it is."""

    @abstractmethod
    def _place(self) -> str:
        """Return where it is."""


class Suspect(Leak):
    """Something that has not ended, and is a leak if it does not end by itself."""

    at_once: bool = False
    """Whether it is a leak already, as the test is over."""

    def __init__(self, thing: object, loop: asyncio.AbstractEventLoop | None = None) -> None:
        super().__init__(thing)
        self.loop = loop
        """The event loop that has to turn for it to end."""

    @abstractmethod
    def is_open(self) -> bool:
        """Return whether it has not ended yet."""

    def end(self) -> None:  # a thread cannot be ended
        """Begin to end it."""


class PendingTask(Suspect):
    """A task that has not ended."""

    way_out = "Await it, or cancel it and await it; asyncio.TaskGroup does this for all that are started in it."

    def __init__(self, task: asyncio.Task[Any]) -> None:
        super().__init__(task, task.get_loop())
        self.task = task
        # one whose code has not even begun would do its work behind the end of the test
        self.at_once = not task.cancelling() and _is_unbegun(task.get_coro())

    def is_open(self) -> bool:
        """Return whether the task is pending."""
        return not self.task.done()

    def end(self) -> None:
        """Cancel it."""
        self.task.cancel()
        self.task.add_done_callback(_take_error)

    def names(self) -> tuple[str, ...]:
        """Return the name of the task, and that of its coroutine function with its module."""
        return self.task.get_name(), _in_module(self.task.get_coro())

    def _what(self) -> str:
        if self.task.get_name().startswith("streamval producer "):
            kind = "producer still running"
        else:
            kind = "task that has not even begun" if self.at_once else "task still pending"
        return f"a {kind}{', though it was cancelled' if self.task.cancelling() else ''}: {_named(self.task)}"

    def _place(self) -> str:
        return place_of(self.task.get_coro())


class DestroyedTask(Leak):
    """A task that nobody kept, so that the garbage collector destroyed it while it was pending."""

    way_out = f"An event loop does not keep its tasks. {PendingTask.way_out}"

    def __init__(self, task: asyncio.Task[Any]) -> None:
        super().__init__(task)
        self._task = task

    def names(self) -> tuple[str, ...]:
        """Return the name of the task, and that of its coroutine function."""
        return self._task.get_name(), _in_module(self._task.get_coro())

    def _what(self) -> str:
        return f"a task destroyed while it was pending: {_named(self._task)}"

    def _place(self) -> str:
        code = getattr(self._task.get_coro(), "cr_code", None)  # whose frame is gone
        return "of a function that Python does not tell" if code is None else f"of {Site(code, code.co_firstlineno)}"


class DroppedOutput(DestroyedTask):
    """An output that was dropped while it was generated, which stopped its producer."""

    way_out = "Read it to its end, or await cancel_generation()."

    def _what(self) -> str:
        return f"an output dropped while it was generated: {_named(self._task)}"


class PendingRun(PendingTask):
    """A run that goes on: its result was neither completed nor closed."""

    way_out = "Use 'async with', or await acomplete() or aclose(), or read astream() to its end."

    def __init__(self, task: asyncio.Task[Any], run: Run, checks: Sequence[asyncio.Task[Any]]) -> None:
        super().__init__(task)
        self.thing = self.run = run
        self.checks = checks
        """The tasks of those validators that have not answered yet."""
        watches = () if run.observers is None else run.observers.members
        self._watch = next((watch for watch in watches if isinstance(watch, RunWatch)), None)
        # its owner may just be about to end it: the loop over a council was left, and its members were not told yet
        self.at_once = not task.cancelling() and not (self._watch is not None and self._watch.has_owner)

    def _what(self) -> str:
        site = None if self._watch is None else self._watch.site
        began = "" if site is None else f", from {site}"
        return f"a StreamChunkingResult neither completed nor closed: {self.task.get_name()}{began}"

    def _place(self) -> str:
        return place_of((self.checks[0] if self.checks else self.task).get_coro())


class DroppedRun(Leak):
    """A run whose result was dropped, which stopped it."""

    way_out = PendingRun.way_out

    def __init__(self, watch: RunWatch, run: RunView) -> None:
        super().__init__(run)
        self._watch = watch
        self._asked = excerpt(text_of(run.action))

    def _what(self) -> str:
        return f"a StreamChunkingResult dropped while it was running: streamval run {self._asked}"

    def _place(self) -> str:
        site = self._watch.site
        return "from code of a library" if site is None else f"from {site}"


class OpenOutput(Suspect):
    """An output of a mock backend that nobody has read to its end."""

    way_out = "Read it to its end, for instance with `await thunk.avalue()`, or `await thunk.cancel_generation()`."

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

    def _what(self) -> str:
        return f"an output neither read to its end nor cancelled: the answer to {excerpt(text_of(self.call.action))}"

    def _place(self) -> str:
        sent = f"its producer has sent {self.call.deltas_sent} of {len(self.call.script.deltas)} deltas"
        return sent if self.producer.done() else f"{sent} and is {place_of(self.producer.get_coro())}"


class OpenGenerator(Suspect):
    """An asynchronous generator that is suspended between two items."""

    way_out = "Read it in `async with contextlib.aclosing(...)`, or await its aclose()."

    def __init__(self, begun: Begun, generator: AsyncGenerator[Any, Any]) -> None:
        super().__init__(generator, begun.loop)
        self._generator: Any = generator
        self._dropped = begun.dropped
        self.at_once = begun.dropped  # the event loop closes it as soon as it can

    def is_open(self) -> bool:
        """Return whether it waits for somebody to read on."""
        return self._generator.ag_frame is not None and not self._generator.ag_running

    def end(self) -> None:
        """Have its event loop close it, unless that does so anyway."""
        if not self._dropped and self.loop is not None and not self.loop.is_closed():
            self.loop.create_task(self._generator.aclose()).add_done_callback(_take_error)

    def names(self) -> tuple[str, ...]:
        """Return the name of its function with its module."""
        return (_in_module(self._generator),)

    def _what(self) -> str:
        return f"an asynchronous generator not closed: {self._generator.__qualname__}()"

    def _place(self) -> str:
        return place_of(self._generator)


class LiveThread(Suspect):
    """A thread that has not ended."""

    way_out = "Tell it to end, and join() it."

    def __init__(self, thread: threading.Thread) -> None:
        super().__init__(thread)
        self.thread = thread

    def is_open(self) -> bool:
        """Return whether it is alive."""
        return self.thread.is_alive()

    def names(self) -> tuple[str, ...]:
        """Return its name."""
        return (self.thread.name,)

    def _what(self) -> str:
        return f"a {'daemon ' if self.thread.daemon else ''}thread still alive: {self.thread.name}"

    def _place(self) -> str:
        return place_of_thread(self.thread)


class PendingTimer(Suspect):
    """A call that is put off beyond the end of the test."""

    way_out = "Keep the handle that call_later() or call_at() returns, and cancel() it."
    at_once = True

    def __init__(self, timer: Timer) -> None:
        super().__init__(timer.handle, timer.loop)
        self._timer = timer

    def is_open(self) -> bool:
        """Return whether its time has not come."""
        return self._timer.is_pending()

    def end(self) -> None:
        """Cancel it."""
        self._timer.handle.cancel()

    def names(self) -> tuple[str, ...]:
        """Return the name of the function that was to be called."""
        return (self._called(),)

    def _called(self) -> str:
        callback = getattr(self._timer.handle, "_callback", None)
        name = getattr(callback, "__qualname__", type(callback).__name__)
        return f"{getattr(callback, '__module__', None) or ''}.{name}".removeprefix(".")

    def _what(self) -> str:
        return f"a timer that has not fired: {self._called()}"

    def _place(self) -> str:
        return f"from {self._timer.site}"


class OpenOwner(Suspect):
    """A session or a server of this package that is open."""

    way_out = "Use 'with', or call close() or, on a session, await aclose()."
    at_once = True

    def __init__(self, owner: Owner, watch: OwnerWatch) -> None:
        super().__init__(owner)
        self._owner = owner
        self._watch = watch

    def is_open(self) -> bool:
        """Return whether it keeps anything."""
        return self._owner.at_work

    def end(self) -> None:
        """Close it."""
        self._owner.close()

    def names(self) -> tuple[str, ...]:
        """Return the name of its class."""
        return (type(self._owner).__name__,)

    def _what(self) -> str:
        return f"a {type(self._owner).__name__} left open: {self._owner!r}"

    def _place(self) -> str:
        return _opened(self._watch)


class DroppedOwner(Leak):
    """A session or a server of this package that was dropped while it was open, which has closed it."""

    way_out = OpenOwner.way_out

    def __init__(self, watch: OwnerWatch) -> None:
        super().__init__(watch)
        self._watch = watch

    def _what(self) -> str:
        return f"dropped while it was open: {self._watch.described}"

    def _place(self) -> str:
        return _opened(self._watch)


def _opened(watch: OwnerWatch) -> str:
    return "opened by code of a library" if watch.site is None else f"opened at {watch.site}"


def _in_module(awaited: Any) -> str:  # noqa: ANN401  # whatever a task runs
    """Return the name of a coroutine or a generator, with its module while that is known."""
    frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "ag_frame", None)
    name = getattr(awaited, "__qualname__", type(awaited).__name__)
    return name if frame is None else f"{frame.f_globals.get('__name__')}.{name}"


def _named(task: asyncio.Task[Any]) -> str:
    coroutine = task.get_coro()
    return f"{task.get_name()}, {getattr(coroutine, '__qualname__', type(coroutine).__name__)}()"


def _take_error(task: asyncio.Task[Any]) -> None:
    """Take the error of what was ended, which is no news: it was left behind, and the test was told so."""
    if not task.cancelled():
        task.exception()


def _is_unbegun(coroutine: Any) -> bool:  # noqa: ANN401  # whatever a task runs
    if not inspect.iscoroutine(coroutine) or inspect.getcoroutinestate(coroutine) != inspect.CORO_CREATED:
        return False
    return coroutine.cr_frame is not None and _is_own(coroutine.cr_frame)
