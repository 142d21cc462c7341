"""The guard of one test: it finds the objects that the test has left open, reports them and ends them."""

from __future__ import annotations

import asyncio
import re
from contextlib import contextmanager
from fnmatch import fnmatchcase
from functools import wraps
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

from pytest_streamval.engine.observer import add_observer, remove_observer
from pytest_streamval.guards.discovery import SearchArea, live_threads, lost_objects, open_objects, open_owners
from pytest_streamval.guards.leak_kinds import LiveThread, PendingTimer
from pytest_streamval.guards.origins import forget_collected
from pytest_streamval.guards.reachability import find_reachable
from pytest_streamval.guards.tracking import TrackedRun, Tracker, current, on_loop_end
from pytest_streamval.guards.unplayed import PreparedScripts
from pytest_streamval.scripting.playback import on_play

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from pytest_streamval.guards.leak_kinds import Leak, OpenObject

_ITERATIONS = 20  # of an event loop, in which an object may end by itself
_PATIENCE = 0.1  # seconds in which threads may end by themselves
_NUMBERED = re.compile(r"\b(Task|Thread)-\d+")  # default names of asyncio and threading


class Guard:
    """Guards one test."""

    def __init__(
        self, holders: Callable[[], Iterable[object]], *, leaks: bool = True, allowed: Sequence[str] = ()
    ) -> None:
        """Start to record.

        Args:
            holders: Returns the objects that may still end what they hold, such as fixtures before their teardown.
            leaks: Whether to look for leaks.
            allowed: Patterns of the names of tasks, threads and functions that may leak.
        """
        self.fixtures = Tracker(leaks=leaks)
        """The objects that began in the fixtures of the test."""
        self.test = Tracker(leaks=leaks)
        """The objects that began in the function of the test."""
        self.scripts = PreparedScripts((self.fixtures, self.test))
        self.final_checks: list[Callable[[], Iterable[Exception]]] = []
        """Functions that are called after a test that passed. Each returns an error for every expectation not met."""
        self._holders = holders
        self._checks_leaks = leaks
        self._allowed = allowed
        self._test_tasks: set[asyncio.Task[Any] | None] = set()
        self._reported: dict[int, Leak] = {}  # by the id of the object
        self._to_end: list[OpenObject] = []
        self._leaks: list[tuple[str, str, str]] = []
        add_observer(TrackedRun)
        on_play.append(self.scripts.record_play)
        on_loop_end.append(self._end_loop)

    def close(self) -> None:
        """Stop recording."""
        on_loop_end.remove(self._end_loop)
        on_play.remove(self.scripts.record_play)
        remove_observer(TrackedRun)
        self.fixtures.close()
        self.test.close()
        forget_collected()

    # During the test

    def tracking_test(self, test: Callable[..., Any]) -> Callable[..., Any]:
        """Return an async test that records its objects in any context."""

        @wraps(test)
        async def tracked(*args: object, **kwargs: object) -> object:
            __tracebackhide__ = True
            loop = asyncio._get_running_loop()
            if loop is None:  # another library than asyncio runs it
                return await test(*args, **kwargs)
            self._test_tasks.add(asyncio.current_task())
            self.test.loops.add(loop)
            token = current.set(self.test)
            try:
                return await test(*args, **kwargs)
            finally:
                self._check_end_of_function()
                current.reset(token)

        return tracked

    def tracking_example(self, test: Callable[..., Any]) -> Callable[..., Any]:
        """Return a test for Hypothesis that drops the scripts of each example that fails or is rejected."""
        if iscoroutinefunction(test):

            @wraps(test)
            async def example(*args: object, **kwargs: object) -> object:
                __tracebackhide__ = True
                with self._forgotten_on_error():
                    return await test(*args, **kwargs)

            return self.tracking_test(example)

        @wraps(test)
        def sync_example(*args: object, **kwargs: object) -> object:
            __tracebackhide__ = True
            with self._forgotten_on_error():
                return test(*args, **kwargs)

        return sync_example

    @contextmanager
    def _forgotten_on_error(self) -> Iterator[None]:
        """Drop the scripts and the final checks of this context if it raises."""
        __tracebackhide__ = True
        checks = len(self.final_checks)
        try:
            with self.scripts.forgotten_on_error():
                yield
        except BaseException:
            del self.final_checks[checks:]
            raise

    # After the test

    def check(self, *trackers: Tracker) -> None:
        """Find the objects that are open now, and end them."""
        if not self._checks_leaks:
            return
        # closed loops were checked when they ended, and a loop that runs in another thread ends with its thread
        loops = [loop for each in trackers for loop in each.loops if not loop.is_closed() and not _runs_elsewhere(loop)]
        found = self._open_objects(trackers, loops)
        self._report([leak for leak in lost_objects(trackers) if not self._allows(leak)])
        self._process([*found, *live_threads(trackers)])
        self._process(open_owners(trackers))  # after their generations, which are reported by themselves

    def take_leaks(self) -> list[tuple[str, str, str]]:
        """Return the description, the location and the advice of each leak found since the last call."""
        if not self._leaks:  # the usual case
            return []
        groups: dict[tuple[str, ...], list[tuple[str, str, str]]] = {}
        for leak in self._leaks:
            groups.setdefault((_NUMBERED.sub(r"\1", leak[0]), *leak[1:]), []).append(leak)
        self._leaks.clear()
        return [_with_count(group[0], len(group)) for group in groups.values()]

    def _check_end_of_function(self) -> None:
        """Report certain leaks at the end of the test's function, before the event loop runs on."""
        self._report_open(
            [each for each in self._new(self._open_objects((self.test,), self.test.loops)) if each.is_certain]
        )

    def _end_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        if loop in self.fixtures.loops or loop in self.test.loops:
            self._process(self._open_objects((self.fixtures, self.test), (loop,)))

    def _open_objects(
        self, trackers: Collection[Tracker], loops: Collection[asyncio.AbstractEventLoop]
    ) -> list[OpenObject]:
        if not loops or not self._checks_leaks:
            return []
        return open_objects(SearchArea(trackers, loops, self._test_tasks), self.scripts.backends)

    def _process(self, found: list[OpenObject]) -> None:
        """Report the objects that do not end by themselves, and end everything that was reported."""
        found = self._new(found) if found else found
        if not found and not self._to_end:
            return
        self._report_open([each for each in found if each.is_certain])
        uncertain = [each for each in found if not each.is_certain]
        _let_end(uncertain)
        self._report_open([each for each in uncertain if each.is_open()])
        reported, self._to_end = self._to_end, []
        ending = [each for each in reported if not isinstance(each, PendingTimer)]
        for each in ending:
            each.end()
        _let_end(ending, patience=0.0)
        needed = {each.loop for each in ending if each.is_open()}  # a task may wait for a timer in order to end
        for each in reported:
            if isinstance(each, PendingTimer) and each.loop not in needed and each.is_open():
                each.end()

    def _new(self, found: list[OpenObject]) -> list[OpenObject]:
        """Return the objects that were not reported before, are not allowed, and are not held by a fixture."""
        new = [each for each in found if id(each.target) not in self._reported and not self._allows(each)]
        if not new:  # the usual case
            return []
        held = find_reachable([each.target for each in new], self._holders())
        return [each for each in new if id(each.target) not in held]

    def _allows(self, leak: Leak) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self._allowed for name in leak.names())

    def _report_open(self, found: Sequence[OpenObject]) -> None:
        self._report(found)
        self._to_end += found

    def _report(self, found: Iterable[Leak]) -> None:
        new = [leak for leak in found if id(leak.target) not in self._reported]
        self._reported.update({id(leak.target): leak for leak in new})
        self._leaks += [leak.report() for leak in new]


def _let_end(found: Collection[OpenObject], patience: float = _PATIENCE) -> None:
    """Run the event loops of objects, and wait for threads, so that they can end."""
    for loop in dict.fromkeys(each.loop for each in found):
        if loop is None or loop.is_closed() or loop.is_running() or asyncio._get_running_loop() is not None:
            continue
        waiting = loop.create_task(_iterate([each for each in found if each.loop is loop]))
        waiting.set_name("streamval guard")
        loop.run_until_complete(waiting)
    threads = [each.thread for each in found if isinstance(each, LiveThread)]
    for thread in threads:
        thread.join(patience / len(threads))


def _runs_elsewhere(loop: asyncio.AbstractEventLoop) -> bool:
    return loop.is_running() and loop is not asyncio._get_running_loop()


async def _iterate(found: Collection[OpenObject]) -> None:
    for _ in range(_ITERATIONS):
        if not any(each.is_open() for each in found):
            return
        await asyncio.sleep(0)


def _with_count(leak: tuple[str, str, str], times: int) -> tuple[str, str, str]:
    description, location, advice = leak
    return (description if times == 1 else f"{description} ({times} times)"), location, advice
