"""Routes: the protocol of each path, and the responses that need no script."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from pytest_streamval.errors import described
from pytest_streamval.server.embeddings import InvalidInputError
from pytest_streamval.server.endpoints import ServerFacts, StaticResponse, endpoint_at
from pytest_streamval.server.paths import nearest_paths, provider_path
from pytest_streamval.server.stored_outputs import StoredRequest, stored_path
from pytest_streamval.wire.gemini import GeminiArray
from pytest_streamval.wire.json_values import FrameFaultError, parse_object
from pytest_streamval.wire.openai_completions import OpenAICompletions
from pytest_streamval.wire.registry import ADAPTERS
from pytest_streamval.wire.request_and_answer import ParsedRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_streamval.server.paths import ProviderPath
    from pytest_streamval.server.stored_outputs import StoredPath
    from pytest_streamval.wire.adapter import Adapter

_ADAPTERS = (*ADAPTERS.values(), OpenAICompletions(), GeminiArray())
_ICON = "/favicon.ico"  # browsers request it by themselves


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
    is_unserved: bool = False
    """Whether nothing is at the path, so that a provider might have an answer that this server has not."""
    error: Exception | None = None
    """The error of a function that the test has given."""


def route(
    method: str, path: str, content: bytes, facts: ServerFacts
) -> OutputRequest | StoredRequest | ErrorResponse | StaticResponse:
    """Return the request for an output, or the response to any other request.

    Args:
        method: The method of the request.
        path: The path with its query.
        content: The body.
        facts: The facts that responses show.
    """
    own = provider_path(path)
    adapter = _adapter_for(own.path)
    if own.problem:
        return _unserved(method, path, own.problem)
    stored = stored_path(own.path)
    if stored is not None and method in stored.methods:
        return _stored_request(stored, method, path, own.path, content)
    if adapter is not None:
        return _output_request(adapter, method, path, own, content)
    if stored is not None:
        return _wrong_method(method, path, stored.methods)
    return _respond(method, path, own.path.partition("?")[0], content, facts)


def _adapter_for(path: str) -> Adapter | None:
    return next((adapter for adapter in _ADAPTERS if adapter.parse_request(path, {}) is not None), None)


def _output_request(
    adapter: Adapter, method: str, path: str, own: ProviderPath, content: bytes
) -> OutputRequest | ErrorResponse:
    if method != "POST":
        message = f"{method} {path.partition('?')[0]} is not served. This path takes POST, with JSON."
        return ErrorResponse(adapter, 405, message, (("allow", "POST"),))
    body = _parse(content)
    if isinstance(body, str):
        return ErrorResponse(adapter, 400, body)
    prompts = body.get("prompt")
    if isinstance(prompts, list) and len(prompts) > 1 and not all(type(each) is int for each in prompts):
        message = f"The request has {len(prompts)} prompts. This server completes one. Send a request for each."
        return ErrorResponse(adapter, 400, message)
    request = adapter.parse_request(own.path, body) or ParsedRequest()
    if not request.model and own.model:
        request = replace(request, model=own.model)
    return OutputRequest(adapter, request, body)


def _stored_request(
    stored: StoredPath, method: str, path: str, own: str, content: bytes
) -> StoredRequest | ErrorResponse:
    changes = method == "POST" and stored.part is None
    body = _parse(content) if changes else {}
    if isinstance(body, str):
        return ErrorResponse(nearest_adapter(path), 400, body)
    return StoredRequest.of(stored, method, own, body)


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


def _respond(method: str, path: str, own: str, content: bytes, facts: ServerFacts) -> ErrorResponse | StaticResponse:
    endpoint = endpoint_at(own)
    if endpoint is None:
        return _unserved(method, path, nearest_paths(own))
    if method not in endpoint.methods:
        return _wrong_method(method, path, endpoint.methods)
    body = _parse(content) if endpoint.has_body else {}
    if isinstance(body, str):
        return ErrorResponse(nearest_adapter(path), 400, body)
    try:
        return endpoint.respond(own, facts, body)
    except InvalidInputError as error:
        return ErrorResponse(nearest_adapter(path), 400, str(error))
    except Exception as error:  # noqa: BLE001  # a function for embeddings is the user's code, and may raise anything
        return ErrorResponse(nearest_adapter(path), 500, described(error), error=error)


def _unserved(method: str, path: str, advice: str) -> ErrorResponse:
    message = f"There is nothing at {method} {path.partition('?')[0]}. {advice}"
    return ErrorResponse(nearest_adapter(path), 404, message, is_unserved=path != _ICON)


def _wrong_method(method: str, path: str, methods: tuple[str, ...]) -> ErrorResponse:
    message = f"{method} {path.partition('?')[0]} is not served. This path takes {methods[0]}."
    return ErrorResponse(nearest_adapter(path), 405, message, (("allow", ", ".join(methods)),))


def nearest_adapter(path: str) -> Adapter:
    """Return the protocol for an error about a path that belongs to none."""
    own = provider_path(path).path
    if own.startswith("/api/") and not own.startswith("/api/v1/"):
        return ADAPTERS["ollama"]
    if own.startswith("/v1/messages"):
        return ADAPTERS["anthropic"]
    return ADAPTERS["gemini" if own.startswith(("/v1beta", "/v1alpha")) else "openai"]
