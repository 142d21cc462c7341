"""`CouncilCache`: stores results in a SQLite file that several processes can share."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sqlite3
import stat
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import fields, is_dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_streamval.council import prompts
from pytest_streamval.council.redacted_keys import contains_key
from pytest_streamval.council.results import CouncilResult
from pytest_streamval.errors import InvalidArgumentError, described, excerpt, harmless
from pytest_streamval.files.json_text import parse_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_streamval.council.members import Member

logger = logging.getLogger("pytest_streamval.council")

_LOCK_TIMEOUT = 2.0  # seconds that a write waits for the write of another process
_TABLE = "CREATE TABLE IF NOT EXISTS results (key TEXT PRIMARY KEY, result TEXT NOT NULL, kept REAL NOT NULL)"
_OTHERS = "SELECT name FROM sqlite_master WHERE type NOT IN ('table', 'index')"
_STEPS = 10_000  # of SQLite's machine, after which it asks whether to go on
_LEAST_PARTS = 5_000  # of so many steps, for any call, less than a second
_RESULTS_PER_PART = 100  # a call takes about 10 steps for each result in the file, and more to delete one
_LARGEST = 100_000_000  # bytes of a result
_FORMAT = 2  # of a stored result; results in another format are ignored


class CouncilCache:
    """A cache of council results.

    A cache never fails a run: an error of the file is logged, and the run continues without the cache.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None, *, limit: int = 10_000) -> None:
        """Open a cache. The first stored result creates the file.

        Args:
            path: The file, by default `pytest-streamval/council.sqlite3` in the user's cache folder.
            limit: The number of results to keep. The oldest are deleted first.

        Raises:
            InvalidArgumentError: If `limit` is below 1.
        """
        if not limit >= 1:
            raise InvalidArgumentError("limit", excerpt(limit), "It must be a number of results, 1 or more.")
        self.path = Path(path) if path is not None else default_path()
        self.limit = limit

    def load(self, key: str) -> CouncilResult | None:
        """Return the result stored under a key, with `cached` set, or None if there is none or it cannot be read."""
        with self._logging_failures("read"):
            if self._exists():
                with self._connected() as connection:
                    row = connection.execute("SELECT result FROM results WHERE key = ?", (key,)).fetchone()
                return None if row is None else CouncilResult.from_dict({**_cached_object(row[0]), "cached": True})
        return None

    def store(self, key: str, result: CouncilResult) -> None:
        """Store a result under a key. A result that contains an API key is not stored."""
        with self._logging_failures("written"):
            text = json.dumps(result.as_dict())
            if contains_key(text):
                logger.warning(
                    "A result was not stored in %s, because it seems to contain an API key.", harmless(str(self.path))
                )
                return
            if not self._exists():
                self._create_file()
            with self._connected() as connection, connection:
                connection.execute(
                    "INSERT OR REPLACE INTO results (key, result, kept) VALUES (?, ?, ?)", (key, text, time.time())
                )
                connection.execute(
                    "DELETE FROM results WHERE key IN (SELECT key FROM results ORDER BY kept DESC LIMIT -1 OFFSET ?)",
                    (self.limit,),
                )

    def clear(self) -> None:
        """Delete the file and all results in it."""
        for suffix in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        """Open the file for one call: a connection belongs to one thread, and its locks to one process.

        The file may be a stranger's. Views and triggers in it are not used, and no query runs for long.
        """
        parts = count(1)
        most = _LEAST_PARTS + self.limit // _RESULTS_PER_PART
        with closing(sqlite3.connect(self.path, timeout=_LOCK_TIMEOUT)) as connection:
            connection.set_progress_handler(lambda: next(parts) > most, _STEPS)
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LARGEST)
            try:
                connection.execute("PRAGMA journal_mode = WAL")  # readers need not wait for a writer
                connection.execute("PRAGMA synchronous = NORMAL")  # a result lost in a power cut costs one request
                connection.execute(_TABLE)
                if connection.execute(_OTHERS).fetchone() is not None:
                    raise ValueError("It must have tables only, without views and triggers")
                yield connection
            except sqlite3.OperationalError as error:
                if next(parts) > most:
                    raise TimeoutError("A query takes too long") from error
                raise

    def _exists(self) -> bool:
        """Return whether there is a file.

        Raises:
            ValueError: If it is something else, such as a link to a file of another program.
        """
        try:
            mode = self.path.lstat().st_mode
        except FileNotFoundError:
            return False
        if not stat.S_ISREG(mode):
            raise ValueError("It must be a regular file, not a link, a folder or a device")
        return True

    def _create_file(self) -> None:
        """Create the file with permissions for the user alone, since it contains prompts and answers."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):  # another process was faster
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))

    @contextmanager
    def _logging_failures(self, action: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001  # the file may be a stranger's, and a cache never fails a run
            reason = f"{type(error).__name__}: {harmless(described(error))}"
            message = "The cache %s cannot be %s (%s). The run continues without it."
            logger.warning(message, harmless(str(self.path)), action, reason)

    def __repr__(self) -> str:
        return f"CouncilCache({str(self.path)!r})"


def default_path() -> Path:
    """Return the default file of the cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pytest-streamval" / "council.sqlite3"


def as_cache(cache: CouncilCache | str | os.PathLike[str] | bool | None) -> CouncilCache | None:  # noqa: FBT001  # as users write it
    """Return the cache for an argument: True is the default file, a path another file, None or False no cache."""
    if cache is None or cache is False:
        return None
    if cache is True:
        return CouncilCache()
    if isinstance(cache, CouncilCache):
        return cache
    if isinstance(cache, str | os.PathLike):
        return CouncilCache(cache)
    raise InvalidArgumentError("cache", excerpt(cache), "It must be a CouncilCache, the path of a file, True, or None.")


def _cached_object(text: object) -> dict[str, object]:
    """Return the object in a stored result."""
    found = parse_json(text) if isinstance(text, str) else None
    if not isinstance(found, dict):
        raise ValueError("A result must be the text of a JSON object")  # noqa: TRY004  # of the file
    return found


# Keys


class NoKeyError(Exception):
    """A backend or an option has no stable representation, so the result cannot be cached."""


def cache_key(
    prompt: str,
    mode: str,
    rounds: int,
    *,
    members: Iterable[Member],
    synthesizer: Member | None,
    model_options: Mapping[str, object],
) -> str | None:
    """Return a digest of everything that the models receive.

    Requirements and chunking are not part of it, because cached answers are checked again. The key is None if a backend
    has no `identity`, or an option is not a plain value.
    """
    try:
        parts = {
            "versions": [_FORMAT, prompts.VERSION],
            "prompt": prompt,
            "mode": mode,
            "rounds": rounds,
            "members": [[member.name, _identity_of_backend(member.backend)] for member in members],
            "synthesizer": synthesizer and [synthesizer.name, _identity_of_backend(synthesizer.backend)],
            "options": _cache_key_part(dict(model_options)),
        }
    except NoKeyError:
        return None
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode(errors="surrogatepass")).hexdigest()


def _identity_of_backend(backend: object) -> str:
    identity = getattr(backend, "identity", None)
    if not isinstance(identity, str):
        raise NoKeyError
    return identity


def _cache_key_part(value: object) -> object:
    """Return a JSON value that differs for different values."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [type(value).__name__, [_cache_key_part(item) for item in value]]
    if isinstance(value, set | frozenset):
        return [type(value).__name__, sorted(map(_cache_key_part, value), key=repr)]
    if isinstance(value, dict):
        return {
            "dict": sorted(([_cache_key_part(name), _cache_key_part(item)] for name, item in value.items()), key=repr)
        }
    if is_dataclass(value) and not isinstance(value, type):
        kind = type(value)
        items = [[item.name, _cache_key_part(getattr(value, item.name))] for item in fields(value)]
        return [kind.__module__, kind.__qualname__, items]
    raise NoKeyError
