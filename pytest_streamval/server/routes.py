"""Routes: which protocol a path belongs to, and what is answered without a script."""

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
"""What the server answers, as its errors list it."""

_AS_ARRAY = " without ?alt=sse, where Gemini sends an array of JSON"
_BIRTH = "2026-01-01T00:00:00Z"
_EPOCH = 1_767_225_600  # the same, in seconds
_LISTS = ("/v1/models", "/models", "/v1beta/models", "/v1alpha/models")
_DETAILS = {"format": "gguf", "family": "scripted", "families": ["scripted"], "parameter_size": "0B"}
_OPENAI = ADAPTERS["openai"]


class Output(NamedTuple):
    """A request for an output."""

    adapter: Adapter
    asked: ParsedRequest
    body: Mapping[str, object]


class Refusal(NamedTuple):
    """A request that cannot be answered."""

    adapter: Adapter
    status: int
    message: str
    headers: tuple[tuple[str, str], ...] = ()


class Fact(NamedTuple):
    """An answer that needs no script."""

    body: bytes
    media_type: str = "application/json"


def routed(method: str, path: str, content: bytes, models: Sequence[str]) -> Output | Refusal | Fact:
    """Return what a request is.

    Args:
        method: of the request.
        path: with its query.
        content: the body.
        models: those that the server says it has.
    """
    adapter = _adapter_of(path, {})
    bare = path.partition("?")[0]
    if adapter is None:
        return _other(method, bare, content, models)
    if method != "POST":
        message = f"{method} {bare} is nothing that this server answers: it takes POST, with JSON."
        return Refusal(adapter, 405, message, (("allow", "POST"),))
    body = _parsed(content)
    if isinstance(body, str):
        return Refusal(adapter, 400, body)
    asked = adapter.parse_request(path, body)
    return Output(adapter, asked or ParsedRequest(), body)


def _adapter_of(path: str, body: Mapping[str, object]) -> Adapter | None:
    return next((adapter for adapter in ADAPTERS.values() if adapter.parse_request(path, body) is not None), None)


def _parsed(content: bytes) -> Mapping[str, object] | str:
    """Return the JSON object of a body, or what is wrong with it."""
    if not content:
        return "The request has no body. Send a JSON object."
    try:
        return parse_object(content.decode())
    except UnicodeDecodeError as error:
        return f"The body is no JSON: it is not in UTF-8 ({error})."
    except FrameFaultError as fault:
        return f"The body is not what it has to be, a JSON object: {fault}."


def _other(method: str, path: str, content: bytes, models: Sequence[str]) -> Refusal | Fact:
    """Return what is answered where no output is asked for."""
    facts = _facts(path, content, models)
    if facts is None:
        known = "; ".join(PATHS)
        why = _AS_ARRAY if path.endswith(":streamGenerateContent") else ""
        return Refusal(_guessed(path), 404, f"There is nothing at {method} {path}{why}. This server answers: {known}.")
    wanted, fact = facts
    if method not in wanted:
        message = f"{method} {path} is nothing that this server answers: it takes {wanted[0]}."
        return Refusal(_guessed(path), 405, message, (("allow", ", ".join(wanted)),))
    return fact


def _facts(path: str, content: bytes, models: Sequence[str]) -> tuple[tuple[str, ...], Refusal | Fact] | None:
    """Return by which methods a path is asked for, and what is there."""
    if path == "/api/show":
        return ("POST",), _shown(content)
    if path == "/v1/messages/count_tokens":
        return ("POST",), _json({"input_tokens": max(1, len(content) // 4)})
    fact = _listed(path, models)
    return None if fact is None else (("GET", "HEAD"), fact)


def _listed(path: str, models: Sequence[str]) -> Fact | None:
    """Return what is there for everybody to see."""
    folder, _, name = path.rpartition("/")
    if path == "/":
        return Fact(b"Ollama is running", "text/plain; charset=utf-8")  # as its clients look for it
    if path in _LISTS:
        return _json(_list(models))
    if folder in _LISTS and name in models:
        return _json({**_openai_model(name), **_gemini_model(name)})
    if path == "/api/tags":
        return _json({"models": [_tag(model) for model in models]})
    return _json({"version": "0.13.0"}) if path == "/api/version" else None


def _guessed(path: str) -> Adapter:
    """Return the protocol in whose words an error is said, of which the path is none."""
    if path.startswith("/api/"):
        return ADAPTERS["ollama"]
    if path.startswith("/v1/messages"):
        return ADAPTERS["anthropic"]
    return ADAPTERS["gemini"] if path.startswith(("/v1beta", "/v1alpha")) else _OPENAI


def _json(value: Mapping[str, object]) -> Fact:
    return Fact(json.dumps(value).encode())


def _list(models: Iterable[str]) -> dict[str, object]:
    """Return the list of models, in the fields of all providers that have one there."""
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
    openai = {"id": name, "object": "model", "created": _EPOCH, "owned_by": "streamval"}
    return {**openai, "type": "model", "display_name": name, "created_at": _BIRTH}


def _gemini_model(name: str) -> dict[str, object]:
    methods = ["generateContent", "streamGenerateContent"]
    return {"name": f"models/{name}", "displayName": name, "supportedGenerationMethods": methods}


def _tag(name: str) -> dict[str, object]:
    return {"name": name, "model": name, "modified_at": _BIRTH, "size": 0, "digest": "0" * 64, "details": _DETAILS}


def _shown(content: bytes) -> Refusal | Fact:
    body = _parsed(content)
    if isinstance(body, str):
        return Refusal(ADAPTERS["ollama"], 400, body)
    capabilities = ["completion", "tools", "thinking"]
    facts = {"modelfile": "", "parameters": "", "template": "", "details": _DETAILS, "model_info": {}}
    return _json({**facts, "capabilities": capabilities, "modified_at": _BIRTH})
