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

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from pytest_streamval.model import Delta, ToolCall, ToolCallDelta, Usage
from pytest_streamval.wire.adapter import Adapter, model_in
from pytest_streamval.wire.encoding import FrameEncoder
from pytest_streamval.wire.exchange import Answer, Asked
from pytest_streamval.wire.frames import FrameDecoder
from pytest_streamval.wire.json_values import FrameFaultError, expect, json_text, optional, parse_object, report
from pytest_streamval.wire.sse import sse_frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_streamval.wire.adapter import Question
    from pytest_streamval.wire.encoding import Json

_DONE = "[DONE]"
_PATHS = ("/v1/chat/completions", "/chat/completions")  # the first is asked, both answer


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
            text, thinking = _prose(text, thinking, "choices[0].delta")
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


class OpenAIChatEncoder(FrameEncoder):
    """Encode the body of a streamed chat completion, as OpenAI sends it.

    First comes the role; a reason to finish comes in a frame of its own, and the counts of tokens at the end, where
    they were asked for and some are known.
    """

    protocol: ClassVar[str] = "openai"
    reasons: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            **dict.fromkeys(("end_turn", "stop_sequence", "STOP", "completed"), "stop"),
            **dict.fromkeys(("max_tokens", "MAX_TOKENS", "max_output_tokens"), "length"),
            **dict.fromkeys(("refusal", "SAFETY"), "content_filter"),
            "tool_use": "tool_calls",
        }
    )
    usual_reasons: ClassVar[tuple[str, str]] = ("stop", "tool_calls")
    terminator: ClassVar[bytes] = b"data: [DONE]\n\n"

    @staticmethod
    def error(kind: str, message: str) -> Json:
        """The error as JSON, which is the same in a stream and in its place."""
        return {"error": {"message": message, "type": kind, "param": None, "code": None}}

    def _opening(self) -> Iterable[Json]:
        yield self._chunk({"role": "assistant", "content": None})

    def _frames(self, delta: Delta) -> Iterable[Json]:
        fields: Json = {}
        if delta.thinking:
            fields["reasoning_content"] = delta.thinking
        if delta.text:
            fields["content"] = delta.text
        if delta.tool_calls:
            fields["tool_calls"] = [self._fragment(fragment) for fragment in delta.tool_calls]
        if fields:
            yield self._chunk(fields)
        if delta.finish_reason:
            yield self._chunk({}, self._reason)

    def _ending(self) -> Iterable[Json]:
        if self._reason is None:
            yield self._chunk({}, self._final_reason())
        if self._usage is not None and self._asked.usage:
            yield {**self._chunk({}), "choices": [], "usage": _counts(self._usage)}

    def _whole(self, answer: Answer) -> Json:
        message: Json = {"role": "assistant", "content": answer.text, "refusal": None}
        if answer.thinking:
            message["reasoning_content"] = answer.thinking
        if answer.tool_calls:
            message["content"] = answer.text or None
            message["tool_calls"] = [_call(call) for call in answer.tool_calls]
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": answer.finish_reason}
        counted = {} if answer.usage is None else {"usage": _counts(answer.usage)}
        return {**self._head("chat.completion"), "choices": [choice], **counted}

    def _write(self, frame: Json) -> bytes:
        return sse_frame(json_text(frame))

    def _chunk(self, fields: Json, reason: str | None = None) -> Json:
        choice = {"index": 0, "delta": fields, "logprobs": None, "finish_reason": reason}
        # Where counts are to come, the frames before them say that they have none.
        counted = {"usage": None} if self._asked.usage else {}
        return {**self._head("chat.completion.chunk"), "choices": [choice], **counted}

    def _head(self, kind: str) -> Json:
        created = int(self._created)
        return {"id": f"chatcmpl-{self._ident}", "object": kind, "created": created, "model": self._asked.model}

    def _fragment(self, fragment: ToolCallDelta) -> Json:
        begins = self._begins(fragment)
        call = self._calls[fragment.index]
        if begins:
            return {"index": self._positions[fragment.index], **_call(replace(call, arguments=fragment.arguments))}
        return {"index": self._positions[fragment.index], "function": {"arguments": fragment.arguments}}


@dataclass(frozen=True, slots=True)
class OpenAIChat(Adapter):
    """OpenAI's chat completions, and what is compatible with them.

    The key goes into `Authorization: Bearer`.
    """

    protocol: ClassVar[str] = "openai"
    synonyms: ClassVar[Mapping[str, str]] = MappingProxyType({"max_completion_tokens": "max_tokens"})
    _decoder: ClassVar[type[FrameDecoder]] = OpenAIChatDecoder
    _encoder: ClassVar[type[FrameEncoder]] = OpenAIChatEncoder

    max_tokens: str = "max_tokens"
    """The field for `max_new_tokens`. Every compatible server knows the old name; OpenAI's own reasoning models take
    `max_completion_tokens` only."""

    def asked(self, path: str, body: Mapping[str, object]) -> Asked | None:
        """Return what a request asks for, or None where its path is none of this protocol's."""
        if path.partition("?")[0] not in _PATHS:
            return None
        options = body.get("stream_options")
        usage = isinstance(options, dict) and options.get("include_usage") is True
        return Asked(model_in(body), stream=body.get("stream") is True, usage=usage)

    def _settings(self) -> Mapping[str, str]:
        return {"temperature": "temperature", "max_new_tokens": self.max_tokens, "seed": "seed", "stop": "stop"}

    def _request(self, question: Question) -> tuple[str, Json]:
        body: Json = {"model": question.model, "messages": question.turns, **question.settings}
        if question.schema is not None:
            schema = {"name": "output", "schema": question.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        if question.stream:
            body["stream"] = True
            body["stream_options"] = {"include_usage": True}
        return _PATHS[0], body

    def _read_answer(self, body: Json) -> Answer:
        usage = OpenAIChatDecoder()._usage(body)
        choice = _choice(body, None, "message")
        if choice is None:
            raise FrameFaultError("choices has no index 0")
        path = "choices[0].message"
        message = expect(choice.get("message"), dict, path)
        thinking = message.get("reasoning_content") or message.get("reasoning")
        text, thinking = _prose(message.get("content"), thinking, path)
        calls = optional(message.get("tool_calls"), list, f"{path}.tool_calls") or []
        reason = optional(choice.get("finish_reason"), str, "choices[0].finish_reason")
        return Answer(text, thinking, tuple(map(_read_call, calls)), usage, reason)


def _call(call: ToolCall) -> Json:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _read_call(value: object) -> ToolCall:
    path = "choices[0].message.tool_calls[]"
    call = expect(value, dict, path)
    function = expect(call.get("function"), dict, f"{path}.function")
    return ToolCall(
        optional(call.get("id"), str, f"{path}.id"),
        expect(function.get("name"), str, f"{path}.function.name"),
        optional(function.get("arguments"), str, f"{path}.function.arguments") or "",
    )


def _counts(usage: Usage) -> Json:
    prompt, completion = usage.input_tokens or 0, usage.output_tokens or 0
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


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


def _prose(content: object, thinking: object, path: str) -> tuple[str, str]:
    """Text and thinking of a delta or a message, of which either may be missing, and the text a list of parts."""
    thought = optional(thinking, str, f"{path}.reasoning_content") or ""
    if not isinstance(content, list):
        return optional(content, str, f"{path}.content") or "", thought
    text, more = _parts(content, f"{path}.content[]")
    return text, thought + more


def _parts(parts: object, path: str) -> tuple[str, str]:
    """Text and thinking of Mistral's parts; those of other types, such as references, are neither."""
    text = thinking = ""
    for part in expect(parts, list, path):
        kind = expect(part, dict, path).get("type")
        if kind == "text":
            text += expect(part.get("text"), str, f"{path}.text")
        elif kind == "thinking":
            thinking += _parts(part.get("thinking"), path)[0]
    return text, thinking
