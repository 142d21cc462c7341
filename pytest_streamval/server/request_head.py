"""The head of a request: the rules of RFC 9112 that h11 leaves to its user."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import h11

LONGEST_HEAD = 65_536
"""The most bytes that the head of a request may have."""

TOO_LONG = f"The head of the request is longer than {LONGEST_HEAD:,} bytes, the limit of this server."

NO_HTTP2 = "This server speaks HTTP/1.1 only."
"""The message to a client that begins with HTTP/2."""

_GO_AWAY = b"\0\0\0\0\0\0\0\x0d" + NO_HTTP2.encode()  # no stream was handled; HTTP_1_1_REQUIRED
HTTP2_REFUSAL = (
    b"\0\0\0\x04\0\0\0\0\0"  # SETTINGS, empty
    + len(_GO_AWAY).to_bytes(3, "big")
    + b"\x07\0\0\0\0\0"  # GOAWAY
    + _GO_AWAY
)
"""The answer to a client that begins with HTTP/2 (RFC 9113, 3.4): two frames that tell it to speak HTTP/1.1 (6.8)."""

_AUTHORITY = re.compile(r"\A(?:\[[0-9A-Fa-f:.]+\]|[^\[\]@/?#:]+):[0-9]+")


class Problem(NamedTuple):
    """The reason why a request is rejected."""

    status: int
    message: str


class Target(NamedTuple):
    """The target of a request."""

    path: str
    """The path with its query."""
    names_address: bool = False
    """Whether the target is a complete address, as for a proxy (RFC 9112, 3.2.2)."""


def problem_of(head: h11.Request, body_limit: int) -> Problem | None:
    """Return the reason to reject a request by its head, or None.

    Args:
        head: The head, which h11 accepts.
        body_limit: The most bytes of a body.
    """
    if len(head.target) + sum(len(name) + len(value) + 4 for name, value in head.headers) > LONGEST_HEAD:
        return Problem(431, TOO_LONG)  # h11 accepts it if it arrives in one read
    if not head.http_version.startswith(b"1."):
        return Problem(505, f"The request speaks HTTP/{head.http_version.decode()}; this server speaks HTTP/1.1.")
    return _length_problem(head, body_limit) or _expectation_problem(head)


def _length_problem(head: h11.Request, body_limit: int) -> Problem | None:
    names = {name: value for name, value in head.headers if name in {b"content-length", b"transfer-encoding"}}
    if b"transfer-encoding" in names and head.http_version == b"1.0":  # RFC 9112, 6.1: it does not know its framing
        return Problem(400, "The request speaks HTTP/1.0, which has no Transfer-Encoding. Send a Content-Length.")
    if len(names) > 1:  # RFC 9112, 6.1: a sign of request smuggling
        return Problem(400, "The request has both Content-Length and Transfer-Encoding. Send one of them.")
    if int(names.get(b"content-length", b"0")) > body_limit:
        return Problem(413, too_long_body(body_limit))
    return None


def _expectation_problem(head: h11.Request) -> Problem | None:
    if any(name == b"expect" and value.lower() != b"100-continue" for name, value in head.headers):
        return Problem(417, "The request has an Expect other than 100-continue, which this server does not know.")
    return None


def rejection(problem: Problem, *, has_body: bool = True) -> bytes:
    """Return the response that rejects a request, after which the connection is closed."""
    status, message = problem
    kind = "invalid_request_error"
    body = json.dumps({"error": {"message": message, "type": kind, "param": None, "code": None}}).encode()
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + (body if has_body else b"")


def too_long_body(limit: int) -> str:
    """Return the message for a body that is longer than the limit of a server."""
    return f"The body is longer than {limit:,} bytes, the limit of this server."


def parse_target(head: h11.Request) -> Target | Problem:
    """Return the target of a request in any of the four forms of RFC 9112, 3.2, or the reason to reject it."""
    method, target = head.method.decode(), head.target.decode("latin-1")
    if "#" in target:
        return Problem(
            HTTPStatus.BAD_REQUEST, "The target of the request has a fragment. Clients keep it to themselves."
        )
    if method == "CONNECT":
        known = _AUTHORITY.fullmatch(target) is not None
        return Problem(501 if known else 400, "This server opens no tunnels. Send the request itself.")
    if target.startswith("/"):
        return Target(target)
    if target == "*" and method == "OPTIONS":
        return Target("*")
    return _parse_address(target)


def _parse_address(target: str) -> Target | Problem:
    try:
        parts = urlsplit(target)
        if parts.scheme in {"http", "https"} and parts.hostname:
            _ = parts.port
            return Target(f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}", names_address=True)
    except ValueError:
        pass
    return Problem(HTTPStatus.BAD_REQUEST, "The target of the request must be a path or a complete address.")


def problem_of_syntax(error: h11.RemoteProtocolError) -> Problem:
    """Return the problem for a request that h11 rejects."""
    if error.error_status_hint == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE:
        return Problem(431, TOO_LONG)
    return Problem(error.error_status_hint, f"The request is not HTTP/1.1, or ends too early: {error}.")
