"""A request over HTTP as a plain value, shared by the code that sends, serves, records and replays it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
"""The names of this machine."""


def joined_headers(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return headers by name, in lower case. Repeated ones are joined, as RFC 9110 says in 5.3."""
    found: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        found[key] = f"{found[key]}{'; ' if key == 'cookie' else ', '}{value}" if key in found else value
    return found


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request to send."""

    url: str
    """The complete address."""
    body: bytes = b""
    """The body, usually JSON."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """The headers, including the secret ones."""
    method: str = ""
    """The method. By default POST with a body, GET without one."""

    def __post_init__(self) -> None:
        if not self.method:
            object.__setattr__(self, "method", "POST" if self.body else "GET")
