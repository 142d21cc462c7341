"""One trace for a run that pytest-xdist spreads over workers: what is current where it was started is so in them.

Only the interface of OpenTelemetry is needed here. It is imported once the program has done so, and not otherwise.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_TRACE = "opentelemetry.trace"
_CARRIER = "streamval_trace"  # what a worker is told, as the program's propagators write it: W3C's, by default


def hand_trace_on(workerinput: dict[str, Any]) -> None:
    """Tell a worker which span is the current one, if there is any.

    Args:
        workerinput: what pytest-xdist sends to the worker.
    """
    if _TRACE not in sys.modules:
        return
    from opentelemetry import propagate

    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    if carrier:
        workerinput[_CARRIER] = carrier


def continue_trace(workerinput: Mapping[str, Any]) -> None:
    """Have spans of this worker be children of the span that was current where the run was started.

    A worker that has begun a trace of its own keeps it.

    Args:
        workerinput: what pytest-xdist has sent.
    """
    if _CARRIER not in workerinput:
        return
    from opentelemetry import context, propagate, trace

    if not trace.get_current_span().get_span_context().is_valid:
        context.attach(propagate.extract(workerinput[_CARRIER]))  # until the process ends, and needs no detaching
