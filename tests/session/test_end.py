"""Cancelled, timed out and abandoned: nothing is left of a call, as the guard of the plugin's fixtures sees it."""

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
BEGINNINGS = {
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
async def test_nothing_is_left_of_a_call_that_times_out(virtual_clock, streaming_mock_backend, call):
    backend = silent(streaming_mock_backend, call)
    async with start_session(backend) as session:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(call(session), 3)
    assert virtual_clock.elapsed == 3
    assert all(each.cancelled for each in backend.calls)


@pytest.mark.parametrize("turns", range(6))
@pytest.mark.parametrize("call", CALLS)
async def test_nothing_is_left_of_a_call_that_is_cancelled(streaming_mock_backend, call, turns):
    backend = streaming_mock_backend(*[SILENT] * 2)
    async with start_session(backend) as session:
        task = asyncio.ensure_future(call(session))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert all(each.thunk.is_computed() for each in backend.calls)
    for each in backend.scripts[len(backend.calls) :]:  # so that none is left unplayed
        await (await backend.generate_from_context(each.text, session.ctx))[0].cancel_generation()


@pytest.mark.parametrize("name", BEGINNINGS)
@pytest.mark.parametrize("text", ["Well.", SILENT], ids=["sent", "silent"])
async def test_nothing_is_left_of_a_call_that_is_abandoned(streaming_mock_backend, name, text):
    async with start_session(streaming_mock_backend(text)) as session:
        kept = await BEGINNINGS[name](session)
    assert kept.finished if name == "stream" else kept.is_computed()


@pytest.mark.parametrize("name", BEGINNINGS)
@pytest.mark.parametrize("text", ["Well.", SILENT], ids=["sent", "silent"])
async def test_a_block_without_async_stops_what_it_began_too(streaming_mock_backend, name, text):
    with start_session(streaming_mock_backend(text)) as session:
        kept = await BEGINNINGS[name](session)
    assert name == "stream" or kept.is_computed()


@pytest.mark.parametrize("turns", range(4))
async def test_nothing_is_left_of_attempts_that_are_cancelled_by_their_output(streaming_mock_backend, turns):
    session = start_session(streaming_mock_backend(SILENT))
    thunk = await session.ainstruct("Go.", requirements=[Requirement("", lambda ctx: False)], max_attempts=2)
    for _ in range(turns):
        await asyncio.sleep(0)
    await thunk.cancel_generation()
    assert session.backend.calls[0].thunk.cancelled


@pytest.mark.parametrize("closing", ["    pass\n", "    await session.aclose()\n"], ids=["left open", "closed"])
@pytest.mark.parametrize("begin", ["ainstruct('Go.')", "aact('Go.')", "stream('Go.')", "aquery('x', 'Why?')"])
def test_the_guard_sees_what_a_session_leaves_behind(pytester, begin, closing):
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\nasyncio_mode = auto\n")
    pytester.makepyfile(
        "from pytest_streamval import Script, Stall, start_session\n"
        "async def test_it(streaming_mock_backend):\n"
        "    session = start_session(streaming_mock_backend(Script.of('a', Stall())))\n"
        f"    kept = await session.{begin}\n" + closing
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(**({"failed": 1} if "pass" in closing else {"passed": 1}))
    if "pass" in closing:
        result.stdout.fnmatch_lines(["*dropped while it was open: <Session open over*"])


# A closed session


@pytest.mark.parametrize("name", [*BEGINNINGS, "validate"])
async def test_a_closed_session_says_so(streaming_mock_backend, name):
    session = start_session(streaming_mock_backend())
    await session.aclose()
    await session.aclose()
    begin = BEGINNINGS.get(name, lambda session: session.avalidate([]))
    with pytest.raises(ClosedSessionError, match="needs an open session"):
        await begin(session)


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("instruct", ["x"]),
        ("chat", ["x"]),
        ("act", ["x"]),
        ("validate", [[]]),
        ("query", ["x", "y"]),
        ("transform", ["x", "y"]),
    ],
)
def test_a_closed_session_says_so_without_a_coroutine(streaming_mock_backend, method, arguments):
    session = start_session(streaming_mock_backend())
    session.close()
    with pytest.raises(ClosedSessionError) as caught:
        getattr(session, method)(*arguments)
    assert caught.value.method == method


class Late(StreamingMockBackend):
    """Begins once its gate is open."""

    def __init__(self, *scripts):
        super().__init__(*scripts)
        self.gate = asyncio.Event()

    async def generate_from_context(self, *args, **options):
        await self.gate.wait()
        return await super().generate_from_context(*args, **options)


@pytest.mark.parametrize("name", BEGINNINGS)
async def test_what_begins_behind_the_end_is_stopped(virtual_clock, name):
    backend = Late(SILENT)
    session = start_session(backend)
    task = asyncio.ensure_future(BEGINNINGS[name](session))
    await asyncio.sleep(0)
    await session.aclose()
    backend.gate.set()
    with pytest.raises(ClosedSessionError):
        await task
    assert backend.calls[0].cancelled


async def test_a_chat_that_is_waited_for_ends_with_the_session(streaming_mock_backend):
    session = start_session(streaming_mock_backend(SILENT))
    task = asyncio.ensure_future(session.achat("Go."))
    await asyncio.sleep(0)
    await session.aclose()
    with pytest.raises(ClosedSessionError, match=r"^achat\(\)"):
        await task


async def test_a_chat_that_somebody_else_cancels_says_so(streaming_mock_backend):
    async with start_session(streaming_mock_backend(SILENT)) as session:
        task = asyncio.ensure_future(session.achat("Go."))
        await asyncio.sleep(0)
        await session.backend.calls[0].thunk.cancel_generation()
        with pytest.raises(GenerationCancelledError):
            await task


# Clean-ups, and other ways to feed


class Cleaning(Backend):
    """Its producers raise when they are stopped, or go on behind the end of their output."""

    def __init__(self, *, closes=False):
        self.closes = closes
        self.cleaned = 0

    async def generate_from_context(self, action, ctx, *, model_options=None):
        async def produce(thunk):
            try:
                if self.closes:
                    thunk.close()
                await asyncio.Event().wait()
            finally:
                self.cleaned += 1
                if not self.closes:
                    raise OSError(f"clean-up of {action}")

        thunk = ModelOutputThunk(action=action)
        thunk.start(produce)
        return thunk, ctx.add(action).add(thunk)


async def test_what_a_clean_up_raises_is_raised_by_the_end_of_the_session(virtual_clock):
    session = start_session(Cleaning())
    kept = await session.aact("a")
    await asyncio.sleep(0)
    with pytest.raises(OSError, match="clean-up of a"):
        await session.aclose()
    assert kept.cancelled


async def test_what_several_clean_ups_raise_is_a_group(virtual_clock):
    session = start_session(Cleaning())
    kept = [await session.aact("a"), await session.aact("b")]
    await asyncio.sleep(0)
    with pytest.raises(ExceptionGroup) as caught:
        await session.aclose()
    assert sorted(map(str, caught.value.exceptions)) == ["clean-up of a", "clean-up of b"]
    assert len(kept) == 2


async def test_what_a_clean_up_raises_does_not_hide_a_cancellation(virtual_clock, caplog):
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
async def test_a_producer_that_works_on_behind_the_end_of_its_output_is_stopped(virtual_clock, end):
    session = start_session(Cleaning(closes=True))
    thunk = await session.aact("a")
    assert await thunk.avalue() == ""
    ending = end(session)
    if ending is not None:
        await ending
    await asyncio.wait([thunk.producer])
    assert session.backend.cleaned == 1


async def test_an_output_that_has_no_producer_is_closed(virtual_clock):
    class Manual(Backend):
        async def generate_from_context(self, action, ctx, *, model_options=None):
            thunk = ModelOutputThunk()
            return thunk, ctx.add(action).add(thunk)

    async with start_session(Manual()) as session:
        thunk = await session.aact("a")
    assert thunk.cancelled


def test_what_an_event_loop_left_behind_does_not_matter_once_it_is_closed():
    async def begin():
        thunk = await session.aact("a")
        await asyncio.sleep(0)
        thunk.producer._log_destroy_pending = False  # or asyncio tells of it, as it should
        return thunk

    session = start_session(StreamingMockBackend(SILENT))
    loop = asyncio.new_event_loop()
    thunk = loop.run_until_complete(begin())
    loop.close()
    session.close()
    assert not thunk.is_computed()


def test_what_runs_in_an_event_loop_that_stands_still_stops_when_it_goes_on(streaming_mock_backend):
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


async def test_what_runs_in_another_threads_event_loop_is_stopped_from_here(streaming_mock_backend):
    async def begin():
        return await session.aact("a"), await session.stream("b")

    async def wait_until_over(tasks):
        await asyncio.wait(tasks)

    def work():
        with asyncio.Runner() as runner:
            thunk, result = runner.run(begin())
            kept.append((thunk, result))
            here.call_soon_threadsafe(begun.set)
            runner.run(wait_until_over([thunk.producer, result.task]))

    kept = []
    here, begun = asyncio.get_running_loop(), asyncio.Event()
    session = start_session(streaming_mock_backend(SILENT, SILENT))
    working = asyncio.ensure_future(asyncio.to_thread(work))
    await begun.wait()
    await session.aclose()
    await working
    assert all(call.cancelled for call in session.backend.calls)
