"""Log probabilities of a script's text, which has none: made up, so that a client can read their form.

Every word is a token with the same probability, and its own most likely candidate. Sources:
https://platform.openai.com/docs/api-reference/chat/object, https://ai.google.dev/api/generate-content#LogprobsResult,
https://docs.ollama.com/api/chat.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_streamval.wire.encoding import Json

_TOKEN = re.compile(r"\s*+\S+|\s++")
_PROBABILITY = -0.1  # the natural logarithm, of 90 percent


def token_logprobs(text: str, body: Mapping[str, object]) -> list[Json]:
    """Return the tokens of a text with their log probabilities, in the form of OpenAI and Ollama.

    Args:
        text: The text.
        body: The request, whose `top_logprobs` is the number of candidates.
    """
    most = body.get("top_logprobs")
    has_candidates = isinstance(most, int) and most > 0
    tokens = [_token(token) for token in _TOKEN.findall(text)]
    return [{**token, "top_logprobs": [token] if has_candidates else []} for token in tokens]


def gemini_logprobs(text: str) -> Json:
    """Return the tokens of a text with their log probabilities, in the form of Gemini."""
    tokens: list[Json] = [{"token": token, "logProbability": _PROBABILITY} for token in _TOKEN.findall(text)]
    return {"chosenCandidates": tokens, "topCandidates": [{"candidates": [token]} for token in tokens]}


def _token(text: str) -> Json:
    return {"token": text, "logprob": _PROBABILITY, "bytes": list(text.encode())}
