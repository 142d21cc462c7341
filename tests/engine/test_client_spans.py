"""Spans of clients, without an application."""

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind

from pytest_streamval.engine.telemetry.client_spans import ClientSpan, end_open_spans, only_page, parent_context
from pytest_streamval.engine.telemetry.exporters import Exporters, current_exporters

METHOD = {"http.request.method": "GET"}


def started(exporters=None, name="GET /"):
    """Return the open span of a request."""
    span = ClientSpan(exporters or current_exporters(), name, METHOD, {})
    span.start(5.0, lambda: span.end(7.0, name, {}, None))
    return span


def test_a_program_with_measurements_only_measures_a_request_without_a_span(captured):
    span = started(current_exporters()._replace(tracer=None))
    with span.current():
        assert parent_context() is None
        assert only_page() is None
    span.end(8.0, "GET /", {}, "LookupError")
    assert captured.spans == ()
    assert captured.total("http.client.request.duration", {"error.type": "LookupError"}) == 3
    assert "streamval.page.time_to_first_read" not in captured.metrics


def test_a_program_with_spans_only_does_not_measure_a_request(captured):
    started(current_exporters()._replace(instruments=None)).end(8.0, "GET /x", {}, None)
    assert captured.span("GET /x").end_time == 8_000_000_000
    assert "http.client.request.duration" not in captured.metrics


def test_a_span_of_a_client_ends_once(captured):
    span = started(Exporters(None, None, None, None))
    span.end(8.0, "GET /", {}, None)
    span = started()
    for name in ("GET /first", "GET /second"):
        span.end(8.0, name, {}, None)
    end_open_spans()
    assert [each.name for each in captured.spans] == ["GET /first"]


def test_the_span_of_a_client_that_is_open_ends_by_its_own_function(captured):
    started()
    end_open_spans()
    assert captured.span("GET /").end_time == 7_000_000_000
    assert only_page() is None


def test_only_one_open_page_is_the_only_page(captured):
    first = started()
    assert trace.get_current_span(only_page()).name == "GET /"
    started(name="GET /b")
    assert only_page() is None
    first.end(8.0, "GET /", {}, None)
    assert trace.get_current_span(only_page()).name == "GET /b"
    end_open_spans()


def test_the_parent_of_a_run_is_the_current_span_before_the_page(captured):
    page = started()
    assert parent_context() is None
    with page.current(), trace.get_tracer("a test").start_as_current_span("inner"):
        assert parent_context() is None
    page.end(8.0, "GET /", {}, None)


def test_a_span_is_found_by_its_kind(captured):
    started().end(8.0, "GET /", {}, None)
    trace.get_tracer("a test").start_span("GET /", kind=SpanKind.SERVER).end()
    assert captured.span("GET /", kind=SpanKind.CLIENT).attributes == METHOD
    with pytest.raises(AssertionError, match="2 spans with the name"):
        captured.span("GET /")
    with pytest.raises(
        AssertionError, match=r"0 spans with the name 'GET / \(PRODUCER\)' .* GET / \(CLIENT\), GET / \(SERVER\)"
    ):
        captured.span("GET /", kind=SpanKind.PRODUCER)
