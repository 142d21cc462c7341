"""Access: the names by which a server is addressed, and the web pages that may use it.

A server on loopback is within reach of every page that the browser of this machine shows. A page can send requests to
it, with its own `Origin`. And a page whose name was rebound to this machine can read the answers, with its name as
`Host`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from pytest_streamval.errors import InvalidArgumentError, excerpt

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_streamval.server.incoming_request import IncomingRequest

ANY = "*"
"""The name that allows all hosts or origins."""

_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]+)(?::[0-9]*)?")  # RFC 3986, 3.2.2
_METHODS = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"


class Refusal(NamedTuple):
    """The reason why a request is refused."""

    status: int
    message: str


class AccessRules:
    """The rules of one server."""

    def __init__(self, allow_hosts: Sequence[str] = (), allow_origins: Sequence[str] = ()) -> None:
        """Check and keep the names that are allowed besides those of this machine.

        Raises:
            InvalidArgumentError: A `ValueError`. If they are not lists of names.
        """
        self._hosts = {_checked("allow_hosts", name, _is_host, "app.test").lower() for name in _list(allow_hosts)}
        self._origins = {
            _checked("allow_origins", origin, _is_origin, "https://app.test").lower() for origin in _list(allow_origins)
        }

    def refusal(self, incoming: IncomingRequest) -> Refusal | None:
        """Return the reason to refuse a request, or None if it is allowed."""
        host = _field(incoming.headers, "host")
        # Only a client of HTTP/1.0 may send no Host, which is no browser.
        # RFC 9112, 3.2.2: a complete address takes the place of Host. Clients of a proxy send one, browsers do not.
        if not incoming.names_address and host is not None and not self._allows_host(host):
            advice = "Use the server's own address, or allow the name: allow_hosts=, streamval serve --allow-host."
            return Refusal(403, f"The host {excerpt(host)} is no name of this machine. {advice}")
        origin = _field(incoming.headers, "origin")
        if origin is not None and not self._allows_origin(origin):
            advice = "Allow the origin if that is meant: allow_origins=, streamval serve --allow-origin."
            return Refusal(403, f"A page of the origin {excerpt(origin)} must not use this server. {advice}")
        return None

    def response_headers(self, incoming: IncomingRequest) -> tuple[tuple[str, str], ...]:
        """Return the headers that let a page read the response to an allowed request (CORS)."""
        origin = _field(incoming.headers, "origin")
        if origin is None:
            return ()
        headers = [("access-control-allow-origin", origin), ("vary", "origin"), ("access-control-expose-headers", "*")]
        if is_preflight(incoming):
            asked = _field(incoming.headers, "access-control-request-headers")
            headers += [("access-control-allow-methods", _METHODS), ("access-control-allow-headers", asked or "*")]
            if _field(incoming.headers, "access-control-request-private-network") is not None:
                headers.append(("access-control-allow-private-network", "true"))
        return tuple(headers)

    def _allows_host(self, host: str) -> bool:
        name = _name_in(host)
        return name is not None and (ANY in self._hosts or name in self._hosts or _is_loopback(name))

    def _allows_origin(self, origin: str) -> bool:
        if ANY in self._origins or origin.lower() in self._origins:
            return True
        return _is_origin(origin) and _is_loopback(_name_in(origin.partition("://")[2]) or "")


def is_preflight(incoming: IncomingRequest) -> bool:
    """Return whether a browser asks with this request whether a page may send another one."""
    if incoming.method != "OPTIONS":
        return False
    names = {name for name, _ in incoming.headers}
    return {"origin", "access-control-request-method"} <= names


def _field(headers: Iterable[tuple[str, str]], name: str) -> str | None:
    """Return the value of a header. Several ones are joined, which is no valid host or origin."""
    values = [value for each, value in headers if each == name]  # h11 gives them in lower case
    return ", ".join(values) if values else None


def _name_in(host: str) -> str | None:
    """Return the name or the address in a host with or without its port, or None if it is invalid."""
    match = _HOST.fullmatch(host)
    return None if match is None else match["name"].lower().removesuffix(".")


@lru_cache(maxsize=256)
def _is_loopback(name: str) -> bool:
    if name == "localhost" or name.endswith(".localhost"):  # RFC 6761, 6.3
        return True
    try:
        return ip_address(name.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False


def _is_host(name: str) -> bool:
    match = _HOST.fullmatch(name)
    return match is not None and match["name"] == name


def _is_origin(origin: str) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    host = _HOST.fullmatch(parts.netloc)
    return host is not None and bool(parts.scheme) and origin.lower() == f"{parts.scheme}://{parts.netloc}".lower()


def _list(names: object) -> Sequence[object]:
    if isinstance(names, str) or not isinstance(names, Sequence):
        raise InvalidArgumentError("allow_hosts or allow_origins", excerpt(names), 'It must be a list: ["app.test"].')
    return names


def _checked(argument: str, name: object, is_valid: object, example: str) -> str:
    if isinstance(name, str) and (name == ANY or (callable(is_valid) and is_valid(name))):
        return name
    rule = f'Each must be like {example}, without a path, or "*" for all.'
    raise InvalidArgumentError(argument, excerpt(name), rule)
