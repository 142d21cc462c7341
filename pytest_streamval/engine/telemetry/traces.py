"""One trace for a test run with pytest-xdist: spans in workers are children of the controller's current span.

This module needs only the API of OpenTelemetry, and imports it only if the program has imported it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_TRACE = "opentelemetry.trace"
_CARRIER = "streamval_trace"  # the key of the current span, as the program's propagators write it: W3C's, by default


def hand_trace_on(workerinput: dict[str, Any]) -> None:
    """Add the current span, if any, to the input of a worker.

    Args:
        workerinput: The dictionary that pytest-xdist sends to the worker.
    """
    if _TRACE not in sys.modules:
        return
    from opentelemetry import propagate

    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    if carrier:
        workerinput[_CARRIER] = carrier


def continue_trace(workerinput: Mapping[str, Any]) -> None:
    """Make the controller's current span the parent of this worker's spans, unless the worker has its own trace.

    Args:
        workerinput: The dictionary that pytest-xdist has sent.
    """
    if _CARRIER not in workerinput:
        return
    from opentelemetry import context, propagate, trace

    if not trace.get_current_span().get_span_context().is_valid:
        context.attach(propagate.extract(workerinput[_CARRIER]))  # until the process ends, so it is never detached
