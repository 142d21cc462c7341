"""Spans of served requests, without a server."""

import sys
from contextvars import copy_context

import pytest
from opentelemetry import trace

from pytest_streamval.engine.telemetry import trace_context
from pytest_streamval.engine.telemetry.trace_context import ServedSpan, trace_headers

SENT = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}


def test_a_request_that_is_never_answered_has_no_span(captured):
    ServedSpan.of(SENT, "GET", "/v1/models").end(None, None)
    assert captured.spans == captured.open_spans == ()


@pytest.mark.parametrize(
    ("status", "failure", "attributes"),
    [
        (200, None, {"http.response.status_code": 200}),
        (404, None, {"http.response.status_code": 404}),
        (503, None, {"http.response.status_code": 503, "error.type": "503"}),
        (503, "client_disconnected", {"http.response.status_code": 503, "error.type": "client_disconnected"}),
        (None, "client_disconnected", {"error.type": "client_disconnected"}),
    ],
)
def test_a_served_span_has_the_status_and_the_failure_of_its_response(captured, status, failure, attributes):
    span = ServedSpan.of(SENT, "GET", "/v1/models?page=2")
    copy_context().run(span.start)  # as in the task of a response
    span.end(status, failure)
    found = dict(captured.span("GET /v1/models").attributes)
    assert found == {"http.request.method": "GET", "url.path": "/v1/models", **attributes}


def test_a_program_without_a_provider_of_tracers_makes_no_served_span(monkeypatch):
    monkeypatch.setattr(trace_context, "current_exporters", lambda: None)
    assert ServedSpan.of(SENT, "GET", "/") is None


def test_a_request_has_no_trace_if_opentelemetry_was_never_imported(monkeypatch):
    monkeypatch.delitem(sys.modules, "opentelemetry.trace")
    assert trace_headers() == {}


def test_the_headers_of_a_trace_are_those_of_the_current_span(captured):
    assert trace_headers() == {}
    with trace.get_tracer("a test").start_as_current_span("outer") as span:
        assert f"{span.get_span_context().span_id:016x}" in trace_headers()["traceparent"]


@pytest.mark.parametrize("sent", [{}, {"traceparent": "00-nonsense"}])
def test_a_request_without_a_valid_trace_has_no_span(captured, sent):
    assert ServedSpan.of(sent, "GET", "/") is None
