"""The encoder of Anthropic's messages."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from pytest_streamval.model import Usage
from pytest_streamval.wire.encoding import FrameEncoder, arguments_of, finish_reasons
from pytest_streamval.wire.json_values import json_text
from pytest_streamval.wire.sse import sse_frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_streamval.model import Delta, ToolCallDelta
    from pytest_streamval.wire.encoding import Json
    from pytest_streamval.wire.request_and_answer import Answer, ParsedRequest

_EMPTY: Mapping[str, Json] = MappingProxyType({"text": {"text": ""}, "thinking": {"thinking": "", "signature": ""}})


class AnthropicMessagesEncoder(FrameEncoder):
    """Encode a message in Anthropic's format.

    Blocks follow each other, so a tool call cannot be continued once another block has started. The finish reason and
    the last token counts come at the end, in one `message_delta`.
    """

    protocol: ClassVar[str] = "anthropic"
    reasons: ClassVar[Mapping[str, str]] = finish_reasons(
        stop="end_turn", length="max_tokens", tool_calls="tool_use", refusal="refusal", own="stop_sequence"
    )
    usual_reasons: ClassVar[tuple[str, str]] = ("end_turn", "tool_use")
    refused_reason: ClassVar[str] = "refusal"

    def __init__(self, request: ParsedRequest, *, ident: str = "1", created: float = 0.0) -> None:
        super().__init__(request, ident=ident, created=created)
        self._index = -1  # of the last block
        self._open = ""  # its type, while it is open
        self._open_call = -1  # its index among the calls, if it is one
        self._is_signed = False  # whether it is a thought with its signature

    @staticmethod
    def error(kind: str, message: str, code: str | None = None) -> Json:  # noqa: ARG004  # the protocol has no code
        """Return the JSON of an error, for a stream and for a response that is not streamed."""
        return {"type": "error", "error": {"type": kind, "message": message}}

    def _opening(self) -> Iterable[Json]:
        yield {"type": "message_start", "message": self._message([], None, self._usage)}

    def _frames(self, delta: Delta) -> Iterable[Json]:
        if delta.thinking:
            yield from self._text("thinking", "thinking", delta.thinking)
        if delta.signature:
            yield from self._text("thinking", "signature", delta.signature)
        if delta.redacted:
            yield from self._start_block("redacted_thinking", {"data": delta.redacted})
        if delta.text:
            yield from self._text("text", "text", delta.text)
        for fragment in delta.tool_calls:
            yield from self._fragment(fragment)

    def _text(self, block: str, field: str, text: str) -> Iterable[Json]:
        """Return the frames of a text in a block. A signature ends its thought, so other thinking needs a new block."""
        if self._open != block or (field == "thinking" and self._is_signed):
            yield from self._start_block(block, _EMPTY[block])
        self._is_signed = field == "signature"
        yield self._piece(f"{field}_delta", field, text)

    def _fragment(self, fragment: ToolCallDelta) -> Iterable[Json]:
        if self._starts_call(fragment):
            call = self._calls[fragment.index]
            yield from self._start_block("tool_use", {"id": call.id, "name": call.name, "input": {}})
            self._open_call = fragment.index
        if not fragment.arguments:
            return
        if self._open != "tool_use" or self._open_call != fragment.index:
            raise self._unencodable(fragment, "blocks follow each other, and the block of this call has ended.")
        yield self._piece("input_json_delta", "partial_json", fragment.arguments)

    def _start_block(self, kind: str, block: Json) -> Iterable[Json]:
        yield from self._end_block()
        self._index += 1
        self._open = kind
        self._is_signed = False
        yield {"type": "content_block_start", "index": self._index, "content_block": {"type": kind, **block}}

    def _piece(self, kind: str, field: str, text: str) -> Json:
        return {"type": "content_block_delta", "index": self._index, "delta": {"type": kind, field: text}}

    def _end_block(self) -> Iterable[Json]:
        if self._open:
            yield {"type": "content_block_stop", "index": self._index}
        self._open = ""

    def _ending(self) -> Iterable[Json]:
        yield from self._end_block()
        reason = {"stop_reason": self._final_reason(), "stop_sequence": None, **_details("".join(self._refusal))}
        yield {"type": "message_delta", "delta": reason, "usage": _counts(self._usage)}
        yield {"type": "message_stop"}

    def _answer_body(self, answer: Answer) -> Json:
        content: list[Json] = []
        if answer.thinking or answer.signature:
            content.append({"type": "thinking", "thinking": answer.thinking, "signature": answer.signature})
        if answer.redacted:
            content.append({"type": "redacted_thinking", "data": answer.redacted})
        if answer.text:
            content.append({"type": "text", "text": answer.text})
        for call in answer.tool_calls:
            arguments = arguments_of(self.protocol, call)
            content.append({"type": "tool_use", "id": call.id, "name": call.name, "input": arguments})
        return {**self._message(content, answer.finish_reason, answer.usage), **_details(answer.refusal)}

    def _message(self, content: list[Json], reason: str | None, usage: Usage | None) -> Json:
        return {
            "id": f"msg_{self._ident}",
            "type": "message",
            "role": "assistant",
            "model": self._request.model,
            "content": content,
            "stop_reason": reason,
            "stop_sequence": None,
            "usage": _counts(usage),
        }

    def _write(self, frame: Json) -> bytes:
        return sse_frame(json_text(frame), str(frame.get("type", "error")))

    def _generated_id(self) -> str:
        return f"toolu_{self._ident}_{len(self._calls)}"


def _details(refusal: str) -> Json:
    """Return the field with the words of a refusal, or no field."""
    return {"stop_details": {"type": "refusal", "category": None, "explanation": refusal}} if refusal else {}


def _counts(usage: Usage | None) -> Json:
    """Return the token counts that clients expect, 0 if they are unknown. Tokens of the cache are counted apart."""
    counted = usage or Usage()
    cached = counted.cached_tokens
    cache = {} if cached is None else {"cache_creation_input_tokens": 0, "cache_read_input_tokens": cached}
    prompt = max(0, (counted.input_tokens or 0) - (cached or 0))
    return {"input_tokens": prompt, **cache, "output_tokens": counted.output_tokens or 0}
