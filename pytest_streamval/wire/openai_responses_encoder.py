"""The encoder of OpenAI's responses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from pytest_streamval.wire.encoding import FrameEncoder, finish_reasons
from pytest_streamval.wire.json_values import json_text
from pytest_streamval.wire.logprobs import token_logprobs
from pytest_streamval.wire.openai_encoder import OpenAIChatEncoder, served_tier
from pytest_streamval.wire.sse import sse_frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_streamval.model import Delta, ToolCall, ToolCallDelta, Usage
    from pytest_streamval.wire.encoding import Json
    from pytest_streamval.wire.request_and_answer import Answer, ParsedRequest

_COMPLETED = "completed"
_IN_PROGRESS = "in_progress"


# The fields that a response repeats, with the values that stand for their absence:
# https://platform.openai.com/docs/api-reference/responses/object
_ECHOED: Json = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}, "verbosity": "medium"},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}


class _Form(NamedTuple):
    """The names in the events of an item."""

    prefix: str
    """The prefix of its id."""
    event: str
    """The prefix of the types of the events with its text."""
    text_field: str
    """The field of the complete text in the last of these events."""
    kind: str = "message"
    """The type of the item."""
    part: str = ""
    """The prefix of the types of the events of its part, if it has one."""
    part_index: str = ""
    """The field of the part's position."""


_MESSAGE = _Form("msg", "response.output_text", "text", "message", "response.content_part", "content_index")
_REFUSAL = _Form("msg", "response.refusal", "refusal", "message", "response.content_part", "content_index")
_REASONING = _Form(
    "rs",
    "response.reasoning_summary_text",
    "text",
    "reasoning",
    "response.reasoning_summary_part",
    "summary_index",
)
_CALL = _Form("fc", "response.function_call_arguments", "arguments", "function_call")
_CUSTOM = _Form("ctc", "response.custom_tool_call_input", "input", "custom_tool_call")
_APPROVAL = _Form("mcpr", "", "arguments", "mcp_approval_request")  # of a call of an MCP server
_CALLS = {"function": _CALL, "function_call": _CALL, "custom": _CUSTOM, _APPROVAL.kind: _APPROVAL}


class OpenAIResponsesEncoder(FrameEncoder):
    """Encode a response in OpenAI's format.

    Items follow each other, so a tool call cannot be continued once another item has started. Thinking is written as a
    summary, and its signature as encrypted content. The token counts come at the end, if some are known.
    """

    protocol: ClassVar[str] = "openai-responses"
    reasons: ClassVar[Mapping[str, str]] = finish_reasons(
        stop=_COMPLETED, length="max_output_tokens", tool_calls=_COMPLETED, refusal="content_filter"
    )
    kinds: ClassVar[tuple[str, ...]] = ()
    usual_reasons: ClassVar[tuple[str, str]] = (_COMPLETED, _COMPLETED)

    def __init__(self, request: ParsedRequest, *, ident: str = "1", created: float = 0.0) -> None:
        super().__init__(request, ident=ident, created=created)
        self._frames_written = 0  # the number of frames so far
        self._output: list[Json] = []  # the complete items
        self._open: _Item | None = None  # the incomplete item

    @staticmethod
    def error(kind: str, message: str, code: str | None = None) -> Json:
        """Return the JSON of an error. In a stream it is an event of the type `error`."""
        return OpenAIChatEncoder.error(kind, message, code)

    def _opening(self) -> Iterable[Json]:
        for event in ("response.created", "response.in_progress"):
            yield {"type": event, "response": self._response(_IN_PROGRESS, [], None)}

    def _frames(self, delta: Delta) -> Iterable[Json]:
        if delta.thinking:
            yield from self._text(_REASONING, delta.thinking)
        if delta.signature and self._request.signs:
            yield from self._signature(delta.signature)
        if delta.text:
            yield from self._text(_MESSAGE, delta.text)
        if delta.refusal:
            yield from self._text(_REFUSAL, delta.refusal)
        for fragment in delta.tool_calls:
            yield from self._fragment(fragment)

    def _text(self, form: _Form, text: str) -> Iterable[Json]:
        item = self._open
        if item is None or item.form is not form or item.signature:
            yield from self._end_item(_COMPLETED)
            item = self._new_item(form, self._output)
            yield from self._start_item(item)
        if not item.pieces:
            yield from item.part_event("added", "")
        yield self._piece(item, text)

    def _signature(self, signature: str) -> Iterable[Json]:
        """Keep the signature of the open reasoning, or start one without a summary."""
        item = self._open
        if item is None or item.form is not _REASONING:
            yield from self._end_item(_COMPLETED)
            item = self._new_item(_REASONING, self._output)
            yield from self._start_item(item)
        item.signature += signature

    def _fragment(self, fragment: ToolCallDelta) -> Iterable[Json]:
        starts = self._starts_call(fragment)
        call = self._calls[fragment.index]
        if starts:
            yield from self._end_item(_COMPLETED)
            yield from self._start_item(self._new_item(_form_of(call), self._output, call))
        if not fragment.arguments:
            return
        item = self._open
        if item is None or item.call is not call:
            raise self._unencodable(fragment, "items follow each other, and the item of this call has ended.")
        piece = self._piece(item, fragment.arguments)
        if item.form.event:
            yield piece

    def _new_item(self, form: _Form, output: list[Json], call: ToolCall | None = None) -> _Item:
        """Return an item that follows the others of the output."""
        return _Item(form, self._ident, len(output), call, self._request.body)

    def _start_item(self, item: _Item) -> Iterable[Json]:
        self._open = item
        yield item.item_event("added", item.opened())

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
        if item.form.event and (item.pieces or item.call):
            yield item.text_event("done", item.form.text_field, text)
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
        for form, text in ((_REASONING, answer.thinking), (_MESSAGE, answer.text), (_REFUSAL, answer.refusal)):
            signature = answer.signature if form is _REASONING and self._request.signs else ""
            if text or signature:
                item = self._new_item(form, output)
                item.signature = signature
                output.append(item.completed(text, _COMPLETED))
        for call in answer.tool_calls:
            item = self._new_item(_form_of(call), output, call)
            output.append(item.completed(call.arguments, _COMPLETED))
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
            "model": self._request.model,
            "output": output,
            "usage": None if usage is None else _counts(usage),
            **self._echo(),
        }

    def _echo(self) -> Json:
        """Return the fields of the request that every response repeats."""
        body = self._request.body
        echo = {name: default if body.get(name) is None else body[name] for name, default in _ECHOED.items()}
        return {**echo, "service_tier": served_tier(body)}

    def _write(self, frame: Json) -> bytes:
        kind = str(frame.get("type", "error"))
        numbered = {"type": kind, **frame, "sequence_number": self._frames_written}
        self._frames_written += 1
        return sse_frame(json_text(numbered), kind)


class _Item:
    """An item of the output, and its events."""

    def __init__(
        self, form: _Form, answer: str, index: int, call: ToolCall | None, request: Mapping[str, object]
    ) -> None:
        """Start an item.

        Args:
            form: The form of the item.
            answer: The distinguishing part of the response's id.
            index: The item's position in the output.
            call: The tool call, if the item is one.
            request: The body of the request.
        """
        include = request.get("include")
        has_logprobs = isinstance(include, list) and "message.output_text.logprobs" in include
        self._asked = request if has_logprobs else None
        self.form = form
        self.ident = f"{form.prefix}_{answer}_{index}"
        self.index = index
        self.call = call
        self.pieces: list[str] = []
        self.signature = ""

    def text_event(self, moment: str, field: str, text: str) -> Json:
        """Return an event with text."""
        logprobs: Json = {"logprobs": self._logprobs(text)} if self.form is _MESSAGE else {}
        return {"type": f"{self.form.event}.{moment}", **self._place(), field: text, **logprobs}

    def part_event(self, moment: str, text: str) -> Iterable[Json]:
        """Return the event that starts or ends the part with the text, if there is one."""
        if self.form.part:
            yield {"type": f"{self.form.part}.{moment}", **self._place(), "part": self._part(text)}

    def item_event(self, moment: str, item: Json) -> Json:
        """Return the event that starts or ends the item."""
        return {"type": f"response.output_item.{moment}", "output_index": self.index, "item": item}

    def opened(self) -> Json:
        """Return the item before its text."""
        return self._body([], "", _IN_PROGRESS)

    def completed(self, text: str, status: str) -> Json:
        """Return the item with its complete text."""
        return self._body([self._part(text)] if text else [], text, status)

    def _body(self, parts: list[Json], text: str, status: str) -> Json:
        if self.form is _REASONING:
            signature = {"encrypted_content": self.signature} if self.signature else {}
            return {"id": self.ident, "type": "reasoning", "summary": parts, **signature}
        if self.call is None:
            return {"id": self.ident, "type": "message", "status": status, "role": "assistant", "content": parts}
        if self.form is _APPROVAL:
            named = {"name": self.call.name, "arguments": text, "server_label": "streamval"}
            return {"id": self.call.id, "type": self.form.kind, **named}
        common = {"id": self.ident, "type": self.form.kind, "status": status, "call_id": self.call.id}
        if not self.form.event:
            return {**common, **_action(self.call.kind, text)}
        return {**common, "name": self.call.name, self.form.text_field: text}

    def _place(self) -> Json:
        part = {self.form.part_index: 0} if self.form.part else {}
        return {"item_id": self.ident, "output_index": self.index, **part}

    def _logprobs(self, text: str) -> list[Json]:
        return [] if self._asked is None else token_logprobs(text, self._asked)

    def _part(self, text: str) -> Json:
        if self.form is _REASONING:
            return {"type": "summary_text", "text": text}
        if self.form is _REFUSAL:
            return {"type": "refusal", "refusal": text}
        return {"type": "output_text", "text": text, "annotations": [], "logprobs": self._logprobs(text)}


def _form_of(call: ToolCall) -> _Form:
    """Return the form of the item of a call. One that has an action has no events of its own."""
    return _CALLS.get(call.kind) or _Form(call.kind, "", "", f"{call.kind}_call")


def _action(kind: str, arguments: str) -> Json:
    """Return the field with the action of a call, or no field before it is known."""
    if not arguments:
        return {}
    field = "operation" if kind == "apply_patch" else "action"
    return {field: json.loads(arguments)}


def _status(reason: str) -> str:
    """Return the status of a response with this finish reason."""
    return _COMPLETED if reason == _COMPLETED else "incomplete"


def _counts(usage: Usage) -> Json:
    prompt, output = usage.input_tokens or 0, usage.output_tokens or 0
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens or 0, "cache_write_tokens": 0},
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens or 0},
        "total_tokens": prompt + output,
    }
