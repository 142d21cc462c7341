"""Transcripts: what happened in a run, as rows that a person can read and a test can compare."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from difflib import SequenceMatcher
from itertools import zip_longest
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
from pytest_streamval.errors import InvalidArgumentError, excerpt, plural

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_streamval.engine.requirement import PartialValidationResult, ValidationResult

_CONTEXT = 2  # equal lines shown before the first difference and behind the last
_SHOWN = 12  # lines shown of those that differ
_WINDOW = 200  # lines behind the first difference that are aligned with each other
_WIDTH = 120  # characters shown of a line that differs: pytest shows 640 characters of a comparison that failed
_CONTEXT_WIDTH = 60  # and of an equal one
_HEAD = 16  # characters kept of the beginning of a line that is cut: what kind of event it is

_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{4,}")  # where an object lies, on which no two runs agree

on_empty: list[Callable[[], None]] = []
"""Called for every transcript without events that is made, for guards against comparing nothing with nothing."""


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
        if not self.events:
            for tell in on_empty:
                tell()
        for index, event in enumerate(self.events):
            if not isinstance(event, StreamEvent):
                rule = "A transcript is made of events, as result.history and result.events() give them."
                raise InvalidArgumentError(f"events[{index}]", excerpt(event), rule)

    @classmethod
    def of(cls, source: TranscriptSource) -> Transcript:
        """Return the transcript of events, of a result so far, or a transcript as it is.

        Raises:
            InvalidArgumentError: a `TypeError`; the source is nothing of that.
        """
        if isinstance(source, Transcript):
            return source
        given: object = source
        if isinstance(given, str) or not isinstance(given, Iterable | StreamChunkingResult):
            rule = "A transcript is made of events or of a result; await transcribe(result) waits until it is over."
            raise InvalidArgumentError("transcript", excerpt(source), rule)
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
        texts = _full_texts(self.events)
        end: int | None = 0  # where the last chunk ended; None where it does not say
        for event in self.events:
            if isinstance(event, ChunkEvent):
                text = texts.get(event.attempt)
                usual = " " if end else ""
                between = usual if text is None or end is None or event.start is None else text[end : event.start]
                gap = "" if between == usual else f"{quoted(between)} + "
                yield f"chunk {gap}{quoted(event.text)}"
                end = event.end
            elif isinstance(event, StreamingDoneEvent):
                rest = "" if end is None else event.full_text[end:]
                last = f", the last {quoted(rest)}" if rest else ""
                yield f"streaming done, {len(event.full_text):,} characters{last}"
            else:
                end = 0 if isinstance(event, RetryEvent) else end
                yield _line(event)

    def difference(self, expected: Transcript, *, width: int | None = _WIDTH) -> list[str]:
        """Return the lines around the first difference: `-` what was expected, `+` what this transcript has.

        Args:
            expected: what this transcript is compared with.
            width: characters shown of a line that differs; None shows all of every line.
        """
        if self == expected:
            return []
        lines = list(difference(expected.lines, self.lines, width=width))
        if lines:
            return lines
        pairs = zip(expected.events, self.events, strict=True)  # with equal lines, which do not tell all of an event
        first, second = next(pair for pair in pairs if _bare(pair[0]) != _bare(pair[1]))
        return [f"- {excerpt(first, 400)}", f"+ {excerpt(second, 400)}"]

    def __iter__(self) -> Iterator[StreamEvent]:
        return iter(self.events)

    def __len__(self) -> int:
        return len(self.events)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Transcript | list | tuple):
            return list(map(_bare, self.events)) == list(map(_bare, other))
        return NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(map(_bare, self.events)))

    def __repr__(self) -> str:
        return f"<Transcript of {plural(len(self.events), 'event')}:\n{self.text()}>"


TranscriptSource: TypeAlias = "Transcript | StreamChunkingResult | Iterable[StreamEvent]"
"""What a transcript is made of."""


async def transcribe(result: StreamChunkingResult) -> Transcript:
    """Wait until a run is over, and return what happened.

    The run's error is a line of the transcript and counts as received: it is not raised here or later.
    """
    await result.aexception()
    return Transcript(result.history)


# Events in words


def _bare(event: object) -> object:
    """Return an event as it is compared: without the outputs and contexts of models that judged, which are objects."""
    if not isinstance(event, QuickCheckEvent | FullValidationEvent):
        return event
    chunk = event.chunk_index if isinstance(event, QuickCheckEvent) else None
    verdicts = tuple((result.success, result.reason, result.score) for result in event.results)
    return type(event), event.attempt, chunk, event.passed, verdicts


def _full_texts(events: Iterable[StreamEvent]) -> dict[int, str]:
    """Return the text of each attempt, as far as the events tell it."""
    texts: dict[int, str] = {}
    for event in events:
        if isinstance(event, StreamingDoneEvent):
            texts[event.attempt] = event.full_text
        elif isinstance(event, CompletedEvent):
            texts.setdefault(event.attempts_used, event.full_text)
    return texts


def _line(event: StreamEvent) -> str:
    match event:
        case QuickCheckEvent():
            line = f"check {'passed' if event.passed else 'FAILED'}{_verdicts(event.results)}"
        case FullValidationEvent():
            line = f"validation {'passed' if event.passed else 'FAILED'}{_verdicts(event.results)}"
        case RetryEvent():
            line = f"retry {_told(event.reason)}"
        case ErrorEvent():
            line = f"error {event.exception_type}: {_told(event.detail)}"
        case CompletedEvent():
            line = f"completed {'successfully' if event.success else 'WITHOUT SUCCESS'}"
        case _ if type(event).__str__ is not object.__str__:  # it has words of its own
            line = escaped(_ADDRESS.sub("0x…", str(event)))
        case _:
            facts = ", ".join(f"{name}={value!r}" for name, value in event.content().items())
            line = f"{type(event).__name__} {_told(facts)}"
    return line


def _verdicts(results: tuple[PartialValidationResult, ...] | tuple[ValidationResult, ...]) -> str:
    """Return what each requirement said, in their order."""
    words = []
    for result in results:
        verdict = result.success
        word = verdict if isinstance(verdict, str) else "pass" if verdict else "fail"
        words.append(word if result.reason is None else f"{word} {_told(result.reason)}")
    return f": {', '.join(words)}" if words else ""


def _told(text: str) -> str:
    """Return, as JSON writes it, what an object said of itself or of others: the same in every run."""
    return quoted(_ADDRESS.sub("0x…", str(text)))


def quoted(text: str) -> str:
    """Return a text as JSON writes it, on one line, with escapes for what nobody sees."""
    return escaped(json.dumps(text, ensure_ascii=False))


# JSON leaves these as they are: control characters, what readers of lines may take for a line end, what is invisible or
# turns the direction of what follows, and what no file can hold.
_UNSEEN = re.compile(
    "[\r\x7f-\xa0\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)


def escaped(text: str) -> str:
    """Return a text with escapes for the characters that nobody sees, or that do not survive in a file."""
    return _UNSEEN.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


# Where two texts differ


def difference(expected: Sequence[str], found: Sequence[str], *, width: int | None = None) -> Iterator[str]:
    """Yield the lines around the first difference: those expected begin with `-`, those found with `+`.

    Args:
        expected: the lines expected; one in brackets is the heading of those below it.
        found: the lines found.
        width: characters shown of a line that differs; None shows all of every line.
    """
    start = _common(expected, found)
    if start == len(expected) == len(found):
        return
    rest = min(len(expected), len(found)) - start
    end = _common(expected[: -rest - 1 : -1], found[: -rest - 1 : -1])
    yield from _before(expected[:start], width)
    first = expected[start : len(expected) - end]
    second = found[start : len(found) - end]
    changes = list(_changes(first[:_WINDOW], second[:_WINDOW], width))
    yield from changes[:_SHOWN]
    more = sum(line[0] != " " for line in changes[_SHOWN:])
    more += max(0, len(first) - _WINDOW) + max(0, len(second) - _WINDOW)
    if more:
        yield f"  ... {plural(more, 'line')} more not as expected"
    else:
        yield from _equal(expected[len(expected) - end :], width)


def _common(first: Sequence[str], second: Sequence[str]) -> int:
    """Return how much of two lists of lines, or of two lines, is equal from the beginning."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(first), len(second)))


def _before(lines: Sequence[str], width: int | None) -> Iterator[str]:
    hidden = lines[:-_CONTEXT]
    if hidden:
        heading = next((f", the last below {line}" for line in reversed(hidden) if line.startswith("[")), "")
        yield f"  ... {plural(len(hidden), 'line')} as expected{heading}"
    yield from _equal(lines[-_CONTEXT:], width)


def _equal(lines: Sequence[str], width: int | None) -> Iterator[str]:
    """Yield the first of some lines that are as expected."""
    yield from (f"  {_cut(line, 0, width and _CONTEXT_WIDTH)}" for line in lines[:_CONTEXT])
    if len(lines) > _CONTEXT:
        yield f"  ... {plural(len(lines) - _CONTEXT, 'line')} as expected"


def _changes(expected: Sequence[str], found: Sequence[str], width: int | None) -> Iterator[str]:
    """Yield the lines that differ, each beside the one that stands in its place, and a few equal ones between them."""
    for tag, a, a_end, b, b_end in SequenceMatcher(None, expected, found, autojunk=False).get_opcodes():
        if tag == "equal":
            yield from _equal(expected[a:a_end], width)
            continue
        for old, new in zip_longest(expected[a:a_end], found[b:b_end]):
            at = _common(old or "", new or "")
            if old is not None:
                yield f"- {_cut(old, at, width)}"
            if new is not None:
                yield f"+ {_cut(new, at, width)}"


def _cut(line: str, at: int, width: int | None) -> str:
    """Return a line cut to a width, so that its beginning and an offset in it stay in sight."""
    if width is None or len(line) <= width:
        return line
    if at < width * 2 // 3:
        return f"{line[:width]} ..."
    begin = at - width // 3
    end = begin + width - _HEAD
    return f"{line[:_HEAD]} ... {line[begin:end]}{' ...' if end < len(line) else ''}"
