"""Moving a virtual clock by hand."""

import asyncio
import datetime as dt
import itertools
import time

import pytest

from pytest_streamval import (
    InvalidArgumentError,
    RealTimeWarning,
)
from pytest_streamval.errors import EventLoopError, VirtualClockUseError
from pytest_streamval.virtual_time import VirtualClock
from tests.virtual_time.shared import (
    NOON,
    START,
    run_in_thread,
)


def test_a_synchronous_test_moves_a_clock(clock):
    clock.advance(90.5)
    assert (clock.elapsed, clock.now, time.monotonic()) == (90.5, START + 90.5, 90.5)
    clock.run(asyncio.sleep(0.5))
    clock.move_to("2026-01-01T01:00:00Z")
    assert (clock.elapsed, clock.now) == (3600, START + 3600)


async def test_timers_fire_in_order_after_a_clock_was_advanced(clock):
    order = []

    async def after(seconds):
        await asyncio.sleep(seconds)
        order.append((seconds, clock.elapsed))

    async with asyncio.TaskGroup() as tasks:
        for seconds in (3, 1, 6, 2, 5):
            tasks.create_task(after(seconds))
        await asyncio.sleep(0)
        clock.advance(5)
        assert (clock.elapsed, order) == (5, [])
        await clock.advance(0)
        assert order == [(1, 5), (2, 5), (3, 5), (5, 5)]
    assert order[-1] == (6, 6)


async def test_advance_returns_when_every_task_waits_again(clock):
    done = []

    async def chain():
        await asyncio.sleep(3)
        for _ in range(50):
            await asyncio.sleep(0)
        await asyncio.sleep(10)
        done.append(clock.elapsed)

    async def beat():
        for _ in itertools.count():
            await asyncio.sleep(1)

    tasks = [asyncio.create_task(chain()), asyncio.create_task(beat())]
    await asyncio.sleep(0)
    await clock.advance(5)
    assert (clock.elapsed, done) == (5, [])
    await clock.move_to(dt.datetime(2026, 1, 1, 0, 0, 20, tzinfo=dt.UTC))
    assert (clock.elapsed, done) == (20, [20])
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_a_timeout_that_advance_has_passed_fires(clock):
    async def wait():
        async with asyncio.timeout(30):
            await clock.advance(31)
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await wait()
    assert clock.elapsed == 31


async def test_an_awaited_advance_may_be_cancelled(clock):
    waiting = asyncio.ensure_future(clock.advance(1))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    await clock.advance(1)
    assert (waiting.cancelled(), clock.elapsed) == (True, 2)


def test_move_to_an_earlier_instant_sets_only_the_date_back(clock):
    clock.advance(60)
    clock.move_to("2025-01-01")
    assert dt.datetime.now(dt.UTC) == dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
    assert (clock.elapsed, time.monotonic()) == (60, 60)
    clock.advance(60)
    assert time.strftime("%F %T") == "2025-01-01 00:01:00"


@pytest.mark.parametrize(
    "instant",
    [
        dt.datetime(2030, 5, 5, 12),  # noqa: DTZ001
        dt.datetime(2030, 5, 5, 14, tzinfo=dt.timezone(dt.timedelta(hours=2))),
        "2030-05-05T12:00",
        "2030-05-05 12:00:00Z",
        "2030-05-05T17:30:00+05:30",
        int(NOON),
        float(NOON),
    ],
)
def test_an_instant_has_several_forms(instant):
    with VirtualClock(instant) as clock:
        assert clock.now == time.time() == NOON
    with VirtualClock() as clock:
        clock.move_to(instant)
        assert clock.now == time.time() == NOON
    with VirtualClock(dt.date(2030, 5, 5)) as clock:
        assert clock.now == NOON - 43_200


@pytest.mark.parametrize("wrong", ["tomorrow", True, float("nan"), 1e15, -1e12, [2030], b"2030-05-05"])
def test_a_clock_refuses_other_values_than_instants(clock, wrong):
    with pytest.raises(InvalidArgumentError, match=r"start.*a datetime, a date, an ISO string such as"):
        VirtualClock(wrong)
    with pytest.raises(InvalidArgumentError, match=r"instant.*a datetime, a date, an ISO string such as"):
        clock.move_to(wrong)
    assert clock.now == START


@pytest.mark.parametrize("wrong", [-1, float("inf"), float("nan"), "5", True, 1e12])
def test_advance_refuses_other_values_than_lengths_of_time(clock, wrong):
    with pytest.raises(InvalidArgumentError, match="seconds"):
        clock.advance(wrong)
    assert clock.elapsed == 0


def test_a_clock_cannot_be_moved_outside_of_its_test(clock):
    with pytest.raises(VirtualClockUseError, match=r"advance\(\) was called before the clock was started"):
        run_in_thread(lambda: clock.advance(1))
    with pytest.raises(VirtualClockUseError, match=r"move_to\(\) was called before the clock was started"):
        VirtualClock().move_to(0)


def test_advance_can_be_awaited_only_in_a_loop_on_the_clock(clock):
    settled = clock.advance(1)

    async def wait():
        await settled

    with pytest.warns(RealTimeWarning), pytest.raises(EventLoopError):
        run_in_thread(lambda: asyncio.run(wait()))
