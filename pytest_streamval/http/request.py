"""What goes over HTTP, as plain values that whoever sends, serves, records and replays it shares."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
"""The names of this machine."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request as it goes out."""

    url: str
    """The whole address."""
    body: bytes = b""
    """What is sent, JSON as a rule; without a body it is a GET."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """The headers, the secret ones included."""

    @property
    def method(self) -> str:
        """The method."""
        return "POST" if self.body else "GET"
