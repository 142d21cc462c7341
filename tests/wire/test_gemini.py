import json

import pytest

from pytest_streamval import read_stream
from pytest_streamval.errors import MalformedFrameError, ProviderStreamError, StreamTruncatedError
from pytest_streamval.model import Delta, ToolCallDelta, Usage
from pytest_streamval.wire import GeminiDecoder


def sse(*frames):
    return b"".join(b"data: " + json.dumps(frame).encode() + b"\r\n\r\n" for frame in frames)


def parts(*found, **fields):
    return {"candidates": [{"content": {"parts": list(found), "role": "model"}, "index": 0, **fields}]}


def call(name="f", **fields):
    return {"functionCall": {"name": name, **fields}}


STOP = {"candidates": [{"finishReason": "STOP"}]}
END = Delta(finish_reason="STOP")


def decode(*frames):
    decoder = GeminiDecoder()
    deltas = decoder.feed(sse(*frames))
    return deltas + decoder.close()


def counts(**fields):
    return {"usageMetadata": fields}


READ = {
    "text": (parts({"text": "a"}), Delta("a")),
    "several parts": (parts({"text": "a"}, {"text": "b"}), Delta("ab")),
    "thinking": (parts({"text": "a", "thought": True}), Delta(thinking="a")),
    "thinking and text": (parts({"text": "a", "thought": True}, {"text": "b", "thought": False}), Delta("b", "a")),
    "a signed text": (parts({"text": "a", "thoughtSignature": "Eq"}), Delta("a", signature="Eq")),
    "a signed call": (
        parts({**call(), "thoughtSignature": "Eq"}),
        Delta(tool_calls=(ToolCallDelta(0, None, "f", "{}"),), signature="Eq"),
    ),
    "a prompt that is refused with words": (
        {"promptFeedback": {"blockReason": "SAFETY", "blockReasonMessage": "No."}},
        Delta(finish_reason="SAFETY", refusal="No."),
    ),
    "an output that is refused with words": (
        parts({"text": "a"}, finishReason="SAFETY", finishMessage="No."),
        Delta("a", finish_reason="SAFETY", refusal="No."),
    ),
    "a message about another end": (
        parts(finishReason="MALFORMED_FUNCTION_CALL", finishMessage="Malformed."),
        Delta(finish_reason="MALFORMED_FUNCTION_CALL"),
    ),
    "text among other parts": (parts({"executableCode": {}}, {"text": "a"}, {"inlineData": {}}), Delta("a")),
    "a call": (
        parts(call(id="x", args={"a": "é", "b": [1.5, None]})),
        Delta(tool_calls=(ToolCallDelta(0, "x", "f", '{"a":"é","b":[1.5,null]}'),)),
    ),
    "a call without more": (parts(call()), Delta(tool_calls=(ToolCallDelta(0, None, "f", "{}"),))),
    "two calls": (
        parts(call(), call("g")),
        Delta(tool_calls=(ToolCallDelta(0, None, "f", "{}"), ToolCallDelta(1, None, "g", "{}"))),
    ),
    "the finish with text": (parts({"text": "a"}, finishReason="MAX_TOKENS"), Delta("a", finish_reason="MAX_TOKENS")),
    "a prompt that is refused": ({"promptFeedback": {"blockReason": "SAFETY"}}, Delta(finish_reason="SAFETY")),
    "counts": (counts(promptTokenCount=3, candidatesTokenCount=2, totalTokenCount=5), Delta(usage=Usage(3, 2))),
    "thoughts belong to the output": (
        counts(candidatesTokenCount=2, thoughtsTokenCount=5),
        Delta(usage=Usage(None, 7, reasoning_tokens=5)),
    ),
    "results of tools belong to the prompt": (
        counts(promptTokenCount=3, toolUsePromptTokenCount=4),
        Delta(usage=Usage(7)),
    ),
    "counts beside text": ({**parts({"text": "a"}), **counts(promptTokenCount=3)}, Delta("a", usage=Usage(3))),
    "a candidate without an index": ({"candidates": [{"content": {"parts": [{"text": "a"}]}}]}, Delta("a")),
    "the candidate of index 0": (
        {"candidates": [{"index": 1, "content": {"parts": [{"text": "b"}]}}, {"content": {"parts": [{"text": "a"}]}}]},
        Delta("a"),
    ),
    "no error": ({**parts({"text": "a"}), "error": None}, Delta("a")),
}
NOTHING = {
    "nothing": {},
    "a name": {"modelVersion": "m", "responseId": "x"},
    "no candidates": {"candidates": []},
    "another candidate": {"candidates": [{"index": 1, "content": {"parts": [{"text": "b"}]}, "finishReason": "STOP"}]},
    "a candidate without content": {"candidates": [{"index": 0}]},
    "content without parts": {"candidates": [{"content": {"role": "model"}}]},
    "an empty text": parts({"text": ""}),
    "an empty thought": parts({"text": "", "thought": True}),
    "a part of another kind": parts({"codeExecutionResult": {"outcome": "OUTCOME_OK"}}),
    "no reason": {"candidates": [{"finishReason": "FINISH_REASON_UNSPECIFIED"}]},
    "a prompt that is not refused": {"promptFeedback": {"safetyRatings": []}},
    "empty counts": counts(),
    "other counts": counts(totalTokenCount=5, cachedContentTokenCount=2),
}


def test_the_gemini_decoder_makes_one_delta_of_a_frame():
    assert {name: decode(frame, STOP) for name, (frame, _) in READ.items()} == {
        name: [expected, END] for name, (_, expected) in READ.items()
    }


def test_the_gemini_decoder_makes_no_delta_of_a_frame_without_content():
    assert {name: decode(frame, STOP) for name, frame in NOTHING.items()} == {name: [END] for name in NOTHING}


def test_the_gemini_decoder_numbers_the_calls_of_all_frames():
    calls = [each.tool_calls for each in decode(parts(call()), parts({"text": "a"}), parts(call("g"), call("h")), STOP)]
    assert [[fragment.index for fragment in fragments] for fragments in calls] == [[0], [], [1, 2], []]


def test_the_gemini_decoder_keeps_counts_that_a_later_report_leaves_out():
    first, second = counts(promptTokenCount=3, thoughtsTokenCount=1), counts(candidatesTokenCount=2)
    assert [each.usage for each in decode(first, second, STOP)] == [
        Usage(3, 1, reasoning_tokens=1),
        Usage(3, 3, reasoning_tokens=1),
        None,
    ]


def test_the_gemini_decoder_reads_frames_after_a_finish_reason_and_the_last_reason():
    frames = [
        parts({"text": "a"}, finishReason="STOP"),
        parts({"text": "b"}, finishReason="OTHER"),
        counts(promptTokenCount=1),
    ]
    assert decode(*frames) == [
        Delta("a", finish_reason="STOP"),
        Delta("b", finish_reason="OTHER"),
        Delta(usage=Usage(1)),
    ]


def test_a_gemini_stream_with_a_finish_reason_ends_with_its_body():
    decoder = GeminiDecoder()
    decoder.feed(sse(parts({"text": "a"})))
    assert not decoder.done
    decoder.feed(sse(STOP))
    assert decoder.done
    assert decoder.close() == []


def test_a_gemini_stream_without_a_finish_reason_is_truncated():
    decoder = GeminiDecoder()
    decoder.feed(sse(parts({"text": "a"}), counts(promptTokenCount=3)) + b"data: {")
    with pytest.raises(
        StreamTruncatedError, match="The gemini stream ended without a finishReason, inside the"
    ) as caught:
        decoder.close()
    assert (caught.value.text, caught.value.left) == ("a", b"data: {")


def test_a_strict_gemini_decoder_ignores_a_finish_reason_in_an_incomplete_frame():
    decoder = GeminiDecoder(strict=True)
    decoder.feed(sse(STOP)[:-2])
    with pytest.raises(StreamTruncatedError):
        decoder.close()


ERROR = {"code": 503, "message": "Too busy.", "status": "UNAVAILABLE"}
ERRORS = {
    "as Google reports it": (sse({"error": ERROR}), "UNAVAILABLE", "Too busy."),
    "without a status": (sse({"error": {"code": 503, "message": "Too busy."}}), "503", "Too busy."),
    "by the name of the frame": (
        b'event: error\ndata: {"message": "Too busy."}\n\n',
        "an error",
        "Too busy.",
    ),
}


@pytest.mark.parametrize(("body", "kind", "message"), ERRORS.values(), ids=ERRORS)
def test_an_error_of_the_provider_keeps_the_text_of_a_gemini_stream(body, kind, message):
    decoder = GeminiDecoder()
    decoder.feed(sse(parts({"text": "a"})))
    with pytest.raises(ProviderStreamError) as caught:
        decoder.feed(sse(parts({"text": "b"})) + body)
    assert (caught.value.kind, caught.value.message) == (kind, message)
    assert (caught.value.text, caught.value.deltas) == ("ab", (Delta("b"),))


def test_the_gemini_decoder_reports_an_error_in_plain_json_between_frames():
    decoder = GeminiDecoder()
    decoder.feed(sse(parts({"text": "a"})) + json.dumps({"error": ERROR}, indent=2).encode() + b"\r\n")
    with pytest.raises(ProviderStreamError) as caught:
        decoder.close()
    assert (caught.value.kind, caught.value.message, caught.value.text) == ("UNAVAILABLE", "Too busy.", "a")


PATH = "candidates[0].content.parts"
FAULTS = {
    "invalid JSON": (b"data: {", "it is not JSON"),
    "not an object": (b"data: []", "it is a list, not an object"),
    "invalid UTF-8": (b'data: {"x": "\xff"}', "it holds bytes that are not UTF-8"),
    "candidates of a wrong type": ({"candidates": {}}, "candidates is an object, not a list"),
    "a candidate of a wrong type": ({"candidates": [5]}, "candidates[] is 5, not an object"),
    "an index of a wrong type": ({"candidates": [{"index": "0"}]}, "candidates[].index is '0', not an integer"),
    "content of a wrong type": ({"candidates": [{"content": []}]}, "candidates[0].content is a list, not an object"),
    "parts of a wrong type": ({"candidates": [{"content": {"parts": {}}}]}, f"{PATH} is an object, not a list"),
    "a part of a wrong type": (parts("a"), f"{PATH}[] is 'a', not an object"),
    "a text of a wrong type": (parts({"text": 5}), f"{PATH}[].text is 5, not a string"),
    "a thought of a wrong type": (
        parts({"text": "a", "thought": "yes"}),
        f"{PATH}[].thought is 'yes', not true or false",
    ),
    "a call of a wrong type": (parts({"functionCall": 5}), f"{PATH}[].functionCall is 5, not an object"),
    "a call without a name": (parts({"functionCall": {}}), f"{PATH}[].functionCall.name is missing"),
    "a call with an id of a wrong type": (parts(call(id=5)), f"{PATH}[].functionCall.id is 5, not a string"),
    "arguments of a wrong type": (parts(call(args="x")), f"{PATH}[].functionCall.args is 'x', not an object"),
    "arguments that JSON does not have": (
        parts(call(args={"a": float("nan")})),
        f"{PATH}[].functionCall.args is not JSON (Out of range",
    ),
    "feedback of a wrong type": ({"promptFeedback": 1}, "promptFeedback is 1, not an object"),
}


@pytest.mark.parametrize(("frame", "fault"), FAULTS.values(), ids=FAULTS)
def test_a_malformed_gemini_frame_raises_with_its_offset_and_the_text(frame, fault):
    decoder = GeminiDecoder()
    before = sse(parts({"text": "a"}), STOP)
    decoder.feed(before)
    body = frame + b"\r\n\r\n" if isinstance(frame, bytes) else sse(frame)
    with pytest.raises(MalformedFrameError) as caught:
        decoder.feed(body)
    assert fault in caught.value.fault
    assert (caught.value.offset, caught.value.text) == (len(before), "a")


def test_fields_beside_a_wrapped_gemini_response_are_read_with_it():
    frames = (
        {"response": {"candidates": [{"content": {"parts": [{"text": "Hi"}]}}]}},
        {"response": {"usageMetadata": {"promptTokenCount": 3}}, "candidates": [{"finishReason": "STOP"}]},
    )
    found = read_stream("gemini", b"".join(f"data: {json.dumps(frame)}\n\n".encode() for frame in frames))
    assert (found.text, found.finish_reason, found.usage, found.error) == ("Hi", "STOP", Usage(3), None)
