"""The cached tokens and the reasoning tokens in a provider's report of the usage.

Sources: https://platform.openai.com/docs/guides/prompt-caching, https://platform.openai.com/docs/guides/reasoning,
https://docs.claude.com/en/docs/build-with-claude/prompt-caching and
https://ai.google.dev/api/generate-content#UsageMetadata.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

_PLACES = {
    "openai": (("prompt_tokens_details", "cached_tokens"), ("completion_tokens_details", "reasoning_tokens")),
    "openai-responses": (("input_tokens_details", "cached_tokens"), ("output_tokens_details", "reasoning_tokens")),
    "anthropic": (("cache_read_input_tokens",), ()),
    "gemini": (("cachedContentTokenCount",), ("thoughtsTokenCount",)),
}
"""The places of both counts in a report, by the protocol."""


class UsageDetails(NamedTuple):
    """The counts, None for those that are missing or 0."""

    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


def usage_details(protocol: str, usage: Mapping[str, object]) -> UsageDetails:
    """Return the counts in a report. A value that is no count is none."""
    return UsageDetails(*(_count_at(usage, place) for place in _PLACES.get(protocol, ())))


def latest_details(before: UsageDetails, report: UsageDetails) -> UsageDetails:
    """Return the counts after a report. A count that it leaves out keeps its value."""
    return UsageDetails(*(old if new is None else new for old, new in zip(before, report, strict=True)))


def _count_at(usage: Mapping[str, object], place: tuple[str, ...]) -> int | None:
    value: object = usage
    for name in place:
        value = value.get(name) if isinstance(value, dict) else None
    return value if type(value) is int and value > 0 else None
