"""The encoder of OpenAI's responses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from pytest_streamval.wire.encoding import FrameEncoder, finish_reasons
from pytest_streamval.wire.json_values import json_text
from pytest_streamval.wire.openai import OpenAIChatEncoder
from pytest_streamval.wire.sse import sse_frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_streamval.model import Delta, ToolCall, ToolCallDelta, Usage
    from pytest_streamval.wire.encoding import Json
    from pytest_streamval.wire.exchange import Answer, ParsedRequest

_COMPLETED = "completed"
_IN_PROGRESS = "in_progress"


class OpenAIResponsesEncoder(FrameEncoder):
    """Encode a response in OpenAI's format.

    Items follow each other, so a tool call cannot be continued once another item has started. Thinking is written as a
    summary. The token counts come at the end, if some are known.
    """

    protocol: ClassVar[str] = "openai-responses"
    reasons: ClassVar[Mapping[str, str]] = finish_reasons(
        stop=_COMPLETED, length="max_output_tokens", tool_calls=_COMPLETED, refusal="content_filter"
    )
    usual_reasons: ClassVar[tuple[str, str]] = (_COMPLETED, _COMPLETED)

    def __init__(self, request: ParsedRequest, *, ident: str = "1", created: float = 0.0) -> None:
        super().__init__(request, ident=ident, created=created)
        self._frames_written = 0  # the number of frames so far
        self._output: list[Json] = []  # the complete items
        self._open: _Item | None = None  # the incomplete item

    @staticmethod
    def error(kind: str, message: str) -> Json:
        """Return the JSON of an error. In a stream it is an event of the type `error`."""
        return OpenAIChatEncoder.error(kind, message)

    def _opening(self) -> Iterable[Json]:
        for event in ("response.created", "response.in_progress"):
            yield {"type": event, "response": self._response(_IN_PROGRESS, [], None)}

    def _frames(self, delta: Delta) -> Iterable[Json]:
        for kind, text in ((_Reasoning, delta.thinking), (_Message, delta.text)):
            if not text:
                continue
            item = self._open
            if not isinstance(item, kind):
                yield from self._end_item(_COMPLETED)
                item = kind(self._ident, len(self._output))
                yield from self._start_item(item)
            yield self._piece(item, text)
        for fragment in delta.tool_calls:
            yield from self._fragment(fragment)

    def _fragment(self, fragment: ToolCallDelta) -> Iterable[Json]:
        starts = self._starts_call(fragment)
        call = self._calls[fragment.index]
        if starts:
            yield from self._end_item(_COMPLETED)
            yield from self._start_item(_FunctionCall(self._ident, len(self._output), call))
        if not fragment.arguments:
            return
        item = self._open
        if item is None or item.call is not call:
            raise self._unencodable(fragment, "items follow each other, and the item of this call has ended.")
        yield self._piece(item, fragment.arguments)

    def _start_item(self, item: _Item) -> Iterable[Json]:
        self._open = item
        yield item.item_event("added", item.opened())
        yield from item.part_event("added", "")

    @staticmethod
    def _piece(item: _Item, text: str) -> Json:
        item.pieces.append(text)
        return item.text_event("delta", "delta", text)

    def _end_item(self, status: str) -> Iterable[Json]:
        item, self._open = self._open, None
        if item is None:
            return
        text = "".join(item.pieces)
        completed = item.completed(text, status)
        self._output.append(completed)
        yield item.text_event("done", item.text_field, text)
        yield from item.part_event("done", text)
        yield item.item_event("done", completed)

    def _ending(self) -> Iterable[Json]:
        reason = self._final_reason()
        status = _status(reason)
        yield from self._end_item(status)
        response = self._response(status, self._output, self._usage, reason)
        yield {"type": f"response.{status}", "response": response}

    def _answer_body(self, answer: Answer) -> Json:
        output: list[Json] = []
        for kind, text in ((_Reasoning, answer.thinking), (_Message, answer.text)):
            if text:
                output.append(kind(self._ident, len(output)).completed(text, _COMPLETED))
        for call in answer.tool_calls:
            output.append(_FunctionCall(self._ident, len(output), call).completed(call.arguments, _COMPLETED))
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
            "model": self._request.model,
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
        numbered = {"type": kind, **frame, "sequence_number": self._frames_written}
        self._frames_written += 1
        return sse_frame(json_text(numbered), kind)


class _Item(ABC):
    """An item of the output, and its events."""

    prefix: ClassVar[str]
    """The prefix of its id."""
    event_prefix: ClassVar[str]
    """The prefix of the types of the events with its text."""
    text_field: ClassVar[str] = "text"
    """The field of the complete text in the last of these events."""

    def __init__(self, answer: str, index: int, call: ToolCall | None = None) -> None:
        """Start an item.

        Args:
            answer: The distinguishing part of the response's id.
            index: The item's position in the output.
            call: The tool call, if the item is one.
        """
        self.ident = f"{self.prefix}_{answer}_{index}"
        self.index = index
        self.call = call
        self.pieces: list[str] = []

    def place(self) -> Json:
        """Return the fields that all events with its text have."""
        return {"item_id": self.ident, "output_index": self.index}

    def text_event(self, moment: str, field: str, text: str) -> Json:
        """Return an event with text."""
        return {"type": f"{self.event_prefix}.{moment}", **self.place(), field: text}

    def part_event(self, moment: str, text: str) -> Iterable[Json]:  # noqa: ARG002  # only messages and reasoning have parts
        """Return the event that starts or ends the part with the text, if there is one."""
        return ()

    def item_event(self, moment: str, item: Json) -> Json:
        """Return the event that starts or ends the item."""
        return {"type": f"response.output_item.{moment}", "output_index": self.index, "item": item}

    @abstractmethod
    def opened(self) -> Json:
        """Return the item before its text."""

    @abstractmethod
    def completed(self, text: str, status: str) -> Json:
        """Return the item with its complete text."""


class _Message(_Item):
    """The output text."""

    prefix: ClassVar[str] = "msg"
    event_prefix: ClassVar[str] = "response.output_text"

    def place(self) -> Json:
        return {**super().place(), "content_index": 0}

    def text_event(self, moment: str, field: str, text: str) -> Json:
        return {**super().text_event(moment, field, text), "logprobs": []}

    def part_event(self, moment: str, text: str) -> Iterable[Json]:
        yield {"type": f"response.content_part.{moment}", **self.place(), "part": self._part(text)}

    def opened(self) -> Json:
        return {"id": self.ident, "type": "message", "status": _IN_PROGRESS, "role": "assistant", "content": []}

    def completed(self, text: str, status: str) -> Json:
        return {**self.opened(), "status": status, "content": [self._part(text)]}

    @staticmethod
    def _part(text: str) -> Json:
        return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


class _Reasoning(_Item):
    """The summary of the thinking."""

    prefix: ClassVar[str] = "rs"
    event_prefix: ClassVar[str] = "response.reasoning_summary_text"

    def place(self) -> Json:
        return {**super().place(), "summary_index": 0}

    def part_event(self, moment: str, text: str) -> Iterable[Json]:
        part = {"type": "summary_text", "text": text}
        yield {"type": f"response.reasoning_summary_part.{moment}", **self.place(), "part": part}

    def opened(self) -> Json:
        return {"id": self.ident, "type": "reasoning", "summary": []}

    def completed(self, text: str, status: str) -> Json:  # noqa: ARG002  # reasoning has no status
        return {**self.opened(), "summary": [{"type": "summary_text", "text": text}]}


class _FunctionCall(_Item):
    """A tool call. Its text is the arguments."""

    prefix: ClassVar[str] = "fc"
    event_prefix: ClassVar[str] = "response.function_call_arguments"
    text_field: ClassVar[str] = "arguments"

    def opened(self) -> Json:
        return self.completed("", _IN_PROGRESS)

    def completed(self, text: str, status: str) -> Json:
        named = {} if self.call is None else {"call_id": self.call.id, "name": self.call.name}
        return {"id": self.ident, "type": "function_call", "status": status, "arguments": text, **named}


def _status(reason: str) -> str:
    """Return the status of a response with this finish reason."""
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
