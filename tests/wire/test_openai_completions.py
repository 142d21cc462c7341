"""OpenAI's older completions: a server writes them, and the decoder of chat completions reads them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pytest_streamval import Delta, ToolCallDelta, Usage, read_stream
from pytest_streamval.errors import MalformedResponseError, UnencodableDeltaError
from pytest_streamval.wire import ADAPTERS, Answer, ParsedRequest
from pytest_streamval.wire.openai_completions import OpenAICompletions

ADAPTER = OpenAICompletions()
REQUEST = ParsedRequest("m", endpoint="completions")
ANSWER = Answer("Hello.", usage=Usage(3, 2), finish_reason="length")


def test_only_the_path_of_completions_belongs_to_them() -> None:
    parsed = ADAPTER.parse_request("/v1/completions?a=b", {"model": "m", "stream": True})
    assert parsed is not None
    assert (parsed.model, parsed.stream, parsed.usage, parsed.endpoint) == ("m", True, False, "completions")
    assert ADAPTER.parse_request("/v1/chat/completions", {}) is None
    assert all(adapter.parse_request("/v1/completions", {}) is None for adapter in ADAPTERS.values())


@pytest.mark.parametrize("usage", [True, False])
def test_a_completion_survives_its_stream(usage: bool) -> None:
    encoder = ADAPTER.encoder(replace(REQUEST, usage=usage))
    deltas = [Delta("Hel"), Delta(), Delta("lo.", finish_reason="length"), Delta(usage=Usage(3, 2))]
    body = encoder.begin() + b"".join(map(encoder.encode, deltas)) + encoder.finish()
    reading = read_stream("openai", body, strict=True)
    assert (reading.text, reading.finish_reason, reading.error) == ("Hello.", "length", None)
    assert reading.usage == Usage(3, 2) or not usage
    assert body.count(b'"object":"text_completion"') == body.count(b"data: {") >= 3
    assert b"delta" not in body


def test_a_completion_survives_a_response_that_is_not_streamed() -> None:
    body = ADAPTER.encode_response(ANSWER, REQUEST)
    assert json.loads(body)["choices"][0]["text"] == "Hello."
    assert ADAPTERS["openai"].parse_response(body) == ANSWER


def test_a_completion_whose_text_is_none_is_malformed() -> None:
    body = ADAPTER.encode_response(ANSWER, REQUEST).replace(b'"Hello."', b"5")
    with pytest.raises(MalformedResponseError, match="message"):
        ADAPTERS["openai"].parse_response(body)


OTHER = [Delta(thinking="Hm."), Delta(refusal="No."), Delta(tool_calls=(ToolCallDelta(0, "call_1", "f", "{}"),))]


@pytest.mark.parametrize("delta", OTHER, ids=["thinking", "a refusal", "a call"])
def test_a_completion_has_text_only(delta: Delta) -> None:
    with pytest.raises(UnencodableDeltaError, match=r"/v1/completions has no .*, but /v1/chat/completions has"):
        ADAPTER.encoder(REQUEST).encode(delta)
    with pytest.raises(UnencodableDeltaError, match="/v1/completions has no"):
        ADAPTER.encode_response(Answer.of([delta]), REQUEST)
