"""Asking whether a provider is there and has the model, before a test relies on it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pytest_streamval.errors import BackendUnavailableError, MissingExtraError, MissingKeyError
from pytest_streamval.http.request import LOOPBACK
from pytest_streamval.http.secrets import Secrets

if TYPE_CHECKING:
    from pytest_streamval.live.backend import LiveBackend

_PATIENCE = 5.0  # seconds, for a list of models
_LISTS = {"ollama": "/api/tags", "gemini": "/v1beta/models"}  # all others have OpenAI's
_OPENAI_LIST = "/v1/models"


def probe(backend: LiveBackend) -> BackendUnavailableError | None:
    """Ask a provider for its models, once; return what stands in the way of asking one of them, if anything does."""
    provider = backend.provider
    path = _LISTS.get(provider.adapter.protocol, _OPENAI_LIST)
    url = provider.endpoint(backend.address, path)
    try:
        key = provider.key(backend.address)
    except MissingKeyError as error:
        return BackendUnavailableError(backend.spec, backend.address, str(error), f"export {error.variables[0]}=KEY")
    secrets = Secrets([] if key is None else [key])
    try:
        status, body = _get(url, {} if key is None else _authorized(backend, key))
    except OSError as error:
        return _unavailable(backend, f"GET {url}: {secrets.text(str(error))}")
    if status in {401, 403}:
        return _unavailable(backend, f"GET {url} answered {status}: the key in {provider.keys[0]} is not accepted")
    models = _models(body) if status == 200 else None  # noqa: PLR2004  # OK; a server without a list may still answer
    if models and not any(_same(backend.model, model) for model in models):
        known = ", ".join(sorted(models)[:8])
        remedy = f"ollama pull {backend.model}" if provider.name == "ollama" else "name one of these"
        fault = f"GET {url} lists no model {backend.model!r}, but: {known}"
        return BackendUnavailableError(backend.spec, backend.address, fault, remedy)
    return None


def _unavailable(backend: LiveBackend, fault: str) -> BackendUnavailableError:
    remedy = "ollama serve" if backend.provider.name == "ollama" else "start its server"
    return BackendUnavailableError(backend.spec, backend.address, fault, remedy)


def _authorized(backend: LiveBackend, key: str) -> dict[str, str]:
    return backend.provider.adapter.build_request("?", model=backend.model).authorized(key)


def _get(url: str, headers: dict[str, str]) -> tuple[int, bytes]:
    """Return the status and the body of an answer.

    Raises:
        OSError: there is none.
    """
    try:
        import httpx2
    except ModuleNotFoundError as error:
        raise MissingExtraError("Live tests", "httpx2", "live") from error
    trusted = httpx2.URL(url).host not in LOOPBACK
    try:
        with httpx2.Client(timeout=_PATIENCE, trust_env=trusted) as client:
            response = client.get(url, headers=headers)
            return response.status_code, response.content
    except httpx2.HTTPError as error:
        raise ConnectionError(f"{type(error).__name__}: {error}".rstrip(": ")) from error


def _models(body: bytes) -> set[str] | None:
    """Return the names in a list of models, None where it is none."""
    try:
        found = json.loads(body)
    except ValueError:
        return None
    if not isinstance(found, dict):
        return None
    entries = found.get("models") or found.get("data")
    if not isinstance(entries, list):
        return None
    names = {entry.get(field) for entry in entries if isinstance(entry, dict) for field in ("id", "name", "model")}
    return {name.removeprefix("models/") for name in names if isinstance(name, str)}


def _same(asked: str, listed: str) -> bool:
    """Return whether a name means a listed model; Ollama lists `name:latest` where no tag was given."""
    return listed in {asked, f"{asked}:latest"}
