"""`Telemetry`: an observer that reports runs to OpenTelemetry, with one span and some measurements for each.

It works if the program has set a tracer provider or a meter provider, and costs nothing otherwise. Attributes have the
names of OpenTelemetry's semantic conventions for generative AI, and begin with `streamval.` if the conventions have
none. They never contain text of a model.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
import weakref
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
from pytest_streamval.engine.telemetry.error_messages import message_without_text
from pytest_streamval.engine.telemetry.instruments import SCOPE, Instruments
from pytest_streamval.model import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import CodeType, TracebackType

    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Span, Tracer, TracerProvider
    from opentelemetry.util.types import AttributeValue

    from pytest_streamval.engine.requirement import PartialValidationResult, Requirement, ValidationResult
    from pytest_streamval.engine.run_view import RunView

    Attributes: TypeAlias = dict[str, AttributeValue]

_Checked: TypeAlias = QuickCheckEvent | FullValidationEvent
_CHECKED = {QuickCheckEvent, FullValidationEvent}

SPAN = "stream_with_chunking"
"""The name of a run's span, and the label of its outcome."""

_NAMES: dict[type[StreamEvent], str] = {
    ChunkEvent: "chunk",
    QuickCheckEvent: "quick_check",
    StreamingDoneEvent: "streaming_done",
    FullValidationEvent: "full_validation",
    RetryEvent: "retry",
    CompletedEvent: "completed",
    ErrorEvent: "exception",
}
_TRACE, _METRICS = "opentelemetry.trace", "opentelemetry.metrics"  # the modules that set a provider
_EVENTS = 64  # the limit for a span, unless the variable below sets another, for SDKs too
_EVENTS_VARIABLE = "OTEL_SPAN_EVENT_COUNT_LIMIT"
_LATENCIES = 32  # the limit for a run, because one costs an SDK as much as three tokens cost the engine
_PROVIDER_NAMES = {"gemini": "gcp.gemini", "mistral": "mistral_ai", "xai": "x_ai"}  # the names of the conventions


class _Exporters(NamedTuple):
    """The tracer and the instruments, which are created once for the providers that are set."""

    tracers: TracerProvider | None
    meters: MeterProvider | None
    tracer: Tracer | None
    instruments: Instruments | None


_exporters: _Exporters | None = None


def telemetry() -> Telemetry | None:
    """Return an observer of one run, or None if no provider is set."""
    global _exporters  # noqa: PLW0603  # SDKs create tracers and instruments slowly
    trace, metrics = sys.modules.get(_TRACE), sys.modules.get(_METRICS)
    tracers = None if trace is None else trace.get_tracer_provider()
    meters = None if metrics is None else metrics.get_meter_provider()
    if is_idle(tracers) and is_idle(meters):
        return None
    if _exporters is None or _exporters.tracers is not tracers or _exporters.meters is not meters:
        _exporters = _exporters_of(tracers, meters)
    return Telemetry(_exporters.tracer, _exporters.instruments)  # type: ignore[abstract]  # the methods that it omits do nothing


def is_idle(provider: object) -> bool:
    """Return whether a provider is None or a placeholder of the API, which does nothing."""
    return provider is None or type(provider).__module__.startswith((_TRACE, _METRICS))


def _exporters_of(tracers: TracerProvider | None, meters: MeterProvider | None) -> _Exporters:
    from importlib.metadata import version

    release = version("pytest-streamval")
    return _Exporters(
        tracers,
        meters,
        None if tracers is None or is_idle(tracers) else tracers.get_tracer(SCOPE, release),
        None if meters is None or is_idle(meters) else Instruments.of(meters, release),
    )


def set_span_status_error(span: Span | None, description: str) -> None:
    """Mark a span as failed without recording an exception, for example because of a failed requirement.

    Args:
        span: The span. None has no effect, so that callers need no check for telemetry.
        description: The reason, for the reader of the trace.
    """
    if span is None:
        return
    from opentelemetry.trace import Status, StatusCode

    span.set_status(Status(StatusCode.ERROR, description))


class Telemetry(Observer):
    """An observer that reports one run to OpenTelemetry.

    During the run it only records the times of deltas, and the rest is done at the end. Of a long run it reports a
    sample of the events and latencies, because an SDK takes longer for each than the engine for a chunk.
    """

    def __init__(self, tracer: Tracer | None, instruments: Instruments | None) -> None:
        """Create an observer of one run.

        Args:
            tracer: The tracer of its span, or None for no span.
            instruments: The instruments that measure it, or None for no measurements.
        """
        self._tracer = tracer
        self._instruments = instruments
        self._span: Span | None = None
        self._reads: list[float] = []  # the times of deltas, by the clock of the events
        self._unread = 0

    def started(self, run: RunView) -> None:
        """Open the span and make it current in the run's task, so that it is the parent of the validators' spans."""
        self._run = weakref.ref(run)  # because the run refers to its observers
        self._requested = time.time() - run.thunk.age
        if self._tracer is None:
            return
        from opentelemetry import context, trace

        self._span = self._tracer.start_span(SPAN, attributes=_start_attributes(run))
        context.attach(trace.set_span_in_context(self._span))  # the context ends with the task, so it is never detached

    def deltas(self, texts: Sequence[str]) -> None:  # noqa: ARG002  # only the time counts
        """Record the time of deltas."""
        self._reads.append(time.time())

    def cancelled(self, reason: str) -> None:  # noqa: ARG002  # the last events say why
        """Record the number of deltas that the producer has sent ahead."""
        self._unread = cast("RunView", self._run()).thunk.deltas_unread

    def ended(self, run: RunView) -> None:
        """Measure the run and close its span."""
        try:
            summary = _Summary(run, self._reads)
            if self._instruments is not None:
                self._measure(summary, self._instruments)
            if self._span is not None and self._span.is_recording():
                self._set_attributes(summary, self._span)
        finally:
            if self._span is not None:
                self._span.end()

    def _measure(self, summary: _Summary, instruments: Instruments) -> None:
        run, model = summary.run, _request_attributes(summary.run)
        for counter, counted in ((instruments.checks, summary.checks()), (instruments.failures, summary.failures())):
            for requirement, count in counted.items():
                counter.add(count, {"streamval.requirement": requirement})
        instruments.outcomes.add(1, {"streamval.operation": SPAN, "streamval.outcome": summary.outcome})
        if summary.error is not None:
            instruments.errors.add(1, {"error.type": summary.error.exception_type})
        if run.thunk.generation.ttfb_ms is not None:
            instruments.first_delta.record(run.thunk.generation.ttfb_ms / 1000, model)
        if (released := summary.first_release()) is not None:
            instruments.first_chunk.record(released - self._requested, model)
        for latency in summary.latencies():
            instruments.validation.record(latency)
        if run.streaming_failures:
            instruments.sent_after_failure.record(self._unread, model)

    def _set_attributes(self, summary: _Summary, span: Span) -> None:
        run = summary.run
        span.set_attributes(_end_attributes(summary))
        if run.streaming_failures:
            span.set_attribute("streamval.deltas_after_failure", self._unread)
        _record_events(span, run)
        if summary.error is not None:
            span.set_attribute("error.type", summary.error.exception_type)
            message = message_without_text(summary.error.exception_type, summary.error.detail, run)
            set_span_status_error(span, f"{summary.error.exception_type}: {message}".rstrip(": "))
        elif summary.outcome == "stopped":
            checked = "the output" if run.final_validations else "a chunk"
            set_span_status_error(span, _failure_text(*run.attempts[-1].failures[0], checked))
        elif summary.outcome == "invalid":
            verdicts = zip(run.requirements, run.final_validations, strict=True)
            set_span_status_error(span, _failure_text(*next(pair for pair in verdicts if not pair[1]), "the output"))


def _failure_text(requirement: Requirement, result: PartialValidationResult | ValidationResult, checked: str) -> str:
    return f"{requirement.name} failed {checked}: {result.reason or 'no reason given'}"


class _Summary:
    """The values to report about a run that has ended."""

    def __init__(self, run: RunView, reads: Sequence[float]) -> None:
        """Create a summary.

        Args:
            run: The run.
            reads: The times of its deltas, by the clock of its events.
        """
        self.run = run
        self.error = next((event for event in run.history[-2:-1] if isinstance(event, ErrorEvent)), None)
        """The event of the error that ended the run, which is the last but one."""
        self._reads = reads
        self._checked = [index for index, event in enumerate(run.history) if event.__class__ in _CHECKED]

    def checks(self) -> Counter[str]:
        """Return the number of results by the class of their requirement."""
        checks: Counter[str] = Counter()
        history = self.run.history
        own = [event.own_chunk for index in self._checked if isinstance(event := history[index], QuickCheckEvent)]
        for position, requirement in enumerate(self.run.requirements):
            other = sum(each is not None and position not in each.positions for each in own)
            checks[type(requirement).__name__] += len(self._checked) - other
        return +checks

    def failures(self) -> Counter[str]:
        """Return the number of fails by the class of their requirement."""
        history = cast("Sequence[_Checked]", self.run.history)
        failed = [event for index in self._checked if not (event := history[index]).passed]
        return Counter(name for event in failed for name in _failed(event, self.run.requirements))

    def first_release(self) -> float | None:
        """Return the time of the first release, by the clock of the events."""
        return next((event.timestamp for event in self.run.history if isinstance(event, ChunkEvent)), None)

    def latencies(self) -> Iterator[float]:
        """Yield the seconds that chunks waited for their checks, for an even sample of many."""
        history = self.run.history
        checks = [index for index in self._checked if isinstance(history[index], QuickCheckEvent)]
        for index in checks[:: -(-len(checks) // _LATENCIES) or 1]:
            end = history[index].timestamp
            read = self._reads[bisect(self._reads, end) - 1]
            previous = history[index - 1].timestamp if index else 0.0  # the release of the chunk before it
            yield end - max(read, previous)

    @property
    def outcome(self) -> str:
        """How the run ended: error, cancelled, stopped, completed or invalid."""
        if self.error is not None:
            return "error"
        if isinstance(self.run.error, asyncio.CancelledError):
            return "cancelled"
        if self.run.streaming_failures:
            return "stopped"
        return "completed" if all(self.run.final_validations) else "invalid"


def _failed(event: _Checked, requirements: Sequence[Requirement]) -> list[str]:
    """Return the class names of the requirements that failed one check."""
    return [
        type(requirement).__name__
        for requirement, result in zip(requirements, event.results, strict=True)
        if result.success in {"fail", False}
    ]


# Attributes


def _request_attributes(run: RunView) -> Attributes:
    """Return the attributes that the conventions define for every request."""
    generation = run.thunk.generation
    attributes: Attributes = {"gen_ai.operation.name": "chat"}
    if generation.provider is not None:
        attributes["gen_ai.provider.name"] = _PROVIDER_NAMES.get(generation.provider, generation.provider)
    if generation.model is not None:
        attributes["gen_ai.request.model"] = generation.model
    return attributes


def _start_attributes(run: RunView) -> Attributes:
    requirements = tuple(type(requirement).__name__ for requirement in run.requirements)
    return {**_request_attributes(run), "gen_ai.request.stream": True, "streamval.requirements": requirements}


def _end_attributes(summary: _Summary) -> Attributes:
    run, generation = summary.run, summary.run.thunk.generation
    usage = generation.usage or Usage()
    attributes: dict[str, AttributeValue | None] = {
        "gen_ai.response.time_to_first_chunk": None if generation.ttfb_ms is None else generation.ttfb_ms / 1000,
        "gen_ai.response.finish_reasons": None if generation.finish_reason is None else (generation.finish_reason,),
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
        "streamval.outcome": summary.outcome,
        "streamval.deltas": run.thunk.deltas_read,
        "streamval.chunks": run.chunks_released,
        "streamval.text.length": len(run.full_text),
        "streamval.deviations": tuple(dict.fromkeys(each.kind for each in generation.deviations)) or None,
        "streamval.attempts": len(run.attempts) if len(run.attempts) > 1 else None,
    }
    return {name: value for name, value in attributes.items() if value is not None}


# Span events


def _record_events(span: Span, run: RunView) -> None:
    """Add the events to the span with their times, or only the first and last events of a long run."""
    history = run.history
    limit = max(2, int(os.environ.get(_EVENTS_VARIABLE) or _EVENTS))
    left_out = len(history) - limit
    if left_out > 0:
        span.set_attribute("streamval.events_left_out", left_out)
        history = [*history[: limit // 2], *history[limit // 2 - limit :]]
    for event in history:
        moment = int(event.timestamp * 1e9)
        name, attributes = _span_event(event, run.requirements)
        if isinstance(event, ErrorEvent):
            attributes |= _error_attributes(event, run)
        span.add_event(name, attributes, timestamp=moment)


def _error_attributes(event: ErrorEvent, run: RunView) -> Attributes:
    """Return the attributes of an error. Of the error of a clean-up, only the message is known."""
    attributes: Attributes = {"exception.type": event.exception_type}
    if message := message_without_text(event.exception_type, event.detail, run):
        attributes["exception.message"] = message
    if type(run.error).__name__ == event.exception_type:
        attributes["exception.stacktrace"] = _frames(run.error)
    return attributes


def _frames(error: BaseException | None) -> str:
    """Return the frames of an error, without its message and without lines of code, which may have text."""
    trace = None if error is None else error.__traceback__
    frames = (f'  File "{code.co_filename}", line {line}, in {code.co_name}' for code, line in _codes(trace))
    return "\n".join(["Traceback (most recent call last):", *frames])


def _codes(trace: TracebackType | None) -> Iterator[tuple[CodeType, int]]:
    while trace is not None:
        yield trace.tb_frame.f_code, trace.tb_lineno
        trace = trace.tb_next


def _span_event(event: StreamEvent, requirements: Sequence[Requirement]) -> tuple[str, Attributes]:
    """Return the name of a span event and its attributes."""
    attributes: Attributes = {}
    match event:
        case ChunkEvent(text=text, chunk_index=index):
            attributes = {"streamval.chunk.index": index, "streamval.chunk.length": len(text)}
            if event.replaced:
                attributes["streamval.chunk.replaced"] = True
            if event.held_chunks:
                attributes["streamval.chunk.held_chunks"] = event.held_chunks
                attributes["streamval.chunk.held_seconds"] = event.held_seconds
        case QuickCheckEvent(chunk_index=index):
            attributes = {"streamval.chunk.index": index, **_result_attributes(event, requirements)}
        case StreamingDoneEvent(full_text=text):
            attributes = {"streamval.text.length": len(text)}
        case FullValidationEvent():
            attributes = _result_attributes(event, requirements)
        case CompletedEvent(success=success, full_text=text):
            attributes = {"streamval.success": success, "streamval.text.length": len(text)}
        case RetryEvent(attempt=attempt):
            attributes = {"streamval.attempt": attempt}
    return _NAMES[type(event)], attributes


def _result_attributes(event: _Checked, requirements: Sequence[Requirement]) -> Attributes:
    if event.passed:
        return {"streamval.passed": True}
    return {"streamval.passed": False, "streamval.failed_requirements": tuple(_failed(event, requirements))}
