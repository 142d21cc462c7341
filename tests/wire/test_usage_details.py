"""Cached tokens and reasoning tokens are read from the usage of every protocol that reports them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pytest_streamval import Delta, ProviderServer, Script, Usage, read_stream
from pytest_streamval.wire.registry import ADAPTERS
from pytest_streamval.wire.request_and_answer import Answer, ParsedRequest
from pytest_streamval.wire.usage_details import UsageDetails, usage_details
from tests.server.clients import CLOSE, exchange, request

if TYPE_CHECKING:
    from pathlib import Path

USAGES = {
    "openai": Usage(30, 20, 10, 5),
    "openai-responses": Usage(30, 20, 10, 5),
    "anthropic": Usage(30, 20, 10),
    "gemini": Usage(30, 20, 10, 5),
    "ollama": Usage(30, 20),
}
PATHS = {
    "openai": "/v1/chat/completions",
    "openai-responses": "/v1/responses",
    "anthropic": "/v1/messages",
    "gemini": "/v1beta/models/m:streamGenerateContent?alt=sse",
    "ollama": "/api/chat",
}


@pytest.mark.parametrize("protocol", USAGES)
def test_a_stream_keeps_the_details_of_its_usage(protocol: str) -> None:
    encoder = ADAPTERS[protocol].encoder(ParsedRequest("m"))
    body = encoder.encode(Delta("Hi.", usage=USAGES[protocol])) + encoder.finish()
    assert read_stream(protocol, body).usage == USAGES[protocol]


@pytest.mark.parametrize("protocol", USAGES)
def test_an_answer_that_is_not_streamed_keeps_the_details_of_its_usage(protocol: str) -> None:
    request = ParsedRequest("m", stream=False)
    body = ADAPTERS[protocol].encode_response(Answer("Hi.", usage=USAGES[protocol]), request)
    assert ADAPTERS[protocol].parse_response(body).usage == USAGES[protocol]


@pytest.mark.parametrize("protocol", USAGES)
def test_a_script_of_a_cassette_keeps_the_details_of_its_usage(protocol: str, tmp_path: Path) -> None:
    script = Script.of("Hi ", Delta("you.", usage=USAGES[protocol]))
    with ProviderServer(script) as provider:
        address = f"http://127.0.0.1:{provider.port}"
        with ProviderServer(upstream=address, cassettes=tmp_path) as proxy:
            exchange(proxy, request({"model": "m", "stream": True}, PATHS[protocol], CLOSE))
    (file,) = tmp_path.iterdir()
    usages = [delta.usage for delta in Script.from_cassette(file).deltas if delta.usage is not None]
    assert usages[-1] == USAGES[protocol]


@pytest.mark.parametrize("value", [0, -1, "5", 5.5, True, None, {}, []])
def test_a_value_that_is_no_count_is_none(value: object) -> None:
    assert usage_details("openai", {"prompt_tokens_details": {"cached_tokens": value}}) == UsageDetails()
    assert usage_details("openai", {"prompt_tokens_details": value}) == UsageDetails()


def test_a_detail_that_a_later_report_leaves_out_keeps_its_value() -> None:
    frames = [
        {"candidates": [], "usageMetadata": {"promptTokenCount": 9, "cachedContentTokenCount": 4}},
        {"candidates": [{"finishReason": "STOP"}], "usageMetadata": {"thoughtsTokenCount": 2}},
    ]
    body = "".join(f"data: {json.dumps(frame)}\n\n" for frame in frames).encode()
    assert read_stream("gemini", body).usage == Usage(9, 2, 4, 2)
