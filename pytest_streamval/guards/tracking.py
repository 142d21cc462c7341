"""Tracking: every object that begins in the context of a test is recorded by the test's tracker.

Each task and callback copies the context in which it begins. The context therefore separates the tasks of a test from
those of a background task of the session, with every plugin that runs tests and with every lifetime of an event loop.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from asyncio import runners
from contextlib import contextmanager
from contextvars import Context, ContextVar
from dataclasses import dataclass
from functools import wraps
from gc import get_referents
from typing import TYPE_CHECKING, Any
from weakref import WeakSet, WeakValueDictionary, ref

from pytest_streamval.engine.observer import ResultObserver
from pytest_streamval.engine.owners import on_drop, on_open
from pytest_streamval.engine.thunk import on_drop as on_output_drop
from pytest_streamval.guards.origins import create_task, is_of_library, timer_of
from pytest_streamval.guards.source_locations import SourceLocation, is_in_package_task
from pytest_streamval.transcripts.transcript import on_empty
from pytest_streamval.virtual_time.task_locations import callers_of, is_user_code

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator
    from contextlib import ExitStack
    from types import AsyncGeneratorType, CodeType

    from pytest_streamval.engine.owners import Owner
    from pytest_streamval.engine.run_view import RunView
    from pytest_streamval.guards.origins import TrackedTimer

_MANY = 64  # timers after which those that have fired are dropped

current: ContextVar[Tracker | None] = ContextVar("streamval_tracker", default=None)
"""The tracker of the code that runs in this context. None is unknown: then the event loop decides."""

on_loop_end: list[Callable[[asyncio.AbstractEventLoop], None]] = []
"""Functions that are called with every event loop before it cancels its remaining tasks or is closed."""


class Tracker:
    """The objects that began in one phase of a test: in its fixtures or in its function."""

    def __init__(self, *, leaks: bool = True) -> None:
        self.open = True
        """Whether it still records. The objects that the test has left running keep its context."""
        self.leaks = leaks
        """Whether the test is checked for leaks."""
        self.loops: set[asyncio.AbstractEventLoop] = set()
        """The event loops that ran."""
        self.earlier: WeakSet[asyncio.Task[Any]] = WeakSet()
        """The tasks that were in these loops before."""
        self.timers: list[TrackedTimer] = []
        """The timers that user code started."""
        self.owners: list[TrackedOwner] = []
        """The sessions and servers of this package that were opened."""
        self.threads: list[threading.Thread] = []
        """The threads that user code started, without those of an executor."""
        self.dropped: list[TrackedGenerator] = []
        """The asynchronous generators that code which runs no longer has dropped before their end."""
        self.destroyed: list[asyncio.Task[Any]] = []
        """The pending tasks without a reference that the garbage collector destroyed."""
        self.outputs: list[asyncio.Task[Any]] = []
        """The producers of the outputs that were dropped during their generation."""
        self.runs: list[TrackedRun] = []
        self.empty_transcripts = 0

    def close(self) -> None:
        """Stop recording, and drop all records."""
        self.open = False
        for number in [number for number, each in _generators.items() if each.tracker is self]:
            del _generators[number]
        self.loops.clear()
        self.earlier = WeakSet()
        self.timers, self.owners, self.threads, self.dropped = [], [], [], []
        self.destroyed, self.outputs, self.runs = [], [], []

    def generators(self) -> list[TrackedGenerator]:
        """Return the asynchronous generators that were begun, in any state."""
        return [*self.dropped, *(each for each in list(_generators.values()) if each.tracker is self)]

    def owns(self, task: asyncio.Task[Any]) -> bool:
        """Return whether a task began here, by its context or, if the context is unknown, by its event loop."""
        if is_of_library(task):
            return False
        tracker = context_of(task).get(current)
        if tracker is not None:
            return tracker is self
        return task.get_loop() in self.loops and task not in self.earlier


class TrackedOwner:
    """A weak reference to a session or server of this package."""

    def __init__(self, owner: Owner, location: SourceLocation | None) -> None:
        self.owner = ref(owner)
        """Returns the object, or None if it is gone."""
        self.location = location
        """The line of user code that opened it."""
        self.dropped = ""
        """The description of an object that was dropped while it was open."""


@dataclass(slots=True)
class TrackedGenerator:
    """An asynchronous generator from which user code has begun to read."""

    tracker: Tracker
    loop: asyncio.AbstractEventLoop
    reader: CodeType
    generator: Callable[[], AsyncGenerator[Any, Any] | None]
    """Returns the generator, or None if it is gone."""
    dropped: bool = False


class TrackedRun(ResultObserver):
    """The record of one run and of the use of its result."""

    def __init__(self) -> None:
        self.run: RunView | None = None
        """The run after the first step of its task."""
        self.was_dropped = False
        """Whether the result was dropped while the run continued."""
        self.events_count = 0
        """The number of events that `events()` has returned."""
        self.history_count = 0
        """The number of events in the result's `history` when it was last read."""
        self.location: SourceLocation | None = None
        """The line of user code that started it."""
        self.has_owner = False
        """Whether a task of this package started it and ends it, for instance that of a council's member."""
        if (tracker := active_tracker()) is not None:
            caller = sys._getframe(1)
            self.location, self.has_owner = SourceLocation.of_caller(caller), is_in_package_task(caller)
            tracker.runs.append(self)

    def started(self, run: RunView) -> None:
        """Store the run."""
        self.run = run

    def events_read(self, count: int) -> None:
        """Store the number of events that were read."""
        self.events_count = count

    def history_read(self, count: int) -> None:
        """Store the number of events in the history."""
        self.history_count = count

    def dropped(self, run: RunView) -> None:
        """Store that the result was dropped."""
        del run
        self.was_dropped = True


UNTRACKED = Tracker()
"""The tracker of everything that belongs to no test, such as the fixtures of a session. It records nothing."""
UNTRACKED.open = False


@contextmanager
def untracked() -> Iterator[None]:
    """Record nothing that begins in this context."""
    token = current.set(UNTRACKED)
    try:
        yield
    finally:
        current.reset(token)


def active_tracker() -> Tracker | None:
    """Return the tracker that records what the running code begins."""
    tracker = current.get()
    if tracker is None and asyncio._get_running_loop() is not None and (task := asyncio.current_task()) is not None:
        tracker = context_of(task).get(current)  # this code runs in another context than its task
    return tracker if tracker is not None and tracker.open else None


def context_of(task: asyncio.Task[Any]) -> Context:
    """Return the context of a task, as `Task.get_context()` does from Python 3.12 on."""
    return next((each for each in get_referents(task) if isinstance(each, Context)), Context())


# Patches


def install(undo: ExitStack) -> None:
    """Record the threads, event loops, generators, outputs and owners of all tests until the stack is closed.

    Call this once in a session, so that the patches of a fixture are undone before these. A session inside another one
    calls it again, and each object is recorded once all the same.
    """
    loops = asyncio.BaseEventLoop
    for owner, name, make in (
        (threading.Thread, "start", _before(_record_thread)),
        (loops, "run_forever", _before(_record_loop)),
        (loops, "create_task", create_task),
        (loops, "call_later", _call_later),
        (loops, "call_at", _call_later),
        (loops, "close", _before(_report_close)),
        (loops, "call_exception_handler", _call_exception_handler),
        (loops, "_asyncgen_firstiter_hook", _before(_record_generator)),
        (loops, "_asyncgen_finalizer_hook", _before(_record_dropped_generator)),
        (runners, "_cancel_all_tasks", _before(_report_cancellation)),
    ):
        original = getattr(owner, name)
        setattr(owner, name, wraps(original)(make(original)))
        undo.callback(setattr, owner, name, original)
    listeners: tuple[tuple[list[Any], Callable[..., None]], ...] = (
        (on_empty, _record_empty_transcript),
        (on_output_drop, _record_dropped_output),
        (on_open, _record_owner),
        (on_drop, _record_dropped_owner),
    )
    for hook, listener in listeners:
        if listener not in hook:  # it is there in a session inside another one
            hook.append(listener)
            undo.callback(hook.remove, listener)


def _record_dropped_output(producer: asyncio.Task[Any]) -> None:
    tracker = context_of(producer).get(current)
    if tracker is not None and tracker.open:
        tracker.outputs.append(producer)


def _record_empty_transcript() -> None:
    if (tracker := active_tracker()) is not None:
        tracker.empty_transcripts += 1


def _record_owner(owner: Owner) -> None:
    if (tracker := active_tracker()) is not None and tracker.leaks:
        tracker.owners = [each for each in tracker.owners if each.dropped or each.owner() is not None]
        tracker.owners.append(TrackedOwner(owner, SourceLocation.of_caller(sys._getframe(1))))
        _owners[id(owner)] = tracker.owners[-1]


def _record_dropped_owner(owner: Owner) -> None:
    tracked = _owners.pop(id(owner), None)
    if tracked is not None and (tracked.owner() is owner or tracked.owner() is None):  # its references may be dead
        tracked.dropped = repr(owner)


_owners: WeakValueDictionary[int, TrackedOwner] = WeakValueDictionary()


def _call_later(original: Callable[..., asyncio.TimerHandle]) -> Callable[..., asyncio.TimerHandle]:
    def call_later(loop: asyncio.BaseEventLoop, *args: Any, **options: Any) -> asyncio.TimerHandle:  # noqa: ANN401  # as asyncio's
        handle = original(loop, *args, **options)
        if (tracker := active_tracker()) is not None and (
            timer := timer_of(handle, loop, sys._getframe(1))
        ) is not None:
            if len(tracker.timers) % _MANY == _MANY - 1:
                tracker.timers = [each for each in tracker.timers if each.is_pending()]
            tracker.timers.append(timer)
        return handle

    return call_later


def _before(record: Callable[..., None]) -> Callable[[Callable[..., object]], Callable[..., object]]:
    """Return a patch that calls a function before the original one."""

    def make(original: Callable[..., object]) -> Callable[..., object]:
        def patched(*args: object) -> object:
            record(*args)
            return original(*args)

        return patched

    return make


def _record_thread(thread: threading.Thread) -> None:
    if (tracker := active_tracker()) is not None and is_user_code(sys._getframe(2).f_code):
        tracker.threads.append(thread)


def _record_loop(loop: asyncio.AbstractEventLoop) -> None:
    if (tracker := active_tracker()) is not None and loop not in tracker.loops:
        tracker.loops.add(loop)
        tracker.earlier.update(asyncio.all_tasks(loop))


def _report_close(loop: asyncio.AbstractEventLoop) -> None:
    if loop not in _ending and not loop.is_closed():
        _report_loop_end(loop)


def _call_exception_handler(original: Callable[..., None]) -> Callable[..., None]:
    def call_exception_handler(loop: asyncio.BaseEventLoop, context: dict[str, Any]) -> None:
        task = context.get("task")
        if isinstance(task, asyncio.Task) and not task.done() and "destroyed" in str(context.get("message")):
            tracker = context_of(task).get(current)
            if tracker is not None and tracker.open and tracker.leaks and not is_of_library(task, is_destroyed=True):
                tracker.destroyed.append(task)
                return
        original(loop, context)

    return call_exception_handler


def _report_cancellation(loop: asyncio.AbstractEventLoop) -> None:
    _report_loop_end(loop)
    _ending.add(loop)


_ending: WeakSet[asyncio.AbstractEventLoop] = WeakSet()  # loops whose remaining tasks were cancelled


def _report_loop_end(loop: asyncio.AbstractEventLoop) -> None:
    for listener in tuple(on_loop_end):
        listener(loop)


# by the id of the generator: when a generator is dropped, weak references to it are dead already
_generators: dict[int, TrackedGenerator] = {}


def _record_generator(loop: asyncio.BaseEventLoop, generator: AsyncGeneratorType[Any, Any]) -> None:
    reader = sys._getframe(2).f_code
    earlier = _generators.get(id(generator))
    if earlier is not None and earlier.generator() is not generator:
        del _generators[id(generator)]  # the entry of an earlier generator with this id
    # A library closes its own generators. The stream of an SDK often keeps one that its reader may leave.
    if (tracker := active_tracker()) is not None and is_user_code(reader) and is_user_code(generator.ag_code):
        _generators[id(generator)] = TrackedGenerator(tracker, loop, reader, ref(generator))


def _record_dropped_generator(_: asyncio.BaseEventLoop, generator: AsyncGenerator[Any, Any]) -> None:
    tracked = _generators.pop(id(generator), None)
    # if its reader still runs, the reader has left its loop, and the event loop closes the generator
    if tracked is not None and all(each.f_code is not tracked.reader for each in callers_of(sys._getframe(2))):
        tracked.generator, tracked.dropped = (lambda: generator), True
        tracked.tracker.dropped.append(tracked)
