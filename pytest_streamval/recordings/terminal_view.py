"""A cassette in a terminal: its request, its text, and the boundaries and times of its reads."""

from __future__ import annotations

import codecs
import json
from dataclasses import asdict, dataclass
from itertools import accumulate
from statistics import median
from typing import TYPE_CHECKING, Any

from pytest_streamval.errors import plural
from pytest_streamval.errors.text import display_width, harmless
from pytest_streamval.model import merge_tool_calls

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_streamval.model import Delta, Deviation, ToolCall
    from pytest_streamval.recordings.cassette import Cassette

BLOCKS = " ▁▂▃▄▅▆▇█"
LETTERS = " .:-=+*#%"  # if the terminal has no blocks
_HEIGHT = 4  # lines of the picture
_HEAD = 16  # rows shown at the beginning of a long table
_TAIL = 4  # rows shown at its end
_LABEL = 10  # columns of the names in the header
_PROMPT = 400  # characters shown of a prompt
_NO_OPTIONS = {"model", "messages", "contents", "prompt", "system", "systemInstruction"}


@dataclass(frozen=True, slots=True)
class Row:
    """One read of a cassette."""

    number: int
    """From 1."""
    at: float
    """Seconds since the request."""
    pause: float
    """Seconds since the previous read, or since the request."""
    size: int
    """The number of bytes."""
    deltas: tuple[Delta, ...]
    """The deltas that it completed."""


@dataclass(frozen=True, slots=True)
class View:
    """A cassette with its decoded reads."""

    cassette: Cassette
    rows: tuple[Row, ...]
    """Its reads."""
    error: str
    """The fault of the stream, or an empty string."""
    deviations: tuple[Deviation, ...] = ()
    """The differences of the stream from its protocol that lost nothing."""

    @classmethod
    def of(cls, cassette: Cassette) -> View:
        """Return the view of a cassette."""
        recording = cassette.decode()
        last = len(cassette.reads) - 1
        deltas: list[list[Delta]] = [[] for _ in cassette.reads]
        for number, (_, completed) in enumerate(recording.reads if deltas else ()):
            # a response in one piece is complete with its last read, as are the deltas at the end of a stream
            deltas[min(number, last) if len(recording.reads) > 1 else last] += completed
        times = [0.0, *(read.at for read in cassette.reads)]
        rows = (
            Row(number, read.at, read.at - before, len(read.data), tuple(completed))
            for number, (read, before, completed) in enumerate(zip(cassette.reads, times, deltas, strict=False), 1)
        )
        error = recording.error
        fault = "" if error is None else f"{type(error).__name__}: {error}"
        return cls(cassette, tuple(rows), fault, recording.deviations)

    @property
    def deltas(self) -> list[Delta]:
        """All deltas."""
        return [delta for row in self.rows for delta in row.deltas]

    @property
    def text(self) -> str:
        """All text."""
        return "".join(delta.text for delta in self.deltas)

    @property
    def seconds(self) -> float:
        """The end of the stream, in seconds since the request."""
        return max(self.cassette.ending.at, self.rows[-1].at if self.rows else 0.0)

    def torn(self) -> tuple[int, int]:
        """Return how many reads end inside a frame, and how many of those end inside a character."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        frames = characters = 0
        line_ends = (b"\n",) if self.cassette.header["protocol"] == "ollama" else (b"\n\n", b"\r\n\r\n", b"\r\r")
        tail = b""
        for _, data in self.cassette.reads:
            decoder.decode(data)
            tail = (tail + data)[-4:]
            frames += not tail.endswith(line_ends)
            characters += bool(decoder.getstate()[0])
        return frames, characters

    def summary(self) -> str:
        """Return the amounts and the duration on one line."""
        first = f"first byte after {self.rows[0].at:.3f} s, " if self.rows else ""
        size = sum(row.size for row in self.rows)
        return (
            f"{plural(len(self.rows), 'read')}, {plural(size, 'byte')}, {plural(len(self.deltas), 'delta')}, "
            f"{plural(len(self.text), 'character')}; {first}{self.seconds:.3f} s in all"
        )

    def facts(self) -> dict[str, Any]:
        """Return everything as values of JSON."""
        deltas = self.deltas
        calls = merge_tool_calls([call for delta in deltas for call in delta.tool_calls])
        usage = next((delta.usage for delta in reversed(deltas) if delta.usage), None)
        counts = usage and {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
        return {
            "file": self.cassette.path,
            "header": dict(self.cassette.header),
            "ended": self.cassette.ending.how,
            "error": self.error or None,
            "text": self.text,
            "thinking": "".join(delta.thinking for delta in deltas),
            "refusal": "".join(delta.refusal for delta in deltas),
            "signature": "".join(delta.signature for delta in deltas),
            "redacted": "".join(delta.redacted for delta in deltas),
            "tool_calls": [_call_facts(call) for call in calls],
            "finish_reason": next((delta.finish_reason for delta in reversed(deltas) if delta.finish_reason), None),
            "usage": counts,
            "deviations": [asdict(deviation) for deviation in self.deviations],
            "bytes": sum(row.size for row in self.rows),
            "first_byte": self.rows[0].at if self.rows else None,
            "seconds": self.seconds,
            "reads": [
                {
                    "at": row.at,
                    "pause": round(row.pause, 6),
                    "bytes": row.size,
                    "texts": [each.text for each in row.deltas],
                }
                for row in self.rows
            ],
        }

    # Lines

    def lines(self, width: int = 80, *, whole: bool = False, blocks: bool = True) -> Iterator[str]:
        """Yield the lines for a terminal.

        Args:
            width: The columns of the terminal.
            whole: Whether to show every read, also of a long stream.
            blocks: Whether the terminal can show block characters.
        """
        yield from self.content_lines(width)
        yield ""
        yield from wrapped(" ".join([f"{self.summary()}.", *self._pace()]), width)
        if self.rows:
            yield ""
            yield from picture(self.rows, self.seconds, width, blocks=blocks)
            yield ""
            yield from self._table(width, whole=whole)

    def content_lines(self, width: int = 80) -> Iterator[str]:
        """Yield the lines about the request, the answer and its content, without those about its reads."""
        facts = self.facts()
        yield from self._header(facts, width)
        yield ""
        yield from wrapped(self.text, width) if self.text else ["(no text)"]
        for name in ("thinking", "refusal", "tool_calls"):
            if facts[name]:
                yield ""
                yield from wrapped(f"{name.replace('_', ' ')}: {_plain(facts[name])}", width)

    def _header(self, facts: dict[str, Any], width: int) -> Iterator[str]:
        header, ending = self.cassette.header, self.cassette.ending
        request = header.get("request")
        fields = request if isinstance(request, dict) else {}
        options = (f"{name} {_plain(value)}" for name, value in fields.items() if name not in _NO_OPTIONS)
        prompt = self.cassette.prompt
        kinds = [value for name, value in header.get("headers") or () if name.lower() == "content-type"]
        why = f": {ending.why}" if ending.why else ""
        finish = [facts["finish_reason"]] if facts["finish_reason"] else []
        if facts["usage"]:
            finish.append("{input_tokens} tokens in, {output_tokens} out".format(**facts["usage"]))
        lines = {
            "file": self.cassette.path,
            "model": header.get("model"),
            "server": header.get("server"),
            "request": f"{header.get('method', '')} {header.get('path', '')} ({header['protocol']})".strip(),
            "options": ", ".join(options),
            "prompt": prompt if len(prompt) <= _PROMPT else f"{prompt[:_PROMPT]} ...",
            "answer": ", ".join(map(str, [*_status(header), *kinds])),
            "ended": f"{ending.how}{_after(self.seconds)}{why}",
            "finish": ", ".join(finish),
            "error": self.error,
            "odd": "\n".join(map(str, self.deviations)),
        }
        for name, value in lines.items():
            if value:
                first, *more = wrapped(str(value), width - _LABEL)
                yield f"{name:{_LABEL}}{first}"
                yield from (f"{'':{_LABEL}}{line}" for line in more)

    def _pace(self) -> Iterator[str]:
        pauses = [row.pause for row in self.rows[1:]]
        if pauses:
            longest = max(self.rows[1:], key=lambda row: row.pause)
            yield (
                f"A read came every {_milliseconds(median(pauses))} (median); the longest pause, "
                f"{_milliseconds(longest.pause)}, was before read {longest.number}."
            )
        frames, characters = self.torn() if self.cassette.is_stream else (0, 0)
        if frames:
            yield f"{plural(frames, 'read')} ended inside a frame, {characters} of them inside a character."
        elif self.rows and self.cassette.is_stream:
            yield "Every read ended with a frame."

    def _table(self, width: int, *, whole: bool) -> Iterator[str]:
        yield "  read        at      pause   bytes  text"
        rows = self.rows
        head = len(rows) if whole or len(rows) <= _HEAD + _TAIL + 1 else _HEAD
        yield from (self._row(row, width) for row in rows[:head])
        if head < len(rows):
            yield f"   ...  {len(rows) - _HEAD - _TAIL:,} more, shown by --all"
            yield from (self._row(row, width) for row in rows[-_TAIL:])

    def _row(self, row: Row, width: int) -> str:
        content = " ".join(filter(None, map(_delta_summary, row.deltas))) or "-"
        line = f"{row.number:6,} {row.at:7.3f} s {_milliseconds(row.pause):>10} {row.size:7,}  "
        return f"{line}{fitted(content, width - len(line))}"


def picture(rows: Sequence[Row], seconds: float, width: int, *, blocks: bool = True) -> Iterator[str]:
    """Yield the lines of a bar chart of the text's characters over time.

    Args:
        rows: The reads.
        seconds: The duration of the stream.
        width: The columns of the terminal.
        blocks: Whether the terminal can show block characters.
    """
    levels = BLOCKS if blocks else LETTERS
    columns = max(10, width - 2)
    amounts = [0] * columns
    for row in rows:
        place = int(row.at / seconds * columns) if row.at < seconds else columns - 1 if seconds else 0
        amounts[place] += max(1, sum(len(delta.text) + len(delta.thinking) for delta in row.deltas))
    top, full = max(amounts), len(levels) - 1
    heights = [-(-amount * full * _HEIGHT // top) for amount in amounts]
    for line in range(_HEIGHT - 1, -1, -1):
        yield f" {''.join(levels[min(full, max(0, height - line * full))] for height in heights)}".rstrip()
    rule, end = ("─", "┴") if blocks else ("-", "+")
    yield f" {end}{rule * (columns - 2)}{end}"
    left, right = " 0 s", f"{seconds:.3f} s"
    middle = f"a column is {_milliseconds(seconds / columns)}, the highest {plural(top, 'character')}"
    yield f"{left}{middle:^{columns + 1 - len(left) - len(right)}}{right}"


def wrapped(text: str, width: int) -> list[str]:
    """Return a text in lines of `width` columns, broken at spaces if there are any, with control characters escaped."""
    return [line for full in harmless(text).split("\n") for line in _wrapped(full.expandtabs(4), width)]


def _wrapped(text: str, width: int) -> Iterator[str]:
    start = columns = 0
    at = 0
    while at < len(text):
        columns += display_width(text[at])
        if columns <= width or at == start:
            at += 1
            continue
        space = text.rfind(" ", start + 1, at + 1)
        end = space if space > 0 else at
        yield text[start:end]
        at = start = end + text.startswith(" ", end)
        columns = 0
    yield text[start:]


def fitted(text: str, width: int) -> str:
    """Return the beginning of a text that fits into `width` columns."""
    if display_width(text) <= width:
        return text
    return text[: sum(columns < width for columns in accumulate(map(display_width, text)))] + "…"


def _delta_summary(delta: Delta) -> str:
    parts = [repr(delta.text) if delta.text else ""]
    parts.append(f"thinking {delta.thinking!r}" if delta.thinking else "")
    parts.append(f"refusal {delta.refusal!r}" if delta.refusal else "")
    parts += [f"tool {call.name or ''}{call.arguments!r}" for call in delta.tool_calls]
    parts.append(f"finish {delta.finish_reason}" if delta.finish_reason else "")
    parts.append(f"usage {delta.usage.input_tokens}+{delta.usage.output_tokens}" if delta.usage else "")
    return " ".join(filter(None, parts))


def _status(header: Mapping[str, Any]) -> list[object]:
    """Return the status of an answer, nothing if it was not captured."""
    return [header["status"] or "none"] if "status" in header else []


def _after(seconds: float) -> str:
    return f", {seconds:.3f} s after the request" if seconds else ""


def _call_facts(call: ToolCall) -> dict[str, str | None]:
    """Return the parts of a call, with its kind unless it is the usual one."""
    kind = {} if call.kind == "function" else {"kind": call.kind}
    return {"id": call.id, "name": call.name, "arguments": call.arguments, **kind}


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _milliseconds(seconds: float) -> str:
    milliseconds = seconds * 1000
    return f"{milliseconds:,.0f} ms" if milliseconds >= 10 else f"{milliseconds:.1f} ms"  # noqa: PLR2004  # two digits
