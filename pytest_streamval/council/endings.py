"""The ends of answers that are not what was asked for, by the finish reasons of the providers.

The sources are the references of the providers: chat completions and responses of OpenAI, messages of Anthropic,
generateContent of Gemini, and Ollama. Reasons are compared in lower case.
"""

from __future__ import annotations

_LIMITS = {"length", "max_tokens", "max_output_tokens", "model_length", "model_context_window_exceeded"}
_FILTERS = {
    *("blocklist", "content_filter", "image_safety", "language", "prohibited_content", "recitation", "refusal"),
    *("safety", "spii"),
}


def problem_of_end(finish_reason: str | None) -> str | None:
    """Return the reason why the end of a text is not its own, or None if it is."""
    reason = (finish_reason or "").lower()
    if reason in _LIMITS:
        return "cut at its limit"
    return "stopped by a filter" if reason in _FILTERS else None
