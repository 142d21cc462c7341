"""Closing a session: it stops every generation, and its methods raise afterwards."""

from __future__ import annotations

import asyncio

import pytest

from pytest_streamval import (
    Backend,
    GenerationCancelledError,
    Instruction,
    ModelOption,
    ModelOutputThunk,
    Requirement,
    Script,
    Stall,
    StreamingMockBackend,
    start_session,
    wait_for_all_mots,
)
from pytest_streamval.errors import ClosedSessionError
from tests.session.doubles import ProducerBackend

pytest_plugins = ["pytester"]

SILENT = Script.of("Well. ", Stall())
STREAM = {ModelOption.STREAM: True}


async def instruct(session):
    return await (await session.ainstruct("Go.")).avalue()


async def instruct_until_accepted(session):
    requirement = Requirement("", lambda ctx: False)
    return await (await session.ainstruct("Go.", requirements=[requirement], max_attempts=3)).avalue()


async def chat(session):
    return await session.achat("Go.")


async def act(session):
    return await (await session.aact(Instruction("Go."))).avalue()


async def validate(session):
    return await session.avalidate([Requirement("good"), Requirement("", lambda ctx: asyncio.Event().wait())], "x")


async def query(session):
    return await (await session.aquery("x", "Why?")).avalue()


async def transform(session):
    return await (await session.atransform("x", "Go.")).avalue()


async def stream(session):
    async with await session.stream("Go.") as result:
        await result.acomplete()


async def wait(session):
    await wait_for_all_mots([await session.ainstruct("Go."), await session.aact("Go.")])


CALLS = [instruct, instruct_until_accepted, chat, act, validate, query, transform, stream, wait]
METHODS = {
    "instruct": lambda session: session.ainstruct("Go."),
    "until accepted": lambda session: session.ainstruct("Go.", requirements=[Requirement("x")], max_attempts=2),
    "chat": lambda session: session.achat("Go.", model_options=STREAM),
    "act": lambda session: session.aact("Go."),
    "query": lambda session: session.aquery("x", "Why?"),
    "transform": lambda session: session.atransform("x", "Go."),
    "stream": lambda session: session.stream("Go."),
}


def silent(make, call):
    return make(*[SILENT] * (2 if call is wait else 1))


@pytest.mark.parametrize("call", CALLS)
async def test_a_session_call_that_times_out_stops_its_generations(virtual_clock, streaming_mock_backend, call):
    backend = silent(streaming_mock_backend, call)
    async with start_session(backend) as session:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(call(session), 3)
    assert virtual_clock.elapsed == 3
    assert all(each.cancelled for each in backend.calls)


@pytest.mark.parametrize("call", CALLS)
async def test_a_cancelled_session_call_stops_its_generations(call):
    for turns in range(6):
        backend = StreamingMockBackend(*[SILENT] * 2)
        async with start_session(backend) as session:
            task = asyncio.ensure_future(call(session))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert all(each.thunk.is_computed() for each in backend.calls), f"cancelled after {turns} turns"


@pytest.mark.parametrize("name", METHODS)
async def test_leaving_a_session_block_stops_its_generations(streaming_mock_backend, name):
    for text in ("Well.", SILENT):
        async with start_session(streaming_mock_backend(text)) as session:
            output = await METHODS[name](session)
        assert output.finished if name == "stream" else output.is_computed()
        with start_session(streaming_mock_backend(text)) as session:
            output = await METHODS[name](session)
        assert name == "stream" or output.is_computed()


@pytest.mark.parametrize("turns", range(4))
async def test_cancelling_an_output_stops_its_attempts(streaming_mock_backend, turns):
    session = start_session(streaming_mock_backend(SILENT))
    thunk = await session.ainstruct("Go.", requirements=[Requirement("", lambda ctx: False)], max_attempts=2)
    for _ in range(turns):
        await asyncio.sleep(0)
    await thunk.cancel_generation()
    assert session.backend.calls[0].thunk.cancelled


GUARDED = """
import pytest
from pytest_streamval import Script, Stall, start_session

CALLS = {
    "ainstruct": lambda session: session.ainstruct("Go."),
    "aact": lambda session: session.aact("Go."),
    "stream": lambda session: session.stream("Go."),
    "aquery": lambda session: session.aquery("x", "Why?"),
}

@pytest.mark.parametrize("closes", [False, True])
@pytest.mark.parametrize("name", CALLS)
async def test_it(streaming_mock_backend, name, closes):
    session = start_session(streaming_mock_backend(Script.of("a", Stall())))
    output = await CALLS[name](session)
    if closes:
        await session.aclose()
"""


def test_the_guard_finds_the_open_generations_of_a_session(pytester):
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\nasyncio_mode = auto\n")
    pytester.makepyfile(GUARDED)
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=4, failed=4)
    result.stdout.fnmatch_lines(["*dropped while it was open: <Session open over*"] * 4)


# A closed session


async def test_the_methods_of_a_closed_session_raise(streaming_mock_backend):
    session = start_session(streaming_mock_backend())
    await session.aclose()
    await session.aclose()
    for begin in [*METHODS.values(), lambda session: session.avalidate([])]:
        with pytest.raises(ClosedSessionError, match="needs an open session"):
            await begin(session)
    calls = {"instruct": 1, "chat": 1, "act": 1, "validate": 1, "query": 2, "transform": 2}
    for method, count in calls.items():
        with pytest.raises(ClosedSessionError) as caught:
            getattr(session, method)(*["x"] * count)
        assert caught.value.method == method


class Late(StreamingMockBackend):
    """Waits for its gate before each generation."""

    def __init__(self, *scripts):
        super().__init__(*scripts)
        self.gate = asyncio.Event()

    async def generate_from_context(self, *args, **options):
        await self.gate.wait()
        return await super().generate_from_context(*args, **options)


@pytest.mark.parametrize("name", METHODS)
async def test_a_generation_that_starts_after_the_end_of_its_session_is_stopped(virtual_clock, name):
    backend = Late(SILENT)
    session = start_session(backend)
    task = asyncio.ensure_future(METHODS[name](session))
    await asyncio.sleep(0)
    await session.aclose()
    backend.gate.set()
    with pytest.raises(ClosedSessionError):
        await task
    assert backend.calls[0].cancelled


async def test_closing_a_session_ends_a_chat(streaming_mock_backend):
    session = start_session(streaming_mock_backend(SILENT))
    task = asyncio.ensure_future(session.achat("Go."))
    await asyncio.sleep(0)
    await session.aclose()
    with pytest.raises(ClosedSessionError, match=r"^achat\(\)"):
        await task


async def test_a_chat_raises_if_other_code_cancels_its_output(streaming_mock_backend):
    async with start_session(streaming_mock_backend(SILENT)) as session:
        task = asyncio.ensure_future(session.achat("Go."))
        await asyncio.sleep(0)
        await session.backend.calls[0].thunk.cancel_generation()
        with pytest.raises(GenerationCancelledError):
            await task


# Clean-ups


class Cleaning(ProducerBackend):
    """Its producers raise when they are stopped, or continue after the end of their output."""

    def __init__(self, *, closes=False):
        self.closes = closes
        self.cleaned = 0

    async def produce(self, thunk, action):
        try:
            if self.closes:
                thunk.close()
            await asyncio.Event().wait()
        finally:
            self.cleaned += 1
            if not self.closes:
                raise OSError(f"clean-up of {action}")


async def test_closing_a_session_raises_the_error_of_a_clean_up(virtual_clock):
    session = start_session(Cleaning())
    output = await session.aact("a")
    await asyncio.sleep(0)
    with pytest.raises(OSError, match="clean-up of a"):
        await session.aclose()
    assert output.cancelled


async def test_leaving_a_session_block_raises_the_error_of_a_clean_up(virtual_clock):
    async def leave():
        async with start_session(Cleaning()) as session:
            await session.aact("a")
            await asyncio.sleep(0)

    with pytest.raises(OSError, match="clean-up of a"):
        await leave()


async def test_closing_a_session_raises_the_errors_of_clean_ups_as_a_group(virtual_clock):
    session = start_session(Cleaning())
    outputs = [await session.aact("a"), await session.aact("b")]
    await asyncio.sleep(0)
    with pytest.raises(ExceptionGroup) as caught:
        await session.aclose()
    assert sorted(map(str, caught.value.exceptions)) == ["clean-up of a", "clean-up of b"]
    assert len(outputs) == 2


async def test_a_failed_clean_up_does_not_hide_a_cancellation(virtual_clock, caplog):
    session = start_session(Cleaning())
    task = asyncio.ensure_future(session.achat("a"))
    for _ in range(3):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert "clean-up of" in caplog.text
    await session.aclose()


@pytest.mark.parametrize(
    "end", [lambda session: session.close(), lambda session: session.aclose()], ids=["close", "aclose"]
)
async def test_closing_a_session_stops_a_producer_that_continues_after_its_output(virtual_clock, end):
    session = start_session(Cleaning(closes=True))
    thunk = await session.aact("a")
    assert await thunk.avalue() == ""
    ending = end(session)
    if ending is not None:
        await ending
    await asyncio.wait([thunk.producer])
    assert session.backend.cleaned == 1


async def test_closing_a_session_cancels_an_output_without_a_producer(virtual_clock):
    class Manual(Backend):
        async def generate_from_context(self, action, ctx, *, model_options=None):
            thunk = ModelOutputThunk()
            return thunk, ctx.add(action).add(thunk)

    async with start_session(Manual()) as session:
        thunk = await session.aact("a")
    assert thunk.cancelled


def test_closing_a_session_ignores_closed_event_loops():
    async def begin():
        thunk = await session.aact("a")
        await asyncio.sleep(0)
        thunk.producer._log_destroy_pending = False  # prevents the warning of asyncio
        return thunk

    session = start_session(StreamingMockBackend(SILENT))
    loop = asyncio.new_event_loop()
    thunk = loop.run_until_complete(begin())
    loop.close()
    session.close()
    assert not thunk.is_computed()


def test_closing_a_session_stops_generations_of_a_paused_event_loop_later(streaming_mock_backend):
    async def begin(session):
        return await session.aact("a"), await session.stream("b")

    async def wait_for(tasks):
        await asyncio.wait(tasks)

    session = start_session(streaming_mock_backend(SILENT, SILENT))
    with asyncio.Runner() as runner:
        thunk, result = runner.run(begin(session))
        session.close()
        assert not thunk.is_computed()
        runner.run(wait_for([thunk.producer, result.task]))
    assert all(call.cancelled for call in session.backend.calls)


async def test_closing_a_session_stops_generations_in_other_threads(streaming_mock_backend):
    async def begin():
        return await session.aact("a"), await session.stream("b")

    async def wait_until_over(tasks):
        await asyncio.wait(tasks)

    def work():
        with asyncio.Runner() as runner:
            thunk, result = runner.run(begin())
            outputs.append((thunk, result))
            here.call_soon_threadsafe(begun.set)
            runner.run(wait_until_over([thunk.producer, result.task]))

    outputs = []
    here, begun = asyncio.get_running_loop(), asyncio.Event()
    session = start_session(streaming_mock_backend(SILENT, SILENT))
    working = asyncio.ensure_future(asyncio.to_thread(work))
    await begun.wait()
    await session.aclose()
    await working
    assert all(call.cancelled for call in session.backend.calls)
