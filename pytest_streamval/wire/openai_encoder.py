"""The encoder of OpenAI's chat completions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from pytest_streamval.wire.encoding import FrameEncoder, finish_reasons
from pytest_streamval.wire.json_values import json_text
from pytest_streamval.wire.logprobs import token_logprobs
from pytest_streamval.wire.sse import sse_frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_streamval.model import Delta, ToolCall, ToolCallDelta, Usage
    from pytest_streamval.wire.encoding import Json
    from pytest_streamval.wire.request_and_answer import Answer, ParsedRequest


class OpenAIChatEncoder(FrameEncoder):
    """Encode a chat completion in OpenAI's format.

    The role comes first. A finish reason has a frame of its own. The token counts come at the end, if the request asks
    for them and some are known. If they are reported without that, they are in the last frame with a choice, because a
    client that does not ask may read the first choice of every frame.
    """

    protocol: ClassVar[str] = "openai"
    reasons: ClassVar[Mapping[str, str]] = finish_reasons(
        stop="stop", length="length", tool_calls="tool_calls", refusal="content_filter"
    )
    usual_reasons: ClassVar[tuple[str, str]] = ("stop", "tool_calls")
    kinds: ClassVar[tuple[str, ...]] = ("function", "function_call", "custom")
    terminator: ClassVar[bytes] = b"data: [DONE]\n\n"

    def __init__(self, request: ParsedRequest, *, ident: str = "1", created: float = 0.0) -> None:
        super().__init__(request, ident=ident, created=created)
        self._tier = served_tier(request.body)
        self._reported: Usage | None = None  # the token counts that were sent without a request for them

    @staticmethod
    def error(kind: str, message: str, code: str | None = None) -> Json:
        """Return the JSON of an error, for a stream and for a response that is not streamed."""
        return {"error": {"message": message, "type": kind, "param": None, "code": code}}

    def _opening(self) -> Iterable[Json]:
        yield self._chunk({"role": "assistant", "content": None})

    def _frames(self, delta: Delta) -> Iterable[Json]:
        fields: Json = {}
        if delta.thinking:
            fields["reasoning_content"] = delta.thinking
        if delta.text:
            fields["content"] = delta.text
        if delta.refusal:
            fields["refusal"] = delta.refusal
        if delta.signature:
            fields["reasoning_details"] = [_signature(delta.signature)]
        for fragment in delta.tool_calls:
            self._add_fragment(fields, fragment)
        if fields:
            yield self._chunk(fields)
        if delta.finish_reason:
            yield self._last_chunk(self._reason)

    def _ending(self) -> Iterable[Json]:
        if self._reason is None:
            yield self._last_chunk(self._final_reason())
        if self._usage is not None and self._request.usage:
            yield {**self._chunk({}), "choices": [], "usage": _counts(self._usage)}
        elif self.reports_usage and self._usage != self._reported:
            yield self._last_chunk(None)

    def _last_chunk(self, reason: str | None) -> Json:
        """Return the frame with the finish reason, and with the token counts if the request does not ask for them."""
        if self._usage is None or self._request.usage or not self.reports_usage:
            return self._chunk({}, reason)
        self._reported = self._usage
        return {**self._chunk({}, reason), "usage": _counts(self._usage)}

    def _answer_body(self, answer: Answer) -> Json:
        is_text = answer.text or not (answer.tool_calls or answer.refusal)
        content = answer.text if is_text else None
        message: Json = {"role": "assistant", "content": content, "refusal": answer.refusal or None}
        if answer.thinking:
            message["reasoning_content"] = answer.thinking
        if answer.signature:
            message["reasoning_details"] = [_signature(answer.signature)]
        for position, call in enumerate(answer.tool_calls):
            self._add_call(message, position, call)
        logprobs = self._logprobs(content, answer.refusal)
        choice = {"index": 0, "message": message, "logprobs": logprobs, "finish_reason": answer.finish_reason}
        usage_field = {} if answer.usage is None else {"usage": _counts(answer.usage)}
        return {**self._head("chat.completion"), "choices": [choice], **usage_field}

    def _write(self, frame: Json) -> bytes:
        return sse_frame(json_text(frame))

    def _chunk(self, fields: Json, reason: str | None = None) -> Json:
        logprobs = self._logprobs(fields.get("content"), fields.get("refusal"))
        choice = {"index": 0, "delta": fields, "logprobs": logprobs, "finish_reason": reason}
        # If counts come later, the frames before them have a null usage.
        usage_field = {"usage": None} if self._request.usage else {}
        return {**self._head("chat.completion.chunk"), "choices": [choice], **usage_field}

    def _logprobs(self, text: object, refusal: object) -> Json | None:
        """Return the log probabilities of the tokens, if the request asks for them and there are tokens."""
        body = self._request.body
        if body.get("logprobs") is not True or not (text or refusal):
            return None
        texts = {"content": text, "refusal": refusal}
        return {name: token_logprobs(str(each), body) if each else None for name, each in texts.items()}

    def _head(self, kind: str) -> Json:
        return {
            "id": f"chatcmpl-{self._ident}",
            "object": kind,
            "created": int(self._created),
            "model": self._request.model,
            "service_tier": self._tier,
            "system_fingerprint": "fp_0123456789",
        }

    def _add_fragment(self, fields: Json, fragment: ToolCallDelta) -> None:
        starts = self._starts_call(fragment)
        call = replace(self._calls[fragment.index], arguments=fragment.arguments)
        if starts:
            self._add_call(fields, fragment.index, call, streamed=True)
        elif call.kind == "function_call":
            fields["function_call"] = {"arguments": call.arguments}
        else:
            words = {_WORDS[call.kind]: call.arguments}
            _list_in(fields, "tool_calls").append({"index": self._positions[fragment.index], call.kind: words})

    def _add_call(self, fields: Json, index: int, call: ToolCall, *, streamed: bool = False) -> None:
        """Add a call to a message, or its first fragment to a delta."""
        if call.kind != "function_call":
            place = {"index": self._positions[index]} if streamed else {}
            named = {"name": call.name, _WORDS[call.kind]: call.arguments}
            _list_in(fields, "tool_calls").append({**place, "id": call.id, "type": call.kind, call.kind: named})
        elif len(self._calls) > 1:
            raise self._unencodable(call, "the older form of calls has only one of them. Use the kind 'function'.")
        else:
            fields["function_call"] = {"name": call.name, "arguments": call.arguments}


def served_tier(body: Mapping[str, object]) -> str:
    """Return the tier that serves a request: the one that it asks for, if that is not "auto"."""
    tier = body.get("service_tier")
    return tier if isinstance(tier, str) and tier != "auto" else "default"


_WORDS = {"function": "arguments", "custom": "input"}


def _list_in(fields: Json, name: str) -> list[object]:
    found = fields.setdefault(name, [])
    assert isinstance(found, list)  # noqa: S101  # for the type checker
    return found


def _signature(signature: str) -> Json:
    """Return a signature in the form of OpenRouter, because OpenAI's chat completions have none."""
    return {"type": "reasoning.text", "text": "", "signature": signature, "format": "unknown", "index": 0}


def _counts(usage: Usage) -> Json:
    prompt, completion = usage.input_tokens or 0, usage.output_tokens or 0
    counts: Json = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    if usage.cached_tokens is not None:
        counts["prompt_tokens_details"] = {"cached_tokens": usage.cached_tokens}
    if usage.reasoning_tokens is not None:
        counts["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning_tokens}
    return counts
