"""The text of a response in all the forms in which a browser may show it: the body, its events, their JSON strings."""

from __future__ import annotations

import codecs
import json
import re
from typing import TYPE_CHECKING, Any

from pytest_streamval.transcripts.validated_text import ShownText
from pytest_streamval.wire.sse import ServerSentEvent, SSEDecoder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BODY = "the body"
"""The name of the form with the body itself."""
DATA = "the data of the events"
"""The name of the form with the joined data of all events. A form for each type of event begins with it."""
STRINGS = "the JSON strings at"
"""The beginning of the names of the forms with joined strings: one for each path, and for each kind of JSON value."""

_JSON_LINE = re.compile(r"(?:\w{1,2}:)?(?=[\[{\"])")  # JSON lines, also with the prefix of a data stream protocol
_SENTINEL = "[DONE]"  # the last event of many streams
_DEFAULT = "message"  # the type of an event without one
_DEPTH = 40  # levels of a JSON value that are read


class Form:
    """One form of a growing text."""

    def __init__(self) -> None:
        self.length = 0
        """The number of characters."""
        self._pieces: list[str] = []

    def add(self, piece: str) -> None:
        """Add a piece at the end."""
        self._pieces.append(piece)
        self.length += len(piece)

    def text(self) -> str:
        """Return the text so far."""
        if len(self._pieces) > 1:
            self._pieces[:] = ["".join(self._pieces)]
        return "".join(self._pieces)

    def last(self, length: int) -> str:
        """Return the last characters, without a copy of the others."""
        found: list[str] = []
        for piece in reversed(self._pieces):
            if length <= 0:
                break
            found.append(piece[-length:])
            length -= len(piece)
        return "".join(reversed(found))


class PageText:
    """The forms of a growing body.

    Next to the body, there are the joined data of its server-sent events, and the joined strings at each path of JSON
    values: of events, and of lines. Events of several types, and JSON values of several types, may alternate, so each
    type has forms of its own. So a text that is cut over several events is complete in one of the forms, and
    escapes are decoded.
    """

    def __init__(self) -> None:
        self.forms: dict[str, Form] = {BODY: Form()}
        """The forms by their names."""
        self.events: list[ServerSentEvent] = []
        """The server-sent events."""
        self._shown: set[str] = set()  # the names of the forms of one kind
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._decoder = SSEDecoder()
        self._line: list[str] = []  # the pieces of an incomplete line

    def feed(self, data: bytes) -> None:
        """Add the next bytes of the body."""
        text = self._decode(data)
        if text:
            self.forms[BODY].add(text)
            self._feed_lines(text)
        for event in self._decoder.feed(data):
            self.events.append(event)
            self.add_record(event.data, "" if event.event == "message" else event.event)

    def end(self) -> None:
        """Add the end of the body."""
        if rest := self._decode(b"", final=True):
            self.forms[BODY].add(rest)
            self._line.append(rest)
        self._add_line("".join(self._line))
        body = self.text(BODY)
        if "\n" in body.strip() and body.lstrip().startswith(("{", "[")):  # a document of several lines
            self._add_json(body)

    def add_record(self, text: str, kind: str = "") -> None:
        """Add a text that a client receives as one unit.

        Args:
            text: The data of an event, or a message of a WebSocket.
            kind: The type of the event, empty for the default type.
        """
        self._form(DATA).add(text)
        if not self._add_json(text, kind):
            self._add_shown(f"{DATA} {kind or _DEFAULT!r}", text)

    def shown_texts(self) -> list[ShownText]:
        """Return the texts that a browser may show: those of one kind, or the body if it has no other form."""
        return [
            ShownText(name, self.text(name).replace(_SENTINEL, ""), is_plain=name == BODY)
            for name in sorted(self._shown) or [BODY]
        ]

    def text(self, form: str) -> str:
        """Return the text of a form so far."""
        return self.forms[form].text() if form in self.forms else ""

    def _form(self, name: str) -> Form:
        form = self.forms.get(name)
        if form is None:
            form = self.forms[name] = Form()
        return form

    def _feed_lines(self, text: str) -> None:
        first, *others = text.split("\n")
        self._line.append(first)
        for line in others:
            self._add_line("".join(self._line))
            self._line = [line]

    def _add_line(self, line: str) -> None:
        if (start := _JSON_LINE.match(line)) is not None:
            self._add_json(line[start.end() :])

    def _add_shown(self, name: str, text: str) -> None:
        self._shown.add(name)
        self._form(name).add(text)

    def _add_json(self, text: str, kind: str = "") -> bool:
        """Add the strings of a text that is JSON. Return whether it is."""
        if not text.lstrip().startswith(("{", "[", '"')):
            return False
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return False
        name = value.get("type") if isinstance(value, dict) else None
        kinds = [each for each in (kind, name) if isinstance(each, str) and each]
        for path, found in _strings(value, "$", _DEPTH):
            self._form(f"{STRINGS} {path}").add(found)
            self._add_shown(f"{STRINGS} {path} of {' '.join(kinds) or _DEFAULT!r}", found)
        return True


class TextSearch:
    """The search for a text in all forms of a growing body. No piece is searched twice."""

    def __init__(self, wanted: str) -> None:
        self._wanted = wanted
        self._searched: dict[str, int] = {}  # the characters of each form that were searched

    def is_in(self, forms: Mapping[str, Form]) -> bool:
        """Return whether a form has the text, with the characters that are new since the last call."""
        return any(self._is_in(name, form) for name, form in forms.items())

    def _is_in(self, name: str, form: Form) -> bool:
        new = form.length - self._searched.get(name, 0)
        self._searched[name] = form.length
        return bool(new) and self._wanted in form.last(new + len(self._wanted) - 1)


def _strings(value: Any, path: str, depth: int) -> Iterator[tuple[str, str]]:  # noqa: ANN401  # any JSON value
    """Yield the strings of a JSON value with their paths, in which all items of a list have one path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict) and depth:
        for name, part in value.items():
            yield from _strings(part, f"{path}.{name}", depth - 1)
    elif isinstance(value, list) and depth:
        for part in value:
            yield from _strings(part, f"{path}[]", depth - 1)
