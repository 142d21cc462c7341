"""`check_backend` finds backends that break the contract, and passes for those that keep it."""

from __future__ import annotations

import asyncio
import pickle
import selectors
import sys
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_streamval.conformance import check_backend
from pytest_streamval.engine.backend import Backend, ModelOption
from pytest_streamval.engine.context import SimpleContext
from pytest_streamval.engine.thunk import ModelOutputThunk
from pytest_streamval.errors import ConformanceError, EventLoopError, InvalidArgumentError
from pytest_streamval.model import Delta, Usage
from pytest_streamval.scripting.mock import StreamingMockBackend
from pytest_streamval.scripting.script import Script
from pytest_streamval.scripting.steps import Delay, Raise

WORDS = [f"w{number} " for number in range(40)]
TEXT = "".join(WORDS)
SAID = st.text("ab. \n\U0001f600\ud83d", max_size=5)


class JumpingSelector(selectors.SelectSelector):
    """Never waits: time jumps to the next timer."""

    now = 0.0

    def select(self, timeout=None):
        assert timeout is not None, "nothing is left that could happen"
        self.now += max(timeout, 0.0)
        return super().select(0)


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop whose waits take no time."""

    def __init__(self):
        self.selector = JumpingSelector()
        super().__init__(self.selector)

    def time(self):
        return self.selector.now


def run_jumping(make):
    """Run a coroutine function in a loop whose waits take no time, and return that loop."""
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(make())
        return runner.get_loop()


def found_in(factory, **options):
    """Return the error of a backend, and check that no task is left."""
    caught = []

    async def check():
        with pytest.raises(ConformanceError) as info:
            await check_backend(factory, **options)
        caught.append(info.value)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_jumping(check)
    return caught[0]


def mock(*scripts, **options):
    return lambda: StreamingMockBackend(*scripts, **options)


class Plain(Backend):
    """Keeps the contract; each subclass breaks one rule of it."""

    async def generate_from_context(self, action, ctx, *, format=None, model_options=None):  # noqa: A002
        thunk = self.output()
        thunk.generation.streaming = bool((model_options or {}).get(ModelOption.STREAM))
        thunk.start(self.produce)
        return thunk, ctx.add(action).add(thunk)

    def output(self):
        return ModelOutputThunk()

    async def produce(self, thunk):
        for word in WORDS:
            await thunk.put(word)


class ClosesItself(Plain):
    async def produce(self, thunk):
        await thunk.put("At once.")
        thunk.close()


# Backends that keep the contract


@pytest.mark.parametrize(
    "factory",
    [
        Plain,
        ClosesItself,
        mock("One. Two. Three."),
        mock("a"),
        mock(TEXT, token_size=1000),
        mock("Ein Satz, in Stücken. " * 20, token_size=3),
        mock(Script.of("", Delta(thinking="Hm."), "Yes", "", Delta(usage=Usage(1, 2)), ".", finish_reason="stop")),
        mock(Script.of("a", Delay(3), "b", Delay(0), "c")),
    ],
    ids=[
        "plain",
        "closed by its producer",
        "in characters",
        "one character",
        "in one delta",
        "many deltas",
        "more than text",
        "delays",
    ],
)
def test_check_backend_passes_for_a_backend_that_keeps_the_contract(factory):
    run_jumping(lambda: check_in_a_coroutine(factory))


async def check_in_a_coroutine(factory, **options):
    before = asyncio.all_tasks()
    await check_backend(factory, **options)
    assert asyncio.all_tasks() == before


@settings(max_examples=15, deadline=None)
@given(st.lists(SAID | st.builds(Delta, SAID, SAID), max_size=30))
def test_check_backend_passes_for_the_mock_backend_with_any_script_that_has_text(steps):
    script = Script((*steps, "End"))
    check_backend(mock(script))


# Calls


def test_check_backend_runs_at_once_without_an_event_loop():
    backends = []

    def factory():
        backends.append(StreamingMockBackend(TEXT))
        return backends[-1]

    check_backend(factory)
    assert all(len(backend.calls) == 1 for backend in backends)
    assert len(backends) == 15


def test_the_result_of_check_backend_may_be_run_awaited_and_closed():
    done = check_backend(Plain)
    assert asyncio.run(done) is None

    async def wait():
        return await done

    assert asyncio.run(wait()) is None
    done.close()
    with pytest.raises(ValueError, match="thrown"):
        done.throw(ValueError("thrown"))


def test_check_backend_raises_its_error_at_once_without_an_event_loop():
    with pytest.raises(ConformanceError, match="some text"):
        check_backend(mock(""))


async def test_check_backend_is_awaited_in_an_event_loop():
    checking = check_backend(Plain)
    assert asyncio.iscoroutine(checking)
    assert await checking is None


async def test_check_backend_can_be_closed_before_it_is_awaited():
    calls = []
    check_backend(lambda: calls.append(1)).close()
    await asyncio.sleep(0)
    assert calls == []


async def test_check_backend_accepts_an_asynchronous_factory():
    async def factory():
        await asyncio.sleep(0)
        return StreamingMockBackend(TEXT)

    await check_backend(factory)


async def test_check_backend_ignores_other_tasks_of_the_loop_and_of_the_factory():
    others = []

    async def work():
        while True:
            await asyncio.sleep(0)
            if len(others) < 5:
                others.append(asyncio.create_task(asyncio.sleep(3600)))

    def factory():
        others.append(asyncio.create_task(asyncio.sleep(3600)))
        return Plain()

    working = asyncio.create_task(work())
    await asyncio.gather(check_backend(factory), check_backend(Plain))
    assert len(others) > 5
    for task in (working, *others):
        assert not task.done()
        task.cancel()
    await asyncio.wait([working, *others])


def test_check_backend_rejects_an_event_loop_other_than_asyncio():
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(firstiter=lambda generator: None)  # as trio does
    try:
        with pytest.raises(EventLoopError, match="does not run on trio"):
            check_backend(Plain)
    finally:
        sys.set_asyncgen_hooks(*hooks)


@pytest.mark.parametrize(
    ("factory", "options", "message"),
    [
        (Plain(), {}, "Invalid factory: .*. It must be a function that returns a new backend"),
        (Plain, {"timeout": 0}, "Invalid timeout: 0. It must be a number of seconds above 0"),
        (Plain, {"timeout": None}, "Invalid timeout: None"),
        (lambda: "a backend", {}, r"Invalid factory\(\): 'a backend'. It must return a new instance"),
        (lambda: Plain, {}, r"Invalid factory\(\): <class .*"),
    ],
    ids=["a backend", "no time", "no timeout", "makes a str", "makes a class"],
)
def test_check_backend_rejects_invalid_arguments(factory, options, message):
    with pytest.raises(TypeError, match=message) as caught:
        check_backend(factory, **options)
    assert isinstance(caught.value, InvalidArgumentError)


def test_check_backend_raises_an_exception_of_the_factory_unchanged():
    def factory():
        raise FileNotFoundError("model.gguf")

    with pytest.raises(FileNotFoundError, match=r"model\.gguf"):
        check_backend(factory)


async def test_a_cancelled_check_backend_leaves_no_task():
    class Endless(Plain):
        async def produce(self, thunk):
            while True:
                await thunk.put("more")

    checking = asyncio.create_task(check_backend(Endless))
    for _ in range(5):
        await asyncio.sleep(0)
    checking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await checking
    assert asyncio.all_tasks() == {asyncio.current_task()}


# Backends that break the contract


class ForgetsToStream(Plain):
    async def generate_from_context(self, action, ctx, **options):
        thunk = ModelOutputThunk(TEXT)
        return thunk, ctx.add(action).add(thunk)


class ReturnsTheThunk(Plain):
    async def generate_from_context(self, action, ctx, **options):
        thunk, _ = await super().generate_from_context(action, ctx, **options)
        return thunk


class ReturnsAList(Plain):
    async def generate_from_context(self, action, ctx, **options):
        return [*await super().generate_from_context(action, ctx, **options)]


class ReturnsTheOldContext(Plain):
    async def generate_from_context(self, action, ctx, **options):
        thunk, _ = await super().generate_from_context(action, ctx, **options)
        return thunk, ctx


class ForgetsTheAction(Plain):
    async def generate_from_context(self, action, ctx, **options):
        thunk, _ = await super().generate_from_context(action, ctx, **options)
        return thunk, ctx.add(thunk)


class ForgetsThePast(Plain):
    async def generate_from_context(self, action, ctx, **options):
        thunk, _ = await super().generate_from_context(action, ctx, **options)
        return thunk, SimpleContext().add(action).add(thunk)


class ForgetsTheOutput(Plain):
    async def generate_from_context(self, action, ctx, **options):
        thunk, _ = await super().generate_from_context(action, ctx, **options)
        return thunk, ctx.add(action)


class ChangesTheContext(Plain):
    async def generate_from_context(self, action, ctx, **options):
        answer = await super().generate_from_context(action, ctx, **options)
        ctx._entry = None
        return answer


class TakesOptionsAway(Plain):
    async def generate_from_context(self, action, ctx, *, format=None, model_options=None):  # noqa: A002
        stream = (model_options or {}).pop(ModelOption.STREAM, False)
        return await super().generate_from_context(action, ctx, model_options={ModelOption.STREAM: stream})


class AddsOptionsLater(Plain):
    async def generate_from_context(self, action, ctx, *, format=None, model_options=None):  # noqa: A002
        self.options = model_options
        return await super().generate_from_context(action, ctx, model_options=model_options)

    async def produce(self, thunk):
        if self.options is not None:
            self.options["seed"] = 1
        await super().produce(thunk)


class SaysNothingOfStreaming(Plain):
    async def generate_from_context(self, action, ctx, **options):
        return await super().generate_from_context(action, ctx)


class SaysNothing(Plain):
    async def produce(self, thunk):
        await thunk.put("")


class Fails(Plain):
    async def produce(self, thunk):
        await thunk.put("So far. ")
        raise ConnectionError("gone")


class Refuses(Plain):
    async def generate_from_context(self, action, ctx, **options):
        raise ConnectionError("refused")


class Stalls(Plain):
    async def produce(self, thunk):
        await thunk.put("So far. ")
        await asyncio.get_running_loop().create_future()


class NeverAnswers(Plain):
    async def generate_from_context(self, action, ctx, **options):
        await asyncio.get_running_loop().create_future()


class IsCancelled(Plain):
    async def generate_from_context(self, action, ctx, **options):
        raise asyncio.CancelledError


class LosesWhatHasNoRoom(Plain):
    async def produce(self, thunk):
        for word in WORDS:
            thunk.try_put(word)
            await asyncio.sleep(0)


class TakesMoreThanThereIsRoomFor(Plain):
    class Output(ModelOutputThunk):
        capacity = 1000

    output = Output


class RepeatsItself(Plain):
    class Output(ModelOutputThunk):
        async def astream(self):
            return "".join(await self.read_deltas()) * 2

    output = Output


class StreamsBytes(Plain):
    class Output(ModelOutputThunk):
        async def astream(self):
            return "".join(await self.read_deltas()).encode()

    output = Output


class ForgetsItsValue(Plain):
    class Output(ModelOutputThunk):
        async def avalue(self):
            known = self.is_computed()
            text = await super().avalue()
            return "" if known else text

    output = Output


class StopsAtNothing(Plain):
    class Output(ModelOutputThunk):
        async def cancel_generation(self, error=None):
            pass

    output = Output


class SwallowsItsCancellation(Plain):
    async def produce(self, thunk):
        for word in WORDS:
            try:
                await thunk.put(word)
            except asyncio.CancelledError:
                await asyncio.sleep(3600)


class SwallowsEveryCancellation(Plain):
    async def produce(self, thunk):
        try:
            await super().produce(thunk)
        except asyncio.CancelledError:
            while True:
                await self.sleep()

    async def sleep(self):
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)


class PutsOn(Plain):
    async def produce(self, thunk):
        for word in WORDS:
            try:
                await thunk.put(word)
            except asyncio.CancelledError:
                continue


class FailsToCleanUp(Plain):
    async def produce(self, thunk):
        try:
            await super().produce(thunk)
        except asyncio.CancelledError:
            raise OSError("close failed") from None


class HasAnotherTaskProduce(Plain):
    """A backend whose task does not belong to its output and continues."""

    async def generate_from_context(self, action, ctx, *, format=None, model_options=None):  # noqa: A002
        thunk = ModelOutputThunk()
        thunk.generation.streaming = True
        self.task = asyncio.create_task(self.work(thunk), name="worker")
        return thunk, ctx.add(action).add(thunk)

    async def work(self, thunk):
        for word in WORDS:
            await asyncio.sleep(0.01)
            if not thunk.cancelled:
                await thunk.put(word)
        thunk.close()


class LeavesAHeartbeat(Plain):
    async def produce(self, thunk):
        self.heart = asyncio.create_task(self.beat(), name="heart")
        await super().produce(thunk)

    async def beat(self):
        await asyncio.sleep(3600)


class LeavesAHeartbeatWhenStopped(LeavesAHeartbeat):
    async def produce(self, thunk):
        await super().produce(thunk)
        self.heart.cancel()


class SharesItsOutput(Plain):
    current: ModelOutputThunk | None = None

    async def generate_from_context(self, action, ctx, **options):
        kind = type(self)
        if kind.current is None or kind.current.is_computed():
            kind.current, _ = await super().generate_from_context(action, ctx, **options)
        return kind.current, ctx.add(action).add(kind.current)


class SharesItsQueue(Plain):
    queue: list[str] = []  # noqa: RUF012  # the fault

    async def produce(self, thunk):
        self.queue.extend(WORDS)
        while self.queue:
            await asyncio.sleep(0)
            await thunk.put(self.queue.pop(0))


class StopsAllAtOnce(Plain):
    running: set[asyncio.Task[None]] = set()  # noqa: RUF012  # the fault

    async def produce(self, thunk):
        self.running.add(asyncio.current_task())
        try:
            for word in WORDS:
                await thunk.put(word)
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            for task in self.running:
                task.cancel()
            raise
        finally:
            self.running.discard(asyncio.current_task())


class KnowsNoStr(Plain):
    async def generate_from_context(self, action, ctx, **options):
        action.requirements  # noqa: B018  # a text has none
        return await super().generate_from_context(action, ctx, **options)


class OnlyStreams(Plain):
    async def generate_from_context(self, action, ctx, *, format=None, model_options=None):  # noqa: A002
        model_options[ModelOption.STREAM]
        return await super().generate_from_context(action, ctx, model_options=model_options)


class IsSilentWithoutStreaming(Plain):
    async def generate_from_context(self, action, ctx, **options):
        if options["model_options"] is not None:
            return await super().generate_from_context(action, ctx, **options)
        return ModelOutputThunk(""), ctx


class ReturnsAStrWithoutStreaming(Plain):
    async def generate_from_context(self, action, ctx, **options):
        if options["model_options"] is None:
            return TEXT, ctx
        return await super().generate_from_context(action, ctx, **options)


STREAMS, CONTEXT, OPTIONS = "is still being generated", "the context that it receives", "belong to the caller"
BRINGS_TEXT, KEEPS_TEXT, SAYS_SO = "produces some text", "the text is the same", "report that it was streamed"
WAITS, STOPS, LEAVES = "waits for its reader", "ends the producer", "outlives the generation"
APART, RUNS, AT_ONCE = "share nothing", "reaches its natural end", "without ModelOption.STREAM, avalue()"
ASK = "generate_from_context(action, ctx, model_options={ModelOption.STREAM: True})"
READ = "thunk.astream() until thunk.is_computed()"
LATER = "thunk.cancel_generation() after 100 turns of the event loop without a read"


@pytest.mark.parametrize(
    ("backend", "rule", "example", "came"),
    [
        (ForgetsToStream, STREAMS, ASK, "True, before anything was read"),
        (ReturnsTheThunk, STREAMS, ASK, "<ModelOutputThunk generating>"),
        (ReturnsAList, STREAMS, ASK, "[<ModelOutputThunk generating>, <SimpleContext of 4 entries>]"),
        (ReturnsTheOldContext, CONTEXT, ASK, "[CBlock, ModelOutputThunk] in the context that it returned"),
        (ForgetsTheAction, CONTEXT, ASK, "[CBlock, ModelOutputThunk, ModelOutputThunk] in the context that it"),
        (ForgetsThePast, CONTEXT, ASK, "[Instruction, ModelOutputThunk] in the context that it returned"),
        (ForgetsTheOutput, CONTEXT, ASK, "[CBlock, ModelOutputThunk, Instruction] in the context that it returned"),
        (ChangesTheContext, CONTEXT, ASK, "[CBlock]"),
        (TakesOptionsAway, OPTIONS, ASK, "{}"),
        (AddsOptionsLater, OPTIONS, "a generation that was read to its end", "{<ModelOption.STREAM: 'stream'>: True,"),
        (SaysNothingOfStreaming, SAYS_SO, READ, "False"),
        (SaysNothing, BRINGS_TEXT, READ, "''"),
        (Fails, BRINGS_TEXT, "thunk.astream()", "ConnectionError: gone"),
        (Refuses, BRINGS_TEXT, ASK, "ConnectionError: refused"),
        (Stalls, BRINGS_TEXT, "thunk.astream()", "it was still waiting"),
        (NeverAnswers, BRINGS_TEXT, ASK, "it was still waiting"),
        (IsCancelled, BRINGS_TEXT, ASK, "CancelledError, although it was not cancelled"),
        (LosesWhatHasNoRoom, KEEPS_TEXT, READ, "'w0 w1 w2 "),
        (TakesMoreThanThereIsRoomFor, WAITS, "thunk.read_deltas() 100 turns", "40 deltas in the first read"),
        (RepeatsItself, KEEPS_TEXT, READ, "['w0 w1 "),
        (StreamsBytes, KEEPS_TEXT, READ, "[b'w0 w1 "),
        (ForgetsItsValue, KEEPS_TEXT, "thunk.avalue() once more, on the computed output", "''"),
        (
            StopsAtNothing,
            STOPS,
            "thunk.cancel_generation() at once",
            "is_computed() False, cancelled False, value None",
        ),
        (SwallowsItsCancellation, STOPS, LATER, "it was still waiting"),
        (SwallowsEveryCancellation, STOPS, "thunk.cancel_generation()", "it was still waiting"),
        (PutsOn, STOPS, LATER, "ThunkClosedError: "),
        (FailsToCleanUp, STOPS, LATER, "OSError: close failed"),
        (
            HasAnotherTaskProduce,
            LEAVES,
            "thunk.cancel_generation() at once, and 100",
            "HasAnotherTaskProduce.work() in wo",
        ),
        (LeavesAHeartbeat, LEAVES, "a generation that was read to its end, and", "LeavesAHeartbeat.beat() in heart"),
        (LeavesAHeartbeatWhenStopped, LEAVES, f"{LATER}, and", "LeavesAHeartbeat.beat() in heart"),
        (SharesItsOutput, APART, "generate_from_context(...) of two backends", "the same output twice"),
        (SharesItsQueue, APART, "stream_with_chunking(", "'w"),
        (StopsAllAtOnce, APART, "thunk.astream() while another output was cancelled", "'w0 '"),
        (KnowsNoStr, RUNS, "stream_with_chunking(str, backend, ctx, chunking='word')", "AttributeError: "),
        (OnlyStreams, AT_ONCE, "generate_from_context(action, ctx)", "TypeError: 'NoneType' object is not subscript"),
        (IsSilentWithoutStreaming, AT_ONCE, "thunk.avalue(), without ModelOption.STREAM", "''"),
        (ReturnsAStrWithoutStreaming, AT_ONCE, "generate_from_context(action, ctx)", "('w0 w1 "),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_a_conformance_error_of_a_backend_has_the_rule_the_call_and_the_result(backend, rule, example, came):
    error = found_in(backend)
    assert rule in error.rule
    assert error.example.startswith(example)
    assert error.found.startswith(came)
    assert error.subject == backend.__name__


def test_the_message_of_a_conformance_error_of_a_backend_is_complete():
    error = found_in(TakesOptionsAway)
    assert str(error) == (
        "TakesOptionsAway breaks a rule of its contract: model_options belong to the caller and are unchanged.\n"
        "  with:     generate_from_context(action, ctx, model_options={ModelOption.STREAM: True})\n"
        "  expected: {<ModelOption.STREAM: 'stream'>: True}\n"
        "  found:    {}\n"
        "Use a copy: options = dict(model_options or {})."
    )
    assert isinstance(error, AssertionError)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301  # its own data


def test_an_exception_of_the_backend_is_the_cause_of_the_conformance_error():
    assert isinstance(found_in(Refuses).__cause__, ConnectionError)
    assert isinstance(found_in(FailsToCleanUp).__cause__, OSError)
    assert isinstance(found_in(mock(Script.of("a", Raise(ValueError("bad"))))).__cause__, ValueError)


def test_check_backend_reports_the_timeout_of_a_check():
    assert found_in(Stalls, timeout=2.5).expected == "its end within 2.5 s"
    assert found_in(Stalls).expected == "its end within 10 s"


def test_check_backend_passes_for_a_slow_backend_with_a_longer_timeout():
    slow = mock(Script.of("a", Delay(60), "b"))
    assert "still waiting" in found_in(slow).found
    run_jumping(lambda: check_in_a_coroutine(slow, timeout=100))


def test_check_backend_passes_for_backends_with_different_texts():
    texts = iter(f"{number} green bottles, " * number for number in range(2, 99))
    check_backend(lambda: StreamingMockBackend(next(texts)))


def test_check_backend_passes_for_a_backend_with_another_text_once():
    texts = iter(["Rivers flow."] * 3 + ["Water runs."] * 99)
    check_backend(lambda: StreamingMockBackend(next(texts)))
