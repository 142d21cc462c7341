"""`--streamval-report`: the part of the plugin that puts together what the tests of a run have streamed."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryFile

import pytest

from pytest_streamval.errors import ReportPathError
from pytest_streamval.plugin.collecting import STREAMS
from pytest_streamval.report.document import Entry, Report, suffix_fault
from pytest_streamval.plugin.summary import COUNT, counted

_MESSAGE = 2_000  # characters of a failure that the page shows


class Reporting:
    """Writes the report of a run: in the process that all tests report to."""

    def __init__(self, path: str) -> None:
        """Look whether the report can be written.

        Raises:
            ReportPathError: a `ValueError`; it cannot.
        """
        self.path = Path(path).absolute()
        if fault := suffix_fault(path) or _fault(self.path):
            raise ReportPathError(path, fault)
        self.failure: OSError | None = None
        """Why it could not be written in the end."""
        self.report = Report()
        self._entries: dict[str, Entry] = {}
        self._streamed: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add what a phase of a test brings."""
        entry = self._entries.setdefault(report.nodeid, Entry(report.nodeid))
        entry.seconds += report.duration
        if report.when not in {"setup", "call", "teardown"}:  # as pytest-xdist reports for a worker that is gone
            self.report.lost.append(f"{report.longrepr}: what it streamed is lost.")
            entry.outcome = "crashed"
            self._streamed.add(report.nodeid)
        elif report.failed or (report.skipped and entry.outcome == "passed"):
            entry.outcome = report.outcome
        if report.failed and not entry.message:
            entry.message = _message(report)
        if STREAMS in report.__dict__:
            streams = json.loads(report.__dict__[STREAMS])
            entry.streams += streams
            entry.left_out += report.__dict__[COUNT] - len(streams)
            self._streamed.add(report.nodeid)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the report."""
        if session.config.getoption("collectonly"):
            return
        self.report.tests = [entry for test, entry in self._entries.items() if test in self._streamed]
        self.report.tests_run = len(self._entries)
        self.report.sort()
        try:
            self.report.dump(self.path)
        except OSError as error:
            self.failure = error
            if session.exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say where it is."""
        if self.failure is not None:
            terminalreporter.write_line(f"streamval: the report could not be written: {self.failure}", red=True)
        elif terminalreporter.verbosity >= 0 and not terminalreporter.config.getoption("collectonly"):
            lost = f", {counted(len(self.report.lost), 'test')} lost" if self.report.lost else ""
            terminalreporter.write_line(
                f"streamval: report of {counted(self.report.streams, 'stream')}{lost}: {self.path}"
            )


def _message(report: pytest.TestReport) -> str:
    """Return what a test failed with, without the way there."""
    crash = getattr(report.longrepr, "reprcrash", None)
    message = str(report.longrepr if crash is None else crash.message)
    return message if len(message) <= _MESSAGE else f"{message[:_MESSAGE]} ..."


def _fault(path: Path) -> str:
    """Return why a file cannot be written, if that is so."""
    if path.is_dir():
        return "it is a folder"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=path.parent):
            return ""
    except OSError as error:
        return str(error)
