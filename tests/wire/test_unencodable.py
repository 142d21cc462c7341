"""The deltas that an encoder refuses, and the messages."""

from functools import partial

import pytest

from pytest_streamval.errors import InvalidDeltaError, UnencodableDeltaError
from pytest_streamval.model import Delta, ToolCallDelta, Usage
from pytest_streamval.wire import ADAPTERS, Answer, ParsedRequest

protocols = pytest.mark.parametrize("protocol", ADAPTERS)


def encoder(protocol):
    return ADAPTERS[protocol].encoder(ParsedRequest("m"))


def fragment(arguments="", index=0, ident=None, name=None):
    return Delta(tool_calls=(ToolCallDelta(index, ident, name, arguments),))


CALL = fragment("{}", 0, "x", "f")
PIECES = [fragment('{"a"', 0, "x", "f"), fragment(":1}", 0, "x", "f")]
NAMELESS = "the first fragment of a tool call must name the tool."
EVERY = "openai openai-responses anthropic gemini ollama"
UNENCODABLE = {
    "a call without a name": (EVERY, [fragment("{}", 0, "x")], NAMELESS),
    "a call with another id": (
        EVERY,
        [fragment("", 0, "x", "f"), fragment("{}", 0, "y")],
        "the call with this index is f with the id x.",
    ),
    "a call with another name": (
        EVERY,
        [fragment("", 0, "x", "f"), fragment("{}", 0, None, "g")],
        "the call with this index is f with the id x.",
    ),
    "half a character": (EVERY, ["\ud83d"], "it must be valid JSON in UTF-8 ('utf-8' codec"),
    "bytes": (EVERY, [Delta(b"a")], "it must be valid JSON in UTF-8 (Object of type bytes"),
    "a count below 0": (EVERY, [Delta(usage=Usage(-1))], "a count must be 0 or more."),
    "a call that continues after another": (
        "anthropic openai-responses",
        [*PIECES[:1], fragment("{}", 1, "y", "g"), PIECES[1]],
        "s follow each other",
    ),
    "a call that continues after text": (
        "anthropic openai-responses",
        [PIECES[0], "a", PIECES[1]],
        "of this call has ended.",
    ),
    "a call that continues after it was sent": (
        "gemini ollama",
        [*PIECES, "a", fragment("1")],
        "a call is sent complete, and this one has been sent already.",
    ),
    "arguments that are not JSON": (
        "gemini ollama",
        [PIECES[0], "a"],
        "the arguments must be a complete JSON object.",
    ),
    "arguments that are not an object": ("gemini ollama", [fragment("[]", 0, "x", "f"), "a"], "a complete JSON object"),
    "arguments without end": (
        "gemini ollama",
        [fragment('{"a":' * 99_999, 0, "x", "f"), "a"],
        "a complete JSON object",
    ),
    "arguments that JSON does not have": (
        "gemini ollama",
        [fragment('{"a": NaN}', 0, "x", "f")],
        "it must be valid JSON in UTF-8 (Out of range",
    ),
}


@pytest.mark.parametrize(("names", "deltas", "rule"), UNENCODABLE.values(), ids=UNENCODABLE)
def test_an_encoder_refuses_a_delta_that_its_protocol_cannot_express(names, deltas, rule):
    *before, last = deltas
    for protocol in names.split():
        one = encoder(protocol)
        for delta in before:
            one.encode(delta)
        with pytest.raises(UnencodableDeltaError) as caught:
            one.encode(last)
        assert caught.value.protocol == protocol
        assert rule in str(caught.value)
        for more in (one.begin, one.finish, partial(one.encode, "a"), partial(one.fail, "k", "m")):
            with pytest.raises(UnencodableDeltaError, match="the stream ended with an error, and nothing can follow"):
                more()


@pytest.mark.parametrize("protocol", ["gemini", "ollama"])
def test_an_encoder_refuses_arguments_for_a_call_that_has_been_sent(protocol):
    one = encoder(protocol)
    one.encode(fragment("{}", 0, "x", "f"))
    one.encode(fragment("", 0, "x", "f"))
    with pytest.raises(UnencodableDeltaError, match="a call is sent complete, and this one has been sent already"):
        one.encode(fragment("{}"))


@pytest.mark.parametrize("protocol", ["gemini", "ollama"])
def test_an_encoder_refuses_an_incomplete_call_at_the_end(protocol):
    one = encoder(protocol)
    one.encode(PIECES[0])
    with pytest.raises(UnencodableDeltaError, match="the arguments must be a complete JSON object"):
        one.finish()


def test_ollamas_generate_endpoint_has_no_tool_calls():
    for encode in (lambda one: one.encode(CALL), lambda one: one.encode_answer(Answer.of([CALL]))):
        generate = ADAPTERS["ollama"].encoder(ParsedRequest("m", endpoint="generate"))
        with pytest.raises(UnencodableDeltaError, match="/api/generate has no tool calls, but /api/chat has"):
            encode(generate)


@protocols
def test_an_encoder_refuses_an_object_that_is_not_a_delta(protocol):
    one = encoder(protocol)
    for value in (b"a", None, 5):
        with pytest.raises(InvalidDeltaError):
            one.encode(value)
    assert one.encode("a")


ENDINGS = {
    "finish": (lambda one: one.finish(), "the stream is finished"),
    "fail": (lambda one: one.fail("k", "m"), "the stream has failed"),
    "whole": (lambda one: one.encode_answer(Answer()), "the stream is answered"),
}


@protocols
def test_an_encoder_encodes_nothing_after_its_end(protocol):
    for end, state in ENDINGS.values():
        one = encoder(protocol)
        end(one)
        for again, _ in ENDINGS.values():
            with pytest.raises(UnencodableDeltaError, match=f"{state}, and nothing can follow"):
                again(one)


@protocols
def test_an_encoder_with_a_started_stream_encodes_no_complete_answer(protocol):
    one = encoder(protocol)
    one.encode("a")
    with pytest.raises(UnencodableDeltaError, match="the stream has started, and nothing can follow"):
        one.encode_answer(Answer("a"))
