"""What an encoder refuses, and that it says why."""

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
    "a call that goes on after another": (
        "anthropic openai-responses",
        [*PIECES[:1], fragment("{}", 1, "y", "g"), PIECES[1]],
        "s follow each other",
    ),
    "a call that goes on after text": (
        "anthropic openai-responses",
        [PIECES[0], "a", PIECES[1]],
        "of this call has ended.",
    ),
    "a call that goes on after it went out": (
        "gemini ollama",
        [*PIECES, "a", fragment("1")],
        "a call is sent complete, and this one has been sent already.",
    ),
    "arguments that are no JSON": (
        "gemini ollama",
        [PIECES[0], "a"],
        "the arguments must be a complete JSON object.",
    ),
    "arguments that are no object": ("gemini ollama", [fragment("[]", 0, "x", "f"), "a"], "a complete JSON object"),
    "arguments without end": (
        "gemini ollama",
        [fragment('{"a":' * 99_999, 0, "x", "f"), "a"],
        "a complete JSON object",
    ),
    "arguments that no JSON holds": (
        "gemini ollama",
        [fragment('{"a": NaN}', 0, "x", "f")],
        "it must be valid JSON in UTF-8 (Out of range",
    ),
}
REFUSED = [
    pytest.param(protocol, deltas, rule, id=f"{name}-{protocol}")
    for name, (names, deltas, rule) in UNENCODABLE.items()
    for protocol in names.split()
]


@pytest.mark.parametrize(("protocol", "deltas", "rule"), REFUSED)
def test_what_a_protocol_cannot_carry_is_refused(protocol, deltas, rule):
    one = encoder(protocol)
    *before, last = deltas
    for delta in before:
        one.encode(delta)
    with pytest.raises(UnencodableDeltaError) as caught:
        one.encode(last)
    assert caught.value.protocol == protocol
    assert rule in str(caught.value)
    for more in (one.begin, one.finish, partial(one.encode, "a"), partial(one.fail, "k", "m")):
        with pytest.raises(UnencodableDeltaError, match=r"the stream ended with an error, and nothing can follow"):
            more()


@pytest.mark.parametrize("protocol", ["gemini", "ollama"])
def test_a_call_that_went_out_takes_no_more_arguments(protocol):
    one = encoder(protocol)
    one.encode(fragment("{}", 0, "x", "f"))
    one.encode(fragment("", 0, "x", "f"))
    with pytest.raises(UnencodableDeltaError, match="a call is sent complete, and this one has been sent already"):
        one.encode(fragment("{}"))


@pytest.mark.parametrize("protocol", ["gemini", "ollama"])
def test_a_call_that_is_not_whole_at_the_end_is_refused(protocol):
    one = encoder(protocol)
    one.encode(PIECES[0])
    with pytest.raises(UnencodableDeltaError, match="the arguments must be a complete JSON object"):
        one.finish()


@pytest.mark.parametrize("answered", ["stream", "whole"])
def test_ollamas_generate_has_no_tool_calls(answered):
    generate = ADAPTERS["ollama"].encoder(ParsedRequest("m", endpoint="generate"))
    with pytest.raises(UnencodableDeltaError, match="/api/generate has no tool calls, but /api/chat has"):
        generate.encode(CALL) if answered == "stream" else generate.encode_answer(Answer.of([CALL]))


@protocols
@pytest.mark.parametrize("delta", [b"a", None, 5], ids=str)
def test_what_is_no_delta_is_refused(protocol, delta):
    one = encoder(protocol)
    with pytest.raises(InvalidDeltaError, match="A delta is a str or a Delta, not"):
        one.encode(delta)
    assert one.encode("a")


ENDINGS = {
    "finish": (lambda one: one.finish(), "the stream is finished"),
    "fail": (lambda one: one.fail("k", "m"), "the stream has failed"),
    "whole": (lambda one: one.encode_answer(Answer()), "the stream is answered"),
}


@protocols
@pytest.mark.parametrize(("end", "state"), ENDINGS.values(), ids=ENDINGS)
def test_nothing_comes_after_the_end(protocol, end, state):
    one = encoder(protocol)
    end(one)
    for again, _ in ENDINGS.values():
        with pytest.raises(UnencodableDeltaError, match=f"{state}, and nothing can follow"):
            again(one)


@protocols
def test_a_stream_that_has_begun_cannot_become_a_whole_answer(protocol):
    one = encoder(protocol)
    one.encode("a")
    with pytest.raises(UnencodableDeltaError, match="the stream has started, and nothing can follow"):
        one.encode_answer(Answer("a"))
