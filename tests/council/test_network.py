"""Councils of live backends: over sockets in every protocol, and over recordings."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from pytest_streamval import Council, Delta, LiveBackend, Usage, recording, replaying
from pytest_streamval.http.client import Timeouts
from pytest_streamval.live.providers import PROVIDERS
from pytest_streamval.wire.request_and_answer import Answer, ParsedRequest
from tests.loopback import answering, chunk, head, silent

PROTOCOLS = ("anthropic", "gemini", "ollama", "openai")
KEYS = ("ANTHROPIC_API_KEY", "GEMINI_API_KEY", "OPENAI_API_KEY")
STOP = {"anthropic": "end_turn", "gemini": "STOP", "ollama": "stop", "openai": "stop"}
KEY = "planted-key-0123456789abcdef"


@pytest.fixture(autouse=True)
def keys(monkeypatch) -> None:
    for name in KEYS:
        monkeypatch.setenv(name, KEY)


def frames(name: str, *deltas: Delta | str, complete: bool = True) -> list[bytes]:
    """Return the HTTP chunks of a stream in the protocol of a provider."""
    encoder = PROVIDERS[name].adapter.encoder(ParsedRequest(model="m"))
    written = [encoder.begin(), *(encoder.encode(delta) for delta in deltas)]
    return [chunk(frame) for frame in (*written, encoder.finish() if complete else b"") if frame]


def streamed(name: str, *deltas: Delta | str, complete: bool = True):
    kind = PROVIDERS[name].adapter.media_type
    return answering(head(kind=kind), *frames(name, *deltas, complete=complete), chunk(b""))


def buffered(name: str, text: str):
    body = PROVIDERS[name].adapter.encode_response(
        Answer(text, usage=Usage(3, 5), finish_reason=STOP[name]), ParsedRequest(model="m", stream=False)
    )
    return answering(head(kind="application/json"), chunk(body), chunk(b""))


def refused(status: str, message: str):
    return answering(head(status, kind="application/json"), chunk(message.encode()), chunk(b""))


def member(name: str, served, **options: object) -> LiveBackend:
    return LiveBackend(f"{name}:m", base_url=served.url, retries=0, **options)


async def test_members_of_four_protocols_answer_at_the_same_time(provider) -> None:
    async with AsyncExitStack() as stack:
        backends = []
        for name in PROTOCOLS:
            deltas = "I am ", f"{name}.", Delta(usage=Usage(3, 5), finish_reason=STOP[name])
            answers = streamed(name, *deltas), buffered(name, f"I am {name}.")
            backends.append(member(name, await stack.enter_async_context(provider(*answers))))
        council = Council(backends)
        events = [event async for event in council.ask_stream("Who are you?")]
        result = await council.ask("Who are you?")
    assert result == events[-1].result
    assert [answer.text for answer in result.answers] == [f"I am {name}." for name in PROTOCOLS]
    assert [answer.finish_reason for answer in result.answers] == list(STOP.values())
    assert {answer.usage for answer in result.answers} == {Usage(3, 5)}
    assert [member.name for member in council.members] == [f"{name}:m" for name in PROTOCOLS]


HALF = frames("openai", "Hel", complete=False)
FAULTS = {
    "refused": (refused("401 No", f'{{"error": "{KEY}"}}'), "ProviderStatusError: ", ""),
    "truncated": (streamed("openai", "Hel", complete=False), "StreamTruncatedError: ", "Hel"),
    "broken off": (answering(head(), *HALF), "StreamTruncatedError: ", "Hel"),
    "malformed": (
        answering(head(), *HALF, chunk(f"data: {{{KEY}\n\n".encode()), chunk(b"")),
        "MalformedFrameError: ",
        "Hel",
    ),
    "empty": (answering(head(), chunk(b"")), "StreamTruncatedError: ", ""),
    "silent": (silent(head(), *HALF), "MemberTimeoutError: ", "Hel"),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_of_a_provider_is_the_error_of_its_member_without_its_key(
    provider, virtual_clock, caplog, fault
) -> None:
    answer, error, text = FAULTS[fault]
    async with provider(streamed("openai", "One ", "fish.")) as good, provider(answer) as bad:
        models = [member("openai", served) for served in (good, bad, good)]
        events = [event async for event in Council(models, timeout=30).ask_stream("Go")]
    result = events[-1].result
    first, failed, last = result.answers
    assert failed.error.startswith(error)
    assert failed.text == text
    assert [(answer.text, answer.error) for answer in (first, last)] == [("One fish.", None)] * 2
    assert KEY not in f"{events!r}{caplog.text}"


async def test_a_provider_that_refuses_streams_is_asked_for_the_complete_answer(provider) -> None:
    refusal = refused("400 Bad", '{"error": {"message": "Unsupported value: stream", "param": "stream"}}')
    async with provider(refusal, buffered("openai", "All at once.")) as served:
        events = [event async for event in Council([member("openai", served)]).ask_stream("Go")]
    assert [event.text for event in events if event.type == "member_delta"] == ["All at once."]
    assert events[-1].result.answers[0].error is None
    assert len(served.requests) == 2


async def test_a_provider_with_another_refusal_is_not_asked_again(provider) -> None:
    async with provider(refused("400 Bad", '{"error": "max_tokens is too large"}')) as served:
        answer = [event async for event in Council([member("openai", served)]).ask_stream("Go")][-1].result.answers[0]
    assert "max_tokens is too large" in answer.error
    assert len(served.requests) == 1


async def test_a_council_is_recorded_without_its_keys_and_replayed(provider, tmp_path) -> None:
    async with provider(streamed("openai", "One ", "fish.")) as served:
        backend = recording(member("openai", served), tmp_path / "it.jsonl")
        result = [event async for event in Council([backend]).ask_stream("Go")][-1].result
    (path,) = tmp_path.iterdir()
    assert KEY not in path.read_text("utf-8")
    again = Council([replaying(member("openai", served), path)])
    assert [event async for event in again.ask_stream("Go")][-1].result == result
    assert result.answers[0].text == "One fish."


async def test_a_council_answers_several_prompts_at_the_same_time(provider) -> None:
    async with provider(streamed("openai", "One ", "fish.")) as served:
        council = Council([member("openai", served)] * 2)
        results = await asyncio.gather(*[collect(council.ask_stream(f"Question {number}")) for number in range(5)])
    assert [result.prompt for result in results] == [f"Question {number}" for number in range(5)]
    assert {answer.text for result in results for answer in result.answers} == {"One fish."}


async def collect(events):
    return [event async for event in events][-1].result


async def test_closing_a_council_stream_closes_every_connection(provider) -> None:
    async with provider(silent(head(), *frames("openai", "One ", complete=False))) as served:
        async with Council([member("openai", served)] * 3).ask_stream("Go") as events:
            for _ in range(3):
                await anext(events)
        await asyncio.wait_for(served.disconnected.wait(), 5)


async def test_a_provider_timeout_of_a_backend_is_the_error_of_its_member(provider, virtual_clock) -> None:
    async with provider(silent(head())) as served:
        backend = member("openai", served, timeouts=Timeouts(first_byte=30))
        answer = (await Council([backend]).ask("Go")).answers[0]
    assert answer.error.startswith("ProviderTimeoutError: ")


async def test_an_unreachable_provider_is_the_error_of_its_member() -> None:
    backend = LiveBackend("openai:m", base_url="http://127.0.0.1:1", retries=0)
    assert (await Council([backend]).ask("Go")).answers[0].error.startswith("ProviderUnreachableError: ")


async def test_a_missing_library_is_the_error_of_its_member(monkeypatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "httpx2", None)
    assert (await Council(["ollama:m"]).ask("Go")).answers[0].error.startswith("MissingExtraError: ")
