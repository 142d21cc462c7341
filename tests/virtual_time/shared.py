"""Functions and dates that the tests of virtual time share."""

import asyncio
import concurrent.futures
import datetime as dt
import sys
import time
from types import ModuleType

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC).timestamp()
NOON = dt.datetime(2030, 5, 5, 12, tzinfo=dt.UTC).timestamp()
FROZEN = dt.datetime(2000, 2, 2, 10, tzinfo=dt.UTC).timestamp()


async def call_later(seconds):
    done = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, done.set)
    await done.wait()


async def asyncio_sleep(seconds):
    await asyncio.sleep(seconds)


def run_in_thread(function):
    with concurrent.futures.ThreadPoolExecutor() as pool:
        return pool.submit(function).result()


def module(name, source, monkeypatch):
    made = ModuleType(name)
    monkeypatch.setitem(sys.modules, name, made)
    exec(source, vars(made))  # noqa: S102
    return made


real = time.time, time.monotonic, time.strftime, time.ctime, dt.datetime, dt.date, vars(dt.datetime)["now"]


def is_real():
    now = time.time, time.monotonic, time.strftime, time.ctime, dt.datetime, dt.date, vars(dt.datetime)["now"]
    return now == real and time.gmtime().tm_year > 2025 and dt.datetime.now(dt.UTC).timestamp() > START


def agreeing(tz_offset=0):
    """Return the time after a check that all functions agree."""
    now, local = dt.datetime.now(), dt.datetime.now().astimezone()  # noqa: DTZ005  # as applications do
    form = "%Y-%m-%d %H:%M:%S"
    assert time.strftime(form) == now.strftime(form) == local.strftime(form)
    assert time.localtime()[:6] == time.localtime(time.time())[:6] == now.timetuple()[:6]
    assert time.ctime() == time.asctime() == time.ctime(time.time()) == now.ctime()
    assert time.mktime(time.localtime()) == time.time() // 1
    assert dt.date.today() == now.date() == dt.date.fromtimestamp(time.time())  # noqa: DTZ011, DTZ012
    assert dt.datetime.today() == dt.datetime.fromtimestamp(time.time()) == now  # noqa: DTZ002, DTZ006
    assert dt.datetime.utcnow().timetuple()[:6] == time.gmtime()[:6]  # noqa: DTZ003
    assert now.timestamp() == local.timestamp() == time.time()
    if not tz_offset:  # freezegun adds it to aware dates too
        assert dt.datetime.now(dt.UTC).timestamp() == time.time()
    assert time.time_ns() // 1000 == round(time.time() * 1_000_000)
    return time.time()


def wait_at(gate):
    """Block a thread until the loop waits in real time, at most 30 seconds."""
    assert gate.wait(30)
    return "done"
