"""`traced`: a response as a span in the trace that the client of the request has sent."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pytest_streamval.http.request import joined_headers

if TYPE_CHECKING:
    from pytest_streamval.engine.telemetry.trace_context import ServedSpan
    from pytest_streamval.server.actions import Actions, Response
    from pytest_streamval.server.incoming_request import IncomingRequest
    from pytest_streamval.server.journal import ServedRequest


def traced(request: ServedRequest, incoming: IncomingRequest, response: Response) -> Response:
    """Return a response with a span, or the same one if the client sends no trace or the program has no telemetry."""
    if "opentelemetry" not in sys.modules:
        return response
    from pytest_streamval.engine.telemetry.trace_context import ServedSpan

    span = ServedSpan.of(joined_headers(incoming.headers), incoming.method, request.path)
    if span is None:
        return response

    async def close() -> None:
        try:
            await response.close()
        finally:
            span.end(request.status, _failure(request))

    return response._replace(actions=_spanned(span, request, response.actions), close=close)


def _spanned(span: ServedSpan, request: ServedRequest, actions: Actions) -> Actions:
    """Open the span in the task of the response, yield its actions, and close it before the client sees the end."""
    span.start()
    yield from actions
    span.end(request.status, None)


def _failure(request: ServedRequest) -> str | None:
    if request.finished:
        return None
    return "client_disconnected" if request.client_disconnected else "incomplete_response"
