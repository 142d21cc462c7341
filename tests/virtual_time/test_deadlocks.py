"""Deadlocks on a virtual clock, and the locations of tasks."""

import asyncio
import os
import pickle
import re
import threading
from collections.abc import Coroutine
from contextlib import suppress

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest

from pytest_streamval import (
    Requirement,
    Script,
    SimpleContext,
    Stall,
    StreamingMockBackend,
    stream_with_chunking,
)
from pytest_streamval.errors import VirtualDeadlockError
from pytest_streamval.virtual_time.task_locations import waiting_tasks
from tests.virtual_time.shared import (
    asyncio_sleep,
    wait_at,
)


def line(function, offset):
    """Return the name of a line of a function, counted from its first."""
    place = os.path.relpath(function.__code__.co_filename)
    return f"{place}:{function.__code__.co_firstlineno + offset} in {function.__qualname__}"


async def in_event():
    await asyncio.Event().wait()


async def in_call():
    await in_event()


async def generating():
    yield await asyncio.Event().wait()


async def in_loop():
    async for _ in generating():
        raise AssertionError


async def in_anext():
    await anext(generating(), None)


async def closing():
    try:
        yield
    finally:
        await asyncio.Event().wait()


async def in_aclose():
    generator = closing()
    await anext(generator)
    await generator.aclose()


class Wrapped:
    def __await__(self):
        return in_event().__await__()


class Generated:
    def __await__(self):
        yield from asyncio.get_running_loop().create_future()


async def in_awaitable(awaitable):
    await awaitable


class Opaque(Coroutine):
    """A coroutine without frames, as a compiled one is."""

    def __init__(self, event):
        self.steps = event.wait()

    def send(self, value):
        return self.steps.send(value)

    def throw(self, *error):
        return self.steps.throw(*error)

    def __await__(self):
        return self


@pytest.mark.parametrize(
    ("coroutine", "place"),
    [
        (in_event, line(in_event, 1)),
        (in_call, line(in_event, 1)),
        (in_loop, line(generating, 1)),
        (in_anext, line(generating, 1)),
        (in_aclose, line(closing, 4)),
        (lambda: in_awaitable(Wrapped()), line(in_event, 1)),
        (lambda: in_awaitable(Generated()), line(Generated.__await__, 1)),
        (lambda: anyio.sleep(100), "anyio/_backends/_asyncio.py:- in AsyncIOBackend.sleep"),
        (lambda: asyncio.Event().wait(), "asyncio/locks.py:- in Event.wait"),
        (lambda: Opaque(asyncio.Event()), "an unknown line"),
    ],
)
async def test_the_location_of_a_task_is_the_users_line_that_waits(coroutine, place):
    task = asyncio.create_task(coroutine(), name="stuck")
    for _ in range(3):
        await asyncio.sleep(0)
    found = dict(waiting_tasks(asyncio.get_running_loop()))["stuck"]
    if ":-" in place:  # the line numbers of other packages may change
        found = re.sub(r":\d+", ":-", found)
    assert found == place
    task.cancel()
    await asyncio.wait([task])


class Stuck(Requirement):
    async def stream_validate(self, chunk, *, backend, ctx):
        await asyncio.Event().wait()


@pytest.mark.parametrize("requirements", [1, 2])
def test_a_deadlock_error_shows_the_validator_that_waits(clock, requirements):
    async def run():
        backend = StreamingMockBackend(Script.of("One. ", "Two. ", Stall()))
        result = await stream_with_chunking(
            "Go", backend, SimpleContext(), requirements=[Stuck("stuck") for _ in range(requirements)]
        )
        await result.acomplete()

    with pytest.raises(VirtualDeadlockError) as caught:
        clock.run(run())
    places = [place for _, place in caught.value.waiting]
    assert sum(line(Stuck.stream_validate, 1) in place for place in places) == requirements
    assert any(place.startswith(f"{line(run, 5)}, in ") for place in places)


def test_a_deadlock_error_lists_every_task(clock):
    async def main():
        await asyncio.sleep(12.5)
        others = [asyncio.create_task(in_call(), name=f"other {number}") for number in (10, 9)]
        await asyncio.gather(*others)

    with pytest.raises(VirtualDeadlockError) as caught:
        clock.run(main())
    task, place = caught.value.waiting[0]
    assert (task.startswith("Task-"), place) == (True, line(main, 3))
    assert str(caught.value) == (
        "Nothing can wake this program any more: at 12.5 s of virtual time no timer is due, and no thread, subprocess "
        "or connection is active. Waiting:\n"
        f"  {task} at {place}\n"
        f"  other 9 at {line(in_event, 1)}\n"
        f"  other 10 at {line(in_event, 1)}\n"
        "Set what they wait for in a task of the same test, or limit the wait: with asyncio.timeout(), or with "
        "validator_timeout= if a validator waits."
    )
    copy = pickle.loads(pickle.dumps(caught.value))  # noqa: S301
    assert (str(copy), copy.waiting, copy.elapsed) == (str(caught.value), caught.value.waiting, 12.5)
    clock.run(asyncio.sleep(1))
    assert clock.elapsed == 13.5


@pytest.mark.parametrize("seconds", [float("inf"), 1e12])
def test_a_timer_beyond_the_calendar_is_a_deadlock(clock, seconds):
    with pytest.raises(VirtualDeadlockError):
        clock.run(asyncio_sleep(seconds))


def test_a_deadlock_error_names_daemon_threads(clock, gate):
    async def main():
        threading.Thread(target=wait_at, args=[gate], name="telemetry", daemon=True).start()
        await asyncio.Event().wait()

    with pytest.raises(VirtualDeadlockError, match=r"daemon threads \(telemetry\)\. Use asyncio\.to_thread"):
        clock.run(main())


def test_a_deadlock_fails_a_test_that_suppresses_its_cancellation(clock):
    async def main():
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    with pytest.raises(VirtualDeadlockError):
        clock.run(main())


def test_a_deadlock_error_replaces_the_error_of_a_clean_up(clock):
    async def main():
        try:
            await asyncio.Event().wait()
        finally:
            raise AssertionError

    with pytest.raises(VirtualDeadlockError):
        clock.run(main())


def test_a_deadlock_ends_a_clean_up_that_waits(clock):
    async def main():
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.Event().wait()

    with pytest.raises(VirtualDeadlockError) as caught:
        clock.run(main())
    assert [place for _, place in caught.value.waiting] == [line(main, 2)]


def test_a_cancellation_by_other_code_is_not_replaced_by_a_deadlock_error(clock):
    async def main():
        try:
            await asyncio.Event().wait()
        finally:
            asyncio.current_task().cancel()

    with pytest.raises(asyncio.CancelledError):
        clock.run(main())


def test_a_loop_without_a_supervised_test_raises_a_deadlock_error(clock):
    with pytest.raises(VirtualDeadlockError):
        asyncio.run(in_event())
    asyncio.run(asyncio.sleep(1))
    assert clock.elapsed == 1


def test_the_traceback_of_a_deadlock_error_ends_at_the_line_that_waits(clock):
    wrapped = clock.supervise(in_call)
    with pytest.raises(VirtualDeadlockError) as caught:
        asyncio.run(wrapped())
    assert [entry.name for entry in caught.traceback][-3:] == ["in_call", "in_event", "wait"]
    assert caught.value.__suppress_context__
