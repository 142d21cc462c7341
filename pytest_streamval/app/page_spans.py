"""`PageSpan`: a page or a WebSocket as a span of OpenTelemetry, without text of the request and the response."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol

from pytest_streamval.scripting.sent_deltas import sent_deltas

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from pytest_streamval.app.asgi_requests import Scope
    from pytest_streamval.engine.telemetry.client_spans import Attributes, ClientSpan

_METHODS = {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"}  # of HTTP
_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}
_FIRST_ERROR = 400  # of the status codes
_MOST_DIGITS = 5  # of a port


class TracedPage(Protocol):
    """A page or a WebSocket."""

    began: float
    ended: float
    reads: list[Any]
    span: PageSpan | None
    task: asyncio.Task[None]

    @property
    def status(self) -> int | None:
        """The status, or None before the head of the response."""

    @property
    def left(self) -> bool:
        """Whether the client left before the end."""

    @property
    def end(self) -> str | None:
        """How it ended for the client: complete, left, broken, or None while it goes on."""

    @property
    def error(self) -> BaseException | None:
        """The error that the application raised, or None."""


class PageSpan:
    """The span of one page or WebSocket. It ends when the response ends for the client."""

    def __init__(self, span: ClientSpan, scope: Scope, name: str) -> None:
        self._span = span
        self._scope = scope
        self._name = name
        self._sent = sent_deltas()
        self._page: TracedPage
        self._status: int | None = None

    @classmethod
    def of(cls, scope: Scope) -> PageSpan | None:
        """Return the span of a request, or None if the program has no telemetry.

        Args:
            scope: The scope of the request.
        """
        if "opentelemetry" not in sys.modules:
            return None
        from pytest_streamval.engine.telemetry.client_spans import ClientSpan

        sent = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        attributes = _request_attributes(scope, sent)
        name = f"{_method(attributes)} {attributes['url.path']!s}"
        span = ClientSpan.of(name, attributes, sent)
        return None if span is None else cls(span, scope, name)

    @contextmanager
    def started(self, page: TracedPage) -> Iterator[None]:
        """Open the span, and make it current for the task of the application, which begins meanwhile.

        Args:
            page: The response. Its request gets the headers of the trace.
        """
        self._page = page
        page.span = self
        self._span.start(page.began, self.end)
        self._scope["headers"] = [
            *self._scope["headers"],
            *((name.encode(), value.encode()) for name, value in self._span.headers.items()),
        ]
        with self._span.current():
            yield

    def end(self, *, by_client: bool = False) -> None:
        """Close the span, if it is open.

        Args:
            by_client: Whether the client goes away, although it has not read the complete response.
        """
        page = self._page
        outcome = _outcome(page, by_client=by_client)
        route = _route(self._scope)
        attributes: Attributes = {"streamval.outcome": outcome, **_response_attributes(page)}
        attributes["streamval.page.upstream_deltas"] = sent_deltas() - self._sent
        name = self._name
        if route is not None:
            attributes["url.template"] = route
            name = f"{name.partition(' ')[0]} {route}"
        failure = _failure(page, outcome, attributes.get("http.response.status_code"))
        self._span.end(min(page.ended, time.time()), name, attributes, failure)


def _request_attributes(scope: Scope, sent: dict[str, str]) -> Attributes:
    """Return the attributes of a request. An address has neither a query nor credentials."""
    method = scope.get("method", "GET")
    scheme = scope["scheme"]
    netloc, path = _address_without_secrets(scope, sent)
    host, port = _host_and_port(netloc)
    attributes: Attributes = {
        "http.request.method": method if method in _METHODS else "_OTHER",
        "url.full": f"{scheme}://{netloc}{path}",
        "url.path": path,
        "url.scheme": scheme,
        "server.address": host,
        "server.port": _PORTS.get(scheme, 80) if port is None else port,
        "network.protocol.version": scope["http_version"],
    }
    if scope["type"] == "websocket":
        attributes["network.protocol.name"] = "websocket"
    return attributes


def _method(attributes: Attributes) -> str:
    method = str(attributes["http.request.method"])
    return "HTTP" if method == "_OTHER" else method


def _host_and_port(netloc: str) -> tuple[str, int | None]:
    host, _, digits = netloc.rpartition(":")
    if host and digits.isascii() and digits.isdecimal() and len(digits) <= _MOST_DIGITS:
        return host.strip("[]"), int(digits)
    return netloc.strip("[]"), None


def _address_without_secrets(scope: Scope, sent: dict[str, str]) -> tuple[str, str]:
    """Return the host and the path of a request without its secrets: those of its headers and its query, and keys."""
    from pytest_streamval.http.request import HttpRequest
    from pytest_streamval.http.secrets import Secrets, keys_in_environment

    path = scope["raw_path"].decode("latin-1")
    query = scope["query_string"].decode("latin-1")
    host = sent.get("host", "").rpartition("@")[2]
    secrets = Secrets.of(HttpRequest(f"http://{host}{path}?{query}", b"", sent), keys_in_environment())
    return secrets.text(host, in_request=True), secrets.text(path, in_request=True)


def _route(scope: Scope) -> str | None:
    """Return the path of the route that the application has found, as Starlette and FastAPI note it in the scope."""
    path: Any = getattr(scope.get("route"), "path_format", None)
    if not isinstance(path, str):
        return None
    return (scope.get("root_path", "").rstrip("/") + path) or "/"


def _outcome(page: TracedPage, *, by_client: bool) -> str:
    if page.left:
        return "left"
    if isinstance(page.error, asyncio.CancelledError) and page.task.cancelling():
        return "open"  # at the end of the test or of its event loop
    if page.error is not None or page.end == "broken":
        return "failed"
    if page.end == "complete":
        return "done"
    return "left" if by_client else "open"


def _response_attributes(page: TracedPage) -> Attributes:
    from pytest_streamval.engine.telemetry.client_spans import TIME_TO_FIRST_READ

    attributes: Attributes = {"streamval.page.reads": len(page.reads)}
    if page.status is not None:
        attributes["http.response.status_code"] = page.status
    if page.reads:
        attributes[TIME_TO_FIRST_READ] = float(page.reads[0].at)
        attributes["http.response.body.size"] = sum(len(read.data) for read in page.reads)
    return attributes


def _failure(page: TracedPage, outcome: str, status: Any) -> str | None:  # noqa: ANN401  # an attribute
    if outcome == "failed":
        return "incomplete_response" if page.error is None else type(page.error).__name__
    return str(status) if status is not None and status >= _FIRST_ERROR else None


def traced(page: TracedPage, scope: Scope) -> AbstractContextManager[None]:
    """Return a context in which the task of the application begins. With telemetry, it opens the span of a page."""
    span = PageSpan.of(scope)
    return nullcontext() if span is None else span.started(page)


def end_span(page: TracedPage) -> None:
    """End the span of a page whose client goes away, if it is open."""
    if page.span is not None:
        page.span.end(by_client=True)
