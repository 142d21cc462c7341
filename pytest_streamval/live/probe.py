"""The check that a provider can be reached and has the model, before a test relies on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_streamval.errors import (
    InvalidArgumentError,
    MissingKeyError,
    ProviderUnreachableError,
    backend_unavailable_error,
)
from pytest_streamval.files.json_text import UnreadableJsonError, parse_json
from pytest_streamval.http.connection import get
from pytest_streamval.http.secrets import Secrets, shown_address
from pytest_streamval.live.providers import check_encryption

if TYPE_CHECKING:
    from pytest_streamval.live.backend import LiveBackend

_TIMEOUT = 5.0  # seconds, for a list of models
_LISTS = {"ollama": "/api/tags", "gemini": "/v1beta/models"}  # all others have OpenAI's path
_OPENAI_LIST = "/v1/models"


def probe(backend: LiveBackend) -> ProviderUnreachableError | None:
    """Request a provider's list of models once. Return the obstacle to using the backend, if there is one."""
    provider = backend.provider
    path = _LISTS.get(provider.adapter.protocol, _OPENAI_LIST)
    place = shown_address(backend.address)
    url = provider.endpoint(place, path)
    try:
        status, body = _list_of_models(backend, path)
    except MissingKeyError as error:
        return backend_unavailable_error(backend.spec, place, str(error), f"export {error.variables[0]}=KEY")
    except InvalidArgumentError as error:
        return backend_unavailable_error(backend.spec, place, str(error), "an address that begins with https")
    except OSError as error:
        return _unavailable(backend, f"GET {url}: {error}")
    if status in {401, 403}:
        return _unavailable(backend, f"GET {url} answered {status}: the key in {provider.keys[0]} is not accepted")
    models = _listed_models(body) if status == 200 else None  # noqa: PLR2004  # OK; a server without a list may still answer
    if models and not any(_is_same(backend.model, model) for model in models):
        known = ", ".join(sorted(models)[:8])
        remedy = f"ollama pull {backend.model}" if provider.name == "ollama" else "name one of these"
        fault = f"GET {url} lists no model {backend.model!r}, but: {known}"
        return backend_unavailable_error(backend.spec, place, fault, remedy)
    return None


def _list_of_models(backend: LiveBackend, path: str) -> tuple[int, bytes]:
    """Return the status and the body of the response to a request for the provider's list of models.

    Raises:
        ConnectionError: If there is no response. Its message has no key.
    """
    __tracebackhide__ = True
    key = backend.provider.key(backend.address)
    headers = {} if key is None else backend.provider.adapter.build_request("?", model=backend.model).authorized(key)
    if key is not None or "@" in backend.address:
        check_encryption(backend.address, allow_http=backend._allow_http)
    try:
        return get(backend.provider.endpoint(backend.address, path), headers, timeout=_TIMEOUT)
    except OSError as error:
        failure = ConnectionError(Secrets([] if key is None else [key]).text(str(error)))
    raise failure


def _unavailable(backend: LiveBackend, fault: str) -> ProviderUnreachableError:
    remedy = "ollama serve" if backend.provider.name == "ollama" else "start its server"
    return backend_unavailable_error(backend.spec, shown_address(backend.address), fault, remedy)


def _listed_models(body: bytes) -> set[str] | None:
    """Return the names in a list of models, or None if the body is not one."""
    try:
        found = parse_json(body)
    except UnreadableJsonError:
        return None
    if not isinstance(found, dict):
        return None
    entries = found.get("models") or found.get("data")
    if not isinstance(entries, list):
        return None
    names = {entry.get(field) for entry in entries if isinstance(entry, dict) for field in ("id", "name", "model")}
    return {name.removeprefix("models/") for name in names if isinstance(name, str)}


def _is_same(model: str, listed: str) -> bool:
    """Return whether a name is that of a listed model. Ollama lists `name:latest` if no tag was given."""
    return listed in {model, f"{model}:latest"}
