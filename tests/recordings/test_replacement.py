"""New recordings replace the old ones together, and only if all of them are there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pytest_streamval import Cassette, Read
from pytest_streamval.recordings.replacement import NewRecordings
from pytest_streamval.recordings.stream_recorder import numbered

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    for number in (1, 2, 3):
        numbered(tmp_path / "it.jsonl", number).write_text("old")
    return tmp_path / "it.jsonl"


def cassette(path: Path, number: int) -> Cassette:
    return Cassette(str(numbered(path, number)), {"protocol": "openai"}, (Read(0.0, b"new"),))


def contents(path: Path) -> list[str]:
    """Return the state of each file: old, new or temporary."""
    found = sorted(path.parent.iterdir())
    states = ["temporary" if each.suffix == ".tmp" else each.read_text() for each in found]
    return [state if state in {"old", "temporary"} else "new" for state in states]


def old(path: Path) -> list[Path]:
    return [numbered(path, number) for number in (1, 2, 3)]


def test_recordings_that_replace_none_are_written_at_once(path: Path) -> None:
    new = NewRecordings()
    new.add(cassette(path, 4))
    assert contents(path) == ["old", "old", "new", "old"]
    new.close(failed=True)
    assert contents(path) == ["old", "old", "new", "old"]
    assert new.written == [numbered(path, 4)]


@pytest.mark.parametrize("failed", [False, True])
def test_recordings_replace_others_at_the_end_unless_the_run_failed(path: Path, failed: bool) -> None:
    new = NewRecordings(old(path))
    for number in (1, 2):
        new.add(cassette(path, number))
    assert sorted(contents(path)) == ["old"] * 3 + ["temporary"] * 2
    assert new.replaces
    new.close(failed=failed)
    assert contents(path) == (["old"] * 3 if failed else ["new"] * 2)
    assert len(new.written) == (0 if failed else 2)
    assert not new.replaces
    new.close()
    assert len(contents(path)) == (3 if failed else 2)


def test_a_run_without_recordings_replaces_nothing(path: Path) -> None:
    NewRecordings(old(path)).close()
    assert contents(path) == ["old"] * 3


def test_a_recording_that_could_not_be_written_is_a_failure(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new = NewRecordings(old(path))
    new.add(cassette(path, 1))
    monkeypatch.setattr(os, "fsync", _full)
    with pytest.raises(OSError, match=r"it\.2\.jsonl"):
        new.add(cassette(path, 2))
    new.close()
    assert contents(path) == ["old"] * 3
    assert new.written == []


def test_a_file_that_cannot_be_replaced_leaves_no_temporary_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new = NewRecordings(old(path))
    for number in (1, 2, 3):
        new.add(cassette(path, number))
    numbered(path, 2).unlink()
    numbered(path, 2).mkdir()
    with pytest.raises(OSError, match=r"it\.2\.jsonl"):
        new.close()
    numbered(path, 2).rmdir()
    assert contents(path) == ["old", "new"]


def _full(*_: object) -> None:
    raise OSError(28, "No space left on device")
