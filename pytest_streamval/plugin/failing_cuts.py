"""The cuts under which tests are known to fail: kept in a database of Hypothesis's own, replayed wherever it is read.

The whole set stands under one key, as nobody knows the tests before they are collected. A value is a JSON array of a
test's id and a cut's name.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, NamedTuple

import pytest

from pytest_streamval.errors import MissingExtraError, described
from pytest_streamval.fuzzing.cuts import Cut

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from hypothesis.database import ExampleDatabase

OPTION = "--streamval-fuzz-db"
WORKER_INPUT = "streamval_failing_cuts"
"""Under which name the controller of pytest-xdist hands the set to its workers, so that all collect the same tests."""

_INI = "streamval_fuzz_db"
_KEY = b"pytest-streamval: failing cuts"
_USUAL = (".hypothesis", "examples")  # where Hypothesis itself keeps its examples
_SERVERS = ("redis://", "rediss://", "unix://")
_PATIENCE = 5.0  # seconds for a server to answer


class FailingCut(NamedTuple):
    """A test that fails under a cut."""

    test: str
    """The id of the test as scripted, with its parameters."""
    cut: str
    """The name of the cut."""

    def encoded(self) -> bytes:
        """Return it as the database keeps it."""
        return json.dumps(self, ensure_ascii=False).encode()

    @classmethod
    def decoded(cls, value: bytes) -> FailingCut | None:
        """Return what the database has kept; None of what somebody else has written there, or half of it."""
        try:
            test, cut = json.loads(value)
            return cls(str(test), Cut(cut).name)
        except (ValueError, TypeError):
            return None


class FailingCuts:
    """The failing cuts that were known when the run began, and where those that it finds are kept."""

    def __init__(self, known: Iterable[FailingCut], database: ExampleDatabase | None = None, place: str = "") -> None:
        """Begin with a set.

        Args:
            known: the cuts that are known.
            database: where to keep others; None in a worker, whose controller does that.
            place: what to call it.
        """
        self.known = tuple(sorted(set(known)))
        self.trouble = ""
        """Where something could not be kept, and why."""
        self._place = place
        self._database = database
        self._kept = set(self.known)

    @classmethod
    def of(cls, config: pytest.Config) -> FailingCuts:
        """Return those of a run; a worker has them from its controller.

        Raises:
            pytest.UsageError: the database that was asked for cannot be used.
        """
        shipped = getattr(config, "workerinput", {}).get(WORKER_INPUT)
        if shipped is not None:
            return cls(FailingCut(*each) for each in shipped)
        place, base = config.getoption(OPTION), config.invocation_params.dir
        if place is None:
            place, base = config.getini(_INI), config.rootpath
        if not place:
            database = _usual(config.rootpath)
        elif place.startswith(_SERVERS):
            database = _server(place)
        else:
            database = _directory(base / place)
        return cls(_fetched(database), database, _without_password(place) or "/".join(_USUAL))

    def of_function(self, function: str) -> list[Cut]:
        """Return the cuts of a test function, whatever its parameters, in an order that is always the same."""
        found = {Cut(each.cut) for each in self.known if each.test == function or each.test.startswith(f"{function}[")}
        return sorted(found, key=lambda cut: cut.rank)

    def shipped(self) -> list[list[str]]:
        """Return them as pytest-xdist can send them."""
        return [list(each) for each in self.known]

    def keep(self, found: FailingCut) -> None:
        """Keep a cut at once, so that nothing of a night is lost; trouble with that does not end the run."""
        if found not in self._kept:
            self._kept.add(found)
            self._write("save", found)

    def drop(self, mended: FailingCut) -> None:
        """Forget a cut under which its test passes now."""
        if mended in self._kept:
            self._kept.discard(mended)
            self._write("delete", mended)

    def _write(self, method: str, what: FailingCut) -> None:
        if self._database is None:
            return
        try:
            getattr(self._database, method)(_KEY, what.encoded())
            if (what in _fetched(self._database)) is (method == "delete"):  # a directory says nothing of its trouble
                self.trouble = f"{self._place}, which cannot be written."
        except Exception as error:  # noqa: BLE001  # whatever the client of a server raises
            self.trouble = f"{self._place}: {type(error).__name__}: {described(error)}"


def _fetched(database: ExampleDatabase) -> set[FailingCut]:
    return {found for value in database.fetch(_KEY) if (found := FailingCut.decoded(value)) is not None}


def _usual(root: Path) -> ExampleDatabase:
    """Return Hypothesis's own database; that it cannot be written is told where there is something to keep."""
    from hypothesis.database import DirectoryBasedExampleDatabase

    home = root / _USUAL[0]
    with suppress(OSError):
        if not home.exists():
            home.mkdir()
            home.joinpath(".gitignore").write_text("*\n", encoding="utf-8")  # as Hypothesis has it
    return DirectoryBasedExampleDatabase(root.joinpath(*_USUAL))


def _directory(path: Path) -> ExampleDatabase:
    from hypothesis.database import DirectoryBasedExampleDatabase

    try:
        path.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=path):
            return DirectoryBasedExampleDatabase(path)
    except OSError as error:
        msg = (
            f"{OPTION} {path} cannot be used: {error.strerror}. It is a directory that can be written, or a Redis such "
            f"as redis://localhost:6379/0; without it failing cuts are kept in {'/'.join(_USUAL)} below the root."
        )
        raise pytest.UsageError(msg) from error


def _server(url: str) -> ExampleDatabase:
    try:
        from hypothesis.extra.redis import RedisExampleDatabase
        from redis import Redis, RedisError
    except ModuleNotFoundError as error:
        raise pytest.UsageError(str(MissingExtraError("Failing cuts in a Redis", "redis", "redis"))) from error
    try:
        database = RedisExampleDatabase(Redis.from_url(url, socket_timeout=_PATIENCE, socket_connect_timeout=_PATIENCE))
        _fetched(database)
    except (RedisError, ValueError) as error:
        msg = (
            f"{OPTION} {_without_password(url)} cannot be used: {described(error)} It is the address of a Redis that "
            "runs, such as redis://localhost:6379/0, or a directory."
        )
        raise pytest.UsageError(msg) from error
    return database


def _without_password(place: str) -> str:
    """Return an address as it may be shown."""
    return re.sub(r"(?<=://)[^/@]*@", "", place)
