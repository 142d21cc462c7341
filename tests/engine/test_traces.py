"""One trace for the processes of a run."""

from __future__ import annotations

import sys
from contextvars import copy_context
from typing import TYPE_CHECKING

from opentelemetry import context, trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from pytest_streamval.engine.telemetry.traces import continue_trace, hand_trace_on

if TYPE_CHECKING:
    import pytest


def enter(trace_id: int) -> None:
    """Make a span the current one."""
    span = SpanContext(trace_id, 2, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    context.attach(trace.set_span_in_context(NonRecordingSpan(span)))


def told(*, trace_id: int | None = None) -> dict[str, object]:
    """Return the input of a worker, with or without a current span."""

    def tell() -> dict[str, object]:
        if trace_id is not None:
            enter(trace_id)
        workerinput: dict[str, object] = {}
        hand_trace_on(workerinput)
        return workerinput

    return copy_context().run(tell)


def continued(workerinput: dict[str, object], *, own: int | None = None) -> int:
    """Return the trace of a worker with the given input, which may have its own trace already."""

    def run() -> int:
        if own is not None:
            enter(own)
        continue_trace(workerinput)
        return trace.get_current_span().get_span_context().trace_id

    return copy_context().run(run)


def test_a_worker_continues_the_trace_of_the_controller() -> None:
    assert continued(told(trace_id=7)) == 7


def test_a_worker_that_has_begun_a_trace_keeps_it() -> None:
    assert continued(told(trace_id=7), own=8) == 8


def test_a_worker_receives_nothing_without_a_trace() -> None:
    assert told() == {}
    assert continued({}) == 0


def test_traces_do_not_import_opentelemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "opentelemetry.trace")
    assert told(trace_id=None) == {}
    assert "opentelemetry.trace" not in sys.modules
