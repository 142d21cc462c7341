"""Writing of files. A reader finds the old file or the new one, after a kill, a crash or a full disk too."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pytest_streamval.files.leftovers import remove_leftovers, temporary_name

if TYPE_CHECKING:
    from collections.abc import Iterator

_UNSUPPORTED = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP}


def write_file(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file in one step, with its missing folders.

    The data is on the disk before it takes the place of an older file, whose permissions it keeps. If the path is a
    symbolic link, its target is replaced. A device or a pipe is written directly.

    Raises:
        OSError: If the file cannot be written. It names the file, and an older file stays as it was.
    """
    with _naming_path_in_errors(path):
        if _is_special(path):
            Path(path).write_bytes(data)
            return
    prepare_file(path, data).commit()


def prepare_file(path: str | os.PathLike[str], data: bytes) -> PreparedFile:
    """Write the data of a file to the disk, beside the file that it replaces later.

    The temporary files that killed processes have left there are removed.

    Raises:
        OSError: If the file cannot be written. It names the file, and nothing is left of the data.
    """
    with _naming_path_in_errors(path):
        target = Path(os.path.realpath(path))
        target.parent.mkdir(parents=True, exist_ok=True)
        old = _old_file(target)
        remove_leftovers(target.parent)
        prepared = PreparedFile(target.with_name(temporary_name()), target)
        try:
            _write_new(prepared.temporary, data, old)
        except BaseException:
            prepared.discard()
            raise
        return prepared


class PreparedFile(NamedTuple):
    """A complete file on the disk, under a temporary name in the folder of the file that it replaces."""

    temporary: Path
    target: Path

    def commit(self) -> None:
        """Put the file in the place of the older one.

        Raises:
            OSError: If that fails. It names the file, and the older file stays as it was.
        """
        with _naming_path_in_errors(self.target):
            try:
                self.temporary.replace(self.target)
            except BaseException:
                self.discard()
                raise
            _sync_folder(self.target.parent)

    def discard(self) -> None:
        """Remove the file, and leave the older one."""
        self.temporary.unlink(missing_ok=True)


def _old_file(target: Path) -> os.stat_result | None:
    """Return the state of the file to replace, None if there is none.

    Raises:
        OSError: If it is a folder, or is protected against writing.
    """
    try:
        found = target.stat()
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(found.st_mode):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not os.access(target, os.W_OK):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))
    return found


def _write_new(path: Path, data: bytes, old: os.stat_result | None) -> None:
    mode = 0o666 if old is None else 0o600  # until it has the permissions of the older file
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode)
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        left = memoryview(data)
        while left:
            left = left[file.write(left) :]
        if old is not None:
            _keep_permissions(path, old)
        _sync_file(descriptor)


def _keep_permissions(path: Path, old: os.stat_result) -> None:
    with suppress(PermissionError, AttributeError):  # only an administrator gives files away; Windows has no chown
        os.chown(path, old.st_uid, old.st_gid)
    path.chmod(stat.S_IMODE(old.st_mode))


def _sync_folder(folder: Path) -> None:
    """Write the names in a folder to the disk. Windows has no such function."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:
        return
    try:
        _sync_file(descriptor)
    finally:
        os.close(descriptor)


def _sync_file(descriptor: int) -> None:
    """Write a file or a folder to the disk. Some file systems over a network cannot do that."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise


def _is_special(path: str | os.PathLike[str]) -> bool:
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116  # the path may be a str
    except (FileNotFoundError, NotADirectoryError):
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


@contextmanager
def _naming_path_in_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """Name a file in the errors of its writing. They would name the temporary file, or none."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error
