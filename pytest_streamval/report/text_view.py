"""The picture of a stream: its timeline in a dozen lines of a terminal."""

from __future__ import annotations

import locale
from typing import TYPE_CHECKING

from pytest_streamval.errors import harmless, plural
from pytest_streamval.recordings.terminal_view import BLOCKS, LETTERS, fitted
from pytest_streamval.transcripts.transcript import escaped, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_streamval.report.timeline import Timeline, Verdict

_WIDTH = 79  # columns, always the same: the terminal may belong to another machine
_LABEL = 18  # columns of the name of a row
_LANES = 4  # requirements that get a row
_TEXT = _WIDTH - _LABEL - 6  # characters of a text
_SIGNS = {"pass": "+", "fail": "X", "unknown": "?"}


def picture(stream: Timeline, *, more: int = 0, blocks: bool | None = None) -> list[str]:
    """Return the lines that show a stream.

    Args:
        stream: The timeline of the stream.
        more: The number of other streams, which are not shown.
        blocks: Whether the terminal can show block characters. By default, the locale decides.
    """
    if blocks is None:
        blocks = locale.getencoding().lower() in {"utf-8", "utf8"}
    return [fitted(escaped(line), _WIDTH) for line in _picture_lines(stream, more, BLOCKS if blocks else LETTERS)]


def _picture_lines(stream: Timeline, more: int, levels: str) -> Iterator[str]:
    chart = _Chart(stream)
    others = f" (and {more:,} more)" if more else ""
    yield f"{stream.title}{others}"
    if stream.why:
        yield f"  {harmless(stream.why).replace(chr(10), ' ')}"
    if stream.deviations:
        rest = len(stream.deviations) - 1
        yield _picture_row("odd", harmless(stream.deviations[0]) + (f" (and {rest} more)" if rest else ""))
    yield _picture_row("tokens", chart.tokens(levels))
    if not stream.subject:
        yield _picture_row("chunks", chart.chunks())
    for name, verdicts in chart.lanes():
        yield _picture_row(name, verdicts)
    if stream.received:
        yield _picture_row("received", chart.marks([(bar.at, bar.after) for bar in stream.received], "o"))
    if stream.reads:
        yield _picture_row("browser", chart.marks([(at, stream.tokens) for at in stream.reads], "o"))
    yield _picture_row(chart.unit, chart.axis())
    released, held = stream.text[: stream.released], stream.text[stream.released :]
    cut = "… " if len(released) > _TEXT else ""
    yield _picture_row(
        "text" if stream.subject else "released", cut + quoted(released[-_TEXT:]) if released else "nothing"
    )
    if stream.outcome not in {"complete", "invalid"} and held.strip():
        yield _picture_row("not released", quoted(held[:_TEXT]) + (" …" if len(held) > _TEXT else ""))


def _picture_row(name: str, cells: str) -> str:
    return f"  {fitted(harmless(name), _LABEL - 1):{_LABEL}}{cells}".rstrip()


class _Chart:
    """Rows of columns, which divide the duration of a stream, or its deltas if they came in one moment."""

    def __init__(self, stream: Timeline) -> None:
        self._stream = stream
        self._columns = _WIDTH - _LABEL - 4
        self._counts_deltas = False
        moments = {self._column(at, 0) for at in stream.times}
        self._counts_deltas = len(stream.times) > 1 and len(moments) == 1

    def _column(self, at: int, after: int) -> int:
        """Return the column of something that happened at a time, after a number of deltas."""
        done, whole = (after - 1, self._stream.tokens) if self._counts_deltas else (at, self._stream.span)
        return min(self._columns - 1, max(0, done * self._columns // max(1, whole)))

    @property
    def unit(self) -> str:
        """The name of the axis, empty for time."""
        return "by number" if self._counts_deltas else ""

    def tokens(self, levels: str) -> str:
        """Return the row of the tokens: the more came in a column, the higher its block."""
        counts = [0] * self._columns
        for number, at in enumerate(self._stream.times, 1):
            counts[self._column(at, number)] += 1
        top = max(1, *counts)
        return "".join(levels[-(-count * (len(levels) - 1) // top)] for count in counts)

    def marks(self, moments: Sequence[tuple[int, int]], sign: str) -> str:
        """Return a row with a sign at each moment, which has a time and a number of deltas."""
        cells = [" "] * self._columns
        for at, after in moments:
            cells[self._column(at, after)] = sign
        return "".join(cells)

    def chunks(self) -> str:
        """Return the row of the chunks: their numbers where they were released, and a bar where the run was stopped."""
        cells = [" "] * self._columns
        for number, bar in enumerate(self._stream.chunks):
            column = self._column(bar.at, bar.after)
            for place, digit in enumerate(str(number), column):
                if place < self._columns and cells[place] == " ":
                    cells[place] = digit
        if self._stream.stop is not None:
            cells[self._column(self._stream.stop.at, self._stream.stop.after)] = "|"
        return "".join(cells)

    def lanes(self) -> Iterator[tuple[str, str]]:
        """Yield the requirements with the rows of their verdicts. If there are many, those that failed come first."""
        lanes = self._stream.lanes
        most = _LANES - bool(self._stream.reads)
        if len(lanes) > most:
            lanes = sorted(lanes, key=lambda lane: not any(verdict.word == "fail" for verdict in lane.verdicts))
        for name, verdicts, final in lanes[:most]:
            yield name, self._signs([*verdicts, *([final] if final is not None else [])])

    def _signs(self, verdicts: Sequence[Verdict]) -> str:
        cells = [" "] * self._columns
        for verdict in verdicts:
            column = self._column(verdict.at, verdict.after)
            if cells[column] != _SIGNS["fail"]:
                cells[column] = _SIGNS[verdict.word]
        return "".join(cells)

    def axis(self) -> str:
        """Return the duration, and how many deltas the producer had sent ahead when it was stopped."""
        stop = self._stream.stop
        ahead = f"; stopped after delta {stop.after:,}, {stop.unread:,} more sent" if stop is not None else ""
        reads = f", {plural(len(self._stream.reads), 'read')}" if self._stream.reads and not ahead else ""
        return f"{plural(self._stream.tokens, 'delta')}{reads} in {duration(self._stream.span)}{ahead}"


def duration(microseconds: int) -> str:
    """Return a duration with a unit that suits it."""
    seconds = microseconds / 1e6
    return f"{seconds:,.2f} s" if seconds >= 1 else f"{seconds * 1000:.3g} ms"
