"""`CouncilCache`: results kept in a file of SQLite, which several processes may share."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_streamval.council.redaction import holds_a_key
from pytest_streamval.council.results import CouncilResult
from pytest_streamval.errors import InvalidArgumentError, excerpt

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger("pytest_streamval.council")

_PATIENCE = 2.0  # seconds that a write waits for that of another process
_KEPT = 10_000  # results, the newest


class CouncilCache:
    """Keeps results of councils.

    A cache makes a run quicker and never stops one: what cannot be read is not there, what cannot be written is not
    kept, and either is logged.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None, *, limit: int = _KEPT) -> None:
        """Use a file, which is made when something is kept for the first time.

        Args:
            path: the file; by default one of this user's, `pytest-streamval/council.sqlite3` below the folder for
                caches.
            limit: how many results are kept, the newest.
        """
        if not limit >= 1:
            raise InvalidArgumentError("limit", excerpt(limit), "It must be a number of results, 1 or more.")
        self.path = Path(path) if path is not None else default_path()
        self.limit = limit

    def load(self, key: str) -> CouncilResult | None:
        """Return what was kept under a key, with `cached` set; None where nothing was, or nothing that can be read."""
        if not self.path.exists():
            return None
        try:
            with closing(self._connect()) as connection:
                row = connection.execute("SELECT result FROM results WHERE key = ?", (key,)).fetchone()
            return None if row is None else CouncilResult.from_dict({**json.loads(row[0]), "cached": True})
        except (sqlite3.Error, OSError, ValueError, LookupError, TypeError) as error:
            self._complain("read", error)
            return None

    def store(self, key: str, result: CouncilResult) -> None:
        """Keep a result under a key, in the place of an older one; one with a provider's key in its texts is not."""
        text = json.dumps(result.as_dict())
        if holds_a_key(text):
            logger.warning("A result is not kept in %s: it holds what looks like the key of a provider.", self.path)
            return
        try:
            self._make_file()
            with closing(self._connect()) as connection, connection:
                connection.execute(
                    "INSERT OR REPLACE INTO results (key, result, kept) VALUES (?, ?, ?)", (key, text, time.time())
                )
                connection.execute(
                    "DELETE FROM results WHERE key IN (SELECT key FROM results ORDER BY kept DESC LIMIT -1 OFFSET ?)",
                    (self.limit,),
                )
        except (sqlite3.Error, OSError) as error:
            self._complain("written", error)

    def clear(self) -> None:
        """Forget everything."""
        for path in self._files():
            path.unlink(missing_ok=True)

    def _connect(self) -> sqlite3.Connection:
        """Open the file for one call: a connection belongs to one thread, and its locks to one process."""
        connection = sqlite3.connect(self.path, timeout=_PATIENCE)
        try:
            connection.execute("PRAGMA journal_mode = WAL")  # who reads does not wait for who writes
            connection.execute("PRAGMA synchronous = NORMAL")  # what a power cut takes was worth one more request
            connection.execute(
                "CREATE TABLE IF NOT EXISTS results (key TEXT PRIMARY KEY, result TEXT NOT NULL, kept REAL NOT NULL)"
            )
        except BaseException:
            connection.close()
            raise
        return connection

    def _make_file(self) -> None:
        """Make the file, for this user's eyes only: prompts and answers are in it."""
        if not self.path.exists():
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))

    def _files(self) -> Iterator[Path]:
        yield from (self.path.with_name(self.path.name + end) for end in ("", "-wal", "-shm"))

    def _complain(self, what: str, error: Exception) -> None:
        logger.warning("The cache %s cannot be %s (%s: %s); the run goes on without it.", self.path, what,
                       type(error).__name__, error)  # fmt: skip

    def __repr__(self) -> str:
        return f"CouncilCache({str(self.path)!r})"


def default_path() -> Path:
    """Return where results are kept unless said otherwise."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pytest-streamval" / "council.sqlite3"


def as_cache(given: CouncilCache | str | os.PathLike[str] | bool | None) -> CouncilCache | None:  # noqa: FBT001  # as users write it
    """Return the cache that an argument means: True for the usual file, a path for another, None or False for none."""
    if given is None or given is False:
        return None
    if given is True:
        return CouncilCache()
    if isinstance(given, CouncilCache):
        return given
    if isinstance(given, str | os.PathLike):
        return CouncilCache(given)
    raise InvalidArgumentError("cache", excerpt(given), "It must be a CouncilCache, the path of a file, True, or None.")
