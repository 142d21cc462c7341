"""The stream of a council: its pace, its reader, and stopping it."""

from __future__ import annotations

import asyncio
import copy
import gc

import pytest

from pytest_streamval import (
    ConcurrentReadError,
    Council,
    DifferentLoopsError,
    ModelOutputThunk,
    Script,
    Stall,
)
from tests.council.doubles import FunctionBackend

# Pace


async def test_a_paused_reader_holds_every_member_back(council) -> None:
    the_council = council(*["word " * 1000] * 3)
    seen = dict.fromkeys((member.name for member in the_council.members), 0)
    async with the_council.ask_stream("Go") as events:
        async for event in events:
            seen[event.member] += len(event.text)
            for _ in range(50):
                await asyncio.sleep(0)
            for member in the_council.members:
                sent = member.backend.calls[0].deltas_sent if member.backend.calls else 0
                assert sent - seen[member.name] <= ModelOutputThunk.capacity
            if min(seen.values()) > 100:
                break


async def test_a_second_reader_of_a_council_stream_is_an_error(council) -> None:
    async with council("Hello.").ask_stream("Go") as events:
        first = asyncio.create_task(anext(events), name="first reader")
        await asyncio.sleep(0)
        with pytest.raises(ConcurrentReadError):
            await anext(events)
        assert (await first).text == "H"


async def test_a_council_stream_starts_with_the_first_read(council) -> None:
    the_council = council("Hello.")
    events = the_council.ask_stream("Go")
    await asyncio.sleep(0)
    assert the_council.members[0].backend.calls == []
    assert len([event async for event in events]) == 8
    with pytest.raises(StopAsyncIteration):
        await anext(events)


async def test_a_copy_of_a_council_stream_is_the_stream_itself(council) -> None:
    events = council([]).ask_stream("Go")
    assert copy.copy(events) is copy.deepcopy(events) is events


async def test_a_council_stream_closed_before_the_first_read_asks_no_member(council) -> None:
    the_council = council([])
    events = the_council.ask_stream("Go")
    await events.aclose()
    assert [event async for event in events] == []


async def test_a_council_stream_cannot_be_used_in_another_event_loop(council) -> None:
    stream = council({"alice": "Hello. Hi."}).ask_stream("Hi")
    first = await anext(stream)
    assert first.type == "member_delta"
    for method in (stream.__anext__, stream.aclose):
        with pytest.raises(DifferentLoopsError, match=r"This council .* another event loop"):
            await asyncio.to_thread(_run, method)
    await stream.aclose()
    await asyncio.to_thread(_run, stream.aclose)


def _run(method) -> None:
    """Call a method in an event loop of its own."""

    async def call() -> None:
        await method()

    asyncio.run(call())


# Stopping


async def running(council):
    """Return a council whose members have sent one delta and stall, and its stream."""
    the_council = council(*[Script.of("Hello. ", Stall())] * 3)
    events = the_council.ask_stream("Go")
    for _ in range(3):
        assert (await anext(events)).text == "Hello. "
    return the_council, events


def all_stopped(the_council) -> bool:
    return all(member.backend.calls[0].cancelled for member in the_council.members)


async def test_closing_a_council_stream_stops_every_member(council) -> None:
    the_council, events = await running(council)
    assert [answer.text for answer in events.so_far().answers] == ["Hello. "] * 3
    await events.aclose()
    assert all_stopped(the_council)
    assert [answer.text for answer in events.so_far().answers] == ["Hello. "] * 3
    assert {answer.error for answer in events.so_far().answers} == {
        "CancelledError: stopped before the end of the answer"
    }
    with pytest.raises(StopAsyncIteration):
        await anext(events)
    await events.aclose()


async def test_cancelling_the_reader_stops_every_member_first(council) -> None:
    the_council, events = await running(council)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await anext(events)
    assert all_stopped(the_council)


async def test_leaving_the_loop_stops_every_member(council) -> None:
    the_council = council(*["Hello. " * 100] * 3)
    async for _ in the_council.ask_stream("Go"):
        break
    gc.collect()
    for _ in range(20):
        await asyncio.sleep(0)
    assert all_stopped(the_council)


async def test_a_test_can_end_after_it_leaves_the_loop(council) -> None:
    the_council = council(*["Hello. " * 100] * 3)
    async for _ in the_council.ask_stream("Go"):
        break


async def test_an_error_in_the_loop_stops_every_member(council) -> None:
    the_council = council(*["Hello. " * 100] * 3)

    async def breaks_off():
        async with the_council.ask_stream("Go") as events:
            async for _ in events:
                raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        await breaks_off()
    assert all_stopped(the_council)


@pytest.mark.parametrize("mode", ["synthesize", "debate"])
async def test_cancelling_ask_stops_every_member_first(council, mode) -> None:
    the_council = council(*[Script.of("Hello. ", Stall())] * 3)
    asking = asyncio.create_task(the_council.ask("Go", mode=mode), name="ask")
    for _ in range(10):
        await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert all_stopped(the_council)


async def test_leaving_the_loop_during_the_synthesis_stops_the_synthesizer(council) -> None:
    the_council = council(Script.of("Hello."), synthesizer=Script.of("So", Stall()))
    async with the_council.ask_stream("Go") as events:
        async for event in events:
            if event.type == "synthesis_delta":
                break
    assert the_council.synthesizer.backend.calls[0].cancelled
    found = events.so_far()
    assert found.answers[0].ok
    assert found.synthesis is None
    assert found.synthesizer.text == "So"


async def test_a_council_task_cancelled_by_other_code_raises_in_the_reader(council) -> None:
    the_council, events = await running(council)
    for task in asyncio.all_tasks():
        if task.get_name().startswith("streamval council 'Go'"):
            task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await anext(events)
    assert all_stopped(the_council)


async def test_a_member_task_cancelled_by_other_code_is_the_error_of_its_member(council) -> None:
    the_council, events = await running(council)
    for task in asyncio.all_tasks():
        if task.get_name() == "streamval council member-2":
            task.cancel()
    for member in (the_council.members[0], the_council.members[2]):
        await member.backend.calls[0].thunk.cancel_generation()
    left = [event async for event in events]
    assert [answer.error.partition(":")[0] for answer in left[-1].result.answers] == [
        "GenerationCancelledError",
        "CancelledError",
        "GenerationCancelledError",
    ]


async def test_closing_a_council_stream_waits_for_slow_clean_ups() -> None:
    ended = []

    async def answer(ctx):
        async def produce(thunk):
            await thunk.put("Hel")
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                for _ in range(5):
                    await asyncio.sleep(0)
                ended.append(True)

        thunk = ModelOutputThunk()
        thunk.start(produce)
        return thunk, ctx.add(thunk)

    events = Council([FunctionBackend(answer)]).ask_stream("Go")
    await anext(events)
    await events.aclose()
    assert ended == [True]


def test_dropping_a_council_stream_outside_its_loop_stops_every_member(council) -> None:
    the_council = council(*[Script.of("Hello. ", Stall())] * 3)
    with asyncio.Runner() as runner:
        events = the_council.ask_stream("Go")
        for _ in range(3):
            runner.run(anext(events))
        del events
        gc.collect()
        for _ in range(20):
            runner.run(asyncio.sleep(0))
        assert all_stopped(the_council)


def test_a_council_stream_can_be_dropped_after_its_loop_is_closed(council) -> None:
    the_council = council(Script.of("Hello. ", Stall()))
    loop = asyncio.new_event_loop()
    events = the_council.ask_stream("Go")
    loop.run_until_complete(anext(events))
    task = events._task
    loop.run_until_complete(events.aclose())
    loop.close()
    del events
    assert task.done()


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_keyboard_interrupt_and_system_exit_pass_through_a_council(streaming_mock_backend, error) -> None:
    async def ends(ctx):
        raise error

    with pytest.raises(error):
        Council([FunctionBackend(ends)]).ask_sync("Go")
    gc.collect()  # asyncio reports the abandoned task of the council now, and not at the end of the test run
