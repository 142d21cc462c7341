"""The command `streamval`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pytest_streamval.cli import main


@pytest.fixture
def water(streams: Path) -> str:
    return str(streams / "openai-water.jsonl")


def test_replay_shows_each_chunk_with_its_place(water: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", water, "--fast"]) == 0
    first, line, last = capsys.readouterr().out.splitlines()
    assert "32 deltas, 145 characters" in first
    assert "0-145" in line
    assert "end of the stream" in last
    assert "The water cycle is a fundamental process" in line


def test_replay_cuts_as_it_is_told(water: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", water, "--fast", "--chunking", "word"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 29


def test_replay_at_a_speed_plays_the_recorded_pauses(water: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", water, "--speed", "1e9"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_a_stream_that_failed_when_recorded_exits_with_1(
    tmp_path: Path, water: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = tmp_path / "cut.jsonl"
    cut.write_text("\n".join(Path(water).read_text().splitlines()[:9]))
    assert main(["replay", str(cut), "--fast", "--chunking", "word"]) == 1
    shown = capsys.readouterr()
    assert "'water'" in shown.out
    assert "StreamTruncatedError" in shown.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required: COMMAND"),
        (["replay"], "required: file"),
        (["replay", "nowhere.jsonl"], "No such file"),
        (["replay", __file__], "no JSON"),
        (["replay", "WATER", "--speed", "0"], "give a number above 0"),
        (["replay", "WATER", "--chunking", "sentances"], "Unknown chunking alias 'sentances'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_call_exits_with_2_and_says_why(
    water: str, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exited:
        main([water if argument == "WATER" else argument for argument in arguments])
    assert exited.value.code == 2
    assert message in capsys.readouterr().err


def test_a_reader_who_leaves_early_sees_no_traceback(water: str) -> None:
    command = [sys.executable, "-c", "from pytest_streamval.cli import main; raise SystemExit(main())", "replay", water]
    with subprocess.Popen(
        [*command, "--fast", "--chunking", "word"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0
