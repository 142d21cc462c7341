"""Routes: the protocol of each path, and the responses that need no script."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from pytest_streamval.wire.exchange import ParsedRequest
from pytest_streamval.wire.json_values import FrameFaultError, parse_object
from pytest_streamval.wire.registry import ADAPTERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_streamval.wire.adapter import Adapter

PATHS = (
    "POST /v1/chat/completions",
    "POST /v1/responses",
    "POST /v1/messages",
    "POST /v1beta/models/MODEL:streamGenerateContent?alt=sse",
    "POST /v1beta/models/MODEL:generateContent",
    "POST /api/chat",
    "POST /api/generate",
    "GET /v1/models",
    "GET /v1beta/models",
    "GET /api/tags",
    "POST /api/show",
    "GET /api/version",
)
"""The paths that the server serves, for its errors."""

_WITHOUT_SSE = " without ?alt=sse, where Gemini sends a JSON array"
_CREATED_AT = "2026-01-01T00:00:00Z"
_CREATED = 1_767_225_600  # the same, in seconds since the epoch
_LISTS = ("/v1/models", "/models", "/v1beta/models", "/v1alpha/models")
_DETAILS = {"format": "gguf", "family": "scripted", "families": ["scripted"], "parameter_size": "0B"}


class OutputRequest(NamedTuple):
    """A request for an output."""

    adapter: Adapter
    request: ParsedRequest
    body: Mapping[str, object]


class ErrorResponse(NamedTuple):
    """The response to an invalid request."""

    adapter: Adapter
    status: int
    message: str
    headers: tuple[tuple[str, str], ...] = ()


class StaticResponse(NamedTuple):
    """A response that needs no script."""

    body: bytes
    media_type: str = "application/json"


def route(
    method: str, path: str, content: bytes, models: Sequence[str]
) -> OutputRequest | ErrorResponse | StaticResponse:
    """Return the request for an output, or the response to any other request.

    Args:
        method: The method of the request.
        path: The path with its query.
        content: The body.
        models: The names of the models that the server lists.
    """
    adapter = _adapter_for(path)
    bare = path.partition("?")[0]
    if adapter is None:
        return _respond(method, bare, content, models)
    if method != "POST":
        message = f"{method} {bare} is not served. This path takes POST, with JSON."
        return ErrorResponse(adapter, 405, message, (("allow", "POST"),))
    body = _parse(content)
    if isinstance(body, str):
        return ErrorResponse(adapter, 400, body)
    return OutputRequest(adapter, adapter.parse_request(path, body) or ParsedRequest(), body)


def _adapter_for(path: str) -> Adapter | None:
    return next((adapter for adapter in ADAPTERS.values() if adapter.parse_request(path, {}) is not None), None)


def _parse(content: bytes) -> Mapping[str, object] | str:
    """Return the JSON object of a body, or an error message."""
    if not content:
        return "The request has no body. Send a JSON object."
    try:
        return parse_object(content.decode())
    except UnicodeDecodeError as error:
        return f"The body is not JSON: it is not in UTF-8 ({error})."
    except FrameFaultError as fault:
        return f"The body must be a JSON object: {fault}."


def _respond(method: str, path: str, content: bytes, models: Sequence[str]) -> ErrorResponse | StaticResponse:
    methods, response = _response_at(path, content, models)
    if response is None:
        hint = _WITHOUT_SSE if path.endswith(":streamGenerateContent") else ""
        message = f"There is nothing at {method} {path}{hint}. This server answers: {'; '.join(PATHS)}."
        return ErrorResponse(nearest_adapter(path), 404, message)
    if method not in methods:
        message = f"{method} {path} is not served. This path takes {methods[0]}."
        return ErrorResponse(nearest_adapter(path), 405, message, (("allow", ", ".join(methods)),))
    return response


def _response_at(
    path: str, content: bytes, models: Sequence[str]
) -> tuple[tuple[str, ...], ErrorResponse | StaticResponse | None]:
    """Return the methods of a path, and the response."""
    if path == "/api/show":
        return ("POST",), _model_details(content)
    if path == "/v1/messages/count_tokens":
        return ("POST",), _json({"input_tokens": max(1, len(content) // 4)})
    return ("GET", "HEAD"), _information(path, models)


def _information(path: str, models: Sequence[str]) -> StaticResponse | None:
    folder, _, name = path.rpartition("/")
    if path == "/":
        return StaticResponse(b"Ollama is running", "text/plain; charset=utf-8")  # Ollama's clients look for it
    if path in _LISTS:
        return _json(_model_list(models))
    if folder in _LISTS and name in models:
        return _json({**_openai_model(name), **_gemini_model(name)})
    if path == "/api/tags":
        return _json({"models": [_ollama_model(model) for model in models]})
    return _json({"version": "0.13.0"}) if path == "/api/version" else None


def nearest_adapter(path: str) -> Adapter:
    """Return the protocol for an error about a path that belongs to none."""
    if path.startswith("/api/"):
        return ADAPTERS["ollama"]
    if path.startswith("/v1/messages"):
        return ADAPTERS["anthropic"]
    return ADAPTERS["gemini" if path.startswith(("/v1beta", "/v1alpha")) else "openai"]


def _json(value: Mapping[str, object]) -> StaticResponse:
    return StaticResponse(json.dumps(value).encode())


def _model_list(models: Iterable[str]) -> dict[str, object]:
    """Return the list of models with the fields of all providers that use this path."""
    names = list(models)
    return {
        "object": "list",
        "data": [_openai_model(name) for name in names],
        "has_more": False,
        "first_id": names[0] if names else None,
        "last_id": names[-1] if names else None,
        "models": [_gemini_model(name) for name in names],
    }


def _openai_model(name: str) -> dict[str, object]:
    openai = {"id": name, "object": "model", "created": _CREATED, "owned_by": "streamval"}
    return {**openai, "type": "model", "display_name": name, "created_at": _CREATED_AT}


def _gemini_model(name: str) -> dict[str, object]:
    methods = ["generateContent", "streamGenerateContent"]
    return {"name": f"models/{name}", "displayName": name, "supportedGenerationMethods": methods}


def _ollama_model(name: str) -> dict[str, object]:
    common = {"name": name, "model": name, "modified_at": _CREATED_AT}
    return {**common, "size": 0, "digest": "0" * 64, "details": _DETAILS}


def _model_details(content: bytes) -> ErrorResponse | StaticResponse:
    body = _parse(content)
    if isinstance(body, str):
        return ErrorResponse(ADAPTERS["ollama"], 400, body)
    capabilities = ["completion", "tools", "thinking"]
    facts = {"modelfile": "", "parameters": "", "template": "", "details": _DETAILS, "model_info": {}}
    return _json({**facts, "capabilities": capabilities, "modified_at": _CREATED_AT})
