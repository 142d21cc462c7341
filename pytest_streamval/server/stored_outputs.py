"""Stored outputs: those that OpenAI keeps, so that a client can use them later by their identifiers."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple
from urllib.parse import parse_qs, unquote

from pytest_streamval.scripting.script import Script
from pytest_streamval.server.actions import SendData, SendHead
from pytest_streamval.server.rendering import send_all, send_error
from pytest_streamval.wire.registry import ADAPTERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_streamval.server.actions import Actions
    from pytest_streamval.server.rendering import Renderer

MOST = 100
"""The outputs that can be sent again."""
_PAGE, _LONGEST_PAGE = 20, 100  # items
_OK = 200


class StoredPath(NamedTuple):
    """A path of stored outputs."""

    pattern: re.Pattern[str]
    """The path without its query. The group is an identifier, which is empty in the path of all outputs."""
    owner: Literal["responses", "completions"]
    """The outputs."""
    part: str | None
    """The part of the path after the identifier."""
    methods: tuple[str, ...]
    """The methods, the usual one first."""


_PATHS = (
    StoredPath(re.compile(r"/v1/responses/(?!(?:input_tokens|compact)$)([^/]+)"), "responses", None, ("GET", "DELETE")),
    StoredPath(re.compile(r"/v1/responses/([^/]+)/cancel"), "responses", "cancel", ("POST",)),
    StoredPath(re.compile(r"/v1/responses/([^/]+)/input_items"), "responses", "input_items", ("GET",)),
    StoredPath(re.compile(r"/v1/chat/completions()"), "completions", "list", ("GET",)),
    StoredPath(re.compile(r"/v1/chat/completions/([^/]+)"), "completions", None, ("GET", "POST", "DELETE")),
    StoredPath(re.compile(r"/v1/chat/completions/([^/]+)/messages"), "completions", "messages", ("GET",)),
)


def stored_path(path: str) -> StoredPath | None:
    """Return the path of stored outputs that a path with its query is, or None."""
    bare = path.partition("?")[0]
    return next((each for each in _PATHS if each.pattern.fullmatch(bare)), None)


class StoredRequest(NamedTuple):
    """A request for an output that was sent before."""

    path: StoredPath
    method: str
    ident: str
    query: Mapping[str, list[str]]
    body: Mapping[str, object]

    @classmethod
    def of(cls, place: StoredPath, method: str, path: str, body: Mapping[str, object]) -> StoredRequest:
        """Return the request for a path with its query."""
        bare, _, query = path.partition("?")
        found = place.pattern.fullmatch(bare)
        return cls(place, method, unquote(found[1]) if found else "", parse_qs(query, keep_blank_values=True), body)

    def asked(self, name: str, default: str = "") -> str:
        """Return a parameter of the query."""
        return self.query.get(name, [default])[0]


class StoredOutput(NamedTuple):
    """An output, and its request."""

    renderer: Renderer
    script: Script
    body: dict[str, object]

    def send_again(self, *, stream: bool) -> Actions:
        """Yield the actions that send the output again, without its pauses. Its deltas were counted before."""
        renderer = replace(self.renderer, request=replace(self.renderer.request, stream=stream))
        for action in renderer.render(Script(self.script.deltas)):
            yield action._replace(deltas=0) if isinstance(action, SendData) else action


class StoredOutputs(ABC):
    """The last outputs of a server that a client can use later. OpenAI keeps all of them for 30 days."""

    protocol: ClassVar[str]
    """The protocol of the outputs."""
    prefix: ClassVar[str]
    """The beginning of their identifiers."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, StoredOutput] = OrderedDict()

    @abstractmethod
    def _stores(self, body: Mapping[str, object]) -> bool:
        """Return whether the request says that its output is stored."""

    def keep(self, actions: Actions, renderer: Renderer, script: Script, body: object) -> Actions:
        """Return the actions of a response, which keep it when its first byte is sent, if it is stored.

        A response with an error is not kept.
        """
        fields = body if isinstance(body, dict) else {}
        if renderer.adapter is not ADAPTERS[self.protocol] or not self._stores(fields):
            return actions
        return self._keep_when_sent(actions, StoredOutput(renderer, script, fields))

    def _keep_when_sent(self, actions: Actions, output: StoredOutput) -> Actions:
        for action in actions:
            if isinstance(action, SendHead) and action.status == _OK:
                self._add(f"{self.prefix}{output.renderer.ident}", output)
            yield action

    def _add(self, ident: str, output: StoredOutput) -> None:
        self._kept[ident] = output
        if len(self._kept) > MOST:
            self._kept.popitem(last=False)

    @abstractmethod
    def respond(self, request: StoredRequest) -> Actions:
        """Return the actions of the response to a request."""


def send_json(body: Mapping[str, object]) -> Actions:
    """Return the actions that send a JSON object."""
    return send_all(_OK, json.dumps(body).encode())


def refuse(status: int, message: str) -> Actions:
    """Return the actions of an error in OpenAI's format."""
    return send_error(ADAPTERS["openai"], status, message)


def send_page(request: StoredRequest, items: Sequence[Mapping[str, object]], order: str) -> Actions:
    """Return the actions that send a page of a list.

    Args:
        request: The request, whose query may have `after`, `limit` and `order`.
        items: The items of the list with their identifiers, the oldest first.
        order: The order of a request that asks for none, `asc` or `desc`.
    """
    limit = request.asked("limit", str(_PAGE))
    if not limit.isdecimal() or not 1 <= int(limit[:9]) <= _LONGEST_PAGE:
        return refuse(400, f"Invalid 'limit': it must be a whole number from 1 to {_LONGEST_PAGE}.")
    ordered = items if request.asked("order", order) == "asc" else items[::-1]
    names = [str(item["id"]) for item in ordered]
    after = request.asked("after")
    first = names.index(after) + 1 if after in names else 0
    page = ordered[first : first + int(limit)]
    ends = {"first_id": page[0]["id"], "last_id": page[-1]["id"]} if page else {"first_id": None, "last_id": None}
    return send_json({"object": "list", "data": page, **ends, "has_more": first + len(page) < len(ordered)})
