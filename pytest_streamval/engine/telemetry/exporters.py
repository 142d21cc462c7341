"""`Exporters`: the tracer and the instruments of the providers that the program has set."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

from pytest_streamval.engine.telemetry.instruments import SCOPE, Instruments

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Tracer, TracerProvider

_TRACE, _METRICS = "opentelemetry.trace", "opentelemetry.metrics"  # the modules that set a provider


class Exporters(NamedTuple):
    """The tracer and the instruments, which are created once for the providers that are set."""

    tracers: TracerProvider | None
    """The provider of the tracer."""
    meters: MeterProvider | None
    """The provider of the instruments."""
    tracer: Tracer | None
    """The tracer, or None if no provider of tracers is set."""
    instruments: Instruments | None
    """The instruments, or None if no provider of meters is set."""


_exporters: Exporters | None = None


def current_exporters() -> Exporters | None:
    """Return the exporters of the providers that are set, or None if there are none."""
    global _exporters  # noqa: PLW0603  # SDKs create tracers and instruments slowly
    trace, metrics = sys.modules.get(_TRACE), sys.modules.get(_METRICS)
    tracers = None if trace is None else trace.get_tracer_provider()
    meters = None if metrics is None else metrics.get_meter_provider()
    if is_idle(tracers) and is_idle(meters):
        return None
    if _exporters is None or _exporters.tracers is not tracers or _exporters.meters is not meters:
        _exporters = _exporters_of(tracers, meters)
    return _exporters


def is_idle(provider: object) -> bool:
    """Return whether a provider is None or a placeholder of the API, which does nothing."""
    return provider is None or type(provider).__module__.startswith((_TRACE, _METRICS))


def _exporters_of(tracers: TracerProvider | None, meters: MeterProvider | None) -> Exporters:
    from importlib.metadata import version

    release = version("pytest-streamval")
    return Exporters(
        tracers,
        meters,
        None if tracers is None or is_idle(tracers) else tracers.get_tracer(SCOPE, release),
        None if meters is None or is_idle(meters) else Instruments.of(meters, release),
    )
