"""Thinking in two turns, refusals and details: what the clients read, and what they send back."""

import anthropic
import openai
import pytest
from google import genai

from pytest_streamval import Delta, Script, ToolCallDelta, Usage
from tests.sdks.client_methods import MESSAGES

CALL = Delta(tool_calls=(ToolCallDelta(0, "call_1", "look", '{"at":1}'),))
THINKING = Script.of(Delta(thinking="Hm, "), Delta(thinking="well."), CALL)
TOOL = {"type": "function", "name": "look", "parameters": {"type": "object", "properties": {}}, "strict": True}


def claude(server):
    return anthropic.Anthropic(api_key="none", base_url=server.anthropic_url, max_retries=0)


def gpt(server):
    return openai.OpenAI(api_key="none", base_url=server.openai_url, max_retries=0)


def gemini(server):
    return genai.Client(api_key="none", http_options={"base_url": server.gemini_url})


@pytest.mark.parametrize("streams", [True, False])
def test_anthropics_client_sends_the_signature_back(provider_server, streams):
    server = provider_server(THINKING, "Done.")
    with claude(server) as client:
        if streams:
            with client.messages.stream(model="m", max_tokens=99, messages=MESSAGES) as stream:
                message = stream.get_final_message()
        else:
            message = client.messages.create(model="m", max_tokens=99, messages=MESSAGES)
            assert message._request_id == "req_1"
        result = {"type": "tool_result", "tool_use_id": "call_1", "content": "5"}
        turns = [*MESSAGES, {"role": "assistant", "content": message.content}, {"role": "user", "content": [result]}]
        client.messages.create(model="m", max_tokens=99, messages=turns)
    thought, call = server.requests[1].body["messages"][1]["content"]
    assert thought["thinking"] == "Hm, well."
    assert thought["signature"] == message.content[0].signature != ""
    assert call["id"] == "call_1"


def test_anthropics_client_reads_redacted_thinking(provider_server):
    server = provider_server(Script.of(Delta(redacted="b3Bh"), "Yes."))
    with claude(server) as client, client.messages.stream(model="m", max_tokens=99, messages=MESSAGES) as stream:
        blocks = stream.get_final_message().content
    assert [(block.type, getattr(block, "data", "")) for block in blocks] == [
        ("redacted_thinking", "b3Bh"),
        ("text", ""),
    ]


@pytest.mark.parametrize("streams", [True, False])
def test_geminis_client_sends_the_signature_back(provider_server, streams):
    server = provider_server(THINKING, "Done.")
    with gemini(server) as client:
        if streams:
            chunks = list(client.models.generate_content_stream(model="m", contents="Go."))
            contents = [chunk.candidates[0].content for chunk in chunks if chunk.candidates]
            parts = [part for content in contents if content for part in content.parts or []]
        else:
            parts = client.models.generate_content(model="m", contents="Go.").candidates[0].content.parts
        (call,) = [part for part in parts if part.function_call]
        assert len(call.thought_signature) > 50
        result = genai.types.Part.from_function_response(name="look", response={"result": "5"})
        turns = [genai.types.Content(role=role, parts=each) for role, each in (("model", parts), ("user", [result]))]
        client.models.generate_content(model="m", contents=turns)
    sent = server.requests[1].body["contents"][0]["parts"]
    assert [bool(part.get("thoughtSignature")) for part in sent if "functionCall" in part] == [True]
    assert server.requests[1].prompt == "5"


@pytest.mark.parametrize("streams", [True, False])
def test_openais_client_sends_the_encrypted_reasoning_back(provider_server, streams):
    server = provider_server(THINKING, "Done.")
    options = {"model": "m", "include": ["reasoning.encrypted_content"], "tools": [TOOL], "temperature": 0.5}
    with gpt(server) as client:
        if streams:
            with client.responses.stream(input="Go.", **options) as stream:
                list(stream)
                response = stream.get_final_response()
        else:
            response = client.responses.create(input="Go.", **options)
            assert response._request_id == "req_1"
        assert (response.temperature, response.tools[0].name, response.store) == (0.5, "look", True)
        reasoning, call = response.output
        assert reasoning.encrypted_content
        result = {"type": "function_call_output", "call_id": call.call_id, "output": "5"}
        client.responses.create(input=[reasoning, call, result], **options)
        assert server.requests[0].prompt == "Go."
    sent = server.requests[1].body["input"]
    assert sent[0]["encrypted_content"] == reasoning.encrypted_content
    assert server.requests[1].prompt == "5"


def test_openais_client_gets_no_encrypted_reasoning_that_it_did_not_request(provider_server):
    with gpt(provider_server(THINKING)) as client:
        reasoning, _ = client.responses.create(model="m", input="Go.").output
    assert reasoning.encrypted_content is None


def test_the_clients_read_a_refusal(provider_server):
    server = provider_server(*[Script.of(Delta(refusal="I cannot."))] * 4)
    with gpt(server) as client:
        choice = client.chat.completions.create(model="m", messages=MESSAGES).choices[0]
        assert (choice.message.refusal, choice.message.content) == ("I cannot.", None)
        response = client.responses.create(model="m", input="Go.")
        assert response.output[0].content[0].refusal == "I cannot."
    with claude(server) as client:
        message = client.messages.create(model="m", max_tokens=99, messages=MESSAGES)
        assert (message.stop_reason, message.stop_details.explanation) == ("refusal", "I cannot.")
    with gemini(server) as client:
        candidate = client.models.generate_content(model="m", contents="Go.").candidates[0]
        assert candidate.finish_reason.value == "SAFETY"  # the client has no field for the words


def test_the_clients_read_the_details_of_the_usage(provider_server):
    server = provider_server(*[Script.of("a", Delta(usage=Usage(100, 20, 64, 12)))] * 4)
    with gpt(server) as client:
        completion = client.chat.completions.create(model="m", messages=MESSAGES)
        assert completion.usage.prompt_tokens_details.cached_tokens == 64
        assert completion.usage.completion_tokens_details.reasoning_tokens == 12
        assert (completion.service_tier, completion.system_fingerprint[:3]) == ("default", "fp_")
        usage = client.responses.create(model="m", input="Go.").usage
        assert (usage.input_tokens_details.cached_tokens, usage.output_tokens_details.reasoning_tokens) == (64, 12)
    with claude(server) as client:
        usage = client.messages.create(model="m", max_tokens=99, messages=MESSAGES).usage
        assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (36, 64, 20)
    with gemini(server) as client:
        counts = client.models.generate_content(model="m", contents="Go.").usage_metadata
        assert (counts.cached_content_token_count, counts.thoughts_token_count) == (64, 12)
        assert (counts.candidates_token_count, counts.total_token_count) == (8, 120)


def test_the_clients_are_told_that_a_script_has_one_answer(provider_server):
    with gpt(provider_server("a")) as client, pytest.raises(openai.BadRequestError, match="a script has one answer"):
        client.chat.completions.create(model="m", messages=MESSAGES, n=2)
