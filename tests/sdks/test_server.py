"""The server: its other paths, other versions of an API, and clients that leave."""

import anthropic
import ollama
import openai
import pytest
from google import genai

from pytest_streamval import Script, Stall
from tests.sdks.all_methods import ALL
from tests.sdks.client_methods import MESSAGES, MODEL, PROMPT

SECONDS = 0.5  # until the server must notice a client that leaves


@pytest.fixture
def server(provider_server):
    return provider_server()


def test_a_client_of_openai_lists_models(server):
    with openai.OpenAI(api_key="none", base_url=server.openai_url) as client:
        (model,) = client.models.list()
        assert client.models.retrieve(model.id).id == model.id == "streamval"


def test_a_client_of_anthropic_lists_models_and_counts_tokens(server):
    with anthropic.Anthropic(api_key="none", base_url=server.anthropic_url) as client:
        (model,) = client.models.list()
        assert model.id == "streamval"
        assert client.messages.count_tokens(model=MODEL, messages=MESSAGES).input_tokens > 0


def test_a_client_of_gemini_lists_models(server):
    with genai.Client(api_key="none", http_options={"base_url": server.gemini_url}) as client:
        assert [model.name for model in client.models.list()] == ["models/streamval"]


def test_a_client_of_ollama_lists_and_shows_models(server):
    with ollama.Client(host=server.ollama_url) as client:
        (model,) = client.list().models
        assert model.model == "streamval"
        assert "completion" in client.show("streamval").capabilities


def test_a_client_of_gemini_may_use_either_version_of_the_api(provider_server):
    server = provider_server("Hello.", "Hello.")
    for version in ("v1", "v1beta"):
        options = {"base_url": server.gemini_url, "api_version": version}
        with genai.Client(api_key="none", http_options=options) as client:
            chunks = client.models.generate_content_stream(model=MODEL, contents=PROMPT)
            assert "".join(chunk.text or "" for chunk in chunks) == "Hello."
    assert [request.path.split("/")[1] for request in server.requests] == ["v1", "v1beta"]


def test_a_client_of_anthropic_may_use_a_token(provider_server):
    server, token = provider_server("Hello."), "planted-token"
    with anthropic.Anthropic(auth_token=token, base_url=server.anthropic_url) as client:
        assert client.messages.create(model=MODEL, max_tokens=9, messages=MESSAGES).content[0].text == "Hello."
    assert token not in str(server.requests[0].headers)
    assert "authorization" in server.requests[0].headers


@pytest.mark.parametrize("method", [method for method in ALL if method.form != "whole"], ids=str)
def test_a_server_notices_a_client_that_leaves(provider_server, method):
    server = provider_server(Script.of("Hello.", Stall()))
    outcome = method.call(server, leaves=True)
    assert (outcome.error, outcome.received.text) == (None, "Hello.")
    server.assert_client_disconnected(within=SECONDS)
    (request,) = server.requests
    assert (request.deltas_sent, request.finished) == (1, False)
