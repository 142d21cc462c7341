"""Anthropic's messages.

Source: https://platform.claude.com/docs/en/build-with-claude/streaming. A message is `message_start`, then content
blocks, each with `content_block_start`, `content_block_delta`s and `content_block_stop`, then `message_delta`s, then
`message_stop`. `ping` can come anywhere, and `error` ends the stream. Unknown types of events, blocks and deltas are
skipped, as the documentation asks of clients. So are citations and the tools that the server runs.

An order of frames is malformed if the decoder would have to guess the text, or would lose some: a delta of a block that
has never started, a second message, arguments in a block that is no call. An order that loses nothing is noted:

- an index that is used again after the stop of its block
  (https://github.com/anthropics/anthropic-sdk-typescript/issues/879)
- two blocks that are open at once, a block that is still open at the end, a `message_start` that is doubled or late
- text in the block of a call (https://github.com/sgl-project/sglang/issues/24293), or thinking in a block of text
  (https://github.com/BerriAI/litellm/issues/29518)
- a text in the start of a block that its deltas repeat (MiniMax: https://github.com/cline/cline/pull/9215)

llama.cpp sometimes leaves out `message_start`, and proxies leave out the names of the events, which the data repeats.

The tokens of the prompt are `input_tokens` and those read from and written to the cache, which Anthropic counts
separately. Amazon Bedrock reports its own counts in `message_stop`, which are read if there are no others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pytest_streamval.errors import InvalidArgumentError, excerpt
from pytest_streamval.model import Delta, ToolCallDelta
from pytest_streamval.wire.adapter import Adapter, split_system
from pytest_streamval.wire.anthropic_encoder import AnthropicMessagesEncoder
from pytest_streamval.wire.error_reports import ProviderReportError, provider_report, report_without_output
from pytest_streamval.wire.frames import FrameDecoder
from pytest_streamval.wire.json_values import (
    FrameFaultError,
    arguments_text,
    expect,
    frame_type,
    optional,
)
from pytest_streamval.wire.request_and_answer import Answer, joined_or_none
from pytest_streamval.wire.tool_turns import anthropic_turns

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_streamval.wire.adapter import ChatRequest
    from pytest_streamval.wire.encoding import FrameEncoder, Json

_INPUT = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
_OUTPUT = ("output_tokens",)
_BEDROCK = (("inputTokenCount",), ("outputTokenCount",))
# The blocks and deltas that are read: the type of the delta, the type of its block, and the field with the new text.
_DELTAS = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "signature_delta": ("thinking", "signature"),
    "input_json_delta": ("tool_use", "partial_json"),
}
_BLOCKS = {block for block, _ in _DELTAS.values()}


class _Block:
    """A content block so far."""

    __slots__ = ("arguments", "call", "ident", "is_open", "kind", "start")

    def __init__(self, kind: str, ident: str = "", call: int = -1) -> None:
        self.kind = kind
        self.ident = ident
        self.call = call  # its position among the calls, if it is one
        self.arguments = ""  # those in its start, until a delta has some
        self.start = ""  # the text in its start, until a delta comes
        self.is_open = True


class AnthropicMessagesDecoder(FrameDecoder):
    """Decode the body of a streamed message."""

    protocol: ClassVar[str] = "anthropic"
    terminal: ClassVar[str] = "the event message_stop"
    reads_after_end: ClassVar[bool] = True
    own_events: ClassVar[tuple[str, ...]] = ("message", "content_block")

    def __init__(self, *, strict: bool = False) -> None:
        super().__init__(strict=strict)
        self._message_id: object = None
        self._has_started = False
        self._blocks: dict[int, _Block] = {}  # the last block of each index
        self._open_blocks = 0
        self._next_call = 0

    def _read(self, data: str, event: str) -> Delta | None:
        if data[:1] == "[" and self._ends_another_protocol(data):
            return None
        body = self._object(data)
        if "type" not in body and event == "message":
            report = report_without_output(body, data)
            if report is not None:
                raise report
        match body.get("type") or frame_type(event, body):
            case "content_block_delta":
                return self._block_delta(body)
            case "content_block_start":
                return self._block_start(body)
            case "content_block_stop":
                return self._block_stop(body)
            case "message":
                return self._whole_message(body)
            case kind:
                return self._message_event(kind, body, event, data)

    def _whole_message(self, body: Json) -> Delta | None:
        """Read a complete message in place of a stream."""
        start = self._message_start({"message": body})
        return joined_or_none([start, self._message_delta({"delta": body}), self._message_stop({})])

    def _message_event(self, kind: object, body: Json, event: str, data: str) -> Delta | None:
        match kind:
            case "message_start":
                return self._message_start(body)
            case "message_delta":
                return self._message_delta(body)
            case "message_stop":
                return self._message_stop(body)
        if kind == "error" or event == "error" or body.get("error"):
            raise provider_report(body.get("error") or body, data)
        expect(kind, str, "type")
        return None

    def _message_start(self, body: Json) -> Delta | None:
        message = expect(body.get("message"), dict, "message")
        if self._has_started and message.get("id") != self._message_id:
            raise FrameFaultError("it starts a message that has already started")
        if self._has_started or self._blocks:
            self._note("order-of-blocks", "it starts a message that has already started")
        self._has_started, self._message_id = True, message.get("id")
        usage = self._read_usage(message.get("usage"), _INPUT, _OUTPUT, "message.usage")
        return joined_or_none([*self._whole_blocks(message), Delta(usage=usage) if usage else None])

    def _whole_blocks(self, message: Json) -> Iterable[Delta | None]:
        """Yield the blocks that are complete in the start of the message. Usually there are none."""
        content = message.get("content")
        for value in content if isinstance(content, list) and not self._blocks else ():
            delta = _read_block(expect(value, dict, "message.content[]"), self._next_call)
            self._next_call += len(delta.tool_calls) if delta else 0
            yield delta

    def _block_start(self, body: Json) -> Delta | None:
        index = expect(body.get("index"), int, "index")
        block = expect(body.get("content_block"), dict, "content_block")
        kind = expect(block.get("type"), str, "content_block.type")
        before = self._blocks.get(index)
        if before is not None:
            self._note("order-of-blocks", f"it starts content block {index} a second time")
            if before.is_open and kind == "tool_use" == before.kind and block.get("id") == before.ident:
                return None
        elif self._open_blocks:
            self._note("order-of-blocks", f"it starts content block {index} while another one is open")
        rest = self._close(before)
        return joined_or_none([rest, self._open(index, kind, block)])

    def _open(self, index: int, kind: str, fields: Json) -> Delta | None:
        """Open a block, and return the content of its start."""
        self._open_blocks += 1
        if kind == "tool_use":
            return self._open_call(index, fields)
        block = self._blocks[index] = _Block(kind)
        if kind == "redacted_thinking":
            return _redacted(fields, "content_block")
        text = fields.get(kind) if kind in _BLOCKS else None
        block.start = optional(text, str, f"content_block.{kind}") or ""
        content = self._content(block, kind, block.start)
        if kind == "thinking":
            signature = optional(fields.get("signature"), str, "content_block.signature") or ""
            content = joined_or_none([content, self._content(block, "signature", signature)])
        return content

    def _open_call(self, index: int, fields: Json) -> Delta:
        ident = expect(fields.get("id"), str, "content_block.id")
        name = expect(fields.get("name"), str, "content_block.name")
        block = self._blocks[index] = _Block("tool_use", ident, self._next_call)
        self._next_call += 1
        if fields.get("input"):
            block.arguments = self._arguments(fields["input"], "content_block.input", dict)
        return Delta(tool_calls=(ToolCallDelta(block.call, ident, name),))

    def _block_delta(self, body: Json) -> Delta | None:
        index, delta = body.get("index"), body.get("delta")
        if type(index) is not int or type(delta) is not dict:
            index, delta = expect(index, int, "index"), expect(delta, dict, "delta")
        text = delta.get("text")
        block = self._blocks.get(index)
        if block is None:
            raise FrameFaultError(f"content block {index} is not open")
        # Nearly every frame is one of these, and needs no more checks.
        kind = delta.get("type")
        if kind == "text_delta" and block.kind == "text" and block.is_open and type(text) is str and not block.start:
            return Delta(text) if text else None
        return self._other_delta(index, block, delta)

    def _other_delta(self, index: int, block: _Block, delta: Json) -> Delta | None:
        if not block.is_open:
            self._note("order-of-blocks", f"it continues content block {index}, which has ended")
        kind = expect(delta.get("type"), str, "delta.type")
        if kind not in _DELTAS or block.kind not in _BLOCKS:
            return None
        wanted, field = _DELTAS[kind]
        if block.kind != wanted:
            fault = f"it is a {kind} in a block of type {block.kind}"
            if wanted == "tool_use":
                raise FrameFaultError(fault)
            self._note("wrong-event", fault)
        text = expect(delta.get(field), str, f"delta.{field}")
        start, block.start = block.start if field == block.kind else "", ""
        if start and text.startswith(start):
            self._note("repeated-whole", f"the start of content block {index} is repeated: {excerpt(start)}")
            text = text[len(start) :]
        return self._content(block, field, text)

    @staticmethod
    def _content(block: _Block, field: str, text: str) -> Delta | None:
        """Return the delta for the new text in a field of a block or of its delta."""
        if not text:
            return None
        if field == "text":
            return Delta(text)
        if field == "thinking":
            return Delta(thinking=text)
        if field == "signature":
            return Delta(signature=text)
        block.arguments = ""
        return Delta(tool_calls=(ToolCallDelta(block.call, arguments=text),))

    def _block_stop(self, body: Json) -> Delta | None:
        index = expect(body.get("index"), int, "index")
        block = self._blocks.get(index)
        if block is None:
            raise FrameFaultError(f"content block {index} is not open")
        if not block.is_open:
            self._note("order-of-blocks", f"it ends content block {index}, which has ended")
        return self._close(block)

    def _close(self, block: _Block | None) -> Delta | None:
        """Close a block, and return the arguments of its start if no delta had any."""
        if block is None or not block.is_open:
            return None
        block.is_open = False
        self._open_blocks -= 1
        return self._content(block, "partial_json", block.arguments)

    def _message_delta(self, body: Json) -> Delta | None:
        delta = expect(body.get("delta"), dict, "delta")
        reason = self._reason(delta.get("stop_reason"), "delta.stop_reason")
        usage = self._read_usage(body.get("usage"), _INPUT, _OUTPUT, "usage")
        refusal = _explanation(delta)
        return Delta(usage=usage, finish_reason=reason, refusal=refusal) if usage or reason or refusal else None

    def _message_stop(self, body: Json) -> Delta | None:
        if not (self._has_started or self._blocks or self._has_reason or self.done):
            raise ProviderReportError("an empty stream", f"The stream has nothing but {self.terminal}")
        self.done = True
        rest = self._flush()
        usage = self._read_usage(body.get("usage"), _INPUT, _OUTPUT, "usage")
        if not self._counts:
            metrics = body.get("amazon-bedrock-invocationMetrics")
            usage = self._read_usage(metrics, *_BEDROCK, "amazon-bedrock-invocationMetrics")
        return joined_or_none([rest, Delta(usage=usage) if usage else None])

    def _flush(self) -> Delta | None:
        """Close the blocks that are still open at the end."""
        rest = None
        for index, block in self._blocks.items():
            if block.is_open:
                self._note("order-of-blocks", f"the message ends while content block {index} is open")
                rest = joined_or_none([rest, self._close(block)])
        return rest


@dataclass(frozen=True, slots=True)
class AnthropicMessages(Adapter):
    """The adapter for Anthropic's messages. The API key is sent in `x-api-key`. There is no `seed`."""

    protocol: ClassVar[str] = "anthropic"
    auth_header: ClassVar[str] = "x-api-key"
    request_id_header: ClassVar[str] = "request-id"
    auth_prefix: ClassVar[str] = ""
    _decoder: ClassVar[type[FrameDecoder]] = AnthropicMessagesDecoder
    _paths: ClassVar[tuple[str, ...]] = ("/v1/messages",)
    _encoder: ClassVar[type[FrameEncoder]] = AnthropicMessagesEncoder

    version: str = "2023-06-01"
    """The version of the protocol, sent as `anthropic-version`."""
    max_tokens: int = 4096
    """The default for `max_new_tokens`, because the provider requires a number."""

    def _option_names(self) -> Mapping[str, str]:
        return {"temperature": "temperature", "max_new_tokens": "max_tokens", "stop": "stop_sequences"}

    def _headers(self) -> Mapping[str, str]:
        return {"anthropic-version": self.version}

    def _build(self, request: ChatRequest) -> tuple[str, Json]:
        system, turns = split_system(anthropic_turns(request.turns))
        for turn in turns:
            if turn["role"] not in {"user", "assistant"}:
                raise InvalidArgumentError("messages", excerpt(turn), "The role must be user, assistant or system.")
        body: Json = {"model": request.model, "max_tokens": self.max_tokens, "messages": turns, **request.settings}
        if system:
            body["system"] = "\n\n".join(system)
        if request.schema is not None:
            body["output_config"] = {"format": {"type": "json_schema", "schema": request.schema}}
        if request.stream:
            body["stream"] = True
        return self._paths[0], body

    def _parse_answer(self, body: Json) -> Answer:
        deltas: list[Delta] = []
        for block in expect(body.get("content"), list, "content"):
            delta = _read_block(expect(block, dict, "content[]"), len(deltas))
            deltas.extend([] if delta is None else [delta])
        usage = AnthropicMessagesDecoder(strict=True)._read_usage(body.get("usage"), _INPUT, _OUTPUT, "usage")
        reason = optional(body.get("stop_reason"), str, "stop_reason")
        return Answer.of([*deltas, Delta(usage=usage, finish_reason=reason, refusal=_explanation(body))])


def _redacted(block: Json, path: str) -> Delta | None:
    """Return a block of thinking that the provider sends as opaque data only."""
    data = optional(block.get("data"), str, f"{path}.data")
    return Delta(redacted=data) if data else None


def _explanation(delta: Json) -> str:
    """Return the words about a refusal: https://platform.claude.com/docs/en/api/messages."""
    details = delta.get("stop_details")
    words = details.get("explanation") if isinstance(details, dict) else None
    return words if isinstance(words, str) else ""


def _read_block(block: Json, index: int) -> Delta | None:
    """Return a block of a complete answer as a delta, or None if its type is unknown.

    `index` is the position of a call among the calls.
    """
    match expect(block.get("type"), str, "content[].type"):
        case "text":
            return Delta(expect(block.get("text"), str, "content[].text"))
        case "thinking":
            signature = optional(block.get("signature"), str, "content[].signature") or ""
            return Delta(thinking=expect(block.get("thinking"), str, "content[].thinking"), signature=signature)
        case "redacted_thinking":
            return _redacted(block, "content[]")
        case "tool_use":
            ident = expect(block.get("id"), str, "content[].id")
            name = expect(block.get("name"), str, "content[].name")
            arguments = arguments_text(expect(block.get("input"), dict, "content[].input"), "content[].input")
            return Delta(tool_calls=(ToolCallDelta(index, ident, name, arguments),))
    return None
