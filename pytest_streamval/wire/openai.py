"""OpenAI's chat completions, and what the many servers compatible with them send.

Source: https://platform.openai.com/docs/api-reference/chat-streaming. The frames are JSON objects without a type, the
last one is `[DONE]`. Compatible servers differ, and where a difference loses nothing it is read:

- `choices` may be missing or null in a frame that has `usage`, `index` and `delta` in a choice (Azure's filters).
- Thinking comes as `reasoning_content` (DeepSeek, llama.cpp, vLLM) or `reasoning` (OpenRouter, Groq); some send both,
  with one text, and the first counts. Mistral's thinking models send `content` as a list of parts.
- `usage` may stand in a frame of its own (OpenAI, llama.cpp), in the finish frame (DeepSeek) or in every frame
  (Perplexity). `finish_reason` may come early, or in every frame (proxies of Gemini): text after it is text, the last
  reason counts.
- Tool calls may lack their `index` (Gemini's endpoint): a new id, or a name without an id, begins a call, anything else
  continues the last one.

Only the choice of index 0 is read; `n` above 1 is nothing that one output could hold. `refusal` and `logprobs` are
not read, they have no place in a delta.
"""

from __future__ import annotations

from typing import ClassVar

from pytest_streamval.engine.delta import Delta, ToolCallDelta, Usage
from pytest_streamval.wire.frames import FrameDecoder, FrameFaultError, expect, optional, parse_object, report

_DONE = "[DONE]"


class OpenAIChatDecoder(FrameDecoder):
    """Decode the body of a streamed chat completion."""

    protocol: ClassVar[str] = "openai"
    terminal: ClassVar[str] = "the frame [DONE]"

    def __init__(self) -> None:
        super().__init__()
        self._calls: dict[str, int] = {}  # tool calls by id
        self._last_call = 0
        self._next_call = 0

    def _read(self, data: str, event: str) -> Delta | None:
        if data.rstrip() == _DONE:
            self.done = True
            return None
        body = parse_object(data)
        error = body.get("error")
        if error or event == "error":
            raise report(error or body, data)
        usage = self._usage(body)
        choice = _choice(body, usage, event)
        if choice is not None:
            return self._delta(choice, usage)
        return Delta(usage=usage) if usage else None

    def _usage(self, body: dict[str, object]) -> Usage | None:
        usage = body.get("usage")
        if usage is None:
            return None
        self._count(expect(usage, dict, "usage"), "prompt_tokens", "completion_tokens")
        counts = self._counts
        return Usage(counts.get("prompt_tokens"), counts.get("completion_tokens")) if counts else None

    def _delta(self, choice: dict[str, object], usage: Usage | None) -> Delta | None:
        fields = optional(choice.get("delta"), dict, "choices[0].delta") or {}
        text = fields.get("content")
        thinking = fields.get("reasoning_content") or fields.get("reasoning")
        if type(text) is not str or thinking is not None:
            text, thinking = _prose(text, thinking)
        calls = fields.get("tool_calls")
        tool_calls = () if calls is None else self._tool_calls(calls)
        finish_reason = optional(choice.get("finish_reason"), str, "choices[0].finish_reason") or None
        if text or thinking or tool_calls or usage or finish_reason:
            return Delta(text, thinking or "", tool_calls, usage, finish_reason)
        return None

    def _tool_calls(self, calls: object) -> tuple[ToolCallDelta, ...]:
        fragments = [self._tool_call(call) for call in expect(calls, list, "choices[0].delta.tool_calls")]
        return tuple(fragment for fragment in fragments if fragment is not None)

    def _tool_call(self, fragment: object) -> ToolCallDelta | None:
        path = "choices[0].delta.tool_calls[]"
        call = expect(fragment, dict, path)
        function = optional(call.get("function"), dict, f"{path}.function") or {}
        ident = optional(call.get("id"), str, f"{path}.id") or None
        name = optional(function.get("name"), str, f"{path}.function.name") or None
        arguments = optional(function.get("arguments"), str, f"{path}.function.arguments") or ""
        index = self._call_index(optional(call.get("index"), int, f"{path}.index"), ident, name)
        return ToolCallDelta(index, ident, name, arguments) if ident or name or arguments else None

    def _call_index(self, index: int | None, ident: str | None, name: str | None) -> int:
        """The position of a call among the calls, also where the server leaves it out."""
        if index is None:
            begins = self._next_call if ident or name else self._last_call
            index = self._calls.get(ident, begins) if ident else begins
        elif index < 0:
            raise FrameFaultError(f"choices[0].delta.tool_calls[].index is {index}, and no index is below 0")
        if ident:
            self._calls[ident] = index
        self._last_call = index
        self._next_call = max(self._next_call, index + 1)
        return index


def _choice(body: dict[str, object], usage: Usage | None, event: str) -> dict[str, object] | None:
    """The choice of index 0, where the frame has one."""
    choices = body.get("choices")
    if choices is None:
        # Not every server repeats the empty list, and what a gateway adds under a name of its own is not ours to judge.
        if usage is None and event == "message":
            raise FrameFaultError("choices is missing")
        return None
    found = None
    for choice in expect(choices, list, "choices"):
        if (optional(expect(choice, dict, "choices[]").get("index"), int, "choices[].index") or 0) != 0:
            continue
        if found is not None:
            raise FrameFaultError("choices has index 0 twice")
        found = choice
    return found


def _prose(content: object, thinking: object) -> tuple[str, str]:
    """Text and thinking of a delta, of which either may be missing, and the text a list of parts."""
    thought = optional(thinking, str, "choices[0].delta.reasoning_content") or ""
    if not isinstance(content, list):
        return optional(content, str, "choices[0].delta.content") or "", thought
    text, more = _parts(content)
    return text, thought + more


def _parts(parts: object) -> tuple[str, str]:
    """Text and thinking of Mistral's parts; those of other types, such as references, are neither."""
    text = thinking = ""
    path = "choices[0].delta.content[]"
    for part in expect(parts, list, path):
        kind = expect(part, dict, path).get("type")
        if kind == "text":
            text += expect(part.get("text"), str, f"{path}.text")
        elif kind == "thinking":
            thinking += _parts(part.get("thinking"))[0]
    return text, thinking
