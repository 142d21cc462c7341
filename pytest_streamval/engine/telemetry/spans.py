"""`Telemetry`: an observer that reports runs to OpenTelemetry, with one span and some measurements for each.

It works if the program has set a tracer provider or a meter provider, and costs nothing otherwise. Attributes have the
names of OpenTelemetry's semantic conventions for generative AI, and begin with `streamval.` if the conventions have
none. They never contain text of a model.
"""

from __future__ import annotations

import asyncio
import os
import time
import weakref
from bisect import bisect
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias, cast

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
from pytest_streamval.engine.telemetry.client_spans import parent_context
from pytest_streamval.engine.telemetry.error_messages import message_without_text
from pytest_streamval.engine.telemetry.exporters import current_exporters
from pytest_streamval.engine.telemetry.generations import request_attributes, response_attributes
from pytest_streamval.engine.telemetry.possible_secrets import may_have_secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import CodeType, TracebackType

    from opentelemetry.trace import Span, Tracer
    from opentelemetry.util.types import AttributeValue

    from pytest_streamval.engine.events import OwnChunk
    from pytest_streamval.engine.requirement import PartialValidationResult, Requirement, ValidationResult
    from pytest_streamval.engine.run_view import RunView
    from pytest_streamval.engine.telemetry.instruments import Instruments

    Attributes: TypeAlias = dict[str, AttributeValue]

_Checked: TypeAlias = QuickCheckEvent | FullValidationEvent

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
_EVENTS = 64  # the limit for a span, unless the variable below sets another, for SDKs too
_EVENTS_VARIABLE = "OTEL_SPAN_EVENT_COUNT_LIMIT"
_LATENCIES = 32  # the limit for a run, because one costs an SDK as much as three tokens cost the engine


def telemetry() -> Telemetry | None:
    """Return an observer of one run, or None if no provider is set."""
    exporters = current_exporters()
    if exporters is None:
        return None
    return Telemetry(exporters.tracer, exporters.instruments)  # type: ignore[abstract]  # the methods that it omits do nothing


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

    @contextmanager
    def requesting(self) -> Iterator[None]:
        """Open the span and make it current during the first request, so that it is the parent of the generation's.

        An error ends the span, because there will be no run.
        """
        if self._tracer is None:
            yield
            return
        from opentelemetry import context, trace

        span = self._span = self._tracer.start_span(SPAN, parent_context())
        token = context.attach(trace.set_span_in_context(span))
        try:
            yield
        except BaseException as error:
            span.set_attribute("streamval.outcome", _outcome_of(error))
            if not isinstance(error, asyncio.CancelledError):
                span.set_attribute("error.type", type(error).__name__)
                set_span_status_error(span, type(error).__name__)
            span.end()
            raise
        finally:
            context.detach(token)

    def started(self, run: RunView) -> None:
        """Make the span current in the run's task, so that it is the parent of the validators' spans."""
        self._run = weakref.ref(run)  # because the run refers to its observers
        self._requested = time.time() - run.thunk.age
        if self._span is None:
            return
        from opentelemetry import context, trace

        self._span.set_attributes(_start_attributes(run))
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
        run, model = summary.run, request_attributes(summary.run.thunk.generation)
        for counter, counted in ((instruments.checks, summary.checks()), (instruments.failures, summary.failures())):
            for requirement, count in counted.items():
                counter.add(count, {"streamval.requirement": requirement})
        instruments.outcomes.add(1, {"streamval.operation": SPAN, "streamval.outcome": summary.outcome})
        if summary.error is not None:
            instruments.errors.add(1, {"error.type": summary.error.exception_type})
        if run.thunk.generation.ttfb_ms is not None:
            instruments.first_delta.record(run.thunk.generation.ttfb_ms / 1000, model)
        if (released := summary.first_release) is not None:
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


def _outcome_of(error: BaseException) -> str:
    return "cancelled" if isinstance(error, asyncio.CancelledError) else "error"


def _failure_text(requirement: Requirement, result: PartialValidationResult | ValidationResult, checked: str) -> str:
    reason = result.reason or "no reason given"
    if may_have_secret(reason):
        reason = "its reason may have a secret"
    return f"{requirement.name} failed {checked}: {reason}"


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
        self._quick: list[int] = []  # the places of the checks of chunks in the history
        self._own: list[OwnChunk] = []  # the chunks of those that only some requirements have checked
        self._full = 0  # validations of a complete output
        self._failed: list[_Checked] = []
        self.first_release: float | None = None
        """The time of the first release, by the clock of the events, or None if nothing was released."""
        self._count(run.history)

    def _count(self, history: Sequence[StreamEvent]) -> None:
        """Go through the history, once, because that of a long run is made again when it is read."""
        for index, event in enumerate(history):
            if isinstance(event, ChunkEvent):
                if self.first_release is None:
                    self.first_release = event.timestamp
                continue
            if isinstance(event, QuickCheckEvent):
                self._quick.append(index)
                if event.own_chunk is not None:
                    self._own.append(event.own_chunk)
            elif isinstance(event, FullValidationEvent):
                self._full += 1
            else:
                continue
            if not event.passed:
                self._failed.append(event)

    def checks(self) -> Counter[str]:
        """Return the number of results by the class of their requirement."""
        checks: Counter[str] = Counter()
        checked = len(self._quick) + self._full
        for position, requirement in enumerate(self.run.requirements):
            other = sum(position not in own.positions for own in self._own)
            checks[type(requirement).__name__] += checked - other
        return +checks

    def failures(self) -> Counter[str]:
        """Return the number of fails by the class of their requirement."""
        return Counter(name for event in self._failed for name in _failed(event, self.run.requirements))

    def latencies(self) -> Iterator[float]:
        """Yield the seconds that chunks waited for their checks, for an even sample of many."""
        history, checks = self.run.history, self._quick
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
            return _outcome_of(self.run.error)
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


def _start_attributes(run: RunView) -> Attributes:
    requirements = tuple(type(requirement).__name__ for requirement in run.requirements)
    return {
        **request_attributes(run.thunk.generation),
        "gen_ai.request.stream": True,
        "streamval.requirements": requirements,
    }


def _end_attributes(summary: _Summary) -> Attributes:
    run, generation = summary.run, summary.run.thunk.generation
    attributes: dict[str, AttributeValue | None] = {
        **response_attributes(generation, generation.usage),
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
