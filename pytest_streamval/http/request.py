"""A request over HTTP as a plain value, shared by the code that sends, serves, records and replays it."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
"""The names of this machine."""


def parsed_address(url: str) -> SplitResult | None:
    """Return the parts of an address, or None if it or its port is invalid."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def joined_headers(headers: Iterable[tuple[str, str]]) -> Headers:
    """Return headers by name, in lower case. Repeated ones are joined, as RFC 9110 says in 5.3."""
    found = Headers()
    for name, value in headers:
        key = name.lower()
        found[key] = f"{found[key]}{'; ' if key == 'cookie' else ', '}{value}" if key in found else value
    return found


def is_loopback(host: str | None) -> bool:
    """Return whether a host is this machine, by its name or its number."""
    if host is None or host in LOOPBACK or host.endswith(".localhost"):
        return host is not None
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class Headers(dict[str, str]):
    """Headers of a request or a response. Their `repr` has no values, because tracebacks with locals show it."""

    def __repr__(self) -> str:
        return f"<Headers: {', '.join(self)}>"


@dataclass(frozen=True, slots=True, repr=False)
class HttpRequest:
    """A request to send. Its `repr` has neither headers nor parameters, because tracebacks with locals show it."""

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
        object.__setattr__(self, "headers", Headers(self.headers))

    def __repr__(self) -> str:
        return f"<HttpRequest {self.method} {place_of(self.url)}, {len(self.body)} bytes>"


def place_of(url: str) -> str:
    """Return the host and the path of an address, without credentials and parameters."""
    parts = parsed_address(url)
    return "an invalid address" if parts is None else f"{parts.netloc.rpartition('@')[2]}{parts.path}"
