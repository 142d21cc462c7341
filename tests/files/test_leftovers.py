"""Temporary files that a killed process has left."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_streamval.files import leftovers
from pytest_streamval.files.leftovers import temporary_name
from pytest_streamval.files.writing import prepare_file, write_file

if TYPE_CHECKING:
    from pathlib import Path

_KILLED = """
import os, signal, sys
from pytest_streamval.files.writing import prepare_file
prepare_file(sys.argv[1], b"half")
os.kill(os.getpid(), signal.SIGKILL)
"""


def names(folder: Path) -> list[str]:
    return sorted(found.name for found in folder.iterdir())


@pytest.mark.skipif(os.name != "posix", reason="Windows has no SIGKILL")
def test_a_leftover_of_a_killed_process_is_removed_by_the_next_writer(tmp_path: Path) -> None:
    path = tmp_path / "it.jsonl"
    path.write_bytes(b"old")
    killed = subprocess.run([sys.executable, "-c", _KILLED, path], check=False, timeout=60)
    assert killed.returncode < 0
    assert len(names(tmp_path)) == 2
    write_file(path, b"new")
    assert names(tmp_path) == ["it.jsonl"]
    assert path.read_bytes() == b"new"


def test_a_file_that_a_living_process_writes_is_no_leftover(tmp_path: Path) -> None:
    path = tmp_path / "it.jsonl"
    prepared = prepare_file(path, b"first")
    other = tmp_path / temporary_name().replace(f"-{os.getpid()}-", f"-{os.getppid()}-")
    other.write_bytes(b"")
    write_file(path, b"second")
    assert names(tmp_path) == sorted([other.name, prepared.temporary.name, "it.jsonl"])
    prepared.commit()
    assert path.read_bytes() == b"first"


def dead_process() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait(timeout=60)
    return child.pid


def test_files_that_are_no_leftovers_of_this_machine_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dead = temporary_name().replace(f"-{os.getpid()}-", f"-{dead_process()}-")
    machine = leftovers._machine()
    kept = {
        dead.replace(machine, "0" * 16),
        f"x{dead}",
        f"{dead}x",
        f".streamval-{'0' * 32}.tmp",
        temporary_name().replace(f"-{os.getpid()}-", "-999999999-").replace(".tmp", ".tmp2"),
    }
    for name in {*kept, dead}:
        (tmp_path / name).write_bytes(b"")
    write_file(tmp_path / "it.jsonl", b"new")
    assert set(names(tmp_path)) == kept | {"it.jsonl"}


def test_a_file_of_a_process_of_another_user_is_no_leftover(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(process: int, number: int) -> None:
        raise PermissionError(process, number)

    other = tmp_path / temporary_name()
    other.write_bytes(b"")
    monkeypatch.setattr(leftovers.os, "kill", refuse)
    write_file(tmp_path / "it.jsonl", b"new")
    assert set(names(tmp_path)) == {other.name, "it.jsonl"}


def test_a_leftover_that_cannot_be_removed_stops_no_writer(tmp_path: Path) -> None:
    dead = tmp_path / temporary_name().replace(f"-{os.getpid()}-", f"-{dead_process()}-")
    dead.mkdir()
    write_file(tmp_path / "it.jsonl", b"new")
    assert (tmp_path / "it.jsonl").read_bytes() == b"new"
    assert dead.is_dir()
