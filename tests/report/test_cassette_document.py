"""Cassettes as timelines and pages, and the commands `show --html` and `report merge`."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_streamval import Cassette
from pytest_streamval.cli import main
from pytest_streamval.recordings.cassette import Read
from pytest_streamval.report.cassette_document import timeline_of
from pytest_streamval.report.document import Entry, Report
from pytest_streamval.report.write import write_report
from tests.report.streams import stream

if TYPE_CHECKING:
    from pathlib import Path


def frame(text: str) -> bytes:
    return f"data: {json.dumps({'choices': [{'index': 0, 'delta': {'content': text}}]})}\n\n".encode()


def cassette(*texts: str, end: dict | None = None, done: bool = True, **header: object) -> Cassette:
    reads = [Read(0.1 * number, frame(text)) for number, text in enumerate(texts, 1)]
    last = [Read(1.0, b"data: [DONE]\n\n")] if done else []
    facts = {"protocol": "openai", "request": {"messages": [{"role": "user", "content": "Hi"}]}, **header}
    return Cassette("it.jsonl", {**facts, "end": end} if end else facts, (*reads, *last))


def test_the_timeline_of_a_cassette_has_the_deviations_of_its_stream() -> None:
    (deviation,) = timeline_of(cassette("One.")).deviations
    assert deviation.startswith("byte 65: it ends the stream, but no frame had a finish_reason (missing-finish-reason)")


def test_the_timeline_of_a_cassette_has_its_deltas_and_sentences() -> None:
    timeline = timeline_of(cassette("One. ", "Two", "."))
    assert (timeline.asked, timeline.outcome, timeline.why, timeline.span) == ("Hi", "complete", "", 1_000_000)
    assert list(zip(timeline.times, timeline.texts, strict=True)) == [
        (100_000, "One. "),
        (200_000, "Two"),
        (300_000, "."),
    ]
    assert [tuple(bar) for bar in timeline.chunks] == [(100_000, 1, 0, 4), (1_000_000, 3, 5, 9)]
    assert (timeline.tokens, timeline.characters, timeline.released) == (3, 9, 9)


@pytest.mark.parametrize(
    ("recorded", "outcome", "why"),
    [
        (cassette("One.", end={"how": "left", "at": 2, "why": "enough"}), "cancelled", "enough"),
        (cassette("One.", end={"how": "broken", "at": 2, "why": "reset"}), "error", "reset"),
        (cassette("One.", end={"how": "silent", "at": 2}), "error", "silent"),
        (cassette("One.", done=False), "error", "StreamTruncatedError: "),
        (cassette(done=False, status=500), "error", "ProviderResponseError: "),
    ],
    ids=["left", "broken", "silent", "truncated", "refused"],
)
def test_the_timeline_of_a_cassette_has_its_outcome(recorded: Cassette, outcome: str, why: str) -> None:
    timeline = timeline_of(recorded)
    assert timeline.outcome == outcome
    assert timeline.why.startswith(why)


# The commands


@pytest.fixture
def water(streams: Path) -> str:
    return str(streams / "openai-water.jsonl")


def test_show_html_writes_or_prints_the_page_of_a_cassette(
    water: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "new" / "water.html"
    assert main(["show", "--html", water, "-o", str(path)]) == 0
    page = path.read_text(encoding="utf-8")
    assert "<title>openai-water.jsonl</title>" in page
    assert "The water cycle" in "".join(
        json.loads(page.split('id="data">')[1].split("</script>")[0])["tests"][0]["streams"][0]["texts"]
    )
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", out)
    assert main(["show", "--html", water]) == 0
    assert out.buffer.getvalue().decode() == page


def part(path: Path, name: str, outcome: str, lost: tuple[str, ...] = ()) -> str:
    report = Report([Entry(f"test_it.py::test_{outcome}", streams=[stream(outcome)])], 3, list(lost))
    write_report(report, path / name)
    return str(path / name)


def test_report_merge_joins_parts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "c").mkdir()
    parts = [
        part(tmp_path, "a.json", "stopped", ("worker 'gw0' crashed",)),
        part(tmp_path, "b.json", "error"),
        part(tmp_path / "c", "b.json", "complete"),
    ]
    joined = str(tmp_path / "all.json")
    assert main(["report", "merge", *parts, "-o", joined]) == 0
    assert capsys.readouterr().out == f"{joined}: 3 streams of 3 parts\n  a: worker 'gw0' crashed\n"
    merged = Report.load(joined)
    assert {entry.run for entry in merged.tests} == {"a", *parts[1:]}
    assert merged.tests_run == 9
    assert main(["report", "merge", joined, "-o", str(tmp_path / "all.html"), "--json"]) == 0
    facts = {"file": str(tmp_path / "all.html"), "parts": 1, "tests": 3, "streams": 3}
    assert json.loads(capsys.readouterr().out) == {**facts, "lost": ["all: a: worker 'gw0' crashed"]}
    assert "all/a" in (tmp_path / "all.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["report"], "required: COMMAND"),
        (["report", "merge", "-o", "x.html"], "required: PART"),
        (["report", "merge", "PART"], "required: -o/--output"),
        (["report", "merge", "PART", "-o", "x.txt"], "Invalid -o: 'x.txt'. The name must end in .html"),
        (["report", "merge", "nowhere.json", "-o", "x.html"], "No such file"),
        (["report", "merge", __file__, "-o", "x.html"], "it is not JSON"),
        (["report", "merge", "PART", "-o", "PART/x.html"], "File exists"),
        (["show", "WATER", "-o", "x.html"], "-o x.html needs --html: only a page is written to a file."),
        (["show", "WATER", "--html", "-o", "PART/x.html"], "File exists"),
    ],
    ids=lambda value: " ".join(value)[-40:] if isinstance(value, list) else "",
)
def test_wrong_arguments_exit_with_2_and_a_reason(
    tmp_path: Path, water: str, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {"WATER": water, "PART": part(tmp_path, "part.json", "complete")}
    for name, path in places.items():
        arguments = [argument.replace(name, path) for argument in arguments]
    with pytest.raises(SystemExit) as exited:
        main(arguments)
    assert exited.value.code == 2
    assert message in capsys.readouterr().err
