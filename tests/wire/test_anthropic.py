import json

import pytest

from pytest_streamval.errors import MalformedFrameError, ProviderStreamError, StreamTruncatedError
from pytest_streamval.model import Delta, ToolCall, ToolCallDelta, Usage, merge_tool_calls
from pytest_streamval.wire import AnthropicMessagesDecoder

TEXT = {"type": "text", "text": ""}
THINKING = {"type": "thinking", "thinking": "", "signature": ""}
TOOL = {"type": "tool_use", "id": "x", "name": "f", "input": {}}
STOP = {"type": "message_stop"}


def sse(*frames):
    return b"".join(f"event: {frame['type']}\ndata: {json.dumps(frame)}\n\n".encode() for frame in frames)


def message(**usage):
    return {"type": "message_start", "message": {"id": "m", "role": "assistant", "content": [], "usage": usage or None}}


def start(block, index=0):
    return {"type": "content_block_start", "index": index, "content_block": block}


def piece(kind, index=0, **fields):
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def text(words, index=0):
    return piece("text_delta", index, text=words)


def stop(index=0):
    return {"type": "content_block_stop", "index": index}


def end(reason="end_turn", **usage):
    return {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": usage}


def decode(*frames):
    decoder = AnthropicMessagesDecoder()
    deltas = decoder.feed(sse(*frames, STOP))
    assert decoder.done
    return deltas + decoder.close()


def test_the_anthropic_decoder_decodes_a_message():
    deltas = decode(
        message(input_tokens=25, output_tokens=1), start(TEXT), {"type": "ping"}, text("Hel"), text("lo"), stop(),
        end(output_tokens=15),
    )  # fmt: skip
    first, last = Delta(usage=Usage(25, 1)), Delta(usage=Usage(25, 15), finish_reason="end_turn")
    assert deltas == [first, Delta("Hel"), Delta("lo"), last]


def test_an_anthropic_stream_of_nothing_but_its_end_is_an_error():
    with pytest.raises(ProviderStreamError, match="nothing but the event message_stop"):
        decode({"type": "ping"})


def test_the_anthropic_decoder_separates_thinking_and_its_signature_from_text():
    frames = [piece("thinking_delta", thinking="Hm."), piece("signature_delta", signature="EqQB")]
    deltas = decode(start(THINKING), *frames, stop(), start(TEXT, 1), text("Yes.", 1), stop(1), end())
    thought = [Delta(thinking="Hm."), Delta(signature="EqQB")]
    assert deltas == [*thought, Delta("Yes."), Delta(finish_reason="end_turn")]


def test_the_anthropic_decoder_numbers_tool_calls_among_themselves():
    other = {"type": "tool_use", "id": "y", "name": "g", "input": {}}
    deltas = decode(
        start(TEXT), stop(), start(TOOL, 1), piece("input_json_delta", 1, partial_json=""),
        piece("input_json_delta", 1, partial_json='{"a"'), piece("input_json_delta", 1, partial_json=":1}"), stop(1),
        start(other, 2), piece("input_json_delta", 2, partial_json="{}"), stop(2), end("tool_use"),
    )  # fmt: skip
    fragments = [fragment for delta in deltas for fragment in delta.tool_calls]
    assert fragments[0] == ToolCallDelta(0, "x", "f")
    assert len(fragments) == 5
    assert merge_tool_calls(fragments) == (ToolCall("x", "f", '{"a":1}'), ToolCall("y", "g", "{}"))


BEGUN = {**TOOL, "input": {"a": "é"}}
JSON = piece("input_json_delta", partial_json='{"a":')
INPUTS = {
    "whole": ([start(BEGUN), stop()], '{"a":"é"}'),
    "in pieces too": ([start(BEGUN), JSON, piece("input_json_delta", partial_json="1}"), stop()], '{"a":1}'),
    "with an empty piece": ([start(BEGUN), piece("input_json_delta", partial_json=""), stop()], '{"a":"é"}'),
    "empty": ([start(TOOL), stop()], ""),
    "missing": ([start({**TOOL, "input": None}), stop()], ""),
}


def test_the_anthropic_decoder_reads_the_arguments_of_the_start_if_no_pieces_follow():
    for frames, arguments in INPUTS.values():
        fragments = [fragment for delta in decode(*frames) for fragment in delta.tool_calls]
        assert merge_tool_calls(fragments) == (ToolCall("x", "f", arguments),)


def test_the_anthropic_decoder_keeps_the_text_in_the_start_of_a_block():
    deltas = decode(start({**TEXT, "text": "a"}), stop(), start({**THINKING, "thinking": "b"}, 1), stop(1))
    assert deltas == [Delta("a"), Delta(thinking="b")]


IGNORED = {
    "a ping": [{"type": "ping"}],
    "an event of another type": [{"type": "content_block_sparkle", "index": {}}],
    "a block of another type": [
        start({"type": "server_tool_use", "id": "x", "name": "web_search", "input": {}}),
        piece("input_json_delta", partial_json="{}"),
        piece("text_delta", text="a"),
        stop(),
    ],
    "redacted thinking without data": [start({"type": "redacted_thinking"}), stop()],
    "a delta of another type": [start(TEXT), piece("citations_delta", citation={}), stop()],
    "an empty text": [start(TEXT), text(""), stop()],
    "an empty thought": [start(THINKING), piece("thinking_delta", thinking=""), stop()],
    "a block without its words": [start({"type": "text"}), stop()],
    "a message without usage": [],
    "an empty usage": [{"type": "message_delta", "delta": {}, "usage": {}}],
    "nothing new about the message": [{"type": "message_delta", "delta": {"stop_reason": None}}],
}


def test_the_anthropic_decoder_skips_frames_without_content_and_unknown_types():
    assert {name: decode(message(), *frames) for name, frames in IGNORED.items()} == {name: [] for name in IGNORED}


def test_anthropic_blocks_can_overlap():
    frames = [start(TEXT), start(THINKING, 1), text("a"), piece("thinking_delta", 1, thinking="b"), stop(), stop(1)]
    assert decode(*frames) == [Delta("a"), Delta(thinking="b")]


USAGES = {
    "output alone": ([end(output_tokens=2)], Usage(None, 2)),
    "input from the start": ([message(input_tokens=3), end(output_tokens=2)], Usage(3, 2)),
    "the last counts": ([message(input_tokens=3), end(output_tokens=2), end(output_tokens=5)], Usage(3, 5)),
    "a null is not a count": ([message(input_tokens=3), end(output_tokens=2, input_tokens=None)], Usage(3, 2)),
    "input tokens that are corrected": ([message(input_tokens=3), end(input_tokens=4, output_tokens=2)], Usage(4, 2)),
    "tokens of the cache are input tokens": (
        [message(input_tokens=1, cache_read_input_tokens=50, cache_creation_input_tokens=7), end(output_tokens=2)],
        Usage(58, 2, cached_tokens=50),
    ),
    "input tokens never reported": ([message(output_tokens=1)], Usage(None, 1)),
}


def test_the_anthropic_decoder_returns_complete_cumulative_usage():
    assert {name: decode(*frames)[-1].usage for name, (frames, _) in USAGES.items()} == {
        name: expected for name, (_, expected) in USAGES.items()
    }


def test_the_anthropic_decoder_does_not_need_event_names():
    unnamed = sse(start(TEXT), text("a"), stop(), STOP).replace(b"event: ", b": ")
    assert AnthropicMessagesDecoder().feed(unnamed) == [Delta("a")]


def test_the_anthropic_decoder_reads_the_type_from_the_data_or_else_from_the_event_name():
    decoder = AnthropicMessagesDecoder()
    decoder.feed(sse(start(TEXT)))
    assert decoder.feed(b"event: ping\ndata: " + json.dumps(text("a")).encode() + b"\n\n") == [Delta("a")]
    assert decoder.feed(b"event: ping\ndata: {}\n\n") == []


ERRORS = {
    "an overload": (
        sse({"type": "error", "error": {"type": "overloaded_error", "message": "Boo"}}),
        "overloaded_error",
    ),
    "an error by name only": (
        b'event: error\ndata: {"type": "overloaded_error", "message": "Boo"}\n\n',
        "overloaded_error",
    ),
    "an error without a type": (b'data: {"error": {"code": 529, "message": "Boo"}}\n\n', "529"),
    "an error without more": (b'event: error\ndata: {"message": "Boo"}\n\n', "an error"),
}


@pytest.mark.parametrize(("body", "kind"), ERRORS.values(), ids=ERRORS)
def test_an_error_of_the_provider_keeps_the_text_of_an_anthropic_stream(body, kind):
    decoder = AnthropicMessagesDecoder()
    decoder.feed(sse(message(input_tokens=3), start(TEXT), text("a")))
    with pytest.raises(ProviderStreamError) as caught:
        decoder.feed(sse(text("b")) + body)
    assert (caught.value.kind, caught.value.message) == (kind, "Boo")
    assert (caught.value.text, caught.value.deltas) == ("ab", (Delta("b"),))


FAULTS = {
    "no type": ([], b"data: {}", "type is missing"),
    "a type of a wrong type": ([], b'data: {"type": 5}', "type is 5, not a string"),
    "invalid JSON": ([], b"data: {", "it is not JSON"),
    "not an object": ([], b'data: "ping"', "it is 'ping', not an object"),
    "invalid UTF-8": ([], b"event: \xff\ndata: {}", "it holds bytes that are not UTF-8"),
    "a delta first": ([], text("a"), "content block 0 is not open"),
    "a delta of another block": ([start(TEXT)], text("a", 1), "content block 1 is not open"),
    "arguments in a text": (
        [start(TEXT)],
        piece("input_json_delta", partial_json="a"),
        "it is a input_json_delta in a block of type text",
    ),
    "a block that was never open": ([], stop(), "content block 0 is not open"),
    "two messages": (
        [message()],
        {"type": "message_start", "message": {"id": "n"}},
        "it starts a message that has already started",
    ),
    "a message of a wrong type": ([], {"type": "message_start"}, "message is missing"),
    "a block without an index": ([], {**start(TEXT), "index": None}, "index is missing"),
    "a block without a type": ([], start({}), "content_block.type is missing"),
    "a block of a wrong type": ([], start([]), "content_block is a list, not an object"),
    "a block with words of a wrong type": (
        [],
        start({"type": "text", "text": 5}),
        "content_block.text is 5, not a string",
    ),
    "a call without an id": ([], start({"type": "tool_use", "name": "f"}), "content_block.id is missing"),
    "a call whose arguments are none": ([], start({**TOOL, "input": "x"}), "content_block.input is 'x', not an obj"),
    "arguments that JSON does not have": (
        [],
        start({**TOOL, "input": {"a": float("nan")}}),
        "content_block.input is not JSON",
    ),
    "a call without a name": ([], start({"type": "tool_use", "id": "x"}), "content_block.name is missing"),
    "a delta without an index": ([start(TEXT)], {**text("a"), "index": "0"}, "index is '0', not an integer"),
    "a delta of a wrong type": ([start(TEXT)], {**text("a"), "delta": 5}, "delta is 5, not an object"),
    "a delta without a type": ([start(TEXT)], piece(None), "delta.type is missing"),
    "a delta without its text": ([start(TEXT)], piece("text_delta"), "delta.text is missing"),
    "no delta of the message": ([], {"type": "message_delta"}, "delta is missing"),
}


@pytest.mark.parametrize(("frames", "frame", "fault"), FAULTS.values(), ids=FAULTS)
def test_a_malformed_anthropic_frame_raises_with_its_offset_and_fault(frames, frame, fault):
    decoder = AnthropicMessagesDecoder()
    before = sse(*frames)
    decoder.feed(before)
    body = frame + b"\n\n" if isinstance(frame, bytes) else sse(frame)
    with pytest.raises(MalformedFrameError) as caught:
        decoder.feed(body)
    assert fault in caught.value.fault
    assert caught.value.offset == len(before)
    assert f"data: {caught.value.frame}\n\n".encode() in body


@pytest.mark.parametrize(("frames", "strict"), [([], False), ([end()], True)], ids=["no reason", "strict"])
def test_an_anthropic_stream_without_its_stop_is_truncated(frames, strict):
    decoder = AnthropicMessagesDecoder(strict=strict)
    decoder.feed(sse(message(), start(TEXT), text("a"), stop(), *frames))
    with pytest.raises(
        StreamTruncatedError, match="The anthropic stream ended without the event message_stop: the"
    ) as caught:
        decoder.close()
    assert (caught.value.text, caught.value.deltas, caught.value.left) == ("a", (), b"")
