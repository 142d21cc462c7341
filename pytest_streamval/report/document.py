"""The report of a test run: what its tests streamed, as a part that a machine writes and that is joined with others."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pytest_streamval.errors import InvalidPartError, excerpt
from pytest_streamval.recordings.files import put_file
from pytest_streamval.report.shape import fault_of_part

if TYPE_CHECKING:
    from collections.abc import Iterable
    from os import PathLike

_RANK = {"failed": 0, "crashed": 0}  # what is shown first


@dataclass(slots=True)
class Entry:
    """A test that streamed."""

    test: str
    """Its id."""
    outcome: str = "passed"
    """As pytest says it: passed, failed or skipped; `crashed`, where its process is gone; `recorded`, of a cassette."""
    seconds: float = 0.0
    """How long it took."""
    message: str = ""
    """What it failed with."""
    streams: list[dict[str, Any]] = field(default_factory=list)
    """The timelines of its streams, as `Timeline.facts` has them."""
    left_out: int = 0
    """How many more streams it had, which were not kept."""
    run: str = ""
    """The run in which it was, where a report is of several."""

    def facts(self) -> dict[str, Any]:
        """Return it as values of JSON."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


@dataclass(slots=True)
class Report:
    """What was streamed in one run of pytest, or in several."""

    FORMAT: ClassVar[str] = "streamval-report"
    VERSION: ClassVar[int] = 1

    tests: list[Entry] = field(default_factory=list)
    """The tests that streamed, those that failed first."""
    tests_run: int = 0
    """How many tests there were, with those that streamed nothing."""
    lost: list[str] = field(default_factory=list)
    """What is missing, a sentence each."""

    @property
    def streams(self) -> int:
        """How many streams there are."""
        return sum(len(entry.streams) for entry in self.tests)

    def sort(self) -> None:
        """Put the tests that failed first, and all in the order of their ids: the same however they were run."""
        self.tests.sort(key=lambda entry: (_RANK.get(entry.outcome, 1), entry.test, entry.run))
        self.lost.sort()

    @classmethod
    def merged(cls, parts: Iterable[tuple[str, Report]]) -> Report:
        """Return the report of several runs, each with its name."""
        whole = cls()
        for name, part in parts:
            for entry in part.tests:
                entry.run = f"{name}/{entry.run}" if entry.run else name
            whole.tests += part.tests
            whole.tests_run += part.tests_run
            whole.lost += [f"{name}: {sentence}" for sentence in part.lost]
        whole.sort()
        return whole

    # Files

    def dump(self, path: str | PathLike[str]) -> None:
        """Write a file: the page for a reader where its name ends in `.html`, else the part that `load` reads.

        Raises:
            OSError: it cannot be written.
        """
        if Path(path).suffix == ".html":
            from pytest_streamval.report.page import page_of

            put_file(Path(path), page_of(self).encode("utf-8", "backslashreplace"))
        else:
            tests = [entry.facts() for entry in self.tests]
            kept = {"tests": tests, "tests_run": self.tests_run, "lost": self.lost}
            part = {"format": self.FORMAT, "version": self.VERSION, **kept}
            put_file(Path(path), json.dumps(part).encode())

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Report:
        """Read a part.

        Raises:
            InvalidPartError: a `ValueError`; the file is no such part.
            OSError: it cannot be read.
        """
        try:
            found = json.loads(Path(path).read_bytes(), parse_constant=_reject)
        except ValueError as error:
            raise InvalidPartError(str(path), f"it is no JSON: {error}") from error
        if not isinstance(found, dict) or found.get("format") != cls.FORMAT:
            raise InvalidPartError(str(path), f'"format" has to be "{cls.FORMAT}"')
        if found.get("version") != cls.VERSION:
            version = excerpt(found.get("version"))
            raise InvalidPartError(str(path), f'"version" is {version}, and this pytest-streamval reads {cls.VERSION}')
        if fault := fault_of_part(found):
            raise InvalidPartError(str(path), fault)
        names = [each.name for each in fields(Entry)]
        tests = [Entry(**{name: entry[name] for name in names}) for entry in found["tests"]]
        return cls(tests, found["tests_run"], found["lost"])


def _reject(word: str) -> object:
    msg = f"{word} is no number"
    raise ValueError(msg)


def suffix_fault(path: str | PathLike[str]) -> str:
    """Return what is wrong with the name of a report, if anything is."""
    suffix = Path(path).suffix
    return "" if suffix in {".html", ".json"} else "its name ends in .html for a page, or in .json for a part"
