"""`VirtualClock`: time that stands still while anything can run, and then jumps to what is due next."""

from __future__ import annotations

import asyncio
import concurrent.futures
import math
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import wraps
from threading import get_ident
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from pytest_streamval.errors import (
    InvalidArgumentError,
    UnsupportedLoopError,
    VirtualClockUseError,
    VirtualDeadlockError,
    excerpt,
)
from pytest_streamval.virtual_time import active_clock, other_libraries, patched_time
from pytest_streamval.virtual_time.external_activity import Outside
from pytest_streamval.virtual_time.instants import LAST, Instant, checked_seconds, microseconds_of
from pytest_streamval.virtual_time.loop_driver import LoopDriver, kind_of
from pytest_streamval.virtual_time.module_patching import swap
from pytest_streamval.virtual_time.other_loops import OtherLoops

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator, Iterator
    from types import TracebackType

T = TypeVar("T")

START = 1_767_225_600
"""The time at the start, if none was asked for: 2026-01-01 00:00 UTC, in seconds since the epoch."""

_MICROSECONDS = 1_000_000  # in a second
_NO_OFFSET = timedelta()


class Settled:
    """The end of `advance` and `move_to`: an async test may await it, so that other tasks have their turn."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock

    def __await__(self) -> Generator[Any, None, None]:
        """Wait until everything that has come due has run, and every task waits again."""
        return self._clock._settled().__await__()


class VirtualClock:
    """The one time of a test: its event loop, its timeouts and its wall clock run on it.

    In a test, ask for the fixture `virtual_clock`. Elsewhere it is a context manager: within it, every asyncio event
    loop that runs in the same thread lives on virtual time, and so do the functions of `time` and `datetime`. Loops and
    functions in other threads keep real time.
    """

    __test__ = False

    def __init__(self, start: Instant | None = None) -> None:
        """Make a clock that shows a certain time when it is started.

        Args:
            start: a datetime, a date, an ISO string, or seconds since the epoch; without a time zone it is in UTC. By
                default it is the date that freezegun or time-machine has set, and otherwise 2026-01-01 00:00 UTC.

        Raises:
            InvalidArgumentError: a `ValueError`; `start` is none of these.
        """
        self._chosen = None if start is None else microseconds_of(start, "start")
        self._origin = START * _MICROSECONDS if self._chosen is None else self._chosen
        self._reading = 0.0
        self._end = math.inf  # the reading at the end of the calendar: what is due later does not come
        self._freezes: list[Any] = []  # freezegun's own list, while the clock runs
        self._earlier_freezes = 0
        self._waiting: list[asyncio.Future[None]] = []
        self._thread: int | None = None
        self._undo = ExitStack()
        self._on = ExitStack()
        self._driver: LoopDriver | None = None
        self._outside: Outside
        self._other_loops: OtherLoops
        self._watched: asyncio.Task[Any] | None = None
        self._deadlock: VirtualDeadlockError | None = None

    @property
    def elapsed(self) -> float:
        """Seconds since the clock was started, to the microsecond."""
        return round(self._reading, 6)

    @property
    def now(self) -> float:
        """What `time.time()` says: seconds since the epoch."""
        seconds, rest = divmod(self._wall(), _MICROSECONDS)
        return seconds + rest / _MICROSECONDS

    def advance(self, seconds: float) -> Settled:
        """Move time on at once, as if the code that calls had taken so long.

        What comes due meanwhile runs when the event loop has its next turn, in the order in which it is due; in an
        async test, `await virtual_clock.advance(5)` returns when all of it has run.

        Args:
            seconds: how long; 0 or more.

        Raises:
            InvalidArgumentError: a `ValueError`; that is no length of time, or time would run out of the calendar.
            VirtualClockUseError: the clock does not run, or not in this thread.
        """
        self._check_running("advance")
        reading = self._reading + checked_seconds(seconds)
        if reading > self._end:
            raise InvalidArgumentError("seconds", excerpt(seconds), "Virtual time ends with the year 9999.")
        self._move(reading)
        return Settled(self)

    def move_to(self, instant: Instant) -> Settled:
        """Move time on to an instant, as `advance` does; to an earlier one only the date is set back.

        Args:
            instant: a datetime, a date, an ISO string, or seconds since the epoch; without a time zone it is in UTC.

        Raises:
            InvalidArgumentError: a `ValueError`; `instant` is none of these.
            VirtualClockUseError: the clock does not run, or not in this thread.
        """
        self._check_running("move_to")
        distance = microseconds_of(instant, "instant") - self._wall()
        if distance >= 0:
            self._move((self._microseconds() + distance) / _MICROSECONDS)
        elif self._freezes:
            other_libraries.move(self._freezes, distance)
        else:
            self._begin_at(self._origin + distance)
        return Settled(self)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end on this clock, in an event loop of its own: for a synchronous test.

        Args:
            coroutine: what to run; a further call goes on at the time at which this one ended.

        Returns:
            What the coroutine returned.

        Raises:
            VirtualDeadlockError: it waits for what can never come.
            VirtualClockUseError: an event loop is running here already, or the clock is not.
            InvalidArgumentError: a `TypeError`; that is no coroutine.
        """
        __tracebackhide__ = True
        given: object = coroutine
        if not asyncio.iscoroutine(given):
            raise InvalidArgumentError(
                "coroutine", excerpt(given), "It must be what calling an async function returns."
            )
        try:
            self._check_usable()
        except VirtualClockUseError:
            coroutine.close()
            raise
        try:
            # not the loop of the policy, which may be one that cannot be driven
            with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
                return runner.run(self._watch(coroutine))
        except VirtualDeadlockError as error:
            raise error.with_traceback(None) from None

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            active_clock.take(self, undo)
            self._begin()
            undo.callback(self._stop)
            self._on = patched_time.put_on()
            other_libraries.watch(self._lifted, undo)
            self._thread = get_ident()
            self._outside, self._other_loops = Outside(), OtherLoops(self._thread)
            events, futures = vars(asyncio.events), vars(asyncio.futures)
            swap(undo, events, "_set_running_loop", self._on_running_loop(events["_set_running_loop"]))
            swap(undo, futures, "_chain_future", self._on_chained(futures["_chain_future"]))
            self._other_loops.watch(undo)
            if (loop := asyncio._get_running_loop()) is not None:
                self._drive(loop)
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def __repr__(self) -> str:
        return f"<VirtualClock at {self.elapsed:.12g} s>"

    def supervised(self, test: Callable[..., Coroutine[Any, Any, T]]) -> Callable[..., Coroutine[Any, Any, T]]:
        """Return an async test that fails with a `VirtualDeadlockError` where the given one would wait for ever.

        Raises:
            UnsupportedLoopError: by that test: its event loop does not run on this clock.
        """

        @wraps(test)
        async def supervised(*args: object, **kwargs: object) -> T:
            __tracebackhide__ = True
            loop = asyncio._get_running_loop()
            if self._driver is None or self._driver.loop is not loop:
                raise UnsupportedLoopError(kind_of(loop))
            return await self._watch(test(*args, **kwargs))

        return supervised

    async def _watch(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Await what a test does; where it is stuck, its task is cancelled, and the reason raised in its place."""
        __tracebackhide__ = True
        task = self._watched = cast("asyncio.Task[Any]", asyncio.current_task())
        place: TracebackType | None = None
        try:
            return await coroutine
        except BaseException as error:
            place = error.__traceback__ and error.__traceback__.tb_next
            raise
        finally:
            self._watched = None
            deadlock, self._deadlock = self._deadlock, None
            if deadlock is not None and task.uncancel() == 0:  # else somebody else has cancelled it too
                raise deadlock.with_traceback(place) from None

    def _stuck(self, loop: asyncio.AbstractEventLoop) -> None:
        """End a program that nothing can wake: cancel the test's task, or raise where that is not known or no help."""
        if self._deadlock is None:
            from pytest_streamval.virtual_time.task_locations import waiting_in  # which few tests need

            self._deadlock = VirtualDeadlockError(self.elapsed, waiting_in(loop), self._outside.unwatched())
            if self._watched is not None and self._watched.get_loop() is loop:
                self._watched.cancel()
                return
        deadlock, self._deadlock = self._deadlock, None
        raise deadlock

    # How it gets hold of what runs

    def _on_running_loop(self, announce: Callable[[Any], None]) -> Callable[[Any], None]:
        def set_running_loop(loop: asyncio.AbstractEventLoop | None) -> None:
            if get_ident() == self._thread:
                self._release()
                if loop is not None:
                    self._drive(loop)
            announce(loop)
            if loop is not None:
                self._other_loops.notice(get_ident())

        return set_running_loop

    def _on_chained(self, chain: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
        def chain_future(source: object, destination: Any) -> None:  # noqa: ANN401  # a future of either kind
            if get_ident() == self._thread:
                if isinstance(source, concurrent.futures.Future):
                    self._outside.calls.append(destination)
                else:
                    self._outside.orders.append(destination)
            chain(source, destination)

        return chain_future

    def _drive(self, loop: asyncio.AbstractEventLoop) -> None:
        self._driver = LoopDriver(loop, self)

    def _release(self) -> None:
        if self._driver is not None:
            self._driver.release()
            self._driver = None

    def _stop(self) -> None:
        self._release()
        self._begin_at(self._wall() - self._microseconds())  # the time goes by itself from now on
        self._freezes = []
        self._on.close()
        self._thread = None

    # What the time is

    def _begin(self) -> None:
        """Find the time at which to start."""
        self._freezes, self._earlier_freezes = other_libraries.freezes(), len(other_libraries.freezes())
        travelled = other_libraries.travelled()
        if self._chosen is not None and (self._freezes or travelled is not None):
            self._freezes = []
            raise VirtualClockUseError(
                "A virtual clock was given a start, and freezegun or time-machine has set another date.",
                "Give it one of the two.",
            )
        found = self._wall() if self._freezes else travelled
        self._begin_at(self._origin if found is None else found - self._microseconds())

    def _begin_at(self, origin: int) -> None:
        self._origin = origin
        self._end = LAST - origin / _MICROSECONDS

    def _microseconds(self) -> int:
        return round(self._reading * _MICROSECONDS)

    def _wall(self) -> int:
        """Return the time, in microseconds since the epoch."""
        if self._freezes:
            return other_libraries.moment_of(self._freezes[-1])
        return self._origin + round(self._reading * _MICROSECONDS)

    def _local(self) -> timedelta:
        """Return by how much local time is ahead of UTC."""
        return other_libraries.frozen_offset() if self._freezes else _NO_OFFSET

    def _move(self, reading: float) -> None:
        before, self._reading = self._reading, reading
        if self._freezes:
            distance = self._microseconds() - round(before * _MICROSECONDS)
            other_libraries.move(self._freezes, distance)

    @contextmanager
    def _lifted(self) -> Iterator[None]:
        """Take the clock off while freezegun or time-machine starts or stops."""
        now = self._wall()
        self._on.close()
        try:
            yield
        finally:
            self._on = patched_time.put_on()
            if len(self._freezes) < self._earlier_freezes:  # one from before the clock has ended: its date goes on
                self._earlier_freezes = len(self._freezes)
                self._begin_at(now - self._microseconds())

    # Giving others their turn

    async def _settled(self) -> None:
        """Wait until the event loop has nothing to do any more at the present time."""
        loop = asyncio.get_running_loop()
        if self._driver is None or self._driver.loop is not loop:
            raise UnsupportedLoopError(kind_of(loop))
        self._waiting.append(loop.create_future())
        await self._waiting[-1]

    def _settle(self) -> bool:
        """Wake those who wait for this, if there are any and nothing is due."""
        scheduled = self._waiting and cast("Any", self._waiting[0].get_loop())._scheduled
        if not self._waiting or (scheduled and scheduled[0]._when <= self._reading):
            return False
        for future in self._waiting:
            if not future.cancelled():
                future.set_result(None)
        self._waiting.clear()
        return True

    def _check_running(self, method: str) -> None:
        if get_ident() != self._thread:
            raise VirtualClockUseError(
                f"virtual_clock.{method}() was called where its time does not run: before its start, after the end of "
                "its test, or in another thread.",
                "Call it in the test itself.",
            )

    def _check_usable(self) -> None:
        self._check_running("run")
        if asyncio._get_running_loop() is not None:
            raise VirtualClockUseError(
                "virtual_clock.run() was called in a running event loop.",
                "It is for synchronous tests; an async one awaits the coroutine, on virtual time already.",
            )
