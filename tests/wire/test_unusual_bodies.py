"""Frames and bodies of another form than the protocol's, and streams of very many parts."""

import json

import pytest

from pytest_streamval import read_stream
from pytest_streamval.errors import MalformedFrameError, ProviderStreamError, StreamTruncatedError
from pytest_streamval.model import ToolCall, ToolCallDelta, merge_tool_calls

DONE = b"data: [DONE]\n\n"
ANSWER = {"choices": [{"message": {"content": "ab"}, "finish_reason": "stop"}]}


def sse(*frames):
    return b"".join(b"data: " + json.dumps(frame).encode() + b"\n\n" for frame in frames)


def delta(reason=None, /, **fields):
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": reason}]}


ERRORS = {
    "of MiniMax": ("openai", {"choices": None, "base_resp": {"status_code": 1002, "status_msg": "Boo"}}, "1002"),
    "of MiniMax, beside choices": ("openai", {**delta(), "base_resp": {"status_code": 5, "status_msg": "Boo"}}, "5"),
    "of Cloudflare": ("openai", {"success": False, "errors": [{"code": 3010, "message": "Boo"}]}, "3010"),
    "of Hunyuan": ("openai", {"ErrorMsg": {"Code": 4001, "Msg": "Boo"}}, "4001"),
    "of Tencent": ("openai", {"Response": {"Error": {"Code": "Busy", "Message": "Boo"}}}, "Busy"),
    "of Bedrock": ("anthropic", {"internalServerException": {"message": "Boo"}}, "an error"),
    "a message": ("openai", {"message": "Boo"}, "an error"),
    "a message with the type of an error": ("openai", {"type": "invalid_request_error", "message": "Boo"}, "invalid"),
    "a message with a status": ("openai", {"status": 500, "message": "Boo", "path": "/"}, "500"),
    "a message without success": ("openai", {"success": False, "msg": "Boo", "data": 1}, "an error"),
    "a message in a frame of Anthropic's": ("anthropic", {"message": "Boo"}, "an error"),
    "a code in a frame of responses": ("openai-responses", {"code": "busy", "message": "Boo"}, "busy"),
    "a code in a frame of Gemini's": ("gemini", {"code": 500, "message": "Boo"}, "500"),
}
NO_ERRORS = {
    "a success of MiniMax": {"choices": [], "base_resp": {"status_code": 0, "status_msg": "success"}},
    "a code of success": {"code": 200, "message": "ok", "data": {}},
    "a status in words": {"status": "queued", "message": "Soon.", "place": 3},
    "a message of another type": {"type": "notice", "message": "Soon."},
    "no errors": {"errors": [], "messages": []},
}


@pytest.mark.parametrize(("protocol", "frame", "kind"), ERRORS.values(), ids=ERRORS)
def test_an_error_in_another_form_is_an_error_of_the_provider(protocol, frame, kind):
    error = read_stream(protocol, sse(frame)).error
    assert isinstance(error, ProviderStreamError)
    assert error.kind.startswith(kind)
    assert error.message == "Boo"


@pytest.mark.parametrize("frame", NO_ERRORS.values(), ids=NO_ERRORS)
def test_a_frame_about_a_success_is_no_error(frame):
    reading = read_stream("openai", sse(delta(content="a"), frame, delta("stop")) + DONE)
    assert (reading.text, reading.error) == ("a", None)


@pytest.mark.parametrize(
    "body", [b'{"x": 1}', b"[1]", b"[]", b"5", b'{"choices": 5}', b'{"error": null}', b'{"\xff": 1}']
)
def test_a_body_that_is_no_answer_is_truncated(body):
    for protocol in ("openai", "openai-responses", "anthropic", "gemini"):
        assert isinstance(read_stream(protocol, body).error, StreamTruncatedError)


def test_an_answer_in_place_of_a_stream_keeps_the_characters_of_surrogate_pairs():
    body = b'{"choices": [{"message": {"content": "\\ud83c\\udf4e"}, "finish_reason": "stop"}]}'
    assert read_stream("openai", body).text == "\N{RED APPLE}"


def test_a_complete_answer_of_a_failed_response_is_an_error():
    body = json.dumps({"object": "response", "status": "failed", "error": {"code": "x", "message": "Boo"}}).encode()
    assert read_stream("openai-responses", body).error is not None


def test_json_that_is_too_deep_to_be_written_is_no_answer(monkeypatch):
    def fail(_):
        raise RecursionError

    bodies = {
        json.dumps(ANSWER).encode() + DONE: ("openai", StreamTruncatedError),
        sse({"choices": [{"delta": {"content": "a"}}] * 2}, delta("stop")) + DONE: ("openai", type(None)),
    }
    monkeypatch.setattr(json, "dumps", fail)
    for body, (protocol, error) in bodies.items():
        assert isinstance(read_stream(protocol, body).error, error)


def test_values_that_are_no_json_elsewhere_are_read_in_repeated_choices():
    choice = '{"delta": {"content": "a"}, "x": NaN}'
    body = f'data: {{"choices": [{choice}, {choice}]}}\n\n'.encode() + sse(delta("stop")) + DONE
    assert read_stream("openai", body).text == "a"


def test_a_frame_inside_of_a_field_is_read_only_if_it_has_choices():
    frames = [{"data": delta(content="a")}, {"data": {"x": 1}}, {"data": 5}, delta("stop")]
    assert read_stream("openai", sse(*frames) + DONE).text == "a"


THOUGHTS = {
    "an object": ({"reasoning_content": {"text": "Hm.", "signature": "Eq"}}, ("Hm.", "Eq")),
    "a part in a string": ({"content": [{"type": "thinking", "thinking": "Hm."}]}, ("Hm.", "")),
    "a summary": (
        {
            "content": [
                {"type": "reasoning", "summary": [{"text": "Hm.", "signature": "Eq"}, {}]},
                {"type": "reasoning"},
            ]
        },
        ("Hm.", "Eq"),
    ),
}


@pytest.mark.parametrize(("fields", "expected"), THOUGHTS.values(), ids=THOUGHTS)
def test_thinking_in_another_form_is_read(fields, expected):
    reading = read_stream("openai", sse(delta(**fields), delta("stop")) + DONE)
    assert ((reading.thinking, reading.signature), reading.error) == (expected, None)


def test_the_first_events_of_reasoning_have_their_text_in_an_object():
    event = {"type": "response.reasoning_summary.delta", "output_index": 0, "delta": {"text": "Hm."}}
    end = {"type": "response.completed", "response": {"status": "completed"}}
    assert read_stream("openai-responses", sse(event, end)).thinking == "Hm."
    broken = sse({**event, "delta": {}}, end)
    assert isinstance(read_stream("openai-responses", broken).error, MalformedFrameError)


def test_calls_and_thinking_of_a_message_are_read_if_no_piece_had_them():
    call = {"index": 0, "id": "x", "function": {"name": "f", "arguments": "{}"}}
    message = {"content": "a", "reasoning_content": "Hm.", "tool_calls": [call]}
    whole = {"choices": [{"message": message, "finish_reason": "stop"}]}
    for before in ([], [delta(reasoning_content="Hm.")], [delta(tool_calls=[call])]):
        reading = read_stream("openai", sse(delta(content="a"), *before, whole) + DONE, strict=True)
        assert (reading.text, reading.thinking, reading.error) == ("a", "Hm.", None)
        assert reading.tool_calls == (ToolCall("x", "f", "{}"),)


def test_the_calls_of_the_first_models_of_mistral_have_one_id():
    calls = [{"id": "null", "function": {"name": name, "arguments": "{}"}} for name in "fg"]
    reading = read_stream("openai", sse(delta(tool_calls=calls), delta("stop")) + DONE)
    assert [call.name for call in reading.tool_calls] == ["f", "g"]


def test_free_text_of_a_call_may_repeat_itself():
    calls = [{"index": 0, "id": "x", "custom": {"name": "f", "input": "{}"}}, {"index": 0, "custom": {"input": "{}"}}]
    frames = [delta(tool_calls=[call]) for call in calls]
    (found,) = read_stream("openai", sse(*frames, delta("stop")) + DONE, strict=True).tool_calls
    assert found == ToolCall("x", "f", "{}{}", "custom")


def test_a_name_after_the_arguments_is_the_name_of_the_call():
    parts = [ToolCallDelta(0, "x", None, "{"), ToolCallDelta(0, None, "f", "}"), ToolCallDelta(0, None, "g")]
    assert merge_tool_calls(parts) == (ToolCall("x", "f", "{}"),)


def test_an_output_of_many_items_that_is_repeated_under_other_ids_is_read_once():
    def message(ident, number):
        return {"type": "message", "id": ident, "content": [{"type": "output_text", "text": f"{number} "}]}

    items = [
        {"type": "response.output_item.done", "output_index": number, "item": message(f"a{number}", number)}
        for number in range(300)
    ]
    output = [message(f"b{number}", number) for number in range(300)]
    end = {"type": "response.completed", "response": {"status": "completed", "output": output}}
    reading = read_stream("openai-responses", sse(*items, end))
    assert (reading.text, reading.error) == ("".join(f"{number} " for number in range(300)), None)
