"""A server between an application and the real model: the same bytes, and no request more than needed."""

from __future__ import annotations

import asyncio
import time

import httpx2
import pytest

from pytest_streamval import LiveBackend, ModelOption, ProviderServer, SimpleContext

pytestmark = [pytest.mark.e2e]

STREAM = {ModelOption.STREAM: True, ModelOption.TEMPERATURE: 0, ModelOption.SEED: 1}
BRIEF = {**STREAM, ModelOption.MAX_NEW_TOKENS: 30}
STORY = "Write a short story about a robot learning to cook."


def through(server, live_backend) -> LiveBackend:
    """Return the chosen backend, asked over a server."""
    path = live_backend.address.partition("://")[2].partition("/")[2]
    return LiveBackend(live_backend.spec, base_url=f"{server.url}/{path}".rstrip("/"))


async def deltas_of(backend, options=BRIEF) -> list[str]:
    output, _ = await backend.generate_from_context(STORY, SimpleContext(), model_options=options)
    deltas = []
    while not output.is_computed():
        deltas += await output.read_deltas()
    return deltas


def origin(live_backend) -> str:
    return live_backend.address.removesuffix("/v1")


async def busy_slots(live_backend) -> int:
    async with httpx2.AsyncClient(trust_env=False) as client:
        slots = (await client.get(f"{origin(live_backend)}/slots")).json()
    return sum(slot["is_processing"] for slot in slots)


async def test_a_stream_arrives_delta_for_delta_and_its_recording_needs_no_model(live_backend, tmp_path) -> None:
    direct = await deltas_of(live_backend)
    with ProviderServer(upstream=origin(live_backend), cassettes=tmp_path) as server:
        passed_on = await deltas_of(through(server, live_backend))
        (recorded,) = server.recordings
    with ProviderServer(upstream=origin(live_backend), cassettes=tmp_path, record="none") as server:
        replayed = await deltas_of(through(server, live_backend))
        assert server.requests[0].bytes_sent >= len(recorded.body)
    assert passed_on == replayed == direct
    assert len(direct) > 20
    assert len(recorded.reads) > 20


async def test_an_application_that_leaves_stops_the_model_within_half_a_second(live_backend) -> None:
    with ProviderServer(upstream=origin(live_backend)) as server:
        output, _ = await through(server, live_backend).generate_from_context(
            STORY, SimpleContext(), model_options=STREAM
        )
        assert await output.astream()
        await output.cancel_generation()
        stopped = time.monotonic()
        while await busy_slots(live_backend):
            assert time.monotonic() - stopped < 0.5
            await asyncio.sleep(0)
