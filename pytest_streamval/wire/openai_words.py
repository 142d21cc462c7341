"""The texts in a message of a chat completion, or in a delta of one, under all names that servers give to them.

Thinking is in `reasoning_content` (DeepSeek, llama.cpp, vLLM), `reasoning` (OpenRouter, Groq), `reasoning_text`
(GitHub Copilot), `thinking`, or only in the blocks of `reasoning_details` (OpenRouter) or `thinking_blocks` (LiteLLM).
Some servers send the same text under several names, and the first is read. It can be an object with a `text` or a
`signature` (Envoy, for Amazon Bedrock: https://github.com/envoyproxy/ai-gateway/pull/1222). Mistral's thinking models
and Databricks send `content` as a list of parts. Signatures are in those blocks, in `reasoning_opaque` (GitHub
Copilot), or in `extra_content` (Gemini's endpoint), there also beside a tool call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pytest_streamval.wire.json_values import expect, optional

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_streamval.wire.encoding import Json

_THINKING = ("reasoning_content", "reasoning", "reasoning_text", "thinking")
_BLOCKS = ("reasoning_details", "thinking_blocks")
THINKING = _THINKING + _BLOCKS
"""The fields with thinking."""


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
    thinking, signed = _thinking(fields, path)
    content = fields.get("content")
    in_content = Words(content if isinstance(content, str) else "", "", "", "")
    if isinstance(content, list):
        in_content = _parts(content, f"{path}.content[]")
    elif content is not None:
        expect(content, str, f"{path}.content")
    thinking += in_content.thinking
    signature = "".join((signed, in_content.signature, *_signatures(fields)))
    if not thinking:
        thinking = "".join(_block_texts(fields))
    refusal = optional(fields.get("refusal"), str, f"{path}.refusal") or ""
    return Words(in_content.text, thinking, refusal + in_content.refusal, signature)


def _thinking(fields: Json, path: str) -> tuple[str, str]:
    """Return the thinking under the first of its names, and its signature if it is an object."""
    value = next((fields[name] for name in _THINKING if fields.get(name)), None)
    path = f"{path}.reasoning_content"
    if not isinstance(value, dict):
        return optional(value, str, path) or "", ""
    text, signature = (optional(value.get(name), str, f"{path}.{name}") or "" for name in ("text", "signature"))
    return text, signature


def _parts(parts: list[object], path: str) -> Words:
    """Return the texts in parts. Parts of other types, such as references, are skipped.

    Databricks has thinking as a `reasoning` with a `summary`:
    https://docs.databricks.com/aws/en/machine-learning/model-serving/query-reason-models.
    """
    texts: dict[object, list[str]] = {"text": [], "thinking": [], "refusal": [], "signature": []}
    for value in parts:
        part = expect(value, dict, path)
        kind = part.get("type")
        if kind in ("text", "refusal"):  # a value of JSON may be unhashable
            texts[kind].append(expect(part.get(kind), str, f"{path}.{kind}"))
        elif kind == "thinking" and isinstance(part.get(kind), str):
            texts[kind].append(part[kind])
        elif kind == "thinking":
            texts[kind].append(_parts(expect(part.get("thinking"), list, path), path).text)
        elif kind == "reasoning":
            for summary in optional(part.get("summary"), list, f"{path}.summary") or ():
                fields = expect(summary, dict, f"{path}.summary[]")
                texts["thinking"].append(optional(fields.get("text"), str, f"{path}.summary[].text") or "")
                texts["signature"].append(optional(fields.get("signature"), str, f"{path}.summary[].signature") or "")
    return Words(*("".join(texts[name]) for name in Words._fields))


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
