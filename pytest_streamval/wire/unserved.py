"""The parts of an answer that a script does not have, so that a request for them is refused."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# The number of answers to a request, by the protocol: the path of the field.
_COUNTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"openai": ("n",), "gemini": ("generationConfig", "candidateCount")}
)


def unserved(protocol: str, body: Mapping[str, object]) -> str:
    """Return the reason why no script answers a request, or an empty string. A script is one answer."""
    path = _COUNTS.get(protocol, ())
    value: object = body
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    if not path or not isinstance(value, int) or value <= 1:
        return ""
    return f"{path[-1]} is {value}, but a script has one answer. Send the request without it, or with 1."
