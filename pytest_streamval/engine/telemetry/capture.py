"""`captured_telemetry`: captures what a test tells OpenTelemetry, by its SDK."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import (
    Counter,
    Histogram,
    MeterProvider,
    ObservableCounter,
    ObservableGauge,
    ObservableUpDownCounter,
    UpDownCounter,
)
from opentelemetry.sdk.metrics import _Gauge as GaugeInstrument
from opentelemetry.sdk.metrics.export import AggregationTemporality, Gauge, InMemoryMetricReader
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler, SamplingResult

from pytest_streamval.engine.telemetry.captured import CapturedTelemetry, Measured
from pytest_streamval.engine.telemetry.spans import is_idle
from pytest_streamval.errors import TelemetryConflictError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan, Span

# Of every instrument: a reader that adds up hands one test the measurements of those before it.
_SINCE_THE_LAST: dict[type, AggregationTemporality] = dict.fromkeys(
    (
        *(Counter, UpDownCounter, Histogram, GaugeInstrument),
        *(ObservableCounter, ObservableUpDownCounter, ObservableGauge),
    ),
    AggregationTemporality.DELTA,
)

_captures: list[CapturedTelemetry] = []


class _Tap(SpanProcessor):
    """Hands spans to whoever captures while they begin."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:  # noqa: ARG002  # as in SpanProcessor
        for capture in _captures:
            capture._open[span.get_span_context().span_id] = span

    def on_end(self, span: ReadableSpan) -> None:
        context = span.get_span_context()
        for capture in _captures:
            if context is not None and capture._open.pop(context.span_id, None) is not None:
                capture._ended.append(span)


class _WhileCapturing(Sampler):
    """Has spans made only while somebody captures them."""

    def should_sample(self, *args: Any, **kwargs: Any) -> SamplingResult:  # noqa: ANN401  # handed on as they are
        return (ALWAYS_ON if _captures else ALWAYS_OFF).should_sample(*args, **kwargs)

    def get_description(self) -> str:
        return "while a test captures"


_TAP = _Tap()
_READER = InMemoryMetricReader(preferred_temporality=_SINCE_THE_LAST)
_tapped: list[object] = []  # the providers that _TAP or _READER has been added to
# What a reader tells the storage of its measurements, as far as the SDK knows it.
_WAYS = (
    "_instrument_class_temporality",
    "_instrument_class_aggregation",
    "_instrument_class_cardinality_limit",
)


@contextmanager
def capturing() -> Iterator[CapturedTelemetry]:
    """Capture what the whole process tells OpenTelemetry meanwhile.

    A program sets its providers once and for all. Where it has done so they are joined, and go on with what they do;
    else providers are set that do nothing but this.

    Raises:
        TelemetryConflictError: a `RuntimeError`; the provider that is set cannot be joined.
    """
    if (tracers := trace.get_tracer_provider()) not in _tapped:
        _tapped.append(_joined(tracers, "add_span_processor", _TAP) or _set_tracers())
    if (meters := metrics.get_meter_provider()) not in _tapped:
        _tapped.append(_joined_meters(meters) or _set_meters())
    _collect()  # what was measured before, which belongs to other captures or to none
    capture = CapturedTelemetry(_collect)
    _captures.append(capture)
    try:
        yield capture
    finally:
        _collect()
        _captures.remove(capture)


def _collect() -> None:
    """Hand on what was measured since the last time, to each capture that is going on."""
    data = _READER.get_metrics_data()
    for resource in () if data is None else data.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                adds = not isinstance(metric.data, Gauge)
                for point in metric.data.data_points:
                    for capture in _captures:
                        capture._note(metric.name, Measured.of(point), adds=adds)


def _joined(provider: object, method: str, what: object) -> object | None:
    """Add a processor or a reader to the provider that is set, and return the provider; None where none is set."""
    if is_idle(provider):
        return None
    add = getattr(provider, method, None)
    if add is None:
        raise TelemetryConflictError(f"{type(provider).__module__}.{type(provider).__qualname__}", method)
    add(what)
    return provider


def _joined_meters(provider: object) -> object | None:
    """Add the reader to the meter provider that is set, as `_joined` does; SDKs before 1.43 have no method for it."""
    if not isinstance(provider, MeterProvider) or hasattr(provider, "add_metric_reader"):
        return _joined(provider, "add_metric_reader", _READER)
    from opentelemetry.sdk.metrics._internal.metric_reader_storage import MetricReaderStorage

    consumer: Any = provider._measurement_consumer
    reader: Any = _READER
    ways = [getattr(reader, name) for name in _WAYS if hasattr(reader, name)]
    storage = MetricReaderStorage(provider._sdk_config, *ways)
    consumer._reader_storages = {**consumer._reader_storages, reader: storage}
    reader._set_collect_callback(consumer.collect)
    return provider


def _set_tracers() -> TracerProvider:
    provider = TracerProvider(sampler=_WhileCapturing(), shutdown_on_exit=False)
    provider.add_span_processor(_TAP)
    trace.set_tracer_provider(provider)
    return provider


def _set_meters() -> MeterProvider:
    provider = MeterProvider([_READER], shutdown_on_exit=False)
    metrics.set_meter_provider(provider)
    return provider
