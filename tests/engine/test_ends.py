"""How runs end: cancellations, time limits, clean-ups, and the receivers of errors."""

import asyncio
import contextlib
import dataclasses
import gc
import threading
import traceback
import warnings

import pytest

from pytest_streamval import (
    ChunkEvent,
    CompletedEvent,
    ConcurrentReadError,
    GenerationCancelledError,
    ModelOutputThunk,
    PartialValidationResult,
    Raise,
    Requirement,
    Script,
    SimpleContext,
    StreamingMockBackend,
    Transcript,
    assert_accepted,
    assert_no_unvalidated_text,
    observing,
    stream_with_chunking,
)
from pytest_streamval.engine.tasks import settle
from pytest_streamval.errors import CheckFailedError, EventLoopError

PASS = PartialValidationResult("pass")


class Reads(Requirement):
    """Reads the output that it is to judge."""

    def __init__(self, read, name="the reader"):
        super().__init__(name, validation_fn=lambda ctx: True)
        self.read = read
        self.errors = []

    def __copy__(self):
        return self

    async def stream_validate(self, chunk, *, backend, ctx):
        try:
            await self.read(ctx.last_output())
        except ConcurrentReadError as error:
            self.errors.append(error)
        return PASS


async def iterate(output):
    return [text async for text in output]


async def in_a_task(output):
    return await asyncio.create_task(output.avalue(), name="of the validator")


READS = {
    "avalue": lambda output: output.avalue(),
    "astream": lambda output: output.astream(),
    "read_deltas": lambda output: output.read_deltas(),
    "async for": iterate,
    "in a task": in_a_task,
    "wait_for": lambda output: asyncio.wait_for(output.avalue(), 5),
}


@pytest.mark.parametrize("peers", [0, 1])
@pytest.mark.parametrize("read", READS)
async def test_only_the_run_can_read_its_output(read, peers):
    reader = Reads(READS[read])
    backend = StreamingMockBackend("One. Two. Three. " * 20, token_size=3)
    requirements = [reader, *(Requirement("peer", validation_fn=lambda ctx: True) for _ in range(peers))]
    async with stream_with_chunking("Go", backend, SimpleContext(), requirements=requirements) as run:
        received = [piece async for piece in run.astream(lossless=True)]
    assert "".join(received) == run.full_text == "One. Two. Three. " * 20
    assert [event.text for event in run.history if isinstance(event, ChunkEvent)] == ["One.", "Two.", "Three."] * 20
    assert len(reader.errors) == 60
    assert all("the reader" in str(error) and "on self" in str(error) for error in reader.errors)


async def test_an_output_of_a_run_cannot_be_read_elsewhere_until_it_is_computed(never, start, turns):
    run, backend = await start(["One. ", never])
    await turns(4)
    with pytest.raises(ConcurrentReadError, match="one reader, the run that checks it"):
        await backend.thunk.avalue()
    await run.aclose()
    assert await backend.thunk.avalue() == "One. "


async def test_the_complete_output_can_be_read_in_validate(start):
    class Late(Requirement):
        async def validate(self, backend, ctx, *, format=None, model_options=None):  # noqa: A002
            seen.append(await ctx.last_output().avalue())
            return await super().validate(backend, ctx)

    seen = []
    run, _ = await start(["One. ", "Two."], Late("late", validation_fn=lambda ctx: True))
    await run.acomplete()
    assert seen == ["One. Two."]


async def test_two_runs_cannot_share_an_output():
    class Same(StreamingMockBackend):
        async def generate_from_context(self, action, ctx, **options):
            if not self.calls:
                kept.append(await super().generate_from_context(action, ctx, **options))
            return kept[0]

    kept = []
    backend = Same("One. Two.")
    async with stream_with_chunking("Go", backend, SimpleContext()) as run:
        with pytest.raises(ConcurrentReadError, match="one reader"):
            await stream_with_chunking("Go", backend, SimpleContext())
        await run.acomplete()
    assert run.full_text == "One. Two."


async def test_a_partly_read_output_cannot_be_checked():
    class Peeking(StreamingMockBackend):
        async def generate_from_context(self, action, ctx, **options):
            thunk, ctx = await super().generate_from_context(action, ctx, **options)
            kept.append(thunk)
            await thunk.astream()
            return thunk, ctx

    kept = []
    try:
        with pytest.raises(ConcurrentReadError, match="a part of it was read before"):
            await stream_with_chunking("Go", Peeking("One. " * 50, token_size=1), SimpleContext())
    finally:
        await kept[0].cancel_generation()


def test_text_without_a_chunk_event_is_unvalidated():
    transcript = Transcript.of([CompletedEvent(success=True, full_text="Leaked.", attempts_used=1)])
    with pytest.raises(CheckFailedError, match="Leaked"):
        assert_no_unvalidated_text(transcript, "Leaked.")


# Time limits


class Limited(Requirement):
    """Limits its judge, which never answers, and goes on."""

    def __init__(self, seconds, then="unknown"):
        super().__init__("limited", validation_fn=lambda ctx: True)
        self.seconds, self.then = seconds, then

    async def stream_validate(self, chunk, *, backend, ctx):
        try:
            async with asyncio.timeout(self.seconds):
                await asyncio.get_running_loop().create_future()
        except TimeoutError:
            if self.then == "wait":
                await asyncio.get_running_loop().create_future()
        return PartialValidationResult("unknown")


@pytest.mark.parametrize("method", ["acomplete", "aexception", "astream"])
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("then", ["unknown", "wait"])
def test_equal_time_limits_of_a_validator_and_its_caller_do_not_hang(virtual_clock, method, count, then):
    async def main():
        backend = StreamingMockBackend("One. Two. ")
        requirements = [Limited(5, then) for _ in range(count)]
        run = await stream_with_chunking("Go", backend, SimpleContext(), requirements=requirements)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await (run.astream().__anext__() if method == "astream" else getattr(run, method)())
        assert run.task.cancelled()
        assert run.outcome == "left"
        assert asyncio.all_tasks() == {asyncio.current_task()}

    virtual_clock.run(main())


def test_an_output_can_be_cancelled_in_the_turn_in_which_a_time_limit_of_its_producer_expires(virtual_clock):
    async def produce(thunk):
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(5):
                    await asyncio.get_running_loop().create_future()

    async def main():
        thunk = ModelOutputThunk()
        thunk.start(produce)
        try:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(5):
                    await thunk.avalue()
        finally:
            await thunk.cancel_generation()
        assert thunk.producer.cancelled()

    virtual_clock.run(main())


# A cancelled caller


@pytest.mark.parametrize("method", ["acomplete", "aexception", "astream"])
@pytest.mark.parametrize("meanwhile", [False, True])
async def test_a_clean_up_does_not_replace_the_cancellation_of_the_caller(
    start, never, turns, method, meanwhile, spawn
):
    async def untidy():
        await turns(2)
        raise OSError("connection lost")

    async def wait():
        if method == "astream":
            return [chunk async for chunk in run.astream()]
        return await getattr(run, method)()

    run, backend = await start([never], cleanup=untidy)
    caller = spawn(wait())
    await turns(4)
    other = spawn(backend.thunk.cancel_generation()) if meanwhile else None
    caller.cancel()
    await asyncio.wait([caller])
    assert caller.cancelled()
    assert not backend.running
    if other is not None:
        await asyncio.wait([other])
        assert other.exception() is not None


@pytest.mark.parametrize("method", ["acomplete", "aexception"])
def test_an_outer_timeout_remains_a_timeout_if_a_clean_up_raises(virtual_clock, start, never, method):
    async def untidy():
        raise OSError("connection lost")

    async def main():
        run, _ = await start([never], cleanup=untidy)
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(1):
                await getattr(run, method)()
        assert "connection lost" in "".join(traceback.format_exception(caught.value))

    virtual_clock.run(main())


# Producers


@pytest.mark.parametrize("end", ["close", "fail"])
@pytest.mark.parametrize("way", ["acomplete", "drop"])
async def test_a_producer_that_continues_after_its_output_ends_with_its_run(end, way, turns):
    class Working(StreamingMockBackend):
        async def generate_from_context(self, action, ctx, **options):
            thunk = ModelOutputThunk(action=action)
            thunk.start(produce)
            return thunk, ctx.add(action).add(thunk)

    async def produce(thunk):
        try:
            await thunk.put("One. ")
            thunk.close() if end == "close" else thunk.fail(OSError("lost"))
            await asyncio.get_running_loop().create_future()
        finally:
            ended.append(True)

    ended = []
    run = await stream_with_chunking("Go", Working("unused"), SimpleContext())
    if way == "acomplete":
        await run.aexception()
        assert ended
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            del run
            gc.collect()
        await turns(12)
        assert ended
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_the_last_event_comes_after_the_producer_has_ended(start, never, turns, spawn):
    async def slowly():
        await turns(5)

    run, backend = await start([never], cleanup=slowly)
    await turns(3)
    other = spawn(backend.thunk.cancel_generation())
    async for event in run.events():
        assert not isinstance(event, CompletedEvent) or not backend.running
    await other
    with pytest.raises(GenerationCancelledError):
        await run.acomplete()


class _BrokenError(BaseException):
    pass


async def test_a_producer_is_stopped_if_its_run_cannot_start(played, never, left):
    def factory():
        raise _BrokenError

    backend = played("One. ", never)
    with observing(factory), pytest.raises(_BrokenError):
        await stream_with_chunking("Go", backend, SimpleContext())
    assert not backend.running
    assert left() == set()


# Errors, and who receives them


@dataclasses.dataclass(frozen=True)
class FrozenError(Exception):
    code: int


@pytest.mark.parametrize("count", [1, 2])
async def test_an_error_that_allows_no_attributes_is_raised_unchanged(start, judge, count):
    run, _ = await start(["One. "], *(judge(FrozenError(7)) for _ in range(count)))
    with pytest.raises(FrozenError):
        await run.acomplete()


async def test_an_error_that_is_raised_again_does_not_grow():
    thunk = ModelOutputThunk()
    thunk.fail(OSError("lost"))
    depths = []
    for _ in range(5):
        with pytest.raises(OSError, match="lost") as caught:
            await thunk.avalue()
        depths.append(len(traceback.extract_tb(caught.value.__traceback__)))
    assert len(set(depths[1:])) == 1  # the first read also computes the output


async def test_a_script_that_is_played_again_does_not_grow_its_error():
    script = Script.of(Raise(OSError("lost")))
    depths = []
    for _ in range(5):
        with pytest.raises(OSError, match="lost") as caught:
            [text async for text in script.play()]
        depths.append(len(traceback.extract_tb(caught.value.__traceback__)))
    assert len(set(depths)) == 1


async def test_every_task_that_waits_receives_the_error(start, turns, spawn):
    async def later(_):
        await turns(6)
        raise ValueError("broken")

    async def read():
        return [chunk async for chunk in run.astream()]

    class Late(Requirement):
        async def stream_validate(self, chunk, *, backend, ctx):
            return await later(chunk)

    run, _ = await start(["One. "], Late("late", validation_fn=lambda ctx: True))
    waiting = [spawn(each) for each in (run.acomplete(), run.acomplete(), read())]
    await asyncio.wait(waiting)
    assert [str(task.exception()) for task in waiting] == ["broken"] * 3
    await run.acomplete()


async def test_leaving_a_run_raises_its_error_with_a_note_about_the_clean_up(start, judge):
    async def untidy():
        raise OSError("connection lost")

    run, _ = await start(["One. ", "Two. "], judge(ValueError("broken")), cleanup=untidy)
    with pytest.raises(ValueError, match="broken"):
        async with run:
            await asyncio.wait([run.task])


@pytest.mark.parametrize("count", [1, 2])
async def test_a_failed_clean_up_of_a_validator_is_an_error_for_any_number_of_validators(start, turns, count):
    class Untidy(Requirement):
        async def stream_validate(self, chunk, *, backend, ctx):
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                raise OSError("connection lost")

    run, _ = await start(["One. "], *(Untidy(f"untidy {n}", validation_fn=lambda ctx: True) for n in range(count)))
    await turns(5)
    await run.aclose()
    assert run.outcome == "left"
    assert run.task.cancelled()
    with pytest.raises(OSError, match="connection lost"):
        await run.acomplete()


@pytest.mark.streamval_not_cancelled  # it catches a cancellation
@pytest.mark.parametrize("count", [1, 2])
async def test_a_validator_that_raises_a_cancellation_is_named(start, judge, count):
    run, _ = await start(["One. "], *(judge(asyncio.CancelledError(), name=f"judge {n}") for n in range(count)))
    with pytest.raises(asyncio.CancelledError) as caught:
        await run.acomplete()
    assert caught.value.__notes__ == ["Raised by Judge('judge 0').stream_validate() about the chunk 'One.'."]
    assert run.outcome == "failed"
    assert "judge 0" in run.history[-2].detail


# What would wait for ever


def in_another_loop(coroutine):
    """Run a coroutine in the event loop of another thread, and return the error that it raised."""
    found = []

    def run():
        try:
            asyncio.run(coroutine)
        except Exception as error:  # noqa: BLE001  # any error
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found[0]


async def test_an_output_is_not_read_in_another_event_loop(never):
    thunk = ModelOutputThunk()
    thunk.start(never)

    async def read():
        await thunk.avalue()

    assert isinstance(in_another_loop(read()), EventLoopError)
    await thunk.cancel_generation()


@pytest.mark.parametrize("method", ["astream", "events", "acomplete"])
async def test_a_run_is_not_followed_in_another_event_loop(start, never, method):
    run, _ = await start([never])

    async def follow():
        await (run.acomplete() if method == "acomplete" else getattr(run, method)().__anext__())

    error = in_another_loop(follow())
    assert isinstance(error, RuntimeError)
    assert f"{method}() was called in another event loop" in str(error)
    await run.aclose()


@pytest.mark.parametrize("method", ["astream", "events"])
async def test_a_reader_of_a_run_does_not_wait_in_another_event_loop(start, never, method):
    run, _ = await start([never])
    reader = getattr(run, method)()

    async def follow():
        async with asyncio.timeout(10):  # if the reader waited, for an event of the other loop
            async for _ in reader:
                pass

    assert f"{method}() was called in another event loop" in str(in_another_loop(follow()))
    await run.aclose()


class Follows(Requirement):
    """Follows the run that it is a part of."""

    def __init__(self, follow):
        super().__init__("follows", validation_fn=lambda ctx: True)
        self.follow = follow

    def __copy__(self):
        return self

    async def stream_validate(self, chunk, *, backend, ctx):
        await self.follow()
        return PASS


@pytest.mark.parametrize("inner", [False, True])
@pytest.mark.parametrize("method", ["astream", "events", "acomplete", "aexception"])
@pytest.mark.parametrize("count", [1, 2])
async def test_a_validator_cannot_follow_its_own_run(start, method, inner, count):
    async def follow():
        reader = getattr(runs[0], method)()
        await (reader if method.startswith("a") and method != "astream" else _exhausted(reader))

    async def through_another_run():
        async with stream_with_chunking(
            "inner", StreamingMockBackend("In."), SimpleContext(), requirements=[Follows(follow)]
        ) as run:
            await run.acomplete()

    runs = []
    requirements = [
        Follows(through_another_run if inner else follow),
        *[Requirement("x", lambda ctx: True)] * (count - 1),
    ]
    run, _ = await start(["One. ", "Two. "], *requirements)
    runs.append(run)
    error = await run.aexception()
    assert isinstance(error, RuntimeError)
    assert "called by a validator of the same run" in str(error)
    runs.clear()


async def _exhausted(reader):
    async for _ in reader:
        pass


async def test_a_task_that_a_validator_has_started_may_wait_for_the_run(start, spawn):
    async def follow():
        tasks.append(spawn(runs[0].acomplete()))

    runs, tasks = [], []
    run, _ = await start(["One. ", "Two. "], Follows(follow))
    runs.append(run)
    await run.acomplete()
    await asyncio.wait(tasks)
    assert [task.exception() for task in tasks] == [None, None]
    runs.clear()


# What the task of a run does


async def test_a_run_that_is_cancelled_ends_its_task_cancelled(start, never, turns):
    run, backend = await start([never])
    await turns(3)
    run.task.cancel()
    await asyncio.wait([run.task])
    assert run.task.cancelled()
    assert not backend.running
    with pytest.raises(asyncio.CancelledError):
        await run.acomplete()


def test_an_interrupt_leaves_the_task_of_a_run(start, judge):
    async def main():
        run, _ = await start(["One. "], judge(KeyboardInterrupt()))
        runs.append(run)
        await asyncio.get_running_loop().create_future()

    runs = []
    loop = asyncio.new_event_loop()
    caller = loop.create_task(main())
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(caller)
    caller.cancel()
    loop.run_until_complete(asyncio.wait([caller]))
    assert isinstance(runs[0].task.exception(), KeyboardInterrupt)
    assert isinstance(runs[0].history[-1], CompletedEvent)
    loop.close()


async def test_a_run_that_is_cancelled_before_its_first_step_stops_its_producer(start, never, left):
    run, backend = await start([never])
    run.task.cancel()
    await asyncio.wait([run.task])
    assert run.task.cancelled()
    assert backend.thunk.cancelled
    assert not backend.running
    assert run.outcome == "left"
    assert left() == set()


@pytest.mark.filterwarnings("ignore:.*was dropped while its generation was running:ResourceWarning")
def test_a_result_that_is_dropped_in_another_thread_wakes_the_loop(start, never):
    async def main():
        run, backend = await start([never])
        task = run.task
        kept.append(run)
        del run
        thread = threading.Thread(target=kept.clear)
        thread.start()
        await asyncio.wait([task])  # the loop sleeps until it is woken
        thread.join()
        assert task.cancelled()
        assert not backend.running

    kept = []
    asyncio.run(main())


# Calling


async def test_a_run_can_be_entered_with_and_without_await(spawn):
    async with stream_with_chunking("Go", StreamingMockBackend("One."), SimpleContext()) as run:
        assert [chunk async for chunk in run.astream()] == ["One."]
    async with await stream_with_chunking("Go", StreamingMockBackend("One."), SimpleContext()) as run:
        assert [chunk async for chunk in run.astream()] == ["One."]
    task = spawn(stream_with_chunking("Go", StreamingMockBackend("One."), SimpleContext()))
    await (await task).acomplete()
    [run] = await asyncio.gather(stream_with_chunking("Go", StreamingMockBackend("One."), SimpleContext()))
    await run.acomplete()


def test_a_run_that_is_never_awaited_causes_a_warning():
    with pytest.warns(RuntimeWarning, match="never awaited"):
        stream_with_chunking("Go", StreamingMockBackend("One."), SimpleContext())


async def test_the_start_of_a_run_is_a_coroutine():
    starting = stream_with_chunking("Go", StreamingMockBackend("One."), SimpleContext())
    assert asyncio.iscoroutine(starting)
    starting.close()
    starting = stream_with_chunking("Go", StreamingMockBackend("One."), SimpleContext())
    with pytest.raises(OSError, match="thrown"):
        starting.throw(OSError("thrown"))


async def test_a_run_has_the_outcome_of_its_end(start, judge, never):
    run, _ = await start(["One."], judge())
    assert (run.outcome, run.accepted) == (None, False)
    with pytest.raises(CheckFailedError, match="has not ended"):
        assert_accepted(run)
    await run.acomplete()
    assert (run.outcome, run.accepted) == ("done", True)
    assert_accepted(run)

    run, _ = await start(["One."], judge(final=False, name="strict"))
    await run.acomplete()
    assert (run.outcome, run.accepted) == ("done", False)
    with pytest.raises(CheckFailedError, match=r"'strict'.* rejected the complete output"):
        assert_accepted(run)

    run, _ = await start(["One. ", "Two."], judge("fail", name="strict"))
    await run.acomplete()
    assert (run.outcome, run.accepted) == ("stopped", False)
    with pytest.raises(CheckFailedError, match=r"'strict'.* failed a chunk"):
        assert_accepted(run)

    run, _ = await start(["One. ", "Two."], judge(OSError("lost")))
    assert isinstance(await run.aexception(), OSError)
    assert (run.outcome, run.accepted) == ("failed", False)
    with pytest.raises(CheckFailedError, match="OSError: lost"):
        assert_accepted(run)

    run, _ = await start(["One. ", never])
    await run.aclose()
    assert (run.outcome, run.accepted) == ("left", False)
    with pytest.raises(CheckFailedError, match="closed, cancelled or dropped"):
        assert_accepted(run)


async def test_a_failed_clean_up_is_noted_if_a_run_cannot_start(played, never):
    async def untidy():
        raise OSError("connection lost")

    def factory():
        raise _BrokenError

    class Slow(played):
        async def generate_from_context(self, action, ctx, **options):
            answer = await super().generate_from_context(action, ctx, **options)
            await asyncio.sleep(0)  # so that the producer begins
            return answer

    starting = stream_with_chunking("Go", Slow("One. ", never, cleanup=untidy), SimpleContext())
    with observing(factory), pytest.raises(_BrokenError) as caught:
        await starting
    assert caught.value.__notes__ == ["The clean-up failed too: OSError: connection lost"]


async def test_an_output_that_is_being_read_cannot_be_checked(played, never, turns, spawn):
    class Read(played):
        async def generate_from_context(self, action, ctx, **options):
            answer = await super().generate_from_context(action, ctx, **options)
            readers.append(spawn(answer[0].avalue()))
            await turns(2)
            return answer

    readers = []
    backend = Read(never)
    with pytest.raises(ConcurrentReadError, match="is being read already"):
        await stream_with_chunking("Go", backend, SimpleContext())
    await backend.thunk.cancel_generation()
    await asyncio.wait(readers)


@pytest.mark.streamval_not_cancelled  # it catches a cancellation
async def test_a_cancellation_while_a_producer_ends_has_a_note_about_its_clean_up(never, turns, spawn, generate):
    async def produce(thunk):
        try:
            await never()
        finally:
            await turns(4)
            raise OSError("connection lost")

    thunk = ModelOutputThunk()
    generate(thunk, produce)
    await turns(1)
    caller = spawn(thunk.cancel_generation())
    await turns(2)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await caller
    assert caught.value.__notes__ == ["The clean-up failed too: OSError: connection lost"]


async def test_a_task_of_any_kind_is_settled(turns, spawn):
    async def slowly():
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await turns(3)

    task = spawn(slowly(), name="plain")
    await turns(1)
    await settle([task])
    assert task.cancelled()
    again = spawn(slowly(), name="being cancelled")
    await turns(1)
    again.cancel()
    await turns(1)
    await settle([again])
    assert again.cancelled()
