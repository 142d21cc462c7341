import json

import pytest

from pytest_streamval.errors import MalformedResponseError, ProviderResponseError, UnencodableDeltaError
from pytest_streamval.model import Delta, ToolCall, ToolCallDelta, Usage
from pytest_streamval.wire import ADAPTERS, Answer, ParsedRequest

protocols = pytest.mark.parametrize("protocol", ADAPTERS)
CALLS = (ToolCall("x", "f", '{"a":"é"}'), ToolCall("y", "g", "{}"))


def openai(content="a", /, **fields):
    message = {"role": "assistant", "content": content, **fields}
    return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}


def openai_call(ident, name, arguments):
    return {"id": ident, "type": "function", "function": {"name": name, "arguments": arguments}}


def responses(*output, **fields):
    return {"object": "response", "status": "completed", "error": None, "output": list(output), **fields}


def anthropic(*content, **fields):
    return {"type": "message", "content": list(content), "stop_reason": "end_turn", **fields}


def gemini(*parts, **fields):
    return {"candidates": [{"content": {"parts": list(parts)}, "finishReason": "STOP"}], **fields}


def ollama(content="a", /, **fields):
    return {"message": {"role": "assistant", "content": content, **fields}, "done": True, "done_reason": "stop"}


TOOL = {"type": "tool_use", "id": "x", "name": "f", "input": {"a": "é"}}
MESSAGE = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "a"}]}
FUNCTION = {"type": "function_call", "call_id": "x", "name": "f", "arguments": '{"a":"é"}'}
READ = {
    "openai: text": ("openai", openai(), Answer("a", finish_reason="stop")),
    "openai: no text": ("openai", openai(None), Answer(finish_reason="stop")),
    "openai: text in parts": ("openai", openai([{"type": "text", "text": "a"}]), Answer("a", finish_reason="stop")),
    "openai: thinking": ("openai", openai(reasoning_content="b"), Answer("a", "b", finish_reason="stop")),
    "openai: thinking by its other name": ("openai", openai(reasoning="b"), Answer("a", "b", finish_reason="stop")),
    "openai: calls": (
        "openai",
        openai(tool_calls=[openai_call("x", "f", '{"a":"é"}'), openai_call("y", "g", "{}")]),
        Answer("a", tool_calls=CALLS, finish_reason="stop"),
    ),
    "openai: calls of one id": (
        "openai",
        openai(tool_calls=[openai_call(None, "f", "1"), openai_call(None, "f", None)]),
        Answer("a", tool_calls=(ToolCall(None, "f", "1"), ToolCall(None, "f", "")), finish_reason="stop"),
    ),
    "openai: counts": (
        "openai",
        {**openai(), "usage": {"prompt_tokens": 3, "completion_tokens": 2}},
        Answer("a", usage=Usage(3, 2), finish_reason="stop"),
    ),
    "openai: no reason": ("openai", {"choices": [{"message": {"content": "a"}}]}, Answer("a")),
    "openai-responses: text": ("openai-responses", responses(MESSAGE), Answer("a", finish_reason="completed")),
    "openai-responses: nothing": ("openai-responses", responses(status=None), Answer()),
    "openai-responses: several items": (
        "openai-responses",
        responses(
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "b"}], "encrypted_content": "Eq"},
            {"type": "web_search_call", "id": "ws"},
            MESSAGE,
            FUNCTION,
            {**FUNCTION, "call_id": "y", "name": "g", "arguments": "{}"},
            {"type": "message", "content": [{"type": "refusal", "refusal": "No."}, *MESSAGE["content"]]},
            {"type": "message", "content": None},
        ),
        Answer("aa", "b", CALLS, finish_reason="completed", refusal="No.", signature="Eq"),
    ),
    "openai-responses: the reasoning itself": (
        "openai-responses",
        responses({"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "b"}]}),
        Answer(thinking="b", finish_reason="completed"),
    ),
    "openai-responses: counts": (
        "openai-responses",
        responses(usage={"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}),
        Answer(usage=Usage(3, 2), finish_reason="completed"),
    ),
    "openai-responses: no counts": (
        "openai-responses",
        responses(usage={}),
        Answer(finish_reason="completed"),
    ),
    "openai-responses: a reason": (
        "openai-responses",
        responses(MESSAGE, status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
        Answer("a", finish_reason="max_output_tokens"),
    ),
    "anthropic: text": ("anthropic", anthropic({"type": "text", "text": "a"}), Answer("a", finish_reason="end_turn")),
    "anthropic: nothing": ("anthropic", anthropic(stop_reason=None), Answer()),
    "anthropic: several blocks": (
        "anthropic",
        anthropic(
            {"type": "thinking", "thinking": "b", "signature": "Eq"},
            {"type": "redacted_thinking", "data": "Eq"},
            {"type": "text", "text": "a"},
            TOOL,
            {"type": "server_tool_use", "id": "z", "name": "web_search", "input": {}},
            {**TOOL, "id": "y", "name": "g", "input": {}},
            {"type": "text", "text": "c"},
        ),
        Answer("ac", "b", CALLS, finish_reason="end_turn", signature="Eq", redacted="Eq"),
    ),
    "anthropic: counts": (
        "anthropic",
        anthropic(usage={"input_tokens": 3, "cache_read_input_tokens": 4, "output_tokens": 2}),
        Answer(usage=Usage(7, 2, cached_tokens=4), finish_reason="end_turn"),
    ),
    "gemini: text": ("gemini", gemini({"text": "a"}), Answer("a", finish_reason="STOP")),
    "gemini: several parts": (
        "gemini",
        gemini(
            {"text": "b", "thought": True},
            {"text": "a"},
            {"functionCall": {"id": "x", "name": "f", "args": {"a": "é"}}},
            {"functionCall": {"id": "y", "name": "g"}},
        ),
        Answer("a", "b", CALLS, finish_reason="STOP"),
    ),
    "gemini: counts": (
        "gemini",
        gemini({"text": "a"}, usageMetadata={"promptTokenCount": 3, "candidatesTokenCount": 2}),
        Answer("a", usage=Usage(3, 2), finish_reason="STOP"),
    ),
    "gemini: a prompt that is refused": (
        "gemini",
        {"promptFeedback": {"blockReason": "SAFETY"}},
        Answer(finish_reason="SAFETY"),
    ),
    "ollama: text": ("ollama", ollama(), Answer("a", finish_reason="stop")),
    "ollama: nothing": ("ollama", {"done": True}, Answer()),
    "ollama: thinking": ("ollama", ollama(thinking="b"), Answer("a", "b", finish_reason="stop")),
    "ollama: calls": (
        "ollama",
        ollama(
            tool_calls=[
                {"id": "x", "function": {"name": "f", "arguments": {"a": "é"}}},
                {"id": "y", "function": {"name": "g"}},
            ]
        ),
        Answer("a", tool_calls=CALLS, finish_reason="stop"),
    ),
    "ollama: counts": (
        "ollama",
        {**ollama(), "prompt_eval_count": 3, "eval_count": 2},
        Answer("a", usage=Usage(3, 2), finish_reason="stop"),
    ),
    "ollama: of a bare prompt": (
        "ollama",
        {"response": "a", "thinking": "b", "done": True, "done_reason": "stop"},
        Answer("a", "b", finish_reason="stop"),
    ),
}


@pytest.mark.parametrize(("protocol", "body", "expected"), READ.values(), ids=READ)
def test_an_adapter_parses_a_response(protocol, body, expected):
    for data in (json.dumps(body).encode(), b"\xef\xbb\xbf" + json.dumps(body, ensure_ascii=False, indent=1).encode()):
        assert ADAPTERS[protocol].parse_response(data) == expected


EVERY = "openai openai-responses anthropic gemini ollama"
FAULTS = {
    "invalid JSON": (EVERY, b"<html>", "it is not JSON ("),
    "not an object": (EVERY, b"[]", "it is a list, not an object"),
    "invalid UTF-8": (EVERY, b'{"x": "\xff"}', "it is not UTF-8 ('utf-8' codec can't decode"),
    "half a character": (EVERY, b'{"x": "\\ud83d"}', "it holds half of a surrogate pair"),
    "too deep": (EVERY, b"[" * 200_000, "it is not JSON (maximum recursion depth"),
    "nothing": (
        "openai openai-responses anthropic gemini",
        b"{}",
        ("choices is missing", "output is missing", "content is missing", "no finishReason"),
    ),
    "no choice": ("openai", b'{"choices": []}', "choices has no item with index 0"),
    "no message": ("openai", b'{"choices": [{"index": 0}]}', "choices[0].message is missing"),
    "a text of a wrong type": ("openai", openai(5), "choices[0].message.content is 5, not a string"),
    "calls of a wrong type": (
        "openai",
        openai(tool_calls={}),
        "choices[0].message.tool_calls is an object, not a list",
    ),
    "a call of a wrong type": ("openai", openai(tool_calls=[5]), "choices[0].message.tool_calls[] is 5, not an object"),
    "a call without a function": ("openai", openai(tool_calls=[{}]), "tool_calls[].function is missing"),
    "a call without a name": ("openai", openai(tool_calls=[{"function": {}}]), "tool_calls[].function.name is missing"),
    "counts of a wrong type": ("openai", {**openai(), "usage": 5}, "usage is 5, not an object"),
    "an item of a wrong type": ("openai-responses", responses(5), "output[] is 5, not an object"),
    "an item without a type": ("openai-responses", responses({}), "output[].type is missing"),
    "parts of an item of a wrong type": (
        "openai-responses",
        responses({"type": "message", "content": "a"}),
        "output[].content is 'a', not a list",
    ),
    "a part of an item of a wrong type": (
        "openai-responses",
        responses({"type": "message", "content": ["a"]}),
        "output[].content[] is 'a', not an object",
    ),
    "a part of an item without its text": (
        "openai-responses",
        responses({"type": "message", "content": [{"type": "output_text"}]}),
        "output[].content[].text is missing",
    ),
    "an item that is a call without an id": (
        "openai-responses",
        responses({**FUNCTION, "call_id": None}),
        "output[].call_id is missing",
    ),
    "a status of a wrong type": ("openai-responses", responses(status=5), "status is 5, not a string"),
    "details of a wrong type": (
        "openai-responses",
        responses(incomplete_details="x"),
        "incomplete_details is 'x', not an object",
    ),
    "a block of a wrong type": ("anthropic", anthropic(5), "content[] is 5, not an object"),
    "a block without a type": ("anthropic", anthropic({}), "content[].type is missing"),
    "a block without its text": ("anthropic", anthropic({"type": "text"}), "content[].text is missing"),
    "a call whose arguments are none": (
        "anthropic",
        anthropic({**TOOL, "input": "{}"}),
        "content[].input is '{}', not",
    ),
    "arguments that JSON does not have": (
        "anthropic",
        anthropic({**TOOL, "input": {"a": float("nan")}}),
        "content[].input is",
    ),
    "parts of a wrong type": ("gemini", {"candidates": [{"content": {"parts": 5}}]}, "content.parts is 5, not a list"),
    "a message of a wrong type": ("ollama", {"message": 5}, "message is 5, not an object"),
}


@pytest.mark.parametrize(("names", "body", "fault"), FAULTS.values(), ids=FAULTS)
def test_an_adapter_reports_the_fault_of_a_malformed_response(names, body, fault):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    for number, protocol in enumerate(names.split()):
        with pytest.raises(MalformedResponseError) as caught:
            ADAPTERS[protocol].parse_response(data)
        assert (fault if isinstance(fault, str) else fault[number]) in caught.value.fault
        assert caught.value.body == data.decode(errors="replace")


REPORTS = {
    "openai": ({"error": {"message": "Too busy.", "type": "server_error", "code": None}}, "server_error"),
    "openai-responses": (
        {**responses(status="failed"), "error": {"code": "server_error", "message": "Too busy."}},
        "server_error",
    ),
    "anthropic": ({"type": "error", "error": {"type": "overloaded_error", "message": "Too busy."}}, "overloaded_error"),
    "gemini": ({"error": {"code": 503, "message": "Too busy.", "status": "UNAVAILABLE"}}, "UNAVAILABLE"),
    "ollama": ({"error": "Too busy."}, "an error"),
}


@pytest.mark.parametrize(("protocol", "body", "kind"), [(name, *case) for name, case in REPORTS.items()], ids=REPORTS)
def test_a_report_in_the_place_of_an_answer_is_an_error(protocol, body, kind):
    data = json.dumps(body).encode()
    with pytest.raises(ProviderResponseError) as caught:
        ADAPTERS[protocol].parse_response(data)
    assert (caught.value.kind, caught.value.message) == (kind, "Too busy.")
    assert str(ADAPTERS[protocol].parse_error(data)) == str(caught.value)


ERROR_BODIES = {
    "a page": (b"<html>Bad gateway</html>", "an error", "<html>Bad gateway</html>"),
    "nothing": (b"", "an error", ""),
    "invalid UTF-8": (b"\xff", "an error", "\ufffd"),
    "a list": (b'[{"error": "x"}]', "an error", '[{"error": "x"}]'),
    "another form": (b'{"detail": "Not Found"}', "an error", '{"detail": "Not Found"}'),
    "a code and a message": (b'{"code": 404, "message": "Not Found"}', "404", "Not Found"),
    "an empty report": (b'{"error": {}}', "an error", '{"error": {}}'),
}


@protocols
def test_an_adapter_parses_any_body_of_an_error(protocol):
    errors = {name: ADAPTERS[protocol].parse_error(body) for name, (body, _, _) in ERROR_BODIES.items()}
    found = {name: (error.protocol, error.kind, error.message) for name, error in errors.items()}
    assert found == {name: (protocol, kind, message) for name, (_, kind, message) in ERROR_BODIES.items()}


@protocols
def test_an_adapter_parses_the_error_that_it_encodes(protocol):
    adapter = ADAPTERS[protocol]
    error = adapter.parse_error(adapter.encode_error("UNAVAILABLE", "Too busy."))
    assert error.kind == ("an error" if protocol == "ollama" else "UNAVAILABLE")
    assert error.message == "Too busy."


@protocols
def test_an_adapter_refuses_an_error_that_is_not_text(protocol):
    with pytest.raises(UnencodableDeltaError, match="cannot carry the error 'k': it must be valid JSON in UTF-8"):
        ADAPTERS[protocol].encode_error("k", "\ud83d")


def test_gemini_errors_have_the_code_of_their_status():
    codes = [json.loads(ADAPTERS["gemini"].encode_error(kind, ""))["error"]["code"] for kind in ("NOT_FOUND", "quux")]
    assert codes == [404, 500]


@protocols
def test_an_adapter_parses_the_answer_that_it_encodes(protocol):
    written = Answer("a 🍎", "b", CALLS, Usage(3, 2), "quux")
    adapter = ADAPTERS[protocol]
    assert adapter.parse_response(adapter.encode_response(written, ParsedRequest("m"))) == written


def test_openai_responses_have_null_content_beside_calls_and_empty_content_alone():
    written = [
        ADAPTERS["openai"].encode_response(Answer(tool_calls=calls), ParsedRequest("m")) for calls in (CALLS, ())
    ]
    assert [json.loads(each)["choices"][0]["message"]["content"] for each in written] == [None, ""]


@protocols
def test_a_response_names_its_model(protocol):
    body = json.loads(ADAPTERS[protocol].encode_response(Answer("a"), ParsedRequest("m"), ident="7", created=1.5))
    assert "m" in {body.get("model"), body.get("modelVersion")}
    head = {
        "openai": {"id": "chatcmpl-7", "object": "chat.completion", "created": 1},
        "openai-responses": {"id": "resp_7", "object": "response", "created_at": 1, "status": "completed"},
        "anthropic": {"id": "msg_7", "type": "message", "role": "assistant"},
        "gemini": {"responseId": "7"},
        "ollama": {"created_at": "1970-01-01T00:00:01.500000Z", "done": True},
    }[protocol]
    assert head.items() <= body.items()


@pytest.mark.parametrize("protocol", ["anthropic", "gemini", "ollama"])
def test_an_adapter_refuses_arguments_that_are_not_an_object(protocol):
    for arguments in ("{", "[]", "5"):
        answer = Answer(tool_calls=(ToolCall("x", "f", arguments),))
        with pytest.raises(UnencodableDeltaError, match="the arguments must be a complete JSON object"):
            ADAPTERS[protocol].encode_response(answer, ParsedRequest("m"))


@protocols
def test_an_adapter_refuses_text_that_is_not_unicode(protocol):
    with pytest.raises(UnencodableDeltaError, match="it must be valid JSON in UTF-8"):
        ADAPTERS[protocol].encode_response(Answer("\ud83d"), ParsedRequest("m"))


def test_an_answer_is_the_sum_of_its_deltas():
    deltas = [
        Delta("a", "x", usage=Usage(3)),
        Delta(tool_calls=(ToolCallDelta(1, "i", "f", "{"), ToolCallDelta(1, arguments="}"))),
        Delta("b", "y", usage=Usage(None, 5), finish_reason="stop"),
        Delta(finish_reason="length"),
    ]
    assert Answer.of(deltas) == Answer("ab", "xy", (ToolCall("i", "f", "{}"),), Usage(3, 5), "length")
    assert Answer.of([]) == Answer()


def test_an_answer_is_also_one_delta():
    answer = Answer("a", "x", CALLS, Usage(3, 5), "length")
    assert answer.to_delta().tool_calls == (ToolCallDelta(0, "x", "f", '{"a":"é"}'), ToolCallDelta(1, "y", "g", "{}"))
    assert Answer.of([answer.to_delta()]) == answer
    assert Answer().to_delta() == Delta()
