import json

import pytest

from pytest_streamval.errors import MalformedFrameError, ProviderStreamError, StreamTruncatedError
from pytest_streamval.model import Delta, ToolCall, ToolCallDelta, Usage, merge_tool_calls
from pytest_streamval.wire import OpenAIResponsesDecoder


def sse(*frames):
    return b"".join(f"event: {frame['type']}\ndata: {json.dumps(frame)}\n\n".encode() for frame in frames)


def event(kind, /, **fields):
    return {"type": f"response.{kind}", **fields}


def call(moment="added", index=0, /, **fields):
    item = {"type": "function_call", "call_id": "x", "name": "f", "arguments": "", **fields}
    return event(f"output_item.{moment}", output_index=index, item=item)


def said(words, part=0, /, kind="output_text"):
    return event(f"{kind}.delta", output_index=0, content_index=part, delta=words)


def whole(words, part=0, /, kind="output_text"):
    return event(f"{kind}.done", output_index=0, content_index=part, text=words)


def arguments(index, **fields):
    moment = "delta" if "delta" in fields else "done"
    return event(f"function_call_arguments.{moment}", output_index=index, **fields)


def item(fields, moment="done", index=0):
    return event(f"output_item.{moment}", output_index=index, item=fields)


COMPLETED = event("completed", response={"status": "completed"})
END = Delta(finish_reason="completed")
BEGUN = Delta(tool_calls=(ToolCallDelta(0, "x", "f"),))


def decode(*frames):
    decoder = OpenAIResponsesDecoder()
    deltas = decoder.feed(sse(*frames))
    assert decoder.done
    return deltas + decoder.close()


READ = {
    "text": ([said("a"), said("b"), whole("ab")], [Delta("a"), Delta("b")]),
    "text that came whole": ([whole("ab")], [Delta("ab")]),
    "text that is not repeated": ([said("a"), whole("")], [Delta("a")]),
    "text in several parts": ([said("a"), whole("a"), said("b", 1), whole("b", 1)], [Delta("a"), Delta("b")]),
    "text without its place": ([event("output_text.delta", delta="a")], [Delta("a")]),
    "thinking": ([said("a", kind="reasoning_text"), whole("a", kind="reasoning_text")], [Delta(thinking="a")]),
    "a summary of thinking": (
        [
            event("reasoning_summary_text.delta", output_index=0, summary_index=0, delta="a"),
            event("reasoning_summary_text.delta", output_index=0, summary_index=1, delta="b"),
            event("reasoning_summary_text.done", output_index=0, summary_index=0, text="a"),
        ],
        [Delta(thinking="a"), Delta(thinking="b")],
    ),
    "a refusal": (
        [said("No", kind="refusal"), said(".", kind="refusal"), event("refusal.done", output_index=0, refusal="No.")],
        [Delta(refusal="No"), Delta(refusal=".")],
    ),
    "a refusal that came whole": (
        [item({"type": "message", "content": [{"type": "refusal", "refusal": "No."}]})],
        [Delta(refusal="No.")],
    ),
    "encrypted thinking": (
        [
            item({"type": "reasoning", "id": "r", "summary": [], "encrypted_content": "Eq"}),
            item({"type": "reasoning", "id": "r", "summary": [], "encrypted_content": "Eq"}),
        ],
        [Delta(signature="Eq")],
    ),
    "a part that came whole": (
        [event("content_part.done", output_index=0, content_index=0, part={"type": "output_text", "text": "a"})],
        [Delta("a")],
    ),
    "a part that repeats its pieces": (
        [said("a"), event("content_part.done", output_index=5, part={"type": "output_text", "text": "a"})],
        [Delta("a")],
    ),
    "an item that came whole": (
        [item({"type": "message", "content": [{"type": "output_text", "text": "a"}]})],
        [Delta("a")],
    ),
    "a custom call": (
        [
            call(type="custom_tool_call", arguments=None, input=""),
            event("custom_tool_call_input.delta", output_index=0, delta="a b"),
            event("custom_tool_call_input.done", output_index=0, input="a b"),
            call("done", type="custom_tool_call", input="a b"),
        ],
        [
            Delta(tool_calls=(ToolCallDelta(0, "x", "f", "", "custom"),)),
            Delta(tool_calls=(ToolCallDelta(0, None, None, "a b", "custom"),)),
        ],
    ),
    "a shell call": (
        [
            item({"type": "shell_call", "call_id": "x", "status": "in_progress"}, "added"),
            item({"type": "shell_call", "call_id": "x", "status": "completed", "action": {"commands": ["ls"]}}),
        ],
        [
            Delta(tool_calls=(ToolCallDelta(0, "x", "shell", "", "shell"),)),
            Delta(tool_calls=(ToolCallDelta(0, None, None, '{"commands":["ls"]}', "shell"),)),
        ],
    ),
    "a call of a kind of tomorrow": (
        [item({"type": "sparkle_call", "call_id": "x", "shine": 1, "colour": "red"})],
        [
            Delta(
                tool_calls=(
                    ToolCallDelta(0, "x", "sparkle", "", "sparkle"),
                    ToolCallDelta(0, None, None, '{"shine":1,"colour":"red"}', "sparkle"),
                )
            )
        ],
    ),
    "a call": (
        [call(), arguments(0, delta="{"), arguments(0, delta="}"), arguments(0, arguments="{}"), call("done")],
        [
            BEGUN,
            Delta(tool_calls=(ToolCallDelta(0, arguments="{"),)),
            Delta(tool_calls=(ToolCallDelta(0, arguments="}"),)),
        ],
    ),
    "a call whose arguments came whole": (
        [call(), arguments(0, arguments="{}"), call("done", arguments="{}")],
        [BEGUN, Delta(tool_calls=(ToolCallDelta(0, arguments="{}"),))],
    ),
    "a call that has its arguments at once": (
        [call(arguments="{}"), call("done", arguments="{}")],
        [Delta(tool_calls=(ToolCallDelta(0, "x", "f", "{}"),))],
    ),
    "a call that has its arguments at its end": (
        [call(), call("done", arguments="{}")],
        [BEGUN, Delta(tool_calls=(ToolCallDelta(0, arguments="{}"),))],
    ),
    "a call that came whole": (
        [call("done", arguments="{}")],
        [Delta(tool_calls=(ToolCallDelta(0, "x", "f", "{}"),))],
    ),
    "calls at once": (
        [call("added", 3), call("added", 1, call_id="y"), arguments(3, delta="{}"), arguments(1, delta="[]")],
        [
            BEGUN,
            Delta(tool_calls=(ToolCallDelta(1, "y", "f"),)),
            Delta(tool_calls=(ToolCallDelta(0, arguments="{}"),)),
            Delta(tool_calls=(ToolCallDelta(1, arguments="[]"),)),
        ],
    ),
}
# As llama.cpp sends them: no index, and calls without an id of their own.
UNINDEXED = [
    event("output_item.added", item={"type": "message", "id": "m", "content": []}),
    event("output_text.delta", item_id="m", delta="a"),
    event("output_text.delta", item_id="n", delta="b"),
    event("output_text.done", item_id="m", text="a"),
    event("output_item.added", item={"type": "function_call", "call_id": "x", "name": "f", "arguments": ""}),
    event("function_call_arguments.delta", item_id="x", delta="{"),
    event("output_item.added", item={"type": "function_call", "id": "i", "call_id": "y", "name": "g"}),
    event("function_call_arguments.delta", item_id="i", delta="[]"),
    event("function_call_arguments.delta", item_id="x", delta="}"),
    event("function_call_arguments.done", item_id="x", arguments="{}"),
    event("output_item.done", item={"type": "function_call", "call_id": "x", "name": "f", "arguments": "{}"}),
    event("output_item.done", item={"type": "function_call", "id": "i", "call_id": "y", "arguments": "[]"}),
]


def test_the_responses_decoder_separates_items_without_an_index_by_id():
    found = decode(*UNINDEXED, COMPLETED)
    assert "".join(delta.text for delta in found) == "ab"
    calls = merge_tool_calls([call for delta in found for call in delta.tool_calls])
    assert calls == (ToolCall("x", "f", "{}"), ToolCall("y", "g", "[]"))


def test_the_responses_decoder_adds_arguments_without_an_item_to_the_last_call():
    found = decode(call(), event("function_call_arguments.delta", delta="{}"), COMPLETED)
    assert found[1] == Delta(tool_calls=(ToolCallDelta(0, arguments="{}"),))


NOTHING = {
    "the beginning": event("created", response={"status": "in_progress", "output": [], "usage": None}),
    "an empty piece": said(""),
    "an item of a wrong type": event("output_item.added", item=None),
    "another item": event("output_item.added", item={"type": "web_search_call", "id": "ws"}),
    "the end of another item": event("output_item.done", item={"type": "message", "content": []}),
    "a part": event("content_part.added", part={"type": "output_text", "text": ""}),
    "a part of another kind": event("content_part.done", part={"type": "sparkle", "text": "a"}),
    "an empty part": event("content_part.done", part={"type": "output_text", "text": ""}),
    "a call that the server runs": event(
        "output_item.done", item={"type": "tool_search_call", "call_id": "x", "execution": "server"}
    ),
    "an annotation of the text": event("output_text.annotation.added", annotation={}),
    "another moment of the text": event("output_text.paused", delta="a"),
    "a type of tomorrow": {"type": "keepalive"},
}


def test_the_responses_decoder_makes_deltas_of_events():
    assert {name: decode(*frames, COMPLETED) for name, (frames, _) in READ.items()} == {
        name: [*expected, END] for name, (_, expected) in READ.items()
    }


def test_the_responses_decoder_makes_no_delta_of_an_event_without_content():
    assert {name: decode(frame, COMPLETED) for name, frame in NOTHING.items()} == {name: [END] for name in NOTHING}


def test_the_responses_decoder_reads_the_type_from_the_event_name():
    decoder = OpenAIResponsesDecoder()
    assert decoder.feed(b'event: response.output_text.delta\ndata: {"delta": "a"}\n\n') == [Delta("a")]


LAST = {
    "completed": (COMPLETED, END),
    "without a status": (event("completed", response={}), END),
    "counted": (
        event("completed", response={"status": "completed", "usage": {"input_tokens": 3, "output_tokens": 2}}),
        Delta(usage=Usage(3, 2), finish_reason="completed"),
    ),
    "cut off": (
        event("incomplete", response={"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}),
        Delta(finish_reason="max_output_tokens"),
    ),
    "cut off without a reason": (event("incomplete", response={}), Delta(finish_reason="incomplete")),
}


def test_the_responses_decoder_reads_reason_and_counts_of_the_last_event():
    assert {name: decode(frame) for name, (frame, _) in LAST.items()} == {
        name: [expected] for name, (_, expected) in LAST.items()
    }


def test_the_responses_decoder_ignores_the_end_of_chat_completions():
    decoder = OpenAIResponsesDecoder()
    assert decoder.feed(b"data: [DONE]\n\n" + sse(said("a"), COMPLETED) + b"data: [DONE]\n\n") == [Delta("a"), END]
    assert decoder.close() == []
    decoder = OpenAIResponsesDecoder()
    decoder.feed(sse(said("a")) + b"data: [DONE]\n\n")
    with pytest.raises(StreamTruncatedError, match=r"ended without the event response\.completed"):
        decoder.close()


def test_a_strict_responses_decoder_accepts_nothing_after_the_end():
    decoder = OpenAIResponsesDecoder(strict=True)
    decoder.feed(sse(COMPLETED))
    with pytest.raises(MalformedFrameError, match=r"it follows the event response\.completed, which ends the stream"):
        decoder.feed(sse(said("a")))


REPORT = {"code": "server_error", "message": "Boo", "param": None}
REPORTS = {
    "as documented": {"type": "error", "sequence_number": 1, **REPORT},
    "as it is sent": {"type": "error", "error": {"type": "server_error", **REPORT}},
    "in a response": event("failed", response={"status": "failed", "error": REPORT}),
    "bare": {"type": "response.failed", **REPORT},
}


@pytest.mark.parametrize("frame", REPORTS.values(), ids=REPORTS)
def test_an_error_of_the_provider_keeps_the_text_of_a_responses_stream(frame):
    decoder = OpenAIResponsesDecoder()
    decoder.feed(sse(said("a")))
    with pytest.raises(ProviderStreamError) as caught:
        decoder.feed(sse(said("b"), frame))
    assert (caught.value.kind, caught.value.message) == ("server_error", "Boo")
    assert (caught.value.text, caught.value.deltas) == ("ab", (Delta("b"),))


def test_a_responses_frame_with_an_error_and_no_type_is_an_error():
    with pytest.raises(ProviderStreamError, match="Boo"):
        OpenAIResponsesDecoder().feed(b'data: {"error": {"message": "Boo"}}\n\n')


FAULTS = {
    "invalid JSON": (b"data: {\n\n", "it is not JSON"),
    "no type": (b"data: {}\n\n", "type is missing"),
    "a type of a wrong type": (b'data: {"type": 5}\n\n', "type is 5, not a string"),
    "a piece of a wrong type": (sse(said(5)), "delta is 5, not a string"),
    "a piece with a wrong index": (sse(said("b", "0")), "content_index is '0', not an integer"),
    "a whole of a wrong type": (sse(whole(5)), "text is 5, not a string"),
    "pieces changed": (sse(whole("b and a")), "text is 'b and a', but the sum of its pieces is 'a'"),
    "pieces doubled": (sse(said("a"), whole("a")), "text is 'a', but the sum of its pieces is 'aa'"),
    "arguments of no call": (sse(arguments(7, delta="{}")), "output item 7 is not a function call that has started"),
    "arguments without an item": (
        sse(event("function_call_arguments.delta", delta="{}")),
        "output item None is not a function",
    ),
    "arguments of an unknown item": (
        sse(event("function_call_arguments.done", item_id="z", arguments="{}")),
        "output item 'z' is not a function call that has started",
    ),
    "arguments changed": (
        sse(call(), arguments(0, delta="{"), call("done", arguments="[]")),
        "item.arguments is '[]', but the sum of its pieces is '{'",
    ),
    "a call without a name": (sse(call(name=None)), "item.name is missing"),
    "a call without an id": (sse(call(call_id=None)), "item.call_id is missing"),
    "an item of a wrong type": (sse(event("output_item.added", item=5)), "item is 5, not an object"),
    "an end without a response": (sse(event("completed")), "response is missing"),
    "a part of an item of a wrong type": (sse(item({"type": "message", "content": [5]})), "item.content[] is 5, not"),
    "a status of a wrong type": (sse(event("completed", response={"status": 5})), "response.status is 5, not a string"),
}


@pytest.mark.parametrize(("data", "fault"), FAULTS.values(), ids=FAULTS)
def test_a_malformed_responses_event_raises_with_the_text(data, fault):
    decoder = OpenAIResponsesDecoder()
    decoder.feed(sse(said("a")))
    with pytest.raises(MalformedFrameError) as caught:
        decoder.feed(data)
    assert fault in caught.value.fault
    assert caught.value.text.startswith("a")
