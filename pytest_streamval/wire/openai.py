"""OpenAI's chat completions, and the variants of compatible servers.

Source: https://platform.openai.com/docs/api-reference/chat-streaming. The frames are JSON objects without a type, and
the last frame is `[DONE]`. Compatible servers differ, and every difference that loses nothing is accepted:

- `choices` can be missing or null in a frame with `usage`. `index` and `delta` can be missing in a choice (Azure's
  filters).
- Thinking is in `reasoning_content` (DeepSeek, llama.cpp, vLLM) or `reasoning` (OpenRouter, Groq). Some servers send
  the same text in both, and the first is read. Mistral's thinking models send `content` as a list of parts.
- `usage` can be in a frame of its own (OpenAI, llama.cpp), in the finish frame (DeepSeek) or in every frame
  (Perplexity). `finish_reason` can come early or in every frame (proxies of Gemini). Text after it is text, and the
  last reason is used.
- Tool calls can lack their `index` (Gemini's endpoint). A new id, or a name without an id, starts a call, and anything
  else continues the last call.

Only the choice with index 0 is read, because one output cannot hold several choices. `refusal` and `logprobs` are not
read, because a delta has no fields for them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from pytest_streamval.model import Delta, ToolCall, ToolCallDelta, Usage
from pytest_streamval.wire.adapter import Adapter
from pytest_streamval.wire.encoding import FrameEncoder, finish_reasons
from pytest_streamval.wire.exchange import Answer, ParsedRequest
from pytest_streamval.wire.frames import FrameDecoder
from pytest_streamval.wire.json_values import (
    FrameFaultError,
    expect,
    json_text,
    optional,
    parse_object,
    provider_report,
)
from pytest_streamval.wire.sse import sse_frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_streamval.wire.adapter import ChatRequest
    from pytest_streamval.wire.encoding import Json

_DONE = "[DONE]"
_INPUT = ("prompt_tokens",)
_OUTPUT = ("completion_tokens",)


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
            raise provider_report(error or body, data)
        usage = self._read_usage(body.get("usage"), _INPUT, _OUTPUT, "usage") if "usage" in body else None
        choice = _choice(body, usage, event)
        if choice is not None:
            return self._delta(choice, usage)
        return Delta(usage=usage) if usage else None

    def _delta(self, choice: dict[str, object], usage: Usage | None) -> Delta | None:
        fields = optional(choice.get("delta"), dict, "choices[0].delta") or {}
        text = fields.get("content")
        thinking = fields.get("reasoning_content") or fields.get("reasoning")
        if type(text) is not str or thinking is not None:
            text, thinking = _text_and_thinking(text, thinking, "choices[0].delta")
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
        """Return the position of a call among the calls, even if the server leaves it out."""
        if index is None:
            default = self._next_call if ident or name else self._last_call
            index = self._calls.get(ident, default) if ident else default
        elif index < 0:
            raise FrameFaultError(f"choices[0].delta.tool_calls[].index is {index}, and an index must be 0 or more")
        if ident:
            self._calls[ident] = index
        self._last_call = index
        self._next_call = max(self._next_call, index + 1)
        return index


class OpenAIChatEncoder(FrameEncoder):
    """Encode a chat completion in OpenAI's format.

    The role comes first. A finish reason has a frame of its own. The token counts come at the end, if the request asks
    for them and some are known.
    """

    protocol: ClassVar[str] = "openai"
    reasons: ClassVar[Mapping[str, str]] = finish_reasons(
        stop="stop", length="length", tool_calls="tool_calls", refusal="content_filter"
    )
    usual_reasons: ClassVar[tuple[str, str]] = ("stop", "tool_calls")
    terminator: ClassVar[bytes] = b"data: [DONE]\n\n"

    @staticmethod
    def error(kind: str, message: str) -> Json:
        """Return the JSON of an error, for a stream and for a response that is not streamed."""
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
        if self._usage is not None and self._request.usage:
            yield {**self._chunk({}), "choices": [], "usage": _counts(self._usage)}

    def _answer_body(self, answer: Answer) -> Json:
        message: Json = {"role": "assistant", "content": answer.text, "refusal": None}
        if answer.thinking:
            message["reasoning_content"] = answer.thinking
        if answer.tool_calls:
            message["content"] = answer.text or None
            message["tool_calls"] = [_call(call) for call in answer.tool_calls]
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": answer.finish_reason}
        usage_field = {} if answer.usage is None else {"usage": _counts(answer.usage)}
        return {**self._head("chat.completion"), "choices": [choice], **usage_field}

    def _write(self, frame: Json) -> bytes:
        return sse_frame(json_text(frame))

    def _chunk(self, fields: Json, reason: str | None = None) -> Json:
        choice = {"index": 0, "delta": fields, "logprobs": None, "finish_reason": reason}
        # If counts come later, the frames before them have a null usage.
        usage_field = {"usage": None} if self._request.usage else {}
        return {**self._head("chat.completion.chunk"), "choices": [choice], **usage_field}

    def _head(self, kind: str) -> Json:
        created = int(self._created)
        return {"id": f"chatcmpl-{self._ident}", "object": kind, "created": created, "model": self._request.model}

    def _fragment(self, fragment: ToolCallDelta) -> Json:
        starts = self._starts_call(fragment)
        call = self._calls[fragment.index]
        if starts:
            return {"index": self._positions[fragment.index], **_call(replace(call, arguments=fragment.arguments))}
        return {"index": self._positions[fragment.index], "function": {"arguments": fragment.arguments}}


@dataclass(frozen=True, slots=True)
class OpenAIChat(Adapter):
    """The adapter for OpenAI's chat completions and compatible servers.

    The API key is sent in `Authorization: Bearer`.
    """

    protocol: ClassVar[str] = "openai"
    synonyms: ClassVar[Mapping[str, str]] = MappingProxyType({"max_completion_tokens": "max_tokens"})
    _decoder: ClassVar[type[FrameDecoder]] = OpenAIChatDecoder
    _paths: ClassVar[tuple[str, ...]] = ("/v1/chat/completions", "/chat/completions")
    _encoder: ClassVar[type[FrameEncoder]] = OpenAIChatEncoder

    max_tokens: str = "max_tokens"
    """The field for `max_new_tokens`. Every compatible server knows the old name, and OpenAI's own reasoning models
    accept only `max_completion_tokens`."""

    def parse_request(self, path: str, body: Mapping[str, object]) -> ParsedRequest | None:
        """Parse a request. Return None if its path does not belong to this protocol."""
        request = Adapter.parse_request(self, path, body)  # super() fails in a dataclass with slots
        options = body.get("stream_options")
        usage = isinstance(options, dict) and options.get("include_usage") is True
        return None if request is None else replace(request, usage=usage)

    def _option_names(self) -> Mapping[str, str]:
        return {"temperature": "temperature", "max_new_tokens": self.max_tokens, "seed": "seed", "stop": "stop"}

    def _build(self, request: ChatRequest) -> tuple[str, Json]:
        body: Json = {"model": request.model, "messages": request.turns, **request.settings}
        if request.schema is not None:
            schema = {"name": "output", "schema": request.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        if request.stream:
            body["stream"] = True
            body["stream_options"] = {"include_usage": True}
        return self._paths[0], body

    def _parse_answer(self, body: Json) -> Answer:
        usage = OpenAIChatDecoder()._read_usage(body.get("usage"), _INPUT, _OUTPUT, "usage")
        choice = _choice(body, None, "message")
        if choice is None:
            raise FrameFaultError("choices has no item with index 0")
        path = "choices[0].message"
        message = expect(choice.get("message"), dict, path)
        thinking = message.get("reasoning_content") or message.get("reasoning")
        text, thinking = _text_and_thinking(message.get("content"), thinking, path)
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
    """Return the choice with index 0, or None if the frame has none."""
    choices = body.get("choices")
    if choices is None:
        # Not every server repeats the empty list, and a gateway may add frames with names of its own.
        if usage is None and event == "message":
            raise FrameFaultError("choices is missing")
        return None
    found = None
    for choice in expect(choices, list, "choices"):
        if (optional(expect(choice, dict, "choices[]").get("index"), int, "choices[].index") or 0) != 0:
            continue
        if found is not None:
            raise FrameFaultError("choices has two items with index 0")
        found = choice
    return found


def _text_and_thinking(content: object, thinking: object, path: str) -> tuple[str, str]:
    """Return the text and thinking of a delta or a message. Both can be missing. The text can be a list of parts."""
    thought = optional(thinking, str, f"{path}.reasoning_content") or ""
    if not isinstance(content, list):
        return optional(content, str, f"{path}.content") or "", thought
    text, more = _parts(content, f"{path}.content[]")
    return text, thought + more


def _parts(parts: object, path: str) -> tuple[str, str]:
    """Return the text and thinking of Mistral's parts. Parts of other types, such as references, are skipped."""
    text = thinking = ""
    for part in expect(parts, list, path):
        kind = expect(part, dict, path).get("type")
        if kind == "text":
            text += expect(part.get("text"), str, f"{path}.text")
        elif kind == "thinking":
            thinking += _parts(part.get("thinking"), path)[0]
    return text, thinking
