"""Endpoints: the responses that need no script, such as lists of models, embeddings and counts of tokens."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple, TypeAlias
from urllib.parse import unquote

from pytest_streamval.errors import excerpt
from pytest_streamval.server.embeddings import Embedder, InvalidInputError
from pytest_streamval.server.model_facts import (
    any_model,
    gemini_model,
    model_list,
    ollama_details,
    ollama_model,
    ollama_pull,
    ollama_running,
)
from pytest_streamval.wire.prompts import prompt_tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_MODERATED = (
    "harassment",
    "harassment/threatening",
    "sexual",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm/intent",
    "self-harm/instructions",
    "self-harm",
    "sexual/minors",
    "violence",
    "violence/graphic",
)  # https://platform.openai.com/docs/guides/moderation


class StaticResponse(NamedTuple):
    """A response that needs no script."""

    body: bytes
    media_type: str = "application/json"
    model: str = ""
    """The model that the request names."""


class ServerFacts(NamedTuple):
    """The facts about a server that its responses without a script show."""

    models: Sequence[str] = ()
    """The names of the models that it lists."""
    embedder: Embedder = Embedder()
    """The source of embeddings."""


class _Call(NamedTuple):
    """A request to an endpoint."""

    facts: ServerFacts
    name: str
    """The variable part of the path."""
    body: Mapping[str, object]


Content: TypeAlias = dict[str, object] | StaticResponse
"""A response: the JSON object of the body, or everything."""


class Endpoint(NamedTuple):
    """A path, its methods, and its response."""

    pattern: re.Pattern[str]
    """The path. A group is the name of a model."""
    methods: tuple[str, ...]
    """The methods, the usual one first."""
    content: Callable[[_Call], Content]
    """The function that makes the response."""

    @property
    def has_body(self) -> bool:
        """Whether its requests have a JSON object."""
        return self.methods == _POST

    def respond(self, path: str, facts: ServerFacts, body: Mapping[str, object]) -> StaticResponse:
        """Return the response.

        Raises:
            InvalidInputError: If the request is invalid.
        """
        match = self.pattern.fullmatch(path)
        name = unquote(match[1]) if match and match.re.groups else ""
        named = body.get("model")
        content = self.content(_Call(facts, name, body))
        response = content if isinstance(content, StaticResponse) else StaticResponse(json.dumps(content).encode())
        return response._replace(model=name or (named if isinstance(named, str) else ""))


def endpoint_at(path: str) -> Endpoint | None:
    """Return the endpoint at a path without its query, or None if it is no such path."""
    return next((each for each in _ENDPOINTS if each.pattern.fullmatch(path)), None)


# OpenAI


def _moderations(call: _Call) -> Content:
    """Return a report that flags nothing, for each text, or for a list of parts together."""
    given = call.body.get("input")
    if not isinstance(given, str | list) or not given:
        raise InvalidInputError(f"Invalid input: {excerpt(given)}. It must be a text, or a list of texts or parts.")
    count = len(given) if isinstance(given, list) and all(isinstance(each, str) for each in given) else 1
    result = {
        "flagged": False,
        "categories": dict.fromkeys(_MODERATED, False),
        "category_scores": dict.fromkeys(_MODERATED, 0.0),
        "category_applied_input_types": {name: ["text"] for name in _MODERATED},
    }
    model = call.body.get("model") or "omni-moderation-latest"
    return {"id": "modr-1", "model": model, "results": [result] * count}


def _response_tokens(call: _Call) -> Content:
    return {"object": "response.input_tokens", "input_tokens": prompt_tokens(call.body)}


# Gemini


def _gemini_tokens(call: _Call) -> Content:
    asked = call.body.get("generateContentRequest")
    count = prompt_tokens(asked if isinstance(asked, dict) else call.body)
    return {"totalTokens": count, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": count}]}


# All endpoints

_GET = ("GET", "HEAD")
_POST = ("POST",)


_ENDPOINTS = (
    # Ollama's clients look for this text
    Endpoint(re.compile(r"/"), _GET, lambda _: StaticResponse(b"Ollama is running", "text/plain; charset=utf-8")),
    Endpoint(re.compile(r"/v1/embeddings"), _POST, lambda call: call.facts.embedder.openai(call.body)),
    Endpoint(re.compile(r"/v1/moderations"), _POST, _moderations),
    Endpoint(re.compile(r"/v1/responses/input_tokens"), _POST, _response_tokens),
    Endpoint(re.compile(r"/v1/messages/count_tokens"), _POST, lambda call: {"input_tokens": prompt_tokens(call.body)}),
    Endpoint(re.compile(r"/v1(?:alpha|beta)?/models"), _GET, lambda call: model_list(call.facts.models)),
    Endpoint(re.compile(r"/v1(?:alpha|beta)/models/([^/:]+)"), _GET, lambda call: gemini_model(call.name)),
    Endpoint(re.compile(r"/v1beta/models/([^/:]+):countTokens"), _POST, _gemini_tokens),
    Endpoint(
        re.compile(r"/v1beta/models/([^/:]+):embedContent"), _POST, lambda call: call.facts.embedder.gemini(call.body)
    ),
    Endpoint(
        re.compile(r"/v1beta/models/([^/:]+):batchEmbedContents"),
        _POST,
        lambda call: call.facts.embedder.gemini_batch(call.body),
    ),
    Endpoint(re.compile(r"/v1beta/models/([^/:]+):predict"), _POST, lambda call: call.facts.embedder.vertex(call.body)),
    Endpoint(re.compile(r"/v1/models/(.+)"), _GET, lambda call: any_model(call.name)),
    Endpoint(
        re.compile(r"/api/tags"), _GET, lambda call: {"models": [ollama_model(name) for name in call.facts.models]}
    ),
    Endpoint(
        re.compile(r"/api/ps"), _GET, lambda call: {"models": [ollama_running(name) for name in call.facts.models]}
    ),
    Endpoint(re.compile(r"/api/show"), _POST, lambda _: ollama_details()),
    Endpoint(
        re.compile(r"/api/pull"), _POST, lambda call: StaticResponse(ollama_pull(call.body), "application/x-ndjson")
    ),
    Endpoint(re.compile(r"/api/embed"), _POST, lambda call: call.facts.embedder.ollama(call.body)),
    Endpoint(re.compile(r"/api/embeddings"), _POST, lambda call: call.facts.embedder.ollama_prompt(call.body)),
    Endpoint(re.compile(r"/(?:api/)?version"), _GET, lambda _: {"version": "0.13.0"}),
)
