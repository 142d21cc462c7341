"""Who started what: while a test runs, whatever begins in its context is entered into its ledger.

A context is copied into every task and callback that begins in it, so that it tells a test's own tasks from those that
a background task of the session begins meanwhile, whichever plugin runs the test and however long its event loop lives.
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
from pytest_streamval.guards.origins import create_task, forget_collected, is_of_library, timer_of
from pytest_streamval.guards.source_locations import Site, is_in_own_task
from pytest_streamval.scripting.playback import on_play
from pytest_streamval.transcripts.transcript import on_empty
from pytest_streamval.virtual_time.task_locations import _is_own, _is_own_code

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator
    from contextlib import ExitStack
    from types import AsyncGeneratorType, CodeType, FrameType

    from pytest_streamval.engine.owners import Owner
    from pytest_streamval.engine.run_view import RunView
    from pytest_streamval.guards.origins import Timer
    from pytest_streamval.scripting.playback import _Playback

_MANY = 64  # timers, after which those that have fired are forgotten

current: ContextVar[Ledger | None] = ContextVar("streamval_ledger", default=None)
"""The ledger of whatever runs in this context; None if nothing is known of it: then the event loop decides."""

on_loop_end: list[Callable[[asyncio.AbstractEventLoop], None]] = []
"""Called with every event loop that is about to cancel all that is left in it, or to be closed."""


class Ledger:
    """What began in one phase of a test: in its fixtures, or in its function."""

    def __init__(self, *, leaks: bool = True) -> None:
        self.open = True
        """Whether anybody will look: its context lives on in whatever the test has left behind."""
        self.leaks = leaks
        """Whether anybody will look for leaks."""
        self.loops: set[asyncio.AbstractEventLoop] = set()
        """The event loops that ran."""
        self.earlier: WeakSet[asyncio.Task[Any]] = WeakSet()
        """The tasks that were there before, in those of them that had run before."""
        self.timers: list[Timer] = []
        """The calls that its own code has put off."""
        self.owners: list[OwnerWatch] = []
        """The sessions and servers of this package that it has opened."""
        self.threads: list[threading.Thread] = []
        """The threads that its own code started, not those of an executor."""
        self.dropped: list[Begun] = []
        """The asynchronous generators that were dropped before their end by code that is not there any more."""
        self.destroyed: list[asyncio.Task[Any]] = []
        """The tasks that the garbage collector found, while they were pending and nobody else knew of them."""
        self.outputs: list[asyncio.Task[Any]] = []
        """The producers of the outputs that were dropped while they were generated."""
        self.runs: list[RunWatch] = []
        self.playbacks: list[_Playback] = []
        self.empty_transcripts = 0

    def close(self) -> None:
        """Forget everything, and enter nothing more."""
        self.open = False
        for number in [number for number, begun in _begun.items() if begun.ledger is self]:
            del _begun[number]
        forget_collected()
        self.loops.clear()
        self.earlier.clear()
        for entries in (
            self.timers,
            self.owners,
            self.threads,
            self.dropped,
            self.destroyed,
            self.outputs,
            self.runs,
            self.playbacks,
        ):
            entries.clear()

    def owns(self, task: asyncio.Task[Any]) -> bool:
        """Return whether a task began here: by its context, or, if that tells nothing, by its event loop."""
        if is_of_library(task):
            return False
        ledger = context_of(task).get(current)
        if ledger is not None:
            return ledger is self
        return task.get_loop() in self.loops and task not in self.earlier


class OwnerWatch:
    """Sees one session or server of this package, and does not keep it."""

    def __init__(self, owner: Owner, site: Site | None) -> None:
        self.owner = ref(owner)
        """Returns it, or None if it is gone."""
        self.site = site
        """Where in the user's own code it was opened."""
        self.described = ""
        """A description of one that was dropped while it was open."""


@dataclass(slots=True)
class Begun:
    """An asynchronous generator that the user's own code has begun to read."""

    ledger: Ledger
    loop: asyncio.AbstractEventLoop
    reader: CodeType
    generator: Callable[[], AsyncGenerator[Any, Any] | None]
    """Returns it, or None where it is gone."""
    dropped: bool = False


class RunWatch(ResultObserver):
    """An observer of one run and of the use of its result."""

    def __init__(self) -> None:
        self.run: RunView | None = None
        """The run, once its task has taken a step."""
        self.was_dropped = False
        """Whether the result was dropped while the run went on."""
        self.events_count = 0
        """The number of events that `events()` has returned."""
        self.history_count = 0
        """The number of events in the result's `history` when it was last read."""
        self.site: Site | None = None
        """Where in the user's own code it was started."""
        self.has_owner = False
        """Whether a task of this package started it and ends it, as that of a council's member does."""
        if (ledger := kept_here()) is not None:
            caller = sys._getframe(1)
            self.site, self.has_owner = Site.of_caller(caller), is_in_own_task(caller)
            ledger.runs.append(self)

    def started(self, run: RunView) -> None:
        """Remember the run."""
        self.run = run

    def events_read(self, count: int) -> None:
        """Remember the number of events that were read."""
        self.events_count = count

    def history_read(self, count: int) -> None:
        """Remember the number of events in the history."""
        self.history_count = count

    def dropped(self, run: RunView) -> None:
        """Remember that the result was dropped."""
        del run
        self.was_dropped = True


_NOBODY = Ledger()
_NOBODY.open = False


@contextmanager
def of_nobody() -> Iterator[None]:
    """Enter nothing that begins here: it is of a session or a module, and not of a test."""
    token = current.set(_NOBODY)
    try:
        yield
    finally:
        current.reset(token)


def kept_here() -> Ledger | None:
    """Return the ledger into which what begins here is entered."""
    ledger = current.get()
    if ledger is None and asyncio._get_running_loop() is not None and (task := asyncio.current_task()) is not None:
        ledger = context_of(task).get(current)  # called in a context that is not the task's
    return ledger if ledger is not None and ledger.open else None


def context_of(task: asyncio.Task[Any]) -> Context:
    """Return the context that a task runs in."""
    # what get_context() returns from Python 3.12 on; until then only the garbage collector is told
    return next((each for each in get_referents(task) if isinstance(each, Context)), Context())


def begun_in(ledger: Ledger) -> list[Begun]:
    """Return the asynchronous generators that were begun, whatever has become of them."""
    return [*ledger.dropped, *(begun for begun in list(_begun.values()) if begun.ledger is ledger)]


# Where things begin and end


def keep_books(undo: ExitStack) -> None:
    """Have threads, event loops and asynchronous generators enter themselves, until the stack is closed.

    Do this once in a session, not for each test: then whatever a fixture puts in the same place has gone by its end.
    A session inside another one does it once more, and each thing is entered once all the same.
    """
    loops = asyncio.BaseEventLoop
    for owner, name, make in (
        (threading.Thread, "start", _start),
        (loops, "run_forever", _run_forever),
        (loops, "create_task", create_task),
        (loops, "call_later", _put_off),
        (loops, "call_at", _put_off),
        (loops, "close", _close),
        (loops, "call_exception_handler", _call_exception_handler),
        (loops, "_asyncgen_firstiter_hook", _first_read),
        (loops, "_asyncgen_finalizer_hook", _drop),
        (runners, "_cancel_all_tasks", _cancel_all_tasks),
    ):
        original = getattr(owner, name)
        setattr(owner, name, wraps(original)(make(original)))
        undo.callback(setattr, owner, name, original)
    listeners: tuple[tuple[list[Any], Callable[..., None]], ...] = (
        (on_play, _enter_playback),
        (on_empty, _enter_empty_transcript),
        (on_output_drop, _enter_dropped_output),
        (on_open, _enter_owner),
        (on_drop, _enter_dropped),
    )
    for told, enter in listeners:
        if enter not in told:  # it is, where a session of pytest runs inside another one
            told.append(enter)
            undo.callback(told.remove, enter)


def _enter_playback(played: _Playback) -> None:
    if (ledger := kept_here()) is not None:
        ledger.playbacks.append(played)


def _enter_dropped_output(producer: asyncio.Task[Any]) -> None:
    ledger = context_of(producer).get(current)
    if ledger is not None and ledger.open:
        ledger.outputs.append(producer)


def _enter_empty_transcript() -> None:
    if (ledger := kept_here()) is not None:
        ledger.empty_transcripts += 1


def _enter_owner(owner: Owner) -> None:
    if (ledger := kept_here()) is not None and ledger.leaks:
        ledger.owners = [watch for watch in ledger.owners if watch.described or watch.owner() is not None]
        ledger.owners.append(OwnerWatch(owner, Site.of_caller(sys._getframe(1))))
        _watches[id(owner)] = ledger.owners[-1]


def _enter_dropped(owner: Owner) -> None:
    """Remember a description; weak references to the owner may be gone by now."""
    watch = _watches.pop(id(owner), None)
    if watch is not None and (watch.owner() is owner or watch.owner() is None):
        watch.described = repr(owner)


_watches: WeakValueDictionary[int, OwnerWatch] = WeakValueDictionary()


def _put_off(original: Callable[..., asyncio.TimerHandle]) -> Callable[..., asyncio.TimerHandle]:
    def put_off(loop: asyncio.BaseEventLoop, *args: Any, **options: Any) -> asyncio.TimerHandle:  # noqa: ANN401  # as asyncio's
        handle = original(loop, *args, **options)
        if (ledger := kept_here()) is not None and (timer := timer_of(handle, loop, sys._getframe(1))) is not None:
            if len(ledger.timers) % _MANY == _MANY - 1:
                ledger.timers = [each for each in ledger.timers if each.is_pending()]
            ledger.timers.append(timer)
        return handle

    return put_off


def _start(original: Callable[..., None]) -> Callable[..., None]:
    def start(thread: threading.Thread) -> None:
        if (ledger := kept_here()) is not None and _is_own(sys._getframe(1)):
            ledger.threads.append(thread)
        original(thread)

    return start


def _run_forever(original: Callable[..., None]) -> Callable[..., None]:
    def run_forever(loop: asyncio.BaseEventLoop) -> None:
        if (ledger := kept_here()) is not None and loop not in ledger.loops:
            ledger.loops.add(loop)
            ledger.earlier.update(asyncio.all_tasks(loop))
        original(loop)

    return run_forever


def _close(original: Callable[..., None]) -> Callable[..., None]:
    def close(loop: asyncio.BaseEventLoop) -> None:
        if loop not in _ending and not loop.is_closed():
            _tell_of_end(loop)
        original(loop)

    return close


def _call_exception_handler(original: Callable[..., None]) -> Callable[..., None]:
    def call_exception_handler(loop: asyncio.BaseEventLoop, context: dict[str, Any]) -> None:
        task = context.get("task")
        if isinstance(task, asyncio.Task) and not task.done() and "destroyed" in str(context.get("message")):
            ledger = context_of(task).get(current)
            if ledger is not None and ledger.open and ledger.leaks and not is_of_library(task):
                ledger.destroyed.append(task)
                return
        original(loop, context)

    return call_exception_handler


def _cancel_all_tasks(original: Callable[..., None]) -> Callable[..., None]:
    def cancel_all_tasks(loop: asyncio.AbstractEventLoop) -> None:
        _tell_of_end(loop)
        _ending.add(loop)
        original(loop)

    return cancel_all_tasks


_ending: WeakSet[asyncio.AbstractEventLoop] = WeakSet()  # those in which all that was left is cancelled already


def _tell_of_end(loop: asyncio.AbstractEventLoop) -> None:
    for tell in tuple(on_loop_end):
        tell(loop)


_begun: dict[int, Begun] = {}  # by the id of the generator: when it is dropped, weak references to it are gone already


def _first_read(original: Callable[..., None]) -> Callable[..., None]:
    def first_read(loop: asyncio.BaseEventLoop, generator: AsyncGeneratorType[Any, Any]) -> None:
        reader = sys._getframe(1)
        earlier = _begun.get(id(generator))
        if earlier is not None and earlier.generator() is not generator:
            del _begun[id(generator)]  # that of an earlier one, which ended
        # that of a library is the library's to close, and many an SDK's stream keeps one that its reader may leave
        if (ledger := kept_here()) is not None and _is_own(reader) and _is_own_code(generator.ag_code):
            _begun[id(generator)] = Begun(ledger, loop, reader.f_code, ref(generator))
        original(loop, generator)

    return first_read


def _drop(original: Callable[..., None]) -> Callable[..., None]:
    def drop(loop: asyncio.BaseEventLoop, generator: AsyncGenerator[Any, Any]) -> None:
        begun = _begun.pop(id(generator), None)
        if begun is not None and not _runs(begun.reader, sys._getframe(1)):
            begun.generator, begun.dropped = (lambda: generator), True
            begun.ledger.dropped.append(begun)
        original(loop, generator)

    return drop


def _runs(code: CodeType, frame: FrameType | None) -> bool:
    """Return whether a function is among those that led here: a loop that it has left has dropped its generator."""
    while frame is not None and frame.f_code is not code:
        frame = frame.f_back
    return frame is not None
