"""The output items of a response, and the texts in them that a stream says in pieces, complete, or both.

A text of an item is repeated up to four times: at its own end, at the end of its part, at the end of its item, and at
the end of the response. A repetition is recognised by the item's id or position, and by being equal to the pieces
before it: vLLM gives the repetition the next index (https://github.com/vllm-project/vllm/issues/31761), and GitHub
Copilot gives every event another id (https://github.com/BerriAI/litellm/issues/30071). llama.cpp leaves out the
positions, and the ids of calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from pytest_streamval.errors import excerpt
from pytest_streamval.wire.json_values import arguments_text, expect, optional

if TYPE_CHECKING:
    from pytest_streamval.wire.encoding import Json

Family: TypeAlias = Literal["message", "reasoning", "call"]
"""The kind of an item. Items of different kinds can have the same position (LiteLLM)."""
Channel: TypeAlias = Literal["text", "refusal", "reasoning_text", "summary", "arguments"]
"""The kind of a text in an item."""
PartForm: TypeAlias = tuple[Family, Channel, str, str]
"""The kind of item and of text of a part, the field of the item's parts, and the field of the part's text."""

_PARTS: dict[str, PartForm] = {
    "output_text": ("message", "text", "content", "text"),
    "refusal": ("message", "refusal", "content", "refusal"),
    "reasoning_text": ("reasoning", "reasoning_text", "content", "text"),
    "summary_text": ("reasoning", "summary", "summary", "text"),
}
_APPROVAL = "mcp_approval_request"
_KINDS = {"function_call": "function", "custom_tool_call": "custom", _APPROVAL: _APPROVAL}
NAMED_KINDS = ("function", "custom", _APPROVAL)
"""The kinds of calls that have a name and arguments, or a text as their input. Others have an action."""
_MOST_NEAR = 64
_EMPTY = "{}"  # in the start of each call of some gateways, which is left out when the pieces are merged
# The fields of a call of another kind that are not its action.
_CALL_FIELDS = {"type", "id", "call_id", "status", "created_by", "agent", "environment", "output", "execution"}


class PiecesForm(NamedTuple):
    """The events of a text in pieces."""

    family: Family
    """The kind of its item."""
    channel: Channel
    """The kind of the text."""
    field: str
    """The field of the complete text in the last event."""
    part: str
    """The field of the part's position."""


PIECES: dict[str, PiecesForm] = {
    "response.output_text": PiecesForm("message", "text", "text", "content_index"),
    "response.refusal": PiecesForm("message", "refusal", "refusal", "content_index"),
    "response.reasoning_text": PiecesForm("reasoning", "reasoning_text", "text", "content_index"),
    "response.reasoning_summary_text": PiecesForm("reasoning", "summary", "text", "summary_index"),
    "response.reasoning": PiecesForm("reasoning", "reasoning_text", "text", "content_index"),  # before 2025-07
    "response.reasoning_summary": PiecesForm("reasoning", "summary", "text", "summary_index"),
    "response.function_call_arguments": PiecesForm("call", "arguments", "arguments", ""),
    "response.custom_tool_call_input": PiecesForm("call", "arguments", "input", ""),
}
"""The texts in pieces by the prefix of the events' types. A call has no parts."""


class ItemText:
    """One text of an item, in parts with a position each."""

    def __init__(self) -> None:
        self._parts: dict[int, list[str]] = {}
        self._wholes: dict[int, str] = {}  # the repetitions so far, by their position
        self._is_repeated = False  # whether everything so far has been repeated
        self._ahead = ""  # the text that was read from a repetition before its pieces came
        self._ahead_read = 0  # the characters of it whose pieces have come since

    def start(self, text: str) -> None:
        """Keep the text in the start of the item, which pieces may repeat."""
        self._parts[0] = [text]
        self._ahead = "" if text == _EMPTY else text

    def begins_again(self, piece: str) -> bool:
        """Return whether a piece begins the arguments anew, of which only an empty object has been read."""
        is_again = piece.startswith("{") and self._parts.get(0) == [_EMPTY]
        if is_again:
            self._parts.clear()
        return is_again

    def was_ahead(self, piece: str) -> bool:
        """Return whether a piece was read before it came, from a complete text."""
        if not piece or not self._ahead.startswith(piece, self._ahead_read):
            return False
        self._ahead_read += len(piece)
        return True

    def pieces(self, part: int) -> list[str]:
        """Return the pieces of a part, to which the caller appends."""
        self._is_repeated = False
        return self._parts.setdefault(part, [])

    def joined(self) -> str:
        """Return the text of all parts."""
        return "".join(piece for part in self._parts.values() for piece in part)

    def is_known(self, part: int, whole: str) -> bool:
        """Return whether the text of a part is known as this, at its own position."""
        return whole in ("".join(self._parts.get(part, ())), self._wholes.get(part))  # not hashed

    def repeats(self, whole: str) -> bool:
        """Return whether this is a repetition of everything so far, which has not been repeated yet."""
        return not self._is_repeated and self.joined() == whole

    def missing(self, part: int, whole: str) -> str | None:
        """Return the rest that a part lacks of its complete text, or None if the two differ."""
        known = "".join(self._parts.get(part, ()))
        if not whole.startswith(known):
            known = self.joined()
        return whole[len(known) :] if whole.startswith(known) else None

    def has_part(self, part: int) -> bool:
        """Return whether a part has a text."""
        return any(self._parts.get(part, ()))

    def end(self, part: int, whole: str, rest: str = "") -> None:
        """Keep the complete text of a part, and the rest of it that had no pieces."""
        self._wholes[part] = whole
        if rest:
            self._parts.setdefault(part, []).append(rest)
            self._ahead, self._ahead_read = rest, 0
        self._is_repeated = self._is_repeated or self.joined() == whole or len(self._parts) <= len(self._wholes)


class Item:
    """One output item."""

    def __init__(self, family: Family, call: int = -1, kind: str = "", call_id: str = "") -> None:
        self.family: Family = family
        self.call = call
        """The position among the calls, if it is one."""
        self.kind = kind
        """The kind of the call, as in `ToolCall.kind`."""
        self.call_id = call_id
        self.signature = ""
        self.is_done = False
        """Whether the event of its end has been read."""
        self.is_in_output = False
        """Whether the complete output at the end of the response has named it."""
        self._texts: dict[Channel, ItemText] = {}

    def text(self, channel: Channel) -> ItemText:
        """Return the text of the item of this kind, empty at first."""
        found = self._texts.get(channel)
        if found is None:
            found = self._texts[channel] = ItemText()
        return found

    def joined(self, channel: Channel) -> str:
        """Return the text so far."""
        return self._texts[channel].joined() if channel in self._texts else ""


class Items:
    """The items of a response by their ids and positions."""

    def __init__(self) -> None:
        self._named: dict[tuple[Family, int | None, str | None], Item] = {}
        self._items: dict[Family, list[Item]] = {"message": [], "reasoning": [], "call": []}
        self._unnamed: dict[Family, int] = dict.fromkeys(self._items, 0)  # the first item that no output has named

    def of(self, family: Family) -> list[Item]:
        """Return the items of a kind in the order of their beginnings."""
        return self._items[family]

    def near(self, family: Family, *, at_end: bool) -> list[Item]:
        """Return the items of a kind that a complete one may repeat under another id, in their order.

        These are the last ones or, in the output at the end, the first ones that it has not named yet. Their number is
        bounded, so that the time for a stream of many items is linear.
        """
        items, first = self._items[family], self._unnamed[family]
        while first < len(items) and items[first].is_in_output:
            first += 1
        self._unnamed[family] = first
        return items[first : first + _MOST_NEAR] if at_end else items[-_MOST_NEAR:]

    def find(self, family: Family, index: int | None, ident: str | None) -> Item | None:
        """Return the item with this id or, if the id is unknown, with this position. None if both are unknown."""
        found = self._named.get((family, index, ident)) if index is not None and ident else None
        if found is None and ident:
            found = self._named.get((family, None, ident))
        if found is None and index is not None:
            found = self._named.get((family, index, None))
        if found is None and index is None and not ident and self._items[family]:
            found = self._items[family][-1]
        return found

    def named(self, family: Family, ident: str | None) -> Item | None:
        """Return the item with this id, at any position."""
        return self._named.get((family, None, ident)) if ident else None

    def add(self, item: Item, index: int | None, *idents: str | None) -> Item:
        """Add an item with its position and its ids."""
        self._items[item.family].append(item)
        if index is not None:
            self._named[item.family, index, None] = item
        for ident in filter(None, idents):
            self._named[item.family, None, ident] = item
            if index is not None:
                self._named[item.family, index, ident] = item
        return item


def family_of(item: Json) -> Family | None:
    """Return the kind of an item, or None if it is not read."""
    kind = item.get("type")
    if kind == "message":
        return "message"
    if kind == "reasoning":
        return "reasoning"
    return "call" if is_call(item) else None


def is_call(item: Json) -> bool:
    """Return whether an item is a call that the client runs."""
    kind = item.get("type")
    if not isinstance(kind, str) or item.get("execution") == "server":
        return False
    return kind in _KINDS or (kind.endswith("_call") and item.get("call_id") is not None)


def kind_of_call(item: Json) -> str:
    """Return the kind of a call, as in `ToolCall.kind`."""
    kind = str(item["type"])
    return _KINDS.get(kind, kind.removesuffix("_call"))


def call_id_of(item: Json, path: str) -> str:
    """Return the identifier with which the client answers a call."""
    field = "id" if item.get("type") == _APPROVAL else "call_id"
    return expect(item.get(field), str, f"{path}.{field}")


def name_of_call(item: Json, kind: str) -> str:
    """Return the name of a call, which is its kind if it has none."""
    return expect(item.get("name"), str, "item.name") if kind in NAMED_KINDS else kind


def action_of_call(item: Json, path: str) -> str:
    """Return the JSON of the action of a call that has no arguments."""
    own = {name: value for name, value in item.items() if name not in _CALL_FIELDS and value is not None}
    action = next(iter(own.values())) if len(own) == 1 else own
    return arguments_text(action, f"{path}.action") if action else ""


def form_of_part(part: Json) -> PartForm | None:
    """Return the form of a part, or None if its type is unknown."""
    kind = part.get("type")
    return _PARTS.get(kind) if isinstance(kind, str) else None


def texts_of_item(item: Json, family: Family, path: str) -> dict[Channel, str]:
    """Return the texts in all parts of a complete item, by their kind."""
    texts: dict[Channel, list[str]] = {}
    for name in ("content", "summary"):
        for value in optional(item.get(name), list, f"{path}.{name}") or []:
            part = expect(value, dict, f"{path}.{name}[]")
            form = form_of_part(part)
            if form is not None and (form[0], form[2]) == (family, name):
                texts.setdefault(form[1], []).append(expect(part.get(form[3]), str, f"{path}.{name}[].{form[3]}"))
    return {channel: "".join(found) for channel, found in texts.items()}


def difference_of_texts(name: str, whole: str, known: str) -> str:
    """Return the words about a complete text that differs from its pieces."""
    return f"{name} is {excerpt(whole, 60)}, but the sum of its pieces is {excerpt(known, 60)}"
