"""Refusals, signatures of thinking and calls of all kinds, from a delta to the wire and back."""

import json

import pytest

from pytest_streamval.errors import UnencodableDeltaError
from pytest_streamval.model import Delta, ToolCall, ToolCallDelta, merge_tool_calls, thoughts_in
from pytest_streamval.wire import ADAPTERS, Answer, ParsedRequest, read_stream

REQUEST = ParsedRequest("m")
SIGNED = [Delta(thinking="Hm."), Delta(thinking=" So."), Delta(signature="EqQ="), Delta("Yes.")]


def encoded(protocol, *deltas):
    encoder = ADAPTERS[protocol].encoder(REQUEST)
    return b"".join([*map(encoder.encode, deltas), encoder.finish()])


def read(protocol, *deltas):
    reading = read_stream(protocol, encoded(protocol, *deltas), strict=True)
    assert reading.error is None
    return reading


def answered(protocol, *deltas):
    """Return the content of the same answer in one piece."""
    adapter = ADAPTERS[protocol]
    return adapter.parse_response(adapter.encode_response(Answer.of(deltas), REQUEST))


@pytest.mark.parametrize("protocol", ["openai", "openai-responses", "anthropic", "gemini"])
@pytest.mark.parametrize("from_the_wire", [read, answered])
def test_a_refusal_returns_from_the_wire(protocol, from_the_wire):
    answer = from_the_wire(protocol, Delta("Well."), Delta(refusal="I cannot "), Delta(refusal="do that."))
    assert (answer.text, answer.refusal) == ("Well.", "I cannot do that.")


@pytest.mark.parametrize("from_the_wire", [read, answered])
def test_a_refusal_without_text_returns_from_the_wire(from_the_wire):
    for protocol in ("openai", "openai-responses"):
        answer = from_the_wire(protocol, Delta(refusal="No."))
        assert (answer.text, answer.refusal) == ("", "No.")


def test_ollama_cannot_carry_a_refusal():
    with pytest.raises(UnencodableDeltaError, match=r"cannot carry the refusal 'No\.': there is no field for it"):
        encoded("ollama", Delta(refusal="No."))
    with pytest.raises(UnencodableDeltaError, match="there is no field for it"):
        answered("ollama", Delta(refusal="No."))


@pytest.mark.parametrize("protocol", ["openai", "openai-responses", "anthropic", "gemini"])
@pytest.mark.parametrize("from_the_wire", [read, answered])
def test_a_signature_returns_from_the_wire(protocol, from_the_wire):
    answer = from_the_wire(protocol, *SIGNED)
    assert (answer.text, answer.thinking, answer.signature) == ("Yes.", "Hm. So.", "EqQ=")


@pytest.mark.parametrize("protocol", ["openai", "openai-responses", "anthropic", "gemini"])
@pytest.mark.parametrize("from_the_wire", [read, answered])
def test_a_signature_without_thinking_returns_from_the_wire(protocol, from_the_wire):
    answer = from_the_wire(protocol, Delta(signature="EqQ="), Delta("Yes."))
    assert (answer.text, answer.thinking, answer.signature) == ("Yes.", "", "EqQ=")


def test_a_signature_is_left_out_by_ollama():
    answer = read("ollama", *SIGNED)
    assert (answer.text, answer.thinking, answer.signature) == ("Yes.", "Hm. So.", "")


@pytest.mark.parametrize("protocol", ["anthropic", "openai-responses"])
def test_each_signature_has_a_thought_of_its_own(protocol):
    body = encoded(protocol, Delta(thinking="a"), Delta(signature="x"), Delta(thinking="b"), Delta(signature="y"))
    reading = read_stream(protocol, body, strict=True)
    assert (reading.thinking, reading.signature) == ("ab", "xy")
    starts = {"anthropic": b'"content_block":{"type":"thinking"', "openai-responses": b'item.added","output_index"'}
    assert body.count(starts[protocol]) == 2


def test_a_signature_of_a_text_belongs_to_a_thought_before_it():
    body = encoded("openai-responses", Delta("a"), Delta(signature="x"))
    assert body.count(b'"type":"response.output_item.done"') == 2
    assert read_stream("openai-responses", body, strict=True).signature == "x"


KINDS = {
    "function": ('{"a":1}', ("openai", "openai-responses", "anthropic", "gemini", "ollama")),
    "function_call": ('{"a":1}', ("openai",)),
    "custom": ("a b", ("openai", "openai-responses")),
    "local_shell": ('{"type":"exec","command":["ls"]}', ("openai-responses",)),
    "shell": ('{"commands":["ls"]}', ("openai-responses",)),
    "apply_patch": ('{"type":"delete_file","path":"x"}', ("openai-responses",)),
}


@pytest.mark.parametrize(("kind", "protocol"), [(kind, each) for kind, (_, known) in KINDS.items() for each in known])
@pytest.mark.parametrize("from_the_wire", [read, answered])
def test_a_call_of_each_kind_returns_from_the_wire(kind, protocol, from_the_wire):
    arguments, _ = KINDS[kind]
    ident, name = (None if kind == "function_call" else "x"), (kind if kind not in {"function", "custom"} else "f")
    half = len(arguments) // 2
    pieces = [
        Delta(tool_calls=(ToolCallDelta(0, ident, name, arguments[:half], kind),)),
        Delta(tool_calls=(ToolCallDelta(0, None, None, arguments[half:]),)),
    ]
    (call,) = from_the_wire(protocol, Delta("a"), *pieces).tool_calls
    assert call == ToolCall(ident, name, arguments, kind)


def test_the_older_form_of_calls_is_a_function_in_protocols_without_it():
    for protocol in ("openai-responses", "anthropic", "gemini", "ollama"):
        (call,) = read(protocol, Delta(tool_calls=(ToolCallDelta(0, "x", "f", "{}", "function_call"),))).tool_calls
        assert call == ToolCall("x", "f", "{}")


@pytest.mark.parametrize("protocol", ["openai", "anthropic", "gemini", "ollama"])
def test_a_call_of_an_unknown_kind_cannot_be_encoded(protocol):
    with pytest.raises(UnencodableDeltaError, match="the kind of a call must be 'function' or 'function_call'"):
        encoded(protocol, Delta(tool_calls=(ToolCallDelta(0, "x", "shell", "{}", "shell"),)))


def test_the_older_form_has_only_one_call():
    calls = tuple(ToolCallDelta(index, None, "f", "{}", "function_call") for index in range(2))
    with pytest.raises(UnencodableDeltaError, match="the older form of calls has only one of them"):
        encoded("openai", Delta(tool_calls=calls))


def test_an_action_that_is_not_json_cannot_be_encoded():
    with pytest.raises(UnencodableDeltaError, match="it must be valid JSON"):
        encoded("openai-responses", Delta(tool_calls=(ToolCallDelta(0, "x", "shell", "{", "shell"),)))


def test_a_responses_stream_has_no_pieces_of_an_action():
    delta = Delta(tool_calls=(ToolCallDelta(0, "x", "shell", '{"commands":["ls"]}', "shell"),))
    frames = [
        json.loads(frame.partition(b"data: ")[2]) for frame in encoded("openai-responses", delta).split(b"\n\n")[:-1]
    ]
    kinds = [frame["type"] for frame in frames if "item" in frame["type"] or "call" in frame["type"]]
    assert kinds == ["response.output_item.added", "response.output_item.done"]


def test_calls_of_the_same_index_have_the_kind_of_their_first_fragment():
    fragments = [ToolCallDelta(0, "x", "f", "a", "custom"), ToolCallDelta(0, arguments="b")]
    assert merge_tool_calls(fragments) == (ToolCall("x", "f", "ab", "custom"),)


REDACTED = [Delta(redacted="b3Bh"), Delta(thinking="Hm."), Delta(signature="x"), Delta("Yes.")]


@pytest.mark.parametrize("from_the_wire", [read, answered])
def test_redacted_thinking_of_anthropic_returns_from_the_wire(from_the_wire):
    answer = from_the_wire("anthropic", *REDACTED)
    assert (answer.text, answer.thinking, answer.signature, answer.redacted) == ("Yes.", "Hm.", "x", "b3Bh")
    body = encoded("anthropic", *REDACTED)
    assert b'"content_block":{"type":"redacted_thinking","data":"b3Bh"}' in body
    empty = body.replace(b'"data":"b3Bh"', b'"data":null')
    assert read_stream("anthropic", empty, strict=True).redacted == ""


def test_redacted_thinking_is_left_out_by_other_providers():
    for protocol in ("openai", "openai-responses", "gemini", "ollama"):
        assert (read(protocol, *REDACTED).text, read(protocol, *REDACTED).redacted) == ("Yes.", "")


def test_thoughts_end_with_their_signatures():
    deltas = [Delta(thinking="a"), Delta("t", thinking="b", signature="x"), Delta(redacted="r"), Delta(thinking="c")]
    assert thoughts_in(deltas) == (Delta(thinking="ab", signature="x"), Delta(redacted="r"), Delta(thinking="c"))
    assert thoughts_in([Delta("t"), Delta(signature="x"), Delta(thinking="a", redacted="r")]) == (
        Delta(signature="x"),
        Delta(thinking="a"),
        Delta(redacted="r"),
    )


APPROVAL = Delta(tool_calls=(ToolCallDelta(0, "mcpr_1", "delete", '{"path":"x"}', "mcp_approval_request"),))


@pytest.mark.parametrize("from_the_wire", [read, answered])
def test_a_request_to_approve_a_call_of_an_mcp_server_returns_from_the_wire(from_the_wire):
    (call,) = from_the_wire("openai-responses", Delta("May I?"), APPROVAL).tool_calls
    assert call == ToolCall("mcpr_1", "delete", '{"path":"x"}', "mcp_approval_request")
    assert b'"server_label":"streamval"' in encoded("openai-responses", APPROVAL)


def test_a_request_to_approve_a_call_is_read_without_its_start():
    item = {"type": "mcp_approval_request", "id": "mcpr_1", "name": "f", "arguments": "{}", "server_label": "s"}
    frames = [
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": {"status": "completed", "output": [item]}},
    ]
    body = "".join(f"data: {json.dumps(frame)}\n\n" for frame in frames).encode()
    reading = read_stream("openai-responses", body, strict=True)
    assert reading.error is None
    assert reading.tool_calls == (ToolCall("mcpr_1", "f", "{}", "mcp_approval_request"),)


def test_a_signature_of_gemini_may_be_in_the_part_of_a_text():
    reading = read("gemini", Delta("Yes.", signature="EqQ="))
    assert (reading.text, reading.signature) == ("Yes.", "EqQ=")


def test_a_refusal_of_gemini_after_the_finish_reason_is_in_a_frame_of_its_own():
    data = encoded("gemini", Delta("Well.", finish_reason="stop"), Delta(refusal="No."))
    assert json.loads(data.splitlines()[-2].removeprefix(b"data: "))["promptFeedback"] == {"blockReasonMessage": "No."}
