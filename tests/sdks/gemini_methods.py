"""The methods of Gemini's client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google import genai

from tests.sdks.client_methods import MODEL, PROMPT, ClientMethod, ClientOptions, both

if TYPE_CHECKING:
    from tests.sdks.received import Received


def _client(url: str, client_options: ClientOptions, is_async: bool) -> Any:
    retries = {} if client_options.retries is None else {"retry_options": {"attempts": client_options.retries + 1}}
    options = genai.types.HttpOptions(base_url=url, timeout=round(1000 * client_options.seconds), **retries)
    client = genai.Client(api_key="none", http_options=options)
    return client.aio if is_async else client


def _chunk(received: Received, chunk: Any) -> None:
    for candidate in chunk.candidates or []:
        for part in (candidate.content and candidate.content.parts) or []:
            (received.thoughts if part.thought else received.texts).append(part.text or "")
            if part.function_call:
                received.add_call(len(received.fragments), part.function_call.name, part.function_call.args)
        received.reason = candidate.finish_reason.value if candidate.finish_reason else received.reason
    if chunk.usage_metadata:
        counts = chunk.usage_metadata
        received.usage = (counts.prompt_token_count, counts.candidates_token_count)


METHODS = both(
    ClientMethod(
        "google-genai",
        "models.generate_content_stream()",
        "gemini",
        "stream",
        _client,
        lambda client: client.models.generate_content_stream(model=MODEL, contents=PROMPT),
        _chunk,
    ),
    ClientMethod(
        "google-genai",
        "models.generate_content()",
        "gemini",
        "whole",
        _client,
        lambda client: client.models.generate_content(model=MODEL, contents=PROMPT),
        _chunk,
    ),
)
