"""Providers: their addresses, their protocols, and the environment variables of their API keys."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pytest_streamval.errors import (
    InvalidArgumentError,
    MissingKeyError,
    excerpt,
    unknown_provider_error,
)
from pytest_streamval.http.request import is_loopback, parsed_address
from pytest_streamval.http.secrets import shown_address
from pytest_streamval.wire.anthropic import AnthropicMessages
from pytest_streamval.wire.gemini import Gemini
from pytest_streamval.wire.ollama import Ollama
from pytest_streamval.wire.openai import OpenAIChat
from pytest_streamval.wire.openai_responses import OpenAIResponses

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_streamval.wire.adapter import Adapter

DEFAULT = "ollama:granite4:micro"
"""The spec of the default backend."""

_ALLOW_HTTP = "STREAMVAL_ALLOW_HTTP"
_VERSION = "/v1"  # a part of many addresses, as the SDKs for OpenAI's protocol need it


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider."""

    name: str
    """Its name in a spec, the part before the first colon of `openai:gpt-4.1`."""
    adapter: Adapter
    """Its protocol."""
    url: str
    """Its usual address."""
    keys: tuple[str, ...] = ()
    """The environment variables of its API key. The first one that is set counts."""
    urls: tuple[str, ...] = ()
    """The environment variables of its address. The first one that is set counts."""
    versioned: bool = True
    """Whether its paths have a version, like those of OpenAI."""
    official: Adapter | None = None
    """Its protocol at its usual address, if that differs from the one of compatible servers."""

    def adapter_at(self, address: str) -> Adapter:
        """Return the protocol of the server at an address."""
        return self.official if self.official is not None and self._is_official(address) else self.adapter

    def _is_official(self, address: str) -> bool:
        return address in {self.url, self.url + _VERSION}

    def address(self, base_url: str | None, environment: Mapping[str, str] | None = None) -> str:
        """Return the address of the provider: the given one, the one in the environment, or the usual one."""
        __tracebackhide__ = True
        get = _environment_variables(environment)
        found = base_url or next(filter(None, map(get, self.urls)), None)
        return self.url if found is None else _completed_address(found, self.url)

    def endpoint(self, address: str, path: str) -> str:
        """Return the URL of a path."""
        if path.startswith(f"{_VERSION}/") and (address.endswith(_VERSION) or not self.versioned):
            path = path.removeprefix(_VERSION)
        return address + path

    def key(self, address: str, environment: Mapping[str, str] | None = None) -> str | None:
        """Return the API key, or None if there is none and the server at the address may not need one.

        Raises:
            MissingKeyError: A `LookupError`. If there is none and the address is the provider's usual one.
        """
        __tracebackhide__ = True
        found = next(filter(None, map(_environment_variables(environment), self.keys)), None)
        if found is None and self.keys and self._is_official(address):
            raise MissingKeyError(self.name, self.keys)
        return found


def _environment_variables(environment: Mapping[str, str] | None) -> Callable[[str], str | None]:
    """Return the function that returns a variable. It has no `repr` with values, which tracebacks with locals show."""
    return os.environ.get if environment is None else environment.get


def check_encryption(address: str, *, allow_http: bool) -> None:
    """Check that a key that is sent to an address is encrypted, or stays on this machine.

    Raises:
        InvalidArgumentError: A `ValueError`. If it would be sent to another machine in the clear.
    """
    parts = urlsplit(address)
    if parts.scheme == "https" or is_loopback(parts.hostname) or allow_http or os.environ.get(_ALLOW_HTTP):
        return
    rule = (
        "It must be on this machine or begin with https, as a key is sent to it. If its network is trusted, give "
        f"allow_http=True, or set {_ALLOW_HTTP}=1."
    )
    raise InvalidArgumentError("address", excerpt(shown_address(address)), rule)


# Requests that a provider refuses, although compatible servers take them. Those that only some of its models refuse,
# such as `stop` at xAI and schemas in streams at Groq, are sent.
#
# Mistral answers 422, "Extra inputs are not permitted", to `stream_options` (openai/openai-agents-python#442,
# avante-corp/avante.nvim#2347) and to `seed`, which it calls `random_seed` (posit-dev/chatlas#145,
# Vali-98/ChatterUI#143, https://docs.mistral.ai/api). Its streams always have the usage (dnakov/anon-kode#53).
_MISTRAL = OpenAIChat(seed="random_seed", stream_options=False)
# DeepSeek answers 400, "This response_format type is unavailable now", to schemas (llm-exe/llm-exe#662,
# khoj-ai/khoj#1336). It takes `json_object` (https://api-docs.deepseek.com/api/create-chat-completion).
_DEEPSEEK = OpenAIChat(json_schemas=False)


def _openai_compatible(
    name: str,
    url: str,
    adapter: Adapter | None = None,
    *,
    versioned: bool = True,
    official: Adapter | None = None,
) -> Provider:
    """Return a provider with the protocol of OpenAI's chat completions."""
    variable = name.upper()
    return Provider(
        name, adapter or OpenAIChat(), url, (f"{variable}_API_KEY",), (f"{variable}_BASE_URL",), versioned, official
    )


PROVIDERS = {
    provider.name: provider
    for provider in (
        Provider("ollama", Ollama(), "http://127.0.0.1:11434", (), ("OLLAMA_HOST",)),
        # Its newer models refuse max_tokens, but many compatible servers know only that name.
        _openai_compatible("openai", "https://api.openai.com", official=OpenAIChat(max_tokens="max_completion_tokens")),
        Provider(
            "openai-responses", OpenAIResponses(), "https://api.openai.com", ("OPENAI_API_KEY",), ("OPENAI_BASE_URL",)
        ),
        Provider(
            "anthropic",
            AnthropicMessages(),
            "https://api.anthropic.com",
            ("ANTHROPIC_API_KEY",),
            ("ANTHROPIC_BASE_URL",),
        ),
        Provider(
            "gemini",
            Gemini(),
            "https://generativelanguage.googleapis.com",
            ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
            ("GOOGLE_GEMINI_BASE_URL",),
        ),
        _openai_compatible("xai", "https://api.x.ai"),
        _openai_compatible("perplexity", "https://api.perplexity.ai", versioned=False),
        _openai_compatible("groq", "https://api.groq.com/openai"),
        _openai_compatible("deepseek", "https://api.deepseek.com", _DEEPSEEK),
        _openai_compatible("mistral", "https://api.mistral.ai", _MISTRAL),
        _openai_compatible("together", "https://api.together.xyz"),
    )
}
"""The known providers, by name. Any other compatible server is `openai:MODEL` with an address."""


def parse_spec(spec: str) -> tuple[Provider, str]:
    """Return the provider and the model of a spec such as `ollama:granite4:micro`.

    Raises:
        UnknownNameError: A `ValueError`. If the provider is unknown or the model is missing.
    """
    given: object = spec
    if not isinstance(given, str):
        raise InvalidArgumentError("spec", excerpt(given), 'It must be a str such as "ollama:granite4:micro".')
    name, _, model = spec.strip().partition(":")
    if name not in PROVIDERS or not model:
        raise unknown_provider_error(spec, list(PROVIDERS))
    return PROVIDERS[name], model


def _completed_address(address: str, usual: str) -> str:
    """Return an address with its scheme and port. `OLLAMA_HOST`, for example, may lack them."""
    address = address.strip()
    url = address if "://" in address else f"http://{address}"
    parts = parsed_address(url.rstrip("/"))
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        rule = "It must be an address such as http://127.0.0.1:11434, with a valid port."
        raise InvalidArgumentError("url", excerpt(shown_address(address)), rule)
    if parts.hostname == "0.0.0.0":  # noqa: S104  # the address of a listening server; a client connects to this machine
        parts = parts._replace(netloc=parts.netloc.replace("0.0.0.0", "127.0.0.1"))  # noqa: S104  # as above
    if parts.port is None and "://" not in address:
        parts = parts._replace(netloc=f"{parts.netloc}:{urlsplit(usual).port or 80}")
    return parts.geturl()
