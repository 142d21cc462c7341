import json

import pytest

from pytest_streamval.errors import ClosedError, MalformedFrameError, ProviderStreamError, StreamTruncatedError
from pytest_streamval.model import Delta, ToolCall, ToolCallDelta, Usage, merge_tool_calls
from pytest_streamval.wire import OpenAIChatDecoder

DONE = b"data: [DONE]\n\n"


def sse(*frames):
    return b"".join(b"data: " + json.dumps(frame).encode() + b"\n\n" for frame in frames)


def delta(finish_reason=None, /, **fields):
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish_reason}]}


def decode(*frames):
    decoder = OpenAIChatDecoder()
    deltas = decoder.feed(sse(*frames) + DONE)
    assert decoder.done
    return deltas + decoder.close()


def call(index=None, ident=None, name=None, arguments=None):
    fragment = {"type": "function", "function": {"name": name, "arguments": arguments}, "id": ident, "index": index}
    return delta(tool_calls=[fragment])


PART = {"type": "text", "text": "a"}
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
READ = {
    "text": (delta(content="a"), Delta("a")),
    "thinking": (delta(reasoning_content="a"), Delta(thinking="a")),
    "thinking by its other name": (delta(reasoning="a"), Delta(thinking="a")),
    "thinking by both names": (delta(reasoning_content="a", reasoning="a"), Delta(thinking="a")),
    "thinking before an empty text": (delta(content="", reasoning_content="a"), Delta(thinking="a")),
    "text and thinking": (delta(content="a", reasoning_content="b"), Delta("a", "b")),
    "text in parts": (delta(content=[PART, {"type": "reference", "ids": [1]}, PART]), Delta("aa")),
    "thinking in parts": (delta(content=[{"type": "thinking", "thinking": [PART, PART]}, PART]), Delta("a", "aa")),
    "the finish": (delta("stop"), Delta(finish_reason="stop")),
    "the finish with text": (delta("stop", content="a"), Delta("a", finish_reason="stop")),
    "the finish with usage": ({**delta("stop"), "usage": USAGE}, Delta(usage=Usage(3, 2), finish_reason="stop")),
    "usage alone": ({"choices": [], "usage": USAGE}, Delta(usage=Usage(3, 2))),
    "usage without choices": ({"usage": USAGE}, Delta(usage=Usage(3, 2))),
    "usage with choices null": ({"choices": None, "usage": USAGE}, Delta(usage=Usage(3, 2))),
    "half of the usage": ({"choices": [], "usage": {"completion_tokens": 2}}, Delta(usage=Usage(None, 2))),
    "usage beside text": ({**delta(content="a"), "usage": USAGE}, Delta("a", usage=Usage(3, 2))),
    "a choice without an index": ({"choices": [{"delta": {"content": "a"}}]}, Delta("a")),
    "a tool call": (call(0, "x", "f", "{}"), Delta(tool_calls=(ToolCallDelta(0, "x", "f", "{}"),))),
    "arguments alone": (call(1, arguments="{"), Delta(tool_calls=(ToolCallDelta(1, None, None, "{"),))),
    "no error": ({**delta(content="a"), "error": None}, Delta("a")),
    "a refusal": (delta(refusal="No."), Delta(refusal="No.")),
    "a refusal in parts": (delta(content=[{"type": "refusal", "refusal": "No."}]), Delta(refusal="No.")),
    "thinking of GitHub Copilot": (
        delta(reasoning_text="a", reasoning_opaque="Eq"),
        Delta(thinking="a", signature="Eq"),
    ),
    "thinking by a third name": (delta(thinking="a"), Delta(thinking="a")),
    "thinking in details": (
        delta(
            reasoning_details=[
                {"type": "reasoning.summary", "summary": "a"},
                {"type": "reasoning.text", "text": "b", "signature": "Eq"},
                {"type": "reasoning.encrypted", "data": "Qw"},
                None,
            ]
        ),
        Delta(thinking="ab", signature="EqQw"),
    ),
    "thinking with the same details": (
        delta(reasoning="a", reasoning_details=[{"type": "reasoning.text", "text": "a"}]),
        Delta(thinking="a"),
    ),
    "thinking in blocks": (
        delta(thinking_blocks=[{"type": "thinking", "thinking": "a", "signature": "Eq"}], role="assistant"),
        Delta(thinking="a", signature="Eq"),
    ),
    "thinking in blocks of a wrong type": (delta(reasoning_details="a", content="b"), Delta("b")),
    "a signature of Gemini's endpoint": (
        delta(
            role="assistant",
            tool_calls=[
                {
                    "index": 0,
                    "id": "x",
                    "function": {"name": "f"},
                    "extra_content": {"google": {"thought_signature": "Eq"}},
                }
            ],
        ),
        Delta(tool_calls=(ToolCallDelta(0, "x", "f"),), signature="Eq"),
    ),
    "other content of Gemini's endpoint": (
        delta(content="a", extra_content={"google": {}}, tool_calls=[{"index": 0, "extra_content": 5}]),
        Delta("a"),
    ),
    "a custom call": (
        delta(tool_calls=[{"index": 0, "id": "x", "type": "custom", "custom": {"name": "f", "input": "a b"}}]),
        Delta(tool_calls=(ToolCallDelta(0, "x", "f", "a b", "custom"),)),
    ),
    "a call of the older form": (
        delta(content=None, function_call={"name": "f", "arguments": "{}"}),
        Delta(tool_calls=(ToolCallDelta(0, None, "f", "{}", "function_call"),)),
    ),
    "usage of Groq": ({**delta("stop"), "x_groq": {"usage": USAGE}}, Delta(usage=Usage(3, 2), finish_reason="stop")),
    "usage of Moonshot": (
        {"choices": [{"index": 0, "delta": {"content": "a"}, "usage": USAGE}]},
        Delta("a", usage=Usage(3, 2)),
    ),
}
NOTHING = {
    "a role": delta(role="assistant", content=None),
    "a role with an empty text": delta(role="assistant", content=""),
    "an empty delta": delta(),
    "an empty reason": delta(""),
    "an empty list of calls": delta(tool_calls=[]),
    "an empty call": call(0, arguments=""),
    "a call without a function": delta(tool_calls=[{"index": 0}]),
    "no calls": delta(tool_calls=None),
    "no parts": delta(content=[]),
    "empty thinking": delta(reasoning_content=""),
    "usage null": {"choices": [], "usage": None},
    "an empty usage": {"choices": [], "usage": {}},
    "a prompt's filter results": {"choices": [], "prompt_filter_results": [{}]},
    "a choice without a delta": {"choices": [{"index": 0, "finish_reason": None, "content_filter_offsets": {}}]},
    "a choice whose delta is null": {"choices": [{"index": 0, "delta": None}]},
    "another choice": {"choices": [{"index": 1, "delta": {"content": "a"}, "finish_reason": "stop"}]},
    "an empty call of the older form": delta(function_call={"arguments": ""}),
    "nothing of Groq": {**delta(), "x_groq": {"id": "req_1"}},
}


def test_the_openai_decoder_makes_one_delta_of_a_frame():
    assert {name: decode(frame) for name, (frame, _) in READ.items()} == {
        name: [expected] for name, (_, expected) in READ.items()
    }


def test_the_openai_decoder_makes_no_delta_of_a_frame_without_content():
    assert {name: decode(frame) for name, frame in NOTHING.items()} == {name: [] for name in NOTHING}


def test_the_openai_decoder_reads_the_choice_with_index_0():
    other = {"index": 1, "delta": {"content": "b"}}
    assert decode({"choices": [other, {"index": 0, "delta": {"content": "a"}}]}) == [Delta("a")]


def test_the_openai_decoder_reads_text_after_a_finish_reason():
    reasons = [delta("stop", content="a"), delta("stop", content="b"), delta("length", content="c")]
    assert "".join(each.text for each in decode(*reasons)) == "abc"
    assert decode(*reasons)[-1].finish_reason == "length"


def test_the_openai_decoder_keeps_counts_that_a_later_report_leaves_out():
    first, second = decode({"choices": [], "usage": USAGE}, {"choices": [], "usage": {"completion_tokens": 9}})
    assert (first.usage, second.usage) == (Usage(3, 2), Usage(3, 9))


CALLS = {
    "by index": [call(0, "x", "f", ""), call(1, "y", "g", ""), call(0, arguments="1"), call(1, arguments="2")],
    "by id": [call(None, "x", "f", "1"), call(None, "y", "g", "2")],
    "by the order of their ids": [call(None, "x", "f"), call(arguments="1"), call(None, "y", "g"), call(arguments="2")],
    "by an id that is repeated": [call(None, "x", "f"), call(None, "y", "g", "2"), call(None, "x", None, "1")],
    "by index, then by id": [call(0, "x", "f", "1"), call(None, "y", "g", "2")],
}


@pytest.mark.parametrize("frames", CALLS.values(), ids=CALLS)
def test_the_openai_decoder_joins_the_fragments_of_each_call(frames):
    fragments = [fragment for each in decode(*frames) for fragment in each.tool_calls]
    assert merge_tool_calls(fragments) == (ToolCall("x", "f", "1"), ToolCall("y", "g", "2"))


def test_the_openai_decoder_puts_a_call_without_an_index_last():
    deltas = decode(call(1, "x", "f"), call(0, "y", "g"), call(None, "z", "h"))
    assert [each.tool_calls[0].index for each in deltas] == [1, 0, 2]


IDENTITIES = {
    "one index for two ids": [call(0, "x", "f", "1"), call(0, "y", "g", "2")],
    "one index for two ids in pieces": [
        call(0, "x", "f"),
        call(0, None, None, "1"),
        call(0, "y", "g"),
        call(0, None, None, "2"),
    ],
    "one index for two names": [call(0, None, "f", "1"), call(0, None, "g", "2")],
    "one index, and none": [call(0, "x", "f", "1"), call(0, "y", "g"), call(None, None, None, "2")],
    "a name in pieces": [call(0, "x", "f"), call(0, None, "", "1"), call(1, "y", ""), call(1, None, "g", "2")],
    "a name in each fragment": [
        call(0, "x", "f", ""),
        call(0, "x", "f", "1"),
        call(1, "y", "g", ""),
        call(1, "y", "g", "2"),
    ],
    "an id that changes": [call(0, "x", "f"), call(0, "z", None, "1"), call(1, "y", "g", "2")],
    "one id with two indices": [call(0, "x", "f"), call(1, "x", None, "1"), call(2, "y", "g", "2")],
}


@pytest.mark.parametrize("frames", IDENTITIES.values(), ids=IDENTITIES)
def test_the_openai_decoder_tells_calls_apart_that_are_marked_in_another_way(frames):
    fragments = [fragment for each in decode(*frames) for fragment in each.tool_calls]
    calls = merge_tool_calls(fragments)
    assert [(each.name, each.arguments) for each in calls] == [("f", "1"), ("g", "2")]
    assert {each.id for each in calls} <= {"x", "y", None}


def test_the_openai_decoder_joins_a_name_in_pieces():
    frames = [call(0, "x", "get_", ""), call(0, None, "weather", "{}")]
    (joined,) = merge_tool_calls([fragment for each in decode(*frames) for fragment in each.tool_calls])
    assert joined == ToolCall("x", "get_weather", "{}")


def test_the_openai_decoder_joins_a_call_of_the_older_form():
    frames = [delta(function_call={"name": "f", "arguments": ""}), delta(function_call={"arguments": "{}"})]
    fragments = [fragment for each in decode(*frames) for fragment in each.tool_calls]
    assert merge_tool_calls(fragments) == (ToolCall(None, "f", "{}", "function_call"),)


def test_the_openai_decoder_separates_calls_without_index_and_id_by_name():
    fragments = [each.tool_calls[0] for each in decode(call(None, "", "f", "1"), call(None, None, "g", "2"))]
    assert merge_tool_calls(fragments) == (ToolCall(None, "f", "1"), ToolCall(None, "g", "2"))


def test_the_openai_decoder_accepts_comments_and_other_event_names():
    decoder = OpenAIChatDecoder()
    assert decoder.feed(b": OPENROUTER PROCESSING\n\nevent: ping\ndata: {}\n\n" + sse(delta(content="a"))) == [
        Delta("a")
    ]


def test_a_strict_openai_decoder_accepts_only_comments_and_line_ends_after_the_end():
    decoder = OpenAIChatDecoder(strict=True)
    decoder.feed(sse(delta("stop")) + DONE + b"\n\n: bye\n\n\r\n")
    assert decoder.close() == []
    decoder = OpenAIChatDecoder(strict=True)
    with pytest.raises(MalformedFrameError, match=r"it follows the frame \[DONE\], which ends the stream") as caught:
        decoder.feed(sse(delta("stop", content="a")) + DONE + DONE)
    assert (caught.value.text, caught.value.deltas) == ("a", (Delta("a", finish_reason="stop"),))


def test_the_openai_decoder_accepts_whitespace_around_the_end():
    decoder = OpenAIChatDecoder()
    decoder.feed(sse(delta("stop")) + b"data:[DONE] \n\n")
    assert decoder.done


def test_a_strict_openai_decoder_needs_the_blank_line_of_the_end():
    decoder = OpenAIChatDecoder(strict=True)
    decoder.feed(sse(delta(content="a"), delta("stop")) + b"data: [DONE]\n")
    with pytest.raises(
        StreamTruncatedError, match=r"ended without the frame \[DONE\], inside the frame b'data: \[DONE\]"
    ) as caught:
        decoder.close()
    assert caught.value.text == "a"


def test_an_openai_stream_that_ends_inside_a_frame_after_its_finish_reason_is_truncated():
    decoder = OpenAIChatDecoder()
    decoder.feed(sse(delta(content="a"), delta("stop")) + b"data: [DON")
    with pytest.raises(StreamTruncatedError, match=r"inside the frame b'data: \[DON'") as caught:
        decoder.close()
    assert caught.value.text == "a"


@pytest.mark.parametrize("words", ["", "Something else"])
def test_an_openai_stream_without_any_output_is_an_error_with_the_words_of_the_provider(words):
    decoder = OpenAIChatDecoder()
    with pytest.raises(ProviderStreamError, match=words or "nothing but the frame") as caught:
        decoder.feed((sse({"words": words}) if words else b"") + DONE)
    assert caught.value.text == ""


ERRORS = {
    "a server's": ({"error": {"type": "server_error", "message": "Boo"}}, "server_error", "Boo"),
    "a code": ({"error": {"code": 502, "message": "Boo"}}, "502", "Boo"),
    "a code of llama.cpp": ({"error": {"code": 500, "type": "server_error", "message": "Boo"}}, "server_error", "Boo"),
    "a string": ({"error": "Boo"}, "an error", "Boo"),
    "beside a choice": ({**delta("error", content=""), "error": {"code": "x", "message": "Boo"}}, "x", "Boo"),
    "no message": ({"error": {"code": "x"}}, "x", '{"error": {"code": "x"}}'),
    "not an object": ({"error": [1]}, "an error", '{"error": [1]}'),
    "inside a choice": ({"choices": [{"index": 0, "error": {"code": 502, "message": "Boo"}}]}, "502", "Boo"),
    "a reason": ({"choices": [{"index": 0, "delta": {}, "finish_reason": "error"}]}, "error", None),
    "of Groq": ({**delta(), "x_groq": {"error": "over_capacity"}}, "an error", "over_capacity"),
    "an object of vLLM": ({"object": "error", "message": "Boo", "type": "BadRequestError"}, "BadRequestError", "Boo"),
    "an object with a type": ({"type": "error", "message": "Boo"}, "error", "Boo"),
    "of DashScope": (
        {"code": "DataInspectionFailed", "message": "Boo", "request_id": "1"},
        "DataInspectionFailed",
        "Boo",
    ),
    "of Qianfan": ({"error_code": 336_003, "error_msg": "Boo", "id": "as"}, "336003", "Boo"),
    "a detail": ({"detail": "Boo"}, "an error", '{"detail": "Boo"}'),
    "wrong types": (
        {"error": {"type": [], "code": True, "message": 1}},
        "True",
        '{"error": {"type": [], "code": true, "message": 1}}',
    ),
}


@pytest.mark.parametrize(("frame", "kind", "message"), ERRORS.values(), ids=ERRORS)
def test_an_error_of_the_provider_keeps_the_text_of_an_openai_stream(frame, kind, message):
    decoder = OpenAIChatDecoder()
    decoder.feed(sse(delta(content="a")))
    with pytest.raises(ProviderStreamError) as caught:
        decoder.feed(sse(delta(content="b"), frame))
    assert caught.value.kind == kind
    assert caught.value.message == message or message is None
    assert (caught.value.text, caught.value.deltas) == ("ab", (Delta("b"),))


WORDS = {
    "a field of SSE": (b'error: {"code": 500, "message": "Boo", "type": "server_error"}\n\n', "server_error", "Boo"),
    "a field of SSE without JSON": (b"error: Boo\n\n", "an error", "Boo"),
    "a line of JSON": (b'{"error": {"message": "Boo", "type": "x"}}\n\n', "x", "Boo"),
    "lines of JSON": (b'{\n  "error": {\n    "message": "Boo"\n  }\n}\n\n', "an error", "Boo"),
    "a list of JSON": (b'[{"error": {"message": "Boo", "status": "X"}}]\n\n', "X", "Boo"),
    "a line of JSON in a frame": (b'{"error": "Boo"}\n' + DONE, "an error", "Boo"),
    "an event without data": (b"event: error\n\n", "an error", "The provider gave no message."),
    "an event with empty data": (b"event: error\ndata:\n\n", "an error", "The provider gave no message."),
    "an event with text": (b"event: error\ndata: Boo\n\n", "an error", "Boo"),
    "an event with a text in JSON": (b'event: error\ndata: "Boo"\n\n', "an error", "Boo"),
    "JSON with more after it": (b'data: {"error": {"type": "x", "message": "Boo"}}  }\n\n', "x", "Boo"),
    "a dictionary of Python": (b"data: {'error': 'Boo'}\n\n", "an error", "{'error': 'Boo'}"),
    "a text": (b"data: [ERROR] Boo\n\n", "an error", "[ERROR] Boo"),
    "half of a surrogate pair": (b'data: {"error": "Boo\\ud83d"}\n\n', "an error", "Boo?"),
}


@pytest.mark.parametrize(("body", "kind", "message"), WORDS.values(), ids=WORDS)
def test_an_error_in_any_form_keeps_its_words_and_the_text_of_an_openai_stream(body, kind, message):
    decoder = OpenAIChatDecoder()
    decoder.feed(sse(delta(content="a")))
    with pytest.raises(ProviderStreamError) as caught:
        decoder.feed(body + DONE)
    assert (caught.value.kind, caught.value.message, caught.value.text) == (kind, message, "a")


def test_an_error_without_its_blank_line_at_the_end_of_an_openai_stream_is_an_error():
    for left in (
        b"error: Boo",
        b"event: error\ndata: Boo",
        b'event: error\ndata: {"message": "Boo"}\n',
        b'{"error": "Boo"}',
    ):
        decoder = OpenAIChatDecoder()
        decoder.feed(sse(delta(content="a")) + left)
        with pytest.raises(ProviderStreamError, match="Boo"):
            decoder.close()


def test_an_openai_decoder_takes_no_more_bytes_after_an_error_of_the_provider():
    decoder = OpenAIChatDecoder()
    with pytest.raises(ProviderStreamError):
        decoder.feed(sse({"error": "Boo"}))
    with pytest.raises(ClosedError, match="failed"):
        decoder.feed(DONE)
    assert decoder.close() == []


def test_an_openai_frame_with_the_event_name_error_is_an_error():
    decoder = OpenAIChatDecoder()
    with pytest.raises(ProviderStreamError, match="stopped its stream with an error: Boo"):
        decoder.feed(b'event: error\ndata: {"message": "Boo"}\n\n')


FAULTS = {
    b"{": "it is not JSON",
    b'{"choices": []': "it is not JSON",
    b"{}{}": "it is not JSON (more data after the value, at character 2)",
    b"[]": "it is a list, not an object",
    b"5": "it is 5, not an object",
    b'{"choices": {}}': "choices is an object, not a list",
    b'{"choices": [5]}': "choices[] is 5, not an object",
    b'{"choices": [{"index": "0"}]}': "choices[].index is '0', not an integer",
    b'{"choices": [{"index": true}]}': "choices[].index is True, not an integer",
    b'{"choices": [{"delta": []}]}': "choices[0].delta is a list, not an object",
    b'{"choices": [{"delta": {"content": 5}}]}': "choices[0].delta.content is 5, not a string",
    b'{"choices": [{"delta": {"content": {}}}]}': "choices[0].delta.content is an object, not a string",
    b'{"choices": [{"delta": {"content": [5]}}]}': "choices[0].delta.content[] is 5, not an object",
    b'{"choices": [{"delta": {"content": [{"type": "text"}]}}]}': "choices[0].delta.content[].text is missing",
    b'{"choices": [{"delta": {"content": [{"type": "thinking"}]}}]}': "choices[0].delta.content[] is missing",
    b'{"choices": [{"delta": {"content": "a", "reasoning": 5}}]}': "delta.reasoning_content is 5, not a string",
    b'{"choices": [{"delta": {"tool_calls": {}}}]}': "choices[0].delta.tool_calls is an object, not a list",
    b'{"choices": [{"delta": {"tool_calls": [5]}}]}': "choices[0].delta.tool_calls[] is 5, not an object",
    b'{"choices": [{"delta": {"tool_calls": [{"index": "a"}]}}]}': "index is 'a', not an integer",
    b'{"choices": [{"delta": {"tool_calls": [{"index": 1.5}]}}]}': "index is 1.5, not an integer",
    b'{"choices": [{"delta": {"tool_calls": [{"index": -1}]}}]}': "index is -1, and an index must be 0 or more",
    b'{"choices": [{"delta": {"tool_calls": [{"function": {"arguments": []}}]}}]}': "arguments is a list, not a s",
    b'{"choices": [{"delta": {"refusal": 5}}]}': "choices[0].delta.refusal is 5, not a string",
    b'{"choices": [{"delta": {"function_call": 5}}]}': "choices[0].delta.function_call is 5, not an object",
    b'{"choices": [], "x_groq": 5}': "x_groq is 5, not an object",
    b"\xff": "it holds bytes that are not UTF-8",
    b'{"choices": [{"delta": {"content": "\xf0\x9f"}}]}': "it holds bytes that are not UTF-8",
    b'{"x": ' + b"1" * 5000 + b"}": "it is not JSON (Exceeds the limit",
    b"[" * 200_000: "it is not JSON (maximum recursion depth exceeded",
}


@pytest.mark.parametrize(("data", "fault"), FAULTS.items(), ids=[str(number) for number in range(len(FAULTS))])
def test_a_malformed_openai_frame_raises_with_its_offset_and_the_text(data, fault):
    decoder = OpenAIChatDecoder()
    before = b"\n" + sse(delta(content="a"))
    decoder.feed(before)
    with pytest.raises(MalformedFrameError) as caught:
        decoder.feed(sse(delta(content="b")) + b"data: " + data + b"\n\n" + DONE)
    error = caught.value
    assert fault in error.fault
    assert error.frame == data.decode(errors="replace")
    assert error.offset == len(before + sse(delta(content="b")))
    assert (error.text, error.deltas) == ("ab", (Delta("b"),))


def test_the_openai_decoder_reads_a_surrogate_pair_as_a_character():
    assert decode(delta(content="🍎")) == [Delta("🍎")]


def test_the_openai_decoder_reads_json_over_several_lines_as_one_frame():
    data = json.dumps(delta(content="a"), indent=2).replace("\n", "\r\ndata: ")
    assert OpenAIChatDecoder().feed(f"data: {data}\r\n\r\n".encode()) == [Delta("a")]
