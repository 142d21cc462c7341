"""`captured_telemetry`: the spans and measurements of one test, in memory."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, HistogramDataPoint, InMemoryMetricReader
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler, SamplingResult

from pytest_streamval.engine.telemetry import SPAN, is_idle
from pytest_streamval.errors import TelemetryConflictError, UnexpectedSpansError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from opentelemetry.context import Context
    from opentelemetry.sdk.metrics.export import NumberDataPoint
    from opentelemetry.sdk.trace import ReadableSpan, Span

_SINCE_THE_LAST: dict[type, AggregationTemporality] = dict.fromkeys((Counter, Histogram), AggregationTemporality.DELTA)


@dataclass(frozen=True, slots=True)
class Measured:
    """What one instrument measured under one set of attributes."""

    attributes: Mapping[str, Any]
    """What the measurements are labelled with."""
    total: float
    """The sum of the measurements; of a gauge the last one."""
    count: int | None = None
    """How many measurements a histogram has; None of anything else."""
    low: float | None = None
    """The lowest of them."""
    high: float | None = None
    """The highest of them."""

    @classmethod
    def of(cls, point: NumberDataPoint | HistogramDataPoint) -> Measured:
        """Return what the SDK says was measured."""
        attributes = dict(point.attributes or {})
        if isinstance(point, HistogramDataPoint):
            return cls(attributes, point.sum, point.count, point.min, point.max)
        return cls(attributes, point.value)

    def and_then(self, later: Measured) -> Measured:
        """Return what was measured before and later."""
        total = self.total + later.total
        if self.count is None or later.count is None:
            return Measured(self.attributes, total)
        ends = [end for each in (self, later) for end in (each.low, each.high) if end is not None]
        count = self.count + later.count
        return Measured(self.attributes, total, count, min(ends, default=None), max(ends, default=None))


class CapturedTelemetry:
    """The spans and measurements of a test: of the runs in it, and of the code under test itself."""

    __test__ = False

    def __init__(self, reader: InMemoryMetricReader) -> None:
        """Begin to capture what a reader brings; what it has read before is of no concern."""
        self._reader = reader
        self._open: dict[int, Span] = {}
        self._ended: list[ReadableSpan] = []
        self._measured: dict[str, dict[frozenset[tuple[str, Any]], Measured]] = {}
        reader.get_metrics_data()

    def __repr__(self) -> str:
        ended, still_open = (", ".join(span.name for span in spans) for spans in (self._ended, self.open_spans))
        return f"<CapturedTelemetry of {ended or 'no spans'}{still_open and f'; still open: {still_open}'}>"

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """The spans that have ended, in the order of their ends."""
        return tuple(self._ended)

    @property
    def open_spans(self) -> tuple[Span, ...]:
        """The spans that have not ended yet, in the order of their beginnings."""
        return tuple(self._open.values())

    def span(self, name: str = SPAN) -> ReadableSpan:
        """Return the one span of a name that has ended.

        Raises:
            UnexpectedSpansError: an `AssertionError`; there is none, or more than one.
        """
        found = [span for span in self._ended if span.name == name]
        if len(found) != 1:
            ended, still_open = ([span.name for span in spans] for spans in (self._ended, self.open_spans))
            raise UnexpectedSpansError(name, ended, still_open)
        return found[0]

    @property
    def metrics(self) -> dict[str, tuple[Measured, ...]]:
        """What was measured, by the name of the instrument: one entry for each set of attributes."""
        data = self._reader.get_metrics_data()
        for resource in () if data is None else data.resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    temporality = getattr(metric.data, "aggregation_temporality", None)
                    for point in metric.data.data_points:
                        adds = temporality is AggregationTemporality.DELTA
                        self._note(metric.name, Measured.of(point), adds=adds)  # type: ignore[arg-type]  # no exponential one
        return {name: tuple(points.values()) for name, points in self._measured.items()}

    def _note(self, name: str, measured: Measured, *, adds: bool) -> None:
        """Keep what was measured since the last time, or in all."""
        known = self._measured.setdefault(name, {})
        key = frozenset(measured.attributes.items())
        known[key] = known[key].and_then(measured) if adds and key in known else measured

    def total(self, name: str, attributes: Mapping[str, object] | None = None) -> float:
        """Return the sum of what an instrument measured, 0 where it measured nothing.

        Args:
            name: the instrument's name.
            attributes: add up only what is labelled so; other labels do not matter.
        """
        wanted = dict(attributes or {}).items()
        return sum(each.total for each in self.metrics.get(name, ()) if wanted <= each.attributes.items())


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
        _tapped.append(_joined(meters, "add_metric_reader", _READER) or _set_meters())
    capture = CapturedTelemetry(_READER)
    _captures.append(capture)
    try:
        yield capture
    finally:
        _captures.remove(capture)


def _joined(provider: object, method: str, what: object) -> object | None:
    """Add a processor or a reader to the provider that is set, and return the provider; None where none is set."""
    if is_idle(provider):
        return None
    add = getattr(provider, method, None)
    if add is None:
        raise TelemetryConflictError(f"{type(provider).__module__}.{type(provider).__qualname__}", method)
    add(what)
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
