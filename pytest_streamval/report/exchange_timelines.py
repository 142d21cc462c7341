"""The timelines of pages and of provider responses: of those without a run, and of a run with its browser's reads."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from pytest_streamval.report.redacted_timelines import without_secrets
from pytest_streamval.report.timeline import Outcome, Subject, Timeline
from pytest_streamval.report.timeline_observer import shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST_READS = 20_000  # of one page


class Exchange(NamedTuple):
    """A request and its response, in values."""

    subject: Subject
    asked: str
    """The request, in words."""
    outcome: Outcome
    why: str
    """The reason of a bad end, empty if there is none."""
    began: float
    """The time of the request, in seconds."""
    texts: Sequence[tuple[float, str]]
    """The deltas, each with its time."""
    reads: Sequence[float] = ()
    """The times of the browser's reads."""


def timeline_of(exchange: Exchange) -> Timeline:
    """Return the timeline of a page or a response, without secrets."""
    texts = [text for _, text in exchange.texts]
    times = [_milliseconds_since(exchange.began, at) for at, _ in exchange.texts]
    size = sum(map(len, texts))
    timeline = Timeline(
        asked=shortened(exchange.asked),
        outcome=exchange.outcome,
        why=shortened(exchange.why),
        span=max(times, default=0),
        released=size,
        tokens=len(times),
        characters=size,
        times=times,
        texts=texts,
        chunks=[],
        received=[],
        lanes=[],
        stop=None,
        subject=exchange.subject,
    )
    return without_secrets(with_reads(timeline, exchange.began, exchange.reads))


def with_reads(timeline: Timeline, began: float, reads: Sequence[float]) -> Timeline:
    """Return the timeline of a run with the reads of the page that shows it.

    Args:
        timeline: The timeline.
        began: The time of its beginning, in seconds.
        reads: The times of the reads, in seconds.
    """
    moments = [_milliseconds_since(began, at) for at in reads[:_MOST_READS]]
    return replace(timeline, reads=moments, span=max(timeline.span, *moments[-1:], 0))


def _milliseconds_since(began: float, at: float) -> int:
    return max(0, round((at - began) * 1e6))
