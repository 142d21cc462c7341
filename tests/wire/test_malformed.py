import copy
import json
import pickle
from functools import partial
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_streamval.errors import (
    ClosedError,
    InvalidArgumentError,
    MalformedFrameError,
    ProviderStreamError,
    StreamTruncatedError,
    WireError,
)
from pytest_streamval.model import Delta
from pytest_streamval.wire import (
    AnthropicMessagesDecoder,
    FrameDecoder,
    GeminiDecoder,
    OllamaDecoder,
    OpenAIChatDecoder,
    OpenAIResponsesDecoder,
)

# One stream of each protocol, with everything that the decoders read.
OPENAI = [
    {"choices": [{"index": 0, "delta": {"role": "assistant", "content": None}, "finish_reason": None}]},
    {"choices": [{"index": 0, "delta": {"reasoning_content": "Hm."}}]},
    {"choices": [{"index": 0, "delta": {"content": "One 🍎"}}]},
    {"choices": [{"index": 0, "delta": {"content": [{"type": "text", "text": " two"}]}}]},
    {
        "choices": [
            {"index": 0, "delta": {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "x"}]}]}}
        ]
    },
    {
        "choices": [
            {
                "index": 0,
                "delta": {"tool_calls": [{"index": 0, "id": "x", "function": {"name": "f", "arguments": "{"}}]},
            }
        ]
    },
    {"choices": [{"index": 0, "delta": {"tool_calls": [{"function": {"arguments": "}"}}]}}]},
    {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}},
]
ANTHROPIC = [
    {
        "type": "message_start",
        "message": {"usage": {"input_tokens": 3, "cache_read_input_tokens": 1, "output_tokens": 1}},
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Hm."}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
    {"type": "ping"},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "One 🍎"}},
    {"type": "content_block_stop", "index": 1},
    {
        "type": "content_block_start",
        "index": 2,
        "content_block": {"type": "tool_use", "id": "x", "name": "f", "input": {}},
    },
    {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": "{}"}},
    {"type": "content_block_stop", "index": 2},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}},
    {"type": "message_stop"},
]
RESPONSES = [
    {"type": "response.created", "response": {"id": "resp_1", "status": "in_progress", "output": [], "usage": None}},
    {"type": "response.output_item.added", "output_index": 0, "item": {"type": "reasoning", "summary": []}},
    {"type": "response.reasoning_text.delta", "output_index": 0, "content_index": 0, "delta": "Hm."},
    {"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": 0, "delta": "So."},
    {"type": "response.reasoning_summary_text.done", "output_index": 0, "summary_index": 0, "text": "So."},
    {"type": "response.output_item.added", "output_index": 1, "item": {"type": "message", "content": []}},
    {"type": "response.output_text.delta", "output_index": 1, "content_index": 0, "delta": "One 🍎"},
    {"type": "response.output_text.delta", "output_index": 1, "content_index": 0, "delta": " two"},
    {"type": "response.output_text.done", "output_index": 1, "content_index": 0, "text": "One 🍎 two"},
    {"type": "response.output_item.done", "output_index": 1, "item": {"type": "message", "content": []}},
    {
        "type": "response.output_item.added",
        "output_index": 2,
        "item": {"type": "function_call", "call_id": "x", "name": "f", "arguments": ""},
    },
    {"type": "response.function_call_arguments.delta", "output_index": 2, "delta": "{}"},
    {"type": "response.function_call_arguments.done", "output_index": 2, "arguments": "{}"},
    {
        "type": "response.output_item.done",
        "output_index": 2,
        "item": {"type": "function_call", "call_id": "x", "name": "f", "arguments": "{}"},
    },
    {
        "type": "response.incomplete",
        "response": {
            "status": "incomplete",
            "incomplete_details": {"reason": "max_output_tokens"},
            "usage": {"input_tokens": 3, "output_tokens": 2},
        },
    },
]
GEMINI = [
    {"candidates": [{"content": {"parts": [{"text": "Hm.", "thought": True}], "role": "model"}, "index": 0}]},
    {"candidates": [{"content": {"parts": [{"text": "One 🍎"}, {"text": " two", "thought": False}]}}]},
    {"candidates": [{"content": {"parts": [{"functionCall": {"id": "x", "name": "f", "args": {"a": [1]}}}]}}]},
    {"usageMetadata": {"promptTokenCount": 3, "toolUsePromptTokenCount": 1}},
    {"promptFeedback": {"blockReason": "BLOCK_REASON_UNSPECIFIED"}},
    {
        "candidates": [{"content": {"parts": []}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2, "thoughtsTokenCount": 1},
    },
]
OLLAMA = [
    {"model": "m", "message": {"role": "assistant", "content": "", "thinking": "Hm."}, "done": False},
    {"model": "m", "message": {"role": "assistant", "content": "One 🍎"}, "done": False},
    {"model": "m", "response": " two", "thinking": "So.", "done": False},
    {
        "message": {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": "x", "function": {"name": "f", "arguments": {"a": [1]}}}],
        },
        "done": False,
    },
    {
        "message": {"role": "assistant", "content": ""},
        "done": True,
        "done_reason": "stop",
        "prompt_eval_count": 3,
        "eval_count": 2,
        "eval_duration": 1,
    },
]
STREAMS = {
    OpenAIChatDecoder: OPENAI,
    OpenAIResponsesDecoder: RESPONSES,
    AnthropicMessagesDecoder: ANTHROPIC,
    GeminiDecoder: GEMINI,
    OllamaDecoder: OLLAMA,
}
decoders = pytest.mark.parametrize("decoder_class", STREAMS)


def encode(decoder_class, frames):
    encoded = [framed(decoder_class, json.dumps(frame, ensure_ascii=False), frame.get("type")) for frame in frames]
    return encoded + [b"data: [DONE]\n\n"] * (decoder_class is OpenAIChatDecoder)


def framed(decoder_class, data, event=None):
    if decoder_class is OllamaDecoder:
        return f"{data}\n".encode()
    return f"event: {event}\ndata: {data}\n\n".encode() if event else f"data: {data}\n\n".encode()


def survive(decoder_class, reads):
    """Decode reads that may be malformed, check the promises of decoders, and return the deltas and the error."""
    decoder = decoder_class()
    deltas, error = [], None
    try:
        for read in reads:
            deltas += decoder.feed(read)
        deltas += decoder.close()
    except WireError as caught:
        error = caught
        deltas += caught.deltas
    text = "".join(delta.text for delta in deltas)
    assert decoder.text == text
    for delta in deltas:
        assert_well_formed(delta)
    if error is not None:
        assert error.text == text
        assert_equal(pickled(error), error)
        with pytest.raises(ClosedError):
            decoder.feed(b"")
    return deltas, error


def pickled(error):
    return pickle.loads(pickle.dumps(error))  # noqa: S301  # it was pickled here


def assert_equal(copied, error):
    assert type(copied) is type(error)
    assert (copied.args, vars(copied), str(copied)) == (error.args, vars(error), str(error))


def assert_well_formed(delta):
    words = [delta.text, delta.thinking, delta.finish_reason or ""]
    for call in delta.tool_calls:
        words += [call.id or "", call.name or "", call.arguments]
        assert type(call.index) is int
        assert call.index >= 0
    for word in words:
        assert type(word) is str
        word.encode()
    if delta.usage is not None:
        assert {type(delta.usage.input_tokens), type(delta.usage.output_tokens)} <= {int, type(None)}
    assert delta != Delta()


def places(value, path=()):
    """Yield the paths to all values inside a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from places(inner, (*path, key))


def replaced(value, path, new):
    value = copy.deepcopy(value)
    holder = value
    for key in path[:-1]:
        holder = holder[key]
    if new is Ellipsis:
        del holder[path[-1]]
    else:
        holder[path[-1]] = new
    return value


@decoders
def test_a_decoder_decodes_the_sample_stream(decoder_class):
    deltas, error = survive(decoder_class, encode(decoder_class, STREAMS[decoder_class]))
    assert error is None
    assert len(deltas) >= 5


@decoders
def test_a_decoder_keeps_its_promises_for_missing_and_wrong_values(decoder_class):
    frames = STREAMS[decoder_class]
    wrong = [..., None, True, False, 0, -1, 7, 1.5, "", "x", [], [[]], [None], [{}], {}, {"type": 5}, {"x": {}}]
    encoded = encode(decoder_class, frames)
    outcomes = set()
    for number, frame in enumerate(frames):
        for path in places(frame):
            for value in wrong:
                data = framed(decoder_class, json.dumps(replaced(frame, path, value), ensure_ascii=False))
                _, error = survive(decoder_class, [*encoded[:number], data, *encoded[number + 1 :]])
                outcomes.add(type(error))
    assert outcomes >= {type(None), MalformedFrameError}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=3,
)


@decoders
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_decoder_keeps_its_promises_for_any_value_anywhere(decoder_class, data):
    frames = STREAMS[decoder_class]
    number = data.draw(st.integers(0, len(frames) - 1))
    path = data.draw(st.sampled_from(list(places(frames[number]))))
    frame = replaced(frames[number], path, data.draw(JSON))
    encoded = encode(decoder_class, frames)
    encoded[number] = framed(decoder_class, json.dumps(frame))
    survive(decoder_class, encoded)


@decoders
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_decoder_keeps_its_promises_for_any_order_of_frames(decoder_class, data):
    encoded = encode(decoder_class, STREAMS[decoder_class])
    survive(decoder_class, data.draw(st.lists(st.sampled_from(encoded), max_size=20)))


@decoders
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_decoder_keeps_its_promises_for_lost_doubled_and_changed_bytes(decoder_class, data):
    body = b"".join(encode(decoder_class, STREAMS[decoder_class]))
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(body))] * 2)))
    middle = data.draw(
        st.sampled_from([b"", body[start:end] * 2, b"\n\n", b'"', b"}", b"\xff", b"\\ud800", b"\\"]) | st.binary()
    )
    body = body[:start] + middle + body[end:]
    whole = survive(decoder_class, [body])
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=5)))
    pieces = survive(decoder_class, [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)])
    assert pieces[0] == whole[0]
    assert type(pieces[1]) is type(whole[1])


@decoders
def test_a_decoder_reports_a_body_that_ends_anywhere_as_truncated_unless_its_end_is_known(decoder_class):
    encoded = encode(decoder_class, STREAMS[decoder_class])
    body = b"".join(encoded)
    expected, _ = survive(decoder_class, encoded)
    complete = []
    for end in range(len(body)):
        deltas, error = survive(decoder_class, [body[:end]])
        assert deltas == expected[: len(deltas)]
        if error is None:
            complete.append(end)
            continue
        assert isinstance(error, StreamTruncatedError)
        assert body[:end].endswith(error.left)
        strict, strict_error = survive(partial(decoder_class, strict=True), [body[:end]])
        assert deltas[: len(strict)] == strict
        assert isinstance(strict_error, StreamTruncatedError)
    # At the ends of the frames after the finish reason, and between the data and the blank line of each.
    ends = [len(b"".join(encoded[:number])) for number in range(len(encoded) + 1)]
    assert complete
    assert all(min(each - end for each in ends if each > end) <= 2 or end in ends for end in complete)
    assert all(any(delta.finish_reason for delta in survive(decoder_class, [body[:end]])[0]) for end in complete)


@decoders
def test_a_decoder_reports_bytes_that_are_not_a_stream_as_truncated(decoder_class):
    random = Random(6)  # noqa: S311  # for repeatable garbage
    garbage = [random.randbytes(200).replace(b"\n", b"") for _ in range(50)]
    for body in (b"", b"<html>Bad gateway</html>", b"\0" * 100, b"\xff", b"[" * 10_000, *garbage):
        _, error = survive(decoder_class, [body])
        assert isinstance(error, StreamTruncatedError)
        assert error.left == body


ERROR = {"code": 503, "message": "Too busy.", "status": "UNAVAILABLE"}


@decoders
def test_a_decoder_reports_a_providers_error_in_plain_json(decoder_class):
    reads = encode(decoder_class, STREAMS[decoder_class])[:-2]
    reports = [json.dumps({"error": ERROR}).encode()]
    if decoder_class is not OllamaDecoder:
        reports.append(json.dumps({"error": ERROR}, indent=2).encode() + b"\n")
    for report in reports:
        for before in ([], reads):
            _, error = survive(decoder_class, [*before, report])
            assert isinstance(error, ProviderStreamError)
            assert (error.kind, error.message) == ("UNAVAILABLE", "Too busy.")
            assert bool(error.text) == bool(before)


def test_the_error_of_a_truncated_stream_shows_a_body_of_another_kind():
    decoder = OpenAIChatDecoder()
    decoder.feed(b'{"detail": "not streamed"}')
    with pytest.raises(StreamTruncatedError, match=r'inside the frame b.{"detail": "not streamed"}'):
        decoder.close()


@decoders
def test_a_closed_decoder_takes_no_more_bytes_and_can_be_closed_again(decoder_class):
    decoder = decoder_class()
    decoder.feed(b"".join(encode(decoder_class, STREAMS[decoder_class])))
    assert decoder.close() == []
    assert decoder.close() == []
    with pytest.raises(ClosedError, match=f"This {decoder_class.protocol} decoder was closed and takes no more"):
        decoder.feed(b"")


@decoders
def test_a_failed_decoder_takes_no_more_bytes_and_can_be_closed(decoder_class):
    decoder = decoder_class()
    with pytest.raises(MalformedFrameError):
        decoder.feed(framed(decoder_class, "{"))
    with pytest.raises(ClosedError, match=f"This {decoder_class.protocol} decoder failed and takes no more bytes"):
        decoder.feed(framed(decoder_class, "{}"))
    assert decoder.close() == []


@decoders
def test_a_decoder_refuses_text(decoder_class):
    decoder = decoder_class()
    with pytest.raises(InvalidArgumentError):
        decoder.feed("data: {}\n\n")
    assert decoder.feed(b"") == []


def test_the_base_class_of_decoders_is_abstract():
    with pytest.raises(TypeError, match="abstract"):
        FrameDecoder()
