import json

import pytest

from pytest_streamval.errors import MalformedFrameError, ProviderStreamError, StreamTruncatedError
from pytest_streamval.model import Delta, ToolCallDelta, Usage
from pytest_streamval.wire import OllamaDecoder


def lines(*objects):
    return b"".join(json.dumps(each).encode() + b"\n" for each in objects)


def said(content="", /, *, done=False, **fields):
    message = {"role": "assistant", "content": content, **fields}
    return {"model": "m", "created_at": "2026-11-21T10:00:00Z", "message": message, "done": done}


def call(name="f", arguments=None, **fields):
    return {"function": {"name": name, "arguments": arguments or {}}, **fields}


DONE = {**said(done=True), "done_reason": "stop"}
END = Delta(finish_reason="stop")


def decode(*objects):
    decoder = OllamaDecoder()
    deltas = decoder.feed(lines(*objects))
    assert decoder.done
    return deltas + decoder.close()


READ = {
    "text": (said("a"), Delta("a")),
    "thinking": (said(thinking="a"), Delta(thinking="a")),
    "text and thinking": (said("a", thinking="b"), Delta("a", "b")),
    "text of a bare prompt": ({"response": "a", "done": False}, Delta("a")),
    "thinking of a bare prompt": ({"response": "", "thinking": "a", "done": False}, Delta(thinking="a")),
    "a call": (
        said(tool_calls=[call(arguments={"a": "é", "b": [1.5, None]}, id="x")]),
        Delta(tool_calls=(ToolCallDelta(0, "x", "f", '{"a":"é","b":[1.5,null]}'),)),
    ),
    "a call without more": (
        said("a", tool_calls=[{"function": {"name": "f"}}]),
        Delta("a", tool_calls=(ToolCallDelta(0, None, "f", "{}"),)),
    ),
    "a line that does not say whether it is the last": ({"message": {"content": "a"}}, Delta("a")),
    "no error": ({**said("a"), "error": ""}, Delta("a")),
}
NOTHING = {
    "an empty text": said(),
    "an empty answer": {"response": "", "done": False},
    "no text": said(None, thinking=None, tool_calls=None),
    "no calls": said(tool_calls=[]),
    "something else": {"status": "pulling manifest"},
    "a message without more": {"message": {}, "done": None},
}


def test_the_ollama_decoder_makes_one_delta_of_a_line():
    assert {name: decode(line, DONE) for name, (line, _) in READ.items()} == {
        name: [expected, END] for name, (_, expected) in READ.items()
    }


def test_the_ollama_decoder_makes_no_delta_of_a_line_without_content():
    assert {name: decode(line, DONE) for name, line in NOTHING.items()} == {name: [END] for name in NOTHING}


LAST = {
    "a reason": (DONE, [END]),
    "no reason": (said(done=True), []),
    "a reason that is null": ({**said(done=True), "done_reason": None}, []),
    "an empty reason": ({**said(done=True), "done_reason": ""}, []),
    "another reason": ({**DONE, "done_reason": "load"}, [Delta(finish_reason="load")]),
    "counts": ({**DONE, "prompt_eval_count": 3, "eval_count": 2}, [Delta(usage=Usage(3, 2), finish_reason="stop")]),
    "half of the counts": ({**said(done=True), "eval_count": 2}, [Delta(usage=Usage(None, 2))]),
    "durations": ({**DONE, "total_duration": 5_589_157_167, "eval_duration": 1_325_948_000}, [END]),
    "text": ({**DONE, **said("a", done=True)}, [Delta("a", finish_reason="stop")]),
    "of a bare prompt": ({"response": "", "done": True, "done_reason": "stop", "context": [1, 2]}, [END]),
}


def test_the_ollama_decoder_reads_reason_and_counts_of_the_last_line():
    assert {name: decode(line) for name, (line, _) in LAST.items()} == {
        name: expected for name, (_, expected) in LAST.items()
    }


def test_the_ollama_decoder_ignores_counts_before_the_last_line():
    assert decode({**said("a"), "eval_count": 1}, DONE) == [Delta("a"), END]


def test_the_ollama_decoder_numbers_the_calls_of_all_lines():
    found = [
        each.tool_calls
        for each in decode(said(tool_calls=[call()]), said("a"), said(tool_calls=[call(), call()]), DONE)
    ]
    assert [[fragment.index for fragment in fragments] for fragments in found] == [[0], [], [1, 2], []]


def test_the_ollama_decoder_needs_no_line_end_after_the_last_line():
    decoder = OllamaDecoder()
    assert decoder.feed(lines(said("a"), DONE)[:-1]) == [Delta("a")]
    assert decoder.close() == [END]
    assert decoder.done


def test_an_ollama_stream_without_its_last_line_is_truncated():
    decoder = OllamaDecoder()
    decoder.feed(lines(said("a")) + b'{"done": tr')
    with pytest.raises(
        StreamTruncatedError, match="The ollama stream ended without the line with done, inside"
    ) as caught:
        decoder.close()
    assert (caught.value.text, caught.value.left) == ("a", b'{"done": tr')


def test_the_ollama_decoder_keeps_a_complete_line_at_a_truncated_end():
    decoder = OllamaDecoder()
    decoder.feed(lines(said("a"), said("b"))[:-1])
    with pytest.raises(StreamTruncatedError) as caught:
        decoder.close()
    assert (caught.value.text, caught.value.deltas, caught.value.left) == ("ab", (Delta("b"),), b"")


def test_an_error_of_the_provider_keeps_the_text_of_an_ollama_stream():
    decoder = OllamaDecoder()
    decoder.feed(lines(said("a")))
    with pytest.raises(ProviderStreamError) as caught:
        decoder.feed(lines(said("b"), {"error": "model runner has stopped"}))
    assert (caught.value.kind, caught.value.message) == ("an error", "model runner has stopped")
    assert (caught.value.text, caught.value.deltas) == ("ab", (Delta("b"),))


FAULTS = {
    "invalid JSON": (b"{", "it is not JSON"),
    "not an object": (b"[]", "it is a list, not an object"),
    "invalid UTF-8": (b'{"x": "\xff"}', "it holds bytes that are not UTF-8"),
    "two on one line": (b'{"response": "a"} {}', "it is not JSON (more data after the value, at character 17)"),
    "a frame of another protocol": (b"data: {}", "it is not JSON"),
    "a message of a wrong type": ({"message": "a"}, "message is 'a', not an object"),
    "a text of a wrong type": (said(5), "message.content is 5, not a string"),
    "an answer of a wrong type": ({"response": 5}, "response is 5, not a string"),
    "thinking of a wrong type": (said(thinking=True), "thinking is True, not a string"),
    "calls of a wrong type": (said(tool_calls={}), "message.tool_calls is an object, not a list"),
    "a call of a wrong type": (said(tool_calls=[5]), "message.tool_calls[] is 5, not an object"),
    "a call without a function": (said(tool_calls=[{}]), "message.tool_calls[].function is missing"),
    "a call without a name": (said(tool_calls=[{"function": {}}]), "message.tool_calls[].function.name is missing"),
    "a call with an id of a wrong type": (said(tool_calls=[call(id=5)]), "message.tool_calls[].id is 5, not a string"),
    "arguments of a wrong type": (
        said(tool_calls=[call(arguments="[]")]),
        "message.tool_calls[].function.arguments is '[]', not an object",
    ),
    "arguments that JSON does not have": (
        said(tool_calls=[call(arguments={"a": float("inf")})]),
        "arguments is not JSON (Out",
    ),
    "an end of a wrong type": ({"done": "yes"}, "done is 'yes', not true or false"),
}


@pytest.mark.parametrize(("line", "fault"), FAULTS.values(), ids=FAULTS)
def test_a_malformed_ollama_line_raises_with_its_offset_and_the_text(line, fault):
    decoder = OllamaDecoder()
    before = lines(said("a"))
    decoder.feed(before)
    with pytest.raises(MalformedFrameError) as caught:
        decoder.feed(line + b"\n" if isinstance(line, bytes) else lines(line))
    assert fault in caught.value.fault
    assert (caught.value.offset, caught.value.text) == (len(before), "a")


def test_a_strict_ollama_decoder_accepts_only_empty_lines_after_the_end():
    decoder = OllamaDecoder(strict=True)
    decoder.feed(lines(DONE) + b"\n\r\n")
    with pytest.raises(MalformedFrameError, match="it follows the line with done, which ends the stream"):
        decoder.feed(lines(said("a")))
