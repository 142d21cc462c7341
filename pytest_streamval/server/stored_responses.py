"""The responses of OpenAI's Responses API that a client can use later, by their identifiers.

Source: https://platform.openai.com/docs/api-reference/responses/get, and the sections after it.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from pytest_streamval.server.stored_outputs import StoredOutputs, refuse, send_json, send_page

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_streamval.server.actions import Actions
    from pytest_streamval.server.stored_outputs import StoredOutput, StoredRequest

_MOST_NAMES = 10_000  # identifiers of responses that later requests can name
_PREFIXES = {"message": "msg", "reasoning": "rs", "function_call": "fc", "function_call_output": "fc"}


class StoredResponses(StoredOutputs):
    """The last responses of a server, without those to requests with `"store": false`."""

    protocol = "openai-responses"
    prefix = "resp_"

    def __init__(self) -> None:
        super().__init__()
        self._names: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, ident: object) -> bool:
        """Return whether a later request can name a response as its `previous_response_id`."""
        return ident in self._names

    def _stores(self, body: Mapping[str, object]) -> bool:
        return body.get("store") is not False

    def _add(self, ident: str, output: StoredOutput) -> None:
        super()._add(ident, output)
        self._names[ident] = None
        if len(self._names) > _MOST_NAMES:
            self._names.popitem(last=False)

    def respond(self, request: StoredRequest) -> Actions:
        """Return the actions that send a response again without its pauses, delete it, or send a part of it."""
        stored = self._kept.get(request.ident)
        if stored is None:
            return refuse(404, f"Response with id '{request.ident}' not found.")
        if request.method == "DELETE":
            del self._kept[request.ident]
            self._names.pop(request.ident, None)
            return send_json({"id": request.ident, "object": "response", "deleted": True})
        if request.path.part == "input_items":
            return send_page(request, _items(stored.renderer.ident, stored.body.get("input")), "desc")
        if request.path.part == "cancel" and stored.body.get("background") is not True:
            return refuse(400, "Cannot cancel a synchronous response.")
        # One in the background is complete at once, and cancelling a complete one does nothing.
        return stored.send_again(stream=request.path.part is None and request.asked("stream") == "true")


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
