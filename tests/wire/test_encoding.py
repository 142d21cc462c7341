import json

import pytest

from pytest_streamval.errors import ProviderStreamError
from pytest_streamval.model import Delta, ToolCall, ToolCallDelta, Usage
from pytest_streamval.wire import ADAPTERS, Answer, ParsedRequest

REQUESTS = {
    "openai": ParsedRequest("m"),
    "openai-responses": ParsedRequest("m"),
    "anthropic": ParsedRequest("m"),
    "gemini": ParsedRequest("m"),
    "ollama": ParsedRequest("m", endpoint="chat"),
}
protocols = pytest.mark.parametrize("protocol", REQUESTS)
DELTAS = [
    Delta(usage=Usage(7, 0)),
    Delta("Hi 🍎", "Hm."),
    Delta(tool_calls=(ToolCallDelta(4, "x", "f", '{"a": 1}'),)),
    Delta(finish_reason="stop", usage=Usage(output_tokens=9)),
]


def encoder(protocol, **given):
    return ADAPTERS[protocol].encoder(REQUESTS[protocol], ident="7", created=1_795_247_877.5, **given)


def bodies(data):
    """Return the JSON of a stream's frames."""
    lines = [line.removeprefix(b"data: ") for line in data.splitlines() if line.startswith((b"data: ", b"{"))]
    return [json.loads(line) for line in lines if line != b"[DONE]"]


def test_the_openai_encoder_sends_role_text_reason_counts_and_the_end():
    openai = encoder("openai")
    head = {
        "id": "chatcmpl-7",
        "object": "chat.completion.chunk",
        "created": 1_795_247_877,
        "model": "m",
        "service_tier": "default",
        "system_fingerprint": "fp_0123456789",
    }

    def chunk(delta, reason=None):
        return {
            **head,
            "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}],
            "usage": None,
        }

    assert bodies(openai.encode(DELTAS[0])) == [chunk({"role": "assistant", "content": None})]
    assert bodies(openai.encode(DELTAS[1])) == [chunk({"content": "Hi 🍎", "reasoning_content": "Hm."})]
    function = {"name": "f", "arguments": '{"a": 1}'}
    call = {"index": 0, "id": "x", "type": "function", "function": function}
    assert bodies(openai.encode(DELTAS[2])) == [chunk({"tool_calls": [call]})]
    assert bodies(openai.encode(DELTAS[3])) == [chunk({}, "stop")]
    usage = {"prompt_tokens": 7, "completion_tokens": 9, "total_tokens": 16}
    end = openai.finish()
    assert bodies(end) == [{**head, "choices": [], "usage": usage}]
    assert end.endswith(b"\n\ndata: [DONE]\n\n")


def named(data):
    """Return the names of a stream's frames."""
    return [line.removeprefix(b"event: ").decode() for line in data.splitlines() if line.startswith(b"event: ")]


def test_the_responses_encoder_numbers_its_events_and_repeats_the_output_at_the_end():
    encoder_ = encoder("openai-responses")
    data = b"".join([*map(encoder_.encode, DELTAS), encoder_.finish()])
    found = bodies(data)
    assert named(data) == [body["type"] for body in found]
    assert [body.pop("sequence_number") for body in found] == list(range(len(found)))
    opened = {"id": "resp_7", "object": "response", "created_at": 1_795_247_877, "model": "m", "usage": None}
    for body, event in zip(found, ("created", "in_progress"), strict=False):
        assert body["type"] == f"response.{event}"
        assert {**opened, "status": "in_progress", "output": []}.items() <= body["response"].items()

    def item(event, index, value):
        return {"type": f"response.output_item.{event}", "output_index": index, "item": value}

    def said(event, ident, index, **fields):
        return {"type": f"response.{event}", "item_id": ident, "output_index": index, **fields}

    def summary(text):
        return {"type": "summary_text", "text": text}

    def part(text):
        return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}

    thought = {"id": "rs_7_0", "type": "reasoning", "summary": [summary("Hm.")]}
    message = {"id": "msg_7_1", "type": "message", "status": "completed", "role": "assistant"}
    call = {"id": "fc_7_2", "type": "function_call", "status": "completed", "call_id": "x", "name": "f"}
    output = [thought, {**message, "content": [part("Hi 🍎")]}, {**call, "arguments": '{"a": 1}'}]
    assert found[2:-1] == [
        item("added", 0, {**thought, "summary": []}),
        said("reasoning_summary_part.added", "rs_7_0", 0, summary_index=0, part=summary("")),
        said("reasoning_summary_text.delta", "rs_7_0", 0, summary_index=0, delta="Hm."),
        said("reasoning_summary_text.done", "rs_7_0", 0, summary_index=0, text="Hm."),
        said("reasoning_summary_part.done", "rs_7_0", 0, summary_index=0, part=summary("Hm.")),
        item("done", 0, output[0]),
        item("added", 1, {**message, "status": "in_progress", "content": []}),
        said("content_part.added", "msg_7_1", 1, content_index=0, part=part("")),
        said("output_text.delta", "msg_7_1", 1, content_index=0, delta="Hi 🍎", logprobs=[]),
        said("output_text.done", "msg_7_1", 1, content_index=0, text="Hi 🍎", logprobs=[]),
        said("content_part.done", "msg_7_1", 1, content_index=0, part=part("Hi 🍎")),
        item("done", 1, output[1]),
        item("added", 2, {**call, "status": "in_progress", "arguments": ""}),
        said("function_call_arguments.delta", "fc_7_2", 2, delta='{"a": 1}'),
        said("function_call_arguments.done", "fc_7_2", 2, arguments='{"a": 1}'),
        item("done", 2, output[2]),
    ]
    counts = {"input_tokens": 7, "output_tokens": 9, "total_tokens": 16}
    assert found[-1]["type"] == "response.completed"
    response = found[-1]["response"]
    assert counts.items() <= response.pop("usage").items()
    assert {"status": "completed", "incomplete_details": None, "output": output}.items() <= response.items()


def test_the_responses_encoder_reports_why_a_response_is_incomplete():
    one = encoder("openai-responses")
    data = one.encode(Delta("a", finish_reason="length")) + one.finish()
    last = bodies(data)[-1]
    assert last["type"] == "response.incomplete"
    assert last["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    assert [item["status"] for item in last["response"]["output"]] == ["incomplete"]


def test_the_anthropic_encoder_sends_named_events_and_one_block_after_the_other():
    anthropic = encoder("anthropic")
    data = b"".join([*map(anthropic.encode, DELTAS), anthropic.finish()])
    found = bodies(data)
    assert named(data) == [body["type"] for body in found]
    message = {
        "id": "msg_7",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 7, "output_tokens": 0},
    }
    call = {"type": "tool_use", "id": "x", "name": "f", "input": {}}
    assert found == [
        {"type": "message_start", "message": message},
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "thinking", "thinking": "", "signature": ""},
        },
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Hm."}},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Hi 🍎"}},
        {"type": "content_block_stop", "index": 1},
        {"type": "content_block_start", "index": 2, "content_block": call},
        {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": '{"a": 1}'}},
        {"type": "content_block_stop", "index": 2},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"input_tokens": 7, "output_tokens": 9},
        },
        {"type": "message_stop"},
    ]


def test_the_gemini_encoder_sends_only_data_lines():
    gemini = encoder("gemini")
    data = b"".join([*map(gemini.encode, DELTAS), gemini.finish()])
    assert all(line.startswith(b"data: {") for line in data.split(b"\r\n\r\n")[:-1])
    assert data.count(b"\n") == data.count(b"\r\n") == 2 * len(bodies(data))
    named = {"modelVersion": "m", "responseId": "7"}

    def candidate(*parts, **fields):
        content = {"content": {"parts": list(parts), "role": "model"}} if parts else {}
        return {"candidates": [{**content, **fields, "index": 0}]}

    def counts(**fields):
        return {"usageMetadata": fields}

    assert bodies(data) == [
        {
            **candidate({"text": "Hm.", "thought": True}, {"text": "Hi 🍎"}),
            **counts(promptTokenCount=7, candidatesTokenCount=0, totalTokenCount=7),
            **named,
        },
        {**candidate({"functionCall": {"id": "x", "name": "f", "args": {"a": 1}}}), **named},
        {
            **candidate(finishReason="STOP"),
            **counts(promptTokenCount=7, candidatesTokenCount=9, totalTokenCount=16),
            **named,
        },
    ]


def test_the_ollama_encoder_sends_the_role_in_every_line():
    ollama = encoder("ollama")
    data = b"".join([*map(ollama.encode, DELTAS), ollama.finish()])
    assert b"\n\n" not in data
    head = {"model": "m", "created_at": "2026-11-21T07:57:57.500000Z"}
    call = {"id": "x", "function": {"name": "f", "arguments": {"a": 1}}}
    assert bodies(data) == [
        {**head, "message": {"role": "assistant", "content": "Hi 🍎", "thinking": "Hm."}, "done": False},
        {**head, "message": {"role": "assistant", "content": "", "tool_calls": [call]}, "done": False},
        {
            **head,
            "message": {"role": "assistant", "content": ""},
            "done": True,
            "done_reason": "stop",
            "total_duration": 17_000_000,
            "load_duration": 1_000_000,
            "prompt_eval_count": 7,
            "prompt_eval_duration": 7_000_000,
            "eval_count": 9,
            "eval_duration": 9_000_000,
        },
    ]


def test_the_ollama_encoder_sends_a_response_for_generate():
    generate = ADAPTERS["ollama"].encoder(ParsedRequest("m", endpoint="generate"))
    first, last = bodies(generate.encode(Delta("a", "b")) + generate.finish())
    assert (first["response"], first["thinking"], first["done"]) == ("a", "b", False)
    assert (last["response"], last["done"], "message" in last) == ("", True, False)


def test_the_openai_encoder_sends_counts_only_on_request():
    openai = ADAPTERS["openai"].encoder(ParsedRequest("m", usage=False))
    found = bodies(b"".join([*map(openai.encode, DELTAS), openai.finish()]))
    assert not any("usage" in body for body in found)
    assert all(body["choices"] for body in found)


OPENINGS = {"openai": 1, "openai-responses": 2, "anthropic": 1, "gemini": 0, "ollama": 0}


@protocols
def test_an_encoder_can_start_a_stream_before_its_first_delta(protocol):
    begun, other = encoder(protocol), encoder(protocol)
    opening = begun.begin()
    assert len(bodies(opening)) == OPENINGS[protocol]
    assert begun.begin() == b""
    assert opening + begun.encode("a") + begun.finish() == other.encode(Delta("a")) + other.finish()


@protocols
def test_an_encoder_without_deltas_makes_a_valid_stream(protocol):
    decoder = ADAPTERS[protocol].decoder()
    decoder.feed(encoder(protocol).finish())
    assert decoder.close() == []
    assert decoder.text == ""


STOPPED = ("stop", "completed", "end_turn", "STOP", "stop")
CUT_OFF = ("length", "max_output_tokens", "max_tokens", "MAX_TOKENS", "length")
CALLED = ("tool_calls", "completed", "tool_use", "STOP", "stop")
REASONS = {
    "stop": STOPPED,
    "end_turn": STOPPED,
    "STOP": STOPPED,
    "completed": STOPPED,
    "stop_sequence": ("stop", "completed", "stop_sequence", "STOP", "stop"),
    "length": CUT_OFF,
    "max_tokens": CUT_OFF,
    "MAX_TOKENS": CUT_OFF,
    "max_output_tokens": CUT_OFF,
    "tool_calls": CALLED,
    "tool_use": CALLED,
    "content_filter": ("content_filter", "content_filter", "refusal", "SAFETY", "content_filter"),
    "refusal": ("content_filter", "content_filter", "refusal", "SAFETY", "refusal"),
    "SAFETY": ("content_filter", "content_filter", "refusal", "SAFETY", "SAFETY"),
    "quux": ("quux", "quux", "quux", "quux", "quux"),
    "": STOPPED,
}


def streamed(protocol, *deltas):
    """Return the deltas as a decoder decodes them from a stream."""
    one, decoder = encoder(protocol), ADAPTERS[protocol].decoder()
    found = decoder.feed(b"".join([*map(one.encode, deltas), one.finish()]))
    return Answer.of(found + decoder.close())


def buffered(protocol, *deltas):
    """Return the deltas as an adapter parses them from a response that is not streamed."""
    adapter = ADAPTERS[protocol]
    return adapter.parse_response(adapter.encode_response(Answer.of(deltas), REQUESTS[protocol]))


@protocols
def test_an_encoder_translates_finish_reasons(protocol):
    place = list(REQUESTS).index(protocol)
    expected = {reason: words[place] for reason, words in REASONS.items()}
    for transfer in (streamed, buffered):
        found = {reason: transfer(protocol, Delta("a"), Delta(finish_reason=reason)) for reason in REASONS}
        assert {reason: answer.finish_reason for reason, answer in found.items()} == expected


CALL = Delta(tool_calls=(ToolCallDelta(0, "x", "f", "{}"),))
DEFAULTS = {
    "openai": ("stop", "tool_calls"),
    "openai-responses": ("completed", "completed"),
    "anthropic": ("end_turn", "tool_use"),
    "gemini": ("STOP", "STOP"),
}


@protocols
def test_an_encoder_has_a_default_finish_reason(protocol):
    for transfer in (streamed, buffered):
        reasons = [transfer(protocol, *deltas).finish_reason for deltas in ([Delta("a")], [Delta("a"), CALL])]
        assert tuple(reasons) == DEFAULTS.get(protocol, ("stop", "stop"))


@protocols
def test_an_encoder_sends_the_last_finish_reason_and_the_text_after_the_first(protocol):
    deltas = [Delta("a", finish_reason="stop"), Delta("b"), Delta("c", finish_reason="length")]
    found = streamed(protocol, *deltas)
    assert (found.text, found.finish_reason) == ("abc", dict(zip(REQUESTS, REASONS["length"], strict=True))[protocol])


GENERATED = {"openai": "call", "openai-responses": "call", "anthropic": "toolu"}


@protocols
def test_an_encoder_generates_the_ids_of_calls_for_clients_that_need_them(protocol):
    calls = Delta(tool_calls=(ToolCallDelta(3, None, "f", "{}"), ToolCallDelta(1, "", "g", "{}")))
    for transfer, ident in ((streamed, "7"), (buffered, "1")):
        prefix = GENERATED.get(protocol)
        ids = [f"{prefix}_{ident}_{number}" if prefix else None for number in (0, 1)]
        found = transfer(protocol, calls).tool_calls
        assert [(call.name, call.id) for call in found] == list(zip("fg", ids, strict=True))


@protocols
def test_an_encoder_numbers_calls_in_the_order_of_their_starts(protocol):
    one, decoder = encoder(protocol), ADAPTERS[protocol].decoder()
    calls = [Delta(tool_calls=(ToolCallDelta(index, str(index), "f", "{}"),)) for index in (7, 3)]
    found = decoder.feed(b"".join([*map(one.encode, calls), one.finish()]))
    assert {(call.index, call.id) for delta in found for call in delta.tool_calls if call.id} == {(0, "7"), (1, "3")}


def fragment(arguments="", index=0, ident=None, name=None):
    return Delta(tool_calls=(ToolCallDelta(index, ident, name, arguments),))


PIECES = [fragment('{"a"', 0, "x", "f"), fragment(":1}", 0, "x", "f")]


@pytest.mark.parametrize("protocol", ["gemini", "ollama"])
def test_a_complete_call_encoder_sends_a_call_in_pieces_before_the_next_text(protocol):
    one = encoder(protocol)
    assert [one.encode(piece) for piece in PIECES] == [b"", b""]
    assert one.encode(fragment("", 1, "y", "g")) == b""
    assert one.encode(fragment("{}", 2, "z", "h")) == b""  # it stays after the others
    found = ADAPTERS[protocol].decoder().feed(one.encode("b"))
    calls = [call for delta in found for call in delta.tool_calls]
    assert [(call.id, call.arguments) for call in calls] == [("x", '{"a":1}'), ("y", "{}"), ("z", "{}")]
    assert "".join(delta.text for delta in found) == "b"


@protocols
def test_an_encoder_joins_a_call_in_pieces_at_the_end(protocol):
    found = streamed(protocol, *PIECES)
    assert found.tool_calls == (ToolCall("x", "f", '{"a":1}'),)


def test_the_gemini_encoder_sends_a_call_before_the_finish_reason():
    gemini = encoder("gemini")
    assert [gemini.encode(piece) for piece in PIECES] == [b"", b""]
    (body,) = bodies(gemini.encode(Delta(finish_reason="stop")))
    assert body["candidates"][0]["finishReason"] == "STOP"
    assert body["candidates"][0]["content"]["parts"][0]["functionCall"]["args"] == {"a": 1}
    assert gemini.finish() == b""


def test_the_gemini_encoder_sends_no_frame_for_unknown_counts():
    assert encoder("gemini").encode(Delta(usage=Usage())) == b""


@protocols
def test_an_encoder_ignores_an_empty_fragment(protocol):
    found = streamed(protocol, *PIECES, fragment())
    assert found.tool_calls[0].arguments == '{"a":1}'


KINDS = {"ollama": "an error"}


@protocols
def test_an_encoder_and_a_decoder_agree_on_an_error_in_a_stream(protocol):
    one, decoder = encoder(protocol), ADAPTERS[protocol].decoder()
    decoder.feed(one.encode("a"))
    with pytest.raises(ProviderStreamError, match="Too busy") as caught:
        decoder.feed(one.fail("UNAVAILABLE", "Too busy."))
    assert (caught.value.kind, caught.value.text) == (KINDS.get(protocol, "UNAVAILABLE"), "a")


@protocols
def test_an_encoder_sends_no_opening_before_an_error(protocol):
    assert len(bodies(encoder(protocol).fail("UNAVAILABLE", "Too busy."))) == 1
