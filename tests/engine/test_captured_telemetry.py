"""Capturing the spans and measurements of a test."""

from __future__ import annotations

import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import ProxyTracerProvider

from pytest_streamval.engine.telemetry import capture as telemetry
from pytest_streamval.engine.telemetry.capture import capturing
from pytest_streamval.errors import CheckFailedError, TelemetryConflictError
from pytest_streamval.typing import Measured

tracer = trace.get_tracer("the code under test")
meter = metrics.get_meter("the code under test")
requests = meter.create_counter("requests")
sizes = meter.create_histogram("sizes")
temperature = meter.create_gauge("temperature")
in_flight = meter.create_up_down_counter("in_flight")


def test_spans_of_the_code_under_test_are_captured_in_the_order_of_their_ends(captured):
    assert repr(captured) == "<CapturedTelemetry of no spans>"
    with tracer.start_as_current_span("outer"):
        with tracer.start_as_current_span("inner"):
            assert [span.name for span in captured.open_spans] == ["outer", "inner"]
            assert captured.spans == ()
        assert [span.name for span in captured.open_spans] == ["outer"]
        assert repr(captured) == "<CapturedTelemetry of inner; still open: outer>"
    assert [span.name for span in captured.spans] == ["inner", "outer"]
    assert captured.span("inner").parent.span_id == captured.span("outer").context.span_id


def test_a_capture_contains_no_spans_of_another_test():
    with capturing() as first:
        left_open = tracer.start_span("of the first")
        requests.add(1)
        sizes.record(7)
    with tracer.start_as_current_span("of nobody") as nobodys:
        requests.add(10)
        assert not nobodys.is_recording()
    with capturing() as second:
        left_open.end()
        requests.add(100)
        assert second.spans == second.open_spans == ()
        assert second.metrics == {"requests": (Measured({}, 100),)}
    assert [span.name for span in first.open_spans] == ["of the first"]


def test_a_capture_contains_no_gauge_and_no_up_down_counter_of_another_test():
    with capturing() as first:
        temperature.set(30)
        in_flight.add(3)
        assert first.total("in_flight") == 3
        in_flight.add(-1)
    temperature.set(31)
    in_flight.add(50)
    with capturing() as second:
        assert second.metrics == {}
        in_flight.add(-2)
        in_flight.add(1)
        assert second.metrics == {"in_flight": (Measured({}, -1),)}
        temperature.set(20)
    assert second.metrics == {"in_flight": (Measured({}, -1),), "temperature": (Measured({}, 20),)}
    assert first.metrics == {"in_flight": (Measured({}, 2),), "temperature": (Measured({}, 30),)}


def test_nested_captures_each_contain_everything():
    with capturing() as outer:
        requests.add(1)
        with capturing() as inner:
            requests.add(10)
            assert inner.total("requests") == 10
            assert outer.total("requests") == 11
        requests.add(100)
    assert (inner.total("requests"), outer.total("requests")) == (10, 111)


def test_nothing_is_captured_after_the_test():
    with capturing() as captured:
        requests.add(1)
    requests.add(10)
    assert captured.total("requests") == 1


def test_measurements_are_added_once_however_often_they_are_read(captured):
    for count in (1, 2):
        requests.add(count, {"to": "here"})
        requests.add(10 * count, {"to": "there", "by": "night"})
        assert captured.metrics
    for size in (3, 5, 4):
        sizes.record(size)
        temperature.set(size)
        assert captured.total("sizes") > 0
    assert captured.metrics == {
        "requests": (Measured({"to": "here"}, 3), Measured({"to": "there", "by": "night"}, 30)),
        "sizes": (Measured({}, 12, 3, 3, 5),),
        "temperature": (Measured({}, 4),),
    }
    assert captured.total("requests") == 33
    assert captured.total("requests", {"to": "there"}) == 30
    assert captured.total("nothing") == 0


def test_span_returns_the_only_span_of_a_name_or_raises_an_error_that_lists_them(captured):
    open_span = tracer.start_span("open")
    for name in ("twice", "once", "twice"):
        tracer.start_span(name).end()
    assert captured.span("once").name == "once"
    with pytest.raises(
        CheckFailedError, match=r"2 spans with the name 'twice' .* Ended: twice, once. Still open: open"
    ):
        captured.span("twice")
    with pytest.raises(CheckFailedError, match="0 spans with the name 'stream_with_chunking'"):
        captured.span()
    open_span.end()


# The provider that the program has set


@pytest.fixture
def providers(monkeypatch):
    """Set providers, as a program does at its start, with nothing captured so far."""
    monkeypatch.setattr(telemetry, "_joined_providers", [])
    monkeypatch.setattr(
        telemetry, "_READER", InMemoryMetricReader(preferred_temporality=telemetry._SINCE_LAST_COLLECTION)
    )

    def set_them(tracers, meters):
        set_now = {"tracer": tracers, "meter": meters}
        for kind, module in (("tracer", trace), ("meter", metrics)):
            monkeypatch.setattr(module, f"get_{kind}_provider", lambda kind=kind: set_now[kind])
            monkeypatch.setattr(module, f"set_{kind}_provider", lambda new, kind=kind: set_now.update({kind: new}))
        return set_now

    return set_them


def test_providers_that_the_program_has_set_are_joined_once_and_continue(providers):
    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracers, meters = TracerProvider(shutdown_on_exit=False), MeterProvider([reader], shutdown_on_exit=False)
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    counter = meters.get_meter("mine").create_counter("joined")
    providers(tracers, meters)
    for _ in range(2):
        with capturing() as captured:
            tracers.get_tracer("mine").start_span("mine").end()
            counter.add(1)
            assert [span.name for span in captured.spans] == ["mine"]
            assert captured.total("joined") == 1
    tracers.get_tracer("mine").start_span("of nobody").end()
    assert [span.name for span in exporter.get_finished_spans()] == ["mine", "mine", "of nobody"]
    assert reader.get_metrics_data() is not None


def test_measurements_of_callbacks_are_those_since_the_capture_began(providers):
    meters = MeterProvider(shutdown_on_exit=False)
    providers(TracerProvider(shutdown_on_exit=False), meters)
    seen = {"counter": 100, "level": 7}
    mine = meters.get_meter("mine")
    mine.create_observable_counter("seen", [lambda _: [metrics.Observation(seen["counter"])]])
    mine.create_observable_gauge("level", [lambda _: [metrics.Observation(seen["level"])]])
    for change in (5, 3):
        with capturing() as captured:
            seen.update(counter=seen["counter"] + change, level=change)
            assert (captured.total("seen"), captured.total("level")) == (change, change)
            seen.update(counter=seen["counter"] + 1, level=9)
        assert (captured.total("seen"), captured.total("level")) == (change + 1, 9)


def test_a_meter_provider_of_an_older_sdk_is_joined(providers, monkeypatch):
    monkeypatch.delattr(MeterProvider, "add_metric_reader", raising=False)  # it came with SDK 1.43
    reader = InMemoryMetricReader()
    meters = MeterProvider([reader], shutdown_on_exit=False)
    counter = meters.get_meter("mine").create_counter("joined")
    counter.add(5)
    providers(TracerProvider(shutdown_on_exit=False), meters)
    for _ in range(2):
        with capturing() as captured:
            counter.add(1)
            assert captured.metrics == {"joined": (Measured({}, 1),)}
    assert reader.get_metrics_data() is not None


def test_one_provider_serves_all_tests_if_the_program_has_set_none(providers):
    set_now = providers(ProxyTracerProvider(), metrics.NoOpMeterProvider())
    with capturing() as captured:
        trace.get_tracer_provider().get_tracer("mine").start_span("mine").end()
        assert captured.span("mine")
    made = dict(set_now)
    with capturing():
        assert set_now == made
    assert "captures" in made["tracer"].sampler.get_description()


@pytest.mark.parametrize("kind", ["tracer", "meter"])
def test_a_provider_that_cannot_be_joined_is_named(providers, kind):
    strange = type("Strange", (), {"__module__": "mine"})()
    known = {"tracer": TracerProvider(shutdown_on_exit=False), "meter": MeterProvider(shutdown_on_exit=False)}
    providers(*(known | {kind: strange}).values())
    with pytest.raises(TelemetryConflictError, match=r"mine\.Strange, which has no add_"), capturing():
        pass
