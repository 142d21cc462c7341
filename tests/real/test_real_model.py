"""A real model, over real sockets, in the protocol that the run has chosen."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import asynccontextmanager
from math import inf

import httpx2
import pytest

from pytest_streamval import (
    Cassette,
    ChatContext,
    CompletedEvent,
    Council,
    LiveBackend,
    ModelOption,
    PartialValidationResult,
    QuickCheckEvent,
    RecordingTransport,
    ReplayTransport,
    Requirement,
    SimpleContext,
    assert_event_order,
    assert_no_unvalidated_text,
    check_backend,
    start_session,
    stream_with_chunking,
    transcribe,
    wait_for_all_mots,
)
from pytest_streamval.http.client import HttpResponse
from pytest_streamval.live.recording_transport import transport_of

pytestmark = pytest.mark.e2e

OPTIONS = {ModelOption.TEMPERATURE: 0, ModelOption.SEED: 1, ModelOption.MAX_NEW_TOKENS: 40}
STREAM = {ModelOption.STREAM: True}
STORY = "Write a short story about a robot learning to cook."


class AfterTwo(Requirement):
    """Lets two sentences pass."""

    def __init__(self) -> None:
        super().__init__("two sentences")
        self.seen = 0

    async def stream_validate(self, chunk, *, backend, ctx):
        self.seen += 1
        return PartialValidationResult("fail" if self.seen > 2 else "pass")


@pytest.fixture
def brief(live_backend) -> LiveBackend:
    """Ask the chosen model for a short answer, always the same."""
    return LiveBackend(live_backend.spec, base_url=live_backend.address, model_options=OPTIONS)


class Tapped:
    """Sends requests over another transport, and keeps the bytes of each read of each answer."""

    def __init__(self, inner) -> None:
        self.inner = inner
        self.answers: list[list[bytes]] = []

    @asynccontextmanager
    async def stream(self, request, *, provider):
        self.answers.append([])
        async with self.inner.stream(request, provider=provider) as response:
            yield HttpResponse(response.status, response.headers, self._tapped(response.reads, self.answers[-1]))

    async def _tapped(self, reads, heard):
        async for data in reads:
            heard.append(data)
            yield data


def over(live_backend, transport) -> LiveBackend:
    """Return the chosen backend, asking over a transport."""
    return LiveBackend(live_backend.spec, base_url=live_backend.address, model_options=OPTIONS, transport=transport)


async def busy_slots(live_backend) -> int:
    address = live_backend.address.removesuffix("/v1")
    async with httpx2.AsyncClient(trust_env=False) as client:
        slots = (await client.get(f"{address}/slots")).json()
    return sum(slot["is_processing"] for slot in slots)


async def test_a_story_comes_in_sentences(brief) -> None:
    async with await stream_with_chunking(STORY, brief, SimpleContext()) as result:
        received = [sentence async for sentence in result.astream(lossless=True)]
    assert result.completed
    assert len(received) > 1
    assert "".join(received) == result.full_text
    usage = result.as_thunk.generation.usage
    assert usage is not None
    assert usage.output_tokens == 40


async def test_a_failed_check_stops_the_model_within_half_a_second(live_backend) -> None:
    result = await stream_with_chunking(STORY, live_backend, SimpleContext(), requirements=[AfterTwo()])
    received = [sentence async for sentence in result.astream()]
    stopped = time.monotonic()
    while await busy_slots(live_backend):
        assert time.monotonic() - stopped < 0.5
    transcript = await transcribe(result)
    assert not result.completed
    assert len(received) == 2
    assert_no_unvalidated_text(transcript, received)
    assert_event_order(transcript, QuickCheckEvent, "chunk", "check FAILED", CompletedEvent)


async def test_a_cancelled_output_stops_the_model_within_half_a_second(live_backend) -> None:
    thunk, _ = await live_backend.generate_from_context(
        STORY, SimpleContext(), model_options={ModelOption.STREAM: True}
    )
    assert await thunk.astream()
    await thunk.cancel_generation()
    stopped = time.monotonic()
    while await busy_slots(live_backend):
        assert time.monotonic() - stopped < 0.5


async def test_a_streamed_answer_is_the_buffered_one(brief) -> None:
    streamed, _ = await brief.generate_from_context("Say hello.", SimpleContext(), model_options=STREAM)
    buffered, _ = await brief.generate_from_context("Say hello.", SimpleContext())
    assert await streamed.avalue() == await buffered.avalue() != ""
    assert streamed.generation.usage.output_tokens == buffered.generation.usage.output_tokens


async def test_many_streams_at_once_are_the_same_stream(brief) -> None:
    outputs = [
        (await brief.generate_from_context("Count to ten.", SimpleContext(), model_options=STREAM))[0] for _ in range(3)
    ]
    texts = await asyncio.gather(*(output.avalue() for output in outputs))
    assert len(set(texts)) == 1


async def test_the_live_backend_keeps_the_contract_of_backends(brief) -> None:
    await check_backend(lambda: brief)


async def followed(backend):
    """Return the deltas of one answer, and the transcript of a checked run of the same one."""
    thunk, _ = await backend.generate_from_context(STORY, SimpleContext(), model_options=STREAM)
    deltas = []
    while not thunk.is_computed():
        deltas += await thunk.read_deltas()
    result = await stream_with_chunking(STORY, backend, SimpleContext(), requirements=[AfterTwo()])
    return deltas, await transcribe(result)


async def test_a_recording_replays_the_same_bytes_deltas_and_events_without_network(
    live_backend, tmp_path, monkeypatch
) -> None:
    heard = Tapped(transport_of(live_backend))
    recorder = RecordingTransport(heard, tmp_path / "story.jsonl")
    recorded = await followed(over(live_backend, recorder))
    kept = [[read.data for read in Cassette.load(path).reads] for path in recorder.written]
    assert kept == heard.answers

    def no_network(*args):
        raise AssertionError("a replay went to the network")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    played = Tapped(ReplayTransport(recorder.written, speed=inf))
    replayed = await followed(over(live_backend, played))
    assert replayed == recorded
    assert played.answers[0] == heard.answers[0]
    assert len(recorded[0]) > 20


def test_a_session_without_a_coroutine_talks_to_the_chosen_model(live_backend) -> None:
    with start_session(model_options=OPTIONS, ctx=ChatContext()) as session:
        assert isinstance(session.backend, LiveBackend)
        assert session.backend.spec == live_backend.spec
        assert str(session.chat("Say hello."))
        assert session.chat("And again.").generation.usage is not None
        assert len(session.ctx.as_list()) == 4


async def test_parallel_instructions_of_a_session_are_all_resolved(live_backend) -> None:
    async with start_session(model_options=OPTIONS) as session:
        thunks = [
            await session.ainstruct("Name a {{what}}.", user_variables={"what": what}) for what in ("bird", "tree")
        ]
        await wait_for_all_mots(thunks)
    assert all(thunk.value for thunk in thunks)


async def test_leaving_a_session_stops_the_model_within_half_a_second(live_backend) -> None:
    async with start_session() as session:
        thunk = await session.ainstruct(STORY, model_options=STREAM)
        assert await thunk.astream()
    stopped = time.monotonic()
    while await busy_slots(live_backend):
        assert time.monotonic() - stopped < 0.5


async def test_a_council_streams_what_two_members_say_and_merges_it(brief) -> None:
    asked = Council({"first": brief, "second": brief}, synthesizer=brief, timeout=60)
    events = [event async for event in asked.ask_stream(STORY)]
    result = events[-1].result
    assert result.ok
    assert result.synthesis
    for answer in result.answers:
        told = [event.text for event in events if event.type == "member_delta" and event.member == answer.name]
        assert len(told) > 10
        assert "".join(told) == answer.text
        assert answer.usage.output_tokens == 40
    buffered = await asked.ask(STORY, synthesize=False)
    assert [answer.usable for answer in buffered.answers] == [True, True]


async def test_members_of_a_council_that_fail_a_check_are_stopped(live_backend) -> None:
    options = {**OPTIONS, ModelOption.MAX_NEW_TOKENS: 200}  # some three sentences take less
    asked = Council([live_backend] * 2, requirements=[AfterTwo()], model_options=options, timeout=60)
    events = [event async for event in asked.ask_stream(STORY)]
    stopped = time.monotonic()
    while await busy_slots(live_backend):
        assert time.monotonic() - stopped < 0.5
    assert [answer.failed_requirement for answer in events[-1].result.answers] == ["AfterTwo('two sentences')"] * 2
    assert [event.check.passed for event in events if event.check is not None].count(False) == 2
