"""A virtual clock with freezegun and time-machine, and in all time zones."""

import asyncio
import concurrent.futures
import datetime as dt
import subprocess
import sys
import time
from contextlib import ExitStack

import freezegun
import pytest
import time_machine

from pytest_streamval.errors import VirtualClockUseError
from pytest_streamval.virtual_time import VirtualClock, date_mocking
from tests.virtual_time.shared import (
    FROZEN,
    START,
    agreeing,
    is_real,
    module,
)


@pytest.mark.parametrize("stopped_inside", [True, False])
@pytest.mark.parametrize("tick", [True, False])
def test_a_clock_starts_at_the_date_of_freezegun(stopped_inside, tick, monkeypatch):
    freeze, clock = freezegun.freeze_time("2000-02-02 10:00", tick=tick), VirtualClock()
    freeze.start()
    with clock:
        assert agreeing() == clock.now == pytest.approx(FROZEN, abs=60)
        began = clock.now
        clock.run(asyncio.sleep(60))
        time.sleep(5)
        assert agreeing() == clock.now == began + 65
        names = module("latecomer", "from time import time", monkeypatch)
        if stopped_inside:
            freeze.stop()
            assert agreeing() == clock.now == began + 65
            clock.run(asyncio.sleep(60))
            assert agreeing() == clock.now == names.time() == began + 125
    if not stopped_inside:
        assert time.time() == pytest.approx(FROZEN + 65, abs=60)
        freeze.stop()
    assert is_real()
    assert names.time is time.time
    assert clock.now == began + (125 if stopped_inside else 65)


@pytest.mark.parametrize("stopped_inside", [True, False])
@pytest.mark.parametrize("tick", [True, False])
def test_a_clock_continues_from_a_date_that_freezegun_freezes(stopped_inside, tick):
    freeze, clock = freezegun.freeze_time("2000-02-02 10:00", tick=tick), VirtualClock()
    with clock:
        clock.run(asyncio.sleep(60))
        freeze.start()
        assert agreeing() == clock.now == pytest.approx(FROZEN, abs=60)
        began = clock.now
        clock.run(asyncio.sleep(60))
        assert agreeing() == clock.now == began + 60
        if stopped_inside:
            freeze.stop()
            assert agreeing() == clock.now == START + 120
    if not stopped_inside:
        assert time.time() == pytest.approx(FROZEN + 60, abs=60)
        freeze.stop()
    assert is_real()


def test_nested_freezes_end_in_order_on_a_clock():
    with freezegun.freeze_time("2000-02-02 10:00"), VirtualClock() as clock:
        with freezegun.freeze_time("2010-01-01", tz_offset=-5):
            clock.run(asyncio.sleep(60))
            assert time.strftime("%F %T") == "2009-12-31 19:01:00"
            assert agreeing(-5) == dt.datetime(2010, 1, 1, 0, 1, tzinfo=dt.UTC).timestamp()
        assert agreeing() == FROZEN + 60
    assert is_real()


@pytest.mark.parametrize("freezer_first", [True, False])
def test_freezeguns_handle_moves_the_date_of_a_clock(freezer_first):
    with ExitStack() as stack:
        contexts = [freezegun.freeze_time("2000-02-02 10:00"), VirtualClock()]
        entered = [stack.enter_context(context) for context in contexts[:: 1 if freezer_first else -1]]
        freezer, clock = entered if freezer_first else entered[::-1]
        clock.run(asyncio.sleep(60))
        freezer.tick(5)
        assert agreeing() == FROZEN + 65
        freezer.move_to("2010-01-01")
        clock.run(asyncio.sleep(60))
        assert agreeing() == clock.now == dt.datetime(2010, 1, 1, 0, 1, tzinfo=dt.UTC).timestamp()
        clock.move_to("2009-01-01")
        assert agreeing() == dt.datetime(2009, 1, 1, tzinfo=dt.UTC).timestamp()
        clock.move_to("2011-01-01")
        assert agreeing() == dt.datetime(2011, 1, 1, tzinfo=dt.UTC).timestamp()
    assert is_real()


def test_other_threads_have_the_date_of_freezegun():
    with freezegun.freeze_time("2000-02-02 10:00"), VirtualClock() as clock:
        clock.run(asyncio.sleep(60))
        with concurrent.futures.ThreadPoolExecutor() as pool:
            assert pool.submit(time.time).result() == FROZEN + 60


def test_a_clock_starts_at_the_date_of_time_machine():
    travel = time_machine.travel(dt.datetime(2000, 2, 2, 10, tzinfo=dt.UTC), tick=False)
    travel.start()
    with VirtualClock() as clock:
        clock.run(asyncio.sleep(60))
        assert agreeing() == clock.now == FROZEN + 60
        travel.stop()
        assert agreeing() == FROZEN + 60
    assert is_real()


def test_time_machine_cannot_be_started_on_a_clock(clock):
    with (
        pytest.raises(VirtualClockUseError, match=r"time-machine was started .* virtual_clock\.move_to"),
        time_machine.travel("2000-02-02"),
    ):
        raise AssertionError
    assert agreeing() == START


def test_a_clock_refuses_two_dates():
    with (
        freezegun.freeze_time("2000-02-02"),
        pytest.raises(VirtualClockUseError, match="Use one of the two"),
        VirtualClock("2001-01-01"),
    ):
        raise AssertionError
    assert is_real()


def test_a_clock_needs_neither_freezegun_nor_time_machine(monkeypatch):
    for name in ("freezegun", "freezegun.api", "time_machine"):
        monkeypatch.setitem(sys.modules, name, None)
    date_mocking._installed.cache_clear()
    try:
        with VirtualClock() as clock:
            clock.run(asyncio.sleep(60))
            assert agreeing() == START + 60
    finally:
        date_mocking._installed.cache_clear()


ZONES = """
import datetime as dt, os, subprocess, sys, time
import freezegun
from pytest_streamval import VirtualClock
from tests.virtual_time.shared import agreeing
for zone in sys.argv[1:]:
    os.environ["TZ"] = zone
    time.tzset()
    for date in ("2026-01-15T12:30:45.25", "2026-03-29T01:30", "2026-07-15T12:30:45.25", "2026-10-25T00:59:59"):
        start = dt.datetime.fromisoformat(date)
        with VirtualClock(start) as clock:
            for _ in range(3):
                assert agreeing() == start.replace(tzinfo=dt.UTC).timestamp() + clock.elapsed, zone
                assert (dt.datetime.now() - start).total_seconds() == clock.elapsed, zone
                clock.advance(3600)
        for offset in (0, 5.5):
            with freezegun.freeze_time(date, tz_offset=offset), VirtualClock() as clock:
                assert agreeing(offset) == start.replace(tzinfo=dt.UTC).timestamp()
                assert dt.datetime.now() == start + dt.timedelta(hours=offset)
print("agreed")
"""


def test_virtual_time_is_the_same_in_every_time_zone():
    zones = "UTC America/New_York America/St_Johns Asia/Kolkata Asia/Kathmandu Australia/Lord_Howe Pacific/Kiritimati"
    command = [
        sys.executable,
        "-W",
        "ignore::DeprecationWarning",
        "-c",
        ZONES,
        *zones.split(),
        "CET-1CEST,M3.5.0,M10.5.0/3",
    ]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("agreed\n", "")
