"""What OpenTelemetry measures runs with."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from opentelemetry.metrics import Counter, Histogram, MeterProvider

SCOPE = "pytest_streamval"
"""Who measures, and who makes spans."""

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
_CHECK_SECONDS = (0.00001, 0.0001, *_SECONDS[:-3])
_DELTAS = (0, 1, 2, 5, 10, 15, 20, 40)


class Instruments(NamedTuple):
    """What runs are measured with."""

    checks: Counter
    failures: Counter
    outcomes: Counter
    errors: Counter
    first_delta: Histogram
    first_chunk: Histogram
    validation: Histogram
    sent_after_failure: Histogram

    @classmethod
    def of(cls, provider: MeterProvider, version: str) -> Instruments:
        """Make the instruments that a provider reads."""
        meter = provider.get_meter(SCOPE, version)
        count, measure = meter.create_counter, meter.create_histogram
        return cls(
            count("streamval.requirement.checks", "{check}", "Verdicts of requirements, on chunks and whole outputs"),
            count("streamval.requirement.failures", "{failure}", "Those of them that were a fail"),
            count("streamval.outcomes", "{run}", "Runs that are over, by how they ended"),
            count("streamval.errors", "{error}", "Errors that ended a run"),
            measure(
                "streamval.time_to_first_delta",
                "s",
                "From the request to the first delta",
                explicit_bucket_boundaries_advisory=_SECONDS,
            ),
            measure(
                "streamval.time_to_first_chunk",
                "s",
                "From the request to the release of the first chunk",
                explicit_bucket_boundaries_advisory=_SECONDS,
            ),
            measure(
                "streamval.chunk.validation.duration",
                "s",
                "How long a chunk waited for the verdicts on it",
                explicit_bucket_boundaries_advisory=_CHECK_SECONDS,
            ),
            measure(
                "streamval.deltas_after_failure",
                "{delta}",
                "Deltas that the producer had sent and nobody had read when a failing chunk stopped it",
                explicit_bucket_boundaries_advisory=_DELTAS,
            ),
        )
