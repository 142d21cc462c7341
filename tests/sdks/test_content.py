"""One script: all clients receive the same output, streamed or not."""

from dataclasses import replace

import anthropic
import ollama
import openai
import pytest
from google.genai import errors

from pytest_streamval import Delta, Raise, Script, ToolCallDelta, Usage
from tests.sdks.all_methods import ALL, OFFICIAL
from tests.sdks.client_methods import MESSAGES
from tests.sdks.openai_methods import METHODS
from tests.sdks.received import ToolUse

TEXT = "Hel\u2028lo \x85\U0001f34e\r\n\n“Bye.”\x0b"
WORDS = list(map(Delta, TEXT))
THOUGHTS = [Delta(thinking="Hm, "), Delta(thinking="\u2029well.")]
CALLS = [
    Delta(tool_calls=(ToolCallDelta(0, "a", "weather", '{"city": '),)),
    Delta(tool_calls=(ToolCallDelta(0, arguments='"Ödenburg"}'),)),
    Delta(tool_calls=(ToolCallDelta(1, "b", "time", '{"zone":[1,null]}'),)),
    Delta(tool_calls=(ToolCallDelta(2, "c", "now", "{}"),)),
]
CALLED = [
    ToolUse("weather", {"city": "Ödenburg"}),
    ToolUse("time", {"zone": [1, None]}),
    ToolUse("now", {}),
]
SCRIPTS = {
    "text": (WORDS, TEXT, "", []),
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

every_method = pytest.mark.parametrize("method", ALL, ids=str)


def receive(method, server):
    """Return the output that a client receives, or raise its error."""
    outcome = method.call(server)
    if outcome.error is not None:
        raise outcome.error
    return outcome.received


@pytest.mark.parametrize(
    ("method", "name"),
    # The endpoint for a bare prompt has no tools.
    [
        (method, name)
        for method in ALL
        for name in SCRIPTS
        if not (method.name.startswith("generate(") and SCRIPTS[name][3])
    ],
    ids=str,
)
def test_a_client_receives_a_script_as_it_was_written(provider_server, method, name):
    deltas, text, thinking, calls = SCRIPTS[name]
    found = receive(method, provider_server(Script.of(*deltas)))
    assert (found.text, found.thinking, found.calls) == (text, thinking, calls)
    assert found.reason == STOPPED[method.protocol][bool(calls)]


@every_method
def test_a_client_receives_the_usage_and_the_finish_reason_of_a_script(provider_server, method):
    found = receive(method, provider_server(Script.of(*COUNTED)))
    assert (found.text, found.usage, found.reason) == (TEXT, (11, 22), STOPPED[method.protocol][0])


@every_method
def test_a_client_receives_an_estimate_of_the_usage(provider_server, method):
    prompt, output = receive(method, provider_server(TEXT)).usage
    assert prompt > 0
    assert output > 0


# The errors of OpenAI's helpers for an incomplete output.
INCOMPLETE = {
    "chat.completions.stream()": openai.LengthFinishReasonError,
    "responses.stream()": RuntimeError,
}


@every_method
def test_a_client_receives_the_finish_reason_of_an_incomplete_output(provider_server, method):
    outcome = method.call(provider_server(Script.of(*WORDS, finish_reason="length")))
    assert (outcome.received.text, outcome.received.reason) == (TEXT, CUT_OFF[method.protocol])
    assert type(outcome.error) is INCOMPLETE.get(method.name, type(None))


@every_method
def test_a_server_has_the_request_of_a_client_and_the_deltas_that_it_sent(provider_server, method):
    server = provider_server(Script.of(*WORDS))
    receive(method, server)
    (request,) = server.requests
    assert "Go." in str(request.body)
    assert request.deltas_sent == len(WORDS)
    assert not request.client_disconnected


@pytest.mark.parametrize("cut", ["chars", "7"])
@pytest.mark.parametrize("method", [method for method in ALL if method.form == "stream"], ids=str)
def test_a_client_receives_the_same_under_every_cut(provider_server, method, cut):
    found = receive(method, provider_server(Script.of(*THOUGHTS, *COUNTED), cut=cut))
    assert (found.text, found.thinking, found.usage) == (TEXT, "Hm, \u2029well.", (11, 22))
    assert found.reason == STOPPED[method.protocol][0]


@every_method
def test_a_client_receives_the_same_through_a_proxy_and_from_its_recording(provider_server, tmp_path, method):
    provider = provider_server(Script.of(*THOUGHTS, *COUNTED))
    between = provider_server(upstream=provider.url, cassettes=tmp_path)
    forwarded = receive(method, between)
    assert (forwarded.text, forwarded.thinking, forwarded.usage) == (TEXT, "Hm, \u2029well.", (11, 22))
    provider.close()
    assert receive(method, provider_server(cassettes=tmp_path)).content == forwarded.content


FAILURES = {
    "openai": openai.APIError,
    "anthropic": anthropic.APIStatusError,
    "google-genai": errors.APIError,
    "ollama": ollama.ResponseError,
}


@pytest.mark.parametrize("before", [[], WORDS], ids=["first", "in the middle"])
@pytest.mark.parametrize("method", OFFICIAL, ids=str)
def test_a_client_raises_its_own_error_for_an_error_in_a_script(provider_server, method, before):
    outcome = method.call(provider_server(Script.of(*before, Raise(RuntimeError("Too busy.")))))
    assert isinstance(outcome.error, FAILURES[method.sdk])
    assert "Too busy." in str(outcome.error)
    assert outcome.received.text == ("" if method.form == "whole" or not before else TEXT)


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(("steps", "usage"), [(WORDS, None), (COUNTED, (11, 22))], ids=["estimated", "stated"])
def test_a_client_of_openai_receives_usage_that_it_did_not_request_only_if_it_is_stated(
    provider_server, is_async, steps, usage
):
    server = provider_server(Script.of(*steps))
    name = "chat.completions.create(stream=True)"
    (method,) = [method for method in METHODS if (method.name, method.is_async) == (name, is_async)]
    options = {"model": "m", "messages": MESSAGES, "stream": True}
    found = receive(replace(method, ask=lambda client: client.chat.completions.create(**options)), server)
    assert (found.text, found.usage) == (TEXT, usage)
