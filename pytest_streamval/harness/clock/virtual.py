"""`VirtualClock`: time that stands still while anything can run, and then jumps to what is due next."""

from __future__ import annotations

import asyncio
import concurrent.futures
from contextlib import ExitStack
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
from pytest_streamval.harness.clock.driver import LoopDriver, kind_of
from pytest_streamval.harness.clock.outside import Outside
from pytest_streamval.harness.clock.references import swap

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import TracebackType

T = TypeVar("T")

START = 1_767_225_600
"""What the wall clock shows at the start: 2026-01-01 00:00 UTC, in seconds since the epoch."""

_MICROSECONDS = 1_000_000  # in a second


class VirtualClock:
    """The one time of a test: its event loop, its timeouts and its wall clock run on it.

    In a test, ask for the fixture `virtual_clock`. Elsewhere it is a context manager: within it, every asyncio event
    loop that runs in the same thread lives on virtual time, and so do the functions of `time` and `datetime`. Loops and
    functions in other threads keep real time.
    """

    __test__ = False

    def __init__(self) -> None:
        self._reading = 0.0
        self._thread: int | None = None
        self._undo = ExitStack()
        self._driver: LoopDriver | None = None
        self._outside: Outside
        self._watched: asyncio.Task[Any] | None = None
        self._deadlock: VirtualDeadlockError | None = None

    @property
    def elapsed(self) -> float:
        """Seconds since the clock was started, to the microsecond."""
        return round(self._reading, 6)

    @property
    def now(self) -> float:
        """What `time.time()` says: seconds since the epoch, `elapsed` after 2026-01-01 00:00 UTC."""
        seconds, rest = divmod(self._microseconds(), _MICROSECONDS)
        return START + seconds + rest / _MICROSECONDS

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
            raise InvalidArgumentError("coroutine", excerpt(given), "it is what calling an async function returns.")
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
        from pytest_streamval.harness.clock.wall import freeze  # which imports freezegun

        with ExitStack() as undo:
            freeze(self, undo)
            undo.callback(self._stop)
            self._thread = get_ident()
            self._outside = Outside()
            events, futures = vars(asyncio.events), vars(asyncio.futures)
            swap(undo, events, "_set_running_loop", self._on_running_loop(events["_set_running_loop"]))
            swap(undo, futures, "_chain_future", self._on_chained(futures["_chain_future"]))
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
            from pytest_streamval.harness.clock.suspended import waiting_in  # which few tests need

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
        self._thread = None

    def _microseconds(self) -> int:
        return round(self._reading * _MICROSECONDS)

    def _check_usable(self) -> None:
        if get_ident() != self._thread:
            raise VirtualClockUseError(
                "virtual_clock.run() was called where its time does not run: behind the end of its test, or in another "
                "thread.",
                "Call it in the test itself.",
            )
        if asyncio._get_running_loop() is not None:
            raise VirtualClockUseError(
                "virtual_clock.run() was called in a running event loop.",
                "It is for synchronous tests; an async one awaits the coroutine, on virtual time already.",
            )
