"""The server's own paths, for test authors in other languages: the journal as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_streamval.errors import harmless_json
from pytest_streamval.server.rendering import send_all, send_error
from pytest_streamval.wire.json_values import json_text
from pytest_streamval.wire.registry import ADAPTERS

if TYPE_CHECKING:
    from pytest_streamval.server.actions import Actions
    from pytest_streamval.server.incoming_request import IncomingRequest
    from pytest_streamval.server.journal import Journal

PREFIX = "/__streamval/"
"""The beginning of the server's own paths. Requests to them are not in the journal."""
REQUESTS = f"{PREFIX}requests"
"""The path of the journal."""
_NOT_FOUND, _WRONG_METHOD = 404, 405  # statuses


def control_actions(incoming: IncomingRequest, journal: Journal) -> Actions | None:
    """Return the response to a request for one of the server's own paths, or None for any other path."""
    path = incoming.target.partition("?")[0]
    if not path.startswith(PREFIX):
        return None
    if path != REQUESTS:
        return send_error(ADAPTERS["openai"], _NOT_FOUND, f"There is no {path}. The journal is at GET {REQUESTS}.")
    if incoming.method not in ("GET", "HEAD"):
        words = f"{incoming.method} {path} is not served. This path takes GET."
        return send_error(ADAPTERS["openai"], _WRONG_METHOD, words, headers=[("allow", "GET, HEAD")])
    arrived, requests = journal.after(0)
    first = arrived - len(requests)
    entries = [each.as_json(number) for number, each in enumerate(requests, first)]
    return send_all(200, harmless_json(json_text({"requests": entries})).encode())
