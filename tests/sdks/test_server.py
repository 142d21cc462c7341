"""What the clients ask a server besides for output, the other ways to the same place, and how they leave."""

import anthropic
import ollama
import openai
import pytest
from google import genai

from pytest_streamval import Script, Stall
from tests.sdks.every import EVERY
from tests.sdks.ways import MESSAGES, MODEL, PROMPT

SECONDS = 0.5  # within which a client that leaves is missed


@pytest.fixture
def server(provider_server):
    return provider_server()


def test_openai_lists_models(server):
    with openai.OpenAI(api_key="none", base_url=server.openai_url) as client:
        (model,) = client.models.list()
        assert client.models.retrieve(model.id).id == model.id == "streamval"


def test_anthropic_lists_models_and_counts_tokens(server):
    with anthropic.Anthropic(api_key="none", base_url=server.anthropic_url) as client:
        (model,) = client.models.list()
        assert model.id == "streamval"
        assert client.messages.count_tokens(model=MODEL, messages=MESSAGES).input_tokens > 0


def test_gemini_lists_models(server):
    with genai.Client(api_key="none", http_options={"base_url": server.gemini_url}) as client:
        assert [model.name for model in client.models.list()] == ["models/streamval"]


def test_ollama_lists_and_shows_models(server):
    with ollama.Client(host=server.ollama_url) as client:
        (model,) = client.list().models
        assert model.model == "streamval"
        assert "completion" in client.show("streamval").capabilities


def test_gemini_is_asked_by_either_version(provider_server):
    server = provider_server("Hello.", "Hello.")
    for version in ("v1", "v1beta"):
        options = {"base_url": server.gemini_url, "api_version": version}
        with genai.Client(api_key="none", http_options=options) as client:
            chunks = client.models.generate_content_stream(model=MODEL, contents=PROMPT)
            assert "".join(chunk.text or "" for chunk in chunks) == "Hello."
    assert [request.path.split("/")[1] for request in server.requests] == ["v1", "v1beta"]


def test_anthropic_takes_a_token_in_the_place_of_a_key(provider_server):
    server, token = provider_server("Hello."), "planted-token"
    with anthropic.Anthropic(auth_token=token, base_url=server.anthropic_url) as client:
        assert client.messages.create(model=MODEL, max_tokens=9, messages=MESSAGES).content[0].text == "Hello."
    assert token not in str(server.requests[0].headers)
    assert "authorization" in server.requests[0].headers


@pytest.mark.parametrize("way", [way for way in EVERY if way.form != "whole"], ids=str)
def test_a_client_that_leaves_is_missed(provider_server, way):
    server = provider_server(Script.of("Hello.", Stall()))
    outcome = way.listen(server, leaves=True)
    assert (outcome.error, outcome.heard.text) == (None, "Hello.")
    server.assert_client_disconnected(within=SECONDS)
    (request,) = server.requests
    assert (request.deltas_sent, request.finished) == (1, False)
