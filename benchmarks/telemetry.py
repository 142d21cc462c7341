"""Print the cost of telemetry for a run: python -m benchmarks.telemetry [ROUNDS].

The same run of 16,000 deltas is measured in turn with telemetry off, as without a provider, and on. Then it uses the
real SDK with a reader of metrics and a processor of spans, which keep them in memory.
"""

from __future__ import annotations

import platform
import sys
import timeit
from functools import partial
from typing import TYPE_CHECKING

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from benchmarks.measure import compare
from benchmarks.workloads import Passing, engine, prose
from pytest_streamval.engine import orchestrator
from pytest_streamval.engine.telemetry import generations, spans
from pytest_streamval.engine.telemetry.exporters import current_exporters

if TYPE_CHECKING:
    from benchmarks.measure import Work

TOKENS = 16_000
ROUNDS = 15
LIMIT = 1.15  # times the run without
CASES = [
    ("sentences, 0 requirements", "sentence", 0),
    ("sentences, 1 requirement", "sentence", 1),
    ("sentences, 4 requirements", "sentence", 4),
    ("paragraphs, 1 requirement", "paragraph", 1),
    ("words, 1 requirement", "word", 1),
    ("words, 4 requirements", "word", 4),
]


def main() -> None:
    """Measure each case, and say whether it keeps the limit."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    print(f"Python {platform.python_version()}, {TOKENS:,} tokens, median of {rounds} rounds\n")
    script = prose(TOKENS)
    print(f"the look for a provider where none is set: {idle():.2f} µs a run")
    set_providers()
    for name, chunking, count in CASES:
        run = partial(engine, script, chunking, [Passing() for _ in range(count)])
        found = compare(run, unobserved(run), rounds=rounds)
        verdict = "within" if found.median <= LIMIT else "ABOVE"
        spread = f"{found.low:.3f}-{found.high:.3f}, {found.seconds * 1e3:.1f} ms"
        print(f"{name:27} {found.median:.3f} times, {verdict} {LIMIT} ({spread})")


def idle() -> float:
    """Return the microseconds in which a run finds that there is no provider."""
    return min(timeit.repeat(orchestrator._telemetry, number=1_000, repeat=ROUNDS)) * 1e3


def set_providers() -> None:
    """Set the providers of a program that keeps its telemetry in memory."""
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(InMemorySpanExporter()))
    trace.set_tracer_provider(tracers)
    metrics.set_meter_provider(MeterProvider([InMemoryMetricReader()]))


def unobserved(run: Work) -> Work:
    """Return the same work without telemetry, as if no provider were set."""

    async def work() -> None:
        spans.current_exporters = generations.current_exporters = lambda: None
        try:
            await run()
        finally:
            spans.current_exporters = generations.current_exporters = current_exporters

    return work


if __name__ == "__main__":
    main()
