"""The deviations that decoders note, and the text that they read all the same."""

import json
import re
from pathlib import Path
from typing import get_args

import pytest

from pytest_streamval import Deviation, read_stream
from pytest_streamval.errors import (
    InvalidArgumentError,
    MalformedFrameError,
    ProviderStreamError,
    StreamTruncatedError,
)
from pytest_streamval.model import DeviationKind, ToolCall, Usage

PAGE = Path(__file__).parents[2] / "docs" / "protocols.md"
HIGH, LOW = "\\ud83c", "\\udf4e"  # the halves of 🍎


def sse(*frames):
    """Return frames with their events' names, as JSON. A str is the data of a frame, and bytes are a frame."""
    return b"".join(frame if isinstance(frame, bytes) else framed(frame) for frame in frames)


def framed(frame):
    if isinstance(frame, str):
        return f"data: {frame}\n\n".encode()
    event = f"event: {frame['type']}\n" if "type" in frame else ""
    return f"{event}data: {json.dumps(frame)}\n\n".encode()


def lines(*frames):
    return b"".join(json.dumps(frame).encode() + b"\n" for frame in frames)


def delta(reason=None, /, **fields):
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": reason}]}


A, B, STOP, DONE = delta(content="a"), delta(content="b"), delta("stop"), b"data: [DONE]\n\n"


def tool(index, ident, name, arguments=""):
    return delta(tool_calls=[{"index": index, "id": ident, "function": {"name": name, "arguments": arguments}}])


START = {"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 3, "output_tokens": 1}}}
END = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}}
MESSAGE_STOP = {"type": "message_stop"}


def block(index=0, kind="text", **fields):
    return {"type": "content_block_start", "index": index, "content_block": {"type": kind, **fields}}


def said(text, index=0):
    return {"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": text}}


def closed(index=0):
    return {"type": "content_block_stop", "index": index}


def message(*frames):
    return sse(START, *frames, END, MESSAGE_STOP)


def event(kind, /, **fields):
    return {"type": f"response.{kind}", **fields}


def piece(text, kind="output_text", **place):
    return event(f"{kind}.delta", delta=text, **{"output_index": 0, "content_index": 0, **place})


def whole(text, kind="output_text", **place):
    return event(f"{kind}.done", text=text, **{"output_index": 0, "content_index": 0, **place})


def item(text, moment="done", /, index=0, **fields):
    content = [{"type": "output_text", "text": text}]
    return event(f"output_item.{moment}", output_index=index, item={"type": "message", "content": content, **fields})


def call(moment, arguments, /, index=0, **fields):
    body = {"type": "function_call", "call_id": "x", "name": "f", "arguments": arguments, **fields}
    return event(f"output_item.{moment}", output_index=index, item=body)


def completed(*output, **fields):
    return event("completed", response={"status": "completed", "output": [each["item"] for each in output], **fields})


def parts(*parts, **fields):
    return {"candidates": [{"content": {"parts": list(parts)}, **fields}]}


def partial(*pieces, **fields):
    values = [{"jsonPath": path, **value} for path, value in pieces]
    return parts({"functionCall": {**({"partialArgs": values} if values else {}), **fields}})


FINISHED = parts(finishReason="STOP")
# For each protocol: a stream whose text is "ab", and the kinds of its deviations in order.
READ = {
    "openai": {
        "no end": (sse(A, B, STOP), ["missing-end"]),
        "no blank line at the end": (sse(A, B, STOP) + DONE[:-1], ["missing-blank-line"]),
        "no line end at the end": (sse(A, B, STOP) + DONE[:-2], ["missing-blank-line"]),
        "no blank line and no end": (sse(A, B, STOP)[:-1], ["missing-blank-line", "missing-end"]),
        "a comment at the end": (sse(A, B, STOP, DONE) + b": bye", []),
        "a comment in place of the end": (sse(A, B, STOP) + b": bye", ["missing-end"]),
        "two ends": (sse(A, B, STOP, DONE, DONE), ["repeated-end"]),
        "counts after the end": (
            sse(A, B, STOP, DONE, {"choices": [], "usage": {"prompt_tokens": 3}}),
            ["frame-after-end"],
        ),
        "words after the end": (sse(A, B, STOP, DONE, b"data: bye\n\n"), ["frame-after-end"]),
        "bytes after the end": (sse(A, B, STOP, DONE, b"data: \xff\n\n"), ["frame-after-end"]),
        "text after the end": (sse(A, B, STOP, DONE, B), ["frame-after-end"]),
        "a finish reason after the end": (
            sse(A, B, DONE, STOP),
            ["missing-finish-reason", "frame-after-end"],
        ),
        "another answer after the end": (sse(A, B, STOP, DONE) * 2, ["frame-after-end"] * 3 + ["repeated-end"]),
        "no finish reason": (sse(A, B, DONE), ["missing-finish-reason"]),
        "no choices": (sse(A, {"id": "x"}, B, STOP, DONE), ["frame-without-choices"]),
        "choices null": (sse(A, {"choices": None}, B, STOP, DONE), ["frame-without-choices"]),
        "a named frame without choices": (sse(A, b"event: ping\ndata: {}\n\n", B, STOP, DONE), []),
        "a keep-alive without data": (sse(A, b"event: ping\ndata:\n\n", B, STOP, DONE), ["keep-alive"]),
        "a keep-alive with a text": (sse(A, b"event: heartbeat\ndata: {\n\n", B, STOP, DONE), ["keep-alive"]),
        "a keep-alive with a list": (sse(A, b"event: alive\ndata: []\n\n", B, STOP, DONE), ["keep-alive"]),
        "a line outside of the frames": (sse(A, b"PROCESSING\n\n", B, STOP, DONE), ["unframed-line"]),
        "a frame without its field": (sse(A, json.dumps(B).encode() + b"\n\n", STOP, DONE), ["unframed-line"]),
        "counts in a text": (
            sse(A, B, STOP, {"choices": [], "usage": {"prompt_tokens": "3", "completion_tokens": "x"}}, DONE),
            ["usage-value"] * 2,
        ),
        "counts that are none": (
            sse(A, B, STOP, {"choices": [], "usage": {"prompt_tokens": 1.5, "completion_tokens": [1]}}, DONE),
            ["usage-value"] * 2,
        ),
        "counts without end": (
            sse(A, B, STOP, '{"choices": [], "usage": {"prompt_tokens": Infinity}}', DONE),
            ["usage-value"],
        ),
        "usage of another type": (sse(A, B, STOP, {"choices": [], "usage": 5}, DONE), ["usage-value"]),
        "two choices": (
            sse({"choices": [A["choices"][0], B["choices"][0], A["choices"][0]]}, STOP, DONE),
            ["repeated-choice"],
        ),
        "two empty choices": (sse(A, B, {"choices": [{}, {}]}, STOP, DONE), ["repeated-choice"]),
        "a message in place of the delta": (
            sse(
                {"choices": [{"message": {"content": "a"}}]}, {"choices": [{"message": {"content": "ab"}}]}, STOP, DONE
            ),
            [],
        ),
        "a message beside an empty delta": (
            sse(
                A,
                {"choices": [{"delta": {"content": ""}, "message": {"content": "ab"}, "finish_reason": "stop"}]},
                DONE,
            ),
            [],
        ),
        "a message without text": (
            sse(A, B, {"choices": [{"delta": {}, "message": {"tool_calls": []}, "finish_reason": "stop"}]}, DONE),
            [],
        ),
        "a message of a wrong type": (sse(A, B, {"choices": [{"message": 5, "finish_reason": "stop"}]}, DONE), []),
        "a choice that is null": (sse(A, {"choices": [None]}, B, STOP, DONE), []),
        "empty data": (sse(A, b"data:\n\n", b"data: \n\n", B, STOP, DONE), ["keep-alive"] * 2),
        "null": (sse(A, "null", B, STOP, DONE), ["keep-alive"]),
        "a keep-alive in words": (
            sse(A, "ping", ": keep-alive 2026-07-26 19:11:49", B, STOP, DONE),
            ["keep-alive"] * 2,
        ),
        "no blank lines": (
            sse(A, B, STOP, DONE).replace(b"\n\n", b"\n") + b"\n",
            ["missing-blank-line"],
        ),
        "no blank lines and no line end": (
            sse(A, B, STOP, DONE).replace(b"\n\n", b"\n")[:-1],
            ["missing-blank-line"] * 2,
        ),
        "two ends in one frame": (
            sse(A, B, STOP, b"data: [DONE]\ndata: [DONE]\n\n"),
            [],
        ),
        "more after the end mark": (sse(A, B, STOP, "[DONE]data: [DONE]"), []),
        "spaces around the end mark": (sse(A, B, STOP, " [DONE] "), []),
        "a reason in an object": (
            sse(A, B, {"choices": [{"delta": {}, "finish_reason": {"type": "stop", "matched": 2}}]}, DONE),
            ["value-type"],
        ),
        "a reason that is none": (
            sse(A, {"choices": [{"delta": {"content": "b"}, "finish_reason": False}]}, STOP, DONE),
            ["value-type"],
        ),
        "a complete answer": (
            json.dumps({"choices": [{"message": {"content": "ab"}, "finish_reason": "stop"}]}).encode(),
            ["not-streamed"],
        ),
        "a complete answer before the end mark": (
            json.dumps({"choices": [{"message": {"content": "ab"}, "finish_reason": "stop"}]}).encode() + DONE,
            ["unframed-line", "missing-end"],
        ),
        "counts in place of the end": (
            sse(A, B, {"choices": [], "usage": {"prompt_tokens": 3}}),
            ["missing-end", "missing-finish-reason"],
        ),
        "counts without choices in place of the end": (
            sse(A, B, {"usage": {"prompt_tokens": 3}}),
            ["missing-end", "missing-finish-reason"],
        ),
        "another message at the end": (
            sse(A, B, {"choices": [{"message": {"content": "c"}, "finish_reason": "stop"}]}, DONE),
            ["different-whole"],
        ),
    },
    "anthropic": {
        "an index that is used again": (
            message(block(), said("a"), closed(), block(), said("b"), closed()),
            ["order-of-blocks"],
        ),
        "a block that starts twice": (message(block(), block(), said("ab"), closed()), ["order-of-blocks"]),
        "two open blocks": (
            message(block(), said("a"), block(1), said("b", 1), closed(), closed(1)),
            ["order-of-blocks"],
        ),
        "a block that stays open": (message(block(), said("ab")), ["order-of-blocks"]),
        "a block that ends twice": (message(block(), said("ab"), closed(), closed()), ["order-of-blocks"]),
        "a text after its block": (message(block(), said("a"), closed(), said("b")), ["order-of-blocks"]),
        "a message that starts twice": (message(START, block(), said("ab"), closed()), ["order-of-blocks"]),
        "a message that starts late": (
            sse(block(), said("ab"), closed(), START, END, MESSAGE_STOP),
            ["order-of-blocks"],
        ),
        "no end": (sse(START, block(), said("ab"), closed(), END), ["missing-end"]),
        "no end of the block": (sse(START, block(), said("ab"), END), ["missing-end", "order-of-blocks"]),
        "a text that is complete in the start of the message": (
            sse(
                {**START, "message": {**START["message"], "content": [{"type": "text", "text": "ab"}]}},
                END,
                MESSAGE_STOP,
            ),
            [],
        ),
        "the end of chat completions": (
            message(block(), said("ab"), closed()) + DONE,
            ["frame-after-end", "end-of-another-protocol"],
        ),
        "a reason of a wrong type": (
            sse(START, block(), said("ab"), closed(), {**END, "delta": {"stop_reason": 5}}, MESSAGE_STOP),
            ["value-type"],
        ),
        "a text in the block of a call": (
            message(block(0, "tool_use", id="x", name="f"), said("ab"), closed()),
            ["wrong-event"],
        ),
        "a start that its pieces repeat": (
            message(block(text="a"), said("a"), said("b"), closed()),
            ["repeated-whole"],
        ),
        "a start that its pieces continue": (message(block(text="a"), said("b"), closed()), []),
        "a complete message": (
            json.dumps({"type": "message", "id": "m", "content": [{"type": "text", "text": "ab"}]}).encode(),
            ["not-streamed"],
        ),
        "an empty ping": (
            message(b"event: ping\ndata: \n\n", block(), said("ab"), closed()),
            ["keep-alive"],
        ),
        "counts in fractions": (
            sse(START, block(), said("ab"), closed(), {**END, "usage": {"output_tokens": 2.0}}, MESSAGE_STOP),
            ["usage-value"],
        ),
        "a ping after the end": (message(block(), said("ab"), closed()) + sse({"type": "ping"}), ["frame-after-end"]),
        "a text after the end": (
            message(block(), said("a"), closed()) + sse(block(1), said("b", 1), closed(1)),
            ["frame-after-end"] * 3,
        ),
    },
    "openai-responses": {
        "an end of another name": (sse(piece("ab"), event("done", response={"status": "completed"})), []),
        "a complete response": (
            json.dumps({"object": "response", "status": "completed", "output": [item("ab")["item"]]}).encode(),
            ["not-streamed"],
        ),
        "counts by the names of chat completions": (
            sse(piece("ab"), completed(usage={"prompt_tokens": "3", "completion_tokens": 2})),
            ["usage-value"],
        ),
        "a whole under the next part": (
            sse(piece("a"), piece("b", content_index=1), whole("ab", content_index=2), completed()),
            ["repeated-whole"],
        ),
        "a whole under the next item": (
            sse(piece("a"), piece("b"), whole("ab", output_index=1), item("ab", index=1), completed()),
            ["repeated-whole", "repeated-whole"],
        ),
        "a whole under the next item with the same id": (
            sse(piece("ab", item_id="m"), whole("ab", output_index=1, item_id="m"), completed(item("ab", id="m"))),
            ["repeated-whole"],
        ),
        "another id in each event": (
            sse(
                item("", "added", id="1"),
                piece("a", item_id="2"),
                piece("b", item_id="3"),
                whole("ab", item_id="4"),
                item("ab", id="5"),
                completed(item("ab", id="6")),
            ),
            [],
        ),
        "other positions at the end": (
            sse(item("a", index=1), item("b", index=2), completed(item("a"), item("b"))),
            ["repeated-whole"] * 2,
        ),
        "another id and no index": (
            sse(piece("ab"), event("completed", response={"output": [{}, item("ab", id="6")["item"]]})),
            ["repeated-whole"],
        ),
        "the same id for two items": (
            sse(
                piece("a", item_id="m"),
                item("a", id="m"),
                piece("b", item_id="m", output_index=1),
                item("b", index=1, id="m"),
                completed(),
            ),
            [],
        ),
        "a piece after the complete text": (
            sse(piece("a"), whole("ab"), piece("b"), completed()),
            ["missing-pieces", "order-of-blocks"],
        ),
        "pieces after the complete item": (
            sse(item("ab"), piece("a"), piece("b"), completed(item("ab"))),
            ["order-of-blocks", "order-of-blocks"],
        ),
        "the rest at the end of the text": (sse(piece("a"), whole("ab"), completed()), ["missing-pieces"]),
        "the rest at the end of the item": (sse(piece("a"), item("ab"), completed()), ["missing-pieces"]),
        "the rest at the end": (sse(piece("a"), completed(item("ab"))), ["missing-pieces"]),
        "the second text at the end": (sse(piece("a"), item("a"), completed(item("a"), item("b"))), []),
        "all text at the end": (sse(completed(item("ab"))), []),
        "the second part whole": (
            sse(piece("a"), whole("a"), whole("b", content_index=1), item("ab"), completed()),
            [],
        ),
        "the same text in two parts": (
            sse(
                piece("ab"),
                whole("ab"),
                event("content_part.done", output_index=0, content_index=3, part={"type": "output_text", "text": "ab"}),
                completed(),
            ),
            [],
        ),
        "another text at the end": (sse(piece("a"), piece("b"), completed(item("a b"))), ["different-whole"]),
        "a ping after the end": (sse(piece("ab"), completed(), {"type": "ping"}), ["frame-after-end"]),
        "the end of chat completions": (
            sse(piece("ab"), completed()) + DONE,
            ["frame-after-end", "end-of-another-protocol"],
        ),
    },
    "gemini": {
        "an array": (json.dumps([parts({"text": "a"}), parts({"text": "b"}), FINISHED]).encode(), []),
        "a complete answer": (json.dumps(parts({"text": "ab"}, finishReason="STOP")).encode(), ["not-streamed"]),
        "an answer inside of a field": (sse({"response": parts({"text": "ab"})}, {"response": FINISHED}), []),
        "a reason of a wrong type": (sse(parts({"text": "ab"}, finishReason=1), FINISHED), ["value-type"]),
        "no line end": (sse(parts({"text": "ab"}), FINISHED)[:-2], ["missing-blank-line"]),
        "the end of chat completions": (sse(parts({"text": "ab"}), FINISHED) + DONE, ["end-of-another-protocol"]),
        "counts in a text": (
            sse(parts({"text": "ab"}), FINISHED, {"usageMetadata": {"promptTokenCount": "3"}}),
            ["usage-value"],
        ),
    },
    "ollama": {
        "a line of null": (lines({"response": "ab"}, None, {"done": True}), ["keep-alive"]),
        "a reason of a wrong type": (lines({"response": "ab"}, {"done": True, "done_reason": False}), ["value-type"]),
        "a line after the end": (lines({"response": "a"}, {"done": True}, {"response": "b"}), ["frame-after-end"]),
        "words after the end": (lines({"response": "ab"}, {"done": True}) + b"bye\n", ["frame-after-end"]),
        "counts that are none": (lines({"response": "ab"}, {"done": True, "eval_count": "5 or so"}), ["usage-value"]),
    },
}
CASES = {f"{protocol}: {name}": (protocol, *case) for protocol, cases in READ.items() for name, case in cases.items()}


@pytest.mark.parametrize(("protocol", "body", "kinds"), CASES.values(), ids=CASES)
def test_a_deviation_that_loses_nothing_is_noted(protocol, body, kinds):
    reading = read_stream(protocol, body)
    assert (reading.text, reading.error) == ("ab", None)
    assert [deviation.kind for deviation in reading.deviations] == kinds
    assert all(0 <= deviation.offset < len(body) for deviation in reading.deviations)


@pytest.mark.parametrize(("protocol", "body", "kinds"), CASES.values(), ids=CASES)
def test_a_strict_reading_ends_at_the_first_deviation(protocol, body, kinds):
    reading = read_stream(protocol, body, strict=True)
    assert reading.deviations == ()
    assert (reading.error is None) == (not kinds)
    assert "ab".startswith(reading.text)
    is_at_end = kinds and kinds[0] in {"missing-end", "missing-blank-line", "not-streamed"}
    is_one_frame = body.count(b"\n\n") == 1 and body.endswith(b"\n\n")
    wanted = StreamTruncatedError if is_at_end and not is_one_frame else MalformedFrameError
    assert reading.error is None or isinstance(reading.error, wanted)


W = '{"a":"b"}'
CALLS = {
    "arguments as an object": (
        "openai",
        sse(tool(0, "x", "f", {"a": "b"}), STOP, DONE),
        [ToolCall("x", "f", W)],
        ["value-type"],
    ),
    "arguments as an object in the older form": (
        "openai",
        sse(delta(function_call={"name": "f", "arguments": {"a": "b"}}), STOP, DONE),
        [ToolCall(None, "f", W, "function_call")],
        ["value-type"],
    ),
    "arguments that are repeated": (
        "openai",
        sse(tool(0, "x", "f"), tool(0, None, None, W), tool(0, None, None, '{"a": "b"}'), STOP, DONE),
        [ToolCall("x", "f", W)],
        ["repeated-whole"],
    ),
    "arguments that each piece repeats": (
        "openai",
        sse(tool(0, "x", "f", "{"), tool(0, None, None, W[:6]), tool(0, None, None, W), tool(0, None, None, W), DONE),
        [ToolCall("x", "f", W)],
        ["repeated-whole"] * 3 + ["missing-finish-reason"],
    ),
    "arguments after an empty object": (
        "openai",
        sse(tool(0, "x", "f", "{}"), tool(0, None, None, "{"), tool(0, None, None, W[1:]), STOP, DONE),
        [ToolCall("x", "f", W)],
        ["repeated-whole"],
    ),
    "a call in a message at the end": (
        "openai",
        sse(
            A,
            {"choices": [{"message": {"content": "b", **tool(0, "x", "f", W)["choices"][0]["delta"]}}]},
            STOP,
            DONE,
        ),
        [ToolCall("x", "f", W)],
        ["different-whole"],
    ),
    "arguments in the start that the pieces repeat": (
        "openai-responses",
        sse(call("added", W), event("function_call_arguments.delta", output_index=0, delta=W), completed()),
        [ToolCall("x", "f", W)],
        ["order-of-blocks"],
    ),
    "an empty object in the start of a call": (
        "openai-responses",
        sse(
            call("added", "{}"),
            event("function_call_arguments.delta", output_index=0, delta="{"),
            event("function_call_arguments.delta", output_index=0, delta=W[1:]),
            call("done", W),
            completed(),
        ),
        [ToolCall("x", "f", W)],
        ["repeated-whole"],
    ),
    "arguments as an object in an item": (
        "openai-responses",
        sse(call("done", {"a": "b"}), completed()),
        [ToolCall("x", "f", W)],
        ["value-type"] * 2,
    ),
    "arguments as a string in Anthropic's form": (
        "anthropic",
        message(block(0, "tool_use", id="x", name="f", input=W), closed()),
        [ToolCall("x", "f", W)],
        ["value-type"],
    ),
    "arguments as a string in Gemini's form": (
        "gemini",
        sse(parts({"functionCall": {"name": "f", "args": W}}), FINISHED),
        [ToolCall(None, "f", W)],
        ["value-type"],
    ),
    "arguments as a string in Ollama's form": (
        "ollama",
        lines({"message": {"tool_calls": [{"function": {"name": "f", "arguments": W}}]}}, {"done": True}),
        [ToolCall(None, "f", W)],
        ["value-type"],
    ),
    "one index for two ids": (
        "openai",
        sse(tool(0, "x", "f", "{}"), tool(0, "y", "g", "[]"), STOP, DONE),
        [ToolCall("x", "f", "{}"), ToolCall("y", "g", "[]")],
        ["call-identity"],
    ),
    "indices as texts and fractions": (
        "openai",
        sse(tool("0", "x", "f", "{"), tool(0.0, None, None, "}"), STOP, DONE),
        [ToolCall("x", "f", "{}")],
        ["call-identity"] * 2,
    ),
    "a name in pieces": (
        "openai",
        sse(tool(0, "x", "get_"), tool(0, None, "time", "{}"), STOP, DONE),
        [ToolCall("x", "get_time", "{}")],
        ["name-in-pieces"],
    ),
    "a call that starts twice in Anthropic's form": (
        "anthropic",
        message(
            block(0, "tool_use", id="x", name="f", input={}), block(0, "tool_use", id="x", name="f", input={}), closed()
        ),
        [ToolCall("x", "f", "")],
        ["order-of-blocks"],
    ),
    "a call that stays open": (
        "anthropic",
        message(block(0, "tool_use", id="x", name="f", input={"a": 1})),
        [ToolCall("x", "f", '{"a":1}')],
        ["order-of-blocks"],
    ),
    "a call that is followed under the same index": (
        "anthropic",
        message(
            block(0, "tool_use", id="x", name="f", input={"a": 1}), block(0, "tool_use", id="y", name="g"), closed()
        ),
        [ToolCall("x", "f", '{"a":1}'), ToolCall("y", "g", "")],
        ["order-of-blocks"],
    ),
    "a call that starts twice": (
        "openai-responses",
        sse(call("added", ""), call("added", ""), call("done", "{}"), completed()),
        [ToolCall("x", "f", "{}")],
        ["order-of-blocks"],
    ),
    "two calls at one place": (
        "openai-responses",
        sse(
            call("added", ""),
            call("done", "{}"),
            call("added", "", call_id="y"),
            call("done", "[]", call_id="y"),
            completed(),
        ),
        [ToolCall("x", "f", "{}"), ToolCall("y", "f", "[]")],
        ["call-identity"],
    ),
    "two calls that come whole at one place": (
        "openai-responses",
        sse(call("done", "{}"), call("done", "[]", call_id="y"), completed()),
        [ToolCall("x", "f", "{}"), ToolCall("y", "f", "[]")],
        ["call-identity"],
    ),
    "the pieces of another kind of call": (
        "openai-responses",
        sse(call("added", ""), event("custom_tool_call_input.delta", output_index=0, delta="{}"), completed()),
        [ToolCall("x", "f", "{}")],
        ["wrong-event"],
    ),
    "arguments in another form": (
        "openai-responses",
        sse(call("added", '{"a": 1}'), call("done", '{"a":1}'), completed(call("done", '{"a":1}'))),
        [ToolCall("x", "f", '{"a": 1}')],
        ["different-whole", "different-whole"],
    ),
    "a call that does not end": (
        "gemini",
        sse(partial(("$.a", {"numberValue": 1}), name="f", id="x", willContinue=True), FINISHED),
        [ToolCall("x", "f", '{"a":1}')],
        ["call-not-ended"],
    ),
    "a call that ends with the next one": (
        "gemini",
        sse(partial(name="f", willContinue=True), partial(("$.b", {"boolValue": True}), name="g"), FINISHED),
        [ToolCall(None, "f", "{}"), ToolCall(None, "g", '{"b":true}')],
        ["call-not-ended"],
    ),
}


@pytest.mark.parametrize(("protocol", "body", "calls", "kinds"), CALLS.values(), ids=CALLS)
def test_calls_that_are_marked_in_another_way_are_read_and_noted(protocol, body, calls, kinds):
    reading = read_stream(protocol, body)
    assert (list(reading.tool_calls), reading.error) == (calls, None)
    assert [deviation.kind for deviation in reading.deviations] == kinds
    assert read_stream(protocol, body, strict=True).error is not None


def test_every_kind_of_deviation_is_tested_and_explained():
    tested = {kind for _, _, kinds in CASES.values() for kind in kinds} | {
        kind for *_, kinds in CALLS.values() for kind in kinds
    }
    assert tested | {"lone-surrogate", "split-surrogate"} == set(get_args(DeviationKind))
    section = PAGE.read_text(encoding="utf-8").partition("## Deviations")[2].partition("## Errors")[0]
    explained = re.findall(r"^\| `([a-z-]+)` \|", section, re.MULTILINE)
    assert explained == sorted(get_args(DeviationKind))


def test_a_deviation_has_the_offset_of_its_frame_and_says_what_differs():
    body = sse(A, {"id": "x"}, STOP, DONE)
    (deviation,) = read_stream("openai", body).deviations
    assert deviation == Deviation("frame-without-choices", len(sse(A)), 'it has no choices: \'{"id": "x"}\'')


def test_a_decoder_keeps_ten_deviations_of_a_kind():
    body = sse(*[{"id": str(number)} for number in range(50)], A, STOP, DONE, DONE)
    kinds = [deviation.kind for deviation in read_stream("openai", body).deviations]
    assert kinds == ["frame-without-choices"] * 10 + ["repeated-end"]


SURROGATES = {
    "text": ("content", "text"),
    "thinking": ("reasoning", "thinking"),
    "a refusal": ("refusal", "refusal"),
}


@pytest.mark.parametrize(("field", "channel"), SURROGATES.values(), ids=SURROGATES)
def test_the_halves_of_a_character_meet(field, channel):
    halves = [
        f'{{"choices": [{{"delta": {{"{field}": "{text}"}}}}]}}' for text in (f"a{HIGH}", "", f"{LOW}b", HIGH, LOW)
    ]
    reading = read_stream("openai", sse(*halves[:3], B, *halves[3:], STOP, DONE))
    expected = "a🍎bb🍎" if channel == "text" else "a🍎b🍎"
    assert (getattr(reading, channel), reading.error) == (expected, None)
    assert [deviation.kind for deviation in reading.deviations] == ["split-surrogate"] * 2


def test_half_of_a_character_is_replaced_and_noted():
    frames = [f'{{"choices": [{{"delta": {{"content": "{text}"}}}}]}}' for text in (f"{LOW}a", f"{HIGH}b{HIGH}")]
    reading = read_stream("openai", sse(*frames, STOP, DONE))
    assert (reading.text, reading.error) == ("�a�b�", None)
    kinds = [deviation.kind for deviation in reading.deviations]
    assert kinds == ["lone-surrogate", "split-surrogate", "lone-surrogate", "lone-surrogate"]
    for each in (sse(frames[0], STOP, DONE), sse(frames[1], STOP, DONE)):
        assert isinstance(read_stream("openai", each, strict=True).error, MalformedFrameError)


def test_half_of_a_character_in_a_call_is_joined_or_replaced():
    function = '{"name": "%s", "arguments": "%s"}'
    frame = '{"choices": [{"delta": {"tool_calls": [{"index": 0, "id": "%s", "function": ' + function + "}]}}]}"
    body = sse(frame % (f"x{LOW}", f"f{HIGH}", HIGH), frame % ("", "", LOW), frame % ("", "", HIGH), STOP, DONE)
    reading = read_stream("openai", body)
    assert reading.tool_calls == (ToolCall("x�", "f�", "🍎�"),)


def test_half_of_a_character_in_a_finish_reason_or_alone_is_replaced():
    body = sse(f'{{"choices": [{{"delta": {{}}, "finish_reason": "stop{LOW}"}}]}}', DONE)
    assert read_stream("openai", body).finish_reason == "stop�"


def test_half_of_a_character_in_a_field_that_is_not_read_is_not_noted():
    reading = read_stream("openai", sse(f'{{"x": "{HIGH}", "choices": [{{"delta": {{"content": "a"}}}}]}}', STOP, DONE))
    assert (reading.text, reading.deviations) == ("a", ())


def test_half_of_a_character_at_the_end_of_a_strict_reading_is_an_error():
    body = sse(f'{{"choices": [{{"delta": {{"content": "{HIGH}"}}}}]}}', STOP, DONE)
    assert isinstance(read_stream("openai", body, strict=True).error, MalformedFrameError)


def test_arguments_in_places_make_one_object():
    pieces = [
        partial(("$.to.name", {"stringValue": "New ", "willContinue": True}), name="f", willContinue=True),
        partial(
            ("$.to.name", {"stringValue": "Delhi"}),
            ("$.stops[1]['it\\'s \"x\"']", {"boolValue": False}),
            ('$.stops[0]["a b"]', {"numberValue": 2.5}),
            ("$.none", {"nullValue": "NULL_VALUE"}),
            ("$.nothing", {}),
            willContinue=True,
        ),
        partial(),
    ]
    (found,) = read_stream("gemini", sse(*pieces, FINISHED), strict=True).tool_calls
    assert json.loads(found.arguments) == {
        "to": {"name": "New Delhi"},
        "stops": [{"a b": 2.5}, {'it\'s "x"': False}],
        "none": None,
    }


@pytest.mark.parametrize("path", ["a", "$", "$..a", "$.a[", "$" + ".a" * 101, "$['a", ""])
def test_a_path_that_is_not_the_place_of_a_value_is_malformed(path):
    reading = read_stream("gemini", sse(partial((path, {"stringValue": "a"}), name="f"), FINISHED))
    assert "not the place of a value" in str(reading.error)


def test_arguments_whose_places_contradict_each_other_keep_the_last_ones():
    pieces = partial(
        ("$.a", {"stringValue": "x"}), ("$.a.b", {"numberValue": 1}), ("$['\\x']", {"boolValue": True}), name="f"
    )
    (found,) = read_stream("gemini", sse(pieces, FINISHED)).tool_calls
    assert json.loads(found.arguments) == {"a": {"b": 1}, "\\x": True}


def test_a_number_at_a_place_replaces_a_string():
    pieces = partial(("$.a", {"numberValue": 1}), ("$.a", {"stringValue": "x"}), name="f")
    (found,) = read_stream("gemini", sse(pieces, FINISHED)).tool_calls
    assert found.arguments == '{"a":"x"}'


def test_arguments_that_json_does_not_have_are_malformed_at_the_end():
    body = sse(partial(("$.a", {"numberValue": float("nan")}), name="f", willContinue=True), FINISHED)
    assert isinstance(read_stream("gemini", body).error, MalformedFrameError)


def test_the_counts_of_bedrock_are_read_if_there_are_no_others():
    end = {**MESSAGE_STOP, "amazon-bedrock-invocationMetrics": {"inputTokenCount": 3, "outputTokenCount": 2}}
    bare = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
    assert read_stream("anthropic", sse(block(), said("a"), closed(), bare, end)).usage == Usage(3, 2)
    assert read_stream("anthropic", sse(START, block(), said("a"), closed(), bare, end)).usage == Usage(3, 1)


def test_an_error_in_the_completed_response_is_an_error():
    for fields in ({"error": {"code": "server_error", "message": "Boo"}}, {"status": "failed"}):
        reading = read_stream("openai-responses", sse(piece("ab"), completed(**fields)))
        assert isinstance(reading.error, ProviderStreamError)
        assert reading.text == "ab"


def test_the_calls_of_a_message_are_read_once():
    call = {"index": 0, "id": "x", "function": {"name": "f", "arguments": "{}"}}
    message = {"content": None, "tool_calls": [call]}
    whole = {"choices": [{"message": message, "finish_reason": "tool_calls"}]}
    for frames in ([whole], [delta(tool_calls=[call]), {"choices": [{"delta": {}, **whole["choices"][0]}]}]):
        assert read_stream("openai", sse(*frames, DONE), strict=True).tool_calls == (ToolCall("x", "f", "{}"),)


def test_a_finish_reason_after_the_end_is_read_if_there_was_none():
    assert read_stream("openai", sse(A, DONE, STOP)).finish_reason == "stop"
    assert read_stream("openai", sse(A, delta("length"), DONE, STOP)).finish_reason == "length"


def test_two_calls_of_one_name_without_ids_are_two_calls():
    reading = read_stream("openai", sse(tool(0, None, "f", "{}"), tool(0, None, "f", '{"a":1}'), STOP, DONE))
    assert [call.arguments for call in reading.tool_calls] == ["{}", '{"a":1}']


def test_a_name_that_is_repeated_inside_of_the_arguments_starts_no_call():
    frames = [tool(0, None, "f", '{"a":'), tool(0, None, "f", "1}"), STOP, DONE]
    assert read_stream("openai", sse(*frames), strict=True).tool_calls == (ToolCall(None, "f", '{"a":1}'),)


def test_an_id_that_changes_inside_of_the_arguments_starts_no_call():
    frames = [tool(0, "x", "f", '{"a":'), tool(0, "y", "f", "1}"), STOP, DONE]
    reading = read_stream("openai", sse(*frames))
    assert reading.tool_calls == (ToolCall("x", "f", '{"a":1}'),)
    assert [deviation.kind for deviation in reading.deviations] == ["call-identity"]


def test_a_call_in_the_start_of_a_message_is_before_those_of_its_blocks():
    use = {"type": "tool_use", "id": "x", "name": "f", "input": {"a": 1}}
    start = {**START, "message": {**START["message"], "content": [use, {"type": "sparkle"}]}}
    body = sse(start, block(1, "tool_use", id="y", name="g", input={}), closed(1), END, MESSAGE_STOP)
    calls = read_stream("anthropic", body, strict=True).tool_calls
    assert calls == (ToolCall("x", "f", '{"a":1}'), ToolCall("y", "g", ""))


def test_counts_in_the_last_event_of_a_message_are_read():
    body = sse(START, block(), said("a"), closed(), END, {**MESSAGE_STOP, "usage": {"output_tokens": 9}})
    assert read_stream("anthropic", body).usage == Usage(3, 9)


def test_counts_beside_the_response_are_read():
    body = sse(piece("a"), {**completed(), "usage": {"input_tokens": 3, "output_tokens": 2}})
    assert read_stream("openai-responses", body).usage == Usage(3, 2)


def test_an_error_inside_of_a_delta_or_of_an_unknown_event_is_an_error():
    inside = sse(A, delta(content="", error={"code": 502, "message": "Boo"}))
    unknown = sse(piece("a"), event("sparkle", error={"message": "Boo"}))
    for protocol, body in (("openai", inside), ("openai-responses", unknown)):
        reading = read_stream(protocol, body)
        assert isinstance(reading.error, ProviderStreamError)
        assert (reading.error.message, reading.text) == ("Boo", "a")


def test_words_outside_of_the_frames_explain_an_empty_stream():
    reading = read_stream("openai", b"upstream gone\n\n" + DONE)
    assert isinstance(reading.error, ProviderStreamError)
    assert reading.error.message == "upstream gone"


@pytest.mark.parametrize("ident", ["x", None])
def test_pieces_that_repeat_the_name_belong_to_one_call(ident):
    pieces = [
        partial(("$.a", {"stringValue": text}), name="f", id=ident, willContinue=True) for text in ("One ", "two")
    ]
    (found,) = read_stream("gemini", sse(*pieces, partial(), FINISHED), strict=True).tool_calls
    assert found == ToolCall(ident, "f", '{"a":"One two"}')


def test_thinking_that_is_repeated_in_another_form_is_read_once():
    thought = {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "Hm."}]}
    frames = [
        event("reasoning_text.delta", output_index=0, item_id="r", delta="Hm."),
        event("output_item.done", output_index=0, item=thought),
    ]
    reading = read_stream("openai-responses", sse(*frames, completed()))
    assert reading.thinking == "Hm."
    assert [deviation.kind for deviation in reading.deviations] == ["repeated-whole"]


def test_read_stream_shows_a_body_that_is_no_bytes_in_its_error():
    with pytest.raises(InvalidArgumentError, match=r"Invalid data: 'data: x'\. It must be the raw bytes of the body"):
        read_stream("openai", "data: x")
