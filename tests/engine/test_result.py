"""The handle of a run: reading it, waiting for it, ending it, dropping it."""

import asyncio
import gc
import itertools
import threading
import weakref
from contextlib import aclosing, suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_streamval import (
    ModelOutputThunk,
    Raise,
    Requirement,
    Script,
    SimpleContext,
    Stall,
    StreamingMockBackend,
    stream_with_chunking,
)
from pytest_streamval.engine.chunking_strategy import ChunkingStrategy
from pytest_streamval.engine.events import ChunkEvent, CompletedEvent, ErrorEvent
from pytest_streamval.engine.requirement import PartialValidationResult
from pytest_streamval.model import Delta, Usage

STORY = ["One. ", "Two", ".  Thr", "ee \n"]


class Commas(ChunkingStrategy):
    """Cuts at commas, which it drops, and keeps the fragment to itself."""

    def split(self, accumulated_text):
        return [part for part in accumulated_text.split(",")[:-1] if part]


def drop_warning():
    return pytest.warns(ResourceWarning, match=r"dropped while its generation was running.*'async with'")


# Readers


async def test_astream_returns_the_released_chunks_and_ends_with_the_run(start, judge, assert_over):
    result, backend = await start(STORY, judge())
    assert [chunk async for chunk in result.astream()] == ["One.", "Two.", "Three"]
    assert_over(result, backend)


async def test_a_chunk_can_be_read_before_the_next_one_was_sent(start, assert_over):
    gate = asyncio.Event()
    result, backend = await start(["One. ", gate.wait, "Two. "])
    reader = result.astream()
    assert await anext(reader) == "One."
    assert backend.sent == ["One. "]
    gate.set()
    assert [chunk async for chunk in reader] == ["Two."]
    assert_over(result, backend)


@pytest.mark.parametrize("when", ["from the start", "afterwards"])
async def test_events_returns_the_events_of_history(start, judge, when):
    result, _ = await start(STORY, judge())
    if when == "afterwards":
        await result.acomplete()
    events = [event async for event in result.events()]
    assert tuple(events) == result.history
    assert len(events) == 9


async def test_events_can_be_read_as_they_happen(start, judge, turns, spawn):
    gate = asyncio.Event()
    result, _ = await start(["One. ", gate.wait], judge())
    reader = result.events()
    seen = [await anext(reader), await anext(reader)]
    assert tuple(seen) == result.history
    waiting = spawn(anext(reader))
    await turns(5)
    assert not waiting.done()
    gate.set()
    assert await waiting == result.history[2]
    await result.acomplete()


async def test_both_readers_get_everything_independently(start, judge):
    result, _ = await start(STORY, judge())

    async def collect(reader):
        return [each async for each in reader]

    chunks, events = await asyncio.gather(collect(result.astream()), collect(result.events()))
    assert chunks == [event.text for event in events if isinstance(event, ChunkEvent)]
    assert len(chunks) == 3


@pytest.mark.parametrize("method", ["astream", "events"])
@pytest.mark.parametrize("over", [False, True])
async def test_a_second_reader_is_refused_at_once(start, method, over):
    result, _ = await start(STORY)
    getattr(result, method)()
    if over:
        await result.acomplete()
    with pytest.raises(RuntimeError, match=rf"{method}\(\) has one reader, and is being read already.*history"):
        getattr(result, method)()
    await result.acomplete()


@pytest.mark.parametrize("method", ["astream", "events"])
async def test_a_second_task_with_the_same_reader_is_refused_and_the_first_loses_nothing(
    start, never, turns, method, spawn
):
    gate = asyncio.Event()
    result, _ = await start([gate.wait, "One."])
    reader = getattr(result, method)()
    first = spawn(anext(reader))
    await turns(3)
    with pytest.raises(RuntimeError, match=rf"{method}\(\) is being read already"):
        await anext(reader)
    gate.set()
    assert await first in {"One.", result.history[0]}
    await result.acomplete()


async def test_readers_continue_after_a_break(start):
    result, _ = await start(["One. Two. Three. "])
    reader = result.astream()
    assert aiter(reader) is reader
    async for first in reader:
        assert first == "One."
        break
    assert [chunk async for chunk in reader] == ["Two.", "Three."]
    assert await anext(reader, "nothing") == "nothing"


async def test_events_never_raises_the_error_of_the_run(start, judge, never):
    result, _ = await start(["One. ", never], judge(ValueError("broken")))
    events = [event async for event in result.events()]
    assert [type(event) for event in events] == [ErrorEvent, CompletedEvent]
    with pytest.raises(ValueError, match="broken"):
        await result.acomplete()


async def test_cancelling_a_reader_of_events_leaves_the_run_alone(start, judge, turns, assert_over, spawn):
    gate = asyncio.Event()
    result, backend = await start(["One. ", gate.wait, "Two. "])
    reader = result.events()
    await anext(reader)
    waiting = spawn(anext(reader))
    await turns(3)
    waiting.cancel()
    await turns(2)
    assert waiting.cancelled()
    gate.set()
    rest = [event async for event in reader]
    assert rest == list(result.history[1:])
    assert result.completed
    await result.acomplete()
    assert_over(result, backend)


# Lossless


@pytest.mark.parametrize("late", [False, True], ids=["while it runs", "afterwards"])
@pytest.mark.parametrize(
    ("chunking", "steps", "pieces"),
    [
        ("sentence", STORY, ["One.", " Two.", "  Three", " \n"]),
        ("sentence", [" One.", "\n\nTwo. "], [" One.", "\n\nTwo.", " "]),
        ("word", ["a", " b  ", "c"], ["a", " b", "  c"]),
        ("paragraph", ["a\n\n", "b\r\n\r\nc\n"], ["a", "\n\nb", "\r\n\r\nc\n"]),
        ("line", ["\na\n", "\nb"], ["\na", "\n\nb"]),
        (None, ["a", "", " b"], ["a", " b"]),
        (Commas(), ["a,,b", ",c,d"], ["a", ",,b", ",c", ",d"]),
        (Commas(), ["none"], ["none"]),
        ("sentence", [], []),
        ("sentence", ["  "], ["  "]),
    ],
)
async def test_lossless_pieces_join_to_the_full_text(start, turns, late, chunking, steps, pieces):
    result, _ = await start([each for step in steps for each in (step, turns)], chunking=chunking)
    if late:
        await result.acomplete()
    got = [piece async for piece in result.astream(lossless=True)]
    assert got == pieces
    assert "".join(got) == result.full_text == "".join(steps)


@pytest.mark.streamval_not_cancelled  # it catches a cancellation
@pytest.mark.parametrize("late", [False, True], ids=["while it runs", "afterwards"])
@pytest.mark.parametrize("ends", ["early", "with an error", "cancelled"])
async def test_lossless_pieces_join_to_the_released_text_of_a_stopped_run(start, judge, never, turns, late, ends):
    third = {"early": "fail", "with an error": ValueError(), "cancelled": never}[ends]
    result, _ = await start([" One.", "  Two", ".\nThree. ", never], judge("pass", "pass", third))
    if ends == "cancelled":
        await turns(8)
        result.task.cancel()
    if late:
        with suppress(ValueError, asyncio.CancelledError):
            await result.acomplete()
    got = []
    with suppress(ValueError, asyncio.CancelledError):
        async for piece in result.astream(lossless=True):
            got.append(piece)  # noqa: PERF401  # the pieces before the error count
    assert got == [" One.", "  Two."]
    assert "".join(got) == result.full_text


@given(
    st.lists(st.text("a. \n,", max_size=6), max_size=8),
    st.sampled_from(["sentence", "word", "line", "paragraph", None]),
)
@settings(max_examples=40, deadline=None)
def test_lossless_pieces_join_to_any_text(start, steps, chunking):
    async def run():
        result, _ = await start(steps, chunking=chunking)
        return [piece async for piece in result.astream(lossless=True)]

    assert "".join(asyncio.run(run())) == "".join(steps)


# Its state


async def test_the_repr_of_a_result_shows_its_state(start, judge, never, turns):
    result, backend = await start(["One. ", never])
    assert repr(result) == "<StreamChunkingResult running, 0 events>"
    assert (result.completed, result.full_text, result.deltas_read, result.history) == (False, "", 0, ())
    await turns(5)
    assert repr(result) == "<StreamChunkingResult running, 1 events>"
    assert (result.completed, result.full_text, result.deltas_read) == (False, "One.", 1)
    await result.aclose()
    assert repr(result) == "<StreamChunkingResult stopped, 2 events>"
    result, backend = await start(["One. ", "Two"])
    await result.acomplete()
    assert repr(result).startswith("<StreamChunkingResult completed, ")
    assert result.deltas_read == len(backend.sent) == 2


async def test_as_thunk_is_available_after_the_run(start, never):
    result, _ = await start(["One. ", never])
    with pytest.raises(RuntimeError, match=r"Await acomplete\(\)"):
        _ = result.as_thunk
    await result.aclose()
    thunk = result.as_thunk
    assert thunk.is_computed()
    assert (thunk.value, thunk.cancelled) == ("", True)
    assert await thunk.astream() == await thunk.avalue() == ""


async def test_as_thunk_has_the_full_text_and_the_metadata(start, played):
    backend = played("One. ", Delta("Two", usage=Usage(1, 2), finish_reason="stop"))
    result, _ = await start(backend)
    await result.acomplete()
    thunk = result.as_thunk
    assert (thunk.value, str(thunk), thunk.cancelled) == ("One. Two", "One. Two", False)
    assert (thunk.generation.usage, thunk.generation.finish_reason) == (Usage(1, 2), "stop")
    assert thunk.generation.ttfb_ms is not None


async def test_as_thunk_has_only_released_text_after_an_early_exit(start, judge):
    result, _ = await start([Delta("One. ", usage=Usage(1, 1)), "Bad. ", "Three."], judge("pass", "fail"))
    await result.acomplete()
    thunk = result.as_thunk
    assert thunk.value == await thunk.astream() == "One."
    assert thunk.generation.usage is None


async def test_as_thunk_after_an_error_can_be_read(start, judge):
    result, _ = await start(["One. ", OSError("lost")])
    with pytest.raises(OSError, match="lost"):
        await result.acomplete()
    assert await result.as_thunk.astream() == result.full_text == "One."


async def test_a_change_of_the_list_final_validations_does_not_change_the_result(start, judge):
    result, _ = await start(["One. "], judge())
    await result.acomplete()
    result.final_validations.clear()
    assert len(result.final_validations) == 1


# Ending it


@pytest.mark.parametrize("requirements", [0, 1, 3])
async def test_aclose_stops_everything_and_can_be_called_again(
    start, judge, never, suspending, turns, assert_over, shape, requirements
):
    judges = [judge(suspending(1), never) for _ in range(requirements)]
    result, backend = await start(["One. ", "Two. ", never], *judges)
    await turns(9)
    await result.aclose()
    assert backend.stopped
    history = result.history
    await result.aclose()
    await result.acomplete()
    assert result.history == history
    assert shape(history)[-1] == "completed False"
    assert [each.record.cancelled for each in judges] == [1] * requirements
    assert_over(result, backend, *judges)


async def test_aclose_after_the_run_has_no_effect(start, judge, assert_over):
    result, backend = await start(STORY, judge())
    await result.acomplete()
    history = result.history
    await result.aclose()
    assert result.history == history
    assert result.completed
    assert_over(result, backend)


async def test_aclose_of_a_failed_run_leaves_its_error_to_be_raised(start, judge, turns):
    result, _ = await start(STORY, judge(ValueError("broken")))
    await turns(9)
    await result.aclose()
    with pytest.raises(ValueError, match="broken"):
        await result.acomplete()


async def test_events_before_the_end_remain_readable(start, never):
    result, _ = await start(["One. ", never])
    async with result:
        await anext(result.events())
    assert [chunk async for chunk in result.astream()] == ["One."]


async def test_several_tasks_may_wait_for_and_close_one_run(start, never, turns, assert_over, spawn):
    result, backend = await start(["One. ", never])
    waiting = [spawn(result.acomplete()) for _ in range(3)]
    await turns(3)
    await asyncio.gather(result.aclose(), result.aclose())
    await asyncio.gather(*waiting)
    assert_over(result, backend)


async def test_a_clean_exit_stops_a_run(start, never, turns, assert_over):
    result, backend = await start(["One. ", never])
    async with result as entered:
        assert entered is result
        await turns(5)
    assert result.full_text == "One."
    assert_over(result, backend)


async def test_a_clean_exit_raises_an_error_that_was_not_received(start, judge, turns, assert_over):
    result, backend = await start(STORY, judge(ValueError("broken")))
    with pytest.raises(ValueError, match="broken"):
        async with result:
            await turns(9)
    await result.acomplete()
    assert_over(result, backend)


async def leave_by_an_exception(result, waiting):
    async with result:
        await waiting
        raise KeyError("mine")


async def test_an_exit_by_an_exception_keeps_that_exception(start, judge, never, turns, assert_over):
    for answer in (never, ValueError("broken")):
        result, backend = await start(STORY, judge(answer))
        with pytest.raises(KeyError, match="mine"):
            await leave_by_an_exception(result, turns(9))
        assert not result.completed
        assert_over(result, backend)


async def test_leaving_at_once_stops_a_run_that_has_not_begun(start, assert_over, left, turns):
    result, backend = await start(STORY)
    async with result:
        pass
    assert result.history == (CompletedEvent(False, "", 1),)
    assert_over(result, backend)


@pytest.mark.parametrize("begun", [0, 5])
@pytest.mark.parametrize("slow", [0, 6])
async def test_an_error_of_the_clean_up_does_not_replace_the_exception_of_a_block(
    start, never, turns, assert_over, begun, slow
):
    async def untidy():
        await turns(slow)
        raise OSError("connection lost")

    result, backend = await start(["One. ", never], cleanup=untidy)
    with pytest.raises(KeyError, match="mine"):
        await leave_by_an_exception(result, turns(begun))
    assert_over(result, backend)


async def test_an_error_of_the_clean_up_comes_after_the_error_of_the_run(start, never, turns, assert_over):
    async def untidy():
        await turns(6)
        raise OSError("connection lost")

    result, backend = await start(["One. ", never], cleanup=untidy)
    result.task.cancel()
    await turns(2)
    with pytest.raises(asyncio.CancelledError) as caught:
        await result.acomplete()
    assert str(caught.value.__context__) == "connection lost"
    await result.acomplete()
    assert_over(result, backend)


# From inside


@pytest.mark.parametrize(("suspends", "suspends_again"), [(0, 0), (0, 2), (2, 0), (2, 2)])
@pytest.mark.parametrize("peers", [0, 1])
@pytest.mark.parametrize("final", [False, True])
async def test_a_validator_may_close_its_own_run(
    start, judge, never, turns, assert_over, shape, suspends, suspends_again, peers, final
):
    async def close(about):
        await turns(suspends)
        await result.aclose()
        await turns(suspends_again)
        return True if final else "pass"

    judges = [judge("pass", final=close) if final else judge("pass", close), *(judge() for _ in range(peers))]
    result, backend = await start(["One. ", "Two. "] if final else ["One. ", "Two. ", never], *judges)
    await result.acomplete()
    assert shape(result.history)[-1] == "completed False"
    assert result.full_text == ("One. Two." if final else "One.")
    assert_over(result, backend, *judges)


@pytest.mark.parametrize("peers", [0, 1])
@pytest.mark.parametrize("through", ["acomplete", "astream"])
async def test_a_validator_that_waits_for_its_own_run_raises(start, judge, assert_over, through, peers):
    async def wait(chunk):
        if through == "acomplete":
            await result.acomplete()
        async for _ in result.astream():
            pass

    judges = [judge(wait, name="waits"), *(judge() for _ in range(peers))]
    result, backend = await start(["One. "], *judges)
    if through == "acomplete":
        with pytest.raises(RuntimeError, match="called by a validator of the same run"):
            await result.acomplete()
    else:
        events = result.events()
        for _ in range(3):
            await asyncio.sleep(0)
        await result.aclose()
        assert [event async for event in events] == list(result.history)
    assert_over(result, backend, *judges)


async def test_a_validator_that_suppresses_its_cancellation_does_not_keep_the_run_alive(
    start, judge, never, turns, assert_over, shape
):
    async def stubborn(chunk):
        with suppress(asyncio.CancelledError):
            await never()
        return "pass"

    async def more():
        while True:
            await backend.thunk.put("More. ")

    for peers in (0, 1):
        judges = [judge("pass", stubborn), *(judge() for _ in range(peers))]
        result, backend = await start(["One. ", "Two. ", more], *judges)
        await turns(9)
        await result.aclose()
        assert shape(result.history) == ["check 0 passed", "chunk 0 One.", "completed False"]
        assert_over(result, backend)


# Callers that are cancelled


@pytest.mark.streamval_not_cancelled  # it catches a cancellation
@pytest.mark.parametrize("how", ["acomplete", "astream", "lossless", "async with"])
async def test_cancelling_a_caller_that_waits_stops_everything(start, never, turns, assert_over, how, judge, spawn):
    judges = [judge(), judge(never)]
    result, backend = await start(["One. ", never], *judges)

    async def wait():
        if how == "acomplete":
            await result.acomplete()
        elif how == "async with":
            async with result:
                await never()
        else:
            async for _ in result.astream(lossless=how == "lossless"):
                pass

    caller = spawn(wait())
    await turns(6)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert result.task.done()
    assert backend.stopped
    assert_over(result, backend, *judges)
    await result.acomplete()


@pytest.mark.parametrize("wait", [asyncio.timeout, asyncio.wait_for])
@pytest.mark.parametrize("through", ["acomplete", "astream"])
async def test_an_outer_time_limit_ends_as_a_timeout(
    start, judge, never, loop_clock, turns, assert_over, wait, through, spawn
):
    judges = [judge("pass", never), judge()]
    result, backend = await start(["One. ", "Two. ", never], *judges, cleanup=lambda: turns(3))

    async def read():
        if through == "acomplete":
            await result.acomplete()
        async for _ in result.astream():
            pass

    async def limited():
        if wait is asyncio.wait_for:
            await asyncio.wait_for(read(), 5)
        async with asyncio.timeout(5):
            await read()

    caller = spawn(limited())
    await turns(9)
    loop_clock.advance(6)
    with pytest.raises(TimeoutError):
        await caller
    assert result.full_text == "One."
    assert_over(result, backend, *judges)


# Cancelled anywhere


async def cancel_task(result, caller):
    result.task.cancel()


async def cancel_task_twice(result, caller):
    result.task.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    result.task.cancel()


async def cancel_caller(result, caller):
    caller.cancel()


async def cancel_caller_twice(result, caller):
    caller.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    caller.cancel()


async def cancel_both(result, caller):
    caller.cancel()
    result.task.cancel()


async def close(result, caller):
    await result.aclose()


async def close_and_cancel_the_closing(result, caller):
    closing = asyncio.ensure_future(result.aclose())
    for _ in range(3):
        await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait([closing])


SCENARIOS = {
    "natural end": (["pass", "pass"], True),
    "early exit": (["pass", "fail"], True),
    "validator raises": (["pass", ValueError("broken")], True),
    "final validation raises": (["pass", "pass"], ValueError("broken")),
    "final validation fails": (["pass", "pass"], False),
}


@pytest.mark.streamval_not_cancelled  # it cancels its runs at every moment
@pytest.mark.parametrize(("count", "through"), [(1, "acomplete"), (4, "astream")])
@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize(
    "cancel",
    [
        cancel_task,
        cancel_task_twice,
        cancel_caller,
        cancel_caller_twice,
        cancel_both,
        close,
        close_and_cancel_the_closing,
    ],
    ids=lambda function: function.__name__,
)
async def test_a_run_cancelled_at_any_moment_ends_well(
    start, judge, suspending, turns, never, assert_over, count, scenario, cancel, through, spawn
):
    answers, final = SCENARIOS[scenario]

    async def tidy(about):
        try:
            await never()
        finally:
            await turns(2)

    async def read(result):
        if through == "acomplete":
            await result.acomplete()
        async for _ in result.astream():
            pass

    for moment in itertools.count():
        judges = [judge(*(suspending(2, answer) for answer in answers), final=suspending(2, final))]
        judges += [judge(suspending(1), suspending(4)) for _ in range(1, count)]
        if scenario in {"validator raises", "early exit"} and count > 2:
            judges[0] = judge("pass", tidy)
            judges[1] = judge(*(suspending(2, answer) for answer in answers))
        steps = ["One. ", turns, "Two. Thr", "ee", lambda: turns(2)]
        result, backend = await start(steps, *judges, cleanup=lambda: turns(2), fail_fast=scenario == "early exit")
        caller = spawn(read(result))
        await turns(moment)
        over = result.task.done()
        await cancel(result, caller)
        await asyncio.wait([caller])
        if not caller.cancelled():
            caller.exception()
        with suppress(ValueError, asyncio.CancelledError):
            await result.acomplete()
        assert_over(result, backend, *judges)
        assert [event async for event in result.events()] == list(result.history)
        if over:
            break
    assert moment > 5


@pytest.mark.parametrize("wait", [asyncio.timeout, asyncio.wait_for])
@pytest.mark.parametrize("count", [1, 2])
async def test_a_time_limit_that_ends_a_run_at_any_moment_is_a_timeout(
    start, judge, suspending, turns, assert_over, loop_clock, wait, count, spawn
):
    ended_by_itself = False
    for moment in itertools.count():
        judges = [judge(suspending(2), suspending(3)) for _ in range(count)]
        result, backend = await start(["One. ", turns, "Two. "], *judges, cleanup=lambda: turns(2))

        async def limited(result=result):
            if wait is asyncio.wait_for:
                await asyncio.wait_for(result.acomplete(), 5)
            async with asyncio.timeout(5):
                await result.acomplete()

        caller = spawn(limited())
        await turns(moment)
        ended_by_itself = caller.done()
        loop_clock.advance(6)
        try:
            await caller
        except TimeoutError:
            assert not ended_by_itself
        else:
            assert result.completed
        assert_over(result, backend, *judges)
        if ended_by_itself:
            break


@pytest.mark.parametrize("requirements", [0, 1, 2])
async def test_a_task_cancelled_before_its_first_step_completes_its_run(start, judge, shape, assert_over, requirements):
    judges = [judge() for _ in range(requirements)]
    result, backend = await start(STORY, *judges)
    result.task.cancel()
    events = [event async for event in result.events()]
    assert shape(events) == ["completed False"]
    with pytest.raises(asyncio.CancelledError, match="before it began"):
        await result.acomplete()
    await result.acomplete()
    assert backend.thunk.cancelled
    assert_over(result, backend, *judges)


# Dropped


@pytest.mark.parametrize("moment", range(0, 16, 3))
@pytest.mark.parametrize("requirements", [0, 1, 2])
async def test_dropping_the_last_reference_stops_everything(
    start, judge, suspending, never, turns, left, moment, requirements
):
    judges = [judge(suspending(2), never) for _ in range(requirements)]
    result, backend = await start(["One. ", turns, "Two. ", never], *judges, cleanup=lambda: turns(2))
    await turns(moment)
    with drop_warning():
        del result
    await turns(12)
    assert left() == set()
    assert not backend.running
    assert not backend.finished
    assert [each.record.running for each in judges] == [0] * requirements


async def test_a_reader_keeps_its_run_alive(start, judge, turns, left):
    result, backend = await start(STORY)
    reader = result.astream()
    del result
    gc.collect()
    assert [chunk async for chunk in reader] == ["One.", "Two.", "Three"]
    assert backend.finished


async def test_dropping_the_last_reader_drops_its_run(start, never, turns, left):
    result, backend = await start(["One. ", never])
    reader = result.astream()
    del result
    await anext(reader)
    with drop_warning():
        del reader
    await turns(9)
    assert backend.stopped
    assert left() == set()


async def test_a_finished_run_can_be_dropped_without_a_warning(start, judge):
    result, _ = await start(STORY, judge())
    await result.acomplete()
    del result
    gc.collect()


async def test_a_run_dropped_in_another_thread_stops(start, never, turns, left):
    result, backend = await start(["One. ", never])
    await turns(5)
    holder = [result]
    del result
    with drop_warning():
        thread = threading.Thread(target=holder.clear)
        thread.start()
        thread.join()
    await turns(9)
    assert backend.stopped
    assert left() == set()


def test_a_run_dropped_after_its_loop_was_closed_only_warns(start, never):
    loop = asyncio.new_event_loop()
    result, _ = loop.run_until_complete(start(["One. ", never]))
    tasks = asyncio.all_tasks(loop)
    loop.close()
    with drop_warning():
        del result
    for task in tasks:
        task._log_destroy_pending = False
        task.get_coro().close()


def test_asyncio_run_ends_a_run_that_its_main_function_left(start, never, judge, shape):
    kept = []

    async def main():
        kept.append(await start(["One. ", never], judge()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    asyncio.run(main())
    [(result, backend)] = kept
    assert shape(result.history)[-1] == "completed False"
    assert backend.stopped


@pytest.mark.parametrize(("requirements", "ends"), [(0, "naturally"), (1, "early"), (4, "naturally"), (4, "early")])
async def test_a_finished_run_is_freed_without_the_cyclic_collector(
    start, judge, suspending, turns, no_cyclic_gc, requirements, ends
):
    verdicts = ["pass", suspending(1), "fail" if ends == "early" else "pass"]
    judges = [judge(*verdicts) for _ in range(requirements)]
    result, backend = await start(["One. ", "Two. ", "Three. "], *judges)
    chunks = [chunk async for chunk in result.astream()]
    assert len(chunks) == (2 if ends == "early" and requirements else 3)
    gone = [weakref.ref(each) for each in (result, result._run, result.task, backend.thunk)]
    del result, backend, judges
    await turns(3)
    assert [reference() for reference in gone] == [None] * 4


@pytest.mark.parametrize("ends", ["raising", "cancelled"])
async def test_a_run_that_ended_with_an_error_is_freed(start, judge, never, turns, ends):
    result, backend = await start(["One. ", never], judge(ValueError() if ends == "raising" else never), judge(never))
    await turns(6)
    result.task.cancel()
    with suppress(ValueError, asyncio.CancelledError):
        await result.acomplete()
    gone = [weakref.ref(each) for each in (result, result._run, result.task, backend.thunk)]
    del result, backend
    await turns(3)
    gc.collect()
    assert [reference() for reference in gone] == [None] * 4


async def test_the_requirements_of_a_result_are_the_copies_of_the_run():
    class Collecting(Requirement):
        def __init__(self):
            super().__init__(validation_fn=lambda ctx: False)
            self.seen = []

        async def stream_validate(self, chunk, *, backend, ctx):
            self.seen.append(chunk)
            return PartialValidationResult("pass")

    original = Collecting()
    backend = StreamingMockBackend("One. Two.")
    result = await stream_with_chunking("Go on", backend, SimpleContext(), requirements=[original])
    await result.acomplete()
    [worked_on] = result.requirements
    assert worked_on.seen == ["One.", "Two."]
    assert original.seen == []
    assert result.completed
    assert repr(result) == "<StreamChunkingResult completed but not valid, 7 events>"


# What a review found


class Failing(Requirement):
    """Raises the given error."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    async def stream_validate(self, chunk, *, backend, ctx):
        raise self.error


class MuteError(Exception):
    def __str__(self):
        raise ValueError("no words")


@pytest.mark.parametrize(
    ("error", "kind", "detail"),
    [
        (StopAsyncIteration(), RuntimeError, "ended the reader's loop in silence"),
        (MuteError(), MuteError, "<its message raised ValueError>"),
        (pytest.fail.Exception("by hand"), pytest.fail.Exception, "by hand"),
        (GeneratorExit("odd"), GeneratorExit, "odd"),
    ],
    ids=["an end of iteration", "without words", "of pytest", "no Exception"],
)
@pytest.mark.parametrize("through", ["astream", "acomplete"])
async def test_unusual_errors_are_raised_too(error, kind, detail, through):
    backend = StreamingMockBackend("One. Two.")
    result = await stream_with_chunking("Go on", backend, SimpleContext(), requirements=[Failing(error)])
    with pytest.raises(kind):
        await (anext(result.astream()) if through == "astream" else result.acomplete())
    [told] = [event for event in result.history if isinstance(event, ErrorEvent)]
    assert told.exception_type == kind.__name__
    assert detail in told.detail
    assert isinstance(result.history[-1], CompletedEvent)
    await result.aclose()


async def test_a_stop_async_iteration_of_a_producer_is_an_error():
    backend = StreamingMockBackend(Script.of("One. ", Raise(StopAsyncIteration())))
    thunk, _ = await backend.generate_from_context("Go on", SimpleContext())
    with pytest.raises(RuntimeError, match="in silence"):
        async for _ in thunk:
            pass


async def test_an_error_that_came_before_the_close_is_still_raised(turns):
    class Slow(StreamingMockBackend):
        async def generate_from_context(self, *args, **options):
            thunk, ctx = ModelOutputThunk(), SimpleContext()

            async def produce(thunk):
                try:
                    await thunk.put("One. ")
                    await asyncio.Event().wait()
                finally:
                    await turns(9)

            thunk.start(produce)
            return thunk, ctx.add(thunk)

    with pytest.raises(KeyError):
        async with await stream_with_chunking("x", Slow(), SimpleContext(), requirements=[Failing(KeyError("k"))]):
            await turns(5)


async def test_a_strategy_that_cannot_make_a_chunker_starts_nothing():
    class Broken(ChunkingStrategy):
        def split(self, accumulated_text):
            return []

        def chunker(self):
            raise OSError("no rules")

    backend = StreamingMockBackend("One.")
    with pytest.raises(OSError, match="no rules"):
        await stream_with_chunking("Go on", backend, SimpleContext(), chunking=Broken())
    assert backend.calls == []


async def test_as_thunk_has_usage_only_for_the_complete_text():
    script = Script.of("One. ", "Bad", Delta(usage=Usage(1, 2), finish_reason="stop"))

    class NoBad(Requirement):
        async def stream_validate(self, chunk, *, backend, ctx):
            return PartialValidationResult("fail" if "Bad" in chunk else "pass")

    result = await stream_with_chunking("Go on", StreamingMockBackend(script), SimpleContext(), requirements=[NoBad()])
    await result.acomplete()
    assert str(result.as_thunk) == "One."
    assert result.as_thunk.generation.usage is None
    assert result.as_thunk.generation.finish_reason is None


@pytest.mark.parametrize("method", ["acomplete", "aexception", "aclose"])
async def test_a_result_belongs_to_its_loop(method):
    result = await stream_with_chunking("Go on", StreamingMockBackend("One."), SimpleContext())
    with pytest.raises(RuntimeError, match="in another event loop"):
        await asyncio.to_thread(asyncio.run, getattr(result, method)())
    await result.aclose()


async def test_readers_can_be_closed_which_changes_nothing():
    result = await stream_with_chunking("Go on", StreamingMockBackend("One."), SimpleContext())
    async with aclosing(result.astream()) as chunks, aclosing(result.events()) as events:
        assert [chunk async for chunk in chunks] == ["One."]
        assert len([event async for event in events]) == 3


async def test_a_reader_that_stops_waiting_leaves_no_waiter(spawn):
    result = await stream_with_chunking("Go on", StreamingMockBackend(Script.of(Stall())), SimpleContext())
    events = result.events()
    for _ in range(3):
        waiting = spawn(anext(events))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
    assert result._run._waiters == []
    await result.aclose()


# The error as a value, and the state of a run


@pytest.mark.filterwarnings("error")
async def test_aexception_returns_the_error_which_nothing_raises_later(start, judge, assert_over):
    async with (await start(STORY, judge(ValueError("broken"))))[0] as result:
        error = await result.aexception()
        assert isinstance(error, ValueError)
        assert await result.aexception() is error
        await result.acomplete()
        assert [chunk async for chunk in result.astream()] == []
    assert result.finished


@pytest.mark.parametrize("through", ["acomplete", "astream"])
async def test_aexception_returns_an_error_that_was_raised(start, judge, through):
    result, _ = await start(STORY, judge(ValueError("broken")))
    with pytest.raises(ValueError, match="broken") as caught:
        await (anext(result.astream()) if through == "astream" else result.acomplete())
    assert await result.aexception() is caught.value


@pytest.mark.parametrize("answer", ["pass", "fail"])
async def test_aexception_returns_none_without_an_error(start, judge, assert_over, answer):
    result, backend = await start(STORY, judge("pass", answer))
    assert await result.aexception() is None
    assert_over(result, backend)


async def test_aexception_waits_for_the_end(start, judge, turns, spawn):
    gate = asyncio.Event()
    result, _ = await start(["One. ", gate.wait, OSError("gone")])
    waiting = spawn(result.aexception())
    await turns(9)
    assert not waiting.done()
    gate.set()
    assert isinstance(await waiting, OSError)


async def test_aexception_returns_a_cancellation_by_another_task_but_not_by_the_caller(start, never, turns):
    result, _ = await start(["One. ", never])
    await turns(3)
    result.task.cancel()
    assert isinstance(await result.aexception(), asyncio.CancelledError)
    result, _ = await start(["One. ", never])
    await result.aclose()
    assert await result.aexception() is None


@pytest.mark.streamval_not_cancelled  # it catches a cancellation
async def test_cancelling_a_caller_of_aexception_stops_the_run(start, never, turns, assert_over, spawn):
    result, backend = await start(["One. ", never])
    waiting = spawn(result.aexception())
    await turns(5)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert_over(result, backend)
    assert await result.aexception() is None


async def test_a_failed_clean_up_does_not_hide_the_reason_why_a_run_never_began(played, start, turns, assert_over):
    class Late(played):
        async def generate_from_context(self, *args, **options):
            answer = await super().generate_from_context(*args, **options)
            await turns(3)  # in which the producer begins, and the run does not
            return answer

    async def fail():
        await turns(5)
        raise OSError("not cleaned up")

    result, backend = await start(Late("One. ", asyncio.Event().wait, cleanup=fail))
    result.task.cancel()
    assert isinstance(await result.aexception(), asyncio.CancelledError)
    assert_over(result, backend)


async def test_a_validator_cannot_call_aexception_of_its_own_run(start, judge):
    async def ask(chunk):
        await result.aexception()

    result, _ = await start(STORY, judge(ask))
    error = await result.aexception()
    assert isinstance(error, RuntimeError)
    assert "aexception() was called by a validator of the same run" in str(error)


async def test_a_run_is_finished_at_its_last_event(start, judge, never, turns):
    gate = asyncio.Event()
    result, _ = await start(["One. ", gate.wait])
    await turns(5)
    assert not result.finished
    gate.set()
    assert isinstance([event async for event in result.events()][-1], CompletedEvent)
    assert result.finished
    stopped, _ = await start(["One. ", never], judge("fail"))
    await stopped.acomplete()
    assert (stopped.finished, stopped.completed) == (True, False)


async def test_is_fed_by_recognises_the_output_of_a_run(start, judge):
    first, backend = await start(STORY)
    second, other = await start(STORY)
    assert first.is_fed_by(backend.thunk)
    assert not first.is_fed_by(other.thunk)
    assert not first.is_fed_by(ModelOutputThunk("One."))
    await asyncio.gather(first.acomplete(), second.acomplete())
    assert first.is_fed_by(backend.thunk)


async def test_a_run_that_is_iterated_names_its_two_streams() -> None:
    async with await stream_with_chunking("Hi", StreamingMockBackend("One. Two."), SimpleContext()) as run:
        with pytest.raises(TypeError, match=r"two streams. Write `async for chunk in run\.astream\(\):`"):
            async for _ in run:
                pass
        assert [chunk async for chunk in run.astream()] == ["One.", "Two."]


async def test_the_start_of_a_run_that_is_iterated_says_how_to_start_it() -> None:
    start = stream_with_chunking("Hi", StreamingMockBackend("One."), SimpleContext())
    with pytest.raises(TypeError, match=r"The run has not started.*run\.astream\(\)"):
        async for _ in start:
            pass
    start.close()


async def test_the_generated_text_of_a_result_has_text_that_was_not_released() -> None:
    async with await stream_with_chunking("Hi", StreamingMockBackend("One. Two"), SimpleContext()) as run:
        await run.acomplete()
        assert run.generated_text == "One. Two"
