"""The official clients at every endpoint besides those for an output, and at the paths of other providers."""

import anthropic
import ollama
import openai
import pytest
from google import genai
from google.genai import types
from google.oauth2.credentials import Credentials

from pytest_streamval import Delta, RawFrame, Script, faults
from pytest_streamval.server.embeddings import made_vector
from tests.sdks.client_methods import MESSAGES, MODEL, PROMPT


def chat(client, model=MODEL):
    """Return the text of a streamed chat completion."""
    frames = client.chat.completions.create(model=model, messages=MESSAGES, stream=True)
    return "".join(frame.choices[0].delta.content or "" for frame in frames if frame.choices)


# OpenAI


def test_a_client_of_openai_uses_the_other_endpoints(provider_server):
    server = provider_server("Older.", "Older.", "Stored.")
    with openai.OpenAI(api_key="none", base_url=server.openai_url) as client:
        assert client.models.retrieve("gpt-9").id == "gpt-9"
        assert client.models.retrieve("meta/llama:8b").id == "meta/llama:8b"
        embedded = client.embeddings.create(model="e", input=["Hello.", "Bye."], dimensions=8)
        assert [item.embedding for item in embedded.data] == [made_vector("Hello.", 8), made_vector("Bye.", 8)]
        as_floats = client.embeddings.create(model="e", input="Hello.", encoding_format="float")
        assert as_floats.data[0].embedding == made_vector("Hello.", 1536)
        assert client.moderations.create(input="Hello.").results[0].flagged is False
        assert client.completions.create(model=MODEL, prompt=PROMPT).choices[0].text == "Older."
        frames = client.completions.create(model=MODEL, prompt=PROMPT, stream=True)
        assert "".join(frame.choices[0].text for frame in frames) == "Older."
        response = client.responses.create(model=MODEL, input=PROMPT)
        assert client.responses.retrieve(response.id).output_text == response.output_text == "Stored."
        events = list(client.responses.retrieve(response.id, stream=True))
        assert events[-1].response.output_text == "Stored."
        assert client.responses.input_tokens.count(model=MODEL, input=PROMPT).input_tokens > 0
        client.responses.delete(response.id)
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(response.id)


@pytest.mark.parametrize("path", ["", "/openai/v1", "/api/v1", "/inference/v1", "/v1beta/openai"])
def test_a_client_of_openai_may_use_the_prefix_of_another_provider(path, provider_server):
    server = provider_server("Hello.", "Hello.")
    with openai.OpenAI(api_key="none", base_url=f"{server.url}{path}") as client:
        assert chat(client) == "Hello."
        assert client.responses.create(model=MODEL, input=PROMPT).output_text == "Hello."
        assert [model.id for model in client.models.list()] == ["streamval"]
        assert len(client.embeddings.create(model="e", input="Hello.").data[0].embedding) == 1536


def test_a_client_of_azure_is_served(provider_server):
    server = provider_server("Hello.", "Hello.", "Hello.")
    options = {"api_key": "none", "api_version": "2026-01-01", "azure_endpoint": server.url}
    with openai.AzureOpenAI(**options) as client:
        assert chat(client, "my-deployment") == "Hello."
        assert len(client.embeddings.create(model="my-embedder", input="Hello.").data[0].embedding) == 1536
        assert client.responses.create(model="my-deployment", input=PROMPT).output_text == "Hello."
    with openai.AzureOpenAI(**options, azure_deployment="my-deployment") as client:
        assert chat(client) == "Hello."
    assert server.requests[0].path.startswith("/openai/deployments/my-deployment/chat/completions?api-version=")
    assert server.requests[0].model == "my-deployment"


def test_a_client_of_openai_reads_a_refusal(provider_server):
    script = Script.of(Delta(refusal="I cannot "), Delta(refusal="do that."))
    server = provider_server(*[script] * 4)
    with openai.OpenAI(api_key="none", base_url=server.openai_url) as client:
        whole = client.chat.completions.create(model=MODEL, messages=MESSAGES)
        assert whole.choices[0].message.refusal == "I cannot do that."
        with client.chat.completions.stream(model=MODEL, messages=MESSAGES) as stream:
            assert stream.get_final_completion().choices[0].message.refusal == "I cannot do that."
        response = client.responses.create(model=MODEL, input=PROMPT)
        assert response.output[0].content[0].refusal == "I cannot do that."
        with client.responses.stream(model=MODEL, input=PROMPT) as stream:
            assert stream.get_final_response().output[0].content[0].refusal == "I cannot do that."


def test_a_client_of_openai_reads_a_call_in_pieces_between_raw_frames(provider_server):
    script = Script.tool_call("weather", {"city": "Ulm"}, id="call_1", pieces=5)
    ping = RawFrame(b": ping\n\n")
    server = provider_server(Script.of(ping, *(step for each in script.steps for step in (each, ping))))
    with (
        openai.OpenAI(api_key="none", base_url=server.openai_url) as client,
        client.chat.completions.stream(model=MODEL, messages=MESSAGES) as stream,
    ):
        (call,) = stream.get_final_completion().choices[0].message.tool_calls
    assert (call.id, call.function.name, call.function.arguments) == ("call_1", "weather", '{"city": "Ulm"}')


@pytest.mark.parametrize("fault", [faults.retry_after_date(0), faults.retry_after_ms(0.001)], ids=str)
def test_a_client_of_openai_understands_every_form_of_the_time_to_wait(fault, provider_server):
    server = provider_server(fault, "Hello.")
    with openai.OpenAI(api_key="none", base_url=server.openai_url) as client:
        assert chat(client) == "Hello."


def test_a_path_that_is_not_served_is_an_error_of_the_client(provider_server, request):
    server = provider_server()
    request.node.add_marker(pytest.mark.streamval_allow_unplayed)
    nearest = "nearest path that is served is POST /v1/chat/completions"
    with (
        openai.OpenAI(api_key="none", base_url=f"{server.openai_url}/v1", max_retries=0) as client,
        pytest.raises(openai.NotFoundError, match=nearest),
    ):
        chat(client)
    assert len(list(server.unmet())) == 1


# Anthropic


def test_a_client_of_anthropic_uses_the_other_endpoints(provider_server):
    server = provider_server("Hello.")
    with anthropic.Anthropic(api_key="none", base_url=f"{server.url}/anthropic") as client:
        assert client.models.retrieve("claude-9").id == "claude-9"
        assert client.messages.count_tokens(model=MODEL, messages=MESSAGES).input_tokens > 0
        assert client.messages.create(model=MODEL, max_tokens=9, messages=MESSAGES).content[0].text == "Hello."


def test_a_client_of_anthropic_on_vertex_is_served(provider_server):
    server, token = provider_server("Hello.", "Hello."), "none"
    with anthropic.AnthropicVertex(
        project_id="p", region="r", access_token=token, base_url=f"{server.url}/v1"
    ) as client:
        assert client.messages.create(model="claude", max_tokens=9, messages=MESSAGES).content[0].text == "Hello."
        with client.messages.stream(model="claude", max_tokens=9, messages=MESSAGES) as stream:
            assert stream.get_final_text() == "Hello."
    assert {request.model for request in server.requests} == {"claude"}


# Gemini


def test_a_client_of_gemini_uses_the_other_endpoints(provider_server):
    server = provider_server()
    with genai.Client(api_key="none", http_options={"base_url": server.gemini_url}) as client:
        assert client.models.get(model="gemini-9").name == "models/gemini-9"
        assert client.models.count_tokens(model=MODEL, contents=PROMPT).total_tokens > 0
        config = types.EmbedContentConfig(output_dimensionality=8)
        found = client.models.embed_content(model="e", contents=["Hello.", "Bye."], config=config)
        assert [each.values for each in found.embeddings] == [made_vector("Hello.", 8), made_vector("Bye.", 8)]


def test_a_client_of_vertex_is_served(provider_server):
    server = provider_server("Hello.", "Hello.")
    with genai.Client(
        vertexai=True,
        project="p",
        location="l",
        credentials=Credentials("none"),
        http_options={"base_url": server.gemini_url},
    ) as client:
        chunks = client.models.generate_content_stream(model="gemini-9", contents=PROMPT)
        assert "".join(chunk.text or "" for chunk in chunks) == "Hello."
        assert client.models.generate_content(model="gemini-9", contents=PROMPT).text == "Hello."
        assert client.models.count_tokens(model="gemini-9", contents=PROMPT).total_tokens > 0
        found = client.models.embed_content(model="text-embedding-005", contents="Hello.")
        assert found.embeddings[0].values == made_vector("Hello.", 3072)
    assert {request.model for request in server.requests} >= {"gemini-9"}


# Ollama


def test_a_client_of_ollama_uses_the_other_endpoints(provider_server):
    server = provider_server()
    with ollama.Client(host=server.ollama_url) as client:
        assert [model.model for model in client.ps().models] == ["streamval"]
        assert client.pull("anything").status == "success"
        assert [step.status for step in client.pull("anything", stream=True)][-1] == "success"
        assert client.show("anything").capabilities
        assert list(client.embed("e", "Hello.", dimensions=4).embeddings[0]) == made_vector("Hello.", 4)
        assert list(client.embeddings("e", "Hello.").embedding) == made_vector("Hello.", 768)


def test_stored_responses_are_used_with_the_official_client(provider_server):
    server = provider_server("One.", "Two.", strict=True)
    with openai.OpenAI(base_url=server.openai_url, api_key="none", max_retries=0) as client:
        first = client.responses.create(model="m", input="Hi", background=True)
        assert client.responses.cancel(first.id).status == "completed"
        (item,) = client.responses.input_items.list(first.id)
        assert item.content[0].text == "Hi"
        second = client.responses.create(model="m", input="Go.", previous_response_id=first.id)
        with pytest.raises(openai.BadRequestError, match="synchronous"):
            client.responses.cancel(second.id)
        client.responses.delete(first.id)
        with pytest.raises(openai.BadRequestError) as caught:
            client.responses.create(model="m", input="Go.", previous_response_id=first.id)
    assert caught.value.code == "previous_response_not_found"


def test_stored_completions_are_used_with_the_official_client(provider_server):
    server = provider_server("One.", "Two.", "Three.", strict=True)
    with openai.OpenAI(base_url=server.openai_url, api_key="none", max_retries=0) as client:
        completions = client.chat.completions
        first = completions.create(model="m", messages=MESSAGES, store=True, metadata={"user": "ann"})
        frames = list(completions.create(model="n", messages=MESSAGES, store=True, stream=True))
        unstored = completions.create(model="m", messages=MESSAGES)
        found = completions.retrieve(first.id)
        assert (found.choices, found.usage, found.metadata) == (first.choices, first.usage, {"user": "ann"})
        assert completions.retrieve(frames[0].id).choices[0].message.content == "Two."
        assert [each.id for each in completions.list(limit=1)] == [first.id, frames[0].id]
        assert [each.id for each in completions.list(metadata={"user": "ann"})] == [first.id]
        assert [each.id for each in completions.list(model="n")] == [frames[0].id]
        assert completions.update(first.id, metadata={"user": "bob"}).metadata == {"user": "bob"}
        messages = completions.messages.list(first.id, limit=1)
        assert [each.content for each in messages] == [message["content"] for message in MESSAGES]
        with pytest.raises(openai.BadRequestError, match="maximum length 512"):
            completions.update(first.id, metadata={"user": "x" * 513})
        assert completions.delete(first.id).deleted
        for ident in (first.id, unstored.id):
            with pytest.raises(openai.NotFoundError, match="not found"):
                completions.retrieve(ident)
        with pytest.raises(openai.BadRequestError, match="only allowed when 'store' is enabled"):
            completions.create(model="m", messages=MESSAGES, metadata={"user": "ann"})
