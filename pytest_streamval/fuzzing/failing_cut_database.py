"""The cuts under which tests fail, in a database of Hypothesis.

All of them have one key, as the tests are unknown before they are collected. A value is a JSON array of a test's id and
a cut's name.
"""

from __future__ import annotations

import json
from contextlib import suppress
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, NamedTuple

from hypothesis.database import DirectoryBasedExampleDatabase

from pytest_streamval.errors import described, missing_extra_error
from pytest_streamval.files.json_text import is_text, parse_json
from pytest_streamval.files.writing import write_file
from pytest_streamval.fuzzing.cuts import Cut

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from hypothesis.database import ExampleDatabase

_KEY = b"pytest-streamval: failing cuts"
_DEFAULT = (".hypothesis", "examples")  # the directory of Hypothesis's own examples
_SERVERS = ("redis://", "rediss://", "unix://")
_TIMEOUT = 5.0  # seconds for a server to answer


class FailingCut(NamedTuple):
    """A test that fails under a cut."""

    test: str
    """The id of the test without its cut, with its parameters."""
    cut: str
    """The name of the cut."""

    def encode(self) -> bytes:
        """Return the value for the database."""
        return json.dumps(self, ensure_ascii=False).encode()

    @classmethod
    def decode(cls, value: bytes) -> FailingCut | None:
        """Return the failing cut of a value in the database, or None if the value is not one."""
        try:
            test, cut = parse_json(value)
            _ = Cut(cut).rank  # a number may have too many digits
        except (ValueError, TypeError):
            return None
        return cls(test, cut) if is_text(test) else None


class FailingCuts:
    """The failing cuts that are known when a run begins, and the database for those that it finds."""

    def __init__(self, known: Iterable[FailingCut], database: ExampleDatabase | None = None, place: str = "") -> None:
        """Create a set.

        Args:
            known: The known failing cuts.
            database: The database for others. None in a worker, whose controller has it.
            place: The name of the database in messages.
        """
        self.known = tuple(sorted(set(known)))
        self.trouble = ""
        """The name of a database that could not be written, and the reason."""
        self._place = place
        self._database = database
        self._kept: dict[str, set[str]] = {}
        self._written = False
        for found in self.known:
            self._kept.setdefault(found.test, set()).add(found.cut)

    @classmethod
    def load(cls, place: str, *, root: Path, base: Path) -> FailingCuts:
        """Return the failing cuts in a database.

        Args:
            place: The address of a Redis, or a directory. An empty string is Hypothesis's own directory.
            root: The root directory of the tests, which has Hypothesis's directory.
            base: The directory of relative paths.

        Raises:
            OSError: If the directory cannot be written.
            ConnectionError: If the server cannot be used.
            MissingExtraError: If the client of the server is not installed.
        """
        if not place:
            database = _default_database(root)
        elif place.startswith(_SERVERS):
            database = _server(place)
        else:
            database = _directory(base / place)
        return cls(fetched(database), database, without_password(place) or "/".join(_DEFAULT))

    def of_test(self, test: str) -> list[Cut]:
        """Return the cuts of a test, in the order of their ranks."""
        return sorted(map(Cut, self._kept.get(test, ())), key=lambda cut: cut.rank)

    def to_lists(self) -> list[list[str]]:
        """Return the known failing cuts as lists, which pytest-xdist can send to a worker."""
        return [list(each) for each in self.known]

    def keep(self, found: FailingCut) -> None:
        """Write the failing cut of a test at once, in the place of its other ones.

        An error of the database does not end the run.
        """
        kept = self._kept.setdefault(found.test, set())
        for cut in kept - {found.cut}:
            self.drop(FailingCut(found.test, cut))
        if found.cut not in kept:
            kept.add(found.cut)
            self._write("save", found)

    def drop(self, mended: FailingCut) -> None:
        """Remove a cut under which its test passes now."""
        kept = self._kept.get(mended.test, set())
        if mended.cut in kept:
            kept.discard(mended.cut)
            self._write("delete", mended)

    def check(self) -> None:
        """Note in `trouble` if the database has other cuts of a test than those that were written.

        A directory does not report its errors, and reading it costs as much as it has entries, so it is read once.
        """
        if self._database is None or not self._written or self.trouble:
            return
        found: dict[str, set[str]] = {}
        for test, cut in fetched(self._database):
            found.setdefault(test, set()).add(cut)
        if any(cuts - found.get(test, set()) for test, cuts in self._kept.items()):
            self.trouble = f"{self._place}, which cannot be written."

    def _write(self, method: str, cut: FailingCut) -> None:
        if self._database is None:
            return
        self._written = True
        try:
            if method == "save":  # the directory of Hypothesis keeps a file of that name, also one that was cut off
                self._database.delete(_KEY, cut.encode())
            getattr(self._database, method)(_KEY, cut.encode())
        except Exception as error:  # noqa: BLE001  # the client of a server may raise anything
            self.trouble = f"{self._place}: {type(error).__name__}: {described(error)}"


def fetched(database: ExampleDatabase) -> set[FailingCut]:
    """Return the failing cuts in a database."""
    return {found for value in database.fetch(_KEY) if (found := FailingCut.decode(value)) is not None}


def without_password(place: str) -> str:
    """Return an address without the user and the password in it."""
    scheme, sign, rest = place.rpartition("://")
    return f"{scheme}{sign}{rest.rpartition('@')[2]}" if sign else place


def _default_database(root: Path) -> ExampleDatabase:
    """Return Hypothesis's own database. If it cannot be written, the first failing cut reports it."""
    home = root / _DEFAULT[0]
    with suppress(OSError):
        if not home.exists():
            home.mkdir()
            write_file(home / ".gitignore", b"*\n")  # as Hypothesis does
    return DirectoryBasedExampleDatabase(root.joinpath(*_DEFAULT))


def _directory(path: Path) -> ExampleDatabase:
    path.mkdir(parents=True, exist_ok=True)
    with TemporaryFile(dir=path):
        return DirectoryBasedExampleDatabase(path)


def _server(url: str) -> ExampleDatabase:
    try:
        from hypothesis.extra.redis import RedisExampleDatabase
        from redis import Redis, RedisError
    except ModuleNotFoundError as error:
        raise missing_extra_error("Failing cuts in a Redis", "redis", "redis") from error
    try:
        database = RedisExampleDatabase(Redis.from_url(url, socket_timeout=_TIMEOUT, socket_connect_timeout=_TIMEOUT))
        fetched(database)
    except (RedisError, ValueError) as error:
        raise ConnectionError(described(error)) from error
    return database
