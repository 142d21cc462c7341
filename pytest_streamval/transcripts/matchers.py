"""Ready matchers for snapshots: `transcript == event_snapshot(matcher=without_messages)`."""

from __future__ import annotations

import re
from copy import copy
from dataclasses import is_dataclass, replace
from typing import Any, Final

from pytest_streamval.engine.events import (
    ChunkEvent,
    ErrorEvent,
    FullValidationEvent,
    QuickCheckEvent,
    RetryEvent,
    StreamEvent,
)
from pytest_streamval.transcripts.transcript import Transcript

_MASK: Final = "…"
_PLACE: Final = re.compile(r"\Acheck of \d+-\d+ ")


def without_messages(data: Any, path: object = ()) -> Any:  # noqa: ANN401  # as a matcher of syrupy
    """Return an event or an answer with a mask in place of messages: of errors, of verdicts and of retries.

    The classes of errors and the verdicts themselves stay, and so does the text of the model.

    Args:
        data: A part of what is compared. All other values are returned unchanged.
        path: The names of its classes, which have no effect.
    """
    del path
    if isinstance(data, ErrorEvent):
        return _changed_event(data, detail=_MASK)
    if isinstance(data, RetryEvent):
        return _changed_event(data, reason=_MASK)
    if isinstance(data, QuickCheckEvent | FullValidationEvent):
        return _changed_event(data, results=tuple(map(_without_reason, data.results)))
    if isinstance(data, StreamEvent):  # of a council
        parts = {name: getattr(data, name, None) for name in ("answer", "check")}
        return _changed_event(
            data, **{name: without_messages(part) for name, part in parts.items() if part is not None}
        )
    if is_dataclass(data) and hasattr(data, "failed_requirement") and not isinstance(data, type):  # a ModelAnswer
        answer: Any = data
        error = answer.error and f"{answer.error.partition(':')[0]}: {_MASK}"
        return replace(answer, error=error, failed_requirement=answer.failed_requirement and _MASK)
    return data


def without_offsets(data: Any, path: object = ()) -> Any:  # noqa: ANN401  # as above
    """Return an event without the offsets of its chunk, so that the line shows no white space between chunks.

    Args:
        data: A part of what is compared. All other values are returned unchanged.
        path: The names of its classes, which have no effect.
    """
    del path
    if isinstance(data, ChunkEvent):
        return _changed_event(data, start=None, end=None)
    if isinstance(data, QuickCheckEvent) and data.own_chunk is not None:
        return _PLACE.sub("check ", Transcript([data]).lines[0])
    return data


def _changed_event(event: StreamEvent, **fields: object) -> StreamEvent:
    """Return a copy of an event with other fields and the same details."""
    made = copy(event)
    for name, value in fields.items():
        object.__setattr__(made, name, value)
    return made


def _without_reason(result: Any) -> Any:  # noqa: ANN401  # a result of either kind
    return result if result.reason is None else type(result)(result.success, reason=_MASK)
