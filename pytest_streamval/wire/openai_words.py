"""The texts in a message of a chat completion, or in a delta of one, under all names that servers give to them.

Thinking is in `reasoning_content` (DeepSeek, llama.cpp, vLLM), `reasoning` (OpenRouter, Groq), `reasoning_text`
(GitHub Copilot), `thinking`, or only in the blocks of `reasoning_details` (OpenRouter) or `thinking_blocks` (LiteLLM).
Some servers send the same text under several names, and the first is read. Mistral's thinking models send `content` as
a list of parts. Signatures are in those blocks, in `reasoning_opaque` (GitHub Copilot), or in `extra_content` (Gemini's
endpoint), there also beside a tool call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pytest_streamval.wire.json_values import expect, optional

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_streamval.wire.encoding import Json

_THINKING = ("reasoning_content", "reasoning", "reasoning_text", "thinking")
_BLOCKS = ("reasoning_details", "thinking_blocks")


class Words(NamedTuple):
    """The texts of a message or a delta, each empty if it is missing."""

    text: str
    """The output text."""
    thinking: str
    """The reasoning text."""
    refusal: str
    """The words of a refusal."""
    signature: str
    """The signatures of the thinking."""


def words_in(fields: Json, path: str) -> Words:
    """Return the texts of a message or a delta at this path of its frame."""
    thinking = _thinking(fields, path)
    content = fields.get("content")
    text, in_parts, refused = content if isinstance(content, str) else "", "", ""
    if isinstance(content, list):
        text, in_parts, refused = _parts(content, f"{path}.content[]")
    elif content is not None:
        expect(content, str, f"{path}.content")
    thinking += in_parts
    signature = "".join(_signatures(fields))
    if not thinking:
        thinking = "".join(_block_texts(fields))
    return Words(text, thinking, (optional(fields.get("refusal"), str, f"{path}.refusal") or "") + refused, signature)


def _thinking(fields: Json, path: str) -> str:
    value = next((fields[name] for name in _THINKING if fields.get(name)), None)
    return optional(value, str, f"{path}.reasoning_content") or ""


def _parts(parts: list[object], path: str) -> tuple[str, str, str]:
    """Return the text, thinking and refusal in parts. Parts of other types, such as references, are skipped."""
    texts: dict[object, list[str]] = {"text": [], "thinking": [], "refusal": []}
    for value in parts:
        part = expect(value, dict, path)
        kind = part.get("type")
        if kind in ("text", "refusal"):  # a value of JSON may be unhashable
            texts[kind].append(expect(part.get(kind), str, f"{path}.{kind}"))
        elif kind == "thinking":
            texts[kind].append(_parts(expect(part.get("thinking"), list, path), path)[0])
    return "".join(texts["text"]), "".join(texts["thinking"]), "".join(texts["refusal"])


def _blocks(fields: Json) -> Iterator[Json]:
    for name in _BLOCKS:
        blocks = fields.get(name)
        yield from (block for block in (blocks if isinstance(blocks, list) else ()) if isinstance(block, dict))


def _block_texts(fields: Json) -> Iterator[str]:
    for block in _blocks(fields):
        for name in ("text", "summary", "thinking"):
            text = block.get(name)
            if isinstance(text, str):
                yield text


def _signatures(fields: Json) -> Iterator[str]:
    opaque = fields.get("reasoning_opaque")
    calls = fields.get("tool_calls")
    holders: list[Json] = [
        fields,
        *(call for call in (calls if isinstance(calls, list) else ()) if isinstance(call, dict)),
    ]
    found: list[object] = [opaque, *(block.get("signature") or block.get("data") for block in _blocks(fields))]
    found += [_google_signature(holder) for holder in holders]
    return (signature for signature in found if isinstance(signature, str))


def _google_signature(holder: Json) -> object:
    """Return the signature in the form of Gemini's endpoint for OpenAI's clients."""
    content = holder.get("extra_content")
    google = content.get("google") if isinstance(content, dict) else None
    return google.get("thought_signature") if isinstance(google, dict) else None
