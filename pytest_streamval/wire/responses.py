"""OpenAI's responses, the newer of its two protocols.

Source: https://platform.openai.com/docs/api-reference/responses-streaming. Every frame is an event with a type. A
response holds items: a `message`, `reasoning` or a `function_call`. Each item is a `response.output_item.added`, its
pieces and a `response.output_item.done`. `response.completed` or `response.incomplete` ends a stream and repeats all of
its output. `response.failed` and `error` report an error. Unknown types of events, items and parts are skipped, and so
are refusals and the tools that the server runs.

Every text in pieces is repeated complete. If the two differ, pieces were lost, doubled or swapped, and the frame is
malformed. If there were no pieces, the complete text is read, because some compatible servers send nothing else.
Thinking is the summary of it, the reasoning itself (open models), or both. OpenAI's servers nest an error in `error`,
its documentation does not: both are read. llama.cpp leaves out the indices, so items are identified by their ids, and
calls, whose items have none there, by the ids of the calls. `[DONE]` belongs to chat completions, but some proxies send
it.

A response has no finish reason. Its status, `completed`, or the reason in `incomplete_details` replaces it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from pytest_streamval.errors import InvalidArgumentError, excerpt
from pytest_streamval.model import Delta, ToolCallDelta
from pytest_streamval.wire.adapter import Adapter
from pytest_streamval.wire.error_reports import ProviderReportError, provider_report
from pytest_streamval.wire.exchange import Answer
from pytest_streamval.wire.frames import FrameDecoder
from pytest_streamval.wire.json_values import (
    FrameFaultError,
    expect,
    frame_type,
    optional,
)
from pytest_streamval.wire.responses_encoder import OpenAIResponsesEncoder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_streamval.wire.adapter import ChatRequest
    from pytest_streamval.wire.encoding import FrameEncoder, Json

_Name: TypeAlias = int | str  # the name of an item: its position in the output, or its id
_Place: TypeAlias = tuple[str, _Name, int]  # the event's prefix, the item (a call's position), the part

_DONE = "[DONE]"
_INPUT = ("input_tokens",)
_OUTPUT = ("output_tokens",)
_ROLES = ("user", "assistant", "system", "developer")
_TEXT = "response.output_text"
_ARGUMENTS = "response.function_call_arguments"
# The texts in pieces: the prefix of the events' types, the field of the complete text, and the field of the part.
_PIECES = {
    _TEXT: ("text", "content_index"),
    "response.reasoning_text": ("text", "content_index"),
    "response.reasoning_summary_text": ("text", "summary_index"),
    _ARGUMENTS: ("arguments", "content_index"),  # a call has no parts
}


class OpenAIResponsesDecoder(FrameDecoder):
    """Decode the body of a streamed response."""

    protocol: ClassVar[str] = "openai-responses"
    terminal: ClassVar[str] = "the event response.completed"
    open_ended: ClassVar[bool] = True  # only for [DONE], see `_read`

    def __init__(self, *, strict: bool = False) -> None:
        super().__init__(strict=strict)
        self._calls: dict[_Name, int] = {}  # the position among the calls of each item that is a call
        self._next_call = 0
        self._pieces: dict[_Place, list[str]] = {}  # all pieces so far, by place

    def _read(self, data: str, event: str) -> Delta | None:
        if data[:1] == "[" and data.rstrip() == _DONE:
            return None
        if self.done:
            raise FrameFaultError(f"it follows {self.terminal}, which ends the stream")
        body = self._object(data)
        kind = body.get("type") or frame_type(event, body)
        if kind == "response.output_text.delta":
            return self._text(body)
        kind = expect(kind, str, "type")
        prefix, _, moment = kind.rpartition(".")
        if prefix in _PIECES and moment == "delta":
            return self._piece(prefix, body)
        if prefix in _PIECES and moment == "done":
            return self._repeated(prefix, body)
        return self._other(kind, body, data)

    def _other(self, kind: str, body: Json, data: str) -> Delta | None:
        match kind:
            case "response.output_item.added":
                return self._item_added(body)
            case "response.output_item.done":
                return self._item_done(body)
            case "response.completed" | "response.incomplete":
                return self._end(body, kind.removeprefix("response."))
            case "response.failed" | "error":
                raise _failure(body, data)
        return None

    def _text(self, body: Json) -> Delta | None:
        text, item, part = body.get("delta"), body.get("output_index"), body.get("content_index")
        # Nearly every frame continues a text, and needs no more checks.
        if type(text) is str and text and type(item) is int and type(part) is int:
            known = self._pieces.get((_TEXT, item, part))
            if known is not None:
                known.append(text)
                return Delta(text)
        return self._piece(_TEXT, body)

    def _piece(self, prefix: str, body: Json) -> Delta | None:
        place = self._place_of(prefix, body)
        text = expect(body.get("delta"), str, "delta")
        self._pieces.setdefault(place, []).append(text)
        return _delta_at(place, text)

    def _repeated(self, prefix: str, body: Json) -> Delta | None:
        name = _PIECES[prefix][0]
        return self._missing_rest(self._place_of(prefix, body), optional(body.get(name), str, name) or "", name)

    def _missing_rest(self, place: _Place, repeated: str, name: str) -> Delta | None:
        """Return the repeated text if it had no pieces, or None."""
        known = "".join(self._pieces.get(place, ()))
        if known and repeated and known != repeated:
            raise FrameFaultError(
                f"{name} is {excerpt(repeated, 60)}, but the sum of its pieces is {excerpt(known, 60)}"
            )
        self._pieces[place] = [known or repeated]
        return None if known else _delta_at(place, repeated)

    def _place_of(self, prefix: str, body: Json) -> _Place:
        item = optional(body.get("output_index"), int, "output_index")
        name = item if item is not None else optional(body.get("item_id"), str, "item_id")
        if prefix != _ARGUMENTS:
            part = _PIECES[prefix][1]
            return prefix, name or 0, optional(body.get(part), int, part) or 0
        position = self._next_call - 1 if name is None else self._calls.get(name, -1)
        if position < 0:
            raise FrameFaultError(f"output item {name!r} is not a function call that has started")
        return prefix, position, 0

    def _item_added(self, body: Json) -> Delta | None:
        item = _function_call_in(body)
        if item is None:
            return None
        names = _item_names(body, item)
        for name in names:
            if name in self._calls:
                raise FrameFaultError(f"it starts output item {name!r} a second time")
        call = _read_call(item, "item", self._next_call)
        self._next_call += 1
        self._calls.update(dict.fromkeys(names, call.index))
        self._pieces[_ARGUMENTS, call.index, 0] = [call.arguments]
        return Delta(tool_calls=(call,))

    def _item_done(self, body: Json) -> Delta | None:
        item = _function_call_in(body)
        if item is None:
            return None
        position = next((self._calls[name] for name in _item_names(body, item) if name in self._calls), None)
        if position is None:
            return self._item_added(body)
        arguments = optional(item.get("arguments"), str, "item.arguments") or ""
        return self._missing_rest((_ARGUMENTS, position, 0), arguments, "item.arguments")

    def _end(self, body: Json, status: str) -> Delta:
        response = expect(body.get("response"), dict, "response")
        usage = self._read_usage(response.get("usage"), _INPUT, _OUTPUT, "response.usage")
        reason = _reason(response, "response.") or status
        self.done = True
        return Delta(usage=usage, finish_reason=reason)


@dataclass(frozen=True, slots=True)
class OpenAIResponses(Adapter):
    """The adapter for OpenAI's responses, which have neither `seed` nor `stop`.

    The API key is sent in `Authorization: Bearer`.
    """

    protocol: ClassVar[str] = "openai-responses"
    _decoder: ClassVar[type[FrameDecoder]] = OpenAIResponsesDecoder
    _paths: ClassVar[tuple[str, ...]] = ("/v1/responses", "/responses")
    _encoder: ClassVar[type[FrameEncoder]] = OpenAIResponsesEncoder

    def _option_names(self) -> Mapping[str, str]:
        return {"temperature": "temperature", "max_new_tokens": "max_output_tokens"}

    def _build(self, request: ChatRequest) -> tuple[str, Json]:
        for turn in request.turns:
            if turn["role"] not in _ROLES:
                raise InvalidArgumentError("messages", excerpt(turn), f"The role must be one of {', '.join(_ROLES)}.")
        body: Json = {"model": request.model, "input": [*map(_item, request.turns)], **request.settings}
        if request.schema is not None:
            body["text"] = {"format": {"type": "json_schema", "name": "output", "schema": request.schema}}
        if request.stream:
            body["stream"] = True
        return self._paths[0], body

    def _parse_answer(self, body: Json) -> Answer:
        deltas: list[Delta] = []
        for item in expect(body.get("output"), list, "output"):
            deltas.append(_read_item(expect(item, dict, "output[]"), len(deltas)))
        usage = OpenAIResponsesDecoder(strict=True)._read_usage(body.get("usage"), _INPUT, _OUTPUT, "usage")
        return Answer.of([*deltas, Delta(usage=usage, finish_reason=_reason(body, ""))])


def _item(turn: Json) -> Json:
    """Return a message as an item. An answer has the form of a response, because some servers accept no other form."""
    if turn["role"] != "assistant" or not isinstance(turn.get("content"), str):
        return turn
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": turn["content"]}]}


def _read_item(item: Json, index: int) -> Delta:
    """Return an item of a complete answer as a delta. `index` is the position of a call among the calls."""
    match expect(item.get("type"), str, "output[].type"):
        case "message":
            return Delta(_read_parts(item, "content", "output_text"))
        case "reasoning":
            summary = _read_parts(item, "summary", "summary_text")
            return Delta(thinking=_read_parts(item, "content", "reasoning_text") + summary)
        case "function_call":
            return Delta(tool_calls=(_read_call(item, "output[]", index),))
    return Delta()


def _read_parts(item: Json, name: str, kind: str) -> str:
    """Return the text of all parts of this kind."""
    path = f"output[].{name}"
    parts = [expect(part, dict, f"{path}[]") for part in optional(item.get(name), list, path) or []]
    return "".join(expect(part.get("text"), str, f"{path}[].text") for part in parts if part.get("type") == kind)


def _read_call(item: Json, path: str, index: int) -> ToolCallDelta:
    return ToolCallDelta(
        index,
        expect(item.get("call_id"), str, f"{path}.call_id"),
        expect(item.get("name"), str, f"{path}.name"),
        optional(item.get("arguments"), str, f"{path}.arguments") or "",
    )


def _function_call_in(body: Json) -> Json | None:
    """Return the item of an event if it is a call, or None."""
    item = optional(body.get("item"), dict, "item")
    return item if item is not None and item.get("type") == "function_call" else None


def _delta_at(place: _Place, text: str) -> Delta | None:
    """Return the delta for a text at this place."""
    prefix, position, _ = place
    if not text:
        return None
    if prefix == _ARGUMENTS:
        return Delta(tool_calls=(ToolCallDelta(int(position), arguments=text),))
    return Delta(text) if prefix == _TEXT else Delta(thinking=text)


def _item_names(body: Json, item: Json) -> list[_Name]:
    """Return the names of an item in the events of its pieces: its position, or else its ids."""
    index = optional(body.get("output_index"), int, "output_index")
    if index is not None:
        return [index]
    ids = [optional(item.get(field), str, f"item.{field}") for field in ("id", "call_id")]
    return [*dict.fromkeys(name for name in ids if name)]


def _reason(response: Json, path: str) -> str | None:
    details = optional(response.get("incomplete_details"), dict, f"{path}incomplete_details") or {}
    reason = optional(details.get("reason"), str, f"{path}incomplete_details.reason")
    return reason or optional(response.get("status"), str, f"{path}status") or None


def _failure(body: Json, data: str) -> ProviderReportError:
    """Return the error of a frame: nested, inside a response, or bare."""
    response = body.get("response")
    nested = body.get("error") or (response.get("error") if isinstance(response, dict) else None)
    return provider_report(nested or {name: value for name, value in body.items() if name != "type"}, data)
