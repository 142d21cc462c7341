"""New recordings. In the mode `all`, they replace the old ones together, at the end of a run that succeeded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_streamval.files.writing import prepare_file

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_streamval.files.writing import PreparedFile
    from pytest_streamval.recordings.cassette import Cassette


class NewRecordings:
    """The recordings that a run makes.

    A new recording is on the disk when its stream ends. If it replaces older recordings, it has a temporary name until
    `close`, so that a run that fails or is killed leaves all of the old ones.
    """

    def __init__(self, old: Iterable[Path] = ()) -> None:
        """Create a set.

        Args:
            old: The recordings that the new ones replace.
        """
        self.written: list[Path] = []
        """The paths of the new recordings, in the order in which their streams ended."""
        self._old = set(old)
        self._prepared: list[PreparedFile] = []
        self._failed = False

    @property
    def replaces(self) -> bool:
        """Whether there are recordings that replace older ones at the end."""
        return bool(self._prepared)

    def add(self, cassette: Cassette) -> None:
        """Write a recording.

        Raises:
            OSError: If it cannot be written. It names the file.
            ValueError: If its header holds a value that JSON cannot.
        """
        try:
            if self._old:
                self._prepared.append(prepare_file(cassette.path, cassette.to_bytes()))
            else:
                cassette.dump()
        except BaseException:
            self._failed = True
            raise
        self.written.append(Path(cassette.path))

    def close(self, *, failed: bool = False) -> None:
        """Replace the old recordings by the new ones. If the run has failed or made none, the old ones stay.

        Args:
            failed: Whether the run has failed. A recording that could not be written counts as a failure too.

        Raises:
            OSError: If a file cannot be replaced. Every file is an old one or a new one then.
        """
        if not self._prepared:
            return
        if failed or self._failed:
            self._discard()
            self.written.clear()
            return
        try:
            while self._prepared:
                self._prepared.pop(0).commit()
        finally:
            self._discard()
        for path in self._old.difference(self.written):
            path.unlink(missing_ok=True)

    def _discard(self) -> None:
        while self._prepared:
            self._prepared.pop().discard()
