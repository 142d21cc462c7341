"""Frames and bodies in a form that is not the protocol's, but has all of the content.

Sources: data that is empty (https://github.com/openai/openai-python/issues/2722) or null
(https://github.com/NousResearch/hermes-agent/pull/80822) as a keep-alive, and a complete answer in place of a stream
(https://github.com/decolua/9router/issues/3492).
"""

from __future__ import annotations

import json
import re

from pytest_streamval.wire.json_values import first_value

DONE = "[DONE]"
"""The frame that ends OpenAI's chat completions. Gateways send it in other protocols too."""
_KEEP_ALIVE_NAMES = re.compile("ping|heart.?beat|keep.?alive", re.IGNORECASE)
_KEEP_ALIVE_WORDS = re.compile(r"\A[\s:]*+(?:ping|heart.?beat|keep.?alive)\b[\s\d:.+TZ-]*+\Z", re.IGNORECASE)
_NOTHING = ("", "null")


def is_done(data: str) -> bool:
    """Return whether the data of a frame is the end mark of chat completions. OpenAI's clients compare its start."""
    return data.lstrip().startswith(DONE)


def is_keep_alive_name(event: str) -> bool:
    """Return whether the name of an event is that of a keep-alive."""
    return _KEEP_ALIVE_NAMES.search(event) is not None


def has_nothing(data: str) -> bool:
    """Return whether the data of a frame has no content in any protocol: nothing, null, or a keep-alive in words."""
    return data.strip() in _NOTHING or _KEEP_ALIVE_WORDS.match(data) is not None


def lines_of_frame(data: str) -> list[str]:
    """Return the frames in the data of one, each on a line of its own. Return none if a line is no complete frame."""
    lines = [line for line in data.split("\n") if line.strip()] if "\n" in data else []
    are_frames = len(lines) > 1 and all(is_done(line) or isinstance(_whole_value(line), dict) for line in lines)
    return lines if are_frames else []


def object_of_body(left: bytes) -> str | None:
    """Return the JSON object that a complete body is, or None for any other body."""
    text = left.decode(errors="replace")
    return text if isinstance(_whole_value(text), dict) and "\N{REPLACEMENT CHARACTER}" not in text else None


def first_object(text: str) -> str | None:
    """Return the JSON object at the start of a text, with other text after it, or None."""
    try:
        return json.dumps(value) if isinstance(value := first_value(text), dict) else None
    except RecursionError:
        return None


def is_complete(data: str) -> bool:
    """Return whether the data of a frame is complete, so that only a line end can follow it."""
    return is_done(data) or data.strip() == "null" or _whole_value(data) is not None or bool(lines_of_frame(data))


def _whole_value(text: str) -> object:
    """Return the JSON value that is the complete text, or None. `null` is None too."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
