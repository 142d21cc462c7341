"""The names that providers give to errors, and the statuses with which they send them.

Sources: https://platform.claude.com/docs/en/api/errors, https://ai.google.dev/gemini-api/docs/troubleshooting,
https://platform.openai.com/docs/guides/error-codes. If OpenAI is overloaded, it sends the type
`service_unavailable_error` with the code `server_is_overloaded`: https://github.com/anomalyco/opencode/issues/25884.
Its errors about unknown identifiers have the status 404 and the type `invalid_request_error`:
https://github.com/home-assistant/core/issues/175363.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

_OPENAI = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "invalid_request_error",
    429: "rate_limit_error",
    500: "server_error",
    503: "service_unavailable_error",
    529: "server_error",
}
_ANTHROPIC = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_GEMINI = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
    529: "UNAVAILABLE",
}
_KINDS: Mapping[str, Mapping[int, str]] = MappingProxyType({"anthropic": _ANTHROPIC, "gemini": _GEMINI})
_GOOGLE_ONLY = {"FAILED_PRECONDITION": 400, "OUT_OF_RANGE": 400, "ALREADY_EXISTS": 409}
# OpenAI's codes, which say more than its types.
_CODES = {
    "context_length_exceeded": 400,
    "invalid_api_key": 401,
    "model_not_found": 404,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "server_is_overloaded": 503,
}


class Overload(NamedTuple):
    """The answer of a provider that has no room for a request."""

    status: int
    """The status."""
    kind: str
    """The name of the error."""
    message: str
    """The provider's words."""
    code: str | None = None
    """The code, if the protocol has a field for it."""


_OVERLOADS: Mapping[str, Overload] = MappingProxyType(
    {
        "anthropic": Overload(529, "overloaded_error", "Overloaded"),
        "gemini": Overload(503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
        "ollama": Overload(
            503, "service_unavailable", "server busy, please try again.  maximum pending requests exceeded"
        ),
    }
)
_OPENAI_OVERLOAD = Overload(
    503,
    "service_unavailable_error",
    "Our servers are currently overloaded. Please try again later.",
    "server_is_overloaded",
)


def overload_of(protocol: str) -> Overload:
    """Return the answer of a protocol's provider that is overloaded."""
    return _OVERLOADS.get(protocol, _OPENAI_OVERLOAD)


def error_kind(protocol: str, status: int) -> str:
    """Return the name that a provider gives to errors with this status."""
    kinds = _KINDS.get(protocol, _OPENAI)
    return kinds.get(status) or kinds[500 if status >= 500 else 400]  # noqa: PLR2004  # statuses of a server


def error_status(protocol: str, kind: str) -> int:
    """Return the status with which a provider sends an error of this kind, 500 if the kind is unknown."""
    kinds = _KINDS.get(protocol, _OPENAI)
    own = next((status for status, name in kinds.items() if name == kind), None)
    return own or _GOOGLE_ONLY.get(kind) or _CODES.get(kind) or _status_elsewhere(kind)


def _status_elsewhere(kind: str) -> int:
    """Return the status of a kind of another protocol."""
    tables = (_ANTHROPIC, _GEMINI, _OPENAI)
    return next((status for table in tables for status, name in table.items() if name == kind), 500)
