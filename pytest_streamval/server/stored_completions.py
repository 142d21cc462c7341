"""OpenAI's chat completions that a client can use later, by their identifiers.

Source: https://platform.openai.com/docs/api-reference/chat/list, and the sections beside it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pytest_streamval.server.actions import SendData
from pytest_streamval.server.rendering import send_all
from pytest_streamval.server.request_rules import error_body
from pytest_streamval.server.request_rules.openai_words import METADATA
from pytest_streamval.server.request_rules.rule import BrokenRule, dicts_in
from pytest_streamval.server.stored_outputs import StoredOutputs, refuse, send_json, send_page
from pytest_streamval.wire.error_kinds import error_kind
from pytest_streamval.wire.registry import ADAPTERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_streamval.server.actions import Actions
    from pytest_streamval.server.stored_outputs import StoredOutput, StoredRequest

_REFUSED = 400
_FILTER = "metadata["
# The fields of the request that a stored completion repeats, with the values that stand for their absence:
# https://platform.openai.com/docs/api-reference/chat/get
_ECHOED: Mapping[str, object] = {
    "frequency_penalty": 0.0,
    "presence_penalty": 0.0,
    "response_format": None,
    "seed": None,
    "temperature": 1.0,
    "tool_choice": None,
    "tools": None,
    "top_p": 1.0,
}


class StoredCompletions(StoredOutputs):
    """The last completions of a server whose requests have `"store": true`."""

    protocol = "openai"
    prefix = "chatcmpl-"

    def _stores(self, body: Mapping[str, object]) -> bool:
        return body.get("store") is True

    def respond(self, request: StoredRequest) -> Actions:
        """Return the actions that list completions, send one again, change or delete it, or send its messages."""
        if request.path.part == "list":
            found = [_completion(each) for each in self._kept.values() if _is_asked(each, request)]
            return send_page(request, found, "asc")
        stored = self._kept.get(request.ident)
        if stored is None:
            words = f"Chat completion with id '{request.ident}' not found."
            return refuse(404, f'{words} Only those to requests with "store": true are stored.')
        if request.path.part == "messages":
            return send_page(request, _messages(request.ident, stored.body.get("messages")), "asc")
        if request.method == "DELETE":
            del self._kept[request.ident]
            return send_json({"id": request.ident, "object": "chat.completion.deleted", "deleted": True})
        if request.method == "POST":
            return self._update(request, stored)
        return send_json(_completion(stored))

    def _update(self, request: StoredRequest, stored: StoredOutput) -> Actions:
        fault = next(iter(METADATA.check({"metadata": None, **request.body})), None)
        if fault is not None:
            kind = error_kind(self.protocol, _REFUSED)
            return send_all(_REFUSED, error_body(ADAPTERS[self.protocol], kind, BrokenRule(METADATA, fault)))
        changed = stored._replace(body={**stored.body, "metadata": request.body.get("metadata")})
        self._kept[request.ident] = changed
        return send_json(_completion(changed))


def _is_asked(stored: StoredOutput, request: StoredRequest) -> bool:
    """Return whether a completion has the model and the metadata that a request asks for."""
    metadata = _metadata(stored)
    filters = {name[len(_FILTER) : -1]: request.asked(name) for name in request.query if name.startswith(_FILTER)}
    model = request.asked("model")
    return model in ("", stored.renderer.request.model) and all(
        metadata.get(name) == value for name, value in filters.items()
    )


def _metadata(stored: StoredOutput) -> dict[str, object]:
    found = stored.body.get("metadata")
    return found if isinstance(found, dict) else {}


def _completion(stored: StoredOutput) -> dict[str, object]:
    """Return a completion with the fields that OpenAI adds when it is stored."""
    sent = b"".join(action.data for action in stored.send_again(stream=False) if isinstance(action, SendData))
    echoed = {name: stored.body.get(name, default) for name, default in _ECHOED.items()}
    return {
        **json.loads(sent),
        **echoed,
        "request_id": f"req_{stored.renderer.ident}",
        "input_user": stored.body.get("user"),
        "metadata": _metadata(stored),
    }


def _messages(ident: str, given: object) -> list[dict[str, object]]:
    """Return the messages of a request, with the fields that OpenAI adds."""
    return [_message(f"{ident}-{place}", message) for place, message in dicts_in(given)]


def _message(ident: str, message: dict[str, object]) -> dict[str, object]:
    content = message.get("content")
    is_parts = isinstance(content, list)
    parts = [part for _, part in dicts_in(content) if part.get("type") in ("text", "image_url")]
    own = {"content": None if is_parts else content, "content_parts": parts if is_parts else None}
    return {"id": ident, "name": None, **message, **own}
