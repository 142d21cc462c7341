"""Anthropic's messages.

Source: https://platform.claude.com/docs/en/build-with-claude/streaming. A message is `message_start`, then content
blocks, each of `content_block_start`, `content_block_delta`s and `content_block_stop`, then `message_delta`s, then
`message_stop`. `ping` may come anywhere, `error` ends the stream. Types of events, blocks and deltas that are not known
are left out, as the documentation asks of clients; so are signatures, citations and the tools that the server runs.

An order is malformed where the text would have to be guessed, or some is lost: a delta of a block that is not open, a
block that begins twice or is still open at the end, a second `message_start` or one after content, anything after the
end. What loses nothing is read: llama.cpp leaves out `message_start` now and then, and proxies leave out the names of
the events, which the data repeats.

The tokens of the prompt are `input_tokens` and those read from and written to the cache, which Anthropic counts apart.
"""

from __future__ import annotations

from typing import ClassVar

from pytest_streamval.engine.delta import Delta, ToolCallDelta, Usage
from pytest_streamval.wire.frames import FrameDecoder, FrameFaultError, expect, optional, parse_object, report

_INPUT = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
_OUTPUT = "output_tokens"
_CLOSED = "[closed]"  # stands for the type of a block that has ended
# Which blocks and deltas are read: the type of the delta, that of its block, and the field with what is new.
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

    def __init__(self) -> None:
        super().__init__()
        self._started = False
        self._blocks: dict[int, str] = {}  # the type of each block so far
        self._calls: dict[int, int] = {}  # the position among the calls, of each block that is one

    def _read(self, data: str, event: str) -> Delta | None:
        body = parse_object(data)
        match body.get("type") or _named(event, body):
            case "content_block_delta":
                return self._block_delta(body)
            case "content_block_start":
                return self._block_start(body)
            case "content_block_stop":
                self._block_stop(body)
            case "message_start":
                return self._message_start(body)
            case "message_delta":
                return self._message_delta(body)
            case "message_stop":
                self._message_stop()
            case kind if kind == "error" or event == "error":
                raise report(body.get("error") or body, data)
            case kind:
                expect(kind, str, "type")
        return None

    def _message_start(self, body: dict[str, object]) -> Delta | None:
        if self._started or self._blocks:
            raise FrameFaultError("it begins a message that has begun already")
        self._started = True
        usage = self._usage(expect(body.get("message"), dict, "message"), "message.usage")
        return Delta(usage=usage) if usage else None

    def _block_start(self, body: dict[str, object]) -> Delta | None:
        index = expect(body.get("index"), int, "index")
        if index in self._blocks:
            raise FrameFaultError(f"it begins content block {index} a second time")
        block = expect(body.get("content_block"), dict, "content_block")
        kind = self._blocks[index] = expect(block.get("type"), str, "content_block.type")
        if kind == "tool_use":
            return self._call_start(index, block)
        words = block.get(kind) if kind in _BLOCKS else None
        return self._words(kind, index, optional(words, str, f"content_block.{kind}") or "")

    def _call_start(self, index: int, block: dict[str, object]) -> Delta:
        position = self._calls[index] = len(self._calls)
        ident = expect(block.get("id"), str, "content_block.id")
        name = expect(block.get("name"), str, "content_block.name")
        return Delta(tool_calls=(ToolCallDelta(position, ident, name),))

    def _block_delta(self, body: dict[str, object]) -> Delta | None:
        index, delta = body.get("index"), body.get("delta")
        if type(index) is not int or type(delta) is not dict:
            index, delta = expect(index, int, "index"), expect(delta, dict, "delta")
        text = delta.get("text")
        # Nearly every frame is one of these, and needs no more questions.
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
        return self._words(block, index, expect(delta.get(field), str, f"delta.{field}"))

    def _words(self, block: str, index: int, words: str) -> Delta | None:
        if not words:
            return None
        if block == "text":
            return Delta(words)
        if block == "thinking":
            return Delta(thinking=words)
        return Delta(tool_calls=(ToolCallDelta(self._calls[index], arguments=words),))

    def _block_stop(self, body: dict[str, object]) -> None:
        index = expect(body.get("index"), int, "index")
        self._open_block(index)
        self._blocks[index] = _CLOSED

    def _open_block(self, index: int) -> str:
        """The type of the block that a frame continues or ends."""
        block = self._blocks.get(index, _CLOSED)
        if block == _CLOSED:
            raise FrameFaultError(f"content block {index} is not open")
        return block

    def _message_delta(self, body: dict[str, object]) -> Delta | None:
        delta = expect(body.get("delta"), dict, "delta")
        reason = optional(delta.get("stop_reason"), str, "delta.stop_reason") or None
        usage = self._usage(body, "usage")
        return Delta(usage=usage, finish_reason=reason) if usage or reason else None

    def _message_stop(self) -> None:
        for index, kind in self._blocks.items():
            if kind != _CLOSED:
                raise FrameFaultError(f"it ends the message while content block {index} is open")
        self.done = True

    def _usage(self, holder: dict[str, object], path: str) -> Usage | None:
        usage = optional(holder.get("usage"), dict, path)
        if usage is None:
            return None
        self._count(usage, *_INPUT, _OUTPUT)
        prompt = [self._counts[field] for field in _INPUT if field in self._counts]
        return Usage(sum(prompt) if prompt else None, self._counts.get(_OUTPUT)) if self._counts else None


def _named(event: str, body: dict[str, object]) -> str:
    """The type of a frame whose data has none: what the frame is called, if it is called anything."""
    if event != "message":
        return event
    if "error" in body:
        return "error"
    raise FrameFaultError("type is missing")
