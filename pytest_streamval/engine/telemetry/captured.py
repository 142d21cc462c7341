"""The spans and measurements of one test, for its assertions; the fixture `captured_telemetry` fills them.

This module needs no SDK of OpenTelemetry, so that its names can be imported anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_streamval.engine.telemetry.spans import SPAN
from pytest_streamval.errors import unexpected_spans_error

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.sdk.trace import ReadableSpan, Span


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
    def of(cls, point: Any) -> Measured:  # noqa: ANN401  # the SDK has a class for each kind
        """Return the measurements of a data point of the SDK."""
        attributes = dict(point.attributes or {})
        if hasattr(point, "count"):  # of a histogram of either kind
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

    def __init__(self, collect: Callable[[], None]) -> None:
        """Begin to capture.

        Args:
            collect: hands on what was measured since it was last called, to everything that captures.
        """
        self._collect = collect
        self._open: dict[int, Span] = {}
        self._ended: list[ReadableSpan] = []
        self._measured: dict[str, dict[frozenset[tuple[str, Any]], Measured]] = {}

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
            CheckFailedError: an `AssertionError`; there is none, or more than one.
        """
        found = [span for span in self._ended if span.name == name]
        if len(found) != 1:
            ended, still_open = ([span.name for span in spans] for spans in (self._ended, self.open_spans))
            raise unexpected_spans_error(name, ended, still_open)
        return found[0]

    @property
    def metrics(self) -> dict[str, tuple[Measured, ...]]:
        """What was measured, by the name of the instrument: one entry for each set of attributes."""
        self._collect()
        return {name: tuple(points.values()) for name, points in self._measured.items()}

    def _note(self, name: str, measured: Measured, *, adds: bool) -> None:
        """Keep what was measured since the last time; the last value of a gauge replaces the one before."""
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
