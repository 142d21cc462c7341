"""Assertions about runs: the text that the consumer received, the end of the producer, the order of events."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import chain
from typing import TYPE_CHECKING, Protocol, TypeAlias

from pytest_streamval.engine.events import ChunkEvent, ErrorEvent, QuickCheckEvent, RetryEvent, StreamEvent
from pytest_streamval.errors import (
    InvalidArgumentError,
    event_order_error,
    excerpt,
    not_accepted_error,
    not_stopped_error,
    unvalidated_text_error,
)
from pytest_streamval.scripting.mock import MockCall
from pytest_streamval.transcripts.transcript import Transcript
from pytest_streamval.transcripts.validated_text import ShownText, unvalidated_offset

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_streamval.engine.requirement import PartialValidationResult, ValidationResult
    from pytest_streamval.engine.result import StreamChunkingResult
    from pytest_streamval.engine.run_view import RunView
    from pytest_streamval.transcripts.transcript import TranscriptSource
    from pytest_streamval.transcripts.validated_text import ShownTexts

_BEFORE = 40  # characters shown before a fault


# Received text


def assert_no_unvalidated_text(transcript: TranscriptSource, received: str | Iterable[str] | ShownTexts) -> None:
    """Assert that the consumer received only text that every requirement had passed.

    Each released chunk must have a verdict before it that is not a failure, or be a replacement. The received text must
    be the released chunks, or a beginning of them. It may begin with those of a later attempt. White space is not
    compared, as chunks have none around them.

    A page may also show texts of the application itself, such as the names of its events. Those of its texts count that
    begin like the released text, or have text that was generated and not released.

    Args:
        transcript: A transcript, a result, a run, or events.
        received: The text that the consumer received, its chunks, or a page of `app_client`.

    Raises:
        CheckFailedError: An `AssertionError`. If other text was received. It shows the text and the reason.
    """
    __tracebackhide__ = True
    generated = _generated_text(transcript)
    transcript = Transcript.of(transcript)
    texts = _shown_texts(received)
    lines = transcript.lines
    too_early = _released_before_a_check(transcript)
    verdicts: dict[tuple[int, int], bool] = {}
    released: list[list[str]] = [[]]  # of each attempt
    for number, event in enumerate(transcript, 1):
        if isinstance(event, QuickCheckEvent) and event.own_chunk is None:
            verdicts[event.attempt, event.chunk_index] = event.passed
        elif isinstance(event, ChunkEvent):
            verdict = verdicts.get((event.attempt, event.chunk_index))
            if too_early is not None:  # requirements have chunks of their own
                verdict = None if number in too_early else True
            if not verdict and not (verdict is False and event.replaced):
                why = "was released before any verdict" if verdict is None else "was released although it had failed"
                raise unvalidated_text_error(excerpt(event.text), why, "\n".join(lines[:number]))
            released[-1].append(event.text)
        elif isinstance(event, RetryEvent):
            released.append([])
    # a restart makes the text of earlier attempts void
    beginnings = ["".join(chain.from_iterable(released[begin:])) for begin in range(len(released))]
    for shown in texts:
        offsets = [unvalidated_offset(shown, beginning, generated) for beginning in beginnings]
        if None in offsets:
            continue
        end = max(filter(None, offsets), default=0)
        place = f" after {excerpt(shown.text[:end][-_BEFORE:])}" if end else ""
        form = "" if shown.is_plain else f", in {shown.name}"
        why = f"reached the consumer{place}{form}, but it is not the text that was validated and released"
        raise unvalidated_text_error(excerpt(shown.text[end:]), why, "\n".join(lines))


def _released_before_a_check(transcript: Transcript) -> set[int] | None:
    """Return the numbers of the events that released text before a requirement checked it in a chunk of its own.

    It is None if all requirements check the chunks of the run.
    """
    too_early: set[int] = set()
    has_own = False
    attempt, first_unchecked = 0, math.inf  # the smallest offset that is checked later in the attempt
    for number, event in reversed(list(enumerate(transcript, 1))):
        if isinstance(event, QuickCheckEvent | ChunkEvent) and event.attempt != attempt:
            attempt, first_unchecked = event.attempt, math.inf
        if isinstance(event, QuickCheckEvent) and event.own_chunk is not None:
            has_own = True
            first_unchecked = min(first_unchecked, event.own_chunk.start)
        elif isinstance(event, ChunkEvent) and event.start is not None:
            start, end = event.source
            white = len(event.text) - len(event.text.rstrip()) if not event.replaced else 0
            if first_unchecked < (end - white if end - white > start else end):
                too_early.add(number)
    return too_early if has_own else None


def _generated_text(source: object) -> str:
    """Return the text that a run has read, with its replacements. It is empty for events without a run."""
    text = getattr(source, "generated_text", "")
    return text if isinstance(text, str) else ""


def _shown_texts(received: str | Iterable[str] | ShownTexts) -> list[ShownText]:
    known: object = received
    if hasattr(known, "shown_texts"):
        shown: list[ShownText] = known.shown_texts()
        return shown
    return [ShownText("the text", _joined(known), is_plain=True)]


def _joined(known: object) -> str:
    if isinstance(known, str):
        return known
    pieces: list[object] = list(known) if isinstance(known, Iterable) else [known]
    texts = [piece for piece in pieces if isinstance(piece, str)]
    if len(texts) < len(pieces):
        rule = "It must be the received text, its chunks, or a page: [chunk async for chunk in result.astream()]."
        raise InvalidArgumentError("received", excerpt(pieces), rule)
    return "".join(texts)


def assert_accepted(run: StreamChunkingResult | RunView) -> None:
    """Assert that a stream reached its natural end and every requirement accepted the complete output.

    Args:
        run: The run, after its end.

    Raises:
        CheckFailedError: An `AssertionError`. If a requirement did not accept the output. It shows which one, and why.
        InvalidArgumentError: A `TypeError`. If the argument is no run.
    """
    __tracebackhide__ = True
    if not hasattr(run, "accepted") or not hasattr(run, "final_validations"):
        rule = "It must be a run: the result of `await stream_with_chunking(...)`, or one of the fixture `runs`."
        raise InvalidArgumentError("run", excerpt(run), rule)
    if run.accepted:
        return
    attempts = run.attempts
    faults = [
        f"{each.name} failed {'a chunk' if len(attempts) == 1 else f'attempt {attempt.number}'}: {_why_failed(verdict)}"
        for attempt in attempts
        for each, verdict in attempt.failures
        if not (len(attempts) == 1 and run.final_validations)
    ]
    if len(attempts) == 1:
        verdicts = zip(run.requirements, run.final_validations, strict=False)
        rejections = [(each, verdict) for each, verdict in verdicts if not verdict]
        faults += [f"{each.name} rejected the complete output: {_why_failed(verdict)}" for each, verdict in rejections]
    errors = [event for event in run.history if isinstance(event, ErrorEvent)]
    faults += [f"{error.exception_type}: {error.detail}" for error in errors]
    raise not_accepted_error(run.outcome or "running", faults, run.full_text)


def _why_failed(verdict: PartialValidationResult | ValidationResult) -> str:
    return verdict.reason or "no reason given"


# The end of the producer


class Sender(Protocol):
    """A producer's own record of one call, such as `backend.calls[0]`."""

    @property
    def deltas_sent(self) -> int:
        """The number of deltas that it sent."""


def assert_stopped_within(result: StreamChunkingResult, call: Sender, deltas: int = 20) -> None:
    """Assert that a run that ended early stopped its producer in time.

    Args:
        result: The run, after its end.
        call: The call that fed it, `backend.calls[i]`.
        deltas: The number of deltas that the producer may have sent after the last one that the run read.

    Raises:
        CheckFailedError: An `AssertionError`. If the producer sent more. It shows the number.
        InvalidArgumentError: A `TypeError`. If the call is not a call, or belongs to another run.
    """
    __tracebackhide__ = True
    if not hasattr(call, "deltas_sent"):
        rule = "It must be the producer's record of one call, backend.calls[i]."
        raise InvalidArgumentError("call", excerpt(call), rule)
    if isinstance(call, MockCall) and not result.is_fed_by(call.thunk):
        raise InvalidArgumentError("call", excerpt(call), "It belongs to another run. Pass the call that fed this one.")
    if not result.finished:
        raise not_stopped_error("the run is still going: await result.acomplete() first", 0, deltas)
    if result.completed:
        fault = "the run came to its natural end: let a requirement fail, or leave it early with aclose()"
        raise not_stopped_error(fault, 0, deltas)
    sent = call.deltas_sent - result.deltas_read
    if sent > deltas:
        raise not_stopped_error("", sent, deltas)


class Producers(Protocol):
    """An object that produces streams and keeps a record of its producers, such as a `StreamingMockBackend`."""

    def unstopped(self, within: float) -> Iterable[str]:
        """Return a line for each stream that continues or continued after its reader had left."""


def assert_stopped(backend_or_server: Producers, *, within: float = 1.0) -> None:
    """Assert that no producer still runs, and that none sent anything after its run or its client had left.

    This holds for streams that were stopped and for streams that had ended before, so it does not depend on the cuts of
    a text.

    Args:
        backend_or_server: A `StreamingMockBackend` or a `ProviderServer`.
        within: The seconds for a server to notice that its clients have left. The wait is synchronous, so a client in
            the event loop of the test must have closed its connection before.

    Raises:
        CheckFailedError: An `AssertionError`. If calls or requests continued, or if there were none.
        InvalidArgumentError: A `TypeError`. If the argument is neither a mock backend nor a server.
    """
    __tracebackhide__ = True
    calls = getattr(backend_or_server, "calls", None)
    requests = getattr(backend_or_server, "requests", None) if calls is None else calls
    if requests is None or not hasattr(backend_or_server, "unstopped"):
        rule = "It must be a StreamingMockBackend or a ProviderServer."
        raise InvalidArgumentError("backend_or_server", excerpt(backend_or_server), rule)
    if not requests:
        raise not_stopped_error("it received no call, so there was nothing to stop", 0, 0)
    if lines := list(backend_or_server.unstopped(within)):
        rule = "End each run with `async with` or `await run.aclose()`, and close each client's stream"
        raise not_stopped_error("\n".join([f"{len(lines)} of {len(requests)} continued. {rule}:", *lines]), 0, 0)


# The order of events


class in_any_order:  # noqa: N801  # it reads as a word of the assertion
    """Expected events in any order among each other: `in_any_order(ChunkEvent, "check FAILED")`."""

    def __init__(self, *expected: Expected) -> None:
        _check_event_order("in_any_order", expected)
        self.expected = expected

    def __repr__(self) -> str:
        return f"in_any_order({', '.join(map(_expected_event, self.expected))})"


Expected: TypeAlias = "type[StreamEvent] | StreamEvent | str | Callable[[StreamEvent], bool]"
"""An event: its class, an equal one, the beginning of its line in the transcript, or a function that recognises it."""


def assert_event_order(transcript: TranscriptSource, *expected: Expected | in_any_order) -> None:
    """Assert that events happened in an order. Other events may have happened between them.

    Args:
        transcript: A transcript, a result, or events.
        expected: Each is the class of an event, an equal event, the beginning of its line in `transcript.text()`, a
            function that takes an event and returns whether it is the expected one, or `in_any_order(...)` of these.

    Raises:
        CheckFailedError: An `AssertionError`. If an expected event is missing. It shows the event and the transcript.
        InvalidArgumentError: A `TypeError`. If no event is expected, or if an argument cannot be an event.
    """
    __tracebackhide__ = True
    _check_event_order("expected", expected)
    transcript = Transcript.of(transcript)
    rows = list(zip(transcript.events, transcript.lines, strict=True))
    at = 0
    found: list[int] = []
    for number, item in enumerate(expected):
        group = item.expected if isinstance(item, in_any_order) else (item,)
        places = _find_in_any_order(rows, at, group)
        found.extend(sorted(places.values()))
        if len(places) < len(group):
            missing = next(each for index, each in enumerate(group) if index not in places)
            names = list(map(_expected_event, expected))
            if len(group) > 1:
                names[number] = f"{_expected_event(missing)} of {names[number]}"
            earlier = [row for row in range(at) if row not in found and _matches_event(rows[row], missing)]
            raise event_order_error(names, number, [line for _, line in rows], found, earlier)
        at = max(places.values()) + 1


def _check_event_order(argument: str, expected: Sequence[Expected | in_any_order]) -> None:
    """Raise an error for expectations that no event, or every event, would match."""
    rule = (
        "It must have at least one event, in the expected order: a class of events, an event, the beginning of its "
        "line, or a function of an event."
    )
    if not expected:
        raise InvalidArgumentError(argument, "()", rule)
    for item in expected:
        event = issubclass(item, StreamEvent) if isinstance(item, type) else isinstance(item, StreamEvent)
        group = argument == "expected" and isinstance(item, in_any_order)
        if not (event or group or (isinstance(item, str) and item) or (callable(item) and not isinstance(item, type))):
            raise InvalidArgumentError(argument, excerpt(item), rule)


def _find_in_any_order(
    rows: Sequence[tuple[StreamEvent, str]], start: int, group: Sequence[Expected]
) -> dict[int, int]:
    """Return the rows from `start` on that match expected events in any order, with as few rows as possible.

    Returns:
        The row of each expected event that was found, by the number of the event.
    """
    owner: dict[int, int] = {}

    def assign(row: int, tried: set[int]) -> bool:
        """Assign the row to an expected event, if necessary by moving other events to other rows."""
        for number, item in enumerate(group):
            if number in tried or not _matches_event(rows[row], item):
                continue
            tried.add(number)
            if number not in owner or assign(owner[number], tried):
                owner[number] = row
                return True
        return False

    for row in range(start, len(rows)):
        if len(owner) == len(group):
            break
        assign(row, set())
    return owner


def _matches_event(row: tuple[StreamEvent, str], expected: Expected) -> bool:
    event, line = row
    if isinstance(expected, type):
        return isinstance(event, expected)
    if isinstance(expected, StreamEvent):
        return event == expected
    if isinstance(expected, str):
        return line.startswith(expected)
    return bool(expected(event))


def _expected_event(expected: Expected | in_any_order) -> str:
    if isinstance(expected, type) or (callable(expected) and hasattr(expected, "__name__")):
        return expected.__name__
    return repr(expected)
