"""The identifier, the wait and the rate limits of the last answer are on the output."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pytest

from pytest_streamval import LiveBackend, ModelOption, ProviderStatusError, SimpleContext
from pytest_streamval.http import client
from pytest_streamval.http.response_info import response_info
from pytest_streamval.http.secrets import Secrets
from pytest_streamval.live.recording_transport import recording
from pytest_streamval.live.replay_transport import replaying
from pytest_streamval.typing import ResponseInfo
from tests.loopback import answering, chunk, head, openai_frames

if TYPE_CHECKING:
    from pytest_streamval import ModelOutputThunk

HEADERS = (
    "X-Request-Id: req_7",
    "x-ratelimit-remaining-tokens: 99",
    "set-cookie: a=planted-1",
    "openai-organization: us",
)
KEPT = {"content-type": "text/event-stream", "x-request-id": "req_7", "x-ratelimit-remaining-tokens": "99"}
COMPLETE = answering(head("200 OK", *HEADERS), *map(chunk, openai_frames("Hello.")), chunk(b""))
BUSY = answering(head("429 Busy", *HEADERS, "retry-after-ms: 20"), chunk(b'{"error": "slow"}'), chunk(b""))


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_FIRST_PAUSE", 0.0)


async def output_of(backend: LiveBackend) -> ModelOutputThunk:
    output, _ = await backend.generate_from_context("Hi", SimpleContext(), model_options={ModelOption.STREAM: True})
    return output


async def test_an_output_has_the_identifier_and_the_rate_limits_of_its_answer(provider, tmp_path) -> None:
    async with provider(BUSY, COMPLETE) as served:
        backend = recording(LiveBackend("openai:m", base_url=served.url), tmp_path / "it.jsonl")
        output = await output_of(backend)
        assert output.generation.response is None
        assert await output.avalue() == "Hello."
        assert len(served.requests) == 2
    assert output.generation.response == ResponseInfo(200, "req_7", None, KEPT)
    replayed = await output_of(replaying(backend, tmp_path / "it.jsonl"))
    assert await replayed.avalue() == "Hello."
    assert replayed.generation.response == output.generation.response


async def test_an_output_has_them_after_a_refusal_and_so_has_its_error(provider, tmp_path) -> None:
    async with provider(BUSY) as served:
        backend = recording(LiveBackend("openai:m", base_url=served.url, retries=1), tmp_path / "it.jsonl")
        output = await output_of(backend)
        with pytest.raises(ProviderStatusError) as caught:
            await output.avalue()
    info = ResponseInfo(429, "req_7", 0.02, {**KEPT, "retry-after-ms": "20"})
    assert output.generation.response == caught.value.response == info
    assert pickle.loads(pickle.dumps(caught.value)).response == info  # noqa: S301  # its own
    replayed = await output_of(replaying(backend, tmp_path / "it.jsonl"))
    with pytest.raises(ProviderStatusError) as again:
        await replayed.avalue()
    assert replayed.generation.response == again.value.response == info
    assert "planted" not in (tmp_path / "it.jsonl").read_text()


@pytest.mark.parametrize(
    ("headers", "request_id"),
    [
        ({"request-id": "req_a", "cf-ray": "1"}, "req_a"),
        ({"apim-request-id": "req_b", "x-request-id": ""}, "req_b"),
        ({"CF-Ray": "1"}, "1"),
        ({}, None),
    ],
)
def test_response_info_takes_the_identifier_of_any_provider(headers, request_id) -> None:
    assert response_info(200, headers, Secrets()).request_id == request_id


def test_response_info_has_harmless_headers_only() -> None:
    headers = {
        "Anthropic-RateLimit-Tokens-Reset": "2026-11-30T12:00:00Z",
        "retry-after": "Mon Nov 30 12:00:30 1994",
        "x-request-id": "for planted-secret-1",
        "set-cookie": "planted",
        "authorization": "planted",
        "x-anything": "planted",
    }
    assert response_info(503, headers, Secrets(["planted-secret-1"])) == ResponseInfo(
        503,
        "for [redacted]",
        0.0,
        {
            "anthropic-ratelimit-tokens-reset": "2026-11-30T12:00:00Z",
            "retry-after": "Mon Nov 30 12:00:30 1994",
            "x-request-id": "for [redacted]",
        },
    )
