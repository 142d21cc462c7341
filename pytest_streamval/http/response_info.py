"""The facts about a provider's answer that its headers state, without secrets and personal data."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_streamval.http.retry_after import seconds_to_wait
from pytest_streamval.model import ResponseInfo

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_streamval.http.secrets import Secrets

# The headers that name a request, the provider's own before those of its host and of its CDN.
_REQUEST_IDS = (
    "x-request-id",  # OpenAI, xAI, Groq, Together, Fireworks, vLLM
    "request-id",  # Anthropic
    "mistral-correlation-id",
    "x-ds-trace-id",  # DeepSeek
    "x-generation-id",  # OpenRouter
    "apim-request-id",  # Azure
    "x-ms-request-id",
    "x-amzn-requestid",  # Bedrock
    "cf-ray",
)
_OTHERS = ("content-type", "date", "openai-processing-ms", "openai-version", "retry-after", "retry-after-ms")
_LIMIT = re.compile("rate-?limit")  # x-ratelimit-*, anthropic-ratelimit-*, ratelimit, ratelimit-policy


def response_info(status: int, headers: Mapping[str, str], secrets: Secrets) -> ResponseInfo:
    """Return the facts about an answer.

    Args:
        status: Its status.
        headers: All of its headers.
        secrets: The values that are redacted in its headers.
    """
    given = {name.lower(): value for name, value in headers.items()}
    kept = {name: secrets.text(value) for name, value in given.items() if _is_harmless(name)}
    request_id = next((kept[name] for name in _REQUEST_IDS if kept.get(name)), None)
    return ResponseInfo(status, request_id, seconds_to_wait(kept), kept)


def _is_harmless(name: str) -> bool:
    return name in _REQUEST_IDS or name in _OTHERS or _LIMIT.search(name) is not None
