"""The report of a test run: the streams of its tests, as a part that can be joined with others."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pytest_streamval.errors import excerpt, invalid_part_error
from pytest_streamval.files.json_text import UnreadableJsonError, parse_json
from pytest_streamval.files.typed_json import OPTIONAL, from_json
from pytest_streamval.report.timeline import Timeline  # noqa: TC001  # the annotations are read when a part is loaded

if TYPE_CHECKING:
    from collections.abc import Iterable
    from os import PathLike

_RANK = {"failed": 0, "crashed": 0}  # shown first


@dataclass(slots=True)
class Entry:
    """A test that streamed."""

    test: str
    """Its id."""
    outcome: str = "passed"
    """pytest's word: passed, failed or skipped. `crashed` if its process died, `recorded` for a cassette."""
    seconds: float = 0.0
    """Its duration."""
    message: str = ""
    """The message of its failure."""
    streams: list[Timeline] = field(default_factory=list)
    """The timelines of its streams."""
    left_out: int = 0
    """The number of further streams, which were not kept."""
    run: str = ""
    """The name of its run, in a report of several runs."""
    requests: list[str] = field(default_factory=list, metadata=OPTIONAL)
    """Lines of the report about the requests that the test's provider servers received."""


@dataclass(slots=True)
class Report:
    """The streams of one run of pytest, or of several."""

    FORMAT: ClassVar[str] = "streamval-report"
    VERSION: ClassVar[int] = 1

    tests: list[Entry] = field(default_factory=list)
    """The tests that streamed, failed ones first."""
    tests_run: int = 0
    """The number of all tests, including those that streamed nothing."""
    lost: list[str] = field(default_factory=list)
    """One sentence for each thing that the report lacks."""

    @property
    def streams(self) -> int:
        """The number of streams."""
        return sum(len(entry.streams) for entry in self.tests)

    def sort(self) -> None:
        """Put failed tests first and sort by id, so that the order does not depend on how the tests were run."""
        self.tests.sort(key=lambda entry: (_RANK.get(entry.outcome, 1), entry.test, entry.run))
        self.lost.sort()

    @classmethod
    def merged(cls, parts: Iterable[tuple[str, Report]]) -> Report:
        """Return the report of several runs, given with their names."""
        joined = cls()
        for name, part in parts:
            for entry in part.tests:
                entry.run = f"{name}/{entry.run}" if entry.run else name
            joined.tests += part.tests
            joined.tests_run += part.tests_run
            joined.lost += [f"{name}: {sentence}" for sentence in part.lost]
        joined.sort()
        return joined

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Report:
        """Read a part, which `write_report` has written to a file whose name ends in `.json`.

        Raises:
            InvalidFileError: A `ValueError`. If the file is no part of a report.
            OSError: If the part of a report cannot be read.
        """
        data = Path(path).read_bytes()
        try:
            found = parse_json(data)
        except UnreadableJsonError as error:
            raise invalid_part_error(str(path), f"it is not JSON: {error}") from error
        if not isinstance(found, dict) or found.get("format") != cls.FORMAT:
            raise invalid_part_error(str(path), f'"format" must be "{cls.FORMAT}"')
        if found.get("version") != cls.VERSION:
            version = excerpt(found.get("version"))
            raise invalid_part_error(str(path), f'"version" is {version}, this pytest-streamval reads {cls.VERSION}')
        try:
            report: Report = from_json(cls, found)
        except ValueError as error:
            raise invalid_part_error(str(path), str(error)) from None
        return report
