"""The observer that records the timeline of a run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from pytest_streamval.engine.component import text_of
from pytest_streamval.engine.events import (
    ChunkEvent,
    CompletedEvent,
    ErrorEvent,
    FullValidationEvent,
    QuickCheckEvent,
    RetryEvent,
)
from pytest_streamval.engine.observer import Observer
from pytest_streamval.report.redacted_timelines import without_secrets
from pytest_streamval.report.text_edits import Edit, TextEdits
from pytest_streamval.report.timeline import Bar, Lane, Outcome, Stop, Timeline, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_streamval.engine.chunking_strategy import Chunk
    from pytest_streamval.engine.events import StreamEvent
    from pytest_streamval.engine.requirement import PartialValidationResult, ValidationResult
    from pytest_streamval.engine.run_view import RunView

_WEIGHTS = {"unknown": 0, "pass": 1, "fail": 2}  # the verdict that a page shows of several on one chunk
_LONGEST = 500  # characters that are kept of a prompt, a reason or an error


class Limits(NamedTuple):
    """The amounts that are kept of one stream. The rest is counted."""

    tokens: int
    characters: int
    chunks: int


FOR_A_PAGE = Limits(tokens=100_000, characters=6_000_000, chunks=50_000)
FOR_A_PICTURE = Limits(tokens=4_000, characters=40_000, chunks=2_000)


class TimelineObserver(Observer):
    """Records one run. It does little while the run streams: `timeline()` puts the records in order."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._deviations: list[str] = []
        self._room = limits.characters
        self._token_limit = limits.tokens
        self._missed_tokens = self._missed_characters = 0
        self.began = time.time()
        """The beginning of the timeline, by the clock of the events, which a virtual clock controls."""
        self._released = 0
        self._times: list[float] = []
        self._texts: list[str] = []
        self._events: list[tuple[StreamEvent, int]] = []
        self._bases = {1: 0}  # the number of characters that were read before each attempt
        self._received: list[tuple[Chunk, float, int]] = []
        self._stop: tuple[float, int, str, int] | None = None
        self._asked = ""
        self._names: list[str] = []
        self._run: RunView | None = None
        self.outputs: set[int] = set()
        """The identities of the outputs of all attempts."""

    # The observer

    def started(self, run: RunView) -> None:
        """Record the prompt and the names of the requirements."""
        self._run = run
        self.outputs.add(id(run.thunk))
        self._asked = shortened(text_of(run.action))
        self._names = [requirement.name for requirement in run.requirements]

    def delta(self, text: str) -> None:
        """Record when a delta was read."""
        self.deltas((text,))

    def deltas(self, texts: Sequence[str]) -> None:
        """Record when deltas were read: all deltas of one read have the same time."""
        kept = texts[: max(0, self._token_limit - len(self._texts))]
        self._texts += kept
        self._times += [time.time()] * len(kept)
        self._room -= sum(map(len, kept))
        if len(kept) < len(texts):
            self._missed_tokens += len(texts) - len(kept)
            self._missed_characters += sum(map(len, texts[len(kept) :]))
        if self._room < 0:
            self._drop_surplus()

    def _drop_surplus(self) -> None:
        """Drop the text for which there is no room, and keep no further delta."""
        self._token_limit = 0
        while self._room < 0:
            last = self._texts.pop()
            self._room += len(last)
            self._missed_tokens += 1
            self._missed_characters += len(last)
        if self._room:
            self._texts.append(last[: self._room])
            self._missed_tokens -= 1
            self._missed_characters -= self._room
        del self._times[len(self._texts) :]

    def event(self, event: StreamEvent) -> None:
        """Record an event. Of the usual ones, only the first are kept."""
        if isinstance(event, RetryEvent):
            self._bases[event.attempt] = self._characters
            self.outputs.update([] if self._run is None else [id(self._run.thunk)])
        is_usual = isinstance(event, ChunkEvent) or (isinstance(event, QuickCheckEvent) and event.passed)
        if not is_usual or len(self._events) < 2 * self._limits.chunks:
            self._events.append((event, self._tokens))

    def received(self, chunk: Chunk) -> None:
        """Record when the consumer took a chunk."""
        if len(self._received) < self._limits.chunks:
            self._received.append((chunk, time.time(), self._tokens))

    def cancelled(self, reason: str) -> None:
        """Record when the generation was stopped, and how many deltas its producer had sent ahead."""
        unread = 0 if self._run is None else self._run.thunk.deltas_unread
        self._stop = time.time(), self._tokens, shortened(reason), unread

    def ended(self, run: RunView) -> None:
        """Record the length of the full text, and drop the reference to the run."""
        self._released = len(run.full_text)
        self._deviations = [shortened(str(each)) for each in run.thunk.generation.deviations]
        self._run = None

    @property
    def _tokens(self) -> int:
        return len(self._times) + self._missed_tokens

    @property
    def _characters(self) -> int:
        return sum(map(len, self._texts)) + self._missed_characters

    # The timeline

    def timeline(self) -> Timeline:
        """Return the timeline of the run so far, without secrets."""
        outcome, why = self._outcome()
        if self._run is not None:
            self._released = len(self._run.full_text)
        edits = TextEdits(list(self._edits()))
        texts, chunks = edits.texts(self._texts), list(self._chunks(edits))
        attempts = len(self._bases)
        stop = None if self._stop is None else Stop(self._since(self._stop[0]), *self._stop[1:])
        received = list(self._received_bars(chunks))
        times = [self._since(at) for at in self._times]
        happened = [self._since(event.timestamp) for event, _ in self._events[-1:]]
        timeline = Timeline(
            asked=self._asked,
            outcome=outcome,
            why=why,
            span=max([*times[-1:], *happened, *(bar.at for bar in received[-1:])], default=0),
            released=self._released if attempts == 1 else self._released_end(edits),
            tokens=self._tokens,
            characters=sum(map(len, texts)) + self._missed_characters,
            times=times,
            texts=texts,
            chunks=[bar for bar, _ in chunks],
            received=received,
            lanes=[self._lane(place, name) for place, name in enumerate(self._names)],
            stop=stop,
            deviations=self._deviations,
        )
        return without_secrets(timeline)

    def _since(self, moment: float) -> int:
        return max(0, round((moment - self.began) * 1e6))

    def _outcome(self) -> tuple[Outcome, str]:
        """Return how the run ended, and why."""
        events = [event for event, _ in self._events]
        if not (events and isinstance(events[-1], CompletedEvent)):
            return "unfinished", ""
        for event in reversed(events):
            if isinstance(event, RetryEvent):
                break
            if isinstance(event, ErrorEvent):
                return "error", shortened(f"{event.exception_type}: {event.detail}")
            if isinstance(event, FullValidationEvent) and not event.passed:
                return "invalid", self._failures(event)
            if isinstance(event, QuickCheckEvent) and any(result.stops for result in event.results):
                return "stopped", self._failures(event)
        if events[-1].success:
            return "complete", ""
        return "cancelled", self._stop[2] if self._stop is not None else ""

    def _failures(self, event: FullValidationEvent | QuickCheckEvent) -> str:
        """Return the requirements that failed a chunk or the complete output, with their reasons."""
        what = f"chunk {event.chunk_index}" if isinstance(event, QuickCheckEvent) else "the complete output"
        results = zip(self._names, map(_timeline_verdict, event.results), strict=True)
        failed = [(name, reason) for name, (word, reason) in results if word == "fail"]
        return "; ".join(f"{name} failed {what}{f': {reason}' if reason else ''}" for name, reason in failed)

    # The text of all attempts in the timeline

    def _edits(self) -> Iterator[Edit]:
        """Yield the replacements, and for each retry a line in the place of the text that was not released."""
        base = end = 0
        for event, _ in self._events:
            if isinstance(event, ChunkEvent):
                start, end = base + event.source[0], base + event.source[1]
                if event.replaced:
                    yield Edit(start, end, event.text)
            elif isinstance(event, RetryEvent):
                base = self._bases[event.attempt]
                yield Edit(end, base, f"\n[attempt {event.attempt}: {shortened(event.reason)}]\n")
                end = base

    def _chunks(self, edits: TextEdits) -> Iterator[tuple[Bar, bool]]:
        """Yield each chunk, and whether it was released. The other chunks of an attempt come with its end."""
        base = end = waiting = 0
        for event, after in self._events:
            at = self._since(event.timestamp)
            if isinstance(event, QuickCheckEvent) and event.own_chunk is None:
                waiting += 1
            elif isinstance(event, ChunkEvent):
                waiting -= 1
                end = base + event.source[1]
                place = edits.end(end)
                start = place - len(event.text) if event.replaced else edits.start(base + event.source[0])
                yield Bar(at, after, start, place), True
            elif isinstance(event, RetryEvent):
                base = self._bases[event.attempt]
                for _ in range(max(0, waiting)):
                    yield Bar(at, after, edits.end(end), edits.start(base)), False
                end, waiting = base, 0

    def _received_bars(self, chunks: Sequence[tuple[Bar, bool]]) -> Iterator[Bar]:
        """Yield the chunks that the consumer took, at the places of the released chunks."""
        released = [bar for bar, was_released in chunks if was_released]
        for (_, at, after), bar in zip(self._received, released, strict=False):
            yield Bar(self._since(at), after, bar.start, bar.end)

    def _released_end(self, edits: TextEdits) -> int:
        """Return the offset after the released text of the last attempt, in the text of all attempts."""
        last = len(self._bases)
        base = self._bases[last]
        ends = [event.source[1] for event, _ in self._events if isinstance(event, ChunkEvent) and event.attempt == last]
        return edits.end(base + max(ends)) if ends else edits.start(base)

    def _lane(self, place: int, name: str) -> Lane:
        verdicts, final = [], None
        own: list[Verdict] = []  # on the chunks of this requirement since the last release
        for event, after in self._events:
            if isinstance(event, QuickCheckEvent | FullValidationEvent):
                verdict = Verdict(*_timeline_verdict(event.results[place]), self._since(event.timestamp), after)
                if isinstance(event, FullValidationEvent):
                    final = verdict
                elif event.own_chunk is None:
                    verdicts.append(verdict)
                elif place in event.own_chunk.positions:
                    own.append(verdict)
            elif own:  # a release, or the end of an attempt
                verdicts.append(max(own, key=lambda verdict: _WEIGHTS[verdict.word]))
                own = []
        return Lane(name, verdicts, final)


def _timeline_verdict(result: PartialValidationResult | ValidationResult) -> tuple[str, str | None]:
    word = result.success
    reason = None if result.reason is None else shortened(str(result.reason))
    return word if isinstance(word, str) else "pass" if word else "fail", reason


def shortened(text: str) -> str:
    """Return a prompt or a reason as a timeline keeps it."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
