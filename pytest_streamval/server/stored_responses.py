"""The responses of OpenAI's Responses API that a client can retrieve later: `GET /v1/responses/{id}`."""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_streamval.scripting.script import Script
from pytest_streamval.server.actions import SendData
from pytest_streamval.server.rendering import send_all, send_error
from pytest_streamval.wire.registry import ADAPTERS

if TYPE_CHECKING:
    from pytest_streamval.server.actions import Actions
    from pytest_streamval.server.rendering import Renderer

PATH = re.compile(r"/v1/responses/(?!input_tokens$)([^/]+)")
"""The path of a response. The group is its identifier."""

_PROTOCOL = "openai-responses"
_MOST = 100  # responses


class StoredResponses:
    """The last responses of a server. OpenAI keeps all of them for 30 days, unless a request says `"store": false`."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[Renderer, Script]] = OrderedDict()

    def keep(self, renderer: Renderer, script: Script, body: object) -> None:
        """Keep the response to a request, if its protocol has stored responses."""
        if renderer.adapter.protocol != _PROTOCOL or (isinstance(body, dict) and body.get("store") is False):
            return
        self._kept[f"resp_{renderer.ident}"] = renderer, script
        if len(self._kept) > _MOST:
            self._kept.popitem(last=False)

    def respond(self, method: str, ident: str, *, stream: bool) -> Actions:
        """Return the actions that send a response again, without its pauses, or that delete it."""
        if ident not in self._kept:
            return send_error(ADAPTERS[_PROTOCOL], 404, f"Response with id '{ident}' not found.")
        if method == "DELETE":
            del self._kept[ident]
            return send_all(200, json.dumps({"id": ident, "object": "response", "deleted": True}).encode())
        renderer, script = self._kept[ident]
        again = replace(renderer, request=replace(renderer.request, stream=stream))
        return _uncounted(again.render(Script(script.deltas)))


def _uncounted(actions: Actions) -> Actions:
    """Yield actions without their deltas, which were counted before."""
    for action in actions:
        yield action._replace(deltas=0) if isinstance(action, SendData) else action
