"""The content of answers: what each provider sends beside the text, and reads in a request."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_streamval import Delta, ProviderServer, Script, ToolCallDelta, Usage, read_stream
from pytest_streamval.wire import ADAPTERS
from tests.server.clients import CLOSE, PATHS, chunks_of, exchange, parse, request
from tests.server.test_failures import every_protocol, frames

HI = {
    "openai": {"messages": [{"role": "user", "content": "Hi"}]},
    "openai-responses": {"input": "Hi"},
    "anthropic": {"messages": [{"role": "user", "content": "Hi"}]},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]},
    "ollama": {"messages": [{"role": "user", "content": "Hi"}]},
}


def answered(protocol: str, *steps: Any, stream: bool = True, **fields: Any) -> bytes:
    """Return the response to a request with further fields."""
    path = PATHS[protocol] if stream else PATHS[protocol].replace("streamGenerateContent?alt=sse", "generateContent")
    with ProviderServer(Script.of(*steps)) as server:
        return exchange(server, request({"model": "m", **HI[protocol], "stream": stream, **fields}, path, CLOSE))


def read(protocol: str, *steps: Any, stream: bool = True, **fields: Any) -> Any:
    """Return the content of the response, as a client reads it."""
    response = answered(protocol, *steps, stream=stream, **fields)
    if stream:
        return read_stream(protocol, b"".join(chunks_of(response)), strict=True)
    return ADAPTERS[protocol].parse_response(json.dumps(parse(response)[1]).encode())


either_form = pytest.mark.parametrize("stream", [True, False], ids=["streamed", "buffered"])

# Signatures

INCLUDED = {"include": ["reasoning.encrypted_content"]}
THOUGHT = (Delta(thinking="Hm, "), Delta(thinking="well."))
SIGNING = ("anthropic", "gemini", "openai-responses")


@either_form
@pytest.mark.parametrize("protocol", SIGNING)
def test_a_thought_has_a_made_up_signature_that_is_stable(protocol: str, stream: bool) -> None:
    fields = INCLUDED if protocol == "openai-responses" else {}
    found = [read(protocol, *THOUGHT, "Yes.", stream=stream, **fields) for _ in range(2)]
    other = read(protocol, Delta(thinking="Oh."), "Yes.", stream=stream, **fields)
    assert (found[0].text, found[0].thinking) == ("Yes.", "Hm, well.")
    assert len(found[0].signature) > 50
    assert found[0].signature == found[1].signature != other.signature


@either_form
@pytest.mark.parametrize("protocol", SIGNING)
def test_a_script_states_its_own_signature(protocol: str, stream: bool) -> None:
    fields = INCLUDED if protocol == "openai-responses" else {}
    for steps in ((*THOUGHT, Delta(signature="mine")), (THOUGHT[0], Delta(thinking="well.", signature="mine"))):
        assert read(protocol, *steps, "Yes.", stream=stream, **fields).signature == "mine"


@either_form
def test_the_encrypted_reasoning_of_responses_is_sent_on_request_only(stream: bool) -> None:
    for steps in (THOUGHT, (*THOUGHT, Delta(signature="mine"))):
        response = answered("openai-responses", *steps, "Yes.", stream=stream, include=["file_search_call.results"])
        assert b"encrypted_content" not in response
        assert b"Hm, well." in response


@either_form
@pytest.mark.parametrize("protocol", PATHS)
def test_an_answer_without_thinking_has_no_signature(protocol: str, stream: bool) -> None:
    assert not read(protocol, "Yes.", stream=stream, **INCLUDED).signature


def test_each_thought_has_a_signature_of_its_own() -> None:
    steps = (Delta(signature="early"), *THOUGHT, "a", Delta(thinking="So?"), "b", Delta(thinking="c"), Delta("d"))
    body = answered("anthropic", *steps)
    signatures = [frame["delta"]["signature"] for frame in frames(body) if "signature" in frame.get("delta", {})]
    assert len(set(signatures)) == 4
    assert signatures[0] == "early"


CALL = Delta(tool_calls=(ToolCallDelta(0, "a", "f", "{}"), ToolCallDelta(1, "b", "f", "{}")))


@either_form
def test_gemini_signs_the_first_call_after_a_thought_and_not_the_thought(stream: bool) -> None:
    response = answered("gemini", *THOUGHT, CALL, stream=stream)
    bodies = frames(response) if stream else [parse(response)[1]]
    parts = [part for body in bodies for part in body.get("candidates", [{}])[0].get("content", {}).get("parts", ())]
    assert ["thoughtSignature" in part for part in parts if "functionCall" in part] == [True, False]
    assert not any("thoughtSignature" in part for part in parts if part.get("thought"))


def test_gemini_signs_a_thought_without_a_call_at_the_end_of_the_stream() -> None:
    bodies = frames(answered("gemini", *THOUGHT, "Yes.", Delta(finish_reason="stop")))
    (part,) = bodies[-1]["candidates"][0]["content"]["parts"]
    assert part["text"] == ""
    assert part["thoughtSignature"]
    assert bodies[-1]["candidates"][0]["finishReason"] == "STOP"


def test_ollama_and_chat_completions_have_no_made_up_signature() -> None:
    for protocol in ("ollama", "openai"):
        assert not read(protocol, *THOUGHT, "Yes.").signature


# Usage


@either_form
@every_protocol
def test_an_estimate_of_the_usage_depends_on_the_texts_alone(protocol: str, stream: bool) -> None:
    fields = {"stream_options": {"include_usage": True}} if protocol == "openai" else {}
    plain = read(protocol, "Hello.", stream=stream, **fields).usage
    more = {**fields, "temperature": 0.5, "metadata": {"a": "b" * 100}}
    assert (plain.input_tokens, plain.output_tokens) == (8, 2)
    assert read(protocol, "Hello.", stream=stream, **more).usage == plain
    long = {**HI[protocol], "system": "s" * 400, "instructions": "s" * 400}
    assert read(protocol, "Hello.", stream=stream, **{**fields, **long}).usage.input_tokens == 207


COUNTED = (Delta("Yes."), Delta(usage=Usage(100, 20, cached_tokens=64, reasoning_tokens=12)))
DETAILS = {
    "openai": ['"prompt_tokens_details":{"cached_tokens":64}', '"completion_tokens_details":{"reasoning_tokens":12}'],
    "openai-responses": ['"cached_tokens":64', '"reasoning_tokens":12'],
    "anthropic": ['"input_tokens":36', '"cache_read_input_tokens":64', '"output_tokens":20'],
    "gemini": ['"cachedContentTokenCount":64', '"candidatesTokenCount":8', '"thoughtsTokenCount":12'],
    "ollama": ['"prompt_eval_count":100', '"eval_count":20'],
}


@either_form
@every_protocol
def test_a_script_states_the_details_of_its_usage(protocol: str, stream: bool) -> None:
    response = answered(protocol, *COUNTED, stream=stream)
    for detail in DETAILS[protocol]:
        assert detail.encode() in response
    usage = read(protocol, *COUNTED, stream=stream).usage
    assert (usage.input_tokens, usage.output_tokens) == (100, 20)


def test_a_stated_usage_is_sent_to_a_client_that_does_not_ask_in_a_frame_with_a_choice() -> None:
    for steps in (COUNTED, (Delta("a", finish_reason="stop"), *COUNTED), (Delta("a", usage=Usage(100, 20)),)):
        response = answered("openai", *steps)
        assert [frame["usage"]["total_tokens"] for frame in frames(response) if "usage" in frame] == [120]
        assert all(frame["choices"] for frame in frames(response))
    assert not any("usage" in frame for frame in frames(answered("openai", "Yes.")))


def test_a_detail_is_not_more_than_its_count() -> None:
    for usage in (Usage(1, 5, cached_tokens=2), Usage(5, 1, reasoning_tokens=2), Usage(5, 5, cached_tokens=-1)):
        with ProviderServer(Script.of("a", Delta(usage=usage))) as server:
            exchange(server, request(HI["openai"], PATHS["openai"], CLOSE))
            assert "Usage(input_tokens=" in str(next(iter(server.unmet())))


# Repeated fields

ECHO = {
    "instructions": "Be brief.",
    "max_output_tokens": 99,
    "metadata": {"a": "b"},
    "parallel_tool_calls": False,
    "previous_response_id": "resp_0",
    "reasoning": {"effort": "low", "summary": "auto"},
    "store": False,
    "temperature": 0.5,
    "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}},
    "tool_choice": {"type": "function", "name": "f"},
    "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True}],
    "top_p": 0.9,
}


@either_form
def test_a_response_repeats_its_request(stream: bool) -> None:
    response = answered("openai-responses", "Yes.", stream=stream, **ECHO, service_tier="flex")
    bodies = (
        [frame["response"] for frame in frames(response) if "response" in frame] if stream else [parse(response)[1]]
    )
    for body in bodies:
        assert {**body, **ECHO, "service_tier": "flex"} == body
    response = answered("openai-responses", "Yes.", stream=stream)
    body = frames(response)[-1]["response"] if stream else parse(response)[1]
    assert (body["text"]["format"], body["tools"], body["temperature"]) == ({"type": "text"}, [], 1.0)


@either_form
def test_a_chat_completion_has_a_tier_and_a_fingerprint(stream: bool) -> None:
    for asked, found in ((None, "default"), ("auto", "default"), ("priority", "priority")):
        response = answered("openai", "Yes.", stream=stream, service_tier=asked)
        for body in frames(response) if stream else [parse(response)[1]]:
            assert (body["service_tier"], body["system_fingerprint"][:3]) == (found, "fp_")


IDS = {"openai": b"x-request-id: req_1", "openai-responses": b"x-request-id: req_1", "anthropic": b"request-id: req_1"}


@either_form
@every_protocol
def test_a_response_has_the_identifier_of_its_request(protocol: str, stream: bool) -> None:
    for response in (answered(protocol, "Yes.", stream=stream), answered(protocol, "Yes.", stream=stream, n=2)):
        head = response.partition(b"\r\n\r\n")[0]
        assert (IDS.get(protocol, b"request-id") in head) == (protocol in IDS)


UNSERVED = [
    ("openai", {"n": 2}, "n is 2"),
    ("gemini", {"generationConfig": {"candidateCount": 2}}, "candidateCount is 2"),
]


@either_form
@pytest.mark.parametrize(("protocol", "fields", "words"), UNSERVED)
def test_a_request_for_several_answers_is_refused_with_words(
    protocol: str, fields: dict[str, Any], words: str, stream: bool
) -> None:
    status, body = parse(answered(protocol, "Yes.", stream=stream, **fields))
    assert status == 400
    assert words in ADAPTERS[protocol].parse_error(json.dumps(body).encode()).message
    served = {"n": 1, "generationConfig": {"candidateCount": 1}}
    assert answered(protocol, "Yes.", stream=stream, **served).startswith(b"HTTP/1.1 200")


LOGPROBS = {
    "openai": {"logprobs": True, "top_logprobs": 2},
    "openai-responses": {"include": ["message.output_text.logprobs"], "top_logprobs": 2},
    "gemini": {"generationConfig": {"responseLogprobs": True, "logprobs": 2}},
    "ollama": {"logprobs": True, "top_logprobs": 2},
}


def tokens_in(protocol: str, body: Any) -> list[Any]:
    """Return the tokens with log probabilities in a frame or a response."""
    if protocol == "openai":
        choice = body["choices"][0] if body["choices"] else {}
        return (choice.get("logprobs") or {}).get("content") or []
    if protocol == "gemini":
        return body.get("candidates", [{}])[0].get("logprobsResult", {}).get("chosenCandidates", [])
    if protocol == "ollama":
        return body.get("logprobs", [])
    if body.get("type") == "response.output_text.delta":
        return body["logprobs"]
    return [token for item in body.get("output", ()) for part in item.get("content", ()) for token in part["logprobs"]]


@either_form
@pytest.mark.parametrize("protocol", LOGPROBS)
def test_the_tokens_of_an_answer_have_made_up_log_probabilities_on_request(protocol: str, stream: bool) -> None:
    steps = (Delta(thinking="Hm."), "One ", "two three.")
    response = answered(protocol, *steps, stream=stream, **LOGPROBS[protocol])
    found = [tokens_in(protocol, body) for body in (frames(response) if stream else [parse(response)[1]])]
    tokens = [token for each in found for token in each]
    assert "".join(token["token"] for token in tokens) == "One two three."
    assert len(tokens) >= 3
    assert all(token.get("logprob", token.get("logProbability")) < 0 for token in tokens)
    assert protocol == "gemini" or all(len(token["top_logprobs"]) == 1 for token in tokens)
    plain = answered(protocol, *steps, stream=stream)
    assert not any(tokens_in(protocol, body) for body in (frames(plain) if stream else [parse(plain)[1]]))


def test_a_refusal_has_log_probabilities_too() -> None:
    body = parse(answered("openai", Delta(refusal="I cannot."), stream=False, logprobs=True))[1]
    logprobs = body["choices"][0]["logprobs"]
    assert (logprobs["content"], [token["token"] for token in logprobs["refusal"]]) == (None, ["I", " cannot."])


# Calls of Ollama


def test_calls_of_one_delta_are_in_one_line_of_ollama_and_those_of_two_in_two() -> None:
    calls = [ToolCallDelta(at, None, name, "{}") for at, name in enumerate("fg")]
    one = frames(answered("ollama", Delta(tool_calls=tuple(calls))))
    two = frames(answered("ollama", *(Delta(tool_calls=(call,)) for call in calls)))
    counts = [[len(line["message"].get("tool_calls", ())) for line in lines] for lines in (one, two)]
    assert counts == [[2, 0], [1, 1, 0]]


# Prompts

PROMPTS = {
    "a text": ("openai-responses", {"input": "Hi"}, "Hi"),
    "messages": (
        "openai-responses",
        {"input": [{"role": "user", "content": "Hi"}, {"role": "user", "content": "Bye"}]},
        "Bye",
    ),
    "items with parts": (
        "openai-responses",
        {
            "text": {"format": {"type": "text"}},
            "input": [
                {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
                {
                    "type": "message",
                    "role": "user",
                    "content": [
                        {"type": "input_text", "text": "Look:"},
                        {"type": "input_text", "text": "a cat"},
                        {"type": "input_image", "image_url": "data:image/png;base64,AAAA"},
                    ],
                },
            ],
        },
        "Look:\na cat",
    ),
    "parts": (
        "openai-responses",
        {"input": [{"type": "input_text", "text": "Look:"}, {"type": "input_text", "text": "a cat"}]},
        "Look:\na cat",
    ),
    "the result of a tool": (
        "openai-responses",
        {
            "input": [
                {"role": "user", "content": "Hi"},
                {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "a", "output": "a.txt"},
            ]
        },
        "a.txt",
    ),
    "chat parts": (
        "openai",
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]},
        "a\nb",
    ),
    "a chat tool": ("openai", {"messages": [{"role": "tool", "tool_call_id": "a", "content": "a.txt"}]}, "a.txt"),
    "an Anthropic tool": (
        "anthropic",
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "a.txt"}]}
                    ],
                }
            ]
        },
        "a.txt",
    ),
    "a Gemini tool": (
        "gemini",
        {
            "contents": [
                {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"result": "a.txt"}}}]}
            ]
        },
        "a.txt",
    ),
    "Gemini parts": ("gemini", {"contents": [{"role": "user", "parts": [{"text": "a"}, {"text": "b"}]}]}, "a\nb"),
    "an Ollama message": ("ollama", {"messages": [{"role": "user", "content": "Hi", "images": ["AAAA"]}]}, "Hi"),
}


@pytest.mark.parametrize(("protocol", "body", "prompt"), PROMPTS.values(), ids=PROMPTS)
def test_a_request_has_the_prompt_in_every_form_of_its_protocol(protocol: str, body: Any, prompt: str) -> None:
    with ProviderServer("Yes.") as server:
        exchange(server, request({"model": "m", **body}, PATHS[protocol], CLOSE))
        assert server.requests[0].prompt == prompt
        server.assert_requested(1, prompt=prompt)


# Refusals

REFUSALS = {
    "openai": ("stop", '"refusal":"I cannot'),
    "openai-responses": ("completed", '"type":"response.refusal.delta"'),
    "anthropic": ("refusal", '"stop_details":{"type":"refusal","category":null,"explanation":"I cannot do that."}'),
    "gemini": ("SAFETY", '"finishMessage":"I cannot do that."'),
}


@pytest.mark.parametrize("protocol", REFUSALS)
def test_a_script_refuses_as_each_provider_does(protocol: str) -> None:
    steps = (Delta(refusal="I cannot "), Delta(refusal="do that."))
    reason, field = REFUSALS[protocol]
    assert field.encode() in answered(protocol, *steps)
    for stream in (True, False):
        answer = read(protocol, *steps, stream=stream)
        assert (answer.text, answer.refusal, answer.finish_reason) == ("", "I cannot do that.", reason)
        other = read(protocol, Delta("Well.", finish_reason="length"), *steps, stream=stream)
        assert (other.text, other.refusal) == ("Well.", "I cannot do that.")
        assert other.finish_reason not in ("refusal", "SAFETY")


def test_ollama_says_that_it_has_no_refusals() -> None:
    with ProviderServer(Script.of(Delta(refusal="No."))) as server:
        exchange(server, request(HI["ollama"], PATHS["ollama"], CLOSE))
        assert "there is no field for it. Send it as text." in str(next(iter(server.unmet())))
