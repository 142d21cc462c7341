"""Virtual time: the timers and functions that it moves, and the use of a clock."""

import asyncio
import datetime as dt
import time
from types import SimpleNamespace

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest

from pytest_streamval import (
    Delay,
    InvalidArgumentError,
    PartialValidationResult,
    Requirement,
    Script,
    SimpleContext,
    Stall,
    StreamingMockBackend,
    stream_with_chunking,
)
from pytest_streamval.errors import EventLoopError, ValidatorTimeoutError, VirtualClockUseError, unsupported_loop_error
from pytest_streamval.plugin.clock import clock_of_test
from pytest_streamval.virtual_time import VirtualClock
from pytest_streamval.virtual_time.loop_driver import loop_class_name
from tests.virtual_time.shared import (
    NOON,
    START,
    asyncio_sleep,
    call_later,
)


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


async def test_all_functions_of_time_agree_on_a_virtual_clock(clock):
    assert clock.now == START
    await asyncio.sleep(90.25)
    assert clock.now == time.time() == START + 90.25
    assert time.time_ns() == int(START) * 1_000_000_000 + 90_250_000_000
    assert dt.datetime.now(dt.UTC).timestamp() == START + 90.25
    assert dt.date.today() == dt.date(2026, 1, 1)  # noqa: DTZ011  # as applications do
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


async def test_timers_fire_in_the_order_in_which_they_are_due(clock):
    order = []

    async def after(seconds):
        await asyncio.sleep(seconds)
        order.append((seconds, clock.elapsed))

    await asyncio.gather(*[after(seconds) for seconds in (3, 1, 2, 0, 7200)])
    assert order == [(0, 0), (1, 1), (2, 2), (3, 3), (7200, 7200)]


async def test_nested_timeouts_fire_in_the_order_in_which_they_are_due(clock):
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


async def test_a_validator_times_out_before_its_run_does(clock):
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


async def test_a_timeout_ends_a_stalled_stream_in_virtual_time(clock):
    backend = StreamingMockBackend(Script.of("So far. ", "And", Stall()))
    result = await stream_with_chunking("Go", backend, SimpleContext())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(result.acomplete(), 30)
    assert (clock.elapsed, backend.calls[0].cancelled) == (30, True)


async def test_virtual_time_continues_for_years(clock):
    for _ in range(3):
        await asyncio.sleep(1e9)
        await asyncio.sleep(1e-6)
    assert clock.elapsed == pytest.approx(3e9)


def test_a_run_on_a_clock_starts_when_the_last_one_ended(clock):
    async def sleep():
        await asyncio.sleep(10)
        return clock.elapsed

    assert [clock.run(sleep()), clock.run(sleep()), clock.elapsed] == [10, 20, 20]
    asyncio.run(sleep())
    assert clock.elapsed == 30


def test_a_blocking_sleep_moves_virtual_time_and_delays_other_tasks(clock):
    async def main():
        ticking = asyncio.create_task(asyncio.sleep(1))
        await asyncio.sleep(0)
        time.sleep(60)  # noqa: ASYNC251  # as a badly behaved application does
        await ticking
        return clock.elapsed

    assert clock.run(main()) == 60
    with pytest.raises(ValueError, match="non-negative"):
        time.sleep(-1)


async def test_a_clock_can_be_started_in_a_running_loop():
    began = time.monotonic()
    with VirtualClock() as clock:
        await asyncio.sleep(3600)
        assert clock.elapsed == 3600
    assert time.monotonic() - began < 3600
    assert "time" not in vars(asyncio.get_running_loop())


# Use


def test_a_process_has_one_running_clock(clock):
    with pytest.raises(VirtualClockUseError, match="started while another one is running"), VirtualClock():
        raise AssertionError
    clock.run(asyncio.sleep(1))
    assert clock.elapsed == 1


async def test_a_clock_does_not_run_a_coroutine_in_a_running_loop(clock):
    with pytest.raises(VirtualClockUseError, match="in a running event loop") as caught:
        clock.run(asyncio.sleep(1))
    assert "await the coroutine" in str(caught.value)


def test_a_clock_runs_nothing_after_its_end():
    with VirtualClock() as clock:
        pass
    with pytest.raises(VirtualClockUseError, match="after the end of its test"):
        clock.run(asyncio.sleep(1))


def test_a_clock_runs_only_coroutines(clock):
    with pytest.raises(InvalidArgumentError, match=r"Invalid coroutine: <function .* It must be a coroutine"):
        clock.run(call_later)


def test_a_clock_raises_the_error_of_a_coroutine(clock):
    async def fail():
        await asyncio.sleep(1)
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError, match="gone"):
        clock.run(fail())


def test_a_live_test_cannot_have_a_clock():
    item = SimpleNamespace(get_closest_marker={"e2e": True}.get)
    with pytest.raises(VirtualClockUseError, match="marked e2e, but a live model takes real time"):
        clock_of_test(item, ("ollama", "e2e")).__enter__()


def test_a_clock_wraps_the_function_of_an_async_test():
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


# Unsupported loops


class Selectorless(asyncio.SelectorEventLoop):
    """A loop like the proactor loop of Windows, whose selector has no file descriptors."""

    def __init__(self):
        super().__init__()
        self.real, self._selector = self._selector, SimpleNamespace()

    def close(self):
        self._selector = self.real
        super().close()


def test_a_clock_refuses_a_loop_without_a_selector(clock):
    loop = Selectorless()
    with pytest.raises(EventLoopError, match=r"cannot drive .*\.Selectorless, which has no selector"):
        loop.run_forever()
    loop.close()


@pytest.mark.parametrize(
    ("kind", "says"),
    [("", "On trio, use trio.testing.MockClock"), ("uvloop.Loop", "uvloop.Loop, which keeps its time in C")],
)
def test_an_unsupported_loop_error_has_advice_for_each_kind_of_loop(kind, says):
    assert says in str(unsupported_loop_error(kind))
    assert loop_class_name(None) == ""


def test_a_clock_refuses_a_test_that_asyncio_does_not_run(clock):
    wrapped = clock.supervise(call_later)
    with pytest.raises(EventLoopError, match=r"trio\.testing\.MockClock"):
        wrapped(1).send(None)


def test_the_marker_streamval_clock_sets_the_start():
    marker = pytest.mark.streamval_clock("2030-05-05T12:00").mark
    with clock_of_test(SimpleNamespace(obj=None, get_closest_marker={"streamval_clock": marker}.get)) as clock:
        assert clock.now == NOON
