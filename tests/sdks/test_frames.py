"""Frames: the encoders follow the types of the official clients, which the clients do not check themselves."""

import json
from functools import cache

import pytest
from anthropic.types import Message, RawMessageStreamEvent
from google.genai.types import GenerateContentResponse
from ollama import ChatResponse, GenerateResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from pytest_streamval import Delta, SSEDecoder, ToolCallDelta, Usage
from pytest_streamval.wire import ADAPTERS, Answer, ParsedRequest

SAID = [Delta("Hel\u2028lo", "Hm."), Delta(" 🍎"), Delta(usage=Usage(3, 4), finish_reason="stop")]
CALLED = [
    Delta(thinking="Hm."),
    Delta(tool_calls=(ToolCallDelta(0, "a", "weather", '{"city": "Ö"}'),)),
    Delta(tool_calls=(ToolCallDelta(1, "b", "now", "{}"),)),
    Delta("Well."),
]
CUT_OFF = [Delta("Hello"), Delta(finish_reason="length")]
SIGNED = [Delta(thinking="Hm.", signature="EqQB"), Delta("Well."), Delta(thinking="So."), Delta(signature="EqQB")]
REFUSED = [Delta(refusal="I cannot "), Delta(refusal="do that.")]
SCRIPTS = {"said": SAID, "called": CALLED, "cut off": CUT_OFF, "nothing": [], "signed": SIGNED, "refused": REFUSED}
FORMS = {
    "openai": (ParsedRequest("m"), ChatCompletionChunk, ChatCompletion),
    "openai-responses": (ParsedRequest("m"), ResponseStreamEvent, Response),
    "anthropic": (ParsedRequest("m"), RawMessageStreamEvent, Message),
    "gemini": (ParsedRequest("m"), GenerateContentResponse, GenerateContentResponse),
    "ollama": (ParsedRequest("m", endpoint="chat"), ChatResponse, ChatResponse),
    "ollama, a bare prompt": (ParsedRequest("m", endpoint="generate"), GenerateResponse, GenerateResponse),
}
CASES = [
    pytest.param(protocol.partition(",")[0], *forms, deltas, id=f"{protocol}-{name}")
    for protocol, forms in FORMS.items()
    for name, deltas in SCRIPTS.items()
    # The endpoint for a bare prompt has no tools, and Ollama has no refusals.
    if not (protocol.endswith("prompt") and name == "called") and not ("ollama" in protocol and name == "refused")
]


@cache
def checker(kind):
    """Return the validator of a type. To create it takes longer than all checks."""
    return TypeAdapter(kind)


def frames(protocol, asked, deltas):
    """Return the JSON of all frames of a stream."""
    encoder = ADAPTERS[protocol].encoder(asked, created=1_795_247_877.5)
    body = b"".join([*map(encoder.encode, deltas), encoder.finish()])
    if protocol == "ollama":
        return body.splitlines()
    return [event.data for event in SSEDecoder().feed(body) if event.data != "[DONE]"]


@pytest.mark.parametrize(("protocol", "asked", "frame", "_whole", "deltas"), CASES)
def test_a_frame_has_the_type_of_the_client(protocol, asked, frame, _whole, deltas):
    found = frames(protocol, asked, deltas)
    for data in found:
        checker(frame).validate_json(data)
    assert found


@pytest.mark.parametrize(("protocol", "asked", "_frame", "whole", "deltas"), CASES)
def test_a_response_that_is_not_streamed_has_the_type_of_the_client(protocol, asked, _frame, whole, deltas):
    body = ADAPTERS[protocol].encode_response(Answer.of(deltas), asked, created=1_795_247_877.5)
    checker(whole).validate_json(body)
    assert json.loads(body)
