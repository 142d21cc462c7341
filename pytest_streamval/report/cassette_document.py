"""A cassette as a report of one stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_streamval.engine.simple_chunkers import SentenceChunker
from pytest_streamval.errors import described
from pytest_streamval.report.document import Entry, Report
from pytest_streamval.report.redacted_timelines import without_secrets
from pytest_streamval.report.timeline import Bar, Outcome, Timeline
from pytest_streamval.report.timeline_observer import shortened

if TYPE_CHECKING:
    from pytest_streamval.recordings.cassette import Cassette

_OUTCOMES: dict[str, Outcome] = {"complete": "complete", "left": "cancelled"}  # any other end of a recording: error


def report_of(cassette: Cassette) -> Report:
    """Return the report that shows a cassette as its only stream."""
    timeline = timeline_of(cassette)
    return Report([Entry(cassette.path, "recorded", timeline.span / 1e6, streams=[timeline])])


def timeline_of(cassette: Cassette) -> Timeline:
    """Return the timeline of a recorded stream: its deltas at their times, split into sentences."""
    recording, ending = cassette.decode(), cassette.ending
    deltas = [(round(at * 1e6), delta.text) for at, deltas in recording.reads for delta in deltas]
    chunker, chunks = SentenceChunker().chunker(), []
    for after, (at, text) in enumerate(deltas, 1):
        chunks += [Bar(at, after, chunk.start, chunk.end) for chunk in chunker.feed(text)]
    text = "".join(text for _, text in deltas)
    span = max(round(ending.at * 1e6), *(at for at, _ in deltas[-1:]), 0)
    chunks += [Bar(span, len(deltas), chunk.start, chunk.end) for chunk in chunker.flush()]
    error = recording.error
    why = ending.why if error is None else f"{type(error).__name__}: {described(error)}"
    timeline = Timeline(
        asked=shortened(cassette.prompt),
        outcome="error" if error is not None else _OUTCOMES.get(ending.how, "error"),
        why=shortened(why or ("" if ending.how in _OUTCOMES else ending.how)),
        span=span,
        released=len(text),
        tokens=len(deltas),
        characters=len(text),
        times=[at for at, _ in deltas],
        texts=[text for _, text in deltas],
        chunks=chunks,
        received=[],
        lanes=[],
        stop=None,
        deviations=[shortened(str(each)) for each in recording.deviations],
    )
    return without_secrets(timeline)
