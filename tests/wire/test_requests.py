import json

import pytest

from pytest_streamval.engine.backend import ModelOption
from pytest_streamval.errors import InvalidArgumentError
from pytest_streamval.wire import ADAPTERS, AnthropicMessages, Gemini, Ollama, OpenAIChat, ParsedRequest

protocols = pytest.mark.parametrize("protocol", ADAPTERS)
TURNS = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Yes?"},
    {"role": "user", "content": "Go."},
]
OPTIONS = {
    ModelOption.STREAM: True,
    ModelOption.TEMPERATURE: 0.5,
    ModelOption.MAX_NEW_TOKENS: 9,
    ModelOption.SEED: 7,
    ModelOption.SYSTEM_PROMPT: "Be kind.",
    ModelOption.STOP: "END",
}
SYSTEMS = [{"role": "system", "content": "Be kind."}, TURNS[0]]
BODIES = {
    "openai": {
        "model": "m",
        "messages": [*SYSTEMS, *TURNS[1:]],
        "temperature": 0.5,
        "max_tokens": 9,
        "seed": 7,
        "stop": ["END"],
    },
    "openai-responses": {
        "model": "m",
        "input": [
            *SYSTEMS,
            TURNS[1],
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Yes?"}]},
            TURNS[3],
        ],
        "temperature": 0.5,
        "max_output_tokens": 9,
    },
    "anthropic": {
        "model": "m",
        "max_tokens": 9,
        "system": "Be kind.\n\nBe brief.",
        "messages": TURNS[1:],
        "temperature": 0.5,
        "stop_sequences": ["END"],
    },
    "gemini": {
        "systemInstruction": {"parts": [{"text": "Be kind."}, {"text": "Be brief."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "Hi"}]},
            {"role": "model", "parts": [{"text": "Yes?"}]},
            {"role": "user", "parts": [{"text": "Go."}]},
        ],
        "generationConfig": {"temperature": 0.5, "maxOutputTokens": 9, "seed": 7, "stopSequences": ["END"]},
    },
    "ollama": {
        "model": "m",
        "messages": [*SYSTEMS, *TURNS[1:]],
        "stream": False,
        "options": {"temperature": 0.5, "num_predict": 9, "seed": 7, "stop": ["END"]},
    },
}
STREAMED = {
    "openai": {"stream": True, "stream_options": {"include_usage": True}},
    "openai-responses": {"stream": True},
    "anthropic": {"stream": True},
    "gemini": {},
    "ollama": {"stream": True},
}
PATHS = {
    "openai": ("/v1/chat/completions", "/v1/chat/completions"),
    "openai-responses": ("/v1/responses", "/v1/responses"),
    "anthropic": ("/v1/messages", "/v1/messages"),
    "gemini": ("/v1beta/models/m:generateContent", "/v1beta/models/m:streamGenerateContent?alt=sse"),
    "ollama": ("/api/chat", "/api/chat"),
}
KEYS = {
    "openai": ("authorization", "Bearer k"),
    "openai-responses": ("authorization", "Bearer k"),
    "anthropic": ("x-api-key", "k"),
    "gemini": ("x-goog-api-key", "k"),
    "ollama": ("authorization", "Bearer k"),
}


@protocols
def test_an_adapter_builds_a_request(protocol):
    request = ADAPTERS[protocol].build_request(TURNS, model="m", options=OPTIONS)
    assert request.body == BODIES[protocol]
    assert (request.method, request.path) == ("POST", PATHS[protocol][0])
    assert request.headers["accept"] == "application/json"
    assert json.loads(request.content) == request.body


@protocols
def test_an_adapter_builds_a_request_for_a_stream(protocol):
    adapter = ADAPTERS[protocol]
    request = adapter.stream_request(TURNS, model="m", options=OPTIONS)
    assert request.body == {**BODIES[protocol], **STREAMED[protocol]}
    assert request.path == PATHS[protocol][1]
    assert request.headers["accept"] == adapter.media_type
    assert request == adapter.build_request(TURNS, model="m", options=OPTIONS, stream=True)


@protocols
def test_a_request_has_the_api_key_in_the_providers_header(protocol):
    request = ADAPTERS[protocol].build_request("Hi", model="m")
    name, value = KEYS[protocol]
    assert name not in request.headers
    assert request.authorized("k") == {**request.headers, name: value}
    assert all(header == header.lower() for header in request.authorized("k"))


def test_an_anthropic_request_has_the_version():
    assert ADAPTERS["anthropic"].build_request("Hi", model="m").headers["anthropic-version"] == "2023-06-01"


@protocols
def test_a_prompt_is_a_user_message(protocol):
    adapter = ADAPTERS[protocol]
    assert adapter.build_request("Hi", model="m") == adapter.build_request(TURNS[1:2], model="m")


@protocols
def test_an_option_of_the_engine_is_not_a_field_of_the_body(protocol):
    given = dict.fromkeys(ModelOption)
    assert ADAPTERS[protocol].build_request("Hi", model="m", options=given) == ADAPTERS[protocol].build_request(
        "Hi", model="m"
    )
    full = ADAPTERS[protocol].build_request("Hi", model="m", options=OPTIONS)
    assert not {"max_new_tokens", "system_prompt"} & full.body.keys()
    assert len(ModelOption) == len(OPTIONS)


OWN = {
    "openai": (
        {"top_p": 1, "stream_options": {"x": 1}},
        {"top_p": 1, "stream_options": {"include_usage": True, "x": 1}},
    ),
    "openai-responses": ({"store": False, "reasoning": {"summary": "auto"}},) * 2,
    "anthropic": ({"top_k": 5, "max_tokens": 7}, {"top_k": 5, "max_tokens": 7}),
    "gemini": (
        {"generationConfig": {"topP": 1}, "safetySettings": []},
        {"generationConfig": {"temperature": 0, "topP": 1}, "safetySettings": []},
    ),
    "ollama": (
        {"options": {"num_ctx": 5}, "think": True},
        {"options": {"temperature": 0, "num_ctx": 5}, "think": True},
    ),
}


@protocols
def test_other_options_are_fields_of_the_body_and_objects_are_merged(protocol):
    own, expected = OWN[protocol]
    body = ADAPTERS[protocol].stream_request("Hi", model="m", options={"temperature": 0, **own}).body
    assert expected.items() <= body.items()


def test_a_request_can_have_several_stop_strings():
    assert ADAPTERS["openai"].build_request("Hi", model="m", options={"stop": ("a", "b")}).body["stop"] == ["a", "b"]


SCHEMA = {"type": "object"}
SCHEMAS = {
    "openai": {"response_format": {"type": "json_schema", "json_schema": {"name": "output", "schema": SCHEMA}}},
    "openai-responses": {"text": {"format": {"type": "json_schema", "name": "output", "schema": SCHEMA}}},
    "anthropic": {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
    "gemini": {"generationConfig": {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA}},
    "ollama": {"format": SCHEMA},
}


@protocols
def test_a_request_has_the_schema_in_the_providers_field(protocol):
    adapter = ADAPTERS[protocol]
    body = adapter.build_request("Hi", model="m", schema=SCHEMA).body
    assert body == {**adapter.build_request("Hi", model="m").body, **SCHEMAS[protocol]}


def test_an_adapter_has_settings():
    options = {"max_new_tokens": 9}
    openai = OpenAIChat(max_tokens="max_completion_tokens").build_request("Hi", model="m", options=options)
    assert (openai.body["max_completion_tokens"], "max_tokens" in openai.body) == (9, False)
    anthropic = AnthropicMessages(version="2099-01-01", max_tokens=5).build_request("Hi", model="m")
    assert (anthropic.headers["anthropic-version"], anthropic.body["max_tokens"]) == ("2099-01-01", 5)
    assert Gemini(version="v1").build_request("Hi", model="models/m").path == "/v1/models/m:generateContent"
    with pytest.raises(InvalidArgumentError, match=r"Invalid endpoint: 'talk'. It must be 'chat' or 'generate'"):
        Ollama(endpoint="talk")


def test_an_ollama_request_for_generate_has_a_prompt():
    generate = Ollama(endpoint="generate")
    request = generate.build_request("Hi", model="m", options={"seed": 7})
    assert request.path == "/api/generate"
    assert request.body == {"model": "m", "prompt": "Hi", "stream": False, "options": {"seed": 7}}
    assert generate.build_request(TURNS[:2], model="m").body["system"] == "Be brief."
    with pytest.raises(InvalidArgumentError, match=r"/api/generate takes a single user message\. Use /api/chat"):
        generate.build_request(TURNS, model="m")


def test_a_request_keeps_content_that_is_not_text():
    parts = [{"inlineData": {}}]
    assert Gemini().build_request([{"role": "model", "content": parts}], model="m").body["contents"] == [
        {"role": "model", "parts": parts}
    ]
    turn = {"role": "tool", "content": "5", "tool_call_id": "x"}
    for adapter in (OpenAIChat(), Ollama()):
        assert adapter.build_request([turn], model="m").body["messages"] == [turn]
    blocks = [{"type": "text", "text": "Hi"}]
    assert AnthropicMessages().build_request([{"role": "user", "content": blocks}], model="m").body["messages"] == [
        {"role": "user", "content": blocks}
    ]


ALL = "openai openai-responses anthropic gemini ollama"
INVALID = {
    "no message": (ALL, [], {}, "Invalid messages: []. There must be at least one message."),
    "a message of a wrong type": (
        ALL,
        ["Hi"],
        {},
        "Invalid messages: 'Hi'. A message must be a mapping with a role and",
    ),
    "a message without a role": (ALL, [{"content": "Hi"}], {}, "A message must be a mapping with a role and a content"),
    "a stop of a wrong type": (ALL, "Hi", {"stop": 5}, "Invalid stop: 5. It must be a string, or a list of strings."),
    "stops of a wrong type": (ALL, "Hi", {"stop": ["a", 5]}, "It must be a string, or a list of strings."),
    "a system prompt that is not text": (
        "anthropic gemini",
        "Hi",
        {"system_prompt": 5},
        "The content of a system message must be text.",
    ),
    "a message without content": ("gemini", [{"role": "user"}], {}, "The content of a user message must be text."),
    "a role of others": (
        "anthropic gemini openai-responses",
        [{"role": "tool", "content": ""}],
        {},
        "The role must be",
    ),
}


@pytest.mark.parametrize(("names", "messages", "options", "message"), INVALID.values(), ids=INVALID)
def test_an_adapter_refuses_a_request_that_its_provider_cannot_express(names, messages, options, message):
    for protocol in names.split():
        with pytest.raises(InvalidArgumentError) as caught:
            ADAPTERS[protocol].build_request(messages, model="m", options=options)
        assert message in str(caught.value)


def test_a_request_refuses_a_body_that_is_not_json_when_it_is_encoded():
    for value in (float("nan"), b"a", "\ud83d"):
        request = OpenAIChat().build_request("Hi", model="m", options={"x": value})
        with pytest.raises(InvalidArgumentError, match="It must be valid JSON"):
            _ = request.content


PARSED = {
    "openai": (
        "openai",
        "/v1/chat/completions",
        {"model": "m", "stream": True},
        ParsedRequest("m", stream=True, usage=False),
    ),
    "openai, counted": (
        "openai",
        "/v1/chat/completions",
        {"model": "m", "stream": True, "stream_options": {"include_usage": True}},
        ParsedRequest("m", stream=True, usage=True),
    ),
    "openai, whole": (
        "openai",
        "/v1/chat/completions?x=1",
        {"model": "m"},
        ParsedRequest("m", stream=False, usage=False),
    ),
    "openai, short": (
        "openai",
        "/chat/completions",
        {"stream_options": 5},
        ParsedRequest("", stream=False, usage=False),
    ),
    "openai-responses": (
        "openai-responses",
        "/v1/responses",
        {"model": "m", "stream": True},
        ParsedRequest("m", stream=True),
    ),
    "openai-responses, short": ("openai-responses", "/responses?x=1", {"model": 5}, ParsedRequest("", stream=False)),
    "openai-responses, elsewhere": ("openai-responses", "/v1/responses/resp_1", {}, None),
    "openai, elsewhere": ("openai", "/v1/completions", {"model": "m"}, None),
    "anthropic": ("anthropic", "/v1/messages", {"model": "m", "stream": True}, ParsedRequest("m")),
    "anthropic, whole": ("anthropic", "/v1/messages?beta=true", {"model": 5}, ParsedRequest("", stream=False)),
    "anthropic, elsewhere": ("anthropic", "/v1/messages/count_tokens", {"model": "m"}, None),
    "gemini": ("gemini", "/v1beta/models/m-2.5:streamGenerateContent?alt=sse", {}, ParsedRequest("m-2.5")),
    "gemini, whole": (
        "gemini",
        "/v1/models/m%2Fx:generateContent",
        {"stream": True},
        ParsedRequest("m/x", stream=False),
    ),
    "gemini, with a key": ("gemini", "/v1beta/models/m:streamGenerateContent?key=k&alt=sse", {}, ParsedRequest("m")),
    "gemini, as an array": ("gemini", "/v1beta/models/m:streamGenerateContent", {}, None),
    "gemini, elsewhere": ("gemini", "/v1beta/models/m:countTokens", {}, None),
    "ollama": ("ollama", "/api/chat", {"model": "m"}, ParsedRequest("m", endpoint="chat")),
    "ollama, whole": (
        "ollama",
        "/api/chat",
        {"model": "m", "stream": False},
        ParsedRequest("m", stream=False, endpoint="chat"),
    ),
    "ollama, a bare prompt": ("ollama", "/api/generate", {"model": "m"}, ParsedRequest("m", endpoint="generate")),
    "ollama, elsewhere": ("ollama", "/api/tags", {}, None),
}


def test_an_adapter_parses_the_requests_of_its_protocol():
    found = {name: ADAPTERS[protocol].parse_request(path, body) for name, (protocol, path, body, _) in PARSED.items()}
    assert found == {name: expected for name, (*_, expected) in PARSED.items()}


@protocols
def test_only_the_adapter_of_a_protocol_parses_the_requests_that_it_builds(protocol):
    for stream in (True, False):
        request = ADAPTERS[protocol].build_request("Hi", model="m", stream=stream)
        found = {name: adapter.parse_request(request.path, request.body) for name, adapter in ADAPTERS.items()}
        assert found.pop(protocol).stream == stream
        assert set(found.values()) == {None}


def test_the_adapters_have_the_names_of_their_protocols():
    assert sorted(ADAPTERS) == ["anthropic", "gemini", "ollama", "openai", "openai-responses"]
    assert all(adapter.protocol == name == adapter.decoder().protocol for name, adapter in ADAPTERS.items())
