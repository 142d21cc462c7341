"""The contract of a run, which no schedule may break."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from benchmarks.schedules.schedule import FAILING, TEXT
from pytest_streamval import ChunkEvent, CompletedEvent, QuickCheckEvent, RetryEvent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.schedules.schedule import Schedule
    from pytest_streamval import StreamChunkingResult


def violations(schedule: Schedule) -> Iterator[str]:
    """Yield a line for each violation in a schedule that was played."""
    yield from schedule.errors
    if schedule.active:
        yield f"{schedule.active} producers or validators still run"
    yield from _violations_of_caller(schedule, schedule.callers[0])
    if schedule.thunk is None:
        return
    if any(each.producer is None or not each.producer.done() for each in schedule.thunks):
        yield "a producer still runs"
    ends = [event for event in schedule.history if isinstance(event, CompletedEvent)]
    if len(ends) != 1 or schedule.history[-1] is not ends[0]:
        yield f"the last event is not the only CompletedEvent: {[type(event).__name__ for event in schedule.history]}"
        return
    yield from _violations_of_text(schedule, ends[0])
    yield from _violations_of_attempts(schedule)
    if schedule.result is not None:
        yield from _violations_of_result(schedule, schedule.result)


def _violations_of_caller(schedule: Schedule, caller: asyncio.Task[Any]) -> Iterator[str]:
    """Check that a cancelled caller ends cancelled, and that one with an expired timeout ends with TimeoutError."""
    if schedule.acted_on and schedule.action == "cancel caller" and not caller.cancelled():
        yield f"the cancelled caller did not end cancelled: {_end(caller)!r}"
    if schedule.limit is not None and schedule.limit.expired() and not isinstance(_end(caller), TimeoutError):
        yield f"the caller's timeout did not end as a TimeoutError: {_end(caller)!r}"


def _violations_of_text(schedule: Schedule, end: CompletedEvent) -> Iterator[str]:
    """Check that every released chunk was passed by every requirement, and that `full_text` has no other text."""
    chunks = [event for event in schedule.history if isinstance(event, ChunkEvent)]
    text = "".join(TEXT)
    if schedule.validators == "replaces":
        text = text.replace("Two.", "2!")
    elif schedule.validators == "continues" and end.attempts_used > 1:
        text = "One. " + text  # the second chunk was held back when the third failed
    elif end.attempts_used > 1:
        chunks = [event for event in chunks if event.attempt == end.attempts_used]
    expected = text if end.success else text[: chunks[-1].end] if chunks else ""
    can_be_shorter = end.success and schedule.action == "close output"
    if end.full_text != expected and not (can_be_shorter and text.startswith(end.full_text)):
        yield f"full_text is neither the complete text nor the released text: {end.full_text!r}"
    counts = {"none": 0, "two": 2, "two bad": 2, "own words": 2}  # each sentence is also a word
    required = counts.get(schedule.validators, 1)
    for chunk in chunks:
        if len(schedule.passed_by.get(chunk.text, ())) < required:
            yield f"{chunk.text!r} was released without all results"


def _violations_of_attempts(schedule: Schedule) -> Iterator[str]:
    """Check the order of attempts, and that a chunk is held back until the next two are checked."""
    attempt, checked = 1, 0
    for event in schedule.history:
        if isinstance(event, RetryEvent):
            attempt = event.attempt
        elif isinstance(event, QuickCheckEvent):
            checked = event.chunk_index + 1
        elif isinstance(event, ChunkEvent):
            if event.attempt != attempt:
                yield f"a chunk of attempt {event.attempt} was released in attempt {attempt}"
            if attempt == 1 and event.text == FAILING.get(schedule.validators):
                yield f"{event.text!r} was released although it failed"
            held_back = schedule.validators == "held back" and schedule.action != "close output"
            if held_back and checked < min(event.chunk_index + 3, 4):
                yield f"{event.text!r} was released after {checked} checks"


def _violations_of_result(schedule: Schedule, result: StreamChunkingResult) -> Iterator[str]:
    """Check that the run has ended in one of four ways, and that every waiting task received its error."""
    if not result.task.done() or not result.finished:
        yield "the run's task still runs"
    if result.outcome not in {"done", "stopped", "failed", "left"}:
        yield f"the outcome is {result.outcome!r}"
    first_left = schedule.acted_on and schedule.action in {"cancel caller", "time out"}
    first, *others = map(_end, schedule.callers)
    for other in others:
        if type(first) is not type(other) and not first_left and not isinstance(first, TimeoutError):
            yield f"one caller ended with {first!r}, the other with {other!r}"


def _end(task: asyncio.Task[Any]) -> object:
    return asyncio.CancelledError() if task.cancelled() else task.exception() if task.done() else "not at all"
