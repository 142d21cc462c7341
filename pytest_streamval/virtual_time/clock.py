"""`VirtualClock`: time that stands still while anything can run, and then jumps to the next timer."""

from __future__ import annotations

import asyncio
import concurrent.futures
from contextlib import ExitStack, contextmanager
from functools import wraps
from threading import get_ident
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from pytest_streamval.errors import (
    InvalidArgumentError,
    VirtualClockUseError,
    VirtualDeadlockError,
    excerpt,
    unsupported_loop_error,
)
from pytest_streamval.virtual_time import date_mocking, patched_time
from pytest_streamval.virtual_time.external_activity import ExternalActivity
from pytest_streamval.virtual_time.instants import Instant, checked_seconds, microseconds_of
from pytest_streamval.virtual_time.loop_driver import LoopDriver, loop_class_name
from pytest_streamval.virtual_time.module_patching import patch_item
from pytest_streamval.virtual_time.real_time_loops import RealTimeLoops
from pytest_streamval.virtual_time.time_source import TimeSource, activate

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator, Iterator
    from types import TracebackType

T = TypeVar("T")

on_loop: list[Callable[[asyncio.AbstractEventLoop], None]] = []
"""Functions that are called with each event loop that begins to run on a clock."""


class Settled:
    """The result of `advance` and `move_to`. An async test may await it, so that the other tasks run first."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock

    def __await__(self) -> Generator[Any, None, None]:
        """Wait until all due timers have fired and every task waits again."""
        return self._clock._settled().__await__()


class VirtualClock:
    """The time of a test: of its event loop, its timeouts and its wall clock.

    In a test, use the fixture `virtual_clock`. Elsewhere, the clock is a context manager. Inside it, every asyncio
    event loop that runs in the same thread has virtual time, and so do the functions of `time` and `datetime`. Other
    threads keep real time.
    """

    __test__ = False

    def __init__(self, start: Instant | None = None) -> None:
        """Create a clock.

        Args:
            start: The time at which the clock starts: a datetime, a date, an ISO string, or seconds since the epoch, in
                UTC if it has no time zone. By default, it is the date that freezegun or time-machine has set, and
                otherwise 2026-01-01 00:00 UTC.

        Raises:
            InvalidArgumentError: If `start` is none of these (a `ValueError`).
        """
        self._source = TimeSource(None if start is None else microseconds_of(start, "start"))
        self._began = 0  # the date at the start, in microseconds since the epoch
        self._settling: list[asyncio.Future[None]] = []
        self._undo = ExitStack()
        self._patches = ExitStack()
        self._driver: LoopDriver | None = None
        self._activity: ExternalActivity
        self._other_loops: RealTimeLoops
        self._supervised_task: asyncio.Task[Any] | None = None
        self._deadlock: VirtualDeadlockError | None = None

    @property
    def elapsed(self) -> float:
        """The seconds since the clock was started, to the microsecond."""
        return round(self._source.reading, 6)

    @property
    def now(self) -> float:
        """The seconds since the epoch, as `time.time()` returns them."""
        return self._source.timestamp

    def advance(self, seconds: float) -> Settled:
        """Move the time forward at once, as if the calling code had taken so long.

        Timers that come due fire when the event loop runs next, in the order in which they are due. In an async test,
        `await virtual_clock.advance(5)` returns when all of them have run.

        Args:
            seconds: The seconds to move, 0 or more.

        Raises:
            InvalidArgumentError: If that is no length of time, or the time would leave the calendar (a `ValueError`).
            VirtualClockUseError: If the clock does not run, or runs in another thread.
        """
        self._check_running("advance")
        reading = self._source.reading + checked_seconds(seconds)
        if reading > self._source.end:
            raise InvalidArgumentError("seconds", excerpt(seconds), "Virtual time ends with the year 9999.")
        self._source.move(reading)
        return Settled(self)

    def move_to(self, instant: Instant) -> Settled:
        """Move the time forward to an instant, as `advance` does. An earlier instant sets only the date back.

        Args:
            instant: A datetime, a date, an ISO string, or seconds since the epoch, in UTC if it has no time zone.

        Raises:
            InvalidArgumentError: If `instant` is none of these (a `ValueError`).
            VirtualClockUseError: If the clock does not run, or runs in another thread.
        """
        self._check_running("move_to")
        self._source.move_date(microseconds_of(instant, "instant"))
        return Settled(self)

    def restart(self) -> None:
        """Return to the start, as for the next example of Hypothesis. Timers keep the delay that they have left.

        Raises:
            VirtualClockUseError: If the clock does not run, or runs in another thread.
        """
        self._check_running("restart")
        loop = None if self._driver is None else self._driver.loop
        self._release()
        self._source.restart(self._began)
        if loop is not None:
            self._drive(loop)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on this clock in a new event loop. Use it in a synchronous test.

        Args:
            coroutine: The coroutine. A further call continues at the time at which this one ended.

        Returns:
            The coroutine's result.

        Raises:
            VirtualDeadlockError: If it waits and nothing can wake it.
            VirtualClockUseError: If an event loop is running in this thread, or the clock is not.
            InvalidArgumentError: If it is no coroutine (a `TypeError`).
        """
        __tracebackhide__ = True
        given: object = coroutine
        if not asyncio.iscoroutine(given):
            raise InvalidArgumentError(
                "coroutine", excerpt(given), "It must be a coroutine, the result of calling an async function."
            )
        try:
            self._check_usable()
        except VirtualClockUseError:
            coroutine.close()
            raise
        try:
            # the loop of the policy may be one that cannot be driven
            with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
                return runner.run(self._supervise(coroutine))
        except VirtualDeadlockError as error:
            raise error.with_traceback(None) from None

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            activate(self._source, undo)
            self._source.begin()
            self._began = self._source.microseconds
            undo.callback(self._stop)
            self._patches = patched_time.patch()
            date_mocking.watch(self._suspended, undo)
            self._source.thread = get_ident()
            self._activity, self._other_loops = ExternalActivity(), RealTimeLoops(get_ident())
            events, futures = vars(asyncio.events), vars(asyncio.futures)
            patch_item(undo, events, "_set_running_loop", self._on_running_loop(events["_set_running_loop"]))
            patch_item(undo, futures, "_chain_future", self._on_chained(futures["_chain_future"]))
            self._other_loops.watch(undo)
            if (loop := asyncio._get_running_loop()) is not None:
                self._drive(loop)
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def __repr__(self) -> str:
        return f"<VirtualClock at {self.elapsed:.12g} s>"

    def supervise(self, test: Callable[..., Coroutine[Any, Any, T]]) -> Callable[..., Coroutine[Any, Any, T]]:
        """Return an async test that fails with a `VirtualDeadlockError` instead of waiting for ever.

        The returned test raises an `EventLoopError` if its event loop does not run on this clock.
        """

        @wraps(test)
        async def supervised(*args: object, **kwargs: object) -> T:
            __tracebackhide__ = True
            self._check_loop(asyncio._get_running_loop())
            return await self._supervise(test(*args, **kwargs))

        return supervised

    async def _supervise(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Await a test. In a deadlock, its task is cancelled, and the deadlock is raised in place of that."""
        __tracebackhide__ = True
        task = self._supervised_task = cast("asyncio.Task[Any]", asyncio.current_task())
        place: TracebackType | None = None
        try:
            return await coroutine
        except BaseException as error:
            place = error.__traceback__ and error.__traceback__.tb_next
            raise
        finally:
            self._supervised_task = None
            deadlock, self._deadlock = self._deadlock, None
            if deadlock is not None and task.uncancel() == 0:  # otherwise, other code has cancelled it too
                raise deadlock.with_traceback(place) from None

    def _end_deadlock(self, loop: asyncio.AbstractEventLoop) -> None:
        """Cancel the task of the test. Raise the error if there is none, or if it was cancelled before."""
        if self._deadlock is None:
            from pytest_streamval.virtual_time.task_locations import waiting_tasks  # few tests need it

            self._deadlock = VirtualDeadlockError(self.elapsed, waiting_tasks(loop), self._activity.daemon_threads())
            if self._supervised_task is not None and self._supervised_task.get_loop() is loop:
                self._supervised_task.cancel()
                return
        deadlock, self._deadlock = self._deadlock, None
        raise deadlock

    # Event loops and futures

    def _on_running_loop(self, announce: Callable[[Any], None]) -> Callable[[Any], None]:
        def set_running_loop(loop: asyncio.AbstractEventLoop | None) -> None:
            if get_ident() == self._source.thread:
                self._release()
                if loop is not None:
                    self._drive(loop)
            announce(loop)
            if loop is not None:
                self._other_loops.warn_once(get_ident())

        return set_running_loop

    def _on_chained(self, chain: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
        def chain_future(source: object, destination: Any) -> None:  # noqa: ANN401  # a future of either kind
            if get_ident() == self._source.thread:
                if isinstance(source, concurrent.futures.Future):
                    self._activity.calls.append(destination)
                else:
                    self._activity.requests.append(destination)
            chain(source, destination)

        return chain_future

    def _drive(self, loop: asyncio.AbstractEventLoop) -> None:
        self._driver = LoopDriver(loop, self._source, self._activity, self._wake_settled, self._end_deadlock)
        for listener in tuple(on_loop):
            listener(loop)

    def _release(self) -> None:
        if self._driver is not None:
            self._driver.release()
            self._driver = None

    def _stop(self) -> None:
        self._release()
        self._source.stop()
        self._patches.close()
        self._source.thread = None

    @contextmanager
    def _suspended(self) -> Iterator[None]:
        """Remove the patches while freezegun or time-machine starts or stops."""
        now = self._source.microseconds
        self._patches.close()
        try:
            yield
        finally:
            self._patches = patched_time.patch()
            self._source.continue_from(now)

    # Waiting until nothing is left to run

    async def _settled(self) -> None:
        loop = asyncio.get_running_loop()
        self._check_loop(loop)
        self._settling.append(loop.create_future())
        await self._settling[-1]

    def _wake_settled(self) -> bool:
        """Wake the callers of `_settled` if nothing is due. Return whether there were any."""
        scheduled = self._settling and cast("Any", self._settling[0].get_loop())._scheduled
        if not self._settling or (scheduled and scheduled[0]._when <= self._source.reading):
            return False
        for future in self._settling:
            if not future.cancelled():
                future.set_result(None)
        self._settling.clear()
        return True

    def _check_loop(self, loop: asyncio.AbstractEventLoop | None) -> None:
        if self._driver is None or self._driver.loop is not loop:
            raise unsupported_loop_error(loop_class_name(loop))

    def _check_running(self, method: str) -> None:
        if get_ident() != self._source.thread:
            raise VirtualClockUseError(
                f"virtual_clock.{method}() was called before the clock was started, after the end of its test, or in "
                "another thread.",
                "Call it in the test itself.",
            )

    def _check_usable(self) -> None:
        self._check_running("run")
        if asyncio._get_running_loop() is not None:
            raise VirtualClockUseError(
                "virtual_clock.run() was called in a running event loop.",
                "It is for synchronous tests. An async test has virtual time already: await the coroutine.",
            )
