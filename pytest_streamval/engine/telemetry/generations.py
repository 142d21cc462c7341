"""`GenerationTelemetry`: reports one generation to OpenTelemetry, with a span and the measurements of the conventions.

The names are those of the semantic conventions for generative AI, version 1.41
(https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/), as `opentelemetry-semantic-conventions` 0.66 has
them. Neither the span nor a measurement has a message of an error, because it may quote the prompt or the answer.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

from pytest_streamval.engine.telemetry.client_spans import parent_context
from pytest_streamval.engine.telemetry.exporters import current_exporters
from pytest_streamval.model import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.trace import Span
    from opentelemetry.util.types import AttributeValue

    from pytest_streamval.engine.output import GenerationMetadata, OutputState
    from pytest_streamval.engine.telemetry.exporters import Exporters
    from pytest_streamval.engine.telemetry.instruments import Instruments

    Attributes: TypeAlias = dict[str, AttributeValue]

logger = logging.getLogger("pytest_streamval")

OPERATION = "chat"
"""The name of the operation, in the conventions' words."""

_PROVIDER_NAMES = {  # the names of the conventions
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "openai-responses": "openai",
    "xai": "x_ai",
}


def request_attributes(known: GenerationMetadata) -> Attributes:
    """Return the attributes that the conventions define for every request."""
    attributes: Attributes = {"gen_ai.operation.name": OPERATION}
    if known.provider is not None:
        attributes["gen_ai.provider.name"] = _PROVIDER_NAMES.get(known.provider, known.provider)
    if known.model is not None:
        attributes["gen_ai.request.model"] = known.model
    return attributes


def response_attributes(known: GenerationMetadata, usage: Usage | None) -> Attributes:
    """Return the attributes that the conventions define for every response."""
    usage = usage or Usage()
    attributes: dict[str, AttributeValue | None] = {
        "gen_ai.response.time_to_first_chunk": None if known.ttfb_ms is None else known.ttfb_ms / 1000,
        "gen_ai.response.finish_reasons": None if known.finish_reason is None else (known.finish_reason,),
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
    }
    return {name: value for name, value in attributes.items() if value is not None}


def observe_generation(output: OutputState) -> GenerationTelemetry | None:
    """Return the telemetry of a generation that begins, or None if no provider is set."""
    exporters = current_exporters()
    return None if exporters is None else GenerationTelemetry(exporters, output)


class GenerationTelemetry:
    """The span and the measurements of one generation. An error in them is logged, and never disturbs the output."""

    __slots__ = ("_instruments", "_received_after", "_span")

    def __init__(self, exporters: Exporters, output: OutputState) -> None:
        """Open the span of a generation. Its start is the creation of the output.

        Args:
            exporters: The tracer and the instruments.
            output: The output. It is not kept, so that it can be dropped.
        """
        self._instruments = exporters.instruments
        self._received_after: float | None = None  # seconds from the creation of the output to the end of the response
        self._span: Span | None = None
        if exporters.tracer is not None:
            from opentelemetry.trace import SpanKind

            self._span = exporters.tracer.start_span(
                _span_name(output.generation),
                parent_context(),
                kind=SpanKind.CLIENT,
                attributes=request_attributes(output.generation),
                start_time=_nanoseconds(time.time() - output.age),
            )

    @contextmanager
    def current(self) -> Iterator[None]:
        """Make the span current, so that it is the parent of the spans of a task that starts meanwhile."""
        if self._span is None:
            yield
            return
        from opentelemetry import context, trace

        token = context.attach(trace.set_span_in_context(self._span))
        try:
            yield
        finally:
            context.detach(token)

    def received(self, output: OutputState) -> None:
        """Note that the response has ended, although the reader has not taken all of it."""
        self._received_after = output.age

    def end(self, output: OutputState, error: BaseException | None) -> None:
        """Measure the generation, and close its span.

        Args:
            output: The output.
            error: The error that ended it, or the reason of its cancellation.
        """
        try:
            self._end(output, None if isinstance(error, asyncio.CancelledError) else error)
        except Exception:
            logger.exception("The telemetry of %r failed; the generation goes on.", output)

    def _end(self, output: OutputState, error: BaseException | None) -> None:
        was_received = self._received_after is not None and not output.cancelled
        seconds = (was_received and self._received_after) or output.age
        try:
            if self._instruments is not None:
                _measure(self._instruments, output, seconds, error)
            if self._span is not None and self._span.is_recording():
                _set_attributes(self._span, output, error)
        finally:
            if self._span is not None:
                self._span.end(_nanoseconds(time.time() - output.age + seconds))


def _span_name(known: GenerationMetadata) -> str:
    return OPERATION if known.model is None else f"{OPERATION} {known.model}"


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)


def _set_attributes(span: Span, output: OutputState, error: BaseException | None) -> None:
    known = output.generation
    outcome = "error" if error is not None else "cancelled" if output.cancelled else "completed"
    span.update_name(_span_name(known))  # the backend may have named the model after the start
    attributes = request_attributes(known) | response_attributes(known, output.latest_usage)
    if known.streaming:
        attributes["gen_ai.request.stream"] = True
    else:
        attributes.pop("gen_ai.response.time_to_first_chunk", None)
    span.set_attributes({**attributes, "streamval.outcome": outcome})
    if error is not None:
        from opentelemetry.trace import Status, StatusCode

        name = type(error).__name__
        span.set_attribute("error.type", name)
        span.set_status(Status(StatusCode.ERROR, name))


def _measure(instruments: Instruments, output: OutputState, seconds: float, error: BaseException | None) -> None:
    known, usage = output.generation, output.latest_usage or Usage()
    request = request_attributes(known)
    instruments.duration.record(seconds, request if error is None else {**request, "error.type": type(error).__name__})
    if known.streaming and known.ttfb_ms is not None:
        instruments.first_provider_chunk.record(known.ttfb_ms / 1000, request)
    for kind, count in (("input", usage.input_tokens), ("output", usage.output_tokens)):
        if count is not None:
            instruments.tokens.record(count, {**request, "gen_ai.token.type": kind})
