"""OpenAI's responses, the younger of its two protocols.

Source: https://platform.openai.com/docs/api-reference/responses-streaming. Every frame is an event that says its type.
A response holds items, which are a `message`, `reasoning` or a `function_call`; each is `response.output_item.added`,
its pieces and `response.output_item.done`. `response.completed` or `response.incomplete` ends a stream and repeats all
of it; `response.failed` and `error` break it off. Types of events, items and parts that are not known are left out, and
so are refusals and the tools that the server runs.

What has come in pieces is said once more as a whole. Where the two differ, pieces were lost, doubled or swapped, and
the frame is malformed; where no piece came, the whole counts, as some compatible servers send nothing else. Thinking is
the summary of it, the reasoning itself (open models), or both. OpenAI's servers nest an error in `error`, its
documentation does not: both are read. llama.cpp leaves out the indices, so that items are told apart by their ids, and
calls, which have none there, by their own. `[DONE]` belongs to chat completions; some proxies send it all the same.

A response has no reason to finish: here it is the status, `completed`, or the reason in `incomplete_details`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from pytest_streamval.errors import InvalidArgumentError, excerpt
from pytest_streamval.model import Delta, ToolCallDelta, Usage
from pytest_streamval.wire.adapter import Adapter, model_in
from pytest_streamval.wire.exchange import Answer, Asked
from pytest_streamval.wire.frames import FrameDecoder
from pytest_streamval.wire.json_values import (
    FrameFaultError,
    ProviderReportError,
    expect,
    frame_type,
    optional,
    parse_object,
    report,
)
from pytest_streamval.wire.responses_encoder import OpenAIResponsesEncoder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_streamval.wire.adapter import Question
    from pytest_streamval.wire.encoding import FrameEncoder, Json

_Name: TypeAlias = int | str  # of an item: its position in the output, or its id
_Place: TypeAlias = tuple[str, _Name, int]  # what pieces are called, whose they are (a call's position), which part

_DONE = "[DONE]"
_PATHS = ("/v1/responses", "/responses")  # the first is asked, both answer
_ROLES = ("user", "assistant", "system", "developer")
_TEXT = "response.output_text"
_ARGUMENTS = "response.function_call_arguments"
# What comes in pieces: the beginning of its events' types, the field of the whole, and that of its place in the item.
_PIECES = {
    _TEXT: ("text", "content_index"),
    "response.reasoning_text": ("text", "content_index"),
    "response.reasoning_summary_text": ("text", "summary_index"),
    _ARGUMENTS: ("arguments", "content_index"),  # which calls do not have
}


class OpenAIResponsesDecoder(FrameDecoder):
    """Decode the body of a streamed response."""

    protocol: ClassVar[str] = "openai-responses"
    terminal: ClassVar[str] = "the event response.completed"
    open_ended: ClassVar[bool] = True  # for [DONE] alone, see `_read`

    def __init__(self) -> None:
        super().__init__()
        self._calls: dict[_Name, int] = {}  # the position among the calls, of each item that is one
        self._next_call = 0
        self._said: dict[_Place, list[str]] = {}  # all pieces so far, by what they are pieces of

    def _read(self, data: str, event: str) -> Delta | None:
        if data[:1] == "[" and data.rstrip() == _DONE:
            return None
        if self.done:
            raise FrameFaultError(f"it comes after {self.terminal}, which ends the stream")
        body = parse_object(data)
        kind = body.get("type") or frame_type(event, body)
        if kind == "response.output_text.delta":
            return self._text(body)
        kind = expect(kind, str, "type")
        whole, _, moment = kind.rpartition(".")
        if whole in _PIECES and moment == "delta":
            return self._piece(whole, body)
        if whole in _PIECES and moment == "done":
            return self._repetition(whole, body)
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
        words, item, part = body.get("delta"), body.get("output_index"), body.get("content_index")
        # Nearly every frame goes on with a text that has begun, and needs no more questions.
        if type(words) is str and words and type(item) is int and type(part) is int:
            said = self._said.get((_TEXT, item, part))
            if said is not None:
                said.append(words)
                return Delta(words)
        return self._piece(_TEXT, body)

    def _piece(self, whole: str, body: Json) -> Delta | None:
        place = self._place(whole, body)
        words = expect(body.get("delta"), str, "delta")
        self._said.setdefault(place, []).append(words)
        return _delta(place, words)

    def _repetition(self, whole: str, body: Json) -> Delta | None:
        name = _PIECES[whole][0]
        return self._rest(self._place(whole, body), optional(body.get(name), str, name) or "", name)

    def _rest(self, place: _Place, repeated: str, name: str) -> Delta | None:
        """What is new in the whole of what came in pieces: nothing, or all of it."""
        said = "".join(self._said.get(place, ()))
        if said and repeated and said != repeated:
            raise FrameFaultError(f"{name} is {excerpt(repeated, 60)}, but its pieces came to {excerpt(said, 60)}")
        self._said[place] = [said or repeated]
        return None if said else _delta(place, repeated)

    def _place(self, whole: str, body: Json) -> _Place:
        """What a piece is a piece of."""
        item = optional(body.get("output_index"), int, "output_index")
        name = item if item is not None else optional(body.get("item_id"), str, "item_id")
        if whole != _ARGUMENTS:
            part = _PIECES[whole][1]
            return whole, name or 0, optional(body.get(part), int, part) or 0
        position = self._next_call - 1 if name is None else self._calls.get(name, -1)
        if position < 0:
            raise FrameFaultError(f"output item {name!r} is no function call that has begun")
        return whole, position, 0

    def _item_added(self, body: Json) -> Delta | None:
        item = _call_in(body)
        if item is None:
            return None
        names = _names(body, item)
        for name in names:
            if name in self._calls:
                raise FrameFaultError(f"it begins output item {name!r} a second time")
        call = _read_call(item, "item", self._next_call)
        self._next_call += 1
        self._calls.update(dict.fromkeys(names, call.index))
        self._said[_ARGUMENTS, call.index, 0] = [call.arguments]
        return Delta(tool_calls=(call,))

    def _item_done(self, body: Json) -> Delta | None:
        item = _call_in(body)
        if item is None:
            return None
        position = next((self._calls[name] for name in _names(body, item) if name in self._calls), None)
        if position is None:
            return self._item_added(body)
        arguments = optional(item.get("arguments"), str, "item.arguments") or ""
        return self._rest((_ARGUMENTS, position, 0), arguments, "item.arguments")

    def _end(self, body: Json, status: str) -> Delta:
        response = expect(body.get("response"), dict, "response")
        usage = self._usage(response, "response.usage")
        reason = _reason(response, "response.") or status
        self.done = True
        return Delta(usage=usage, finish_reason=reason)

    def _usage(self, response: Json, path: str) -> Usage | None:
        usage = optional(response.get("usage"), dict, path)
        if usage is None:
            return None
        self._count(usage, "input_tokens", "output_tokens", path=f"{path}.")
        counts = self._counts
        return Usage(counts.get("input_tokens"), counts.get("output_tokens")) if counts else None


@dataclass(frozen=True, slots=True)
class OpenAIResponses(Adapter):
    """OpenAI's responses. The key goes into `Authorization: Bearer`; there is neither `seed` nor `stop`."""

    protocol: ClassVar[str] = "openai-responses"
    _decoder: ClassVar[type[FrameDecoder]] = OpenAIResponsesDecoder
    _encoder: ClassVar[type[FrameEncoder]] = OpenAIResponsesEncoder

    def asked(self, path: str, body: Mapping[str, object]) -> Asked | None:
        """Return what a request asks for, or None where its path is none of this protocol's."""
        if path.partition("?")[0] not in _PATHS:
            return None
        return Asked(model_in(body), stream=body.get("stream") is True)

    def _settings(self) -> Mapping[str, str]:
        return {"temperature": "temperature", "max_new_tokens": "max_output_tokens"}

    def _request(self, question: Question) -> tuple[str, Json]:
        for turn in question.turns:
            if turn["role"] not in _ROLES:
                raise InvalidArgumentError(
                    "messages", excerpt(turn), f"The roles of responses are {', '.join(_ROLES)}."
                )
        body: Json = {"model": question.model, "input": [*map(_item, question.turns)], **question.settings}
        if question.schema is not None:
            body["text"] = {"format": {"type": "json_schema", "name": "output", "schema": question.schema}}
        if question.stream:
            body["stream"] = True
        return _PATHS[0], body

    def _read_answer(self, body: Json) -> Answer:
        deltas: list[Delta] = []
        for item in expect(body.get("output"), list, "output"):
            deltas.append(_read_item(expect(item, dict, "output[]"), len(deltas)))
        usage = OpenAIResponsesDecoder()._usage(body, "usage")
        return Answer.of([*deltas, Delta(usage=usage, finish_reason=_reason(body, ""))])


def _item(turn: Json) -> Json:
    """Put a turn as an item: what was answered in the form in which answers come, as not every server takes another."""
    if turn["role"] != "assistant" or not isinstance(turn.get("content"), str):
        return turn
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": turn["content"]}]}


def _read_item(item: Json, index: int) -> Delta:
    """What an item of a whole answer says; `index` tells a call from others."""
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
    """The text of all parts of this kind."""
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


def _call_in(body: Json) -> Json | None:
    """The item that an event begins or ends, if it is a call."""
    item = optional(body.get("item"), dict, "item")
    return item if item is not None and item.get("type") == "function_call" else None


def _delta(place: _Place, words: str) -> Delta | None:
    """What words say of which this is the place."""
    whole, position, _ = place
    if not words:
        return None
    if whole == _ARGUMENTS:
        return Delta(tool_calls=(ToolCallDelta(int(position), arguments=words),))
    return Delta(words) if whole == _TEXT else Delta(thinking=words)


def _names(body: Json, item: Json) -> list[_Name]:
    """What the events of an item's pieces may call it: its position, or else its ids."""
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
    """The error that a frame reports: nested, inside a response, or bare."""
    response = body.get("response")
    nested = body.get("error") or (response.get("error") if isinstance(response, dict) else None)
    return report(nested or {name: value for name, value in body.items() if name != "type"}, data)
