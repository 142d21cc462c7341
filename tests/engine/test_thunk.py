"""`ModelOutputThunk`: one producer, one reader, and every character exactly once."""

import asyncio
import gc
from copy import copy, deepcopy
from enum import Enum, StrEnum
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_streamval.engine.component import CBlock, Message
from pytest_streamval.engine.output import GenerationMetadata
from pytest_streamval.engine.tasks import settle, start_task
from pytest_streamval.engine.thunk import ModelOutputThunk
from pytest_streamval.errors import (
    ConcurrentReadError,
    EventLoopError,
    InvalidArgumentError,
    ThunkClosedError,
    UnfinishedError,
)
from pytest_streamval.model import Delta, ToolCall, ToolCallDelta, Usage

CAPACITY = 20


async def turns(count=3):
    """Let everything that can go on do so."""
    for _ in range(count):
        await asyncio.sleep(0)


async def soon(awaitable, within=50):
    """Await something that has to come within a few turns of the loop: a hang fails instead of lasting."""
    task = asyncio.ensure_future(awaitable)
    for _ in range(within):
        if task.done():
            return task.result()
        await asyncio.sleep(0)
    task.cancel()
    pytest.fail(f"still waiting after {within} turns of the loop")


async def pieces_of(thunk):
    """Read until `is_computed()`."""
    pieces = []
    while not thunk.is_computed():
        pieces.append(await thunk.astream())
    return pieces


async def filled(*deltas, then=ModelOutputThunk.close):
    thunk = ModelOutputThunk()
    for delta in deltas:
        await thunk.put(delta)
    then(thunk)
    return thunk


def nothing(thunk):
    """Leave it open."""


async def text_of_iteration(thunk):
    return "".join([text async for text in thunk])


def others_running():
    return asyncio.all_tasks() - {asyncio.current_task()}


READS = {
    "astream": ModelOutputThunk.astream,
    "avalue": ModelOutputThunk.avalue,
    "async for": text_of_iteration,
}
every_read = pytest.mark.parametrize("read", READS.values(), ids=READS.keys())

# What an output is before its end


@pytest.mark.parametrize("value", ["", "text", "\ud800", "🍎"])
async def test_an_output_made_with_a_value_is_computed_and_returns_it_to_every_read(value):
    thunk = ModelOutputThunk(value)
    assert thunk.is_computed()
    assert not thunk.cancelled
    assert thunk.value == str(thunk) == thunk.parsed_repr == value
    for _ in range(2):
        assert await thunk.astream() == value
        assert await thunk.avalue() == value
        assert await text_of_iteration(thunk) == value


def test_an_output_without_a_value_is_not_computed():
    thunk = ModelOutputThunk()
    assert not thunk.is_computed()
    assert thunk.value is None
    assert thunk.parsed_repr is None
    assert str(thunk) == ""
    assert thunk.thinking == ""
    assert thunk.tool_calls == ()
    assert thunk.error is None
    assert not thunk.cancelled
    assert thunk.generation == GenerationMetadata()


async def test_the_value_stays_none_until_the_reader_has_taken_everything():
    thunk = await filled("Hel", "lo")
    assert not thunk.is_computed()
    assert thunk.value is None
    assert await thunk.astream() == "Hello"
    assert thunk.is_computed()
    assert thunk.value == "Hello"


async def test_the_repr_of_an_output_shows_its_state_and_its_text():
    thunk = ModelOutputThunk()
    assert repr(thunk) == "<ModelOutputThunk generating>"
    assert repr(ModelOutputThunk("Hi")) == "<ModelOutputThunk computed 'Hi'>"
    await thunk.cancel_generation()
    assert repr(thunk) == "<ModelOutputThunk cancelled ''>"


@pytest.mark.parametrize(
    ("action", "parsed"),
    [(None, "Hi"), (CBlock("Greet me."), "Hi"), (Message("user", "Greet me."), Message("assistant", "Hi"))],
)
async def test_parsed_repr_is_the_result_of_parse_once_computed(action, parsed):
    thunk = ModelOutputThunk(action=action)
    await thunk.put("Hi")
    assert thunk.parsed_repr is None
    thunk.close()
    await thunk.avalue()
    assert thunk.parsed_repr == parsed


# Putting


def test_the_capacity_is_twenty_deltas():
    assert ModelOutputThunk.capacity == CAPACITY


@pytest.mark.parametrize("delta", ["x", Delta("x"), Delta(thinking="x")], ids=["str", "Delta", "thinking"])
async def test_put_waits_once_capacity_deltas_are_unread(delta, spawn):
    thunk = ModelOutputThunk()
    for _ in range(CAPACITY):
        await soon(thunk.put(delta), within=3)
    blocked = spawn(thunk.put(delta))
    await turns()
    assert not blocked.done()
    await thunk.astream()
    await thunk.astream()
    await soon(blocked)
    assert thunk.deltas_read == CAPACITY + 1


@pytest.mark.parametrize("read", [1, 7, CAPACITY])
async def test_a_delta_counts_as_unread_until_the_reader_comes_back_for_more(read):
    sent = []

    async def produce(thunk):
        for number in range(100):
            await thunk.put(f"{number} ")
            sent.append(number)

    thunk = await filled(*["x"] * read, then=nothing)
    await thunk.astream()
    thunk.start(produce)
    await turns(10)
    assert len(sent) == CAPACITY - read
    await thunk.astream()  # the new deltas still count as unread, the earlier ones do not
    await turns(10)
    assert len(sent) == CAPACITY
    await thunk.cancel_generation()
    assert len(sent) == CAPACITY


async def test_a_reader_that_waits_makes_room_for_a_whole_buffer(spawn):
    thunk = await filled(*["x"] * CAPACITY, then=nothing)
    await thunk.astream()
    blocked = spawn(thunk.put("y"))
    await turns()
    assert not blocked.done()
    assert await soon(thunk.astream()) == "y"
    await soon(blocked)


@pytest.mark.parametrize(
    ("end", "state", "readable"),
    [
        (ModelOutputThunk.close, "closed", "x" * CAPACITY),
        (lambda thunk: thunk.fail(OSError("gone")), "closed", "x" * CAPACITY),
        (lambda thunk: asyncio.ensure_future(thunk.cancel_generation()), "cancelled", ""),
    ],
    ids=["close", "fail", "cancel_generation"],
)
async def test_ending_the_output_releases_every_blocked_put_with_thunk_closed_error(end, state, readable, spawn):
    thunk = await filled(*["x"] * CAPACITY, then=nothing)
    blocked = [spawn(thunk.put("late")) for _ in range(3)]
    await turns()
    ended = end(thunk)
    for put in blocked:
        with pytest.raises(ThunkClosedError, match=state):
            await soon(put)
    if ended is not None:
        await ended
    assert await thunk.astream() == readable


@pytest.mark.parametrize("delta", ["late", Delta("late"), Delta(usage=Usage(1, 1))])
@pytest.mark.parametrize(
    "make",
    [
        partial(filled, "x"),
        partial(filled, "x", then=lambda thunk: thunk.fail(OSError())),
        partial(filled, then=lambda thunk: thunk.abandon()),
        partial(filled, "x", then=lambda thunk: thunk.abandon()),
    ],
    ids=["closed", "failed", "cancelled before the first put", "cancelled"],
)
async def test_an_output_that_has_ended_takes_no_more_deltas(make, delta):
    thunk = await make()
    for put in (thunk.put, thunk.put):
        with pytest.raises(ThunkClosedError, match="takes no more deltas"):
            await put(delta)


async def test_a_computed_output_takes_no_delta():
    thunk = ModelOutputThunk("all")
    with pytest.raises(ThunkClosedError):
        await thunk.put("more")
    assert thunk.value == "all"


async def test_a_put_that_is_cancelled_while_it_waits_adds_nothing(spawn):
    thunk = await filled(*["x"] * CAPACITY, then=nothing)
    given_up, patient = (spawn(thunk.put(text)) for text in ("given up", "patient"))
    await turns()
    given_up.cancel()
    await asyncio.wait([given_up])
    assert await thunk.astream() == "x" * CAPACITY
    assert await soon(thunk.astream()) == "patient"
    await patient


async def test_try_put_returns_whether_there_was_room():
    thunk = ModelOutputThunk()
    assert [thunk.try_put("x") for _ in range(CAPACITY + 2)] == [True] * CAPACITY + [False] * 2
    assert await thunk.astream() == "x" * CAPACITY


class Loud(str):
    __slots__ = ()

    def __str__(self):
        return "LOUD"


class Plain(Enum):
    A = "a"


class Word(str, Enum):  # noqa: UP042  # its str() is "Word.A", not its text
    A = "a"


class Word2(StrEnum):
    A = "a"


@pytest.mark.parametrize(
    "delta",
    [Loud("a"), Word.A, Word2.A, Delta(Loud("a")), Delta(Word.A, finish_reason="stop")],
    ids=["str()", "str and Enum", "StrEnum", "in a Delta", "in a Delta with more"],
)
async def test_a_subclass_of_str_is_taken_for_its_characters(delta):
    thunk = await filled(delta, "b")
    assert await thunk.avalue() == "ab"
    assert type(thunk.value) is str


@pytest.mark.parametrize("waiting", [False, True], ids=["no reader", "a waiting reader"])
@pytest.mark.parametrize(
    ("delta", "kind"),
    [
        (b"bytes", "bytes"),
        (42, "int"),
        (None, "NoneType"),
        (["a"], "list"),
        (Plain.A, "Plain"),
        (Delta, "type"),
        (Delta(text=b"bytes"), "bytes"),
        (Delta(text=None), "NoneType"),
        (Delta(thinking=b"bytes"), "bytes"),
        (Delta(refusal=None), "NoneType"),
        (Delta(signature=b"bytes"), "bytes"),
    ],
)
async def test_an_invalid_delta_is_refused_and_changes_nothing(delta, kind, waiting, spawn):
    thunk = await filled("before ", then=nothing)
    if waiting:
        await thunk.astream()
    reader = spawn(thunk.avalue()) if waiting else None
    await turns()
    with pytest.raises(TypeError, match=f"of type {kind}. Decode bytes") as caught:
        await thunk.put(delta)
    assert isinstance(caught.value, InvalidArgumentError)
    await thunk.put("after")
    thunk.close()
    assert await (reader or thunk.avalue()) == "before after"


async def test_lone_surrogates_pass_unchanged():
    thunk = await filled("\ud83c", Delta("\udf4e"), "\udfff")
    assert await thunk.avalue() == "\ud83c\udf4e\udfff"


# Reading


async def test_astream_waits_for_at_least_one_delta(spawn):
    thunk = ModelOutputThunk()
    reader = spawn(thunk.astream())
    await turns(10)
    assert not reader.done()
    await thunk.put("x")
    assert await soon(reader) == "x"


async def test_astream_returns_everything_that_is_new():
    thunk = await filled("a", "b", Delta("c"), then=nothing)
    assert await thunk.astream() == "abc"
    await thunk.put("d")
    assert await thunk.astream() == "d"


async def test_a_delta_without_text_ends_the_wait_too():
    thunk = await filled(Delta(thinking="hm"), then=nothing)
    assert await soon(thunk.astream()) == ""
    assert not thunk.is_computed()


async def test_read_deltas_returns_deltas_as_they_were_put_and_an_empty_list_at_the_end():
    thunk = await filled("a", "", Delta("b"), Delta("c", thinking="hm"))
    assert await thunk.read_deltas() == ["a", "", "b", "c"]
    assert thunk.is_computed()
    assert await thunk.read_deltas() == []
    assert thunk.deltas_read == 4


@every_read
async def test_the_end_releases_a_waiting_reader(read, spawn):
    thunk = await filled("x", then=nothing)
    await thunk.astream()
    reader = spawn(read(thunk))
    await turns()
    thunk.close()
    assert await soon(reader) == ("x" if read is ModelOutputThunk.avalue else "")
    assert thunk.value == "x"


@every_read
async def test_an_empty_stream_is_an_empty_text(read):
    async def produce(thunk):
        pass

    thunk = ModelOutputThunk()
    thunk.start(produce)
    assert await soon(read(thunk)) == ""
    assert thunk.is_computed()
    assert thunk.value == ""
    assert thunk.generation.ttfb_ms is None


@every_read
async def test_a_computed_output_returns_its_complete_value_at_once(read):
    thunk = await filled("Hel", "lo")
    await pieces_of(thunk)
    assert await read(thunk) == await read(thunk) == "Hello"


async def test_avalue_after_some_reads_returns_the_complete_value():
    thunk = await filled("Hel", then=nothing)
    await thunk.astream()
    await thunk.put("lo")
    thunk.close()
    assert await thunk.avalue() == "Hello"


async def test_async_for_yields_no_empty_pieces(spawn):
    thunk = await filled("a", then=nothing)
    iterator = aiter(thunk)
    assert await anext(iterator) == "a"
    await thunk.put(Delta(thinking="hm"))
    reader = spawn(anext(iterator))
    await turns()
    await thunk.put("b")
    assert await soon(reader) == "b"
    assert aiter(iterator) is iterator


@pytest.mark.parametrize("end", [ModelOutputThunk.close, ModelOutputThunk.abandon], ids=["closed", "cancelled"])
async def test_async_for_repeats_nothing_when_the_output_ends_between_two_steps(end):
    thunk = await filled("a", "b", then=nothing)
    seen = []
    async for text in thunk:
        seen.append(text)
        end(thunk)
        assert thunk.is_computed()
    assert seen == ["ab"]


async def test_leaving_async_for_keeps_the_rest_for_the_next_read():
    thunk = await filled("a", then=nothing)
    async for _ in thunk:
        break
    await thunk.put("b")
    thunk.close()
    assert await text_of_iteration(thunk) == "b"
    assert thunk.value == "ab"


@every_read
@pytest.mark.parametrize("first", READS.values(), ids=READS.keys())
async def test_a_second_concurrent_read_raises_and_takes_nothing_from_the_first(first, read, spawn):
    thunk = ModelOutputThunk()
    reader = spawn(first(thunk))
    await turns()
    with pytest.raises(ConcurrentReadError, match="one reader"):
        await soon(read(thunk))
    await thunk.put("all of it")
    thunk.close()
    assert await soon(reader) == "all of it"


async def test_a_cancelled_reader_makes_way_and_loses_nothing(spawn):
    thunk = ModelOutputThunk()
    for text in ("a", "b"):
        reader = spawn(thunk.astream())
        await turns()
        await thunk.put(text)  # the reader is woken, and cancelled before it takes a step
        reader.cancel()
        await asyncio.wait([reader])
        assert reader.cancelled()
        assert await soon(thunk.astream()) == text
    thunk.close()
    assert thunk.value == "ab"


async def test_an_astream_call_before_the_end_returns_nothing_twice_if_its_first_step_is_after_it():
    thunk = await filled("a", then=nothing)
    assert await thunk.astream() == "a"
    late = thunk.astream()  # as in asyncio.wait_for(thunk.astream(), 5), which takes the first step in a task
    thunk.close()
    assert await late == ""
    assert await thunk.astream() == "a"


texts = st.sampled_from(["", "a", "bc", "\r", "\n", "🍎", "e\u0301", "\ud800"])
deltas = texts | st.builds(Delta, texts, texts)
batches = st.builds(lambda batch, times: batch * times, st.lists(deltas, max_size=4), st.sampled_from([1, 6]))
steps = st.lists(st.tuples(batches, st.integers(0, 3)), max_size=6)
kinds = st.sampled_from(["astream", "read_deltas", "anext", "cancelled"])
reads = st.lists(st.tuples(kinds, st.integers(0, 3)), max_size=8)


def text_in(delta):
    return delta if isinstance(delta, str) else delta.text


async def read_once(thunk, kind):
    if kind == "cancelled":
        reader = asyncio.create_task(thunk.astream())
        await asyncio.sleep(0)
        reader.cancel()
        await asyncio.wait([reader])
        return "" if reader.cancelled() else reader.result()
    if kind == "read_deltas":
        return "".join(await thunk.read_deltas())
    return await (thunk.astream() if kind == "astream" else anext(aiter(thunk), ""))


@settings(max_examples=150, deadline=None)
@given(steps=steps, reads=reads, closing=st.booleans())
async def test_the_reads_join_to_the_value_exactly_once_in_any_order(steps, reads, closing):
    """Let producer and reader take turns at random, with reads of every kind, of which some are cancelled."""

    async def produce(thunk):
        for batch, pauses in steps:
            for delta in batch:
                await thunk.put(delta)
            await turns(pauses)
        if closing:
            thunk.close()

    thunk = ModelOutputThunk()
    thunk.start(produce)
    more = iter(reads)
    got = []
    while not thunk.is_computed():
        kind, pauses = next(more, ("astream", 0))
        await turns(pauses)
        if not thunk.is_computed():  # else a read would give the whole value again
            got.append(await read_once(thunk, kind))
    whole = "".join(text_in(delta) for batch, _ in steps for delta in batch)
    assert "".join(got) == thunk.value == await thunk.avalue() == whole
    assert thunk.thinking == "".join(d.thinking for batch, _ in steps for d in batch if isinstance(d, Delta))
    assert thunk.deltas_read == sum(len(batch) for batch, _ in steps)
    await turns()
    assert not others_running()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 25), st.integers(0, 2)), min_size=2, max_size=5))
async def test_many_producers_are_held_back_together_and_each_keeps_its_order(producers):
    thunk = ModelOutputThunk()
    sent, taken = [], []
    read = 0

    async def produce(number, count, pauses):
        for index in range(count):
            await thunk.put(f"{number}.{index} ")
            sent.append(number)
            assert len(sent) - read <= CAPACITY
            await turns(pauses)

    async with asyncio.TaskGroup() as group:
        for number, (count, pauses) in enumerate(producers):
            group.create_task(produce(number, count, pauses))
        while len(taken) < sum(count for count, _ in producers):
            read = len(taken)
            taken += (await thunk.astream()).split()
    for number, (count, _) in enumerate(producers):
        mine = [name for name in taken if name.startswith(f"{number}.")]
        assert mine == [f"{number}.{index}" for index in range(count)]


# What comes besides text


async def test_thinking_tool_calls_usage_and_finish_reason_are_collected_as_they_are_read():
    thunk = await filled(
        Delta("It is ", thinking="Let me "),
        Delta(thinking="see.", tool_calls=(ToolCallDelta(0, id="call-1", name="clock", arguments='{"zo'),)),
        "late.",
        Delta(tool_calls=(ToolCallDelta(0, arguments='ne": 1}'),), usage=Usage(3, 4)),
        Delta(usage=Usage(3, 9), finish_reason="stop"),
    )
    assert (thunk.thinking, thunk.tool_calls, thunk.generation.usage) == ("", (), None)
    assert await thunk.avalue() == "It is late."
    assert thunk.thinking == "Let me see."
    assert thunk.tool_calls == (ToolCall("call-1", "clock", '{"zone": 1}'),)
    assert thunk.generation.usage == Usage(3, 9)
    assert thunk.generation.finish_reason == "stop"


async def test_a_refusal_and_signatures_are_collected_as_they_are_read():
    thunk = await filled(
        Delta("a", thinking="Hm.", signature="Eq"), Delta(refusal="I "), Delta(refusal="cannot."), Delta(signature="Qw")
    )
    assert (thunk.refusal, thunk.signature) == ("", "")
    assert await thunk.avalue() == "a"
    assert (thunk.refusal, thunk.signature) == ("I cannot.", "EqQw")
    assert thunk.as_delta() == Delta("a", "Hm.", refusal="I cannot.", signature="EqQw")
    assert (thunk.with_text("b").refusal, thunk.with_text("b").signature) == ("I cannot.", "EqQw")


async def test_an_output_is_one_delta_with_its_calls_and_the_data_of_its_generation():
    delta = Delta("a", "b", (ToolCallDelta(0, "x", "f", "{}", "custom"),), Usage(1, 2), "stop")
    thunk = await filled(delta)
    await thunk.avalue()
    assert thunk.as_delta() == delta


async def test_the_last_usage_counts_even_if_later_deltas_have_none():
    thunk = await filled(Delta(usage=Usage(1, 2), finish_reason="length"), Delta(thinking="hm"), "x")
    await thunk.avalue()
    assert thunk.generation.usage == Usage(1, 2)
    assert thunk.generation.finish_reason == "length"


async def test_the_time_to_the_first_delta_is_taken_once():
    thunk = ModelOutputThunk()
    assert thunk.generation.ttfb_ms is None
    await thunk.put("a")
    first = thunk.generation.ttfb_ms
    assert first >= 0
    await thunk.put("b")
    assert thunk.generation.ttfb_ms == first


# A producer that the output owns


async def test_the_return_of_a_started_producer_closes_the_output():
    async def produce(thunk):
        await thunk.put("Hel")
        await thunk.put("lo")

    thunk = ModelOutputThunk()
    thunk.start(produce)
    assert await soon(thunk.avalue()) == "Hello"
    assert not thunk.cancelled
    await turns()
    assert not others_running()


@every_read
async def test_the_exception_of_a_started_producer_reaches_the_reader_after_the_text(read):
    async def produce(thunk):
        await thunk.put("Hel")
        await thunk.put("lo")
        raise OSError("connection lost")

    thunk = ModelOutputThunk()
    thunk.start(produce)
    await turns()
    assert await thunk.astream() == "Hello"
    for _ in range(2):
        with pytest.raises(OSError, match="connection lost"):
            await soon(read(thunk))
    assert thunk.is_computed()
    assert not thunk.cancelled
    assert thunk.value == "Hello"
    assert str(thunk.error) == "connection lost"


async def test_a_producer_that_is_cancelled_by_others_leaves_a_cancelled_output(spawn):
    async def produce(thunk):
        await thunk.put("read ")
        await thunk.put("unread")
        await asyncio.Event().wait()

    thunk = ModelOutputThunk()
    thunk.start(produce)
    (producer,) = others_running()
    await thunk.astream()
    reader = spawn(thunk.astream())
    await turns()
    producer.cancel()
    assert await soon(reader) == ""
    assert thunk.cancelled
    assert thunk.value == "read unread"


async def test_a_producer_that_is_cancelled_after_it_closed_the_output_changes_nothing(generate):
    async def produce(thunk):
        await thunk.put("all")
        thunk.close()
        await asyncio.Event().wait()

    thunk = ModelOutputThunk()
    generate(thunk, produce)
    await turns()
    (producer,) = others_running()
    producer.cancel()
    await turns()
    assert await thunk.avalue() == "all"
    assert not thunk.cancelled


async def test_a_producer_is_a_task_that_is_named_after_its_function():
    async def produce(thunk):
        pass

    thunk = ModelOutputThunk()
    thunk.start(produce)
    (producer,) = others_running()
    assert producer.get_name().startswith("streamval producer ")
    assert producer.get_name().endswith("produce")
    other = ModelOutputThunk()
    other.start(partial(produce))
    assert "streamval producer partial" in {task.get_name() for task in others_running()}
    await thunk.avalue()
    await other.avalue()


async def forever(thunk):
    await thunk.put("Well.")
    await asyncio.get_running_loop().create_future()


@pytest.mark.parametrize("turns_before", range(3))
@pytest.mark.parametrize("read", [False, True], ids=["unread", "read"])
async def test_an_output_that_is_dropped_while_it_is_generated_warns_and_stops_its_producer(turns_before, read):
    outputs = [ModelOutputThunk()]
    outputs[0].start(forever)
    for _ in range(turns_before):
        await asyncio.sleep(0)
    if read:
        await outputs[0].astream()
    with pytest.warns(
        ResourceWarning, match="generating> was dropped while it was generated, which stops its producer"
    ):
        outputs.clear()
    await turns()
    assert not others_running()


async def test_a_producer_that_waits_for_room_is_stopped_when_its_output_is_dropped():
    async def produce(thunk):
        try:
            for _ in range(30):
                await thunk.put("word ")
        finally:
            ended.append(thunk.cancelled)

    ended = []
    outputs = [ModelOutputThunk()]
    outputs[0].start(produce)
    await turns()
    with pytest.warns(ResourceWarning, match="was dropped"):
        outputs.clear()
    await turns()
    assert ended == [True]
    assert not others_running()


async def test_an_output_can_be_dropped_without_a_warning_after_its_generation():
    async def brief(thunk):
        await thunk.put("Well.")

    async def closing(thunk):
        thunk.close()
        await asyncio.sleep(0)
        ended.append(thunk)

    ended = []
    for produce in (brief, closing, forever):
        output = ModelOutputThunk()
        output.start(produce)
        await turns()
        if produce is forever:
            await output.cancel_generation()
        del output
    ModelOutputThunk()
    await turns()
    assert ended


async def test_an_output_with_an_owner_is_stopped_without_a_warning():
    output = ModelOutputThunk()
    output.start(forever)
    output.has_owner = True
    await turns()
    del output
    await turns()
    assert not others_running()


def test_an_output_can_be_dropped_without_a_warning_after_its_event_loop():
    async def begin():
        output = ModelOutputThunk()
        output.start(forever)
        output.producer._log_destroy_pending = False  # or asyncio tells of it, as it should
        return output

    loop = asyncio.new_event_loop()
    output = loop.run_until_complete(begin())
    loop.close()
    del output
    gc.collect()


async def test_a_producer_receives_an_object_equal_to_its_output():
    async def produce(thunk):
        given.append(thunk)
        thunk.generation.model = "small"
        await thunk.put("Well.")

    given = []
    output = ModelOutputThunk()
    output.start(produce)
    assert await output.avalue() == "Well."
    assert given == [output]
    assert given[0].value == "Well."
    assert {output: 1}[given[0]] == 1
    assert output.generation.model == "small"
    assert ModelOutputThunk("a") != ModelOutputThunk("a")


@pytest.mark.parametrize(
    ("make", "state"),
    [
        (partial(ModelOutputThunk, "text"), "is computed"),
        (ModelOutputThunk, "already has a producer"),
    ],
)
async def test_a_producer_is_started_once_and_never_on_a_computed_output(make, state):
    async def produce(thunk):
        pass

    thunk = make()
    if not thunk.is_computed():
        thunk.start(produce)
    with pytest.raises(RuntimeError, match=f"This output {state}. Start a producer once"):
        thunk.start(produce)
    await thunk.avalue()


async def test_start_requires_the_coroutine_function_and_not_its_call():
    async def produce(thunk):
        pass

    thunk = ModelOutputThunk()
    called = produce(thunk)
    with pytest.raises(InvalidArgumentError, match="not its call"):
        thunk.start(called)
    called.close()
    thunk.start(produce)
    assert await soon(thunk.avalue()) == ""


# Failing


@every_read
async def test_fail_raises_the_error_after_the_text_and_on_later_reads(read):
    thunk = await filled("a", "b", then=lambda thunk: thunk.fail(OSError("gone")))
    assert not thunk.is_computed()
    assert await thunk.astream() == "ab"
    assert not thunk.is_computed()
    for _ in range(3):
        with pytest.raises(OSError, match="gone"):
            await soon(read(thunk))
        assert thunk.is_computed()
    assert thunk.value == "ab"
    with pytest.raises(ThunkClosedError):
        await thunk.put("c")


@pytest.mark.parametrize("read", [ModelOutputThunk.avalue, text_of_iteration], ids=["avalue", "async for"])
async def test_reading_to_the_end_raises_the_error_and_the_text_remains_readable(read):
    thunk = await filled("a", "b", then=lambda thunk: thunk.fail(OSError("gone")))
    with pytest.raises(OSError, match="gone"):
        await read(thunk)
    assert thunk.value == str(thunk) == "ab"


async def test_fail_releases_a_waiting_reader_with_the_error(spawn):
    thunk = ModelOutputThunk()
    reader = spawn(thunk.astream())
    await turns()
    thunk.fail(OSError("gone"))
    with pytest.raises(OSError, match="gone"):
        await soon(reader)
    assert thunk.is_computed()
    assert thunk.value == ""


@pytest.mark.parametrize(
    ("first", "second", "fails"),
    [
        (ModelOutputThunk.close, lambda thunk: thunk.fail(OSError("late")), False),
        (lambda thunk: thunk.fail(OSError("first")), ModelOutputThunk.close, True),
        (lambda thunk: thunk.fail(OSError("first")), lambda thunk: thunk.fail(ValueError("late")), True),
        (ModelOutputThunk.close, ModelOutputThunk.close, False),
    ],
)
async def test_only_the_first_end_of_a_stream_counts(first, second, fails):
    thunk = await filled("x", then=first)
    second(thunk)
    assert await thunk.astream() == "x"
    if fails:
        with pytest.raises(OSError, match="first"):
            await thunk.astream()
    assert thunk.is_computed()
    second(thunk)
    assert thunk.value == "x"


async def test_the_usage_before_a_failure_is_kept():
    thunk = await filled(Delta("a", usage=Usage(1, 1)), then=lambda thunk: thunk.fail(OSError()))
    with pytest.raises(OSError):  # noqa: PT011  # the one that was given
        await thunk.avalue()
    assert thunk.generation.usage == Usage(1, 1)


# Cancelling


class Producer:
    """Puts until it is stopped, and cleans up slowly."""

    def __init__(self, *, clean_up=0, error=None):
        self.clean_up = clean_up
        self.error = error
        self.sent = 0
        self.began = self.cleaned_up = False

    async def __call__(self, thunk):
        self.began = True
        try:
            while True:
                await thunk.put("x")
                self.sent += 1
        finally:
            await turns(self.clean_up)
            self.cleaned_up = True
            if self.error is not None:
                raise self.error


async def test_cancel_generation_stops_the_producer_and_waits_for_its_clean_up():
    producer = Producer(clean_up=5)
    thunk = ModelOutputThunk()
    thunk.start(producer)
    await turns()
    assert producer.sent == CAPACITY
    await soon(thunk.cancel_generation())
    assert producer.cleaned_up
    assert producer.sent == CAPACITY
    assert not others_running()


async def test_a_cancelled_output_is_computed_and_its_value_is_the_text_read():
    thunk = await filled(Delta("read", usage=Usage(1, 1), finish_reason="stop", thinking="hm"), then=nothing)
    await thunk.astream()
    await thunk.put(Delta(" unread", thinking=" never"))
    reason = ValueError("a word that must not be said")
    await thunk.cancel_generation(reason)
    assert thunk.is_computed()
    assert thunk.cancelled
    assert thunk.error is reason
    assert thunk.value == "read"
    assert await thunk.astream() == await thunk.avalue() == await text_of_iteration(thunk) == "read"
    assert thunk.thinking == "hm"
    assert thunk.generation.usage is None
    assert thunk.generation.finish_reason is None


@pytest.mark.parametrize("end", [ModelOutputThunk.close, lambda thunk: thunk.fail(OSError())], ids=["closed", "failed"])
async def test_an_output_that_ended_unread_can_still_be_cancelled(end):
    thunk = await filled("read ", then=nothing)
    await thunk.astream()
    await thunk.put("unread")
    end(thunk)
    await thunk.cancel_generation()
    assert thunk.cancelled
    assert thunk.value == await thunk.avalue() == "read "
    assert thunk.error is None


async def test_an_output_without_a_producer_of_its_own_can_be_cancelled():
    thunk = ModelOutputThunk()
    await soon(thunk.cancel_generation())
    assert thunk.cancelled
    assert thunk.value == ""
    assert thunk.error is None


async def test_a_producer_that_never_took_a_step_never_begins():
    producer = Producer()
    thunk = ModelOutputThunk()
    thunk.start(producer)
    await thunk.cancel_generation()
    assert not producer.began
    assert thunk.cancelled
    assert thunk.value == ""
    assert not others_running()


async def test_cancelling_releases_a_waiting_reader(spawn):
    thunk = await filled("x", then=nothing)
    await thunk.astream()
    reader = spawn(thunk.astream())
    await turns()
    await thunk.cancel_generation()
    assert await soon(reader) == ""
    assert thunk.value == "x"


@pytest.mark.parametrize("value", ["", "text"])
async def test_cancelling_a_computed_output_does_nothing(value):
    thunk = ModelOutputThunk(value)
    await thunk.cancel_generation(ValueError("too late"))
    assert not thunk.cancelled
    assert thunk.error is None
    assert await thunk.astream() == value


async def test_cancelling_a_computed_output_leaves_a_producer_to_its_last_steps():
    finished = False

    async def produce(thunk):
        nonlocal finished
        await thunk.put(Delta("all", usage=Usage(1, 1)))
        thunk.close()
        await turns(5)
        finished = True

    thunk = ModelOutputThunk()
    thunk.start(produce)
    assert await soon(thunk.avalue()) == "all"
    await soon(thunk.cancel_generation(), within=2)
    await turns(10)
    assert finished
    assert not thunk.cancelled
    assert thunk.generation.usage == Usage(1, 1)


async def test_cancelling_after_a_failure_was_read_keeps_the_failure():
    thunk = await filled("x", then=lambda thunk: thunk.fail(OSError("gone")))
    with pytest.raises(OSError, match="gone"):
        await thunk.avalue()
    await thunk.cancel_generation(ValueError("too late"))
    assert not thunk.cancelled
    with pytest.raises(OSError, match="gone"):
        await thunk.avalue()


async def test_cancelling_twice_waits_twice_and_never_disturbs_the_clean_up(spawn):
    producer = Producer(clean_up=5)
    thunk = ModelOutputThunk()
    thunk.start(producer)
    await turns()
    first, second = (spawn(thunk.cancel_generation(ValueError(name))) for name in ("1st", "2nd"))
    await soon(second)
    assert producer.cleaned_up
    await soon(first)
    await soon(thunk.cancel_generation())
    assert str(thunk.error) == "1st"


async def test_a_producer_that_others_have_cancelled_is_waited_for_and_not_cancelled_again():
    producer = Producer(clean_up=5)
    thunk = ModelOutputThunk()
    thunk.start(producer)
    await turns()
    (task,) = others_running()
    task.cancel()
    await turns()
    await thunk.cancel_generation()
    assert producer.cleaned_up
    assert thunk.cancelled


async def test_an_error_of_the_clean_up_is_raised_by_cancel_generation():
    thunk = ModelOutputThunk()
    thunk.start(Producer(clean_up=2, error=OSError("cannot hang up")))
    await turns()
    with pytest.raises(OSError, match="cannot hang up"):
        await soon(thunk.cancel_generation())
    assert thunk.cancelled
    assert thunk.value == await thunk.avalue() == ""
    await thunk.cancel_generation()  # and only once


async def test_an_outer_cancellation_is_raised_after_the_producer_has_ended(spawn):
    producer = Producer(clean_up=6)
    thunk = ModelOutputThunk()
    thunk.start(producer)
    await turns()
    canceller = spawn(thunk.cancel_generation())
    await turns()
    canceller.cancel()
    await turns()
    canceller.cancel()  # an impatient caller does not break the clean-up either
    assert not canceller.done()
    await asyncio.wait([canceller])
    assert canceller.cancelled()
    assert producer.cleaned_up
    assert thunk.cancelled


async def test_an_outer_timeout_stays_a_timeout_error():
    producer = Producer(clean_up=6)
    thunk = ModelOutputThunk()
    thunk.start(producer)
    await turns()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await thunk.cancel_generation()
    assert producer.cleaned_up


async def test_a_producer_may_cancel_its_own_output():
    async def produce(thunk):
        await thunk.put("x")
        await thunk.cancel_generation(ValueError("enough"))
        with pytest.raises(ThunkClosedError, match="cancelled"):
            await thunk.put("y")

    thunk = ModelOutputThunk()
    thunk.start(produce)
    assert await soon(thunk.avalue()) == ""
    assert thunk.cancelled
    assert str(thunk.error) == "enough"
    await turns()
    assert not others_running()


async def test_abandon_cancels_at_once_and_does_not_wait_for_the_clean_up():
    producer = Producer(clean_up=3)
    thunk = ModelOutputThunk()
    thunk.start(producer)
    await turns()
    thunk.abandon(ValueError("nobody listens"))
    assert thunk.cancelled
    assert not producer.cleaned_up
    await soon(thunk.cancel_generation())
    assert producer.cleaned_up
    assert str(thunk.error) == "nobody listens"


# Copies


copying = pytest.mark.parametrize("copied", [copy, deepcopy])


@copying
async def test_a_copy_of_a_computed_output_keeps_all_data(copied):
    thunk = ModelOutputThunk(action=Message("user", "Greet me."))
    await thunk.put(Delta("Hi", thinking="hm", tool_calls=(ToolCallDelta(0, "id", "f", "{}"),), usage=Usage(1, 2)))
    thunk.close()
    await thunk.avalue()
    thunk.generation.model = "SmolLM2"
    twin = copied(thunk)
    assert twin is not thunk
    assert twin.is_computed()
    assert not twin.cancelled
    assert await twin.avalue() == await twin.astream() == twin.value == "Hi"
    assert twin.generation == thunk.generation
    assert twin.generation is not thunk.generation
    assert (twin.thinking, twin.tool_calls, twin.parsed_repr) == (thunk.thinking, thunk.tool_calls, thunk.parsed_repr)
    assert twin.deltas_read == 1


@copying
async def test_a_copy_of_a_cancelled_output_is_cancelled(copied):
    thunk = await filled("read", then=nothing)
    await thunk.astream()
    await thunk.cancel_generation(ValueError("enough"))
    twin = copied(thunk)
    assert twin.cancelled
    assert twin.value == await twin.avalue() == "read"
    assert str(twin.error) == "enough"


@copying
async def test_a_copy_of_a_failed_output_fails_as_the_original_does(copied):
    thunk = await filled("read", then=lambda thunk: thunk.fail(OSError("gone")))
    with pytest.raises(OSError, match="gone"):
        await thunk.avalue()
    twin = copied(thunk)
    assert twin.value == "read"
    with pytest.raises(OSError, match="gone"):
        await twin.avalue()


@every_read
@copying
@pytest.mark.parametrize("end", [nothing, ModelOutputThunk.close, lambda thunk: thunk.fail(OSError())])
async def test_a_copy_of_an_unfinished_output_raises_when_it_is_read_instead_of_hanging(end, copied, read):
    thunk = await filled("read ", then=nothing)
    await thunk.astream()
    await thunk.put("unread")
    end(thunk)
    twin = copied(thunk)
    assert not twin.is_computed()
    with pytest.raises(UnfinishedError, match="copy"):
        await soon(read(twin))
    assert twin.is_computed()
    assert twin.value == "read "
    assert await thunk.astream() == "unread"


@copying
async def test_a_copy_of_an_output_has_no_producer(copied):
    producer = Producer()
    thunk = ModelOutputThunk()
    thunk.start(producer)
    await turns()
    twin = copied(thunk)
    with pytest.raises(ThunkClosedError):
        await twin.put("y")
    await soon(twin.cancel_generation())
    assert not producer.cleaned_up
    assert not thunk.is_computed()
    await thunk.cancel_generation()


async def test_a_deep_copy_of_an_output_has_its_own_action():
    action = Message("user", "Greet me.")
    thunk = ModelOutputThunk("Hi", action=action)
    first, second, of_action = deepcopy([thunk, thunk, action])
    assert first is second
    assert first._action is of_action
    assert copy(thunk)._action is action


# Its tasks


async def test_a_started_task_lives_without_other_references():
    async def wait():
        await asyncio.get_running_loop().create_future()

    start_task(wait(), "kept")
    try:
        await turns()
        gc.collect()
        (task,) = others_running()
        assert task.get_name() == "kept"
    finally:
        await settle(others_running())
    assert task.cancelled()


async def test_settle_returns_at_once_if_all_tasks_have_ended():
    async def answer():
        return 42

    task = start_task(answer(), "answer")
    await turns()
    await soon(settle([]), within=2)
    await soon(settle([task]), within=2)
    assert task.result() == 42


async def test_settle_cancels_each_task_only_once(spawn, own_task):
    cancelled = []

    async def wait(name):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(name)
            await turns(5)
            cancelled.append(f"{name} cleaned up")
            raise

    tasks = [own_task(start_task(wait(name), name)) for name in "ab"]
    await turns()
    tasks[0].cancel()
    settling = spawn(settle(tasks))
    await turns(4)
    settling.cancel()
    await asyncio.wait([settling])
    assert settling.cancelled()
    assert sorted(cancelled) == ["a", "a cleaned up", "b", "b cleaned up"]
    assert all(task.cancelled() for task in tasks)


async def test_an_error_of_a_producer_after_the_end_of_its_output_is_logged(caplog):
    async def produce(thunk):
        await thunk.put("All.")
        thunk.close()
        raise KeyError("too late")

    thunk = ModelOutputThunk()
    thunk.start(produce)
    assert await thunk.avalue() == "All."
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert "raised after the end of its output" in caplog.text
    assert "too late" in caplog.text


def test_starting_a_producer_outside_of_asyncio_raises_one_clear_error():
    async def produce(thunk):
        pass

    with pytest.raises(EventLoopError, match="choose the backend asyncio of anyio"):
        ModelOutputThunk().start(produce)


async def test_a_producer_that_continues_after_its_output_can_be_ended(generate):
    ended = False

    async def produce(thunk):
        nonlocal ended
        thunk.close()
        try:
            await asyncio.Event().wait()
        finally:
            ended = True

    thunk = ModelOutputThunk()
    generate(thunk, produce)
    assert await thunk.avalue() == ""
    await thunk.cancel_generation()
    assert not ended
    await thunk.end_producer()
    assert ended
    assert not thunk.cancelled
