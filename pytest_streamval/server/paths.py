"""Paths: the provider's own path for each address by which clients reach it, and the nearest path to an unknown one.

Gateways and other providers have the same protocols at other paths: without a version, with a prefix of their own, as
deployments (Azure: https://learn.microsoft.com/azure/ai-foundry/openai/reference) or in projects (Vertex AI:
https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference).
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qs, unquote

if TYPE_CHECKING:
    from collections.abc import Callable

PATHS = (
    "POST /v1/chat/completions",
    "GET /v1/chat/completions",
    "GET /v1/chat/completions/ID",
    "POST /v1/chat/completions/ID",
    "DELETE /v1/chat/completions/ID",
    "GET /v1/chat/completions/ID/messages",
    "POST /v1/completions",
    "POST /v1/responses",
    "POST /v1/responses/input_tokens",
    "GET /v1/responses/ID",
    "DELETE /v1/responses/ID",
    "POST /v1/responses/ID/cancel",
    "GET /v1/responses/ID/input_items",
    "POST /v1/embeddings",
    "POST /v1/moderations",
    "POST /v1/messages",
    "POST /v1/messages/count_tokens",
    "POST /v1beta/models/MODEL:streamGenerateContent?alt=sse",
    "POST /v1beta/models/MODEL:streamGenerateContent",
    "POST /v1beta/models/MODEL:generateContent",
    "POST /v1beta/models/MODEL:countTokens",
    "POST /v1beta/models/MODEL:embedContent",
    "POST /v1beta/models/MODEL:batchEmbedContents",
    "POST /api/chat",
    "POST /api/generate",
    "POST /api/embed",
    "POST /api/embeddings",
    "POST /api/show",
    "POST /api/pull",
    "GET /api/tags",
    "GET /api/ps",
    "GET /api/version",
    "GET /version",
    "GET /v1/models",
    "GET /v1/models/MODEL",
    "GET /v1beta/models",
    "GET /v1beta/models/MODEL",
)
"""The paths that the server serves, in the form of their own providers."""

PREFIXES = (
    "",  # such as a base URL without a version
    "/v1",
    "/openai",  # Azure
    "/openai/v1",  # Azure, Groq
    "/api/v1",  # OpenRouter
    "/inference/v1",  # Fireworks
    "/v1/openai",  # DeepInfra
    "/v1beta/openai",  # Gemini
    "/compatible-mode/v1",  # DashScope
    "/api/paas/v4",  # Z.ai
    "/anthropic",
    "/anthropic/v1",  # Azure, DeepSeek, Moonshot
)
"""The paths before those of OpenAI and Anthropic that other providers and gateways have."""

_RESPONSES = r"responses(?:/[^/]+(?:/cancel|/input_items)?)?"
_COMPLETIONS = r"chat/completions(?:/[^/]+(?:/messages)?)?"
_OF_OPENAI = rf"{_COMPLETIONS}|completions|{_RESPONSES}|embeddings|moderations|models(?:/.+)?"
_OF_ANTHROPIC = r"messages(?:/count_tokens)?"
_PREFIXED = re.compile(rf"(?:{'|'.join(map(re.escape, PREFIXES))})/({_OF_OPENAI}|{_OF_ANTHROPIC})")
_DEPLOYMENT = re.compile(r"/openai/deployments/([^/]+)/(chat/completions|completions|embeddings)")
_PROJECT = r"/v1(?:beta1)?/projects/[^/]+/locations/[^/]+"
_ENDPOINT = re.compile(rf"{_PROJECT}/endpoints/[^/]+/(chat/completions)")
_PUBLISHED = re.compile(
    rf"(?:{_PROJECT}|/v1(?:beta1)?)/publishers/(?P<publisher>[^/]+)/models/(?P<model>[^/:]+)(?P<method>:\w+)?"
)
_OTHER_APIS = re.compile(
    r"/(?:(?:upload/)?v1(?:alpha|beta)?|api)/(?:messages/)?(assistants|audio|batches|blobs|cachedContents|containers|"
    r"conversations|copy|create|delete|evals|files|fine_tuning|images|organization|push|realtime|skills|threads|tunedModels|"
    r"uploads|vector_stores|videos)(?![^/:?])"
)
"""The APIs of providers that have nothing to do with a stream of a model, whose names may be like those of paths."""
_METHODS = "generateContent|streamGenerateContent|countTokens|embedContent|batchEmbedContents|predict"
_GEMINI = re.compile(rf"(?:/v1(?:alpha|beta)?)?(/models/[^/:]+:(?:{_METHODS}))")
_CLAUDE = {":rawPredict", ":streamRawPredict"}
_NAMES = re.compile(r"(?<=/models/)[^/:]+")
_ALIKE = 0.6  # part of the characters that two paths have in common
_LONGEST = 200  # characters of a path that is compared


class ProviderPath(NamedTuple):
    """A path in the form of its own provider."""

    path: str
    """The path with its query."""
    model: str = ""
    """The model that the path names, if the provider's own path names none."""
    problem: str = ""
    """The reason why it is not served, although it is known."""


def provider_path(path: str) -> ProviderPath:
    """Return the provider's own path for a requested one. An unknown path stays as it is."""
    bare, mark, query = path.partition("?")
    for pattern, read in _FORMS:
        if found := pattern.fullmatch(bare):
            own = read(found, query)
            return own._replace(path=f"{own.path}{mark}{query}")
    return ProviderPath(path)


def _in_deployment(found: re.Match[str], query: str) -> ProviderPath:
    problem = "" if "api-version" in parse_qs(query) else "Azure requires the parameter api-version in the query."
    return ProviderPath(f"/v1/{found[2]}", unquote(found[1]), problem)


def _published(found: re.Match[str], _query: str) -> ProviderPath:
    model, method = found["model"], found["method"] or ""
    if found["publisher"] == "anthropic" and method in _CLAUDE:
        own = "/v1/messages/count_tokens" if model == "count-tokens" else "/v1/messages"
        return ProviderPath(own, unquote(model))
    return ProviderPath(f"/v1beta/models/{model}{method}")


_FORMS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], str], ProviderPath]], ...] = (
    (_DEPLOYMENT, _in_deployment),
    (_ENDPOINT, lambda found, _: ProviderPath(f"/v1/{found[1]}")),
    (_PUBLISHED, _published),
    (_GEMINI, lambda found, _: ProviderPath(f"/v1beta{found[1]}")),
    (_PREFIXED, lambda found, _: ProviderPath(f"/v1/{found[1]}")),
)


def nearest_paths(path: str) -> str:
    """Return a sentence with the served path that is most like an unknown one, or with all paths if none is like it.

    A path of another API of the providers is like none.
    """
    if found := _OTHER_APIS.match(path):
        name = found[1].replace("_", " ")
        return f"This server plays outputs of models, and has no API for {name}. Give the application another double."
    named = _NAMES.sub("MODEL", path.partition("?")[0][:_LONGEST])

    def likeness(served: str) -> tuple[bool, float]:
        own = served.partition(" ")[2].partition("?")[0]
        is_part = own.endswith(named.removesuffix("/")) or own.startswith(named)
        return is_part and len(named) > 1, SequenceMatcher(None, own, named).ratio()

    nearest = max(PATHS, key=likeness)
    is_part, ratio = likeness(nearest)
    if is_part or ratio > _ALIKE:
        return f"The nearest path that is served is {nearest}."
    return f"This server answers: {'; '.join(PATHS)}."
