"""Anthropic's messages.

Source: https://platform.claude.com/docs/en/build-with-claude/streaming. A message is `message_start`, then content
blocks, each with `content_block_start`, `content_block_delta`s and `content_block_stop`, then `message_delta`s, then
`message_stop`. `ping` can come anywhere, and `error` ends the stream. Unknown types of events, blocks and deltas are
skipped, as the documentation asks of clients. So are signatures, citations and the tools that the server runs.

An order of frames is malformed if the decoder would have to guess the text, or would lose some: a delta of a block that
is not open, a block that starts twice or is still open at the end, a second `message_start` or one after content,
anything after the end. Differences that lose nothing are accepted: llama.cpp sometimes leaves out `message_start`, and
proxies leave out the names of the events, which the data repeats.

The tokens of the prompt are `input_tokens` and those read from and written to the cache, which Anthropic counts
separately.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from pytest_streamval.errors import InvalidArgumentError, excerpt
from pytest_streamval.model import Delta, ToolCallDelta, Usage
from pytest_streamval.wire.adapter import Adapter, split_system
from pytest_streamval.wire.encoding import FrameEncoder, arguments_of, finish_reasons
from pytest_streamval.wire.error_reports import provider_report
from pytest_streamval.wire.exchange import Answer, ParsedRequest
from pytest_streamval.wire.frames import FrameDecoder
from pytest_streamval.wire.json_values import (
    FrameFaultError,
    arguments_text,
    expect,
    frame_type,
    json_text,
    optional,
)
from pytest_streamval.wire.sse import sse_frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_streamval.wire.adapter import ChatRequest
    from pytest_streamval.wire.encoding import Json

_INPUT = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
_OUTPUT = ("output_tokens",)
_CLOSED = "[closed]"  # replaces the type of a block that has ended
# The blocks and deltas that are read: the type of the delta, the type of its block, and the field with the new text.
_DELTAS = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "input_json_delta": ("tool_use", "partial_json"),
}
_BLOCKS = {block for block, _ in _DELTAS.values()}


class AnthropicMessagesDecoder(FrameDecoder):
    """Decode the body of a streamed message."""

    protocol: ClassVar[str] = "anthropic"
    terminal: ClassVar[str] = "the event message_stop"

    def __init__(self, *, strict: bool = False) -> None:
        super().__init__(strict=strict)
        self._started = False
        self._blocks: dict[int, str] = {}  # the type of each block so far
        self._calls: dict[int, int] = {}  # the position among the calls of each block that is a call
        self._inputs: dict[int, str] = {}  # the arguments in the starts of open blocks, until a delta has some

    def _read(self, data: str, event: str) -> Delta | None:
        body = self._object(data)
        match body.get("type") or frame_type(event, body):
            case "content_block_delta":
                return self._block_delta(body)
            case "content_block_start":
                return self._block_start(body)
            case "content_block_stop":
                return self._block_stop(body)
            case "message_start":
                return self._message_start(body)
            case "message_delta":
                return self._message_delta(body)
            case "message_stop":
                self._message_stop()
            case kind if kind == "error" or event == "error":
                raise provider_report(body.get("error") or body, data)
            case kind:
                expect(kind, str, "type")
        return None

    def _message_start(self, body: dict[str, object]) -> Delta | None:
        if self._started or self._blocks:
            raise FrameFaultError("it starts a message that has already started")
        self._started = True
        usage = self._read_usage(
            expect(body.get("message"), dict, "message").get("usage"), _INPUT, _OUTPUT, "message.usage"
        )
        return Delta(usage=usage) if usage else None

    def _block_start(self, body: dict[str, object]) -> Delta | None:
        index = expect(body.get("index"), int, "index")
        if index in self._blocks:
            raise FrameFaultError(f"it starts content block {index} a second time")
        block = expect(body.get("content_block"), dict, "content_block")
        kind = self._blocks[index] = expect(block.get("type"), str, "content_block.type")
        if kind == "tool_use":
            return self._call_start(index, block)
        text = block.get(kind) if kind in _BLOCKS else None
        return self._text_delta(kind, index, optional(text, str, f"content_block.{kind}") or "")

    def _call_start(self, index: int, block: dict[str, object]) -> Delta:
        position = self._calls[index] = len(self._calls)
        ident = expect(block.get("id"), str, "content_block.id")
        name = expect(block.get("name"), str, "content_block.name")
        arguments = optional(block.get("input"), dict, "content_block.input")
        if arguments:
            self._inputs[index] = arguments_text(arguments, "content_block.input")
        return Delta(tool_calls=(ToolCallDelta(position, ident, name),))

    def _block_delta(self, body: dict[str, object]) -> Delta | None:
        index, delta = body.get("index"), body.get("delta")
        if type(index) is not int or type(delta) is not dict:
            index, delta = expect(index, int, "index"), expect(delta, dict, "delta")
        text = delta.get("text")
        # Nearly every frame is one of these, and needs no more checks.
        if delta.get("type") == "text_delta" and self._blocks.get(index) == "text" and type(text) is str:
            return Delta(text) if text else None
        return self._other_delta(index, delta)

    def _other_delta(self, index: int, delta: dict[str, object]) -> Delta | None:
        block = self._open_block(index)
        kind = expect(delta.get("type"), str, "delta.type")
        if kind not in _DELTAS or block not in _BLOCKS:
            return None
        wanted, field = _DELTAS[kind]
        if block != wanted:
            raise FrameFaultError(f"it is a {kind} in a block of type {block}")
        return self._text_delta(block, index, expect(delta.get(field), str, f"delta.{field}"))

    def _text_delta(self, block: str, index: int, text: str) -> Delta | None:
        if not text:
            return None
        if block == "text":
            return Delta(text)
        if block == "thinking":
            return Delta(thinking=text)
        self._inputs.pop(index, None)
        return Delta(tool_calls=(ToolCallDelta(self._calls[index], arguments=text),))

    def _block_stop(self, body: dict[str, object]) -> Delta | None:
        index = expect(body.get("index"), int, "index")
        block = self._open_block(index)
        self._blocks[index] = _CLOSED
        return self._text_delta(block, index, self._inputs.get(index, ""))

    def _open_block(self, index: int) -> str:
        """Return the type of the block that a frame continues or ends."""
        block = self._blocks.get(index, _CLOSED)
        if block == _CLOSED:
            raise FrameFaultError(f"content block {index} is not open")
        return block

    def _message_delta(self, body: dict[str, object]) -> Delta | None:
        delta = expect(body.get("delta"), dict, "delta")
        reason = optional(delta.get("stop_reason"), str, "delta.stop_reason") or None
        usage = self._read_usage(body.get("usage"), _INPUT, _OUTPUT, "usage")
        return Delta(usage=usage, finish_reason=reason) if usage or reason else None

    def _message_stop(self) -> None:
        for index, kind in self._blocks.items():
            if kind != _CLOSED:
                raise FrameFaultError(f"it ends the message while content block {index} is open")
        self.done = True


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

    def __init__(self, request: ParsedRequest, *, ident: str = "1", created: float = 0.0) -> None:
        super().__init__(request, ident=ident, created=created)
        self._index = -1  # of the last block
        self._open = ""  # its type, while it is open
        self._open_call = -1  # its index among the calls, if it is one

    @staticmethod
    def error(kind: str, message: str) -> Json:
        """Return the JSON of an error, for a stream and for a response that is not streamed."""
        return {"type": "error", "error": {"type": kind, "message": message}}

    def _opening(self) -> Iterable[Json]:
        yield {"type": "message_start", "message": self._message([], None, self._usage)}

    def _frames(self, delta: Delta) -> Iterable[Json]:
        for kind, text in (("thinking", delta.thinking), ("text", delta.text)):
            if text:
                if self._open != kind:
                    yield from self._start_block(kind, _EMPTY[kind])
                yield self._piece(f"{kind}_delta", kind, text)
        for fragment in delta.tool_calls:
            yield from self._fragment(fragment)

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
        yield {"type": "content_block_start", "index": self._index, "content_block": {"type": kind, **block}}

    def _piece(self, kind: str, field: str, text: str) -> Json:
        return {"type": "content_block_delta", "index": self._index, "delta": {"type": kind, field: text}}

    def _end_block(self) -> Iterable[Json]:
        if self._open:
            yield {"type": "content_block_stop", "index": self._index}
        self._open = ""

    def _ending(self) -> Iterable[Json]:
        yield from self._end_block()
        reason = {"stop_reason": self._final_reason(), "stop_sequence": None}
        yield {"type": "message_delta", "delta": reason, "usage": _counts(self._usage)}
        yield {"type": "message_stop"}

    def _answer_body(self, answer: Answer) -> Json:
        content: list[Json] = []
        if answer.thinking:
            content.append({"type": "thinking", "thinking": answer.thinking, "signature": ""})
        if answer.text:
            content.append({"type": "text", "text": answer.text})
        for call in answer.tool_calls:
            arguments = arguments_of(self.protocol, call)
            content.append({"type": "tool_use", "id": call.id, "name": call.name, "input": arguments})
        return self._message(content, answer.finish_reason, answer.usage)

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
        return sse_frame(json_text(frame), str(frame["type"]))

    def _generated_id(self) -> str:
        return f"toolu_{self._ident}_{len(self._calls)}"


@dataclass(frozen=True, slots=True)
class AnthropicMessages(Adapter):
    """The adapter for Anthropic's messages. The API key is sent in `x-api-key`. There is no `seed`."""

    protocol: ClassVar[str] = "anthropic"
    auth_header: ClassVar[str] = "x-api-key"
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
        system, turns = split_system(request.turns)
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
        return Answer.of([*deltas, Delta(usage=usage, finish_reason=reason)])


_EMPTY: Mapping[str, Json] = MappingProxyType({"text": {"text": ""}, "thinking": {"thinking": "", "signature": ""}})


def _read_block(block: Json, index: int) -> Delta | None:
    """Return a block of a complete answer as a delta, or None if its type is unknown.

    `index` is the position of a call among the calls.
    """
    match expect(block.get("type"), str, "content[].type"):
        case "text":
            return Delta(expect(block.get("text"), str, "content[].text"))
        case "thinking":
            return Delta(thinking=expect(block.get("thinking"), str, "content[].thinking"))
        case "tool_use":
            ident = expect(block.get("id"), str, "content[].id")
            name = expect(block.get("name"), str, "content[].name")
            arguments = arguments_text(expect(block.get("input"), dict, "content[].input"), "content[].input")
            return Delta(tool_calls=(ToolCallDelta(index, ident, name, arguments),))
    return None


def _counts(usage: Usage | None) -> Json:
    """Return the token counts that clients expect, 0 if they are unknown."""
    counted = usage or Usage()
    return {"input_tokens": counted.input_tokens or 0, "output_tokens": counted.output_tokens or 0}
