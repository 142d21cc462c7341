"""Strict servers accept the requests of the official clients, and clients find a server by the environment."""

import anthropic
import ollama
import openai
import pytest
from google import genai
from google.genai import types
from pydantic import BaseModel

from pytest_streamval import Delta, Script, ToolCallDelta
from tests.sdks.all_methods import ALL
from tests.sdks.client_methods import MESSAGES, MODEL, PROMPT

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CALL = Script((Delta(tool_calls=(ToolCallDelta(0, "call_1", "weather", '{"city": "Rome"}'),)),))


class City(BaseModel):
    """A structured output."""

    name: str
    inhabitants: int | None


@pytest.fixture
def serve(provider_server):
    """Return a function that starts a strict server and checks, at the end, that no rule was broken."""
    servers = []

    def serve(*scripts, **options):
        servers.append(provider_server(*scripts, strict=True, **options))
        return servers[-1]

    yield serve
    assert [(each.warnings, each.status) for server in servers for each in server.requests if each.status != 200] == []
    assert [each.warnings for server in servers for each in server.requests if each.warnings] == []


@pytest.mark.parametrize("method", ALL, ids=str)
def test_a_strict_server_accepts_a_request_of_every_method(serve, method):
    outcome = method.call(serve("Hello."))
    assert outcome.error is None
    assert outcome.received.text == "Hello."


def test_a_strict_server_accepts_two_turns_of_chat_completions(serve):
    tools = [{"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}]
    server = serve(CALL, "It is sunny.")
    with openai.OpenAI(api_key="none", base_url=server.openai_url) as client:
        first = client.chat.completions.create(model=MODEL, messages=MESSAGES, tools=tools).choices[0].message
        result = {"role": "tool", "tool_call_id": first.tool_calls[0].id, "content": "sunny"}
        options = {"tools": tools, "tool_choice": "auto", "parallel_tool_calls": False, "temperature": 1.5, "n": 1}
        client.chat.completions.create(model=MODEL, messages=[*MESSAGES, first, result], stop=["x"], **options)
    server.assert_tool_result("call_1", "sunny")


def test_a_strict_server_accepts_structured_output_of_openai(serve):
    answer = '{"name": "Rome", "inhabitants": null}'
    server = serve(answer, answer)
    with openai.OpenAI(api_key="none", base_url=server.openai_url) as client:
        parsed = client.chat.completions.parse(model=MODEL, messages=MESSAGES, response_format=City)
        assert parsed.choices[0].message.parsed.name == "Rome"
        assert client.responses.parse(model=MODEL, input=PROMPT, text_format=City).output_parsed.name == "Rome"


def test_a_strict_server_accepts_two_turns_of_responses(serve):
    tools = [{"type": "function", "name": "weather", "parameters": SCHEMA, "strict": False}]
    server = serve(CALL, "It is sunny.", "Yes.")
    with openai.OpenAI(api_key="none", base_url=server.openai_url) as client:
        first = client.responses.create(model=MODEL, input=PROMPT, tools=tools)
        result = {"type": "function_call_output", "call_id": first.output[0].call_id, "output": "sunny"}
        client.responses.create(model=MODEL, input=[*MESSAGES, *first.output, result], tools=tools)
        client.responses.create(model=MODEL, input=[result], previous_response_id=first.id)
    server.assert_tool_result("call_1", "sunny")


def test_a_strict_server_accepts_two_turns_of_anthropic(serve):
    tools = [{"name": "weather", "input_schema": SCHEMA}]
    server = serve(CALL, "It is sunny.")
    with anthropic.Anthropic(api_key="none", base_url=server.anthropic_url) as client:
        thinking = {"type": "enabled", "budget_tokens": 1_024}
        options = {"model": MODEL, "max_tokens": 2_000, "tools": tools, "thinking": thinking}
        first = client.messages.create(messages=MESSAGES, **options)
        result = {"type": "tool_result", "tool_use_id": first.content[0].id, "content": "sunny"}
        turns = [{"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
        client.messages.create(messages=[*MESSAGES, *turns], system="Be brief.", **options)
    server.assert_tool_result("call_1", "sunny")


def test_a_strict_server_accepts_two_turns_of_gemini(serve):
    tool = types.Tool(function_declarations=[types.FunctionDeclaration(name="weather", parameters_json_schema=SCHEMA)])
    server = serve(CALL, "It is sunny.")
    with genai.Client(api_key="none", http_options={"base_url": server.gemini_url}) as client:
        chat = client.chats.create(model=MODEL, config={"tools": [tool], "temperature": 0.5, "system_instruction": "a"})
        chat.send_message(PROMPT)
        chat.send_message(types.Part.from_function_response(name="weather", response={"result": "sunny"}))
    server.assert_tool_result("weather", "sunny")


def test_a_strict_server_accepts_two_turns_of_ollama(serve):
    tools = [{"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}]
    server = serve(CALL, "It is sunny.")
    with ollama.Client(host=server.ollama_url) as client:
        first = client.chat(MODEL, MESSAGES, tools=tools, options={"temperature": 0.5}).message
        result = {"role": "tool", "tool_name": "weather", "content": "sunny"}
        client.chat(MODEL, [*MESSAGES, first, result], tools=tools, think=True, format=City.model_json_schema())
    server.assert_tool_result("weather", "sunny")


def test_the_official_clients_find_a_server_by_the_environment(serve):
    server = serve(lambda request: "Hello.", env=True)
    with openai.OpenAI() as client:
        client.chat.completions.create(model=MODEL, messages=MESSAGES)
        client.responses.create(model=MODEL, input=PROMPT)
    with anthropic.Anthropic() as client:
        client.messages.create(model=MODEL, messages=MESSAGES, max_tokens=50)
    with genai.Client() as client:
        client.models.generate_content(model=MODEL, contents=PROMPT)
    with ollama.Client() as client:
        client.chat(MODEL, MESSAGES)
    found = ["openai", "openai-responses", "anthropic", "gemini", "ollama"]
    assert [request.protocol for request in server.requests] == found
