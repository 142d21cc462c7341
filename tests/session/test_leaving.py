"""Leaving a session: by cancellation, by an error, with failed clean-ups, from inside, and by dropping it."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import gc
import pickle
import warnings

import pytest

from pytest_streamval import (
    Backend,
    ModelOutputThunk,
    Requirement,
    Script,
    Stall,
    StreamingMockBackend,
    start_session,
    stream_with_chunking,
)
from tests.session.doubles import ProducerBackend

SILENT = Script.of("Well. ", Stall())


class Slow(ProducerBackend):
    """After a cancellation its producers wait for the gate, and then end or raise an error."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.running = 0
        self.gate = asyncio.Event()

    async def produce(self, thunk, action):
        error = self.errors.pop(0) if self.errors else None
        self.running += 1
        try:
            await asyncio.Event().wait()
        finally:
            await self.gate.wait()
            self.running -= 1
            if error is not None:
                raise error


async def begin_all(session):
    """Start two runs and two outputs, and let them take their first steps."""
    outputs = [await session.stream("a"), await session.stream("b"), await session.aact("c"), await session.aact("d")]
    for _ in range(3):
        await asyncio.sleep(0)
    return outputs


@pytest.mark.parametrize("turns", range(0, 8, 2))
async def test_a_cancelled_session_block_stops_every_generation(virtual_clock, turns):
    backend = Slow()

    async def work():
        async with start_session(backend) as session:
            outputs.extend(await begin_all(session))
            await asyncio.Event().wait()

    outputs = []
    task = asyncio.create_task(work())
    for _ in range(12):
        await asyncio.sleep(0)
    assert backend.running == 4
    task.cancel()
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()  # again, while the session waits for its generations
    for _ in range(8):
        await asyncio.sleep(0)
    assert not task.done()
    backend.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert backend.running == 0
    assert all(each.finished for each in outputs[:2])
    assert all(each.cancelled for each in outputs[2:])


@pytest.mark.parametrize("failing", range(4))
async def test_a_failed_clean_up_leaves_no_generation_of_the_session_running(virtual_clock, failing):
    backend = Slow(*[OSError("disk") if index == failing else None for index in range(4)])
    backend.gate.set()
    session = start_session(backend)
    outputs = await begin_all(session)
    if failing < 2:  # the run reports it
        await session.aclose()
        assert "disk" in str(outputs[failing].history)
    else:
        with pytest.raises(OSError, match="disk"):
            await session.aclose()
    assert backend.running == 0


async def test_an_error_in_a_session_block_is_raised_before_the_error_of_a_clean_up(virtual_clock, caplog):
    backend = Slow(OSError("disk"))
    backend.gate.set()

    async def work():
        async with start_session(backend) as session:
            await session.aact("a")
            await asyncio.sleep(0)
            raise LookupError("the application's")

    with pytest.raises(LookupError, match="the application's"):
        await work()
    assert backend.running == 0
    assert "disk" in caplog.text


async def test_a_timeout_around_a_session_block_is_raised_before_the_error_of_a_clean_up(virtual_clock, caplog):
    backend = Slow(OSError("disk"))
    backend.gate.set()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(5), start_session(backend) as session:
            await (await session.aact("a")).avalue()
    assert "disk" in caplog.text
    assert virtual_clock.elapsed == 5


async def test_a_failed_clean_up_is_logged_if_closing_the_session_is_cancelled(virtual_clock, caplog):
    backend = Slow(OSError("disk"))
    session = start_session(backend)
    output = await session.aact("a")
    await asyncio.sleep(0)
    closing = asyncio.create_task(session.aclose())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.sleep(0)
    backend.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert output.cancelled
    assert "disk" in caplog.text


class Lingering(ProducerBackend):
    """Its producers close their output, wait in a timeout of 5 seconds, and then without end."""

    def __init__(self):
        self.producers = []

    async def produce(self, thunk, action):
        self.producers.append(asyncio.current_task())
        thunk.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.Event().wait()
        await asyncio.Event().wait()


async def test_leaving_a_session_stops_a_producer_whose_own_timeout_ends_then(virtual_clock):
    backend = Lingering()
    async with asyncio.timeout(60):
        async with start_session(backend) as session:
            output = await session.aact("a")
            await asyncio.sleep(5)
            assert backend.producers[0].cancelling()
        assert backend.producers[0].cancelled()
    assert output.is_computed()


async def test_a_requirement_can_close_its_own_session(virtual_clock):
    async def close(ctx):
        await session.aclose()
        return True

    session = start_session(StreamingMockBackend("Yes.", "Yes."))
    thunk = await session.ainstruct("a", requirements=[Requirement("", close)], max_attempts=2)
    await asyncio.wait([thunk.producer])
    result = None
    assert thunk.cancelled
    session = start_session(StreamingMockBackend("Yes."))
    result = await session.stream("a", requirements=[Requirement("", close)])
    await asyncio.wait([result.task])
    assert result.task.cancelled()


async def test_a_producer_can_close_its_own_session(virtual_clock):
    class Closing(ProducerBackend):
        async def produce(self, thunk, action):
            await session.aclose()
            await asyncio.Event().wait()

    session = start_session(Closing())
    thunk = await session.aact("a")
    await asyncio.wait([thunk.producer])
    assert thunk.cancelled


def test_a_requirement_of_a_synchronous_call_can_close_its_session():
    def close(ctx):
        session.close()
        return True

    async def aclose(ctx):
        await session.aclose()
        return True

    for function in (close, aclose):
        session = start_session(StreamingMockBackend("Yes."))
        with pytest.raises(RuntimeError):
            session.instruct("a", requirements=[Requirement("", function)], max_attempts=1)
        session.close()


# The context


class Delegating(Backend):
    """Checks the answer of another backend with its own run, and returns it."""

    def __init__(self, inner):
        self.inner = inner

    async def generate_from_context(self, action, ctx, *, model_options=None):
        async with await stream_with_chunking(action, self.inner, ctx) as run:
            await run.acomplete()
        text = run.full_text

        async def produce(thunk):
            await thunk.put(text.upper())

        thunk = ModelOutputThunk(action=action)
        thunk.start(produce)
        return thunk, ctx.add(action).add(thunk)


async def test_the_context_of_a_session_contains_no_runs_of_its_backend(virtual_clock):
    async with start_session(Delegating(StreamingMockBackend("Inner.", "More."))) as session:
        result = await session.stream("a")
        assert session.ctx.as_list() == []
        await result.acomplete()
        assert [str(entry) for entry in session.ctx.as_list()] == ["a", "INNER."]
        result = await session.stream("b")
        await result.acomplete()
    assert [str(entry) for entry in session.ctx.as_list()] == ["b", "MORE."]


# Dropping and copying


async def test_dropping_a_session_with_a_running_generation_warns():
    sessions = [start_session(StreamingMockBackend(SILENT))]
    output = await sessions[0].stream("a")
    with pytest.warns(ResourceWarning, match="was dropped with 1 of its generations running"):
        sessions.clear()
    await output.aclose()


async def test_dropping_an_idle_session_does_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        start_session(StreamingMockBackend())
        session = start_session(StreamingMockBackend("Yes."))
        await session.achat("a")
        del session
        gc.collect()


def test_dropping_a_session_with_invalid_arguments_does_not_warn():
    with pytest.raises(TypeError):
        start_session(StreamingMockBackend(), ctx="chat")
    gc.collect()


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_session_cannot_be_copied_or_pickled(copied):
    with pytest.raises(TypeError, match=r"cannot be copied or pickled, .* start_session\(session.backend, ctx="):
        copied(start_session(StreamingMockBackend()))
