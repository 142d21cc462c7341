"""The OpenTelemetry instruments that measure runs and generations."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from opentelemetry.metrics import Counter, Histogram, MeterProvider

SCOPE = "pytest_streamval"
"""The name of the instrumentation scope of all spans and measurements."""

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
_CHECK_SECONDS = (0.00001, 0.0001, *_SECONDS[:-3])
_DELTAS = (0, 1, 2, 5, 10, 15, 20, 40)
# The boundaries that the conventions for generative AI name.
_OPERATION_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
# The boundaries that the conventions for HTTP name.
_REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_TOKENS = tuple(4.0**power for power in range(14))


class Instruments(NamedTuple):
    """The instruments that measure runs and generations."""

    checks: Counter
    failures: Counter
    outcomes: Counter
    errors: Counter
    first_delta: Histogram
    first_chunk: Histogram
    validation: Histogram
    sent_after_failure: Histogram
    duration: Histogram
    tokens: Histogram
    first_provider_chunk: Histogram
    request_duration: Histogram
    first_read: Histogram

    @classmethod
    def of(cls, provider: MeterProvider, version: str) -> Instruments:
        """Create the instruments of a provider."""
        meter = provider.get_meter(SCOPE, version)
        count = meter.create_counter

        def measure(name: str, unit: str, description: str, boundaries: tuple[float, ...]) -> Histogram:
            return meter.create_histogram(name, unit, description, explicit_bucket_boundaries_advisory=boundaries)

        return cls(
            count("streamval.requirement.checks", "{check}", "Results of requirements on chunks and complete outputs"),
            count("streamval.requirement.failures", "{failure}", "Results of requirements that were a fail"),
            count("streamval.outcomes", "{run}", "Runs that have ended, by their outcome"),
            count("streamval.errors", "{error}", "Errors that ended a run"),
            measure("streamval.time_to_first_delta", "s", "From the request to the first delta", _SECONDS),
            measure(
                "streamval.time_to_first_chunk", "s", "From the request to the release of the first chunk", _SECONDS
            ),
            measure(
                "streamval.chunk.validation.duration",
                "s",
                "The time that a chunk waited for its checks",
                _CHECK_SECONDS,
            ),
            measure(
                "streamval.deltas_after_failure",
                "{delta}",
                "Deltas that the producer had sent and the run had not read when a failed chunk stopped it",
                _DELTAS,
            ),
            measure("gen_ai.client.operation.duration", "s", "GenAI operation duration.", _OPERATION_SECONDS),
            measure("gen_ai.client.token.usage", "{token}", "Number of input and output tokens used.", _TOKENS),
            measure(
                "gen_ai.client.operation.time_to_first_chunk",
                "s",
                "From the request to the first chunk of a streamed response, which is a delta here",
                _OPERATION_SECONDS,
            ),
            measure("http.client.request.duration", "s", "Duration of HTTP client requests.", _REQUEST_SECONDS),
            measure("streamval.page.time_to_first_read", "s", "From a request to its first read", _SECONDS),
        )
