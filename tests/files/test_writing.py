"""A file is written completely, or the older one stays."""

from __future__ import annotations

import errno
import os
import re
import socket
import stat
import threading
from pathlib import Path

import pytest

from pytest_streamval.files.writing import prepare_file, write_file

PACKAGE = Path(__file__).parent.parent.parent / "pytest_streamval"
WRITES = re.compile(r"\.write_(?:text|bytes)\(|\bopen\([^)\n]*[\"'][wax][bt+]*[\"']|\bO_(?:WRONLY|RDWR|CREAT)\b")
OTHERS = {
    "cli/terminal.py": "the null device",
    "council/cache.py": "an empty file for SQLite",
    "files/writing.py": "this subject",
}


def test_no_other_module_writes_files() -> None:
    modules = {path: path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}
    found = {str(path.relative_to(PACKAGE)) for path, text in modules.items() if WRITES.search(text)}
    assert found == OTHERS.keys()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "it.jsonl"


def names(folder: Path) -> list[str]:
    return sorted(found.name for found in folder.iterdir())


def test_write_file_makes_missing_folders(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "it.jsonl"
    write_file(str(path), b"new")
    assert path.read_bytes() == b"new"
    assert names(path.parent) == ["it.jsonl"]


def test_write_file_replaces_a_file_and_keeps_its_permissions(path: Path) -> None:
    path.write_bytes(b"old")
    path.chmod(0o640)
    write_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_new_file_has_the_permissions_of_the_umask(path: Path) -> None:
    old = os.umask(0o027)
    try:
        write_file(path, b"new")
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_write_file_keeps_the_owner_if_it_may(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_bytes(b"old")
    given: list[tuple[int, int]] = []

    def chown(_path: object, user: int, group: int) -> None:
        given.append((user, group))
        raise PermissionError(errno.EPERM, "no")

    monkeypatch.setattr(os, "chown", chown)
    write_file(path, b"new")
    assert given == [(path.stat().st_uid, path.stat().st_gid)]
    assert path.read_bytes() == b"new"


def test_write_file_replaces_the_target_of_a_symbolic_link(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere" / "target"
    path.symlink_to(target)
    for data in (b"one", b"two"):
        write_file(path, data)
        assert path.is_symlink()
        assert target.read_bytes() == data
    assert names(target.parent) == ["target"]


def test_write_file_writes_to_a_pipe(path: Path) -> None:
    os.mkfifo(path)
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(path.read_bytes()))
    reader.start()
    data = b"x" * 200_000  # more than the buffer of a pipe
    write_file(path, data)
    reader.join()
    assert received == [data]
    assert stat.S_ISFIFO(path.stat().st_mode)


def test_the_data_and_the_name_are_on_the_disk_before_write_file_returns(path: Path, monkeypatch) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, os.replace

    def noting_fsync(descriptor: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "data"
        steps.append(kind)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noting_fsync)
    monkeypatch.setattr(os, "replace", lambda *names: steps.append("rename") or replace(*names))
    write_file(path, b"new")
    assert steps == ["data", "rename", "folder"]


def test_a_folder_that_cannot_be_opened_is_not_synchronised(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opening = os.open

    def open_files(name: object, flags: int, *mode: int) -> int:
        if os.path.isdir(name):  # noqa: PTH112  # as Windows does
            raise PermissionError(errno.EACCES, "no")
        return opening(name, flags, *mode)

    monkeypatch.setattr(os, "open", open_files)
    write_file(path, b"new")
    assert path.read_bytes() == b"new"


def test_a_file_system_that_cannot_synchronise_is_used_without(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fsync(_descriptor: int) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", fsync)
    write_file(path, b"new")
    assert path.read_bytes() == b"new"


def test_the_data_is_never_readable_by_more_users_than_the_older_file(path: Path, monkeypatch) -> None:
    path.write_bytes(b"old")
    path.chmod(0o600)
    modes: list[int] = []
    fsync = os.fsync
    monkeypatch.setattr(os, "chown", lambda name, *_: modes.append(stat.S_IMODE(name.stat().st_mode)))
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: modes.append(os.fstat(descriptor).st_mode & 0o77) or fsync(descriptor)
    )
    write_file(path, b"new")
    assert modes[:2] == [0o600, 0]


def _full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


FAILURES = {
    "a full disk": ("fsync", errno.ENOSPC),
    "a failing rename": ("replace", errno.ENOSPC),
}


@pytest.mark.parametrize(("function", "number"), FAILURES.values(), ids=FAILURES)
def test_an_error_names_the_file_and_leaves_the_older_one(path: Path, monkeypatch, function: str, number: int) -> None:
    path.write_bytes(b"old")
    monkeypatch.setattr(os, function, _full)
    with pytest.raises(OSError, match="No space left on device") as caught:
        write_file(path, b"new")
    assert (caught.value.errno, caught.value.filename) == (number, str(path))
    assert path.read_bytes() == b"old"
    assert names(path.parent) == ["it.jsonl"]


def make_folder(path: Path) -> None:
    path.mkdir()


def make_loop(path: Path) -> None:
    path.symlink_to(path)


def protect(path: Path) -> None:
    path.write_bytes(b"old")


@pytest.mark.parametrize(
    ("make", "kind"), [(make_folder, IsADirectoryError), (make_loop, OSError), (protect, PermissionError)]
)
def test_an_error_names_a_file_that_cannot_be_replaced(path: Path, monkeypatch, make, kind: type[OSError]) -> None:
    make(path)
    if make is protect:
        monkeypatch.setattr(os, "access", lambda *_: False)  # an administrator may write everything
    with pytest.raises(kind) as caught:
        write_file(path, b"new")
    assert caught.value.filename == str(path)
    assert names(path.parent) == ["it.jsonl"]


def test_an_error_names_a_file_below_another_file(path: Path) -> None:
    path.write_bytes(b"old")
    with pytest.raises(OSError, match=r"it\.jsonl/below") as caught:
        write_file(path / "below", b"new")
    assert caught.value.filename == str(path / "below")


def test_a_socket_is_an_error_that_names_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("it.jsonl")
        with pytest.raises(OSError) as caught:  # noqa: PT011  # the words depend on the system
            write_file(path, b"new")
    assert caught.value.filename == str(path)


def test_a_prepared_file_replaces_the_older_one_when_it_is_committed(path: Path) -> None:
    path.write_bytes(b"old")
    for end in ("discard", "commit"):
        prepared = prepare_file(path, b"new")
        assert path.read_bytes() == b"old"
        assert prepared.temporary.read_bytes() == b"new"
        assert prepared.temporary.parent == path.parent
        getattr(prepared, end)()
        assert path.read_bytes() == (b"new" if end == "commit" else b"old")
        assert names(path.parent) == ["it.jsonl"]
