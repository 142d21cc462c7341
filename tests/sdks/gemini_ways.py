"""The client of Gemini: content, by either version of the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google import genai

from tests.sdks.ways import MODEL, PROMPT, Patience, Way, both

if TYPE_CHECKING:
    from tests.sdks.heard import Heard


def _client(url: str, patience: Patience, is_async: bool) -> Any:
    retries = {} if patience.retries is None else {"retry_options": {"attempts": patience.retries + 1}}
    options = genai.types.HttpOptions(base_url=url, timeout=round(1000 * patience.seconds), **retries)
    client = genai.Client(api_key="none", http_options=options)
    return client.aio if is_async else client


def _chunk(heard: Heard, chunk: Any) -> None:
    for candidate in chunk.candidates or []:
        for part in (candidate.content and candidate.content.parts) or []:
            (heard.thoughts if part.thought else heard.texts).append(part.text or "")
            if part.function_call:
                heard.call(len(heard.fragments), part.function_call.name, part.function_call.args)
        heard.reason = candidate.finish_reason.value if candidate.finish_reason else heard.reason
    if chunk.usage_metadata:
        counts = chunk.usage_metadata
        heard.usage = (counts.prompt_token_count, counts.candidates_token_count)


WAYS = both(
    Way(
        "google-genai",
        "models.generate_content_stream()",
        "gemini",
        "stream",
        _client,
        lambda client: client.models.generate_content_stream(model=MODEL, contents=PROMPT),
        _chunk,
    ),
    Way(
        "google-genai",
        "models.generate_content()",
        "gemini",
        "whole",
        _client,
        lambda client: client.models.generate_content(model=MODEL, contents=PROMPT),
        _chunk,
    ),
)
