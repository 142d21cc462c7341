"""The texts of a prompt, in a request of any protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_CHARACTERS_PER_TOKEN = 4  # roughly, in a language such as English
_AROUND = 7  # the tokens around the texts of a prompt, such as those of roles: OpenAI counts 8 for "Hi"
_LISTS = ("messages", "contents", "input", "prompt")  # the fields of a request that hold the prompt
_INSTRUCTIONS = ("system", "instructions", "systemInstruction", "system_instruction", "tools")
# The fields of a message that lead to its texts. Results of tools are texts, too.
_TEXTS = ("content", "parts", "text", "functionResponse", "response", "output", "result")
_DEEPEST = 8  # levels of a message
# The fields that are no text for the model: names of forms, identifiers, files and signatures.
_OTHER = {
    *("type", "role", "status", "cache_control", "images"),
    *("id", "call_id", "tool_call_id", "tool_use_id", "item_id"),
    *("data", "url", "image_url", "file_data", "file_id", "source", "inlineData", "inline_data", "fileData"),
    *("signature", "thoughtSignature", "thought_signature", "encrypted_content"),
}


def prompt_of(request: object) -> str:
    """Return the text of the last message in the body of a request of any protocol. Its parts have a line each."""
    if not isinstance(request, dict):
        return _last(request)
    return next(filter(None, (_last(request.get(name)) for name in _LISTS)), "") or _text(request)


def prompt_tokens(body: Mapping[str, object]) -> int:
    """Return an estimate of the number of tokens in a prompt: one for every four characters of its texts, and seven.

    The order of the keys, the white space and the options of a request make no difference.
    """
    pending: list[object] = [body.get(name) for name in (*_LISTS, *_INSTRUCTIONS)]
    characters = 0
    while pending:
        value = pending.pop()
        if isinstance(value, str):
            characters += len(value)
        elif isinstance(value, dict):
            pending += [each for name, each in value.items() if name not in _OTHER]
        elif isinstance(value, list):
            pending += value
    return _AROUND + estimated_tokens(characters)


def estimated_tokens(characters: int) -> int:
    """Return an estimate of the number of tokens in a text with this number of characters."""
    return max(1, round(characters / _CHARACTERS_PER_TOKEN))


def _last(prompt: object) -> str:
    """Return the text of the last message with a text. A list of parts is one message."""
    if not isinstance(prompt, list) or all(
        isinstance(part, dict) and "role" not in part and "text" in part for part in prompt
    ):
        return _text(prompt)
    return next(filter(None, map(_text, reversed(prompt))), "")


def _text(message: object, depth: int = 0) -> str:
    if isinstance(message, str) or depth > _DEEPEST:
        return message if isinstance(message, str) else ""
    if isinstance(message, list):
        return "\n".join(filter(None, (_text(part, depth + 1) for part in message)))
    if not isinstance(message, dict):
        return ""
    return next(filter(None, (_text(message.get(name), depth + 1) for name in _TEXTS)), "")
