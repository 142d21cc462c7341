"""Errors of a script: all clients raise their own errors, with the kind and the words of the script."""

import anthropic
import ollama
import openai
import pytest
from google.genai import errors

from pytest_streamval import Delta, ProviderStatusError, ProviderStreamError, Raise, Script, faults
from tests.sdks.all_methods import OFFICIAL

KINDS = {
    "openai": "rate_limit_exceeded",
    "openai-responses": "server_is_overloaded",
    "anthropic": "overloaded_error",
    "gemini": "UNAVAILABLE",
    "ollama": "overloaded",
}
WORDS = "Too busy, come back."
every_method = pytest.mark.parametrize("method", OFFICIAL, ids=str)


def kinds_in(error):
    """Return the names of an error that its client has."""
    match error:
        case openai.APIError():
            return {error.type, error.code}
        case anthropic.APIStatusError():
            return {error.body["error"]["type"]}
        case errors.APIError():
            return {error.status}
        case ollama.ResponseError():
            return {KINDS["ollama"]}  # the protocol has no field for it
    raise AssertionError(error)


@pytest.mark.parametrize("before", [[], ["Hel", "lo"]], ids=["first", "in the middle"])
@every_method
def test_a_client_receives_the_kind_and_the_words_of_an_error(provider_server, method, before):
    kind = KINDS[method.protocol]
    script = Script.of(*before, Raise(ProviderStreamError(method.protocol, kind, WORDS)))
    outcome = method.call(provider_server(script))
    assert kind in kinds_in(outcome.error)
    assert WORDS in str(outcome.error)
    assert outcome.received.text == ("" if method.form == "whole" else "".join(before))


@pytest.mark.parametrize("status", [429, 529])
@every_method
def test_a_client_receives_the_status_of_an_error(provider_server, method, status):
    outcome = method.call(provider_server(Script.of(Raise(ProviderStatusError("a provider", "", status, WORDS)))))
    error = outcome.error
    found = error.code if isinstance(error, errors.APIError) else error.status_code
    assert (found, WORDS in str(error)) == (status, True)


@every_method
def test_a_client_raises_for_a_status_after_the_first_delta(provider_server, method):
    error = ProviderStatusError("a provider", "", 429, WORDS)
    outcome = method.call(provider_server(Script.of("Hel", Delta("lo"), Raise(error))))
    assert WORDS in str(outcome.error)
    assert kinds_in(outcome.error) & {"rate_limit_error", "RESOURCE_EXHAUSTED", KINDS["ollama"]}


OVERLOADS = {
    "openai": (503, "server_is_overloaded"),
    "openai-responses": (503, "server_is_overloaded"),
    "anthropic": (529, "overloaded_error"),
    "gemini": (503, "UNAVAILABLE"),
    "ollama": (503, KINDS["ollama"]),
}


@every_method
def test_a_client_receives_the_overload_of_its_provider(provider_server, method):
    error = method.call(provider_server(faults.overloaded())).error
    status, kind = OVERLOADS[method.protocol]
    assert (error.code if isinstance(error, errors.APIError) else error.status_code) == status
    assert kind in kinds_in(error)
