"""W3C's trace context in requests over HTTP.

A request to a provider carries the trace of its generation, and a provider server continues the trace that its client
sends.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from pytest_streamval.engine.telemetry.client_spans import only_page
from pytest_streamval.engine.telemetry.exporters import current_exporters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer

_TRACE = "opentelemetry.trace"
_SERVER_ERROR = 500  # the least status of an error of the server; another status is no error of its span


def trace_headers() -> dict[str, str]:
    """Return the headers of W3C's trace context for the current span, or none if no sampled span is current.

    No other propagator writes them, because baggage is no business of a provider.
    """
    if _TRACE not in sys.modules:
        return {}
    from opentelemetry import trace
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    headers: dict[str, str] = {}
    if trace.get_current_span().get_span_context().trace_flags.sampled:
        TraceContextTextMapPropagator().inject(headers)
    return headers


class ServedSpan:
    """The span of a request to a provider server, in the trace of its client."""

    def __init__(self, tracer: Tracer, parent: Context, method: str, path: str) -> None:
        """Prepare the span. It opens with `start`.

        Args:
            tracer: The tracer.
            parent: The context that the client has sent.
            method: The method of the request.
            path: Its path, without parameters and secrets.
        """
        self._tracer = tracer
        self._parent = parent
        self._method = method
        self._path = path.partition("?")[0]
        self._received = time.time()
        self._span: Span | None = None

    @classmethod
    def of(cls, headers: Mapping[str, str], method: str, path: str) -> ServedSpan | None:
        """Return the span of a request, or None if it belongs to no trace, or no provider of tracers is set.

        A request without a trace belongs to that of the only open page, if there is one.

        Args:
            headers: The headers of the request, with names in lower case.
            method: Its method.
            path: Its path.
        """
        if (exporters := current_exporters()) is None or exporters.tracer is None:
            return None
        if "traceparent" not in headers:
            page = only_page()
            return None if page is None else cls(exporters.tracer, page, method, path)
        from opentelemetry import trace
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        parent = TraceContextTextMapPropagator().extract(headers)
        if not trace.get_current_span(parent).get_span_context().is_valid:
            return None
        return cls(exporters.tracer, parent, method, path)

    def start(self) -> None:
        """Open the span, and make it current in the task of the response."""
        from opentelemetry import context, trace
        from opentelemetry.trace import SpanKind

        self._span = self._tracer.start_span(
            f"{self._method} {self._path}",
            self._parent,
            SpanKind.SERVER,
            {"http.request.method": self._method, "url.path": self._path},
            start_time=int(self._received * 1e9),
        )
        context.attach(trace.set_span_in_context(self._span))  # the context ends with the task, so it is never detached

    def end(self, status: int | None, failure: str | None) -> None:
        """Close the span, if it is open.

        Args:
            status: The status of the response, or None if none was sent.
            failure: The kind of the failure of the response, in one word, or None.
        """
        span, self._span = self._span, None
        if span is None:
            return
        from opentelemetry.trace import Status, StatusCode

        if status is not None:
            span.set_attribute("http.response.status_code", status)
            if status >= _SERVER_ERROR and failure is None:
                failure = str(status)
        if failure is not None:
            span.set_attribute("error.type", failure)
            span.set_status(Status(StatusCode.ERROR))
        span.end()
