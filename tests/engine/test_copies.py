"""Copies: of requirements with their state, of results, outputs and contexts."""

import asyncio
import copy
import gc
import pickle
from array import array
from collections import Counter, OrderedDict, UserDict, UserList, defaultdict, deque
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import NamedTuple

import pytest

from pytest_streamval import (
    CBlock,
    ChatContext,
    Council,
    Delta,
    Instruction,
    Message,
    ModelOutputThunk,
    PartialValidationResult,
    Requirement,
    Script,
    SimpleContext,
    Stall,
    StreamingMockBackend,
    ToolCallDelta,
    Usage,
    stream_with_chunking,
)

SILENT = Script.of("Well. ", Stall())


class Pair(NamedTuple):
    left: list
    right: int


def innermost(value):
    """Return the list at the bottom of nested containers."""
    while not isinstance(value, list) or isinstance(value[0], list | dict | tuple | deque | UserList | UserDict):
        value = next(iter(value.values())) if isinstance(value, dict | UserDict) else value[0]
    return value


NESTED = [
    {"a": ["x"]},
    [["x"]],
    {"a": {"b": {"c": ["x"]}}},
    deque([["x"]], maxlen=3),
    defaultdict(list, a=["x"]),
    OrderedDict(a=["x"]),
    (["x"], 1),
    Pair(["x"], 1),
    {"a": (1 and ["x"],)},
    UserDict(a=["x"]),
    UserList([["x"]]),
]


@pytest.mark.parametrize("state", NESTED, ids=lambda state: f"{type(state).__name__} {state}")
def test_containers_in_containers_belong_to_the_copy(state):
    original = Requirement("Fine")
    original.state = state
    twin = copy.copy(original)
    assert twin.state == state
    assert type(twin.state) is type(state)
    innermost(twin.state).append("y")
    assert innermost(state) == ["x"]
    assert innermost(twin.state) == ["x", "y"]


@pytest.mark.parametrize("state", [{1, 2}, bytearray(b"a"), array("i", [1]), Counter("a")], ids=repr)
def test_containers_without_containers_belong_to_the_copy_too(state):
    original = Requirement("Fine")
    original.state = {"inside": state}
    twin = copy.copy(original)
    assert twin.state["inside"] == state
    assert type(twin.state["inside"]) is type(state)
    assert twin.state["inside"] is not state


def test_objects_and_tuples_without_containers_are_shared():
    original = Requirement("Fine")
    original.record = SimpleNamespace(seen=[])
    original.state = {"client": original.record, "words": ("a", "b")}
    twin = copy.copy(original)
    assert twin.record is original.record
    assert twin.state["client"] is original.record
    assert twin.state["words"] is original.state["words"]


def test_one_container_under_two_names_is_one_in_the_copy_too_and_circles_end():
    original = Requirement("Fine")
    original.first = original.second = ["x"]
    original.circle = [original]
    original.circle.append(original.circle)
    twin = copy.copy(original)
    assert twin.first is twin.second
    assert twin.first is not original.first
    assert twin.circle[0] is twin
    assert twin.circle[1] is twin.circle


class Counting(Requirement):
    """Judges by a method of its own, which it passes on."""

    def __init__(self):
        self.seen = []
        self.rules = {"all": [self.judge]}
        super().__init__("Fine", self.judge)

    def judge(self, ctx):
        self.seen.append(str(ctx.last_output()))
        return True


async def test_a_method_of_the_original_becomes_one_of_the_copy():
    original = Counting()
    backend = StreamingMockBackend("Yes.")
    async with await stream_with_chunking("Go.", backend, SimpleContext(), requirements=[original]) as result:
        await result.acomplete()
    assert original.seen == []
    assert result.requirements[0].seen == ["Yes."]
    assert result.requirements[0].rules["all"][0].__self__ is result.requirements[0]


class OneName(Requirement):
    __slots__ = "seen"  # noqa: PLC0205  # as some write it


class Private(Requirement):
    __slots__ = ("__seen", "never_set")

    def __init__(self):
        super().__init__("Fine")
        self.__seen = {"all": []}

    def see(self, text):
        self.__seen["all"].append(text)
        return self.__seen["all"]


class _Under(Private):
    __slots__ = ("__more",)

    def __init__(self):
        super().__init__()
        self.__more = ["x"]

    def more(self):
        return self.__more


def test_slots_given_as_one_string_are_copied():
    original = OneName("Fine")
    original.seen = ["x"]
    twin = copy.copy(original)
    twin.seen.append("y")
    assert (original.seen, twin.seen) == (["x"], ["x", "y"])


@pytest.mark.parametrize("kind", [Private, _Under])
def test_slots_with_private_names_are_copied(kind):
    original = kind()
    twin = copy.copy(original)
    assert twin.see("y") == ["y"]
    assert original.see("z") == ["z"]
    assert not hasattr(twin, "never_set")
    if kind is _Under:
        assert twin.more() == ["x"]
        assert twin.more() is not original.more()


def test_a_frozen_requirement_with_slots_is_copied():
    @dataclass(frozen=True, slots=True)
    class Frozen(Requirement):
        seen: dict = field(default_factory=lambda: {"all": []})

    original = Frozen()
    copy.copy(original).seen["all"].append("x")
    assert original.seen == {"all": []}


async def test_the_runs_of_one_requirement_share_no_state_however_deep():
    class Remembering(Requirement):
        def __init__(self):
            super().__init__(None)
            self.state = {"seen": []}

        async def stream_validate(self, chunk, *, backend, ctx):
            self.state["seen"].append(chunk)
            return PartialValidationResult("pass")

    requirement, ctx = Remembering(), SimpleContext()
    runs = [
        await stream_with_chunking("Go.", StreamingMockBackend(text), ctx, requirements=[requirement])
        for text in ("One.", "Two.")
    ]
    for run in runs:
        await run.acomplete()
    assert [run.requirements[0].state["seen"] for run in runs] == [["One."], ["Two."]]
    assert requirement.state == {"seen": []}


# Results


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda it: copy.deepcopy([it])[0]])
async def test_a_copy_of_a_result_is_the_result_so_that_dropping_it_stops_nothing(copied):
    async with await stream_with_chunking("Go.", StreamingMockBackend("One. Two."), SimpleContext()) as result:
        twin = copied(result)
        assert twin is result
        del twin
        gc.collect()
        await result.acomplete()
    assert result.full_text == "One. Two."


async def test_pickling_a_result_raises_an_error_that_names_what_can_be_pickled():
    async with await stream_with_chunking("Go.", StreamingMockBackend("One."), SimpleContext()) as result:
        with pytest.raises(TypeError, match=r"it is the handle of a task. Pickle its as_thunk or its history"):
            pickle.dumps(result)
        await result.acomplete()
    assert pickle.loads(pickle.dumps(result.history)) == result.history  # noqa: S301  # pickled here
    assert str(pickle.loads(pickle.dumps(result.as_thunk))) == "One."  # noqa: S301


async def test_a_copy_of_a_councils_stream_is_the_stream():
    council = Council([StreamingMockBackend("Yes.")])
    stream = council.ask_stream("Go.")
    assert copy.copy(stream) is stream
    assert copy.deepcopy(stream) is stream
    assert [event.type async for event in stream][-1] == "done"


async def test_the_failures_of_a_result_are_a_new_list_each_time():
    class Strict(Requirement):
        async def stream_validate(self, chunk, *, backend, ctx):
            return PartialValidationResult("fail")

    backend = StreamingMockBackend("One. Two.")
    async with await stream_with_chunking("Go.", backend, SimpleContext(), requirements=[Strict()]) as result:
        await result.acomplete()
    result.streaming_failures.clear()
    ((requirement, verdict),) = result.streaming_failures
    assert (requirement, verdict.success) == (result.requirements[0], "fail")


# Outputs and contexts


async def computed():
    """Return an output that has all that an output can have."""
    thunk = ModelOutputThunk(action=Message("user", "Hello?"))

    async def produce(output):
        await output.put("Hel")
        await output.put(Delta("lo.", "hm", (ToolCallDelta(0, "1", "look", "{}"),), Usage(1, 2), "stop"))

    thunk.start(produce)
    await thunk.avalue()
    thunk.generation.model = "small"
    return thunk


def facts(thunk):
    return {
        "value": thunk.value,
        "computed": thunk.is_computed(),
        "cancelled": thunk.cancelled,
        "parsed": thunk.parsed_repr,
        "thinking": thunk.thinking,
        "refusal": thunk.refusal,
        "signature": thunk.signature,
        "tool_calls": thunk.tool_calls,
        "generation": thunk.generation,
        "deltas_read": thunk.deltas_read,
        "error": repr(thunk.error),
    }


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
async def test_a_computed_output_is_pickled_completely(protocol):
    thunk = await computed()
    twin = pickle.loads(pickle.dumps(thunk, protocol))  # noqa: S301  # pickled here
    assert facts(twin) == facts(thunk)
    assert twin.producer is None
    assert await twin.astream() == "Hello."
    assert [text async for text in twin] == ["Hello."]
    assert 0 <= twin.age < 60


async def test_a_cancelled_and_a_failed_output_are_pickled_too():
    cancelled, failed = ModelOutputThunk(), ModelOutputThunk()
    await cancelled.cancel_generation(LookupError("enough"))
    failed.fail(ValueError("broken"))
    with pytest.raises(ValueError, match="broken"):
        await failed.avalue()
    for thunk in (cancelled, failed):
        twin = pickle.loads(pickle.dumps(thunk))  # noqa: S301  # pickled here
        assert facts(twin) == facts(thunk)
    with pytest.raises(ValueError, match="broken"):
        await twin.avalue()


async def test_an_output_that_is_being_generated_cannot_be_pickled():
    thunk = ModelOutputThunk()
    with pytest.raises(TypeError, match=r"it is still being generated. Await its avalue"):
        pickle.dumps(thunk)
    thunk.close()


@pytest.mark.parametrize(
    "remade",
    [lambda ctx: pickle.loads(pickle.dumps(ctx)), copy.deepcopy, copy.copy],  # noqa: S301  # pickled here
    ids=["pickle", "deepcopy", "copy"],
)
def test_a_context_of_any_length_can_be_copied_and_pickled(remade):
    ctx = ChatContext(window_size=2)
    for number in range(1_500):
        ctx = ctx.add(f"{number}?").add(ModelOutputThunk(f"{number}."))
    twin = remade(ctx)
    assert type(twin) is ChatContext
    assert list(map(str, twin.as_list())) == list(map(str, ctx.as_list()))
    assert list(map(str, twin.view_for_generation())) == ["1499?", "1499."]
    assert str(twin.add("And?").add(ModelOutputThunk("Yes.")).last_output()) == "Yes."
    assert remade(SimpleContext()).as_list() == []
    assert remade(SimpleContext().add(Instruction("Go."))).as_list() == [Instruction("Go.")]
    assert remade(SimpleContext().add(CBlock("x"))).last_output() is None


async def test_a_copy_of_a_context_knows_no_running_request(caplog):
    ctx = ChatContext()
    running = ModelOutputThunk()
    kept = ctx.add("a").add(running)
    twin = copy.deepcopy(ctx)
    twin.add("b").add(ModelOutputThunk())
    assert not caplog.records
    assert kept.last_output() is running
    await asyncio.sleep(0)
