"""Transcripts: the events of a run in lines that a person can read and a test can compare."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeAlias, cast

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
from pytest_streamval.errors import InvalidArgumentError, excerpt, plural
from pytest_streamval.transcripts.differences import difference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_streamval.engine.requirement import PartialValidationResult, ValidationResult
    from pytest_streamval.engine.result import StreamChunkingResult
    from pytest_streamval.engine.run_view import RunView

_WIDTH = 120  # characters shown of a line that differs, as pytest shows 640 characters of a failed comparison
_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{4,}")
# JSON does not escape these: control characters, characters that end a line for some readers, characters that are
# invisible or turn the direction of the text after them, and surrogates, which UTF-8 cannot encode.
_UNSEEN = re.compile(
    "[\r\x7f-\xa0\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)

on_empty: list[Callable[[], None]] = []
"""Called for every transcript without events, so that guards notice a comparison of nothing with nothing."""


class Transcript:
    """The events of a run, in order.

    Two transcripts are equal if their events are, whatever the times. `text()` has a line for each event and no running
    numbers, so an additional event is one additional line and changes no other.
    """

    __slots__ = ("events",)

    events: tuple[StreamEvent, ...]
    """The events."""

    def __init__(self, events: Iterable[StreamEvent] = ()) -> None:
        self.events = tuple(events)
        if not self.events:
            for call in on_empty:
                call()
        for index, event in enumerate(self.events):
            if not isinstance(event, StreamEvent):
                rule = "It must be an event, as in result.history and result.events()."
                raise InvalidArgumentError(f"events[{index}]", excerpt(event), rule)

    @classmethod
    def of(cls, source: TranscriptSource) -> Transcript:
        """Return the transcript of events, of a result or of a run so far, or a transcript unchanged.

        Raises:
            InvalidArgumentError: A `TypeError`. If the source is none of these.
        """
        if isinstance(source, Transcript):
            return source
        given: object = source
        history = getattr(given, "history", None)
        if history is None and (isinstance(given, str) or not isinstance(given, Iterable)):
            rule = "It must be a transcript, a result or events. `await transcribe(result)` waits for the end of a run."
            raise InvalidArgumentError("transcript", excerpt(source), rule)
        return cls(cast("Iterable[StreamEvent]", given if history is None else history))

    def text(self, *, times: bool = False) -> str:
        r"""Return a line for each event: its kind, and its text with the escapes of JSON.

        If anything but one space is between a chunk and the previous one, the line shows it:
        `chunk "\n\n" + "Next."`.

        Args:
            times: Whether each line begins with the seconds since the first event.
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
        texts = _full_texts(self.events)
        end: int | None = 0  # of the last chunk, or None if it is unknown
        before_retry: int | None = None  # the end of the last chunk of the attempt before this one
        for event in self.events:
            if isinstance(event, ChunkEvent):
                text = texts.get(event.attempt)
                usual = " " if end else ""
                between = usual if text is None or end is None or event.start is None else text[end : event.start]
                if text is not None and between.strip() and before_retry is not None:  # it continues that text
                    between = text[before_retry : event.start]
                    usual = " "
                gap = "" if between == usual else f"{quoted(between)} + "
                yield f"chunk {gap}{quoted(event.text)}{', a replacement' if event.replaced else ''}"
                end, before_retry = event.end, None
            elif isinstance(event, StreamingDoneEvent):
                rest = "" if end is None else event.full_text[end:]
                last = f", the last {quoted(rest)}" if rest else ""
                yield f"streaming done, {len(event.full_text):,} characters{last}"
            else:
                if isinstance(event, RetryEvent):
                    before_retry = end or before_retry
                    end = 0
                yield _transcript_line(event)

    def difference(self, expected: Transcript, *, width: int | None = _WIDTH) -> list[str]:
        """Return the lines around the first difference: `-` from the expected transcript, `+` from this one.

        Args:
            expected: The expected transcript.
            width: The characters shown of a line that differs. None shows complete lines.
        """
        if self == expected:
            return []
        lines = list(difference(expected.lines, self.lines, width=width))
        if lines:
            return lines
        pairs = zip(expected.events, self.events, strict=True)  # with equal lines, which do not show all fields
        first, second = next(pair for pair in pairs if _comparable(pair[0]) != _comparable(pair[1]))
        return [f"- {excerpt(first, 400)}", f"+ {excerpt(second, 400)}"]

    def __iter__(self) -> Iterator[StreamEvent]:
        return iter(self.events)

    def __len__(self) -> int:
        return len(self.events)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Transcript | list | tuple):
            return list(map(_comparable, self.events)) == list(map(_comparable, other))
        return NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(map(_comparable, self.events)))

    def __repr__(self) -> str:
        return f"<Transcript of {plural(len(self.events), 'event')}:\n{self.text()}>"


TranscriptSource: TypeAlias = "Transcript | StreamChunkingResult | RunView | Iterable[StreamEvent]"
"""A transcript, a result, a run, or events."""


async def transcribe(result: StreamChunkingResult) -> Transcript:
    """Wait for the end of a run, and return its transcript.

    An error of the run is a line of the transcript. It counts as received and is not raised here or later.
    """
    await result.aexception()
    return Transcript(result.history)


# The lines of events


def _comparable(event: object) -> object:
    """Return an event without the outputs and contexts of models that validated, as those never equal each other."""
    if not isinstance(event, QuickCheckEvent | FullValidationEvent):
        return event
    chunk = event.chunk_index if isinstance(event, QuickCheckEvent) else None
    verdicts = tuple((result.success, result.reason, result.score) for result in event.results)
    return type(event), event.attempt, chunk, event.passed, verdicts


def _full_texts(events: Iterable[StreamEvent]) -> dict[int, str]:
    texts: dict[int, str] = {}
    for event in events:
        if isinstance(event, StreamingDoneEvent):
            texts[event.attempt] = event.full_text
        elif isinstance(event, CompletedEvent):
            texts.setdefault(event.attempts_used, event.full_text)
    return texts


def _transcript_line(event: StreamEvent) -> str:
    match event:
        case QuickCheckEvent():
            results, place, own = event.results, "", event.own_chunk
            if own is not None:
                results, place = tuple(results[position] for position in own.positions), f"of {own.start}-{own.end} "
            line = f"check {place}{'passed' if event.passed else 'FAILED'}{_shown_verdicts(results)}"
        case FullValidationEvent():
            line = f"validation {'passed' if event.passed else 'FAILED'}{_shown_verdicts(event.results)}"
        case RetryEvent():
            line = f"retry {_repeatable(event.reason)}"
        case ErrorEvent():
            line = f"error {event.exception_type}: {_repeatable(event.detail)}"
        case CompletedEvent():
            line = f"completed {'successfully' if event.success else 'WITHOUT SUCCESS'}"
        case _ if type(event).__str__ is not object.__str__:  # a class with its own words
            line = escaped(without_addresses(str(event)))
        case _:
            facts = ", ".join(f"{name}={value!r}" for name, value in event.content().items())
            line = f"{type(event).__name__} {_repeatable(facts)}"
    return line


def _shown_verdicts(results: tuple[PartialValidationResult, ...] | tuple[ValidationResult, ...]) -> str:
    words = []
    for result in results:
        verdict = result.success
        word = verdict if isinstance(verdict, str) else "pass" if verdict else "fail"
        words.append(word if result.reason is None else f"{word} {_repeatable(result.reason)}")
    return f": {', '.join(words)}" if words else ""


def _repeatable(text: str) -> str:
    """Return a text of a user's object as JSON, the same in each run."""
    return quoted(without_addresses(str(text)))


def without_addresses(text: str) -> str:
    """Return a text without the memory addresses of objects, which differ in each run."""
    return _ADDRESS.sub("0x…", text)


def quoted(text: str) -> str:
    """Return a text as JSON on one line, with escapes for invisible characters."""
    return escaped(json.dumps(text, ensure_ascii=False))


def escaped(text: str) -> str:
    """Return a text with escapes for characters that are invisible or cannot be in a file."""
    return _UNSEEN.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
