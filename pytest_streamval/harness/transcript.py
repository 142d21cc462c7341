"""Transcripts: what happened in a run, as rows that a person can read and a test can compare."""

from __future__ import annotations

import json
import re
from difflib import SequenceMatcher
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

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
from pytest_streamval.engine.result import StreamChunkingResult
from pytest_streamval.errors import InvalidArgumentError, excerpt

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_streamval.engine.requirement import PartialValidationResult, ValidationResult

_CONTEXT = 2  # equal lines shown before the first difference and behind the last that is shown
_SHOWN = 12  # lines shown of those that differ
_WINDOW = 200  # lines behind the first difference that are compared at all

_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{4,}")  # where an object lies, on which no two runs agree


class Transcript:
    """The events of a run, in order.

    Two transcripts are equal when the same things happened, whenever that was. `text()` has a line for each event and
    no running numbers, so that one event more is one line more and nothing else.
    """

    __slots__ = ("events",)

    events: tuple[StreamEvent, ...]
    """The events."""

    def __init__(self, events: Iterable[StreamEvent] = ()) -> None:
        self.events = tuple(events)
        for index, event in enumerate(self.events):
            if not isinstance(event, StreamEvent):
                rule = "a transcript is made of events, as result.history and result.events() give them."
                raise InvalidArgumentError(f"events[{index}]", excerpt(event), rule)

    @classmethod
    def of(cls, source: TranscriptSource) -> Transcript:
        """Return the transcript of events, of a result so far, or a transcript as it is."""
        if isinstance(source, Transcript):
            return source
        return cls(source.history if isinstance(source, StreamChunkingResult) else source)

    def text(self, *, times: bool = False) -> str:
        r"""Return a line for each event: what happened, and the text in it with JSON's escapes.

        A chunk that does not follow the one before at a single space shows what stands between the two:
        `chunk "\n\n" + "Next."`.

        Args:
            times: begin each line with the seconds since the first event.
        """
        if not times:
            return "".join(f"{line}\n" for line in self._lines())
        began = self.events[0].timestamp if self.events else 0.0
        pairs = zip(self.events, self._lines(), strict=True)
        return "".join(f"{event.timestamp - began:9.3f} s  {line}\n" for event, line in pairs)

    @property
    def lines(self) -> list[str]:
        """The lines of `text()`, without line ends and times."""
        return list(self._lines())

    def _lines(self) -> Iterator[str]:
        whole = next((event.full_text for event in reversed(self.events) if isinstance(event, _WHOLE)), None)
        end = 0
        for event in self.events:
            if isinstance(event, ChunkEvent):
                between = "" if whole is None or event.start is None else whole[end : event.start]
                end = end if event.end is None else event.end
                yield _chunk(event, between)
            elif isinstance(event, StreamingDoneEvent):
                rest = f", the last {_quoted(event.full_text[end:])}" if 0 < end < len(event.full_text) else ""
                yield f"streaming done, {len(event.full_text):,} characters{rest}"
            else:
                yield _line(event)

    def difference(self, expected: Transcript) -> list[str]:
        """Return the lines around the first difference: `-` what was expected, `+` what this transcript has."""
        return list(difference(expected.lines, self.lines))

    def __iter__(self) -> Iterator[StreamEvent]:
        return iter(self.events)

    def __len__(self) -> int:
        return len(self.events)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Transcript):
            return self.events == other.events
        return list(self.events) == list(other) if isinstance(other, list | tuple) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.events)

    def __repr__(self) -> str:
        return f"<Transcript of {len(self.events)} events:\n{self.text()}>"


TranscriptSource: TypeAlias = "Transcript | StreamChunkingResult | Iterable[StreamEvent]"
"""What a transcript is made of."""

_WHOLE = (StreamingDoneEvent, CompletedEvent)


async def transcribe(result: StreamChunkingResult) -> Transcript:
    """Wait until a run is over, and return what happened.

    The run's error is a line of the transcript and counts as received: it is not raised here or later.
    """
    await result.aexception()
    return Transcript(result.history)


def _chunk(event: ChunkEvent, between: str) -> str:
    gap = "" if between == " " or not event.start else f"{_quoted(between)} + "
    return f"chunk {gap}{_quoted(event.text)}"


def _line(event: StreamEvent) -> str:
    match event:
        case QuickCheckEvent():
            line = f"check {'passed' if event.passed else 'FAILED'}: {_verdicts(event.results)}"
        case FullValidationEvent():
            line = f"validation {'passed' if event.passed else 'FAILED'}: {_verdicts(event.results)}"
        case RetryEvent():
            line = f"retry {_quoted(event.reason)}"
        case ErrorEvent():
            line = f"error {event.exception_type}: {_quoted(event.detail)}"
        case CompletedEvent():
            line = f"completed {'successfully' if event.success else 'WITHOUT SUCCESS'}"
        case _:
            line = f"{type(event).__name__} {_quoted(str(event))}"
    return line


def _verdicts(results: tuple[PartialValidationResult, ...] | tuple[ValidationResult, ...]) -> str:
    """Return what each requirement said, in their order."""
    words = []
    for result in results:
        verdict = result.success
        word = verdict if isinstance(verdict, str) else "pass" if verdict else "fail"
        reason = f" {_quoted(result.reason)}" if result.reason is not None else ""
        words.append(f"{word}{reason}")
    return ", ".join(words)


def _quoted(text: str) -> str:
    """Return a text as JSON writes it, on one line, and the same on every machine."""
    return json.dumps(_ADDRESS.sub("0x…", text), ensure_ascii=False).translate(_LINE_ENDS)


# JSON leaves these as they are, but readers of lines may take them for line ends.
_LINE_ENDS = {ord(end): f"\\u{ord(end):04x}" for end in "\x7f\x85\u2028\u2029"} | {
    code: f"\\u{code:04x}" for code in range(0xD800, 0xE000)
}


def difference(expected: Sequence[str], found: Sequence[str]) -> Iterator[str]:
    """Yield the lines around the first difference: those expected begin with `-`, those found with `+`."""
    equal = next((at for at, (a, b) in enumerate(zip(expected, found, strict=False)) if a != b), None)
    equal = min(len(expected), len(found)) if equal is None else equal
    first = max(0, equal - _CONTEXT)
    if first:
        yield f"  ... {_counted(first)} as expected"
    yield from (f"  {line}" for line in expected[first:equal])
    rest = _changes(expected[equal : equal + _WINDOW], found[equal : equal + _WINDOW])
    shown = list(islice(rest, _SHOWN))
    yield from shown
    left = sum(line[0] != " " for line in rest)
    beyond = max(len(expected), len(found)) > equal + _WINDOW
    if left or beyond:
        yield f"  ... {_counted(left)}{' or more' if beyond else ''} not as expected"


def _changes(expected: Sequence[str], found: Sequence[str]) -> Iterator[str]:
    """Yield the lines that differ, and of the equal ones between and behind them those nearby."""
    for tag, a, a_end, b, b_end in SequenceMatcher(None, expected, found, autojunk=False).get_opcodes():
        if tag == "equal":
            yield from (f"  {line}" for line in expected[a : min(a_end, a + _CONTEXT)])
            if a_end > a + _CONTEXT:
                yield f"  ... {_counted(a_end - a - _CONTEXT)} as expected"
        else:
            yield from (f"- {line}" for line in expected[a:a_end])
            yield from (f"+ {line}" for line in found[b:b_end])


def _counted(lines: int) -> str:
    return "1 line" if lines == 1 else f"{lines:,} lines"
