"""The readers of files of this package, each with valid files, and with the errors that it may raise."""

from __future__ import annotations

import gzip
import io
import json
import sqlite3
from base64 import b64encode
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_streamval import (
    Cassette,
    CouncilCache,
    CouncilResult,
    Delay,
    Delta,
    ModelAnswer,
    Raise,
    Read,
    Script,
    Stall,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from pytest_streamval.errors import InvalidFileError
from pytest_streamval.files.typed_json import to_json
from pytest_streamval.fuzzing.failing_cut_database import FailingCut, FailingCuts
from pytest_streamval.plugin.snapshot import TranscriptSnapshotExtension
from pytest_streamval.recordings.captured_responses import cassette_in, load_captures
from pytest_streamval.recordings.terminal_view import View
from pytest_streamval.report.cassette_document import report_of
from pytest_streamval.report.document import Entry, Report
from pytest_streamval.report.page import page_of
from pytest_streamval.report.timeline import Bar, Lane, Stop, Timeline, Verdict
from pytest_streamval.server.proxy import replay_actions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_FRAME = 'data: {"choices": [{"index": 0, "delta": {"content": "%s"}}]}\n\n'


@dataclass(frozen=True, slots=True)
class Reader:
    """A reader of one kind of file."""

    read: Callable[[Path], object]
    """Reads a file, and uses all that it holds."""
    samples: tuple[bytes, ...]
    """Valid files."""
    errors: tuple[type[Exception], ...] = ()
    """The errors that it may raise."""


# Cassettes and scripts


def _cassettes() -> tuple[bytes, ...]:
    request = {"model": "m", "messages": [{"role": "user", "content": "Weather?"}], "stream": True, "seed": 1}
    full = {
        "protocol": "openai",
        "provider": "openai",
        "model": "m",
        "server": "http://localhost",
        "method": "POST",
        "path": "/v1/chat/completions",
        "request": request,
        "status": 200,
        "headers": [["content-type", "text/event-stream"], ["x-a", "b"]],
        "end": {"how": "complete", "at": 0.75},
    }
    frames = [(_FRAME % text).encode() for text in ("It rai", "ns. Grüße.", "\U0001f34e")] + [b"data: [DONE]\n\n"]
    body = b"".join(frames)
    cut = (Read(0.5, body[:70]), Read(0.625, body[70:177]), Read(0.75, body[177:]))
    refused = {"protocol": "anthropic", "status": 429, "end": {"how": "refused", "at": 1, "seconds": 2.5}}
    line = b'{"message": {"content": "Hi."}, "done": true}\n'
    return tuple(
        Cassette("", header, reads).to_bytes()
        for header, reads in (
            (full, cut),
            ({"protocol": "openai"}, tuple(Read(at / 4, frame) for at, frame in enumerate(frames))),
            (refused, (Read(0.25, b'{"error": {"type": "rate_limit_error", "message": "slow"}}'),)),
            ({"protocol": "ollama", "end": {"how": "left", "at": 2, "why": "CancelledError"}}, (Read(0, line),)),
            ({**full, "headers": [["content-type", "application/json"]]}, (Read(0.5, b'{"choices": []}'),)),
        )
    )


def _read_cassette(path: Path) -> None:
    cassette = Cassette.load(path)
    _ = cassette.body, cassette.prompt, cassette.ending, cassette.is_stream, repr(cassette)
    Script.from_cassette(path, timing=True)
    view = View.of(cassette)
    "\n".join(view.lines(80, whole=True)).encode()
    json.dumps(view.facts(), allow_nan=False)
    report = report_of(cassette)
    to_json(report.tests)
    for _ in zip(range(1000), replay_actions(cassette, 2.0), strict=False):
        pass


def _captures() -> tuple[bytes, ...]:
    frames = [(_FRAME % text).encode() for text in ("It rai", "ns.", "\U0001f34e")] + [b"data: [DONE]\n\n"]
    body = b"".join(frames)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
    chunked = b"".join(b"%x\r\n%s\r\n" % (len(frame), frame) for frame in frames) + b"0\r\n\r\n"
    request = {
        "method": "POST",
        "url": "https://api.openai.com/v1/chat/completions",
        "headers": [{"name": "authorization", "value": "Bearer planted-key-0123"}],
        "postData": {"mimeType": "application/json", "text": '{"model": "m", "messages": []}'},
    }
    content = {"mimeType": "text/event-stream", "text": b64encode(body).decode(), "encoding": "base64"}
    response = {"status": 200, "headers": [{"name": "content-type", "value": "text/event-stream"}], "content": content}
    entry = {"request": request, "response": response, "time": 125.5}
    plain = {**entry, "response": {**response, "content": {"mimeType": "text/event-stream", "text": body.decode()}}}
    har = json.dumps({"log": {"version": "1.2", "entries": [entry, plain]}}).encode()
    coded = head + b"content-encoding: gzip\r\n\r\n" + gzip.compress(body)
    return body, head + b"\r\n" + body, head + b"transfer-encoding: chunked\r\n\r\n" + chunked, coded, har


def _read_capture(path: Path) -> None:
    data = path.read_bytes()
    cassette_in(str(path), data)
    for capture in load_captures(str(path), data):
        cassette = capture.cassette(capture.protocol or "openai", str(path))
        assert Cassette.parse(str(path), cassette.to_bytes()).body == cassette.body
        view = View.of(cassette)
        "\n".join(view.content_lines(80)).encode()
        json.dumps(view.facts(), allow_nan=False)


def _scripts() -> tuple[bytes, ...]:
    calls = (ToolCallDelta(0, "call_1", "weather", '{"city": "Ulm"}'), ToolCallDelta(1))
    steps = (
        "It ",
        Delta("rains", "Which city?", calls, Usage(12, 3), "stop"),
        Delay(0.2),
        Raise(TimeoutError("slow")),
        Raise(OSError(104, "reset")),
        Raise(ConnectionError),
        Stall(),
    )
    lines = b"".join(json.dumps(line).encode() + b"\n" for line in ("a", {"text": "b"}, {"stall": True}))
    written = b'"It "\n{"text": "rains", "thinking": "Which?", "tool_calls": [{"index": 0, "id": "c", "name": "w", '
    written += b'"arguments": "{}"}], "usage": {"input_tokens": 12}, "finish_reason": "stop"}\n{"delay": 0.2}\n'
    written += b'{"raise": {"type": "OSError", "args": [104, "reset", 1.5, true, null]}}\n'
    written += b'{"raise": {"type": "asyncio:LimitOverrunError", "args": ["x", 3]}}\n'
    assert Script(steps).steps
    return lines, written, b"# a comment\n\n" + written


def _read_script(path: Path) -> None:
    script = Script.load(path)
    _ = script.deltas, script.text.encode(errors="surrogatepass"), repr(script)
    script.recut(range(0, len(script.text), 3))


# Reports and snapshots


def _parts() -> tuple[bytes, ...]:
    lane = Lane("short", [Verdict("pass", None, 1, 1), Verdict("fail", "no", 2, 2)], Verdict("unknown", None, 3, 3))
    stop = Stop(2, 2, "no", 5)
    bars = [Bar(1, 1, 0, 4)]
    timeline = Timeline("Go", "stopped", "no", 3, 4, 2, 8, [1, 2], ["One.", "Two."], bars, bars, [lane], stop)
    tests = [Entry("t.py::test", "failed", 0.5, "no", [timeline], 0), Entry("t.py::other")]
    whole = {"format": Report.FORMAT, "version": Report.VERSION, "tests": tests, "tests_run": 2, "lost": ["one"]}
    return tuple(to_json(each).encode() for each in (whole, {**whole, "tests": []}))


def _read_part(path: Path) -> None:
    report = Report.merged([("a", Report.load(path))])
    _ = report.streams
    to_json(report.tests)
    page_of(report).encode("utf-8", "backslashreplace")


_TRANSCRIPT = 'chunk "One."\nchunk "Two."\nstreaming done, 9 characters\ncompleted successfully\n'


def _read_snapshot(path: Path) -> None:
    extension = TranscriptSnapshotExtension()
    found = extension.read_snapshot_data_from_location(snapshot_location=str(path), snapshot_name="", session_id="")
    if not extension.matches(serialized_data=_TRANSCRIPT, snapshot_data=found or ""):
        "\n".join(extension.diff_lines(_TRANSCRIPT, found or "")).encode()


# Databases


def _read_failing_cut(path: Path) -> None:
    found = FailingCut.decode(path.read_bytes())
    if found is not None:
        cuts = FailingCuts([found])
        _ = cuts.of_test(found.test), cuts.of_test("t.py::test_it")
        json.dumps(cuts.to_lists(), ensure_ascii=False).encode()  # as pytest-xdist sends them
        assert FailingCut.decode(found.encode()) == found


def _results() -> tuple[bytes, ...]:
    answer = ModelAnswer("a", "m", "Hi.", None, None, 0.5, Usage(1, 2), "stop", "Hm.", (ToolCall("1", "f", "{}"),))
    results = (
        CouncilResult("Go", "raw", (answer,)),
        CouncilResult("Go", "debate", (answer, answer), "So.", synthesizer=answer, rounds=((answer,), (answer,))),
    )
    return tuple(json.dumps(result.as_dict()).encode() for result in results)


def _read_row(path: Path) -> None:
    database = path.with_suffix(".sqlite3")
    data = path.read_bytes()
    if not database.exists():
        database.write_bytes(_databases()[0])
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("PRAGMA synchronous = OFF")
        as_text = "?" if b"\x00" in data[:20] else "CAST(? AS TEXT)"
        connection.execute(f"UPDATE results SET result = {as_text} WHERE key = 'k'", (data,))  # noqa: S608  # of two
    _use(CouncilCache(database).load("k"))


def _databases() -> tuple[bytes, ...]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE results (key TEXT PRIMARY KEY, result TEXT NOT NULL, kept REAL NOT NULL)")
        rows = [("k", _results()[1].decode(), 1.0), *((str(number), "x" * 300, 0.0) for number in range(40))]
        connection.executemany("INSERT INTO results VALUES (?, ?, ?)", rows)
        connection.commit()
        stored = connection.serialize()
        connection.execute("CREATE VIEW others AS SELECT 1")
        connection.commit()
        return stored, connection.serialize()


def _read_database(path: Path) -> None:
    cache = CouncilCache(path)
    _use(cache.load("k"))
    cache.store("new", CouncilResult("Go", "raw", ()))
    for suffix in ("-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _use(result: CouncilResult | None) -> None:
    if result is not None:
        _ = result.ok, result.usable_answers
        io.StringIO().write(repr(result))


READERS = {
    "cassette": Reader(_read_cassette, _cassettes(), (InvalidFileError,)),
    "capture": Reader(_read_capture, _captures(), (InvalidFileError,)),
    "script": Reader(_read_script, _scripts(), (InvalidFileError,)),
    "report part": Reader(_read_part, _parts(), (InvalidFileError,)),
    "snapshot": Reader(_read_snapshot, (_TRANSCRIPT.encode(), b"")),
    "failing cut": Reader(_read_failing_cut, (b'["t.py::test_it[a]", "chars"]', b'["t.py::test_it", "17"]')),
    "result in a cache": Reader(_read_row, _results()),
    "cache": Reader(_read_database, _databases()),
}
"""The readers by the names of their files."""
