"""Virtual time: what moves with it, what holds it still, and what ends a test that waits for nothing."""

from __future__ import annotations

import asyncio
import concurrent.futures
import datetime as dt
import itertools
import os
import pickle
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Coroutine
from contextlib import ExitStack, suppress
from types import ModuleType, SimpleNamespace
from urllib.parse import urlsplit

import anyio
import anyio.from_thread
import anyio.to_thread
import fastapi
import freezegun
import httpx2 as httpx
import pytest
import time_machine
from fastapi.testclient import TestClient

from pytest_streamval import (
    Delay,
    InvalidArgumentError,
    PartialValidationResult,
    ProviderServer,
    RealTimeWarning,
    Requirement,
    Script,
    SimpleContext,
    Stall,
    StreamingMockBackend,
    start_session,
    stream_with_chunking,
)
from pytest_streamval.errors import (
    EventLoopError,
    ValidatorTimeoutError,
    VirtualClockUseError,
    VirtualDeadlockError,
    unsupported_loop_error,
)
from pytest_streamval.plugin.clock import clock_of_test
from pytest_streamval.virtual_time import VirtualClock, date_mocking, loop_driver
from pytest_streamval.virtual_time.external_activity import Connections
from pytest_streamval.virtual_time.loop_driver import LoopDriver, loop_class_name
from pytest_streamval.virtual_time.task_locations import waiting_tasks

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC).timestamp()


@pytest.fixture
def clock(request):
    with clock_of_test(request.node) as clock:
        yield clock


@pytest.fixture
def gate(monkeypatch):
    """What opens when an event loop begins to wait in real time, so that a thread can be sure to be waited for."""
    opened = threading.Event()
    wait = LoopDriver._wait_in_real_time

    def opening(self, due):
        opened.set()
        return wait(self, due)

    monkeypatch.setattr(LoopDriver, "_wait_in_real_time", opening)
    yield opened
    opened.set()


# What moves with it


async def call_later(seconds):
    done = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, done.set)
    await done.wait()


async def call_at(seconds):
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    loop.call_at(loop.time() + seconds, done.set)
    await done.wait()


async def timeout(seconds):
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.Event().wait()


async def wait_for(seconds):
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), seconds)


async def move_on_after(seconds):
    with anyio.move_on_after(seconds) as scope:
        await anyio.sleep_forever()
    assert scope.cancelled_caught


async def fail_after(seconds):
    with pytest.raises(TimeoutError), anyio.fail_after(seconds):
        await anyio.sleep_forever()


async def delay(seconds):
    assert [text async for text in Script.of(Delay(seconds), "x").play()] == ["x"]


async def sync_delay(seconds):
    assert list(Script.of(Delay(seconds), "x").play_sync()) == ["x"]


async def anyio_sleep(seconds):
    await anyio.sleep(seconds)


async def asyncio_sleep(seconds):
    await asyncio.sleep(seconds)


WAITS = [
    asyncio_sleep,
    anyio_sleep,
    call_later,
    call_at,
    timeout,
    wait_for,
    move_on_after,
    fail_after,
    delay,
    sync_delay,
]


@pytest.mark.parametrize("wait", WAITS)
async def test_waiting_takes_virtual_time(clock, wait):
    await wait(3600)
    assert clock.elapsed == 3600
    await wait(0.25)
    assert clock.elapsed == 3600.25


async def test_whatever_tells_the_time_tells_the_same(clock):
    assert clock.now == START
    await asyncio.sleep(90.25)
    assert clock.now == time.time() == START + 90.25
    assert time.time_ns() == int(START) * 1_000_000_000 + 90_250_000_000
    assert dt.datetime.now(dt.UTC).timestamp() == START + 90.25
    assert dt.date.today() == dt.date(2026, 1, 1)  # noqa: DTZ011  # what an application may call
    assert time.gmtime()[:6] == (2026, 1, 1, 0, 1, 30)
    assert asyncio.get_running_loop().time() == time.monotonic() == time.perf_counter() == clock.elapsed == 90.25
    assert time.monotonic_ns() == time.perf_counter_ns() == 90_250_000_000
    assert repr(clock) == "<VirtualClock at 90.25 s>"


async def test_ten_thousand_delays_make_an_hour_exactly(clock):
    script = Script.of(*[step for _ in range(10_000) for step in (Delay(0.36), "word ")])
    result = await stream_with_chunking("Go", StreamingMockBackend(script), SimpleContext(), chunking="word")
    await result.acomplete()
    assert clock.elapsed == 3600
    assert result.history[-1].timestamp == START + 3600


def test_a_run_has_the_same_timestamps_every_time():
    async def run():
        script = Script.of("One. ", Delay(0.1), "Two. ", Delay(0.2), "Three.", Delay(0.1))
        result = await stream_with_chunking("Go", StreamingMockBackend(script), SimpleContext())
        await result.acomplete()
        return [(type(event).__name__, round(event.timestamp - START, 6)) for event in result.history]

    seen = []
    for _ in range(20):
        with VirtualClock() as clock:
            seen.append(clock.run(run()))
    assert seen[0] == [
        ("ChunkEvent", 0.0),
        ("ChunkEvent", 0.1),
        ("ChunkEvent", 0.4),
        ("StreamingDoneEvent", 0.4),
        ("CompletedEvent", 0.4),
    ]
    assert seen == [seen[0]] * 20


async def test_what_is_due_first_comes_first(clock):
    order = []

    async def after(seconds):
        await asyncio.sleep(seconds)
        order.append((seconds, clock.elapsed))

    await asyncio.gather(*[after(seconds) for seconds in (3, 1, 2, 0, 7200)])
    assert order == [(0, 0), (1, 1), (2, 2), (3, 3), (7200, 7200)]


async def test_of_nested_timeouts_the_one_that_is_due_first_fires(clock):
    async def nested():
        async with asyncio.timeout(20):
            with anyio.move_on_after(5) as inner:
                async with asyncio.timeout(10):
                    await asyncio.Event().wait()
            assert (inner.cancelled_caught, clock.elapsed) == (True, 5)
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await nested()
    assert clock.elapsed == 20


async def test_a_validator_times_out_before_the_whole_run_does(clock):
    class Slow(Requirement):
        async def stream_validate(self, chunk, *, backend, ctx):
            await asyncio.sleep(30)
            return PartialValidationResult("pass")

    backend = StreamingMockBackend(Script.of(Delay(5), "One. ", "Two. ", Stall()))
    async with asyncio.timeout(60):
        result = await stream_with_chunking(
            "Go", backend, SimpleContext(), requirements=[Slow("slow")], validator_timeout=10
        )
        with pytest.raises(ValidatorTimeoutError):
            await result.acomplete()
    assert clock.elapsed == 15


async def test_a_stalled_stream_is_given_up_by_its_reader(clock):
    backend = StreamingMockBackend(Script.of("So far. ", "And", Stall()))
    result = await stream_with_chunking("Go", backend, SimpleContext())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(result.acomplete(), 30)
    assert (clock.elapsed, backend.calls[0].cancelled) == (30, True)


async def test_time_goes_on_for_years(clock):
    for _ in range(3):
        await asyncio.sleep(1e9)
        await asyncio.sleep(1e-6)
    assert clock.elapsed == pytest.approx(3e9)


def test_further_runs_go_on_where_the_last_one_ended(clock):
    async def sleep():
        await asyncio.sleep(10)
        return clock.elapsed

    assert [clock.run(sleep()), clock.run(sleep()), clock.elapsed] == [10, 20, 20]
    asyncio.run(sleep())
    assert clock.elapsed == 30


def test_a_blocking_sleep_moves_time_on_and_makes_others_late(clock):
    async def main():
        ticking = asyncio.create_task(asyncio.sleep(1))
        await asyncio.sleep(0)
        time.sleep(60)  # noqa: ASYNC251  # what a badly behaved application does
        await ticking
        return clock.elapsed

    assert clock.run(main()) == 60
    with pytest.raises(ValueError, match="non-negative"):
        time.sleep(-1)


async def test_a_clock_can_be_started_where_a_loop_runs_already():
    began = time.monotonic()
    with VirtualClock() as clock:
        await asyncio.sleep(3600)
        assert clock.elapsed == 3600
    assert time.monotonic() - began < 3600
    assert "time" not in vars(asyncio.get_running_loop())


# Moving it


def test_a_synchronous_test_moves_time_on(clock):
    clock.advance(90.5)
    assert (clock.elapsed, clock.now, time.monotonic()) == (90.5, START + 90.5, 90.5)
    clock.run(asyncio.sleep(0.5))
    clock.move_to("2026-01-01T01:00:00Z")
    assert (clock.elapsed, clock.now) == (3600, START + 3600)


async def test_what_comes_due_while_time_is_moved_on_runs_in_order(clock):
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


async def test_moving_time_on_is_over_when_every_task_waits_again(clock):
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


async def test_a_timeout_that_moved_time_has_passed_fires(clock):
    async def wait():
        async with asyncio.timeout(30):
            await clock.advance(31)
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await wait()
    assert clock.elapsed == 31


async def test_waiting_for_the_others_may_be_given_up(clock):
    waiting = asyncio.ensure_future(clock.advance(1))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    await clock.advance(1)
    assert (waiting.cancelled(), clock.elapsed) == (True, 2)


def test_an_earlier_instant_sets_the_date_back_and_no_more(clock):
    clock.advance(60)
    clock.move_to("2025-01-01")
    assert dt.datetime.now(dt.UTC) == dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
    assert (clock.elapsed, time.monotonic()) == (60, 60)
    clock.advance(60)
    assert time.strftime("%F %T") == "2025-01-01 00:01:00"


NOON = dt.datetime(2030, 5, 5, 12, tzinfo=dt.UTC).timestamp()


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
def test_an_instant_can_be_written_in_several_ways(instant):
    with VirtualClock(instant) as clock:
        assert clock.now == time.time() == NOON
    with VirtualClock() as clock:
        clock.move_to(instant)
        assert clock.now == time.time() == NOON
    with VirtualClock(dt.date(2030, 5, 5)) as clock:
        assert clock.now == NOON - 43_200


@pytest.mark.parametrize("wrong", ["tomorrow", True, float("nan"), 1e15, -1e12, [2030], b"2030-05-05"])
def test_what_is_no_instant_is_refused(clock, wrong):
    with pytest.raises(InvalidArgumentError, match=r"start.*a datetime, a date, an ISO string such as"):
        VirtualClock(wrong)
    with pytest.raises(InvalidArgumentError, match=r"instant.*a datetime, a date, an ISO string such as"):
        clock.move_to(wrong)
    assert clock.now == START


@pytest.mark.parametrize("wrong", [-1, float("inf"), float("nan"), "5", True, 1e12])
def test_what_is_no_length_of_time_is_refused(clock, wrong):
    with pytest.raises(InvalidArgumentError, match="seconds"):
        clock.advance(wrong)
    assert clock.elapsed == 0


def test_only_the_test_itself_moves_a_clock(clock):
    with pytest.raises(VirtualClockUseError, match=r"advance\(\) was called before the clock was started"):
        run_in_thread(lambda: clock.advance(1))
    with pytest.raises(VirtualClockUseError, match=r"move_to\(\) was called before the clock was started"):
        VirtualClock().move_to(0)


def test_to_wait_for_the_others_takes_a_loop_on_the_clock(clock):
    settled = clock.advance(1)

    async def wait():
        await settled

    with pytest.warns(RealTimeWarning), pytest.raises(EventLoopError):
        run_in_thread(lambda: asyncio.run(wait()))


# Who keeps real time


def called_from(module):
    """Return a function that asks for the time as code of another module."""
    namespace = {"__name__": module, "time": time}
    exec("def ask(name, *arguments): return getattr(time, name)(*arguments)", namespace)  # noqa: S102
    return namespace["ask"]


MEASURES = ("monotonic", "perf_counter", "monotonic_ns", "perf_counter_ns")


@pytest.mark.parametrize("module", ["hypothesis.core", "concurrent.futures._base", "_pytest.runner", "subprocess"])
def test_who_waits_or_measures_in_earnest_keeps_real_time(module):
    ask = called_from(module)
    before = [ask(name) for name in MEASURES]
    with VirtualClock() as clock:
        ask("sleep", 0)
        assert all(ask(name) >= real for name, real in zip(MEASURES, before, strict=True))
        assert clock.elapsed == 0


def test_everybody_else_measures_in_virtual_time(clock):
    ask = called_from("application.retries")
    ask("sleep", 2)
    assert [ask(name) for name in MEASURES] == [2, 2, 2_000_000_000, 2_000_000_000]


def test_other_threads_keep_real_time(clock):
    def look():
        time.sleep(0)
        measures = [getattr(time, name)() for name in MEASURES]
        return time.time(), dt.datetime.now(dt.UTC).timestamp(), *measures

    with concurrent.futures.ThreadPoolExecutor() as pool:
        wall, date, *measures = pool.submit(look).result()
    assert wall > START
    assert date == pytest.approx(wall, abs=60)
    assert all(measures)
    assert clock.elapsed == 0


def run_in_thread(function):
    with concurrent.futures.ThreadPoolExecutor() as pool:
        return pool.submit(function).result()


async def look_at_loop():
    loop = asyncio.get_running_loop()
    return vars(loop).get("time"), await asyncio.wait_for(asyncio.to_thread(lambda: "done"), 5)


def in_asyncio_run():
    return run_in_thread(lambda: asyncio.run(look_at_loop()))


def in_blocking_portal():
    with anyio.from_thread.start_blocking_portal() as portal:
        return portal.call(look_at_loop)


def in_session():
    with start_session(StreamingMockBackend("Hello.")) as session:
        session.instruct("Hi")
    return None, "done"


@pytest.mark.parametrize("run", [in_asyncio_run, in_blocking_portal, in_session])
def test_an_event_loop_in_another_thread_keeps_real_time_and_warns_of_it(clock, run):
    with pytest.warns(RealTimeWarning, match="in real time, although the test has a virtual clock") as caught:
        assert [run(), run()] == [(None, "done")] * 2
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert "TestClient" not in str(caught[0].message)
    copy = pickle.loads(pickle.dumps(caught[0].message))  # noqa: S301
    assert (str(copy), copy.thread) == (str(caught[0].message), caught[0].message.thread)


def test_a_call_into_a_loop_that_ran_before_the_clock_warns_too():
    with anyio.from_thread.start_blocking_portal() as portal:
        with VirtualClock(), pytest.warns(RealTimeWarning, match=r"thread '.*portal.*'"):
            assert portal.call(look_at_loop) == (None, "done")
        assert portal.call(look_at_loop) == (None, "done")


def test_the_error_that_a_warning_became_comes_out(clock):
    with pytest.raises(RealTimeWarning):
        in_asyncio_run()  # all warnings are errors here
    assert in_asyncio_run() == (None, "done")


async def test_a_provider_server_does_not_warn(clock):
    with ProviderServer("Hello.") as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(server.openai_url).port)
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
        writer.close()
        await writer.wait_closed()


def served_app():
    app = fastapi.FastAPI()

    @app.get("/")
    async def root(wait: int = 0) -> dict[str, float]:
        await asyncio.sleep(wait)
        return {"time": time.time()}

    return app


def test_starlette_s_test_client_warns_that_it_runs_in_real_time(clock):
    with pytest.warns(RealTimeWarning, match=r"of Starlette's TestClient .*=httpx\.ASGITransport"):
        answer = TestClient(served_app()).get("/").json()
    assert answer["time"] > START


async def test_an_application_in_the_loop_of_the_test_runs_in_virtual_time(clock):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=served_app()), base_url="http://test") as client:
        answer = await client.get("/", params={"wait": 3600})
    assert answer.json()["time"] == START + 3600


# What is put back


def state():
    return (
        {name: vars(time)[name] for name in vars(time)},
        dict(vars(dt.datetime)),
        dict(vars(dt.date)),
        vars(asyncio.events)["_set_running_loop"],
        vars(asyncio.futures)["_chain_future"],
        dict(vars(freezegun.api._freeze_time)),
        dict(vars(freezegun.api.FakeDatetime)),
        vars(time_machine.travel)["start"],
        vars(time_machine.travel)["stop"],
    )


def test_nothing_is_left_of_a_clock():
    before = state()
    with VirtualClock() as clock:
        assert all(old != new for old, new in zip(before, state(), strict=True))
        clock.run(asyncio.sleep(1))
    assert state() == before


def test_a_loop_of_a_longer_life_gets_its_own_time_back():
    async def schedule():
        loop, fired = asyncio.get_running_loop(), []
        return fired, loop.call_later(50, fired.append, "old"), loop.call_later(1e6, fired.append, "never")

    async def sleep(fired):
        await asyncio.sleep(49)
        assert fired == []
        await asyncio.sleep(2)
        assert fired == ["old"]
        return asyncio.get_running_loop().call_later(500, fired.append, "new")

    with asyncio.Runner() as runner:
        fired, _, never = runner.run(schedule())
        loop = runner.get_loop()
        own = set(vars(loop)), set(vars(loop._selector)), loop._clock_resolution
        with VirtualClock():
            new = runner.run(sleep(fired))
        assert (set(vars(loop)), set(vars(loop._selector)), loop._clock_resolution) == own
        assert loop.time() == pytest.approx(time.monotonic(), abs=60)
        assert new.when() - loop.time() == pytest.approx(500, abs=60)
        assert never.when() - loop.time() == pytest.approx(1e6 - 51, abs=60)


def module(name, source, monkeypatch):
    made = ModuleType(name)
    monkeypatch.setitem(sys.modules, name, made)
    exec(source, vars(made))  # noqa: S102
    return made


def test_names_that_a_module_has_for_itself_are_replaced_too(monkeypatch):
    names = module("application", "from time import time, sleep as rest\nfrom datetime import datetime", monkeypatch)
    before = dict(vars(names))
    for _ in range(2):
        with VirtualClock():
            assert (names.time(), names.datetime.now(dt.UTC).timestamp()) == (START, START)
            names.rest(5)
            assert names.time() == START + 5
        assert vars(names) == before
    names.rest = print
    with VirtualClock():
        assert names.rest is print
    names.more = time.monotonic
    with VirtualClock():
        assert names.more() == 0
    assert names.more is time.monotonic


def test_a_module_that_is_loaded_meanwhile_keeps_nothing(monkeypatch):
    with VirtualClock():
        names = module("latecomer", "from time import monotonic, sleep", monkeypatch)
        assert names.monotonic() == 0
    assert (names.monotonic, names.sleep) == (time.monotonic, time.sleep)


def test_a_module_is_not_woken_by_being_looked_at(monkeypatch):
    class Lazy(ModuleType):
        def __getattribute__(self, name):
            raise AssertionError(name)

    monkeypatch.setitem(sys.modules, "lazy", Lazy("lazy"))
    monkeypatch.setitem(sys.modules, "no_module", SimpleNamespace(time=time.time))
    with VirtualClock():
        assert sys.modules["no_module"].time is not time.time


def test_a_module_that_freezegun_was_told_to_ignore_is_left_alone(monkeypatch):
    monkeypatch.setattr(freezegun.config.settings, "default_ignore_list", ["application"])
    names = module("application.jobs", "from time import time", monkeypatch)
    with VirtualClock():
        assert names.time is not time.time


def test_dates_can_be_pickled_on_a_clock(clock):
    then = dt.datetime.now(dt.UTC)
    assert pickle.loads(pickle.dumps(then)) == then  # noqa: S301


# Dates that others have set

FROZEN = dt.datetime(2000, 2, 2, 10, tzinfo=dt.UTC).timestamp()
real = time.time, time.monotonic, time.strftime, time.ctime, dt.datetime, dt.date, vars(dt.datetime)["now"]


def is_real():
    now = time.time, time.monotonic, time.strftime, time.ctime, dt.datetime, dt.date, vars(dt.datetime)["now"]
    return now == real and time.gmtime().tm_year > 2025 and dt.datetime.now(dt.UTC).timestamp() > START


def agreeing(tz_offset=0):
    """Return the time, once everything that tells it has been seen to tell the same."""
    now, local = dt.datetime.now(), dt.datetime.now().astimezone()  # noqa: DTZ005  # what an application may call
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


@pytest.mark.parametrize("stopped_inside", [True, False])
@pytest.mark.parametrize("tick", [True, False])
def test_a_clock_starts_at_the_date_that_freezegun_has_frozen(stopped_inside, tick, monkeypatch):
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
def test_a_date_that_freezegun_freezes_on_a_clock_goes_on_from_there(stopped_inside, tick):
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


def test_freezes_within_freezes_end_in_order_on_a_clock():
    with freezegun.freeze_time("2000-02-02 10:00"), VirtualClock() as clock:
        with freezegun.freeze_time("2010-01-01", tz_offset=-5):
            clock.run(asyncio.sleep(60))
            assert time.strftime("%F %T") == "2009-12-31 19:01:00"
            assert agreeing(-5) == dt.datetime(2010, 1, 1, 0, 1, tzinfo=dt.UTC).timestamp()
        assert agreeing() == FROZEN + 60
    assert is_real()


@pytest.mark.parametrize("freezer_first", [True, False])
def test_freezegun_s_handle_moves_the_date_on_a_clock(freezer_first):
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


def test_other_threads_see_the_date_that_freezegun_has_frozen():
    with freezegun.freeze_time("2000-02-02 10:00"), VirtualClock() as clock:
        clock.run(asyncio.sleep(60))
        with concurrent.futures.ThreadPoolExecutor() as pool:
            assert pool.submit(time.time).result() == FROZEN + 60


def test_a_clock_starts_where_time_machine_has_travelled():
    travel = time_machine.travel("2000-02-02 10:00", tick=False)
    travel.start()
    with VirtualClock() as clock:
        clock.run(asyncio.sleep(60))
        assert agreeing() == clock.now == FROZEN + 60
        travel.stop()
        assert agreeing() == FROZEN + 60
    assert is_real()


def test_time_machine_is_refused_on_a_clock(clock):
    with (
        pytest.raises(VirtualClockUseError, match=r"time-machine was started .* virtual_clock\.move_to"),
        time_machine.travel("2000-02-02"),
    ):
        raise AssertionError
    assert agreeing() == START


def test_a_clock_is_not_told_two_dates():
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
from tests.virtual_time.test_clock import agreeing
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


def test_the_time_is_the_same_in_every_time_zone():
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


# Classes stay what they are


def test_dates_on_a_clock_are_of_the_real_classes(clock):
    class Meta(type):
        pass

    class Constrained(dt.date, metaclass=Meta):
        """As in pydantic.v1."""

    class Stamp(dt.datetime):
        pass

    assert Constrained.today() == dt.date(2026, 1, 1)
    assert type(Constrained.fromtimestamp(0)) is Constrained
    for made in (Stamp.now(dt.UTC), Stamp.now(), Stamp.fromtimestamp(time.time())):
        assert (type(made), made.timestamp()) == (Stamp, START)
        assert type(made.astimezone()) is Stamp
    assert type(dt.datetime.now(dt.UTC)) is real[4]


def test_other_threads_have_the_local_time_of_the_machine(clock):
    def look():
        then = dt.datetime(2026, 7, 1, 12)  # noqa: DTZ001
        told = (
            then.timestamp(),
            then.astimezone(),
            dt.datetime.fromtimestamp(0),  # noqa: DTZ006
            dt.date.fromtimestamp(0),  # noqa: DTZ012
            dt.date.today(),  # noqa: DTZ011
        )
        moment = time.localtime(0)
        return (
            *told,
            time.mktime(moment),
            time.strftime("%Y"),
            time.gmtime()[0],
            time.ctime(0),
        )

    with concurrent.futures.ThreadPoolExecutor() as pool:
        inside = pool.submit(look).result()
        clock._undo.close()
        assert look() == inside


def test_a_package_that_freezegun_was_told_to_ignore_has_real_dates(monkeypatch):
    monkeypatch.setattr(freezegun.config.settings, "default_ignore_list", ["app"])
    source = "import datetime as dt\ndef now(): return dt.datetime.now(dt.UTC).timestamp()"
    ignored, other = module("app.jobs", source, monkeypatch), module("apple", source, monkeypatch)
    with VirtualClock("2000-01-01") as clock:
        assert ignored.now() > START
        assert other.now() == clock.now


# How it is used


def test_there_is_one_clock(clock):
    with pytest.raises(VirtualClockUseError, match="started while another one is running"), VirtualClock():
        raise AssertionError
    clock.run(asyncio.sleep(1))
    assert clock.elapsed == 1


async def test_an_async_test_awaits(clock):
    with pytest.raises(VirtualClockUseError, match="in a running event loop") as caught:
        clock.run(asyncio.sleep(1))
    assert "await the coroutine" in str(caught.value)


def test_a_clock_runs_nothing_behind_its_end():
    with VirtualClock() as clock:
        pass
    with pytest.raises(VirtualClockUseError, match="after the end of its test"):
        clock.run(asyncio.sleep(1))


def test_a_clock_runs_coroutines_only(clock):
    with pytest.raises(InvalidArgumentError, match=r"Invalid coroutine: <function .* It must be a coroutine"):
        clock.run(call_later)


def test_an_error_of_what_runs_comes_out(clock):
    async def fail():
        await asyncio.sleep(1)
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError, match="gone"):
        clock.run(fail())


def test_a_live_test_has_no_virtual_clock():
    item = SimpleNamespace(get_closest_marker={"e2e": True}.get)
    with pytest.raises(VirtualClockUseError, match="marked e2e, but a live model takes real time"):
        clock_of_test(item, ("ollama", "e2e")).__enter__()


def test_the_function_of_an_async_test_is_wrapped_for_as_long_as_it_lasts():
    async def test():
        await asyncio.sleep(5)

    def given():
        raise AssertionError

    given.hypothesis = SimpleNamespace(inner_test=test)
    for obj, owner, name in ((test, None, "obj"), (given, given.hypothesis, "inner_test")):
        item = SimpleNamespace(obj=obj, get_closest_marker=lambda name: None)
        with clock_of_test(item) as clock:
            wrapped = getattr(owner or item, name)
            assert wrapped is not test
            assert wrapped.__name__ == "test"
            asyncio.run(wrapped())
            assert clock.elapsed == 5
        assert getattr(owner or item, name) is test


def test_an_item_without_a_function_gets_a_clock():
    with clock_of_test(SimpleNamespace(obj=None, get_closest_marker=lambda name: None)) as clock:
        clock.run(asyncio.sleep(1))


# Loops that cannot be driven


class Selectorless(asyncio.SelectorEventLoop):
    """As the proactor loop of Windows: what it has for a selector knows of no file descriptors."""

    def __init__(self):
        super().__init__()
        self.real, self._selector = self._selector, SimpleNamespace()

    def close(self):
        self._selector = self.real
        super().close()


def test_a_loop_without_a_selector_is_refused(clock):
    loop = Selectorless()
    with pytest.raises(EventLoopError, match=r"cannot drive .*\.Selectorless, which has no selector"):
        loop.run_forever()
    loop.close()


@pytest.mark.parametrize(
    ("kind", "says"),
    [("", "On trio, use trio.testing.MockClock"), ("uvloop.Loop", "uvloop.Loop, which keeps its time in C")],
)
def test_each_loop_that_cannot_be_driven_has_its_sentence(kind, says):
    assert says in str(unsupported_loop_error(kind))
    assert loop_class_name(None) == ""


def test_a_test_that_asyncio_does_not_run_is_told_so(clock):
    wrapped = clock.supervise(call_later)
    with pytest.raises(EventLoopError, match=r"trio\.testing\.MockClock"):
        wrapped(1).send(None)


# What holds it still


def wait_at(gate):
    """Block a thread until the loop waits in earnest; never for ever, should it not."""
    assert gate.wait(30)
    return "done"


async def in_to_thread(gate):
    return await asyncio.to_thread(wait_at, gate)


async def in_pool(gate):
    with concurrent.futures.ThreadPoolExecutor() as pool:
        return await asyncio.get_running_loop().run_in_executor(pool, wait_at, gate)


async def in_wrapped_future(gate):
    with concurrent.futures.ThreadPoolExecutor() as pool:
        return await asyncio.wrap_future(pool.submit(wait_at, gate))


async def in_anyio_thread(gate):
    return await anyio.to_thread.run_sync(wait_at, gate)


async def in_plain_thread(gate):
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    thread = threading.Thread(target=lambda: (wait_at(gate), loop.call_soon_threadsafe(done.set)))
    thread.start()
    await done.wait()
    thread.join()
    return "done"


async def in_subprocess(gate):
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "")
    return "done" if await process.wait() == 0 else "failed"


async def in_pipe_of_subprocess(gate):
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "print('done')", stdout=subprocess.PIPE)
    output, _ = await process.communicate()
    return output.decode().strip()


async def in_getaddrinfo(gate):
    await asyncio.get_running_loop().getaddrinfo("localhost", 80)
    return "done"


async def in_connection_to_thread(gate):
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve():
            accepted, _ = listening.accept()
            with accepted:
                accepted.sendall(wait_at(gate).encode())

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        thread.join()
    return answer.decode()


@pytest.mark.parametrize(
    "work",
    [
        in_to_thread,
        in_pool,
        in_wrapped_future,
        in_anyio_thread,
        in_plain_thread,
        in_subprocess,
        in_pipe_of_subprocess,
        in_getaddrinfo,
        in_connection_to_thread,
    ],
)
async def test_what_is_under_way_outside_holds_time_still(clock, gate, monkeypatch, work):
    monkeypatch.setattr(loop_driver, "PATIENCE", 60)
    async with asyncio.timeout(0.001):
        for _ in range(2):  # the second time, workers are there already
            gate.clear()
            assert await work(gate) == "done"
    assert clock.elapsed == 0
    await asyncio.sleep(3600)
    assert clock.elapsed == 3600


async def from_anyio_thread():
    return await anyio.to_thread.run_sync(anyio.from_thread.run, asyncio_sleep, 3600)


async def from_to_thread():
    loop = asyncio.get_running_loop()
    return await asyncio.to_thread(lambda: asyncio.run_coroutine_threadsafe(asyncio_sleep(3600), loop).result())


@pytest.mark.parametrize("work", [from_anyio_thread, from_to_thread])
async def test_a_thread_that_waits_for_the_loop_does_not_hold_it_up(clock, monkeypatch, work):
    monkeypatch.setattr(loop_driver, "PATIENCE", 60)
    async with asyncio.timeout(7201):
        await work()
        await work()
    assert clock.elapsed == 7200


async def test_a_thread_that_has_asked_the_loop_for_something_may_still_be_busy(clock, gate):
    loop = asyncio.get_running_loop()

    def ask():
        order = asyncio.run_coroutine_threadsafe(asyncio_sleep(3600), loop)
        return wait_at(gate), clock.elapsed, order.result()

    assert await asyncio.to_thread(ask) == ("done", 0, None)
    assert clock.elapsed == 3600


async def test_an_idle_worker_holds_nothing_up(clock, gate):
    with concurrent.futures.ThreadPoolExecutor() as pool:
        await asyncio.get_running_loop().run_in_executor(pool, wait_at, gate)
        await anyio.to_thread.run_sync(wait_at, gate)
        await asyncio.sleep(3600)
    assert clock.elapsed == 3600


async def test_a_thread_that_was_there_before_holds_nothing_up(gate):
    thread = threading.Thread(target=wait_at, args=[gate])
    thread.start()
    with VirtualClock() as clock:
        await asyncio.sleep(3600)
        assert clock.elapsed == 3600
    gate.set()
    thread.join()


async def test_what_takes_too_long_lets_time_go_on_at_its_own_pace(clock, gate, monkeypatch, caplog):
    monkeypatch.setattr(loop_driver, "PATIENCE", 0.002)
    stuck, ticks = threading.Event(), []

    async def tick():
        while True:
            await asyncio.sleep(0.001)
            ticks.append(clock.elapsed)

    ticking = asyncio.create_task(tick())
    working = asyncio.create_task(asyncio.to_thread(stuck.wait, 30))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(working), 0.0045)
    assert clock.elapsed == 0.0045
    assert ticks == [0.001, 0.002, 0.003, 0.004]
    assert caplog.messages == ["Virtual time continues at the pace of real time because of a call in an executor."]
    stuck.set()
    assert await working
    ticking.cancel()


def test_a_thread_that_ends_in_silence_is_noticed(clock, gate):
    async def main():
        threading.Thread(target=wait_at, args=[gate]).start()
        await asyncio.Event().wait()

    with pytest.raises(VirtualDeadlockError):
        clock.run(main())


async def test_a_signal_comes_before_time_goes_on(clock):
    loop, came = asyncio.get_running_loop(), []
    loop.add_signal_handler(signal.SIGUSR1, lambda: came.append(clock.elapsed))
    os.kill(os.getpid(), signal.SIGUSR1)
    await asyncio.sleep(1)
    loop.remove_signal_handler(signal.SIGUSR1)
    assert came == [0]


# Connections


async def hour_later(reader, writer):
    """Serve a connection: answer in capitals, an hour after the question."""
    question = await reader.readline()
    await asyncio.sleep(3600)
    writer.write(question.upper())
    writer.close()
    await writer.wait_closed()


async def test_a_server_and_its_client_in_one_loop_live_on_virtual_time(clock):
    async with await asyncio.start_server(hour_later, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"hello\n")
        async with asyncio.timeout(3601):
            assert await reader.read() == b"HELLO\n"
        writer.close()
        await writer.wait_closed()
    assert clock.elapsed == 3600


def seen(*watched):
    """Return how the running loop is seen to be connected through some file descriptors, or through all."""
    loop = asyncio.get_running_loop()
    connections = Connections(loop, watched or set(loop._selector.get_map()) - {loop._ssock.fileno()})
    return connections.outer, connections.has_inner


class Accepting(asyncio.Protocol):
    def __init__(self, accepted):
        self.connection_made = accepted.set_result


def ipv4_server(folder):
    return socket.create_server(("127.0.0.1", 0))


def ipv6_server(folder):
    return socket.create_server(("::1", 0), family=socket.AF_INET6)


def dual_stack_server(folder):
    return socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True)


def unix_server(folder):
    serving = socket.socket(socket.AF_UNIX)
    serving.bind(str(folder / "socket"))
    serving.listen()
    return serving


@pytest.mark.parametrize(
    ("serve", "family", "host"),
    [
        (ipv4_server, socket.AF_INET, "127.0.0.1"),
        (ipv6_server, socket.AF_INET6, "::1"),
        (dual_stack_server, socket.AF_INET, "127.0.0.1"),
        (unix_server, socket.AF_UNIX, None),
    ],
)
async def test_a_connection_with_both_ends_in_the_loop_is_its_own_affair(serve, family, host, tmp_path):
    loop, listening, calling = asyncio.get_running_loop(), serve(tmp_path), socket.socket(family)
    make = loop.create_server if host else loop.create_unix_server
    accepted = loop.create_future()
    async with await make(lambda: Accepting(accepted), sock=listening):
        assert seen() == ([], False)  # to listen is to wait for nobody
        name = listening.getsockname()
        calling.connect((host, name[1]) if host else name)
        calling.setblocking(False)
        here, _ = await loop.create_connection(asyncio.Protocol, sock=calling)
        there = await accepted
        assert seen() == ([], True)
        there.pause_reading()
        assert seen() == ([], True)
        there.abort()
        here.abort()


async def test_the_number_of_a_closed_connection_may_be_another_s(tmp_path):
    with ExitStack() as stack:
        listening = stack.enter_context(ipv4_server(tmp_path))
        calling, connected = (socket.create_connection(listening.getsockname()) for _ in range(2))
        accepted = [stack.enter_context(listening.accept()[0]) for _ in range(2)]
        stack.enter_context(connected)
        number = calling.fileno()
        transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=calling)
        transport.abort()
        await asyncio.sleep(0)
        os.dup2(accepted[1].fileno(), number)
        stack.callback(os.close, number)
        assert seen(connected.fileno())[1] is False


async def test_what_comes_from_elsewhere_is_called_by_its_name(tmp_path):
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        connected = stack.enter_context(socket.create_connection(listening.getsockname()))
        host, port = listening.getsockname()
        assert seen(connected.fileno()) == ([f"the connection to {host}:{port}"], False)

        named = stack.enter_context(unix_server(tmp_path))
        caller = stack.enter_context(socket.socket(socket.AF_UNIX))
        caller.connect(named.getsockname())
        assert seen(caller.fileno()) == ([f"the connection to '{tmp_path}/socket'"], False)

        pair = [stack.enter_context(end) for end in socket.socketpair()]
        number = pair[0].fileno()
        assert seen(number) == ([f"the connection to an unnamed socket, file descriptor {number}"], False)

        datagrams = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
        datagrams.bind(("127.0.0.1", 0))
        host, port = datagrams.getsockname()
        assert seen(datagrams.fileno()) == ([f"the socket at {host}:{port}, which has no peer"], False)

        for number in os.pipe():
            stack.callback(os.close, number)
        assert seen(number) == ([f"the file descriptor {number}, a pipe or a similar object"], False)


# What waits for nothing


def line(function, offset):
    """Return how a place in this file is named: a line of a function, counted from its first."""
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
    """As a coroutine that was compiled: it has no frames."""

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
async def test_a_task_waits_where_its_author_wrote_it(coroutine, place):
    task = asyncio.create_task(coroutine(), name="stuck")
    for _ in range(3):
        await asyncio.sleep(0)
    found = dict(waiting_tasks(asyncio.get_running_loop()))["stuck"]
    if ":-" in place:  # the lines of others are theirs to move
        found = re.sub(r":\d+", ":-", found)
    assert found == place
    task.cancel()
    await asyncio.wait([task])


class Stuck(Requirement):
    async def stream_validate(self, chunk, *, backend, ctx):
        await asyncio.Event().wait()


@pytest.mark.parametrize("requirements", [1, 2])
def test_a_deadlock_leads_to_the_validator_that_is_stuck(clock, requirements):
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


def test_a_deadlock_is_an_error_that_lists_every_task(clock):
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
def test_what_is_due_beyond_the_calendar_does_not_come(clock, seconds):
    with pytest.raises(VirtualDeadlockError):
        clock.run(asyncio_sleep(seconds))


def test_a_daemon_thread_is_not_waited_for_but_named(clock, gate):
    async def main():
        threading.Thread(target=wait_at, args=[gate], name="telemetry", daemon=True).start()
        await asyncio.Event().wait()

    with pytest.raises(
        VirtualDeadlockError, match=r"does not wait for daemon threads \(telemetry\)\. Use asyncio\.to_thread"
    ):
        clock.run(main())


def test_a_test_that_swallows_its_cancellation_fails_all_the_same(clock):
    async def main():
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    with pytest.raises(VirtualDeadlockError):
        clock.run(main())


def test_a_clean_up_that_fails_does_not_hide_the_deadlock(clock):
    async def main():
        try:
            await asyncio.Event().wait()
        finally:
            raise AssertionError

    with pytest.raises(VirtualDeadlockError):
        clock.run(main())


def test_a_clean_up_that_is_stuck_itself_ends_too(clock):
    async def main():
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.Event().wait()

    with pytest.raises(VirtualDeadlockError) as caught:
        clock.run(main())
    assert [place for _, place in caught.value.waiting] == [line(main, 2)]


def test_a_cancellation_by_somebody_else_stays_one(clock):
    async def main():
        try:
            await asyncio.Event().wait()
        finally:
            asyncio.current_task().cancel()

    with pytest.raises(asyncio.CancelledError):
        clock.run(main())


def test_a_loop_of_which_no_test_is_known_raises_it(clock):
    with pytest.raises(VirtualDeadlockError):
        asyncio.run(in_event())
    asyncio.run(asyncio.sleep(1))
    assert clock.elapsed == 1


def test_a_deadlock_shows_where_the_test_is_stuck(clock):
    wrapped = clock.supervise(in_call)
    with pytest.raises(VirtualDeadlockError) as caught:
        asyncio.run(wrapped())
    assert [entry.name for entry in caught.traceback][-3:] == ["in_call", "in_event", "wait"]
    assert caught.value.__suppress_context__


def test_a_marker_says_when_the_clock_of_a_test_starts():
    marker = pytest.mark.streamval_clock("2030-05-05T12:00").mark
    with clock_of_test(SimpleNamespace(obj=None, get_closest_marker={"streamval_clock": marker}.get)) as clock:
        assert clock.now == NOON
