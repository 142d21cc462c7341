"""The spans and measurements of one test, which the fixture `captured_telemetry` collects for assertions.

This module does not need the SDK of OpenTelemetry, so that its names can always be imported.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_streamval.engine.telemetry.spans import SPAN
from pytest_streamval.errors import unexpected_spans_error

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.sdk.trace import ReadableSpan, Span
    from opentelemetry.trace import SpanKind


@dataclass(frozen=True, slots=True)
class Measured:
    """The measurements of one instrument with one set of attributes."""

    attributes: Mapping[str, Any]
    """The attributes."""
    total: float
    """The sum of the measurements, or the last value of a gauge."""
    count: int | None = None
    """The number of measurements of a histogram, or None for other instruments."""
    low: float | None = None
    """The lowest measurement of a histogram."""
    high: float | None = None
    """The highest measurement of a histogram."""

    @classmethod
    def of(cls, point: Any) -> Measured:  # noqa: ANN401  # the SDK has a class for each kind of point
        """Return the measurements in a data point of the SDK."""
        attributes = dict(point.attributes or {})
        if hasattr(point, "count"):  # a histogram of either kind
            return cls(attributes, point.sum, point.count, point.min, point.max)
        return cls(attributes, point.value)

    def combined_with(self, later: Measured) -> Measured:
        """Return these measurements combined with later ones."""
        total = self.total + later.total
        if self.count is None or later.count is None:
            return Measured(self.attributes, total)
        ends = [end for each in (self, later) for end in (each.low, each.high) if end is not None]
        count = self.count + later.count
        return Measured(self.attributes, total, count, min(ends, default=None), max(ends, default=None))


class CapturedTelemetry:
    """The spans and measurements of a test, from its runs and from the code under test."""

    __test__ = False

    def __init__(self, collect: Callable[[], None]) -> None:
        """Create an empty capture.

        Args:
            collect: Adds the measurements since its last call to all captures.
        """
        self._collect = collect
        self._open: dict[int, Span] = {}
        self._ended: list[ReadableSpan] = []
        self._measured: dict[str, dict[frozenset[tuple[str, Any]], Measured]] = {}

    def __repr__(self) -> str:
        ended, still_open = (", ".join(span.name for span in spans) for spans in (self._ended, self.open_spans))
        return f"<CapturedTelemetry of {ended or 'no spans'}{still_open and f'; still open: {still_open}'}>"

    def clear(self) -> None:
        """Forget all spans and measurements so far."""
        self._collect()
        self._open.clear()
        self._ended.clear()
        self._measured.clear()

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """The spans that have ended, in the order of their ends."""
        return tuple(self._ended)

    @property
    def open_spans(self) -> tuple[Span, ...]:
        """The spans that have not ended, in the order of their beginnings."""
        return tuple(self._open.values())

    def span(self, name: str = SPAN, *, kind: SpanKind | None = None) -> ReadableSpan:
        """Return the only ended span with a name.

        Args:
            name: The name, by default that of a run.
            kind: Only spans of this kind count, for example `SpanKind.CLIENT` for the span of a page if the application
                makes a span of the same name.

        Raises:
            CheckFailedError: An `AssertionError`. If there is no such span, or more than one.
        """
        spans = [span for span in self._ended if span.name == name and kind in {None, span.kind}]
        if len(spans) != 1:
            wanted = name if kind is None else f"{name} ({kind.name})"
            ended, still_open = (
                [each.name if kind is None else f"{each.name} ({each.kind.name})" for each in spans]
                for spans in (self._ended, self.open_spans)
            )
            raise unexpected_spans_error(wanted, ended, still_open)
        return spans[0]

    @property
    def metrics(self) -> dict[str, tuple[Measured, ...]]:
        """The measurements by the name of the instrument, with one entry for each set of attributes."""
        self._collect()
        return {name: tuple(points.values()) for name, points in self._measured.items()}

    def _add(self, name: str, measured: Measured, *, is_sum: bool) -> None:
        """Add new measurements. The last value of a gauge replaces the previous one."""
        known = self._measured.setdefault(name, {})
        key = frozenset(measured.attributes.items())
        known[key] = known[key].combined_with(measured) if is_sum and key in known else measured

    def total(self, name: str, attributes: Mapping[str, object] | None = None) -> float:
        """Return the sum of an instrument's measurements, or 0 if there are none.

        Args:
            name: The instrument's name.
            attributes: Only measurements that have these attributes are added. They may have others too.
        """
        wanted = dict(attributes or {}).items()
        return sum(each.total for each in self.metrics.get(name, ()) if wanted <= each.attributes.items())
