"""`wait_for_all_mots`: waits for all outputs, and raises their failures."""

from __future__ import annotations

import asyncio

import pytest

from pytest_streamval import (
    Delay,
    DifferentLoopsError,
    InvalidArgumentError,
    ModelOutputThunk,
    Raise,
    Script,
    SimpleContext,
    Stall,
    StreamingMockBackend,
    start_session,
    wait_for_all_mots,
)

STORY = "A story. " * 30  # more deltas than fit into a buffer


async def outputs(session):
    return [await session.ainstruct("Go.") for _ in session.backend.scripts]


async def test_wait_for_all_mots_resolves_all_outputs(streaming_mock_backend):
    async with start_session(streaming_mock_backend(STORY, "", STORY)) as session:
        thunks = await outputs(session)
        await wait_for_all_mots(thunks)
        await wait_for_all_mots(thunks)
        await wait_for_all_mots(thunk for thunk in [thunks[0], thunks[0]])
        await wait_for_all_mots([])
    assert [thunk.value for thunk in thunks] == [STORY, "", STORY]


async def test_wait_for_all_mots_reads_a_repeated_output_once(streaming_mock_backend):
    async with start_session(streaming_mock_backend(STORY)) as session:
        (thunk,) = await outputs(session)
        await wait_for_all_mots([thunk, thunk])
    assert thunk.value == STORY


async def test_wait_for_all_mots_waits_for_all_outputs_after_a_failure(virtual_clock, streaming_mock_backend):
    broken = Script.of("a", Raise(ConnectionError("reset")))
    async with start_session(streaming_mock_backend(Script.of(Delay(9), "late"), broken)) as session:
        thunks = await outputs(session)
        with pytest.raises(ConnectionError, match="reset") as caught:
            await wait_for_all_mots(thunks)
    assert virtual_clock.elapsed == 9
    assert thunks[0].value == "late"
    assert caught.value.__cause__ is None


async def test_wait_for_all_mots_attaches_the_other_failures_to_the_first(virtual_clock, streaming_mock_backend):
    cause = OSError("socket")
    first = ConnectionError("reset")
    first.__cause__ = cause
    scripts = [
        Script.of(Delay(2), Raise(ValueError("b"))),
        Script.of(Raise(first)),
        Script.of(Delay(1), Raise(KeyError)),
    ]
    async with start_session(streaming_mock_backend(*scripts)) as session:
        thunks = await outputs(session)
        with pytest.raises(ConnectionError) as caught:
            await wait_for_all_mots(thunks)
    group = caught.value.__cause__
    assert isinstance(group, ExceptionGroup)
    assert [type(error) for error in group.exceptions] == [KeyError, ValueError]
    assert "2 other outputs failed too" in str(group)
    assert group.__cause__ is cause


async def test_wait_for_all_mots_raises_the_error_of_a_failed_output(streaming_mock_backend):
    async with start_session(streaming_mock_backend(Script.of(Raise(ValueError("once"))))) as session:
        (thunk,) = await outputs(session)
        for _ in range(2):
            with pytest.raises(ValueError, match="once"):
                await wait_for_all_mots([thunk])


async def test_wait_for_all_mots_raises_a_shared_error_once(streaming_mock_backend):
    error = ValueError("shared")
    async with start_session(streaming_mock_backend(Script.of(Raise(error)), Script.of(Raise(error)))) as session:
        with pytest.raises(ValueError, match="shared") as caught:
            await wait_for_all_mots(await outputs(session))
    assert caught.value.__cause__ is None


async def test_wait_for_all_mots_accepts_a_cancelled_output(streaming_mock_backend):
    async with start_session(streaming_mock_backend(Script.of("a", Stall()))) as session:
        (thunk,) = await outputs(session)
        await thunk.astream()
        await thunk.cancel_generation(ValueError("enough"))
        await wait_for_all_mots([thunk])
    assert thunk.value == "a"


async def test_cancelling_wait_for_all_mots_stops_the_generations(virtual_clock, streaming_mock_backend):
    session = start_session(streaming_mock_backend(Script.of("a", Stall()), STORY, Script.of(Stall())))
    thunks = await outputs(session)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(3):
            await wait_for_all_mots(thunks)
    assert [thunk.cancelled for thunk in thunks] == [True, False, True]
    assert thunks[1].value == STORY


async def test_cancelling_wait_for_all_mots_stops_an_output_without_a_producer():
    thunk = ModelOutputThunk()
    task = asyncio.ensure_future(wait_for_all_mots([thunk]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert thunk.cancelled


def test_wait_for_all_mots_refuses_outputs_of_another_event_loop():
    async def begin():
        return (await backend.generate_from_context("a", SimpleContext()))[0]

    async def wait(there):
        here = await begin()
        with pytest.raises(DifferentLoopsError, match=r"^thunks\[1\] is generated in another event loop"):
            await wait_for_all_mots([here, there])
        assert not here.is_computed()
        await here.avalue()
        await wait_for_all_mots([here])

    backend = StreamingMockBackend("a", "b")
    with asyncio.Runner() as one, asyncio.Runner() as other:
        there = one.run(begin())
        other.run(wait(there))
        one.run(wait_for_all_mots([there]))
        other.run(wait_for_all_mots([there]))  # a computed output belongs to no loop
    assert there.value == "a"


@pytest.mark.parametrize(
    ("thunks", "message"),
    [
        (ModelOutputThunk("a"), "^Invalid thunks: <ModelOutputThunk computed 'a'>. They must be a list"),
        (None, "^Invalid thunks: None"),
        (["a"], r"^Invalid thunks\[0\]: 'a'"),
        ([[ModelOutputThunk("a")]], r"^Invalid thunks\[0\]: \[<ModelOutputThunk computed 'a'>\]"),
    ],
    ids=["one output", "none", "no output", "a list in a list"],
)
async def test_wait_for_all_mots_refuses_other_values(thunks, message):
    with pytest.raises(InvalidArgumentError, match=message):
        await wait_for_all_mots(thunks)


async def test_wait_for_all_mots_refuses_a_call_that_was_not_awaited(streaming_mock_backend):
    async with start_session(streaming_mock_backend()) as session:
        with pytest.raises(InvalidArgumentError, match="Await it, which returns the output"):
            await wait_for_all_mots([session.ainstruct("Go.")])
