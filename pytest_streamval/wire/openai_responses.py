"""OpenAI's responses, the newer of its two protocols.

Source: https://platform.openai.com/docs/api-reference/responses-streaming. Every frame is an event with a type. A
response holds items: a `message`, `reasoning` or a call. Each item is a `response.output_item.added`, its pieces and a
`response.output_item.done`. `response.completed` or `response.incomplete` ends a stream and repeats all of its output.
`response.failed` and `error` report an error. Unknown types of events, items and parts are skipped, and so are the
tools that the server runs: a call that the client runs has a `call_id`, or asks to approve a call of an MCP server.

Every text in pieces is repeated complete. If the two differ, pieces were doubled or swapped, and the frame is
malformed. A text that is said in one place only is read there: some compatible servers send no pieces, or fewer than
the complete text has (https://github.com/vercel/ai/issues/13844).

Thinking is the summary of it, the reasoning itself (open models), or both. Encrypted thinking is its signature.
OpenAI's servers nest an error in `error`, its documentation does not: both are read. `[DONE]` belongs to chat
completions, but some proxies send it.

A few servers end a stream with `response.done` (https://github.com/can1357/oh-my-pi/pull/4692).

A response has no finish reason. Its status, `completed`, or the reason in `incomplete_details` replaces it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from pytest_streamval.errors import InvalidArgumentError, excerpt
from pytest_streamval.model import Delta, ToolCallDelta
from pytest_streamval.wire.adapter import Adapter
from pytest_streamval.wire.error_reports import report_without_output
from pytest_streamval.wire.frames import FrameDecoder
from pytest_streamval.wire.json_values import FrameFaultError, expect, frame_type, optional, same_json
from pytest_streamval.wire.openai_responses_encoder import OpenAIResponsesEncoder
from pytest_streamval.wire.openai_responses_events import (
    delta_of,
    failure_in,
    part_of,
    place_of,
    reason_of,
    text_of_piece,
)
from pytest_streamval.wire.openai_responses_items import (
    NAMED_KINDS,
    PIECES,
    Item,
    Items,
    action_of_call,
    call_id_of,
    difference_of_texts,
    family_of,
    form_of_part,
    is_call,
    kind_of_call,
    name_of_call,
    texts_of_item,
)
from pytest_streamval.wire.request_and_answer import Answer, joined_or_none
from pytest_streamval.wire.tool_turns import responses_items

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_streamval.wire.adapter import ChatRequest
    from pytest_streamval.wire.encoding import FrameEncoder, Json
    from pytest_streamval.wire.openai_responses_items import Channel, Family, PiecesForm
    from pytest_streamval.wire.request_and_answer import ParsedRequest

_INPUT = ("input_tokens",)
_OUTPUT = ("output_tokens",)
_OTHER = ("prompt_tokens", "completion_tokens")  # the names in chat completions, which some servers keep
_OTHER_THINKING: Mapping[Channel, Channel] = {"summary": "reasoning_text", "reasoning_text": "summary"}
_ROLES = ("user", "assistant", "system", "developer")


class OpenAIResponsesDecoder(FrameDecoder):
    """Decode the body of a streamed response."""

    protocol: ClassVar[str] = "openai-responses"
    terminal: ClassVar[str] = "the event response.completed"
    own_events: ClassVar[tuple[str, ...]] = ("response.",)

    def __init__(self, *, strict: bool = False) -> None:
        super().__init__(strict=strict)
        self._items = Items()
        # The place of the last piece of text and its pieces: nearly every frame continues them.
        self._last: tuple[object, object, object] | None = None
        self._last_pieces: list[str] = []

    def _read(self, data: str, event: str) -> Delta | None:
        if data[:1] == "[" and self._ends_another_protocol(data):
            return None
        body = self._object(data)
        kind = body.get("type")
        if not kind and body.get("object") == "response":
            return self._end({"response": body}, "completed", data)  # a complete response in place of a stream
        kind = kind or _type_of_untyped(body, event, data)
        if kind == "response.output_text.delta":
            text = body.get("delta")
            place = (body.get("item_id"), body.get("output_index"), body.get("content_index"))
            if place == self._last and type(text) is str and text:
                self._last_pieces.append(text)
                return Delta(text)
        kind = expect(kind, str, "type")
        prefix, _, moment = kind.rpartition(".")
        pieces = PIECES.get(prefix)
        if pieces is not None and moment == "delta":
            return self._piece(pieces, prefix, body)
        if pieces is not None and moment == "done":
            return self._repeated(pieces, prefix, body)
        return self._other(kind, body, data)

    def _other(self, kind: str, body: Json, data: str) -> Delta | None:
        match kind:
            case "response.output_item.added":
                return self._item_added(body)
            case "response.output_item.done":
                return self._item_done(body)
            case "response.content_part.done" | "response.reasoning_summary_part.done":
                return self._part_done(body)
            case "response.completed" | "response.incomplete" | "response.done":
                return self._end(body, kind.removeprefix("response.").replace("done", "completed"), data)
            case "response.failed" | "response.error" | "error":
                raise failure_in(body, data)
        if body.get("error"):
            raise failure_in(body, data)
        return None

    # Texts in pieces

    def _piece(self, pieces: PiecesForm, prefix: str, body: Json) -> Delta | None:
        index, ident = place_of(body)
        item = self._item_of(pieces, prefix, index, ident)
        if item.is_done and index is not None and self._items.find(pieces.family, index, None) is None:
            item = self._items.add(Item(pieces.family), index, ident)  # another item with the same id
        text = text_of_piece(body)
        part = part_of(pieces, body)
        if item.text(pieces.channel).begins_again(text):
            self._note("repeated-whole", "the arguments begin again after an empty object")
        if item.text(pieces.channel).was_ahead(text):
            self._note("order-of-blocks", f"it comes after the complete text that it is a piece of: {excerpt(text)}")
            return None
        found = item.text(pieces.channel).pieces(part)
        found.append(text)
        if pieces.channel == "text":
            self._last, self._last_pieces = (body.get("item_id"), body.get("output_index"), part), found
        return delta_of(item, pieces.channel, text)

    def _repeated(self, pieces: PiecesForm, prefix: str, body: Json) -> Delta | None:
        """Read a complete text at its own end."""
        whole = optional(body.get(pieces.field), str, pieces.field) or ""
        index, ident = place_of(body)
        item = self._items.find(pieces.family, index, ident) or self._repeated_item(pieces, whole)
        if item is not None and index is not None and item is not self._items.find(pieces.family, index, None):
            self._note("repeated-whole", f"{pieces.field} repeats pieces from another position, not from {index}")
        item = item or self._item_of(pieces, prefix, index, ident)
        return self._missing_rest(item, pieces.channel, part_of(pieces, body), whole, pieces.field)

    def _repeated_item(self, pieces: PiecesForm, whole: str) -> Item | None:
        """Return the last item if this is the complete text of it, under another place."""
        items = self._items.of(pieces.family)
        return items[-1] if whole and items and items[-1].text(pieces.channel).repeats(whole) else None

    def _missing_rest(self, item: Item, channel: Channel, part: int, whole: str, name: str) -> Delta | None:
        """Return the part of a complete text that had no pieces, or None."""
        self._last = None
        text = item.text(channel)
        rest = ""
        if not whole or text.is_known(part, whole):
            pass
        elif text.repeats(whole):
            self._note("repeated-whole", f"{name} repeats the pieces before it under another index")
        elif not text.has_part(part):
            rest = whole
        else:
            missing = text.missing(part, whole)
            if missing is None:
                raise FrameFaultError(difference_of_texts(name, whole, text.joined()))
            rest = missing
            self._note("missing-pieces", f"{name} ends with {excerpt(rest, 60)}, which had no pieces")
        if whole:
            text.end(part, whole, rest)
        return delta_of(item, channel, rest)

    def _item_of(self, pieces: PiecesForm, prefix: str, index: int | None, ident: str | None) -> Item:
        """Return the item of a text. A call must have started, because nothing else names it."""
        item = self._items.find(pieces.family, index, ident)
        if item is None and pieces.family == "call":
            name = ident if index is None else index
            raise FrameFaultError(f"output item {name!r} is not a function call that has started")
        is_custom = prefix == "response.custom_tool_call_input"
        if item is not None and item.family == "call" and is_custom != (item.kind == "custom"):
            self._note("wrong-event", f"it is a {prefix} for a call of the kind {item.kind}")
        return item or self._items.add(Item(pieces.family), index, ident)

    # Complete items

    def _part_done(self, body: Json) -> Delta | None:
        """Read a complete part. Its text is new only if its item has no other."""
        part = optional(body.get("part"), dict, "part") or {}
        form = form_of_part(part)
        if form is None:
            return None
        family, channel, _, field = form
        index, ident = place_of(body)
        item = self._items.find(family, index, ident)
        if item is None:
            item = next((each for each in self._items.of(family)[-1:] if each.joined(channel)), None)
        item = item or self._items.add(Item(family), index, ident)
        if item.joined(channel):
            return None
        return self._rest_of_item(item, channel, optional(part.get(field), str, f"part.{field}") or "", f"part.{field}")

    def _item_added(self, body: Json) -> Delta | None:
        item = optional(body.get("item"), dict, "item") or {}
        index = optional(body.get("output_index"), int, "output_index")
        ident = optional(item.get("id"), str, "item.id")
        if is_call(item):
            return self._call_added(item, index, ident)
        family: Family | None = family_of(item)
        if family is not None and self._items.find(family, index, ident) is None:
            self._items.add(Item(family), index, ident)
        return None

    def _call_added(self, fields: Json, index: int | None, ident: str | None) -> Delta | None:
        kind = kind_of_call(fields)
        call_id = call_id_of(fields, "item")
        before = None if index is None else self._items.find("call", index, None)
        if before is not None and before.call_id == call_id:
            self._note("order-of-blocks", f"it starts the call {call_id} a second time")
            return None
        if before is not None:
            self._note("call-identity", f"it starts the call {call_id} at the position of {before.call_id}")
        call = ToolCallDelta(len(self._items.of("call")), call_id, name_of_call(fields, kind), "", kind)
        item = self._items.add(Item("call", call.index, kind, call_id), index, ident, call_id)
        arguments = self._arguments_of_call(fields, kind, "item") if kind in NAMED_KINDS else ""
        if arguments:
            item.text("arguments").start(arguments)
        return Delta(tool_calls=(ToolCallDelta(call.index, call.id, call.name, arguments, kind),))

    def _item_done(self, body: Json) -> Delta | None:
        fields = optional(body.get("item"), dict, "item") or {}
        index = optional(body.get("output_index"), int, "output_index")
        return self._complete(fields, index, "item")

    def _complete(self, fields: Json, index: int | None, path: str, *, at_end: bool = False) -> Delta | None:
        """Read a complete item, and return the parts of it that are new.

        Args:
            fields: The item.
            index: Its position.
            path: Its path in the frame.
            at_end: Whether it is one of the complete output, which has each item once.
        """
        family = family_of(fields)
        if family is None:
            return None
        ident = optional(fields.get("id"), str, f"{path}.id")
        if family == "call":
            return self._complete_call(fields, index, path, at_end=at_end)
        item = self._item_of_complete(family, fields, index, path, at_end=at_end) or self._items.add(
            Item(family), index, ident
        )
        item.is_done, item.is_in_output = True, at_end
        self._last = None
        texts = texts_of_item(fields, family, path).items()
        deltas = [self._rest_of_item(item, channel, whole, path) for channel, whole in texts]
        signature = optional(fields.get("encrypted_content"), str, f"{path}.encrypted_content") or ""
        if signature and not item.signature:
            item.signature = signature
            deltas.append(Delta(signature=signature))
        return joined_or_none(deltas)

    def _item_of_complete(
        self, family: Family, fields: Json, index: int | None, path: str, *, at_end: bool
    ) -> Item | None:
        """Return the item that a complete one repeats: by its id, its text or its position. None if it is new."""
        ident = optional(fields.get("id"), str, f"{path}.id")
        by_position = self._items.find(family, index, ident)
        if by_position is not None and not by_position.is_in_output and by_position is self._items.named(family, ident):
            return by_position
        texts = texts_of_item(fields, family, path)
        for item in self._items.near(family, at_end=at_end) if any(texts.values()) else ():
            if not item.is_in_output and all(item.joined(each).strip() == texts[each].strip() for each in texts):
                if item is not by_position:
                    self._note("repeated-whole", f"{path} repeats another item under another id")
                return item
        return by_position if by_position is not None and not by_position.is_in_output else None

    def _complete_call(self, fields: Json, index: int | None, path: str, *, at_end: bool) -> Delta | None:
        call_id = call_id_of(fields, path)
        ident = optional(fields.get("id"), str, f"{path}.id")
        item = self._items.find("call", index, call_id) or self._items.find("call", index, ident)
        is_another = item is not None and item.is_done and call_id != item.call_id
        started = None
        if item is None or is_another or (at_end and item.is_in_output):
            started = self._call_added(fields, index, ident)
            item = self._items.of("call")[-1]
        item.is_done, item.is_in_output = True, at_end
        arguments = self._arguments_of_call(fields, kind_of_call(fields), path)
        return joined_or_none([started, self._rest_of_item(item, "arguments", arguments, f"{path}.arguments")])

    def _arguments_of_call(self, fields: Json, kind: str, path: str) -> str:
        """Return the arguments of a complete call: a text, or the JSON of its action."""
        if kind not in NAMED_KINDS:
            return action_of_call(fields, path)
        field = "input" if kind == "custom" else "arguments"
        return self._arguments(fields.get(field), f"{path}.{field}", str)

    def _rest_of_item(self, item: Item, channel: Channel, whole: str, name: str) -> Delta | None:
        """Return the rest of a text of a complete item that had no pieces, or None."""
        known = item.joined(channel)
        if not whole or whole == known:
            return None
        if not known and item.family == "reasoning" and whole == item.joined(_OTHER_THINKING.get(channel, channel)):
            self._note("repeated-whole", f"{name} repeats the thinking in another form")
            return None
        if not whole.startswith(known):
            if item.family == "call" and not same_json(whole, known):
                raise FrameFaultError(difference_of_texts(name, whole, known))
            self._note("different-whole", difference_of_texts(name, whole, known))
            return None
        rest = whole[len(known) :]
        if known:
            self._note("missing-pieces", f"{name} ends with {excerpt(rest, 60)}, which had no pieces")
        item.text(channel).end(0, whole, rest)
        return delta_of(item, channel, rest)

    def _end(self, body: Json, status: str, data: str) -> Delta | None:
        response = expect(body.get("response"), dict, "response")
        if response.get("error") or response.get("status") == "failed":
            raise failure_in(body, data)
        output = optional(response.get("output"), list, "response.output") or []
        items = [expect(item, dict, "response.output[]") for item in output]
        rest = joined_or_none(
            [self._complete(item, number, "response.output[]", at_end=True) for number, item in enumerate(items)]
        )
        usage = self._read_usage(response.get("usage") or body.get("usage"), _INPUT, _OUTPUT, "response.usage", _OTHER)
        reason = reason_of(response, "response.") or status
        self.done = True
        return joined_or_none([rest, Delta(usage=usage, finish_reason=reason)])


@dataclass(frozen=True, slots=True)
class OpenAIResponses(Adapter):
    """The adapter for OpenAI's responses, which have neither `seed` nor `stop`.

    The API key is sent in `Authorization: Bearer`.
    """

    protocol: ClassVar[str] = "openai-responses"
    request_id_header: ClassVar[str] = "x-request-id"
    _decoder: ClassVar[type[FrameDecoder]] = OpenAIResponsesDecoder
    _paths: ClassVar[tuple[str, ...]] = ("/v1/responses", "/responses")
    _encoder: ClassVar[type[FrameEncoder]] = OpenAIResponsesEncoder

    def parse_request(self, path: str, body: Mapping[str, object]) -> ParsedRequest | None:
        """Parse a request. Return None if its path does not belong to this protocol.

        Encrypted reasoning is sent on request only.
        """
        request = Adapter.parse_request(self, path, body)  # super() fails in a dataclass with slots
        include = body.get("include")
        signs = isinstance(include, list) and "reasoning.encrypted_content" in include
        return None if request is None else replace(request, signs=signs)

    def _option_names(self) -> Mapping[str, str]:
        return {"temperature": "temperature", "max_new_tokens": "max_output_tokens"}

    def _build(self, request: ChatRequest) -> tuple[str, Json]:
        items = responses_items(request.turns)
        for turn in items:
            if turn.get("role", _ROLES[0]) not in _ROLES:
                raise InvalidArgumentError("messages", excerpt(turn), f"The role must be one of {', '.join(_ROLES)}.")
        body: Json = {"model": request.model, "input": items, **request.settings}
        if request.schema is not None:
            body["text"] = {"format": {"type": "json_schema", "name": "output", "schema": request.schema}}
        if request.stream:
            body["stream"] = True
        return self._paths[0], body

    def _parse_answer(self, body: Json) -> Answer:
        decoder = OpenAIResponsesDecoder(strict=True)
        items = [expect(item, dict, "output[]") for item in expect(body.get("output"), list, "output")]
        for item in items:
            expect(item.get("type"), str, "output[].type")
        deltas = [decoder._complete(item, number, "output[]", at_end=True) for number, item in enumerate(items)]
        usage = decoder._read_usage(body.get("usage"), _INPUT, _OUTPUT, "usage")
        found = [delta for delta in deltas if delta is not None]
        return Answer.of([*found, Delta(usage=usage, finish_reason=reason_of(body, ""))])


def _type_of_untyped(body: Json, event: str, data: str) -> str:
    """Return the type of a frame whose data does not name it, or raise the error that it reports."""
    report = report_without_output(body, data) if event == "message" else None
    if report is not None:
        raise report
    return frame_type(event, body)
