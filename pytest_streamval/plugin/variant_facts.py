"""The facts of a variant that its reports carry, also from a worker of pytest-xdist to its controller."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from pytest_streamval.errors import described

if TYPE_CHECKING:
    from typing import Self

_ATTRIBUTE = "streamval_variant"
_OF_LAST_REPORT = pytest.StashKey[dict[str, bool]]()
_CHANGING = re.compile(r"0x[0-9a-fA-F]+|\d+")  # the parts of a message that differ from run to run


class Failure(NamedTuple):
    """The way in which a test failed. Failures with the same way are alike."""

    when: str
    """The phase: `setup`, `call` or `teardown`."""
    place: str
    """The file and the line of the innermost frame, or the message of a failure without a traceback."""
    error: str
    """The name of the exception's class."""

    @classmethod
    def of(cls, report: pytest.TestReport, call: pytest.CallInfo[None], root: Path) -> Failure:
        """Return the failure of a phase. Its path is relative to a root, or to that of a library."""
        excinfo = call.excinfo
        if excinfo is None:
            return cls(report.when, _CHANGING.sub("", _first_line(report.longreprtext)), "")
        if getattr(excinfo.value, "pytrace", True) is False:
            return cls(report.when, _CHANGING.sub("", _first_line(described(excinfo.value))), excinfo.typename)
        frame = excinfo.traceback[-1]
        return cls(report.when, f"{_shortened(str(frame.path), root)}:{frame.lineno + 1}", excinfo.typename)

    def __str__(self) -> str:
        phase = "" if self.when == "call" else f" in the {self.when}"
        return f"{self.error or 'failure'} at {self.place}{phase}" if ":" in self.place else f"{self.place}{phase}"


@dataclass(slots=True)
class VariantFacts:
    """The facts of one run of a test under a cut, or as scripted."""

    test: str
    """The id of the test as scripted."""
    cut: str | None = None
    """The name of the variant's cut, None as scripted."""
    failure: Failure | None = None
    """The way in which this phase failed."""
    smallest: str | None = None
    """The name of the smallest cut under which the test fails."""
    lines: list[str] = field(default_factory=list)
    """The description of the smallest cut."""
    repeats: bool = True
    """Whether the failure has happened again under the same cut."""
    grouped: bool = False
    """Whether the failure belongs to the report of another variant."""
    fails_as_scripted: bool = False
    """Whether the test has failed in the same way as scripted, so that the failure does not depend on the cut."""
    is_uncut: bool = False
    """Whether the cut is outside of the test's streams, which were therefore not cut there."""
    channels: list[str] | None = None
    """The channels of the test's streams that could be cut."""

    @classmethod
    def of(cls, report: pytest.TestReport) -> Self | None:
        """Return the facts in a report, None if it has none."""
        found = report.__dict__.get(_ATTRIBUTE)
        if found is None:
            return None
        facts = cls(**found)
        facts.failure = facts.failure and Failure(*facts.failure)
        return facts

    @staticmethod
    def has_failure(report: pytest.TestReport) -> bool:
        """Return whether the facts in a report, if there are any, are those of a failure."""
        return (report.__dict__.get(_ATTRIBUTE) or {}).get("failure") is not None

    def attach(self, report: pytest.TestReport) -> None:
        """Put the facts into a report, as values that pytest-xdist carries."""
        if self.failure is None and self.smallest is None and not self.is_uncut and not self.grouped:  # the usual case
            facts = {"test": self.test, "cut": self.cut, "channels": self.channels}
        else:
            facts = {name: getattr(self, name) for name in self.__slots__}
            facts["failure"] = None if self.failure is None else list(self.failure)
        report.__dict__[_ATTRIBUTE] = facts


def note_for_last_report(item: pytest.Item, name: str) -> None:
    """Note that an attribute of the test's last report is to be True. The controller of pytest-xdist has no items."""
    item.stash.setdefault(_OF_LAST_REPORT, {})[name] = True


def attach_notes(item: pytest.Item, report: pytest.TestReport) -> None:
    """Set the attributes that were noted."""
    notes: dict[str, bool] = item.stash.get(_OF_LAST_REPORT, {})
    report.__dict__.update(notes)


def _shortened(path: str, root: Path) -> str:
    """Return a path relative to the root, or to the folder of the library to which it belongs."""
    folders = [str(root), str(Path(os.__file__).parent), *(each for each in sys.path if each.endswith("-packages"))]
    inside = [folder for folder in folders if path.startswith(f"{folder}/")]
    return path.removeprefix(f"{max(inside, key=len)}/") if inside else path


def _first_line(text: str) -> str:
    return next(iter(text.splitlines()), "")
