"""The places of the tool calls of a chat completion, whose fragments servers mark in different ways."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_streamval.wire.json_values import same_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_streamval.model import DeviationKind


_BEFORE_AN_OBJECT = (":", ",", "[")  # the characters after which a value can begin


class _Call:
    """The facts about a call so far."""

    __slots__ = ("ident", "is_cumulative", "last", "length", "name", "pieces", "place")

    def __init__(self, place: int) -> None:
        self.place = place
        self.ident: str | None = None
        self.name: str | None = None
        self.last = ""  # the last character of the arguments
        self.pieces: list[str] = []  # of the arguments
        self.length = 0  # of the arguments
        self.is_cumulative = False  # whether each piece begins with everything before it

    def known(self) -> str:
        """Return the arguments so far."""
        self.pieces = ["".join(self.pieces)]
        return self.pieces[0]


class CallPlaces:
    """The place of each call among the calls, by its id, its index, or the order of its fragments.

    An id counts more than an index, because some servers send the index 0 for all calls (Ollama). Without an index, a
    new id, or a name without an id, starts a call, and anything else continues the last call (Gemini's endpoint).
    """

    def __init__(self, note: Callable[[DeviationKind, str], None]) -> None:
        """Create the places of a stream, which calls `note` for each deviation."""
        self._note = note
        self._by_id: dict[str, _Call] = {}
        self._by_index: dict[int, _Call] = {}
        self._places: set[int] = set()
        self._next = 0  # the place after all calls
        self._last: _Call | None = None

    def place(
        self, index: int | None, ident: str | None, name: str | None, arguments: str, kind: str = "function"
    ) -> tuple[int, str]:
        """Return the place of the call of a fragment, from 0, and the part of its arguments that is new.

        Args:
            index: The index in the fragment.
            ident: The id in the fragment.
            name: The name in the fragment, or a piece of it.
            arguments: The piece of the arguments in the fragment.
            kind: The kind of the call. The arguments of a "custom" call are any text.
        """
        call = self._call(index, ident, name, arguments)
        if index is not None:
            self._by_index[index] = call
        if ident:
            self._by_id[ident] = call
            call.ident = call.ident or ident
        call.name = call.name or name
        self._last = call
        may_repeat = call.length and arguments[:1] == "{" and kind != "custom"
        new = self._unrepeated(call, arguments) if may_repeat else arguments
        if new:
            call.last = new.rstrip()[-1:] or call.last
            call.pieces.append(new)
            call.length += len(new)
        return call.place, new

    def _unrepeated(self, call: _Call, arguments: str) -> str:
        """Return the new part of a piece that begins as an object, after other pieces.

        Some servers repeat the complete arguments at the end of a call
        (https://github.com/anomalyco/opencode/pull/17339), others everything so far in each piece
        (https://github.com/NousResearch/hermes-agent/pull/35718), and some begin with an empty object
        (https://github.com/openai/openai-agents-js/pull/712), which is left out when the fragments are merged. An
        object cannot begin after another object, a key or a string, so these pieces continue no arguments.
        """
        if 2 * len(arguments) < call.length:  # too short for a repetition, also with other spaces
            return arguments
        known = call.known()
        is_longer = len(arguments) > len(known) and arguments.startswith(known)
        if is_longer and (call.is_cumulative or call.last not in _BEFORE_AN_OBJECT):
            call.is_cumulative = True
            self._note("repeated-whole", f"a piece of the call {call.place} repeats the arguments before it")
            return arguments[len(known) :]
        if call.last == "}" and same_json(known, arguments):
            self._note("repeated-whole", f"the complete arguments of the call {call.place} are repeated")
            return ""
        if known.strip() == "{}":
            self._note("repeated-whole", f"the arguments of the call {call.place} begin with an empty object")
            call.pieces, call.length = [], 0
        return arguments

    def _call(self, index: int | None, ident: str | None, name: str | None, arguments: str) -> _Call:
        known = self._by_id.get(ident) if ident else None
        if known is not None and (index is None or not name or index in self._by_index):
            return known
        if index is None:
            continues = self._last is not None and not ident and not name
            return self._last if continues and self._last else self._new(None)
        current = self._by_index.get(index)
        if current is None or self._is_another(current, index, ident, name, arguments):
            return self._new(index)
        return current

    def _is_another(self, current: _Call, index: int, ident: str | None, name: str | None, arguments: str) -> bool:
        """Return whether a fragment starts another call under the index of the current one.

        The arguments of a call are a JSON object. So a name after the end of an object starts another call, even if it
        is the same name, and a new id inside of an object does not.
        """
        is_inside = current.last not in {"", "}"}
        if ident and current.ident:
            self._note("call-identity", f"the call with index {index} is {current.ident}, and here it is {ident}")
            return name is not None and not (is_inside and name == current.name)
        if not name or not current.name:
            return False
        if name == current.name and not (current.last == "}" and arguments.startswith("{")):
            return False
        if current.last and not ident:
            self._note("call-identity", f"the call with index {index} is {current.name}, and here it is {name}")
            return True
        self._note("name-in-pieces", f"the name of the call with index {index} continues with {name}")
        return False

    def _new(self, index: int | None) -> _Call:
        """Return a new call: at the place of its index, or after all calls if that is taken or unknown."""
        place = self._next if index is None or index in self._places else index
        self._places.add(place)
        self._next = max(self._next, place + 1)
        return _Call(place)
