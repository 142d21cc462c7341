"""OpenAI's responses, as its servers write them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from pytest_streamval.wire.encoding import FrameEncoder
from pytest_streamval.wire.json_values import json_text
from pytest_streamval.wire.openai import OpenAIChatEncoder
from pytest_streamval.wire.sse import sse_frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_streamval.model import Delta, ToolCall, ToolCallDelta, Usage
    from pytest_streamval.wire.encoding import Json
    from pytest_streamval.wire.exchange import Answer, Asked

_COMPLETED = "completed"
_IN_PROGRESS = "in_progress"


class OpenAIResponsesEncoder(FrameEncoder):
    """Encode the body of a streamed response, as OpenAI sends it.

    Items stand one behind the other, so that a tool call cannot be continued once something else has begun. Thinking is
    written as a summary of it. The counts come at the end, where some are known.
    """

    protocol: ClassVar[str] = "openai-responses"
    reasons: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            **dict.fromkeys(("stop", "end_turn", "stop_sequence", "STOP", "tool_calls", "tool_use"), _COMPLETED),
            **dict.fromkeys(("length", "max_tokens", "MAX_TOKENS"), "max_output_tokens"),
            **dict.fromkeys(("refusal", "SAFETY"), "content_filter"),
        }
    )
    usual_reasons: ClassVar[tuple[str, str]] = (_COMPLETED, _COMPLETED)

    def __init__(self, asked: Asked, *, ident: str = "1", created: float = 0.0) -> None:
        super().__init__(asked, ident=ident, created=created)
        self._written = 0  # the number of frames so far
        self._output: list[Json] = []  # the items that have ended
        self._open: _Item | None = None  # the one that has not

    @staticmethod
    def error(kind: str, message: str) -> Json:
        """The error as JSON; in a stream it is an event of the type `error`."""
        return OpenAIChatEncoder.error(kind, message)

    def _opening(self) -> Iterable[Json]:
        for event in ("response.created", "response.in_progress"):
            yield {"type": event, "response": self._response(_IN_PROGRESS, [], None)}

    def _frames(self, delta: Delta) -> Iterable[Json]:
        for kind, words in ((_Reasoning, delta.thinking), (_Message, delta.text)):
            if not words:
                continue
            item = self._open
            if not isinstance(item, kind):
                yield from self._end_item(_COMPLETED)
                item = kind(self._ident, len(self._output))
                yield from self._begin_item(item)
            yield self._piece(item, words)
        for fragment in delta.tool_calls:
            yield from self._fragment(fragment)

    def _fragment(self, fragment: ToolCallDelta) -> Iterable[Json]:
        begins = self._begins(fragment)
        call = self._calls[fragment.index]
        if begins:
            yield from self._end_item(_COMPLETED)
            yield from self._begin_item(_FunctionCall(self._ident, len(self._output), call))
        if not fragment.arguments:
            return
        item = self._open
        if item is None or item.call is not call:
            raise self._unencodable(fragment, "its items stand one behind the other, and that of this call has ended.")
        yield self._piece(item, fragment.arguments)

    def _begin_item(self, item: _Item) -> Iterable[Json]:
        self._open = item
        yield item.item_event("added", item.begun())
        yield from item.part_event("added", "")

    @staticmethod
    def _piece(item: _Item, words: str) -> Json:
        item.words.append(words)
        return item.said("delta", "delta", words)

    def _end_item(self, status: str) -> Iterable[Json]:
        item, self._open = self._open, None
        if item is None:
            return
        words = "".join(item.words)
        ended = item.ended(words, status)
        self._output.append(ended)
        yield item.said("done", item.words_field, words)
        yield from item.part_event("done", words)
        yield item.item_event("done", ended)

    def _ending(self) -> Iterable[Json]:
        reason = self._final_reason()
        status = _status(reason)
        yield from self._end_item(status)
        response = self._response(status, self._output, self._usage, reason)
        yield {"type": f"response.{status}", "response": response}

    def _whole(self, answer: Answer) -> Json:
        output: list[Json] = []
        for kind, words in ((_Reasoning, answer.thinking), (_Message, answer.text)):
            if words:
                output.append(kind(self._ident, len(output)).ended(words, _COMPLETED))
        for call in answer.tool_calls:
            output.append(_FunctionCall(self._ident, len(output), call).ended(call.arguments, _COMPLETED))
        reason = self._final_reason()
        return self._response(_status(reason), output, answer.usage, reason)

    def _response(self, status: str, output: list[Json], usage: Usage | None, reason: str = "") -> Json:
        return {
            "id": f"resp_{self._ident}",
            "object": "response",
            "created_at": int(self._created),
            "status": status,
            "error": None,
            "incomplete_details": {"reason": reason} if status == "incomplete" else None,
            "instructions": None,
            "metadata": {},
            "model": self._asked.model,
            "output": output,
            "parallel_tool_calls": True,
            "temperature": None,
            "tool_choice": "auto",
            "tools": [],
            "top_p": None,
            "usage": None if usage is None else _counts(usage),
        }

    def _write(self, frame: Json) -> bytes:
        kind = str(frame.get("type", "error"))
        numbered = {"type": kind, **frame, "sequence_number": self._written}
        self._written += 1
        return sse_frame(json_text(numbered), kind)


class _Item(ABC):
    """An item of the output: what its events are called, and what it is as a whole."""

    prefix: ClassVar[str]
    """What its id begins with."""
    words_event: ClassVar[str]
    """What the types of the events begin with that bring its words."""
    words_field: ClassVar[str] = "text"
    """The field of the last of these, which repeats all words."""

    def __init__(self, answer: str, index: int, call: ToolCall | None = None) -> None:
        """Begin an item.

        Args:
            answer: what tells the answer from others.
            index: the item's position in the output.
            call: the tool call that it is, if it is one.
        """
        self.ident = f"{self.prefix}_{answer}_{index}"
        self.index = index
        self.call = call
        self.words: list[str] = []

    def place(self) -> Json:
        """What the events of its words have in common."""
        return {"item_id": self.ident, "output_index": self.index}

    def said(self, moment: str, field: str, words: str) -> Json:
        """An event that brings words."""
        return {"type": f"{self.words_event}.{moment}", **self.place(), field: words}

    def part_event(self, moment: str, words: str) -> Iterable[Json]:  # noqa: ARG002  # a call has no parts
        """The event that begins or ends the part in which the words stand, if they stand in one."""
        return ()

    def item_event(self, moment: str, item: Json) -> Json:
        """The event that begins or ends the item."""
        return {"type": f"response.output_item.{moment}", "output_index": self.index, "item": item}

    @abstractmethod
    def begun(self) -> Json:
        """The item before its first word."""

    @abstractmethod
    def ended(self, words: str, status: str) -> Json:
        """The item with all its words."""


class _Message(_Item):
    """The text."""

    prefix: ClassVar[str] = "msg"
    words_event: ClassVar[str] = "response.output_text"

    def place(self) -> Json:
        return {**super().place(), "content_index": 0}

    def said(self, moment: str, field: str, words: str) -> Json:
        return {**super().said(moment, field, words), "logprobs": []}

    def part_event(self, moment: str, words: str) -> Iterable[Json]:
        yield {"type": f"response.content_part.{moment}", **self.place(), "part": self._part(words)}

    def begun(self) -> Json:
        return {"id": self.ident, "type": "message", "status": _IN_PROGRESS, "role": "assistant", "content": []}

    def ended(self, words: str, status: str) -> Json:
        return {**self.begun(), "status": status, "content": [self._part(words)]}

    @staticmethod
    def _part(words: str) -> Json:
        return {"type": "output_text", "text": words, "annotations": [], "logprobs": []}


class _Reasoning(_Item):
    """The summary of the thinking."""

    prefix: ClassVar[str] = "rs"
    words_event: ClassVar[str] = "response.reasoning_summary_text"

    def place(self) -> Json:
        return {**super().place(), "summary_index": 0}

    def part_event(self, moment: str, words: str) -> Iterable[Json]:
        part = {"type": "summary_text", "text": words}
        yield {"type": f"response.reasoning_summary_part.{moment}", **self.place(), "part": part}

    def begun(self) -> Json:
        return {"id": self.ident, "type": "reasoning", "summary": []}

    def ended(self, words: str, status: str) -> Json:  # noqa: ARG002  # the status of reasoning is not told
        return {**self.begun(), "summary": [{"type": "summary_text", "text": words}]}


class _FunctionCall(_Item):
    """A tool call; its words are the arguments."""

    prefix: ClassVar[str] = "fc"
    words_event: ClassVar[str] = "response.function_call_arguments"
    words_field: ClassVar[str] = "arguments"

    def begun(self) -> Json:
        return self.ended("", _IN_PROGRESS)

    def ended(self, words: str, status: str) -> Json:
        named = {} if self.call is None else {"call_id": self.call.id, "name": self.call.name}
        return {"id": self.ident, "type": "function_call", "status": status, "arguments": words, **named}


def _status(reason: str) -> str:
    """The status of a response that ended for this reason."""
    return _COMPLETED if reason == _COMPLETED else "incomplete"


def _counts(usage: Usage) -> Json:
    prompt, output = usage.input_tokens or 0, usage.output_tokens or 0
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": prompt + output,
    }
