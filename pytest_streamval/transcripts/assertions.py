"""What a test of a stream asserts, and what would be written wrong by hand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol, TypeAlias

from pytest_streamval.engine.events import ChunkEvent, ErrorEvent, QuickCheckEvent, StreamEvent
from pytest_streamval.errors import (
    EventOrderError,
    InvalidArgumentError,
    NotAcceptedError,
    NotStoppedError,
    UnvalidatedTextError,
    excerpt,
)
from pytest_streamval.scripting.mock import MockCall
from pytest_streamval.transcripts.transcript import Transcript

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_streamval.engine.result import StreamChunkingResult
    from pytest_streamval.transcripts.transcript import TranscriptSource

_BEFORE = 40  # characters shown of what stands before a fault


# What reached the consumer


def assert_no_unvalidated_text(transcript: TranscriptSource, received: str | Iterable[str]) -> None:
    """Assert that the consumer got nothing but what every requirement had let pass.

    Each chunk that was released must have been judged before, and not failed; and what the consumer got must be the
    released chunks, or a beginning of them. White space does not count: chunks carry none around them.

    Args:
        transcript: what happened: a transcript, a result, or events.
        received: what the consumer got: the text, or its chunks.

    Raises:
        UnvalidatedTextError: an `AssertionError`; it names the text and says why nobody should have seen it.
    """
    __tracebackhide__ = True
    transcript = Transcript.of(transcript)
    got = _joined(received)
    lines = transcript.lines
    verdicts: dict[tuple[int, int], bool] = {}
    released: list[str] = []
    for number, event in enumerate(transcript, 1):
        if isinstance(event, QuickCheckEvent):
            verdicts[event.attempt, event.chunk_index] = event.passed
        elif isinstance(event, ChunkEvent):
            verdict = verdicts.get((event.attempt, event.chunk_index))
            if not verdict:
                why = "was released before any verdict" if verdict is None else "was released although it had failed"
                raise UnvalidatedTextError(excerpt(event.text), why, "\n".join(lines[:number]))
            released.append(event.text)
    beyond = _beyond(got, "".join(released))
    if beyond < len(got):
        behind = f" behind {excerpt(got[:beyond][-_BEFORE:])}" if beyond else ""
        why = f"reached the consumer{behind}, where it is not what had been validated and released"
        raise UnvalidatedTextError(excerpt(got[beyond:]), why, "\n".join(lines))


def _joined(received: str | Iterable[str]) -> str:
    if isinstance(received, str):
        return received
    known: object = received
    pieces: list[object] = list(known) if isinstance(known, Iterable) else [known]
    texts = [piece for piece in pieces if isinstance(piece, str)]
    if len(texts) < len(pieces):
        rule = "It must be the text that the consumer got, or its chunks, [chunk async for chunk in result.astream()]."
        raise InvalidArgumentError("received", excerpt(pieces), rule)
    return "".join(texts)


def _beyond(got: str, released: str) -> int:
    """Return where a text goes beyond another, white space apart; its length where it does not."""
    expected = iter("".join(released.split()))
    for offset, character in enumerate(got):
        if not character.isspace() and character != next(expected, None):
            return offset
    return len(got)


def assert_accepted(run: StreamChunkingResult) -> None:
    """Assert that a stream came to its natural end and every requirement accepted the complete output.

    Args:
        run: the run; it has to be over.

    Raises:
        NotAcceptedError: an `AssertionError`; it says which requirement did not accept the output, and why.
    """
    __tracebackhide__ = True
    if run.accepted:
        return
    faults = [
        f"{each.name} failed a chunk: {verdict.reason or 'no reason given'}" for each, verdict in run.streaming_failures
    ]
    faults += [
        f"{each.name} rejected the complete output: {verdict.reason or 'no reason given'}"
        for each, verdict in zip(run.requirements, run.final_validations, strict=False)
        if not verdict
    ]
    errors = [event for event in run.history if isinstance(event, ErrorEvent)]
    faults += [f"{error.exception_type}: {error.detail}" for error in errors]
    raise NotAcceptedError(run.outcome or "running", faults, run.full_text)


# What the producer did


class Sender(Protocol):
    """A producer's own record of one call, such as `backend.calls[0]`."""

    @property
    def deltas_sent(self) -> int:
        """How many deltas were handed over."""


def assert_stopped_within(result: StreamChunkingResult, call: Sender, deltas: int = 20) -> None:
    """Assert that a run which ended early stopped its producer in time.

    Args:
        result: the run; it has to be over.
        call: the call that fed it, `backend.calls[i]`.
        deltas: how many deltas the producer may have sent beyond those which the run had taken when it stopped.

    Raises:
        NotStoppedError: an `AssertionError`; it says how many were sent.
        InvalidArgumentError: a `TypeError`; the call is none, or not the one that fed the run.
    """
    __tracebackhide__ = True
    if not hasattr(call, "deltas_sent"):
        rule = "It must be the producer's record of one call, backend.calls[i]."
        raise InvalidArgumentError("call", excerpt(call), rule)
    if isinstance(call, MockCall) and not result.is_fed_by(call.thunk):
        raise InvalidArgumentError("call", excerpt(call), "It belongs to another run; pass the call that fed this one.")
    if not result.finished:
        raise NotStoppedError("the run is still going: await result.acomplete() first", 0, deltas)
    if result.completed:
        fault = "the run came to its natural end: let a requirement fail, or leave it early with aclose()"
        raise NotStoppedError(fault, 0, deltas)
    sent = call.deltas_sent - result.deltas_read
    if sent > deltas:
        raise NotStoppedError("", sent, deltas)


class Producers(Protocol):
    """Something that produces streams and knows what its producers did, such as a `StreamingMockBackend`."""

    def unstopped(self, within: float) -> Iterable[str]:
        """Return a line for each stream that went on after its reader was gone, or still goes on."""


def assert_stopped(backend_or_server: Producers, *, within: float = 1.0) -> None:
    """Assert that no producer still runs, and that none sent anything once its run or its client was gone.

    It holds for streams that were stopped and for streams that came to their end before, so it does not depend on the
    place at which a text is cut.

    Args:
        backend_or_server: a `StreamingMockBackend` or a `ProviderServer`.
        within: seconds that a server has to notice that its clients have left. A synchronous wait: if a client lives
            in the event loop of the test, let it close its connection first.

    Raises:
        NotStoppedError: an `AssertionError`; it names the calls or requests that went on, or says that there were none.
        InvalidArgumentError: a `TypeError`; it is neither a backend that plays scripts nor a server.
    """
    __tracebackhide__ = True
    calls = getattr(backend_or_server, "calls", None)
    asked = getattr(backend_or_server, "requests", None) if calls is None else calls
    if asked is None or not hasattr(backend_or_server, "unstopped"):
        rule = "It must be a StreamingMockBackend or a ProviderServer."
        raise InvalidArgumentError("backend_or_server", excerpt(backend_or_server), rule)
    if not asked:
        raise NotStoppedError("nothing was asked of it, so there was nothing to stop", 0, 0)
    if lines := list(backend_or_server.unstopped(within)):
        rule = "End each run with `async with` or `await run.aclose()`, and close each client's stream"
        raise NotStoppedError("\n".join([f"{len(lines)} of {len(asked)} went on. {rule}:", *lines]), 0, 0)


# In which order things happened


class in_any_order:  # noqa: N801  # it reads as a word of the assertion
    """Expected events whose order among each other is open: `in_any_order(ChunkEvent, "check FAILED")`."""

    def __init__(self, *expected: Expected) -> None:
        _check("in_any_order", expected)
        self.expected = expected

    def __repr__(self) -> str:
        return f"in_any_order({', '.join(map(_described, self.expected))})"


Expected: TypeAlias = "type[StreamEvent] | StreamEvent | str | Callable[[StreamEvent], bool]"
"""An event: its class, an equal one, the beginning of its line in the transcript, or a function that knows it."""


def assert_event_order(transcript: TranscriptSource, *expected: Expected | in_any_order) -> None:
    """Assert that events happened in an order; others may have happened between them.

    Args:
        transcript: what happened: a transcript, a result, or events.
        expected: each is an event's class, an event that equals it, the beginning of its line in `transcript.text()`,
            a function that takes an event and returns whether it is the one, or `in_any_order(...)` of such.

    Raises:
        EventOrderError: an `AssertionError`; it shows the transcript, and which expected event is missing where.
        InvalidArgumentError: a `TypeError`; nothing is expected, or something that is no event.
    """
    __tracebackhide__ = True
    _check("expected", expected)
    transcript = Transcript.of(transcript)
    rows = list(zip(transcript.events, transcript.lines, strict=True))
    at = 0
    found: list[int] = []
    for number, item in enumerate(expected):
        group = item.expected if isinstance(item, in_any_order) else (item,)
        places = _matched(rows, at, group)
        found.extend(sorted(places.values()))
        if len(places) < len(group):
            missing = next(each for index, each in enumerate(group) if index not in places)
            words = list(map(_described, expected))
            if len(group) > 1:
                words[number] = f"{_described(missing)} of {words[number]}"
            earlier = [row for row in range(at) if row not in found and _fits(rows[row], missing)]
            raise EventOrderError(words, number, [line for _, line in rows], found, earlier)
        at = max(places.values()) + 1


def _check(argument: str, expected: Sequence[Expected | in_any_order]) -> None:
    """Raise for expectations that nothing, or everything, would meet."""
    rule = (
        "Name at least one event, in the order in which they are due: a class of events, an event, the beginning of "
        "its line, or a function of an event."
    )
    if not expected:
        raise InvalidArgumentError(argument, "()", rule)
    for item in expected:
        event = issubclass(item, StreamEvent) if isinstance(item, type) else isinstance(item, StreamEvent)
        group = argument == "expected" and isinstance(item, in_any_order)
        if not (event or group or (isinstance(item, str) and item) or (callable(item) and not isinstance(item, type))):
            raise InvalidArgumentError(argument, excerpt(item), rule)


def _matched(rows: Sequence[tuple[StreamEvent, str]], start: int, group: Sequence[Expected]) -> dict[int, int]:
    """Return the rows, from `start` on, that are the expected ones in any order, using as few rows as possible.

    Returns:
        By the number of each expected event that was found, its row.
    """
    owner: dict[int, int] = {}

    def assign(row: int, tried: set[int]) -> bool:
        """Give the row to an expected event, moving others to rows of their own where that makes room."""
        for number, item in enumerate(group):
            if number in tried or not _fits(rows[row], item):
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


def _fits(row: tuple[StreamEvent, str], expected: Expected) -> bool:
    event, line = row
    if isinstance(expected, type):
        return isinstance(event, expected)
    if isinstance(expected, StreamEvent):
        return event == expected
    if isinstance(expected, str):
        return line.startswith(expected)
    return bool(expected(event))


def _described(expected: Expected | in_any_order) -> str:
    if isinstance(expected, type) or (callable(expected) and hasattr(expected, "__name__")):
        return expected.__name__
    return repr(expected)
