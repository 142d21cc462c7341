"""`pace`: a function that delays each read of a run."""

from __future__ import annotations

import asyncio

import pytest

from pytest_streamval import ModelOutputThunk, Script, SimpleContext, StreamingMockBackend, stream_with_chunking

SCRIPT = Script(("One. ",) * 100)


async def turns(count: int = 50) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_nothing_is_read_and_the_producer_waits_while_pace_waits() -> None:
    backend = StreamingMockBackend(SCRIPT)
    seen: list[int] = []
    gate = asyncio.Event()

    async def pace(run):
        seen.append(len(run.history))
        if len(seen) > 1:
            await gate.wait()

    result = await stream_with_chunking("Go", backend, SimpleContext(), chunking=None, pace=pace)
    await turns()
    assert result.deltas_read <= ModelOutputThunk.capacity
    assert backend.calls[0].deltas_sent <= ModelOutputThunk.capacity
    assert seen[1] == result.deltas_read == len(result.history)
    gate.set()
    await result.acomplete()
    assert result.full_text == "One. " * 100


async def test_a_run_that_waits_for_pace_can_be_cancelled() -> None:
    async def pace(run):
        await asyncio.get_running_loop().create_future()

    backend = StreamingMockBackend(SCRIPT)
    result = await stream_with_chunking("Go", backend, SimpleContext(), pace=pace)
    await turns()
    await result.aclose()
    assert result.deltas_read == 0
    assert backend.calls[0].cancelled


async def test_an_error_of_pace_ends_the_run() -> None:
    async def pace(run):
        raise ValueError("no")

    backend = StreamingMockBackend(SCRIPT)
    result = await stream_with_chunking("Go", backend, SimpleContext(), pace=pace)
    with pytest.raises(ValueError, match="no"):
        await result.acomplete()
    assert backend.calls[0].cancelled
