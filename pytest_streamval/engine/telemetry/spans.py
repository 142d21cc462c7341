"""Telemetry: what tells OpenTelemetry of runs, as one span and some measurements each.

It works where the program has set a tracer provider or a meter provider, and costs nothing anywhere else. Attributes
have the names of OpenTelemetry's semantic conventions for generative AI where these have one, and begin with
`streamval.` elsewhere. No text of a model is in any of them.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from bisect import bisect
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, cast

from pytest_streamval.engine.events import (
    ChunkEvent,
    CompletedEvent,
    ErrorEvent,
    FullValidationEvent,
    QuickCheckEvent,
    RetryEvent,
    StreamEvent,
    StreamingDoneEvent,
)
from pytest_streamval.engine.observer import Observer
from pytest_streamval.engine.telemetry.instruments import SCOPE, Instruments
from pytest_streamval.model import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Span, Tracer, TracerProvider
    from opentelemetry.util.types import AttributeValue

    from pytest_streamval.engine.requirement import PartialValidationResult, Requirement, ValidationResult
    from pytest_streamval.engine.run import Run

    Attributes: TypeAlias = dict[str, AttributeValue]

_Round: TypeAlias = QuickCheckEvent | FullValidationEvent
_ROUNDS = {QuickCheckEvent, FullValidationEvent}

SPAN = "stream_with_chunking"
"""The name of a run's span, and what its outcome is labelled with."""

_NAMES: dict[type[StreamEvent], str] = {
    ChunkEvent: "chunk",
    QuickCheckEvent: "quick_check",
    StreamingDoneEvent: "streaming_done",
    FullValidationEvent: "full_validation",
    RetryEvent: "retry",
    CompletedEvent: "completed",
    ErrorEvent: "exception",
}
_TRACE, _METRICS = "opentelemetry.trace", "opentelemetry.metrics"  # imported by whoever sets a provider
_EVENTS = 64  # of a span, unless the variable below, by which SDKs go too, says otherwise
_EVENTS_VARIABLE = "OTEL_SPAN_EVENT_COUNT_LIMIT"
_LATENCIES = 32  # of a run: to record one costs an SDK as much as three tokens cost the engine
_WELL_KNOWN = {"gemini": "gcp.gemini", "mistral": "mistral_ai", "xai": "x_ai"}  # as the conventions call providers


class _Ways(NamedTuple):
    """Where telemetry goes: made once for the providers that are set."""

    tracers: TracerProvider | None
    meters: MeterProvider | None
    tracer: Tracer | None
    instruments: Instruments | None


_ways: _Ways | None = None


def telemetry() -> Telemetry | None:
    """Return what tells OpenTelemetry of one run; None where no provider is set."""
    global _ways  # noqa: PLW0603  # SDKs make tracers and instruments slowly, and a run takes milliseconds
    trace, metrics = sys.modules.get(_TRACE), sys.modules.get(_METRICS)
    tracers = None if trace is None else trace.get_tracer_provider()
    meters = None if metrics is None else metrics.get_meter_provider()
    if is_idle(tracers) and is_idle(meters):
        return None
    if _ways is None or _ways.tracers is not tracers or _ways.meters is not meters:
        _ways = _ways_to(tracers, meters)
    return Telemetry(_ways.tracer, _ways.instruments)  # type: ignore[abstract]  # what it leaves out is to do nothing


def is_idle(provider: object) -> bool:
    """Return whether a provider is none, or one of the API's own, which stand where none is set and do nothing."""
    return provider is None or type(provider).__module__.startswith((_TRACE, _METRICS))


def _ways_to(tracers: TracerProvider | None, meters: MeterProvider | None) -> _Ways:
    from importlib.metadata import version

    release = version("pytest-streamval")
    return _Ways(
        tracers,
        meters,
        None if tracers is None or is_idle(tracers) else tracers.get_tracer(SCOPE, release),
        None if meters is None or is_idle(meters) else Instruments.of(meters, release),
    )


def set_span_status_error(span: Span | None, description: str) -> None:
    """Mark a span as failed without recording an exception: for a verdict, which is none.

    Args:
        span: the span; None, where there is no telemetry, and nothing happens.
        description: what failed, for whoever reads the trace.
    """
    if span is None:
        return
    from opentelemetry.trace import Status, StatusCode

    span.set_status(Status(StatusCode.ERROR, description))


class Telemetry(Observer):
    """Tells OpenTelemetry of one run.

    While the run goes on it only notes when deltas came; the rest is done at the end. Of a long run a part of the
    events and of the latencies stands for all: an SDK takes longer for each of them than the engine for a chunk.
    """

    def __init__(self, tracer: Tracer | None, instruments: Instruments | None) -> None:
        """Make an observer of one run.

        Args:
            tracer: makes its span, if there is to be one.
            instruments: measure it, if it is to be measured.
        """
        self._tracer = tracer
        self._instruments = instruments
        self._span: Span | None = None
        self._reads: list[float] = []  # when deltas came, by the clock of the events
        self._unread = 0

    def started(self, run: Run) -> None:
        """Open the span, as the current one of the run's task: it is the parent of what validators open."""
        self._output = run.thunk  # not the run, which refers to its observers
        self._requested = time.time() - run.thunk.age
        if self._tracer is None:
            return
        from opentelemetry import context, trace

        self._span = self._tracer.start_span(SPAN, attributes=_known_at_the_start(run))
        context.attach(trace.set_span_in_context(self._span))  # the context ends with the task, and needs no detaching

    def deltas(self, texts: Sequence[str]) -> None:  # noqa: ARG002  # only the time counts
        """Note when the run got something to judge."""
        self._reads.append(time.time())

    def cancelled(self, reason: str) -> None:  # noqa: ARG002  # the last events say why
        """Note how far ahead the producer is."""
        self._unread = self._output.deltas_unread

    def ended(self, run: Run) -> None:
        """Measure the run and close its span."""
        try:
            story = _Story(run, self._reads)
            if self._instruments is not None:
                self._measure(story, self._instruments)
            if self._span is not None and self._span.is_recording():
                self._describe(story, self._span)
        finally:
            if self._span is not None:
                self._span.end()

    def _measure(self, story: _Story, instruments: Instruments) -> None:
        run, model = story.run, _model(story.run)
        for counter, counted in ((instruments.checks, story.checks()), (instruments.failures, story.failures())):
            for requirement, count in counted.items():
                counter.add(count, {"streamval.requirement": requirement})
        instruments.outcomes.add(1, {"streamval.operation": SPAN, "streamval.outcome": story.outcome})
        if story.error is not None:
            instruments.errors.add(1, {"error.type": story.error.exception_type})
        if run.thunk.generation.ttfb_ms is not None:
            instruments.first_delta.record(run.thunk.generation.ttfb_ms / 1000, model)
        if (released := story.first_release()) is not None:
            instruments.first_chunk.record(released - self._requested, model)
        for latency in story.latencies():
            instruments.validation.record(latency)
        if run.streaming_failures:
            instruments.sent_after_failure.record(self._unread, model)

    def _describe(self, story: _Story, span: Span) -> None:
        run = story.run
        span.set_attributes(_known_at_the_end(story))
        if run.streaming_failures:
            span.set_attribute("streamval.deltas_after_failure", self._unread)
        _record_events(span, run)
        if story.error is not None:
            span.set_attribute("error.type", story.error.exception_type)
            set_span_status_error(span, f"{story.error.exception_type}: {story.error.detail}")
        elif story.outcome == "stopped":
            set_span_status_error(span, _blamed(*run.streaming_failures[0], "a chunk"))
        elif story.outcome == "invalid":
            verdicts = zip(run.judges.requirements, run.final_validations, strict=True)
            set_span_status_error(span, _blamed(*next(pair for pair in verdicts if not pair[1]), "the output"))


def _blamed(requirement: Requirement, result: PartialValidationResult | ValidationResult, what: str) -> str:
    return f"{requirement.name} failed {what}: {result.reason or 'no reason given'}"


class _Story:
    """What a run comes to."""

    def __init__(self, run: Run, reads: Sequence[float]) -> None:
        """Look at a run that is over.

        Args:
            run: the run.
            reads: when it took deltas, by the clock of its events.
        """
        self.run = run
        self.error = next((event for event in run.history[-2:-1] if isinstance(event, ErrorEvent)), None)
        """The event of the error that ended the run, which stands before the last one."""
        self._reads = reads
        self._rounds = [at for at, event in enumerate(run.history) if event.__class__ in _ROUNDS]

    def checks(self) -> Counter[str]:
        """Count the verdicts, by the class of their requirement."""
        checks: Counter[str] = Counter()
        for requirement in self.run.judges.requirements:
            checks[type(requirement).__name__] += len(self._rounds)
        return +checks

    def failures(self) -> Counter[str]:
        """Count the verdicts that were a fail, by the class of their requirement."""
        history = cast("Sequence[_Round]", self.run.history)
        failed = [event for at in self._rounds if not (event := history[at]).passed]
        return Counter(name for event in failed for name in _failed(event, self.run.judges.requirements))

    def first_release(self) -> float | None:
        """Return when the first chunk was released, by the clock of the events."""
        return next((event.timestamp for event in self.run.history if isinstance(event, ChunkEvent)), None)

    def latencies(self) -> Iterator[float]:
        """Yield how many seconds chunks waited for their verdicts: each one, or of many some, evenly spread."""
        history = self.run.history
        checks = [at for at in self._rounds if isinstance(history[at], QuickCheckEvent)]
        for at in checks[:: -(-len(checks) // _LATENCIES) or 1]:
            moment = history[at].timestamp
            came = self._reads[bisect(self._reads, moment) - 1]
            before = history[at - 1].timestamp if at else 0.0  # what happened to the chunk before it
            yield moment - max(came, before)

    @property
    def outcome(self) -> str:
        """How the run ended, in one word of five."""
        if self.error is not None:
            return "error"
        if isinstance(self.run.error, asyncio.CancelledError):
            return "cancelled"
        if self.run.streaming_failures:
            return "stopped"
        return "completed" if all(self.run.final_validations) else "invalid"


def _failed(event: _Round, requirements: Sequence[Requirement]) -> list[str]:
    """Return the classes of the requirements that said fail in one round of verdicts."""
    return [
        type(requirement).__name__
        for requirement, result in zip(requirements, event.results, strict=True)
        if result.success in {"fail", False}
    ]


# Attributes


def _model(run: Run) -> Attributes:
    """Return what the conventions want to know of every request."""
    generation = run.thunk.generation
    found: Attributes = {"gen_ai.operation.name": "chat"}
    if generation.provider is not None:
        found["gen_ai.provider.name"] = _WELL_KNOWN.get(generation.provider, generation.provider)
    if generation.model is not None:
        found["gen_ai.request.model"] = generation.model
    return found


def _known_at_the_start(run: Run) -> Attributes:
    requirements = tuple(type(requirement).__name__ for requirement in run.judges.requirements)
    return {**_model(run), "gen_ai.request.stream": True, "streamval.requirements": requirements}


def _known_at_the_end(story: _Story) -> Attributes:
    run, generation = story.run, story.run.thunk.generation
    usage = generation.usage or Usage()
    found: dict[str, AttributeValue | None] = {
        "gen_ai.response.time_to_first_chunk": None if generation.ttfb_ms is None else generation.ttfb_ms / 1000,
        "gen_ai.response.finish_reasons": None if generation.finish_reason is None else (generation.finish_reason,),
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
        "streamval.outcome": story.outcome,
        "streamval.deltas": run.thunk.deltas_read,
        "streamval.chunks": run.chunks_released,
        "streamval.text.length": len(run.full_text),
    }
    return {name: value for name, value in found.items() if value is not None}


# Span events


def _record_events(span: Span, run: Run) -> None:
    """Give the span what happened, at the times when it did; of a long run the beginning and the end."""
    history = run.history
    limit = max(2, int(os.environ.get(_EVENTS_VARIABLE) or _EVENTS))
    left_out = len(history) - limit
    if left_out > 0:
        span.set_attribute("streamval.events_left_out", left_out)
        history = [*history[: limit // 2], *history[limit // 2 - limit :]]
    for event in history:
        moment = int(event.timestamp * 1e9)
        if isinstance(event, ErrorEvent) and type(run.error).__name__ == event.exception_type:
            span.record_exception(run.error, timestamp=moment)  # type: ignore[arg-type]  # not None: it has that name
        else:
            span.add_event(*_described(event, run.judges.requirements), timestamp=moment)


def _described(event: StreamEvent, requirements: Sequence[Requirement]) -> tuple[str, Attributes]:
    """Return the name of a span event and its attributes."""
    found: Attributes = {}
    match event:
        case ChunkEvent(text=text, chunk_index=index):
            found = {"streamval.chunk.index": index, "streamval.chunk.length": len(text)}
        case QuickCheckEvent(chunk_index=index):
            found = {"streamval.chunk.index": index, **_verdict(event, requirements)}
        case StreamingDoneEvent(full_text=text):
            found = {"streamval.text.length": len(text)}
        case FullValidationEvent():
            found = _verdict(event, requirements)
        case CompletedEvent(success=success, full_text=text):
            found = {"streamval.success": success, "streamval.text.length": len(text)}
        case RetryEvent(attempt=attempt):
            found = {"streamval.attempt": attempt}
        case _:  # of a clean-up that failed only what it said is known
            error = cast("ErrorEvent", event)
            found = {"exception.type": error.exception_type, "exception.message": error.detail}
    return _NAMES[type(event)], found


def _verdict(event: _Round, requirements: Sequence[Requirement]) -> Attributes:
    if event.passed:
        return {"streamval.passed": True}
    return {"streamval.passed": False, "streamval.failed_requirements": tuple(_failed(event, requirements))}
