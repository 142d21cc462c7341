"""One script is heard alike by every client, streamed or whole, and in the protocol's own words."""

from dataclasses import replace

import anthropic
import ollama
import openai
import pytest
from google.genai import errors

from pytest_streamval import Delta, Raise, Script, ToolCallDelta, Usage
from tests.sdks.every import EVERY, OFFICIAL
from tests.sdks.heard import Call
from tests.sdks.openai_ways import WAYS
from tests.sdks.ways import MESSAGES

TEXT = "Hel\u2028lo \x85\U0001f34e\r\n\n“Bye.”\x0b"
WORDS = list(map(Delta, TEXT))
THOUGHTS = [Delta(thinking="Hm, "), Delta(thinking="\u2029well.")]
CALLS = [
    Delta(tool_calls=(ToolCallDelta(0, "a", "weather", '{"city": '),)),
    Delta(tool_calls=(ToolCallDelta(0, arguments='"Ödenburg"}'),)),
    Delta(tool_calls=(ToolCallDelta(1, "b", "time", '{"zone":[1,null]}'),)),
    Delta(tool_calls=(ToolCallDelta(2, "c", "now", "{}"),)),
]
CALLED = [Call("weather", {"city": "Ödenburg"}), Call("time", {"zone": [1, None]}), Call("now", {})]
SCRIPTS = {
    "text": (WORDS, TEXT, "", []),
    "thinking": ([*THOUGHTS, *WORDS], TEXT, "Hm, \u2029well.", []),
    "tool calls": ([*WORDS, *CALLS], TEXT, "", CALLED),
    "tool calls alone": (CALLS, "", "", CALLED),
    "everything": ([*THOUGHTS, *CALLS, *WORDS], TEXT, "Hm, \u2029well.", CALLED),
}
STOPPED = {
    "openai": ("stop", "tool_calls"),
    "openai-responses": ("completed", "completed"),
    "anthropic": ("end_turn", "tool_use"),
    "gemini": ("STOP", "STOP"),
    "ollama": ("stop", "stop"),
}
CUT_OFF = {
    "openai": "length",
    "openai-responses": "max_output_tokens",
    "anthropic": "max_tokens",
    "gemini": "MAX_TOKENS",
    "ollama": "length",
}
COUNTED = [Delta(usage=Usage(11, 0)), *WORDS, Delta(usage=Usage(11, 22), finish_reason="stop")]

ways = pytest.mark.parametrize("way", EVERY, ids=str)


def heard(way, server):
    """What a client heard of an answer that nothing was wrong with."""
    outcome = way.listen(server)
    if outcome.error is not None:
        raise outcome.error
    return outcome.heard


@pytest.mark.parametrize(
    ("way", "name"),
    # The endpoint for a bare prompt has no tools.
    [(way, name) for way in EVERY for name in SCRIPTS if not (way.method.startswith("generate(") and SCRIPTS[name][3])],
    ids=str,
)
def test_a_script_is_heard_as_it_was_written(provider_server, way, name):
    deltas, text, thinking, calls = SCRIPTS[name]
    found = heard(way, provider_server(Script.of(*deltas)))
    assert (found.text, found.thinking, found.calls) == (text, thinking, calls)
    assert found.reason == STOPPED[way.protocol][bool(calls)]


@ways
def test_counts_and_the_reason_are_those_of_the_script(provider_server, way):
    found = heard(way, provider_server(Script.of(*COUNTED)))
    assert (found.text, found.usage, found.reason) == (TEXT, (11, 22), STOPPED[way.protocol][0])


@ways
def test_a_script_without_counts_is_given_some(provider_server, way):
    prompt, output = heard(way, provider_server(TEXT)).usage
    assert prompt > 0
    assert output > 0


# What the helpers of OpenAI make of an answer that was cut off: the one has an error for it, the other misses its end.
NOT_AN_ANSWER = {
    "chat.completions.stream()": openai.LengthFinishReasonError,
    "responses.stream()": RuntimeError,
}


@ways
def test_an_answer_that_was_cut_off_says_so(provider_server, way):
    outcome = way.listen(provider_server(Script.of(*WORDS, finish_reason="length")))
    assert (outcome.heard.text, outcome.heard.reason) == (TEXT, CUT_OFF[way.protocol])
    assert type(outcome.error) is NOT_AN_ANSWER.get(way.method, type(None))


@ways
def test_the_server_knows_what_it_was_asked_and_that_it_sent_everything(provider_server, way):
    server = provider_server(Script.of(*WORDS))
    heard(way, server)
    (request,) = server.requests
    assert "Go." in str(request.body)
    assert request.deltas_sent == len(WORDS)
    assert not request.client_disconnected


@pytest.mark.parametrize("cut", ["whole", "chars", "words", "7"])
@pytest.mark.parametrize("way", [way for way in EVERY if way.form == "stream"], ids=str)
def test_wherever_a_stream_is_cut_the_same_is_heard(provider_server, way, cut):
    found = heard(way, provider_server(Script.of(*THOUGHTS, *COUNTED), cut=cut))
    assert (found.text, found.thinking, found.usage) == (TEXT, "Hm, \u2029well.", (11, 22))
    assert found.reason == STOPPED[way.protocol][0]


@ways
def test_what_a_server_in_between_passes_on_is_heard_and_replayed(provider_server, tmp_path, way):
    provider = provider_server(Script.of(*THOUGHTS, *COUNTED))
    between = provider_server(upstream=provider.url, cassettes=tmp_path)
    passed_on = heard(way, between)
    assert (passed_on.text, passed_on.thinking, passed_on.usage) == (TEXT, "Hm, \u2029well.", (11, 22))
    provider.close()
    assert heard(way, provider_server(cassettes=tmp_path)).content == passed_on.content


FAILURES = {
    "openai": openai.APIError,
    "anthropic": anthropic.APIStatusError,
    "google-genai": errors.APIError,
    "ollama": ollama.ResponseError,
}


@pytest.mark.parametrize("before", [[], WORDS], ids=["first", "in the middle"])
@pytest.mark.parametrize("way", OFFICIAL, ids=str)
def test_an_error_in_a_script_is_one_of_the_client(provider_server, way, before):
    outcome = way.listen(provider_server(Script.of(*before, Raise(RuntimeError("Too busy.")))))
    assert isinstance(outcome.error, FAILURES[way.sdk])
    assert "Too busy." in str(outcome.error)
    assert outcome.heard.text == ("" if way.form == "whole" or not before else TEXT)


@pytest.mark.parametrize("is_async", [False, True])
def test_openai_sends_no_counts_that_were_not_asked_for(provider_server, is_async):
    server = provider_server(Script.of(*COUNTED))
    method = "chat.completions.create(stream=True)"
    (way,) = [way for way in WAYS if (way.method, way.is_async) == (method, is_async)]
    options = {"model": "m", "messages": MESSAGES, "stream": True}
    found = heard(replace(way, ask=lambda client: client.chat.completions.create(**options)), server)
    assert (found.text, found.usage) == (TEXT, None)
