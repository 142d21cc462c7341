"""The protocol of a response that was captured without its request, found by its frames."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pytest_streamval.wire.json_array import JSONArrayDecoder, starts_array
from pytest_streamval.wire.registry import ADAPTERS

if TYPE_CHECKING:
    from collections.abc import Iterator

_ANTHROPIC = frozenset(
    {
        "message_start",
        "message_delta",
        "message_stop",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
    }
)
_RESPONSES = "response."  # the beginning of the types of its frames
_CLEAR = {
    "candidates": "gemini",
    "promptFeedback": "gemini",
    "usageMetadata": "gemini",
    "choices": "openai",
    "done": "ollama",
}
"""Fields of a frame that only one protocol has."""
_PATHS = {
    "/chat/completions": "openai",
    "/responses": "openai-responses",
    "/messages": "anthropic",
    ":streamgeneratecontent": "gemini",
    ":generatecontent": "gemini",
    "/api/chat": "ollama",
    "/api/generate": "ollama",
}
"""The ends of paths, also after the prefix of a gateway."""


def protocol_of_body(body: bytes) -> str | None:
    """Return the name of the protocol of a response, streamed or not, or None if its frames do not tell.

    The first frame that only one protocol has decides. Without one, a report of an error does.
    """
    reports: list[str] = []
    for name, value in _frames(body):
        if found := _protocol_of_frame(name, value):
            return found
        if report := _protocol_of_report(value):
            reports.append(report)
    if reports:
        return reports[0]
    return "openai" if b"[DONE]" in body else None


def protocol_of_path(path: str) -> str | None:
    """Return the name of the protocol of a requested path, or None if it belongs to none.

    Args:
        path: The path with its query, which may have the prefix of a gateway.
    """
    for protocol, adapter in ADAPTERS.items():
        if adapter.parse_request(path, {}) is not None:
            return protocol
    bare = path.partition("?")[0].lower().rstrip("/")
    return next((protocol for end, protocol in _PATHS.items() if bare.endswith(end)), None)


def _frames(body: bytes) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield the name and the JSON object of each frame. A frame that has none is skipped."""
    if (whole := _json_object(body)) is not None:
        yield "", whole
        return
    if starts_array(body):  # Gemini's stream without `alt=sse`
        objects = (_json_object(data.encode()) for _, data, *_ in JSONArrayDecoder().frames(body))
        yield from (("", each) for each in objects if each is not None)
        return
    name = ""
    for line in body.splitlines():
        field, _, value = line.partition(b":")
        if field == b"event":
            name = value.strip().decode(errors="replace")
            yield name, {}
        elif not line:
            name = ""
        elif (found := _json_object(value if field == b"data" else line)) is not None:
            yield name, found


def _json_object(data: bytes) -> dict[str, object] | None:
    data = data.removeprefix(b"\xef\xbb\xbf").strip()
    if not data.startswith(b"{"):
        return None
    try:
        found = json.loads(data.decode(errors="replace"))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _protocol_of_frame(name: str, frame: dict[str, object]) -> str | None:
    kind = frame.get("type")
    for each in (kind, name):
        if isinstance(each, str) and each.startswith(_RESPONSES):
            return "openai-responses"
        if each in _ANTHROPIC:
            return "anthropic"
    if frame.get("object") == "response":
        return "openai-responses"
    if kind == "message" and isinstance(frame.get("content"), list):
        return "anthropic"
    return next((protocol for field, protocol in _CLEAR.items() if field in frame), None)


def _protocol_of_report(frame: dict[str, object]) -> str | None:
    """Return the protocol whose reports of errors have the form of this frame."""
    error = frame.get("error")
    if frame.get("type") == "error":
        return "anthropic" if isinstance(error, dict) else "openai-responses"
    if isinstance(error, dict):
        return "gemini" if isinstance(error.get("status"), str) else "openai"
    return "ollama" if isinstance(error, str) else None
