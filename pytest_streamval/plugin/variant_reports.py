"""The reports of variants: those of a test that fail are one failure, with the smallest cut."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from pytest_streamval.errors import listed, plural
from pytest_streamval.plugin.subtest_counts import move_subtests
from pytest_streamval.plugin.variant_facts import Failure, VariantFacts
from pytest_streamval.plugin.variant_ids import command, id_of_cut, split_id

if TYPE_CHECKING:
    from collections.abc import Iterable

_GROUPED = "more failing cuts"  # the category of variants that fail like another one
_SECTION = "streamval: cut"
_NAMED = 3  # cuts that a line names
_LISTED = 5  # ways to fail that a line names
_PAST = {"Fails": "Failed once", " is ": " was ", " are ": " were ", " comes ": " came ", " come ": " came "}


@dataclass(slots=True)
class FuzzedTest:
    """The outcomes of a test as scripted and of its variants."""

    scripted: Failure | bool | None = None
    """The failure as scripted, True if it has passed, None if it did not run."""
    fails_as_scripted: bool = False
    """Whether a variant that failed was run as scripted, and failed in the same way."""
    ran: dict[str, bool] = field(default_factory=dict)
    """The names of the cuts that ran, and whether the variant was not skipped."""
    uncut: set[str] = field(default_factory=set)
    """The names of the cuts that are outside of its streams."""
    failures: dict[str, Failure] = field(default_factory=dict)
    """The first failure under each cut."""
    shown: str | None = None
    """The cut of the variant whose failure is shown."""
    smallest: str | None = None
    """The name of the smallest cut under which the test fails."""
    repeats: bool = True
    """Whether the failure that is shown has happened again."""
    channels: set[str] | None = None
    """The channels that were cut, None if no variant has ended."""
    report: pytest.TestReport | None = None
    """The report of the failure that is shown."""
    scripted_report: pytest.TestReport | None = None
    """The report of the failure as scripted."""

    @property
    def fails_when_cut(self) -> bool:
        """Whether the test passes as scripted and fails under another cut."""
        return bool(self.failures) and not self.fails_anyway and self.repeats

    @property
    def passing(self) -> list[str]:
        """The names of the cuts under which the test has passed."""
        return [name for name, is_run in self.ran.items() if is_run and not {name} & {*self.failures, *self.uncut}]

    @property
    def has_run(self) -> bool:
        """Whether a variant has run whose cut is inside of its streams."""
        return not self.ran.keys() <= self.uncut

    @property
    def depends_on_cut(self) -> bool:
        """Whether the test passes in one way of cutting its streams, and fails in another."""
        return self.fails_when_cut or (self.fails_anyway and bool(self.passing))

    @property
    def fails_anyway(self) -> bool:
        """Whether the test fails as scripted, too."""
        return self.fails_as_scripted or isinstance(self.scripted, Failure)


class VariantReports:
    """The plugin that groups the failures of each test, in every process."""

    def __init__(self, config: pytest.Config, *, each: bool) -> None:
        """Create the plugin.

        Args:
            config: The configuration of the run.
            each: Whether each variant that fails is a failure of its own.
        """
        self.tests: dict[str, FuzzedTest] = {}
        """The tests that have run, by their ids as scripted."""
        self.collected: dict[str, set[str]] = {}
        """The names of the cuts of each test that were collected."""
        self.ran = self.failed = 0
        self._config = config
        self._each = each
        self._count = 0
        self._is_worker = hasattr(config, "workerinput")

    def outcome_of(self, test: str) -> bool | None:
        """Return False if a test has failed, True if it has passed as scripted, None otherwise."""
        found = self.tests.get(test)
        if found is None:
            return None
        return False if found.failures or isinstance(found.scripted, Failure) else found.scripted

    def count_collected(self) -> int:
        """Return the number of variants that were collected."""
        return self._count

    def collect(self, ids: Iterable[str]) -> None:
        """Note the variants among collected tests."""
        every = set(ids)
        for nodeid in every:
            parts = split_id(nodeid)
            if parts is not None and (parts[0] in every or not self._has_others(parts[0], every)):
                self.collected.setdefault(parts[0], set()).add(parts[1])
        self._count = sum(map(len, self.collected.values()))

    @staticmethod
    def _has_others(test: str, ids: set[str]) -> bool:
        """Return whether a test was collected with parameters only, whose own ids may look like those of cuts."""
        return "[" not in test and any(each.startswith(f"{test}[") and split_id(each) is None for each in ids)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add the outcome of a phase to that of its test, before any other plugin sees the report."""
        facts = self._facts(report)
        if facts is None:
            return
        test = self.tests.setdefault(facts.test, FuzzedTest())
        if facts.cut is None:
            _note_scripted(test, report, facts.failure)
            if facts.failure in test.failures.values() and not self._each:
                test.scripted_report = None
                _demote(report, facts, counts=True)  # in a random order, a variant may have failed before it
            return
        if report.when == "call" or facts.failure is not None:
            self.ran += facts.cut not in test.ran and not facts.is_uncut
            test.ran[facts.cut] = test.ran.get(facts.cut, False) or not report.skipped
        if facts.is_uncut:
            test.uncut.add(facts.cut)
        elif facts.channels is not None:
            test.channels = (test.channels or set()) | set(facts.channels)
        test.fails_as_scripted |= facts.fails_as_scripted
        if facts.failure is not None:
            is_first = facts.cut not in test.failures
            self.failed += is_first
            test.failures.setdefault(facts.cut, facts.failure)
            if not self._each:
                self._group(test, report, facts, is_first=is_first)
        if facts.smallest is not None and not self._is_worker:
            self._rename(report, facts)

    def _facts(self, report: pytest.TestReport) -> VariantFacts | None:
        facts = VariantFacts.of(report)
        if facts is None and report.failed and report.when not in {"setup", "call", "teardown"}:
            parts = split_id(report.nodeid)  # pytest-xdist reports nothing else of a test whose process has crashed
            if parts is not None and parts[1] in self.collected.get(parts[0], ()):
                facts = VariantFacts(*parts, Failure("", "the worker crashed", ""))
                facts.attach(report)
                report.sections.append((_SECTION, f"Again:  {command(self._config, report.nodeid)}"))
        return facts

    def _group(self, test: FuzzedTest, report: pytest.TestReport, facts: VariantFacts, *, is_first: bool) -> None:
        """Make a failure part of the one that is shown, if there is one. It counts once for each variant."""
        if isinstance(test.scripted, Failure) or (test.shown is not None and test.shown != facts.cut):
            _demote(report, facts, counts=facts.grouped or is_first)
        elif test.shown is None and not facts.grouped:
            test.shown, test.smallest, test.repeats = facts.cut, facts.smallest, facts.repeats
            test.report = report
            if facts.smallest is not None and not self._is_worker:
                report.sections.append((_SECTION, "\n".join(_lines(facts, self._config))))

    def _rename(self, report: pytest.TestReport, facts: VariantFacts) -> None:
        """Give a report the id of the variant that repeats it."""
        old = report.nodeid
        new = _id_with(facts.test, str(facts.smallest))
        move_subtests(self._config, report, new)
        path, line, name = report.location
        report.location = (path, line, name.replace(_parameters(old), _parameters(new)))

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """Show a variant that fails like another one by a small letter."""
        facts = VariantFacts.of(report)
        if facts is None:
            return None
        test = self.tests[facts.test]
        if facts.cut is None:
            return (_GROUPED, "f", "FAILS TOO") if facts.grouped else None
        if test.shown == facts.cut or facts.cut not in test.failures or self._each:
            return None
        return (_GROUPED, "f", "FAILS TOO") if facts.grouped else ("", "", "")

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Add the number of failing cuts to each failure."""
        for test in self.tests.values():
            if test.scripted_report is not None and test.passing and not self._each:
                test.scripted_report.sections.append((_SECTION, "\n".join(counted(test))))
            if test.report is not None:
                _complete(test, test.report)


def _complete(test: FuzzedTest, report: pytest.TestReport) -> None:
    """Add the outcome as scripted and the number of failing cuts to the report of a test's failure."""
    if isinstance(test.scripted, Failure) and test.smallest is None:
        report.sections.append((_SECTION, "Fails as scripted, too."))
    elif test.smallest is not None and test.repeats and (test.passing or not test.fails_anyway):
        at = next((n for n, (name, _) in enumerate(report.sections) if name == _SECTION), None)
        if at is not None:
            *head, again = report.sections[at][1].split("\n")
            report.sections[at] = (_SECTION, "\n".join([*head, *counted(test), again]))


def _demote(report: pytest.TestReport, facts: VariantFacts, *, counts: bool) -> None:
    """Make a failure part of another one, which is shown. It counts once for each variant."""
    report.outcome, report.longrepr, report.sections = "passed", None, []
    facts.grouped = counts
    facts.attach(report)


def counted(test: FuzzedTest) -> list[str]:
    """Return the line about the other cuts of a test that depends on the cut, none if no other ran."""
    others = [cut for cut in test.ran if cut not in {test.smallest, _number_of_whole(test.smallest)}]
    failing = [cut for cut in others if cut in test.failures]
    scripted = "Passes as scripted. " if test.scripted is True else "Fails as scripted. " * (test.report is None)
    if not others:
        return [scripted.rstrip()] if scripted else []
    if not failing:
        return [f"{scripted}Fails under none of {plural(len(others), 'other cut')}."]
    ways = Counter(str(failure) for failure in test.failures.values())
    names = sorted(failing, key=lambda name: (not name.isdecimal(), int(name) if name.isdecimal() else 0, name))
    shown = ", ".join([*names[:_NAMED], *["..."] * (len(names) > _NAMED)])
    alike = "always the same way" if len(ways) == 1 else f"in {len(ways)} ways: {listed([*ways], _LISTED)}"
    number = f"{len(failing)} of {plural(len(others), 'other cut')}"
    return [f"{scripted}Fails under {number} ({shown}), {alike}."]


def _number_of_whole(smallest: str | None) -> str:
    return "1" if smallest == "whole" else ""


def _lines(facts: VariantFacts, config: pytest.Config) -> list[str]:
    again = f"Again:  {command(config, _id_with(facts.test, str(facts.smallest)))}"
    if facts.repeats:
        return [*facts.lines, again]
    once = "It passed when it was run again under the same cut: this failure does not repeat."
    return [*map(_in_the_past, facts.lines), once, again]


def _in_the_past(line: str) -> str:
    """Return the description of a cut under which a test has failed only once."""
    words, colon, content = line.partition(": ")
    for now, then in _PAST.items():
        words = words.replace(now, then)
    return f"{words}{colon}{content}"


def _id_with(test: str, cut: str) -> str:
    """Return the id of a variant of a test."""
    if test.endswith("]") and "[" in test:
        return f"{test[:-1]}-{id_of_cut(cut)}]"
    return f"{test}[{id_of_cut(cut)}]"


def _parameters(nodeid: str) -> str:
    return nodeid[nodeid.index("[", max(0, nodeid.find("::"))) :]


def _note_scripted(test: FuzzedTest, report: pytest.TestReport, failure: Failure | None) -> None:
    if failure is not None and not isinstance(test.scripted, Failure):
        test.scripted, test.scripted_report = failure, report
    elif report.when == "call" and report.passed and test.scripted is None:
        test.scripted = True
