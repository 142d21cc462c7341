"""`--streamval-report`: the report of the streams of a run."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryFile

import pytest

from pytest_streamval.errors import plural, report_path_error
from pytest_streamval.files.typed_json import from_json
from pytest_streamval.http.secrets import Secrets, keys_in_environment
from pytest_streamval.plugin.collecting import REQUESTS, STREAMS
from pytest_streamval.plugin.harmless_output import write_line
from pytest_streamval.plugin.stream_summary import COUNT
from pytest_streamval.report.document import Entry, Report
from pytest_streamval.report.timeline import Timeline
from pytest_streamval.report.write import SUFFIX_RULE, has_suffix_of_report, write_report

_MESSAGE = 2_000  # characters of a failure's message that the page shows


class ReportWriter:
    """The plugin that writes the report, in the process that all tests report to."""

    def __init__(self, path: str) -> None:
        """Check that the report can be written.

        Raises:
            InvalidFileError: A `ValueError`. If it cannot.
        """
        self.path = Path(path).absolute()
        if fault := _report_path_fault(self.path):
            raise report_path_error(path, fault)
        self.failure: OSError | None = None
        """The reason why it could not be written at the end of the run."""
        self.report = Report()
        self._entries: dict[str, Entry] = {}
        self._streamed: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add the results and the streams of a phase of a test."""
        entry = self._entries.setdefault(report.nodeid, Entry(report.nodeid))
        entry.seconds += report.duration
        if report.when not in {"setup", "call", "teardown"}:  # pytest-xdist reports a worker that crashed
            self.report.lost.append(f"{report.longrepr}: the streams of this test are lost.")
            entry.outcome = "crashed"
            self._streamed.add(report.nodeid)
        elif report.failed or (report.skipped and entry.outcome == "passed"):
            entry.outcome = report.outcome
        if report.failed and not entry.message:
            entry.message = _failure_message(report)
        if STREAMS in report.__dict__:
            streams = from_json(list[Timeline], json.loads(report.__dict__[STREAMS]))
            entry.streams += streams
            entry.requests += report.__dict__.get(REQUESTS, [])
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
            write_report(self.report, self.path)
        except OSError as error:
            self.failure = error
            if session.exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the path of the report."""
        if self.failure is not None:
            write_line(terminalreporter, f"streamval: the report could not be written: {self.failure}", red=True)
        elif terminalreporter.verbosity >= 0 and not terminalreporter.config.getoption("collectonly"):
            lost = f", {plural(len(self.report.lost), 'test')} lost" if self.report.lost else ""
            streams = plural(self.report.streams, "stream")
            write_line(terminalreporter, f"streamval: report of {streams}{lost}: {self.path}")


def _failure_message(report: pytest.TestReport) -> str:
    """Return the message of a failure, without its traceback."""
    crash = getattr(report.longrepr, "reprcrash", None)
    message = Secrets(keys_in_environment()).text(str(report.longrepr if crash is None else crash.message))
    return message if len(message) <= _MESSAGE else f"{message[:_MESSAGE]} ..."


def _report_path_fault(path: Path) -> str:
    """Return the reason why a report cannot be written to a path, if there is one."""
    if not has_suffix_of_report(path):
        return SUFFIX_RULE
    if path.is_dir():
        return "it is a folder"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=path.parent):
            return ""
    except OSError as error:
        return str(error)
