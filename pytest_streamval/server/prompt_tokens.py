"""Counts of the tokens in a request, for the endpoints that count them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_CHARACTERS_PER_TOKEN = 4  # roughly, in a language such as English
_PROMPT = ("messages", "contents", "input", "prompt", "system", "instructions", "systemInstruction", "tools")


def prompt_tokens(body: Mapping[str, object]) -> int:
    """Return an estimate of the tokens of a prompt: one for every four characters of its texts."""
    pending = [body[name] for name in _PROMPT if name in body]
    characters = 0
    while pending:
        value = pending.pop()
        if isinstance(value, str):
            characters += len(value)
        elif isinstance(value, dict):
            pending += value.values()
        elif isinstance(value, list):
            pending += value
    return estimated_tokens(characters)


def estimated_tokens(characters: int) -> int:
    """Return an estimate of the tokens of a text with so many characters."""
    return max(1, round(characters / _CHARACTERS_PER_TOKEN))
