"""The responses of OpenAI's Responses API that a client can use later, by their identifiers.

Source: https://platform.openai.com/docs/api-reference/responses/get, and the sections after it.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qs

from pytest_streamval.scripting.script import Script
from pytest_streamval.server.actions import SendData
from pytest_streamval.server.rendering import send_all, send_error
from pytest_streamval.wire.registry import ADAPTERS

if TYPE_CHECKING:
    from pytest_streamval.server.actions import Actions
    from pytest_streamval.server.rendering import Renderer

PATH = re.compile(r"/v1/responses/(?!(?:input_tokens|compact)$)([^/]+)(?:/(cancel|input_items))?")
"""The path of a response, or of a part of it. The groups are its identifier and the part."""
METHODS = {None: ("GET", "DELETE"), "cancel": ("POST",), "input_items": ("GET",)}
"""The methods of the path, by its part."""

_PROTOCOL = "openai-responses"
_MOST = 100  # responses that can be sent again
_MOST_NAMES = 10_000  # identifiers of responses that later requests can name
_PAGE, _LONGEST_PAGE = 20, 100  # items
_PREFIXES = {"message": "msg", "reasoning": "rs", "function_call": "fc", "function_call_output": "fc"}


class StoredRequest(NamedTuple):
    """A request for a response that was sent before."""

    method: str
    ident: str
    part: str | None
    """The part of the path after the identifier."""
    query: dict[str, list[str]]

    @classmethod
    def of(cls, method: str, path: str) -> StoredRequest | None:
        """Return the request for a path with its query, or None if it is the path of no response."""
        bare, _, query = path.partition("?")
        found = PATH.fullmatch(bare)
        return cls(method, found[1], found[2], parse_qs(query)) if found else None


class _Stored(NamedTuple):
    """A response, and its request."""

    renderer: Renderer
    script: Script
    body: dict[str, object]


class StoredResponses:
    """The last responses of a server. OpenAI keeps all of them for 30 days, unless a request says `"store": false`."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, _Stored] = OrderedDict()
        self._names: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, ident: object) -> bool:
        """Return whether a later request can name a response as its `previous_response_id`."""
        return ident in self._names

    def keep(self, renderer: Renderer, script: Script, body: object) -> None:
        """Keep the response to a request, if its protocol has stored responses."""
        fields = body if isinstance(body, dict) else {}
        if renderer.adapter.protocol != _PROTOCOL or fields.get("store") is False:
            return
        ident = f"resp_{renderer.ident}"
        self._kept[ident] = _Stored(renderer, script, fields)
        self._names[ident] = None
        if len(self._kept) > _MOST:
            self._kept.popitem(last=False)
        if len(self._names) > _MOST_NAMES:
            self._names.popitem(last=False)

    def respond(self, request: StoredRequest) -> Actions:
        """Return the actions that send a response again without its pauses, delete it, or send a part of it."""
        stored = self._kept.get(request.ident)
        if stored is None:
            return send_error(ADAPTERS[_PROTOCOL], 404, f"Response with id '{request.ident}' not found.")
        if request.method == "DELETE":
            del self._kept[request.ident]
            self._names.pop(request.ident, None)
            return _send_json({"id": request.ident, "object": "response", "deleted": True})
        if request.part == "input_items":
            return _send_items(request, stored)
        if request.part == "cancel" and stored.body.get("background") is not True:
            return send_error(ADAPTERS[_PROTOCOL], 400, "Cannot cancel a synchronous response.")
        # One in the background is complete at once, and cancelling a complete one does nothing.
        return _send_again(stored, stream=request.part is None and request.query.get("stream") == ["true"])


def _send_again(stored: _Stored, *, stream: bool) -> Actions:
    again = replace(stored.renderer, request=replace(stored.renderer.request, stream=stream))
    return _uncounted(again.render(Script(stored.script.deltas)))


def _send_items(request: StoredRequest, stored: _Stored) -> Actions:
    """Return the actions that send a page of the items of the request's input, the newest first by default."""
    items = _items(stored.renderer.ident, stored.body.get("input"))
    if request.query.get("order") != ["asc"]:
        items.reverse()
    names = [str(item["id"]) for item in items]
    after = request.query.get("after", [""])[0]
    limit = request.query.get("limit", [str(_PAGE)])[0]
    if not limit.isdecimal() or not 1 <= int(limit[:9]) <= _LONGEST_PAGE:
        words = f"Invalid 'limit': it must be a whole number from 1 to {_LONGEST_PAGE}."
        return send_error(ADAPTERS[_PROTOCOL], 400, words)
    first = names.index(after) + 1 if after in names else 0
    page = items[first : first + int(limit)]
    ends = {"first_id": page[0]["id"], "last_id": page[-1]["id"]} if page else {"first_id": None, "last_id": None}
    return _send_json({"object": "list", "data": page, **ends, "has_more": first + len(page) < len(items)})


def _items(ident: str, given: object) -> list[dict[str, object]]:
    """Return the items of an input, a text or a list, with the fields that OpenAI adds."""
    found = given if isinstance(given, list) else [{"role": "user", "content": given}]
    return [_item(f"in_{ident}_{place}", item) for place, item in enumerate(found) if isinstance(item, dict)]


def _item(name: str, item: dict[str, object]) -> dict[str, object]:
    kind = item.get("type") or "message"
    ident = f"{_PREFIXES.get(str(kind), 'item')}_{name}"
    own = {"id": ident, "type": kind, "status": "completed"}
    content = item.get("content")
    if kind == "message" and isinstance(content, str):
        part = "output_text" if item.get("role") == "assistant" else "input_text"
        item = {**item, "content": [{"type": part, "text": content}]}
    return {**own, **item}


def _send_json(body: dict[str, object]) -> Actions:
    return send_all(200, json.dumps(body).encode())


def _uncounted(actions: Actions) -> Actions:
    """Yield actions without their deltas, which were counted before."""
    for action in actions:
        yield action._replace(deltas=0) if isinstance(action, SendData) else action
