"""`capturing`: captures the spans and measurements of a test with the SDK of OpenTelemetry."""

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
from pytest_streamval.engine.telemetry.exporters import is_idle
from pytest_streamval.errors import TelemetryConflictError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan, Span

# For every instrument, because a reader with cumulative values would return the measurements of earlier tests too.
_SINCE_LAST_COLLECTION: dict[type, AggregationTemporality] = dict.fromkeys(
    (
        *(Counter, UpDownCounter, Histogram, GaugeInstrument),
        *(ObservableCounter, ObservableUpDownCounter, ObservableGauge),
    ),
    AggregationTemporality.DELTA,
)

_captures: list[CapturedTelemetry] = []


class _CapturingProcessor(SpanProcessor):
    """A span processor that adds each span to the captures that are active when it begins."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:  # noqa: ARG002  # as in SpanProcessor
        for capture in _captures:
            capture._open[span.get_span_context().span_id] = span

    def on_end(self, span: ReadableSpan) -> None:
        context = span.get_span_context()
        for capture in _captures:
            if context is not None and capture._open.pop(context.span_id, None) is not None:
                capture._ended.append(span)


class _WhileCapturing(Sampler):
    """A sampler that keeps spans only while a capture is active."""

    def should_sample(self, *args: Any, **kwargs: Any) -> SamplingResult:  # noqa: ANN401  # passed on unchanged
        return (ALWAYS_ON if _captures else ALWAYS_OFF).should_sample(*args, **kwargs)

    def get_description(self) -> str:
        return "while a test captures"


_PROCESSOR = _CapturingProcessor()
_READER = InMemoryMetricReader(preferred_temporality=_SINCE_LAST_COLLECTION)
_joined_providers: list[object] = []  # those that have _PROCESSOR or _READER
# The attributes of a reader that the storage of its measurements receives, if the SDK has them.
_STORAGE_SETTINGS = (
    "_instrument_class_temporality",
    "_instrument_class_aggregation",
    "_instrument_class_cardinality_limit",
)


@contextmanager
def capturing() -> Iterator[CapturedTelemetry]:
    """Capture all spans and measurements of the process meanwhile.

    A process can set its providers only once. Providers that are set are joined, and continue to work as before.
    Otherwise, providers are set that only capture.

    Raises:
        TelemetryConflictError: A `RuntimeError`. If the provider that is set cannot be joined.
    """
    if (tracers := trace.get_tracer_provider()) not in _joined_providers:
        _joined_providers.append(_join(tracers, "add_span_processor", _PROCESSOR) or _set_tracer_provider())
    if (meters := metrics.get_meter_provider()) not in _joined_providers:
        _joined_providers.append(_join_meters(meters) or _set_meter_provider())
    _collect()  # the earlier measurements, which belong to other captures or to none
    capture = CapturedTelemetry(_collect)
    _captures.append(capture)
    try:
        yield capture
    finally:
        _collect()
        _captures.remove(capture)


def _collect() -> None:
    """Add the measurements since the last call to all active captures."""
    data = _READER.get_metrics_data()
    for resource in () if data is None else data.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                is_sum = not isinstance(metric.data, Gauge)
                for point in metric.data.data_points:
                    for capture in _captures:
                        capture._add(metric.name, Measured.of(point), is_sum=is_sum)


def _join(provider: object, method: str, addition: object) -> object | None:
    """Add a processor or a reader to the provider that is set, and return the provider, or None if none is set."""
    if is_idle(provider):
        return None
    add = getattr(provider, method, None)
    if add is None:
        raise TelemetryConflictError(f"{type(provider).__module__}.{type(provider).__qualname__}", method)
    add(addition)
    return provider


def _join_meters(provider: object) -> object | None:
    """Add the reader to a meter provider as `_join` does. SDKs before 1.43 have no method for it."""
    if not isinstance(provider, MeterProvider) or hasattr(provider, "add_metric_reader"):
        return _join(provider, "add_metric_reader", _READER)
    from opentelemetry.sdk.metrics._internal.metric_reader_storage import MetricReaderStorage

    consumer: Any = provider._measurement_consumer
    reader: Any = _READER
    settings = [getattr(reader, name) for name in _STORAGE_SETTINGS if hasattr(reader, name)]
    storage = MetricReaderStorage(provider._sdk_config, *settings)
    consumer._reader_storages = {**consumer._reader_storages, reader: storage}
    reader._set_collect_callback(consumer.collect)
    return provider


def _set_tracer_provider() -> TracerProvider:
    provider = TracerProvider(sampler=_WhileCapturing(), shutdown_on_exit=False)
    provider.add_span_processor(_PROCESSOR)
    trace.set_tracer_provider(provider)
    return provider


def _set_meter_provider() -> MeterProvider:
    provider = MeterProvider([_READER], shutdown_on_exit=False)
    metrics.set_meter_provider(provider)
    return provider
