"""Requests to an application: ASGI scopes and encoded bodies."""

from __future__ import annotations

import json as json_module
import re
from collections.abc import AsyncIterable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import SplitResult, quote, unquote, urlsplit

from pytest_streamval.errors import InvalidArgumentError, excerpt

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

Scope: TypeAlias = dict[str, Any]
"""The scope of a connection, as ASGI defines it."""
App: TypeAlias = "Callable[[Scope, Receive, Send], Awaitable[None]]"
"""An ASGI application."""
RequestHeaders: TypeAlias = Mapping[str, str] | Iterable[tuple[str, str]] | None
"""The headers of a request: a mapping, pairs, or None."""
Content: TypeAlias = str | bytes | Iterable[bytes] | AsyncIterable[bytes] | None
"""The body of a request: a text, bytes, or an iterator whose pieces are sent one by one."""

HOST = "testserver"
"""The host of a request that has no `Host` header, as in the test clients of frameworks."""

_ADDRESS = ("127.0.0.1", 80)
_PEER = ("127.0.0.1", 50_000)
_VERSIONS = {"version": "3.0"}
_AS_SENT = "!#$%&'()*+,/:;=?@[]~"  # the characters of an address that a client sends as they are
_NAME = re.compile(r"[-!#$%&'*+.^_`|~0-9a-zA-Z]+")
_UNSENT = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\u0100-\U0010ffff]")  # in the value of a header
_WITH_LENGTH = {"PATCH", "POST", "PUT"}  # the methods of requests that announce an empty body, too


def http_scope(method: str, target: str, headers: list[tuple[bytes, bytes]], state: Mapping[str, Any]) -> Scope:
    """Return the scope of an HTTP request, as uvicorn makes it.

    Args:
        method: The method.
        target: The path, with its query.
        headers: The encoded headers.
        state: The state that the lifespan of the application has set.

    Raises:
        InvalidArgumentError: If the target is not a path or an address of HTTP.
    """
    scope = _scope("http", target, headers, state, scheme="http", spec_version="2.3")
    return {**scope, "method": method.upper()}


def websocket_scope(
    target: str, headers: list[tuple[bytes, bytes]], state: Mapping[str, Any], subprotocols: list[str]
) -> Scope:
    """Return the scope of a WebSocket, as uvicorn makes it. The arguments are those of `http_scope`."""
    scope = _scope("websocket", target, headers, state, scheme="ws", spec_version="2.4")
    return {**scope, "subprotocols": subprotocols, "extensions": {"websocket.http.response": {}}}


def _scope(
    kind: str,
    target: str,
    headers: list[tuple[bytes, bytes]],
    state: Mapping[str, Any],
    *,
    scheme: str,
    spec_version: str,
) -> Scope:
    parts = _split(target)
    path = parts.path or "/"
    if not any(name == b"host" for name, _ in headers):
        host = parts.netloc.rpartition("@")[2] or HOST  # without credentials, which a client never sends there
        headers = [(b"host", host.encode()), *headers]
    return {
        "type": kind,
        "asgi": {**_VERSIONS, "spec_version": spec_version},
        "http_version": "1.1",
        "server": _ADDRESS,
        "client": _PEER,
        "scheme": parts.scheme or scheme,
        "root_path": "",
        "path": unquote(path),
        "raw_path": quote(path, safe=_AS_SENT).encode(),
        "query_string": quote(parts.query, safe=_AS_SENT).encode(),
        "headers": headers,
        "state": dict(state),
    }


def _split(target: object) -> SplitResult:
    """Return the parts of a path or an address. A path may begin with several slashes."""
    rule = "It must be a path that starts with /, such as '/chat'."
    if not isinstance(target, str) or not target.startswith(("/", "http://", "https://", "ws://", "wss://")):
        raise InvalidArgumentError("path", excerpt(target), rule)
    if any(character in target for character in "\r\n\t\0"):
        raise InvalidArgumentError("path", excerpt(target), "It must have no line breaks. Write them as %0A.")
    try:
        if target.startswith("/"):
            return urlsplit(f"http://{HOST}{target}")._replace(scheme="", netloc="")
        return urlsplit(target)
    except ValueError as error:
        raise InvalidArgumentError("path", excerpt(target), rule) from error


def encoded_headers(headers: RequestHeaders) -> list[tuple[bytes, bytes]]:
    """Return headers as ASGI has them: bytes, with names in lower case.

    Raises:
        InvalidArgumentError: If they are no pairs of texts, or cannot be sent.
    """
    pairs: Iterable[object] = headers.items() if isinstance(headers, Mapping) else headers or ()
    return [_encoded_header(pair) for pair in pairs]


def is_header(name: str, value: str) -> bool:
    """Return whether a header can be sent: RFC 9110, 5.1 and 5.5."""
    return _NAME.fullmatch(name) is not None and _UNSENT.search(value) is None


def _encoded_header(pair: object) -> tuple[bytes, bytes]:
    match pair:
        case (str(name), str(value)) if is_header(name, value):
            return name.lower().encode(), value.encode("latin-1")
        case (name, _):  # its value may be a key
            rule = "Its name and its value must be texts, without control characters and characters outside of Latin-1."
            raise InvalidArgumentError("headers", excerpt(name), rule)
    raise InvalidArgumentError("headers", excerpt(pair), "It must be a name and a value, such as ('accept', '*/*').")


class Body:
    """The body of a request, in one piece or in several, with the headers that describe it."""

    def __init__(self, method: str, json: object, content: Content) -> None:
        """Encode a body.

        Args:
            method: The method of the request.
            json: A value that is sent as JSON, None for no value.
            content: The body as it is.

        Raises:
            InvalidArgumentError: If both are given, if the value is not JSON, or if the method or the content is
                invalid.
        """
        given: object = method
        if not isinstance(given, str) or _NAME.fullmatch(given) is None:
            raise InvalidArgumentError("method", excerpt(given), "It must be a method of HTTP, such as 'POST'.")
        if json is not None and content is not None:
            rule = "It must not be given with json. A request has one body."
            raise InvalidArgumentError("content", excerpt(content), rule)
        self.headers: list[tuple[bytes, bytes]] = []
        """The headers."""
        self.pieces: AsyncIterator[bytes] | None = None
        """The pieces of a body that is sent piece by piece."""
        self.data = b""
        """A body in one piece."""
        if json is not None:
            self.data = _encoded_json(json)
            self.headers.append((b"content-type", b"application/json"))
        elif isinstance(content, str | bytes):
            self.data = content.encode() if isinstance(content, str) else content
        elif content is not None:
            self.pieces = _pieces(content)
        if self.pieces is not None:
            self.headers.append((b"transfer-encoding", b"chunked"))
        elif self.data or method.upper() in _WITH_LENGTH:
            self.headers.append((b"content-length", str(len(self.data)).encode()))


def _encoded_json(value: object) -> bytes:
    try:
        return json_module.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        rule = f"It must be a value that JSON has: {error}."
        raise InvalidArgumentError("json", excerpt(value), rule) from error


def _pieces(content: Iterable[bytes] | AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    given: object = content
    if isinstance(given, AsyncIterable):
        return aiter(given)
    if isinstance(given, Iterable) and not isinstance(given, Mapping):
        return _one_by_one(given)
    raise InvalidArgumentError("content", excerpt(given), "It must be a str, bytes or an iterator of bytes.")


async def _one_by_one(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
