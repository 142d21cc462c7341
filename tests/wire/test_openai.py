import json

import pytest

from pytest_streamval.errors import DecoderClosedError, MalformedFrameError, ProviderStreamError, StreamTruncatedError
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
    "a refusal": delta(refusal="No."),
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


def test_the_openai_decoder_separates_calls_without_index_and_id_by_name():
    fragments = [each.tool_calls[0] for each in decode(call(None, "", "f", "1"), call(None, None, "g", "2"))]
    assert merge_tool_calls(fragments) == (ToolCall(None, "f", "1"), ToolCall(None, "g", "2"))


def test_the_openai_decoder_accepts_comments_and_other_event_names():
    decoder = OpenAIChatDecoder()
    assert decoder.feed(b": OPENROUTER PROCESSING\n\nevent: ping\ndata: {}\n\n" + sse(delta(content="a"))) == [
        Delta("a")
    ]


def test_the_openai_decoder_accepts_only_comments_and_line_ends_after_the_end():
    decoder = OpenAIChatDecoder()
    decoder.feed(DONE + b"\n\n: bye\n\n\r\n")
    assert decoder.close() == []
    decoder = OpenAIChatDecoder()
    with pytest.raises(MalformedFrameError, match=r"it follows the frame \[DONE\], which ends the stream") as caught:
        decoder.feed(sse(delta(content="a")) + DONE + DONE)
    assert (caught.value.text, caught.value.deltas) == ("a", (Delta("a"),))


def test_the_openai_decoder_accepts_whitespace_around_the_end():
    decoder = OpenAIChatDecoder()
    decoder.feed(b"data:[DONE] \n\n")
    assert decoder.done


def test_a_finish_reason_does_not_end_an_openai_stream():
    decoder = OpenAIChatDecoder()
    decoder.feed(sse(delta(content="a"), delta("stop")) + b"data: [DONE]\n")
    with pytest.raises(
        StreamTruncatedError, match=r"ended without the frame \[DONE\], inside the frame b'data: \[DONE\]"
    ) as caught:
        decoder.close()
    assert caught.value.text == "a"


ERRORS = {
    "a server's": ({"error": {"type": "server_error", "message": "Boo"}}, "server_error", "Boo"),
    "a code": ({"error": {"code": 502, "message": "Boo"}}, "502", "Boo"),
    "a code of llama.cpp": ({"error": {"code": 500, "type": "server_error", "message": "Boo"}}, "server_error", "Boo"),
    "a string": ({"error": "Boo"}, "an error", "Boo"),
    "beside a choice": ({**delta("error", content=""), "error": {"code": "x", "message": "Boo"}}, "x", "Boo"),
    "no message": ({"error": {"code": "x"}}, "x", '{"error": {"code": "x"}}'),
    "not an object": ({"error": [1]}, "an error", '{"error": [1]}'),
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
    assert (caught.value.kind, caught.value.message) == (kind, message)
    assert (caught.value.text, caught.value.deltas) == ("ab", (Delta("b"),))


def test_an_openai_decoder_takes_no_more_bytes_after_an_error_of_the_provider():
    decoder = OpenAIChatDecoder()
    with pytest.raises(ProviderStreamError):
        decoder.feed(sse({"error": "Boo"}))
    with pytest.raises(DecoderClosedError, match="failed"):
        decoder.feed(DONE)
    assert decoder.close() == []


def test_an_openai_frame_with_the_event_name_error_is_an_error():
    decoder = OpenAIChatDecoder()
    with pytest.raises(ProviderStreamError, match="stopped its stream with an error: Boo"):
        decoder.feed(b'event: error\ndata: {"message": "Boo"}\n\n')


FAULTS = {
    b"": "it is not JSON",
    b"{": "it is not JSON",
    b'{"choices": []': "it is not JSON",
    b"{}{}": "it is not JSON (more data after the value, at character 2)",
    b"[DONE]]": "it is not JSON",
    b"[]": "it is a list, not an object",
    b"5": "it is 5, not an object",
    b"null": "it is None, not an object",
    b"{}": "choices is missing",
    b'{"choices": {}}': "choices is an object, not a list",
    b'{"choices": [5]}': "choices[] is 5, not an object",
    b'{"choices": [{"index": "0"}]}': "choices[].index is '0', not an integer",
    b'{"choices": [{"index": true}]}': "choices[].index is True, not an integer",
    b'{"choices": [{"index": 0}, {"index": 0}]}': "choices has two items with index 0",
    b'{"choices": [{"delta": []}]}': "choices[0].delta is a list, not an object",
    b'{"choices": [{"finish_reason": 5}]}': "choices[0].finish_reason is 5, not a string",
    b'{"choices": [{"delta": {"content": 5}}]}': "choices[0].delta.content is 5, not a string",
    b'{"choices": [{"delta": {"content": {}}}]}': "choices[0].delta.content is an object, not a string",
    b'{"choices": [{"delta": {"content": [5]}}]}': "choices[0].delta.content[] is 5, not an object",
    b'{"choices": [{"delta": {"content": [{"type": "text"}]}}]}': "choices[0].delta.content[].text is missing",
    b'{"choices": [{"delta": {"content": [{"type": "thinking"}]}}]}': "choices[0].delta.content[] is missing",
    b'{"choices": [{"delta": {"content": "a", "reasoning": 5}}]}': "delta.reasoning_content is 5, not a string",
    b'{"choices": [{"delta": {"tool_calls": {}}}]}': "choices[0].delta.tool_calls is an object, not a list",
    b'{"choices": [{"delta": {"tool_calls": [5]}}]}': "choices[0].delta.tool_calls[] is 5, not an object",
    b'{"choices": [{"delta": {"tool_calls": [{"index": -1}]}}]}': "index is -1, and an index must be 0 or more",
    b'{"choices": [{"delta": {"tool_calls": [{"function": {"arguments": {}}}]}}]}': "arguments is an object, not a s",
    b'{"choices": [], "usage": 5}': "usage is 5, not an object",
    b'{"choices": [], "usage": {"prompt_tokens": 1.5}}': "usage.prompt_tokens is 1.5, not an integer",
    b'{"choices": [], "usage": {"prompt_tokens": -1}}': "usage.prompt_tokens is -1, and a count must be 0 or more",
    b"\xff": "it holds bytes that are not UTF-8",
    b'{"choices": [{"delta": {"content": "\xf0\x9f"}}]}': "it holds bytes that are not UTF-8",
    b'{"choices": [{"delta": {"content": "\\ud83d"}}]}': "it holds half of a surrogate pair",
    b'{"choices": [{"delta": {"content": "\\uDE00"}}]}': "it holds half of a surrogate pair",
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
