"""The encoder of Gemini's responses."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pytest_streamval.model import Usage
from pytest_streamval.wire.encoding import CompleteCallEncoder, arguments_of, finish_reasons
from pytest_streamval.wire.error_kinds import error_status
from pytest_streamval.wire.json_values import json_text
from pytest_streamval.wire.logprobs import gemini_logprobs
from pytest_streamval.wire.sse import sse_frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_streamval.model import Delta, ToolCall
    from pytest_streamval.wire.encoding import Json
    from pytest_streamval.wire.request_and_answer import Answer, ParsedRequest

REFUSED = ("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "IMAGE_SAFETY")
"""The reasons for an output that Gemini refuses to go on with:
https://ai.google.dev/api/generate-content#FinishReason."""


class GeminiEncoder(CompleteCallEncoder):
    """Encode a response in Gemini's format, with CRLF as the line end.

    The signature of a thought is in the first function call after it. Without a call it is in an empty text at the end
    of a stream, and in the text of a response that is not streamed:
    https://ai.google.dev/gemini-api/docs/thought-signatures.
    """

    protocol: ClassVar[str] = "gemini"
    reasons: ClassVar[Mapping[str, str]] = finish_reasons(
        stop="STOP", length="MAX_TOKENS", tool_calls="STOP", refusal="SAFETY"
    )
    usual_reasons: ClassVar[tuple[str, str]] = ("STOP", "STOP")
    refused_reason: ClassVar[str] = "SAFETY"

    def __init__(self, request: ParsedRequest, *, ident: str = "1", created: float = 0.0) -> None:
        super().__init__(request, ident=ident, created=created)
        self._signatures: list[str] = []  # of thoughts, until a call or the end comes
        self._owes_usage = False  # whether no frame has the latest counts yet

    @staticmethod
    def error(kind: str, message: str, code: str | None = None) -> Json:  # noqa: ARG004  # the protocol has no code
        """Return the JSON of an error, for a stream and for a response that is not streamed."""
        return {"error": {"code": error_status("gemini", kind), "message": message, "status": kind}}

    def _frames(self, delta: Delta) -> Iterable[Json]:
        calls = self._partial_calls() if delta.text or delta.thinking else []
        parts = [*self._call_parts(calls), *_text_parts(delta.thinking, delta.text)]
        if delta.signature and delta.text and not delta.thinking:
            parts[-1]["thoughtSignature"] = delta.signature
        elif delta.signature:
            self._signatures.append(delta.signature)
        parts += self._call_parts(self._complete_calls(delta))
        if delta.finish_reason:
            parts += self._last_parts()
        self._owes_usage |= delta.usage is not None
        if parts or delta.finish_reason:
            reason = self._reason if delta.finish_reason else None
            yield self._response(parts, reason, self._usage_field(is_last=reason is not None))

    def _ending(self) -> Iterable[Json]:
        parts = self._last_parts()
        if parts or self._reason is None or self._owes_usage:
            yield self._response(parts, self._final_reason(), self._usage_field(is_last=True))
        if self._refusal:
            yield {**self._feedback(), **self._ids()}

    def _usage_field(self, *, is_last: bool) -> Json:
        """Return the counts for the next frame. As in the API, the last frame has them, and no frame has them alone."""
        sent = self._owes_usage or is_last
        self._owes_usage = False
        return _counts(self._usage) if sent else {}

    def _last_parts(self) -> list[Json]:
        """Return the parts that waited for the end: calls in pieces, and signatures of thoughts without a call."""
        parts = self._call_parts(self._partial_calls())
        parts += [{"text": "", "thoughtSignature": signature} for signature in self._signatures]
        self._signatures.clear()
        return parts

    def _call_parts(self, calls: list[ToolCall]) -> list[Json]:
        """Return the parts of calls. The first one has the signature of the thought before it."""
        parts = [*map(self._call, calls)]
        if parts and self._signatures:
            parts[0]["thoughtSignature"] = self._signatures.pop(0)
        return parts

    def _answer_body(self, answer: Answer) -> Json:
        parts = _text_parts(answer.thinking, answer.text)
        self._signatures = [answer.signature] if answer.signature else []
        if self._signatures and answer.text and not answer.tool_calls:
            parts[-1]["thoughtSignature"] = self._signatures.pop()
        parts += [*self._call_parts([*answer.tool_calls]), *self._last_parts()]
        return self._response(parts, answer.finish_reason, _counts(answer.usage))

    def _response(self, parts: list[Json], reason: str | None, usage_field: Json) -> Json:
        candidate: Json = {"content": {"parts": parts, "role": "model"}} if parts else {}
        if reason:
            candidate["finishReason"] = reason
        text = "".join(str(part["text"]) for part in parts if "text" in part and "thought" not in part)
        if text and self._has_logprobs():
            candidate["logprobsResult"] = gemini_logprobs(text)
        if reason in REFUSED and self._refusal:
            candidate["finishMessage"] = "".join(self._refusal)
            self._refusal.clear()
        feedback = self._feedback() if reason and self._refusal else {}
        candidates = [{**candidate, "index": 0}] if candidate else []
        return {**({"candidates": candidates} if candidates else {}), **feedback, **usage_field, **self._ids()}

    def _has_logprobs(self) -> bool:
        config = self._request.body.get("generationConfig")
        return isinstance(config, dict) and config.get("responseLogprobs") is True

    def _feedback(self) -> Json:
        """Return the field with the words of a refusal that is not the reason for the end."""
        words = "".join(self._refusal)
        self._refusal.clear()
        return {"promptFeedback": {"blockReasonMessage": words}}

    def _ids(self) -> Json:
        return {"modelVersion": self._request.model, "responseId": self._ident}

    def _call(self, call: ToolCall) -> Json:
        ident = {} if call.id is None else {"id": call.id}
        return {"functionCall": {**ident, "name": call.name, "args": arguments_of(self.protocol, call)}}

    def _write(self, frame: Json) -> bytes:
        return sse_frame(json_text(frame), end="\r\n")


class GeminiArrayEncoder(GeminiEncoder):
    """Encode a response as a JSON array, with a line for each of its objects."""

    terminator: ClassVar[bytes] = b"]"

    def __init__(self, request: ParsedRequest, *, ident: str = "1", created: float = 0.0) -> None:
        super().__init__(request, ident=ident, created=created)
        self._separator = "["

    def _write(self, frame: Json) -> bytes:
        separator, self._separator = self._separator, ","
        return f"{separator}{json_text(frame)}\r\n".encode()

    def _fail(self, subject: str, frame: Json) -> bytes:
        return super()._fail(subject, frame) + self.terminator


def _text_parts(thinking: str, text: str) -> list[Json]:
    """Return the parts of a text and of its thinking."""
    parts: list[Json] = [{"text": thinking, "thought": True}] if thinking else []
    parts += [{"text": text}] if text else []
    return parts


def _counts(usage: Usage | None) -> Json:
    """Return the field with the known token counts, or no field. Thoughts are counted apart from the output."""
    counted = usage or Usage()
    output = counted.output_tokens
    answer = None if output is None else max(0, output - (counted.reasoning_tokens or 0))
    totals = {"promptTokenCount": counted.input_tokens, "candidatesTokenCount": answer}
    details = {"cachedContentTokenCount": counted.cached_tokens, "thoughtsTokenCount": counted.reasoning_tokens}
    known = {field: count for field, count in {**totals, **details}.items() if count is not None}
    total = (counted.input_tokens or 0) + (output or 0)
    return {"usageMetadata": {**known, "totalTokenCount": total}} if known else {}
