"""The parts of an answer that a script does not have, so that a request for them is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_COUNTS = ("n", "candidateCount", "candidate_count")
_LOGPROBS = ("logprobs", "top_logprobs", "responseLogprobs", "response_logprobs")
_CONFIGS = ("generationConfig", "generation_config")  # Gemini's fields with options


def unserved(body: Mapping[str, object]) -> str:
    """Return the reason why no script answers a request, or an empty string.

    A script is one answer, and has no probabilities.
    """
    for fields in (body, *_configs(body)):
        for name in _COUNTS:
            value = fields.get(name)
            if isinstance(value, int) and value > 1:
                return f"{name} is {value}, but a script has one answer. Send the request without it, or with 1."
        for name in _LOGPROBS:
            if fields.get(name):
                return f"{name} is set, but a script has no log probabilities. Send the request without it."
    include = body.get("include")
    if isinstance(include, list) and "message.output_text.logprobs" in include:
        return "include has message.output_text.logprobs, but a script has no log probabilities. Leave it out."
    return ""


def _configs(body: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    for name in _CONFIGS:
        config = body.get(name)
        if isinstance(config, dict):
            yield config
