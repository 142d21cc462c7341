"""`ClientSpan`: the span and the duration of a request to an application under test, from the side of its client.

The names are those of the semantic conventions for HTTP, version 1.41
(https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-client-span).
"""

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

from pytest_streamval.engine.telemetry.exporters import current_exporters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from opentelemetry.context import Context
    from opentelemetry.trace import Span
    from opentelemetry.util.types import AttributeValue

    from pytest_streamval.engine.telemetry.exporters import Exporters

    Attributes: TypeAlias = dict[str, AttributeValue]

logger = logging.getLogger("pytest_streamval")

_PAGE = "streamval.page"  # the key of the context of the page that a task serves
_TRACE = "opentelemetry.trace"
# Instrumentations of servers. They make no span of the kind SERVER if another span is current.
_OF_SERVERS = ("opentelemetry.instrumentation.asgi", "opentelemetry.instrumentation.django")

_open: dict[ClientSpan, Callable[[], None]] = {}  # the open spans, and the functions that end them


def parent_context() -> Context | None:
    """Return the context of the page that the running task serves, if no span is current, or None."""
    from opentelemetry import context, trace

    page = context.get_value(_PAGE)
    has_parent = page is None or trace.get_current_span().get_span_context().is_valid
    return None if has_parent else page  # type: ignore[return-value]  # of the key above


def only_page() -> Context | None:
    """Return the context of the only open page, or None if no page is open, or several are."""
    contexts = [span.context for span in (*_open,)[:2]]
    return contexts[0] if len(contexts) == 1 else None


def end_open_spans() -> None:
    """End the spans of all pages that are still open."""
    for end in (*_open.values(),):
        end()


class ClientSpan:
    """The span of one request to an application. An error in it is logged, and never disturbs the request."""

    def __init__(self, exporters: Exporters, name: str, attributes: Attributes, sent: Mapping[str, str]) -> None:
        """Prepare the span. It opens with `start`.

        Args:
            exporters: The tracer and the instruments.
            name: The name of the span.
            attributes: The attributes that are known before the response.
            sent: The headers that the test sends, with names in lower case. They may have a trace.
        """
        self.context: Context | None = None
        """The context in which the span is current."""
        self.headers: dict[str, str] = {}
        """The headers that continue the trace in the application, as the program's propagators write them."""
        self._exporters = exporters
        self._name = name
        self._attributes = attributes
        self._sent = sent
        self._span: Span | None = None
        self._began = 0.0

    @classmethod
    def of(cls, name: str, attributes: Attributes, sent: Mapping[str, str]) -> ClientSpan | None:
        """Return the span of a request, or None if the program has set no provider. The arguments are as above."""
        exporters = current_exporters()
        return None if exporters is None else cls(exporters, name, attributes, sent)

    def start(self, began: float, end: Callable[[], None]) -> None:
        """Open the span. Its parent is the trace that the test sends, or the current span.

        Args:
            began: The time at which the request began.
            end: Calls `end`, if the request is still open when its test ends.
        """
        self._began = began
        _open[self] = end
        if self._exporters.tracer is None:
            return
        from opentelemetry import propagate, trace
        from opentelemetry.trace import SpanKind

        given = propagate.extract(self._sent)
        is_given = trace.get_current_span(given).get_span_context().is_valid
        self._span = self._exporters.tracer.start_span(
            self._name,
            given if is_given else parent_context(),
            SpanKind.CLIENT,
            self._attributes,
            start_time=int(began * 1e9),
        )
        self.context = trace.set_span_in_context(self._span)
        if not is_given and self._span.get_span_context().trace_flags.sampled:
            propagate.inject(self.headers, self.context)

    @contextmanager
    def current(self) -> Iterator[None]:
        """Make the span the parent of the spans of a task that starts meanwhile.

        If the program has loaded an instrumentation of servers, no span is current in the task, so that this makes its
        span as in production. It takes the parent from the headers.
        """
        if self.context is None:
            yield
            return
        from opentelemetry import context, trace

        in_task = context.set_value(_PAGE, self.context, self.context)
        if not sys.modules.keys().isdisjoint(_OF_SERVERS):
            in_task = trace.set_span_in_context(trace.INVALID_SPAN, in_task)
        token = context.attach(in_task)
        try:
            yield
        finally:
            context.detach(token)

    def end(self, ended: float, name: str, attributes: Attributes, failure: str | None) -> None:
        """Measure the request, and close the span. A further call has no effect.

        Args:
            ended: The time at which the response ended for the client.
            name: The name of the span, now that the route of the request is known.
            attributes: The attributes of the response.
            failure: The class of an error, or another word for a failure, or None.
        """
        if _open.pop(self, None) is None:
            return
        try:
            if failure is not None:
                attributes["error.type"] = failure
            self._measure(ended - self._began, attributes)
            if self._span is not None:
                self._close(self._span, ended, name, attributes, failure)
        except Exception:
            logger.exception("The telemetry of %s failed; the request goes on.", self._name)

    def _measure(self, seconds: float, attributes: Attributes) -> None:
        instruments = self._exporters.instruments
        if instruments is None:
            return
        known = self._attributes | attributes
        labels = {label: known[label] for label in _LABELS if label in known}
        instruments.request_duration.record(seconds, labels)
        first = known.get(TIME_TO_FIRST_READ)
        if isinstance(first, float):
            instruments.first_read.record(first, labels)

    def _close(self, span: Span, ended: float, name: str, attributes: Attributes, failure: str | None) -> None:
        from opentelemetry.trace import Status, StatusCode

        try:
            span.update_name(name)
            span.set_attributes(attributes)
            if failure is not None:
                span.set_status(Status(StatusCode.ERROR, failure))
        finally:
            span.end(int(ended * 1e9))


TIME_TO_FIRST_READ = "streamval.page.time_to_first_read"
"""The attribute with the seconds from a request to the first read of its response."""

_LABELS = (  # those of `http.client.request.duration`
    "http.request.method",
    "server.address",
    "server.port",
    "url.scheme",
    "http.response.status_code",
    "error.type",
    "network.protocol.version",
    "network.protocol.name",
)
