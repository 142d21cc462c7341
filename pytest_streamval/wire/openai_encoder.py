"""The encoder of OpenAI's chat completions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from pytest_streamval.wire.encoding import FrameEncoder, finish_reasons
from pytest_streamval.wire.json_values import json_text
from pytest_streamval.wire.sse import sse_frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_streamval.model import Delta, ToolCall, ToolCallDelta, Usage
    from pytest_streamval.wire.encoding import Json
    from pytest_streamval.wire.exchange import Answer


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


def _call(call: ToolCall) -> Json:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _counts(usage: Usage) -> Json:
    prompt, completion = usage.input_tokens or 0, usage.output_tokens or 0
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
