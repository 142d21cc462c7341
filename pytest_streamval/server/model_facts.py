"""Facts about models: the lists and descriptions that clients request before they ask for an output."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_CREATED_AT = "2026-01-01T00:00:00Z"
_CREATED = 1_767_225_600  # the same, in seconds since the epoch
_NEVER = "2318-04-12T00:00:00Z"  # when Ollama unloads a model that stays loaded
_DIGEST = "0" * 64
_DETAILS = {
    "parent_model": "",
    "format": "gguf",
    "family": "scripted",
    "families": ["scripted"],
    "parameter_size": "0B",
    "quantization_level": "F16",
}
_METHODS = ["generateContent", "streamGenerateContent", "countTokens", "embedContent", "batchEmbedContents"]
_TOKENS = 1_048_576


def model_list(names: Iterable[str]) -> dict[str, object]:
    """Return the list of models with the fields of all providers that use its path."""
    known = list(names)
    return {
        "object": "list",
        "data": [openai_model(name) for name in known],
        "has_more": False,
        "first_id": known[0] if known else None,
        "last_id": known[-1] if known else None,
        "models": [gemini_model(name) for name in known],
    }


def any_model(name: str) -> dict[str, object]:
    """Return the description of a model with the fields of all providers that use its path."""
    return {**openai_model(name), **gemini_model(name)}


def openai_model(name: str) -> dict[str, object]:
    """Return the description of a model with the fields of OpenAI and of Anthropic."""
    openai = {"id": name, "object": "model", "created": _CREATED, "owned_by": "streamval"}
    return {**openai, "type": "model", "display_name": name, "created_at": _CREATED_AT}


def gemini_model(name: str) -> dict[str, object]:
    """Return the description of a model with the fields of Gemini."""
    limits = {"inputTokenLimit": _TOKENS, "outputTokenLimit": 65_536}
    named = {"name": f"models/{name}", "version": "001", "displayName": name, "description": ""}
    return {**named, **limits, "supportedGenerationMethods": _METHODS}


def ollama_model(name: str) -> dict[str, object]:
    """Return the description of a model in the lists of Ollama."""
    common = {"name": name, "model": name, "modified_at": _CREATED_AT}
    return {**common, "size": 0, "digest": _DIGEST, "details": _DETAILS}


def ollama_running(name: str) -> dict[str, object]:
    """Return the description of a loaded model of Ollama."""
    common = {"name": name, "model": name, "size": 0, "digest": _DIGEST, "details": _DETAILS}
    return {**common, "expires_at": _NEVER, "size_vram": 0, "context_length": 4096}


def ollama_details() -> dict[str, object]:
    """Return the details of any model of Ollama."""
    capabilities = ["completion", "tools", "thinking", "embedding"]
    facts = {"modelfile": "", "parameters": "", "template": "", "details": _DETAILS, "model_info": {}}
    return {**facts, "capabilities": capabilities, "modified_at": _CREATED_AT}


def ollama_pull(body: Mapping[str, object]) -> bytes:
    """Return the progress of a pull of a model that is there already, a line each, or only its end."""
    layer = f"sha256:{_DIGEST}"
    steps = [
        {"status": "pulling manifest"},
        {"status": f"pulling {_DIGEST[:12]}", "digest": layer, "total": 1, "completed": 1},
        {"status": "verifying sha256 digest"},
        {"status": "writing manifest"},
        {"status": "success"},
    ]
    shown = steps if body.get("stream") is not False else steps[-1:]
    return b"".join(json.dumps(step).encode() + b"\n" for step in shown)
