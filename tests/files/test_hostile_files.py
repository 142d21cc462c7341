"""Every reader of files has its own error for any bytes, or none. `python -m benchmarks.hostile_files` reads more."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from benchmarks.hostile_files.readers import READERS
from benchmarks.hostile_files.search import fault_of, hostile_file, search
from pytest_streamval import Cassette, Script
from pytest_streamval.cli import main
from pytest_streamval.errors import InvalidFileError
from pytest_streamval.recordings.captured_responses import load_captures
from pytest_streamval.report.document import Report

if TYPE_CHECKING:
    from pathlib import Path

FILES = 300
EACH = pytest.mark.parametrize("reader", READERS)


@EACH
def test_a_reader_reads_its_valid_files(reader: str, tmp_path: Path) -> None:
    for sample in READERS[reader].samples:
        (tmp_path / "file").write_bytes(sample)
        READERS[reader].read(tmp_path / "file")


@EACH
def test_a_reader_raises_only_its_own_error_for_mutations(reader: str, tmp_path: Path) -> None:
    assert list(search(reader, FILES, 16, tmp_path)) == []


@EACH
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(data=st.binary() | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
@example(data=b"")
@example(data=b"[" * 100_000)
@example(data=b'{"a":' * 900 + b"1" + b"}" * 900)
@example(data=b"9" * 5000)
def test_a_reader_raises_only_its_own_error_for_any_bytes(reader: str, data: bytes, tmp_path: Path) -> None:
    assert fault_of(reader, data, tmp_path) == ""


@EACH
def test_mutations_are_the_same_each_time_and_of_many_kinds(reader: str) -> None:
    first = [hostile_file(reader, 1, number) for number in range(50)]
    assert first == [hostile_file(reader, 1, number) for number in range(50)]
    assert len({*first, *(hostile_file(reader, 2, number) for number in range(50))}) > 40


def test_the_search_finds_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cassette, "load", lambda path: json.loads(path.read_bytes()))
    faults = list(search("cassette", 40, 1, tmp_path))
    assert len(faults) == 40
    assert any("JSONDecodeError" in fault for fault in faults)


# Values that a parser of JSON accepts

HEADER = {"protocol": "openai"}
CASSETTES = {
    "an infinite time": [HEADER, {"at": float("inf"), "text": ""}],
    "a negative time": [HEADER, {"at": -0.1, "text": ""}],
    "a time after all years": [HEADER, {"at": 1e12 + 1, "text": ""}],
    "a time with 400 digits": [HEADER, {"at": 10**400, "text": ""}],
    "base64 that is not ASCII": [HEADER, {"at": 0, "base64": "é"}],
    "an infinite end": [{**HEADER, "end": {"how": "left", "at": 1e999}}],
    "a negative end": [{**HEADER, "end": {"how": "left", "at": -1}}],
    "a negative wait": [{**HEADER, "end": {"how": "refused", "seconds": -1}}],
    "an end that is true": [{**HEADER, "end": {"how": "left", "at": True}}],
    **{f"the status {status}": [{**HEADER, "status": status}] for status in (-1, 0, 99, 100, 199, 1000, 10**400)},
    "a status that is true": [{**HEADER, "status": True}],
    **{
        f"the header {name!r}: {value!r}": [{**HEADER, "headers": [[name, value]]}]
        for name, value in (
            ("", "a"),
            ("a b", "a"),
            ("a:", "a"),
            ("é", "a"),
            ("a", "b\r\nc: d"),
            ("a", "\0"),
            ("a", "\ud800"),
        )
    },
    "a deep request": [{**HEADER, "request": json.loads("[" * 150 + "]" * 150)}],
}


@pytest.mark.parametrize("lines", CASSETTES.values(), ids=CASSETTES)
def test_a_cassette_with_an_impossible_value_is_invalid(lines: list[object], tmp_path: Path) -> None:
    path = tmp_path / "it.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(InvalidFileError) as caught:
        Cassette.load(path)
    assert caught.value.path == f"{path}:{len(lines)}"


@pytest.mark.parametrize("digits", [1, 15, 16, 17, 5000])
def test_a_captured_chunk_of_any_size_is_read(digits: int) -> None:
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    (capture,) = load_captures("it", head + b"f" * digits + b"\r\ndata: {}\n\n")
    assert b"data: {}\n\n" in capture.body


@pytest.mark.parametrize("seconds", ["1e999", "-1", "NaN", "1" + "0" * 400, "true", '"1"'])
def test_a_script_with_an_impossible_delay_is_invalid(seconds: str, tmp_path: Path) -> None:
    path = tmp_path / "it.jsonl"
    path.write_text(f'{{"delay": {seconds}}}')
    with pytest.raises(InvalidFileError, match='Invalid "delay"'):
        Script.load(path)


@pytest.mark.parametrize("value", ["1e999", "-1e999", str(2**63), "1" + "0" * 400])
def test_a_report_with_an_impossible_number_is_invalid(value: str, tmp_path: Path) -> None:
    path = tmp_path / "part.json"
    path.write_text(f'{{"format": "streamval-report", "version": 1, "tests": [], "tests_run": {value}, "lost": []}}')
    with pytest.raises(InvalidFileError):
        Report.load(path)


def test_show_prints_a_cassette_with_halves_of_surrogate_pairs(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = tmp_path / "it.jsonl"
    request = {"messages": [{"content": "a\ud800b"}], "x\ud800": 1}
    Cassette(str(path), {**HEADER, "request": request, "path": "\udfff", "model": "\ud800"}, ()).dump()
    for options in ([], ["--json"], ["--html", "-o", str(tmp_path / "page.html")]):
        assert main(["show", str(path), *options]) == 0
        capsys.readouterr().out.encode()
