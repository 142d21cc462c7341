"""Where providers are, and how their keys are found."""

from __future__ import annotations

import json

import pytest

from pytest_streamval.engine.backend import ModelOption
from pytest_streamval.errors import InvalidArgumentError, MissingKeyError, UnknownNameError
from pytest_streamval.http.secrets import keys_in_environment
from pytest_streamval.live.providers import PROVIDERS, Provider, parse_spec


@pytest.mark.parametrize(
    ("spec", "name", "model"),
    [
        ("ollama:granite4:micro", "ollama", "granite4:micro"),
        ("openai:gpt-4.1", "openai", "gpt-4.1"),
        ("openai-responses:gpt-4.1", "openai-responses", "gpt-4.1"),
        (" together:meta-llama/Llama-3 ", "together", "meta-llama/Llama-3"),
    ],
)
def test_a_spec_is_a_provider_and_a_model(spec: str, name: str, model: str) -> None:
    provider, found = parse_spec(spec)
    assert (provider.name, found) == (name, model)


@pytest.mark.parametrize("spec", ["", "gpt-4.1", "openai", "openai:", "unknown:x", "OpenAI:x"])
def test_an_unknown_spec_is_rejected_with_the_known_providers(spec: str) -> None:
    with pytest.raises(
        UnknownNameError, match="'ollama', 'openai', 'openai-responses', 'anthropic', 'gemini'"
    ) as caught:
        parse_spec(spec)
    assert repr(spec) in str(caught.value)


def test_a_spec_is_a_str() -> None:
    with pytest.raises(InvalidArgumentError, match="Invalid spec: 3"):
        parse_spec(3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("base_url", "environment", "address"),
    [
        (None, {}, "http://127.0.0.1:11434"),
        (None, {"OLLAMA_HOST": ""}, "http://127.0.0.1:11434"),
        (None, {"OLLAMA_HOST": "box"}, "http://box:11434"),
        (None, {"OLLAMA_HOST": "0.0.0.0"}, "http://127.0.0.1:11434"),  # noqa: S104  # the value for a server of Ollama
        (None, {"OLLAMA_HOST": "0.0.0.0:8000"}, "http://127.0.0.1:8000"),
        (None, {"OLLAMA_HOST": "https://box.example/"}, "https://box.example"),
        ("http://here:1/api/", {"OLLAMA_HOST": "box"}, "http://here:1/api"),
    ],
)
def test_an_address_is_the_given_one_or_that_of_the_environment_or_the_usual_one(
    base_url, environment, address
) -> None:
    assert PROVIDERS["ollama"].address(base_url, environment) == address


def test_an_address_without_a_port_has_the_default_port_if_the_usual_one_has_none() -> None:
    assert PROVIDERS["openai"].address("box") == "http://box:80"


@pytest.mark.parametrize("wrong", ["ftp://box", "http://", "http://box:port", "http://box:99999"])
def test_an_invalid_address_is_rejected(wrong: str) -> None:
    with pytest.raises(InvalidArgumentError, match="Invalid url: "):
        PROVIDERS["ollama"].address(wrong)


@pytest.mark.parametrize(
    ("name", "address", "endpoint"),
    [
        ("openai", "https://api.openai.com", "https://api.openai.com/v1/chat/completions"),
        ("openai", "http://127.0.0.1:8080/v1", "http://127.0.0.1:8080/v1/chat/completions"),
        ("groq", "https://api.groq.com/openai", "https://api.groq.com/openai/v1/chat/completions"),
        ("perplexity", "https://api.perplexity.ai", "https://api.perplexity.ai/chat/completions"),
    ],
)
def test_an_endpoint_has_the_version_once(name: str, address: str, endpoint: str) -> None:
    assert PROVIDERS[name].endpoint(address, "/v1/chat/completions") == endpoint


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://api.openai.com", "max_completion_tokens"),
        ("https://api.openai.com/v1", "max_completion_tokens"),
        ("http://127.0.0.1:8080/v1", "max_tokens"),
    ],
)
def test_the_token_limit_has_the_name_that_the_server_accepts(address: str, name: str) -> None:
    adapter = PROVIDERS["openai"].adapter_at(address)
    asked = adapter.build_request("Hi", model="gpt-5", options={ModelOption.MAX_NEW_TOKENS: 7}, stream=True)
    assert json.loads(asked.content)[name] == 7


@pytest.mark.parametrize(
    ("name", "sent", "refused"),
    [
        (
            "mistral",
            {"random_seed": 7, "max_tokens": 9, "stop": ["x"]},
            {"seed", "stream_options", "max_completion_tokens"},
        ),
        ("deepseek", {"seed": 7, "response_format": {"type": "json_object"}}, set()),
        ("groq", {"seed": 7, "stream_options": {"include_usage": True}}, {"random_seed"}),
        ("openai", {"seed": 7, "stream_options": {"include_usage": True}}, {"random_seed"}),
    ],
)
def test_a_request_has_no_field_that_its_provider_refuses(name, sent, refused) -> None:
    options = {ModelOption.SEED: 7, ModelOption.MAX_NEW_TOKENS: 9, ModelOption.STOP: "x"}
    for address in (PROVIDERS[name].url, "http://127.0.0.1:8080"):
        adapter = PROVIDERS[name].adapter_at(address)
        asked = adapter.build_request("Hi", model="m", options=options, schema={"type": "object"}, stream=True)
        assert sent.items() <= asked.body.items()
        assert not refused & asked.body.keys()


def test_a_field_that_the_user_gives_is_sent_to_any_provider() -> None:
    given = {"stream_options": {"include_usage": True}, "response_format": {"type": "text"}}
    for name in ("mistral", "deepseek"):
        asked = PROVIDERS[name].adapter.build_request("Hi", model="m", options=given, stream=True)
        assert given.items() <= asked.body.items()


def test_the_key_is_needed_at_the_usual_address_with_or_without_the_version() -> None:
    for address in ("https://api.openai.com", "https://api.openai.com/v1"):
        with pytest.raises(MissingKeyError, match="OPENAI_API_KEY"):
            PROVIDERS["openai"].key(address, {})


def test_the_first_variable_that_is_set_holds_the_key() -> None:
    gemini = PROVIDERS["gemini"]
    assert gemini.key(gemini.url, {"GOOGLE_API_KEY": "b"}) == "b"
    assert gemini.key(gemini.url, {"GOOGLE_API_KEY": "b", "GEMINI_API_KEY": "a"}) == "a"


def test_the_key_is_needed_by_the_provider_and_not_by_a_compatible_server() -> None:
    openai = PROVIDERS["openai"]
    with pytest.raises(MissingKeyError, match="OPENAI_API_KEY is not set"):
        openai.key(openai.url, {})
    assert openai.key("http://127.0.0.1:8080/v1", {}) is None
    assert PROVIDERS["ollama"].key(PROVIDERS["ollama"].url, {}) is None


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
def test_the_keys_of_every_provider_are_secrets_of_the_environment(provider: Provider) -> None:
    environment = {name: f"planted in {name}" for name in provider.keys}
    assert keys_in_environment(environment) == list(environment.values())
