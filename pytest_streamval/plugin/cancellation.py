"""The cancellation of a running test at one step of its event loop, and the rules that it must keep then."""

from __future__ import annotations

import asyncio
import gc
import linecache
import sys
import threading
import warnings
from asyncio.base_events import BaseEventLoop
from asyncio.events import Handle
from contextlib import contextmanager
from functools import wraps
from inspect import CORO_CREATED, getcoroutinestate, iscoroutine
from pathlib import Path
from traceback import clear_frames, walk_tb
from typing import TYPE_CHECKING, Any

from pytest_streamval.engine.observer import observing
from pytest_streamval.errors import CheckFailedError, cancellation_error, described, excerpt
from pytest_streamval.guards.reachability import find_reachable
from pytest_streamval.transcripts.run_assertions import assert_no_unvalidated_text
from pytest_streamval.transcripts.transcript import Transcript

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Iterator
    from types import CodeType, FrameType

    from pytest_streamval.engine.chunking_strategy import Chunk
    from pytest_streamval.engine.run_view import RunView

DROPPED = r"<(StreamChunkingResult|ModelOutputThunk|Session)"
"""The beginning of the warnings about what a test has dropped."""
_PATIENCE = 10.0  # seconds of the loop's time for the end of a cancelled test
_SHOWN = 120  # characters of an error or a line of code
_TURNS = 20  # of the loop, for the end of tasks that were cancelled with the test
_PACKAGE = str(Path(__file__).parent.parent)
_LIBRARIES = (str(Path(asyncio.__file__).parent.parent), _PACKAGE, "<")
_INSTALLED = ("site-packages", "dist-packages")


class _Received:
    """An observer that keeps a run, and the chunks that its reader received."""

    def __init__(self) -> None:
        self.run: RunView | None = None
        self.chunks: list[str] = []

    def started(self, run: RunView) -> None:
        """Keep the run."""
        self.run = run

    def received(self, chunk: Chunk) -> None:
        """Keep a chunk."""
        self.chunks.append(chunk.text)

    def delta(self, text: str) -> None:
        """Ignore a delta."""

    def event(self, event: object) -> None:
        """Ignore an event."""

    def cancelled(self, reason: str) -> None:
        """Ignore the end of the generation."""

    def ended(self, run: RunView) -> None:
        """Ignore the end."""

    def check(self) -> None:
        """Raise an error if the reader received text that was not validated."""
        if self.run is not None and self.run.requirements:
            assert_no_unvalidated_text(Transcript.of(self.run.history), self.chunks)


class Cancellation:
    """The steps of a test's event loop, and its cancellation at one of them."""

    def __init__(self, at: int | None, holders: Callable[[], Iterable[object]] = tuple) -> None:
        """Create a cancellation.

        Args:
            at: The number of the step before which the test is cancelled, from 1. None only counts the steps.
            holders: Returns the fixtures that may end in their teardown what the test has started.
        """
        self.at = at
        self.held: list[tuple[object, list[asyncio.Task[Any]]]] = []
        """The holders that may end tasks which still run after the function of the test, and these tasks."""
        self._holders = holders
        self.steps = 0
        """The number of steps so far."""
        self.own_steps: list[int] = []
        """The numbers of the steps that ran code of this package."""
        self.place = ""
        """The innermost line of the user's code at which the test was cancelled, an empty string if it was not."""
        self.is_late = False
        """Whether the test did not end after its cancellation."""
        self._thread = threading.get_ident()
        self._task: asyncio.Task[Any] | None = None
        self._replaced_by = ""
        self._late: asyncio.Future[None] | None = None
        self._others: set[asyncio.Task[Any]] = set()
        self._runs: list[_Received] = []

    @property
    def where(self) -> str:
        """The step and the line at which the test was cancelled."""
        return f"Cancelled before step {self.at} of its event loop, at {self.place}"

    # The test

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Count the steps of the loops in this thread, and observe the runs."""
        original = Handle._run

        def run(handle: Handle) -> None:
            self._before_step(handle)
            original(handle)

        def observer() -> _Received:
            self._runs.append(_Received())
            return self._runs[-1]

        # a run that a cancelled test drops warns, and ends
        warnings.filterwarnings("ignore", DROPPED, ResourceWarning)
        handles: Any = Handle
        handles._run = run
        try:
            with observing(observer):
                yield
        finally:
            handles._run = original

    def of_coroutine(self, test: Callable[..., Coroutine[Any, Any, object]]) -> Callable[..., Any]:
        """Return an async test that runs in a task of its own, which is cancelled.

        The task of the plugin that runs the test is not cancelled, as it may run other tests and fixtures too.
        """

        @wraps(test)
        async def cancelled(*args: object, **options: object) -> None:
            task = asyncio.get_running_loop().create_task(test(*args, **options))
            self.watch(task)
            self._late = asyncio.get_running_loop().create_future()
            ends: list[asyncio.Future[Any]] = [task, self._late]
            try:
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            finally:
                task.cancel()
            self.check(task, await self._left(task) if self.place else [])

        return cancelled

    @contextmanager
    def of_loops(self) -> Iterator[None]:
        """Watch the tasks that a synchronous test runs in event loops of its own."""
        original = BaseEventLoop.run_until_complete

        def run_until_complete(loop: BaseEventLoop, future: Any) -> object:  # noqa: ANN401  # as asyncio has it
            if threading.get_ident() != self._thread or (self._task is not None and not self._task.done()):
                return original(loop, future)
            task = asyncio.ensure_future(future, loop=loop)
            if not isinstance(task, asyncio.Task):
                return original(loop, task)
            fired = bool(self.place)
            self.watch(task)
            try:
                return original(loop, task)
            finally:
                if self.place and not fired:
                    self.check(task, original(loop, self._left(task)))

        loops: Any = BaseEventLoop
        loops.run_until_complete = run_until_complete
        try:
            yield
        finally:
            loops.run_until_complete = original

    def watch(self, task: asyncio.Task[Any]) -> None:
        """Cancel this task at the step."""
        self._task = task
        self._others = asyncio.all_tasks(task.get_loop())

    def check(self, task: asyncio.Task[Any], left: list[str]) -> None:
        """Raise an error if the cancelled task broke a rule.

        Raises:
            CheckFailedError: If it swallowed the cancellation, replaced it, did not end, or left tasks behind, or if
                a reader received text that was not validated.
            BaseException: If it was not cancelled, and raised it.
        """
        __tracebackhide__ = True
        if not self.place:
            task.result()
            return
        if self.is_late:
            self._fail(f"did not end the test within {_PATIENCE:g} seconds")
        if self._replaced_by:
            self._fail(f"was replaced by {self._replaced_by}")
        if not task.cancelled():
            self._fail("was swallowed: the test went on to its end")
        if left:
            self._fail(f"left {', '.join(left)} running")
        for run in self._runs:
            try:
                run.check()
            except CheckFailedError as unvalidated:
                raise cancellation_error(f"released text that was not validated: {unvalidated}") from None

    def _fail(self, fault: str) -> None:
        __tracebackhide__ = True
        raise cancellation_error(fault)

    async def _left(self, task: asyncio.Task[Any]) -> list[str]:
        """Return the tasks of the test that still run after its end."""
        ours = {task, asyncio.current_task()}
        self._release(task)
        for turn in range(_TURNS):
            if not (left := asyncio.all_tasks() - self._others - ours):
                return []
            if turn == 1:
                gc.collect(1)  # a run that the test has dropped ends with it
            elif turn == _TURNS // 2:
                gc.collect()
            await asyncio.sleep(0)
        self.held = [(holder, held) for holder in self._holders() if (held := _reachable(left, holder))]
        return _names_of(left.difference(*(held for _, held in self.held)))

    def check_end_of(self, fixture: object) -> None:
        """Raise an error if a fixture has ended, and a task still runs that no other fixture may end.

        Raises:
            CheckFailedError: If there is such a task.
        """
        ended = {task for holder, held in self.held if holder is fixture for task in held}
        self.held = [(holder, held) for holder, held in self.held if holder is not fixture]
        ended.difference_update(*(held for _, held in self.held))
        if left := [task for task in ended if not task.done() and not task.cancelling()]:
            self._fail(f"left {', '.join(_names_of(left))} running")

    def _release(self, task: asyncio.Task[Any]) -> None:
        """Note the error of a task that has ended, and release the local variables that its traceback keeps."""
        if not task.done():
            return
        try:
            error = task.exception()  # result() would take the traceback away if it was called before
        except asyncio.CancelledError as cancelled:
            _clear_frames_of(cancelled)
            return
        if error is not None:
            self._replaced_by = f"{type(error).__name__}: {_short(described(error))}{_raised_at(error)}"
            _clear_frames_of(error)

    # The steps

    def _before_step(self, handle: Handle) -> None:
        task = self._task
        if task is None or task.done() or handle._loop is not task.get_loop():  # type: ignore[attr-defined]  # private
            return
        coroutine = task.get_coro()
        if iscoroutine(coroutine) and getcoroutinestate(coroutine) == CORO_CREATED:
            return  # nothing of the test has run yet
        self.steps += 1
        if self.at is None:
            if _is_own(handle):
                self.own_steps.append(self.steps)
        elif self.steps == self.at:
            self.place = place_of(task)
            task.cancel()
            task.get_loop().call_later(_PATIENCE, self._give_up)

    def _give_up(self) -> None:
        """End a test that did not end after its cancellation: wait for it no more, or stop its event loop."""
        if self._task is None or self._task.done():
            return
        self.is_late = True
        if self._late is None:
            self._task.get_loop().stop()
        elif not self._late.done():
            self._late.set_result(None)


def _clear_frames_of(error: BaseException) -> None:
    """Release the local variables in the tracebacks of an error and of those before it, as of a task's cancellation."""
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        clear_frames(each.__traceback__)
        each = each.__context__


def _names_of(tasks: Iterable[asyncio.Task[Any]]) -> list[str]:
    """Return the names of tasks, each with its coroutine, in order."""
    return sorted(f"{each.get_name()} ({_name_of(each)})" for each in tasks)


def _reachable(tasks: Iterable[asyncio.Task[Any]], holder: object) -> list[asyncio.Task[Any]]:
    found = find_reachable(tasks, [holder])
    return [task for task in tasks if id(task) in found]


def place_of(task: asyncio.Task[Any]) -> str:
    """Return the file, the line and the function of the innermost frame of the user's code."""
    frames = list(_frames(task))
    frame = next((frame for frame in reversed(frames) if not _is_library(frame.f_code)), frames[-1] if frames else None)
    if frame is None:
        return "before its first step"
    return _line(frame.f_code, frame.f_lineno)


def _line(code: CodeType, number: int) -> str:
    """Return a line of code with its place: `tests/test_it.py:3 in read: await queue.get()`."""
    path = code.co_filename.removeprefix(f"{Path.cwd()}/")
    source = linecache.getline(code.co_filename, number).strip()
    if len(source) > _SHOWN:
        source = f"{source[:_SHOWN]} ..."
    return f"{path}:{number} in {code.co_name}: {source}".removesuffix(": ")


def _short(message: str) -> str:
    """Return a message in one line, cut in the middle if it is long."""
    return message if len(message) <= _SHOWN and "\n" not in message else excerpt(message, _SHOWN)


def _raised_at(error: BaseException) -> str:
    """Return the innermost line of the user's code in a traceback."""
    lines = [(frame.f_code, number) for frame, number in walk_tb(error.__traceback__) if not _is_library(frame.f_code)]
    return f", at {_line(*lines[-1])}" if lines else ""


def _frames(task: asyncio.Task[Any]) -> Iterator[FrameType]:
    """Yield the frames of a suspended task, the innermost last."""
    waiting: Any = task.get_coro()
    while waiting is not None:
        frame = getattr(waiting, "cr_frame", None) or getattr(waiting, "gi_frame", None)
        frame = frame or getattr(waiting, "ag_frame", None)
        if frame is None:
            return
        yield frame
        waiting = next(
            (found for name in ("cr_await", "gi_yieldfrom", "ag_await") if (found := getattr(waiting, name, None))),
            None,
        )


def _is_library(code: CodeType) -> bool:
    name = code.co_filename
    return name.startswith(_LIBRARIES) or any(folder in name for folder in _INSTALLED)


def _is_own(handle: Handle) -> bool:
    """Return whether a step runs code of this package."""
    callback: Any = getattr(handle, "_callback", None)
    task = getattr(callback, "__self__", None)
    if isinstance(task, asyncio.Task):
        return any(frame.f_code.co_filename.startswith(_PACKAGE) for frame in _frames(task))
    module = sys.modules.get(getattr(callback, "__module__", None) or "")
    return str(getattr(module, "__file__", "")).startswith(_PACKAGE)


def _name_of(task: asyncio.Task[Any]) -> str:
    return str(getattr(task.get_coro(), "__qualname__", task.get_coro()))
