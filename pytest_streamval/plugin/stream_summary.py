"""The lines about streams and cassettes at the end of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_streamval.errors import listed, plural
from pytest_streamval.plugin.harmless_output import write_line
from pytest_streamval.plugin.live_markers import HOW_TO_RUN

if TYPE_CHECKING:
    from collections.abc import Iterable

_NAME = "streamval-summary"
_SLOW = 1.0  # seconds of a test from which the summary is shown
_LISTED = 5  # files that a line names

COUNT = "streamval_count"
"""The attribute of a test's last report that holds the number of its streams."""
CASSETTES = "streamval_cassettes"
"""The attribute of a test's last report that holds the cassettes that it played, and those that it recorded."""
UNUSED = "streamval_unused"
"""The output of a pytest-xdist worker that holds the cassettes without a test in its collection."""


def add_summary(config: pytest.Config) -> None:
    """Add the summary to the process that receives the reports of all tests."""
    if not hasattr(config, "workerinput") and not config.pluginmanager.hasplugin(_NAME):
        config.pluginmanager.register(Summary(config), _NAME)


def report_unused(config: pytest.Config, unused: set[str]) -> None:
    """Add cassettes without a test to the summary. A worker of pytest-xdist sends them to its controller."""
    if hasattr(config, "workeroutput"):
        config.workeroutput[UNUSED] = sorted(unused)
    else:
        config.pluginmanager.get_plugin(_NAME).unused |= unused  # type: ignore[union-attr]  # it is registered


class Summary:
    """The plugin that counts streams and cassettes, in the process that receives the reports of all tests."""

    def __init__(self, config: pytest.Config) -> None:
        self._requested = any(config.getoption(f"streamval_{name}") for name in ("live", "fuzz", "report"))
        self._calls: dict[str, float] = {}
        self._streams = self._tests = 0
        self._slowest = (0.0, "")
        self._played: set[str] = set()
        self._recorded: set[str] = set()
        self._not_live = 0
        self.unused: set[str] = set()
        """The cassettes without a test."""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count the streams and cassettes in the report of one phase of a test."""
        facts = report.__dict__
        if report.skipped and isinstance(report.longrepr, tuple):
            self._not_live += report.longrepr[2].endswith(HOW_TO_RUN)
        if report.when == "call":
            self._calls[report.nodeid] = report.duration
        elif report.when == "teardown":
            seconds = self._calls.pop(report.nodeid, 0.0)
            if COUNT in facts:
                self._streams += facts[COUNT]
                self._tests += 1
                self._slowest = max(self._slowest, (seconds, report.nodeid))
            played, recorded = facts.get(CASSETTES, ((), ()))
            self._played.update(played)
            self._recorded.update(recorded)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:  # noqa: ANN401  # a worker of pytest-xdist
        """Add the unused cassettes that a worker found. A worker that crashed reports none."""
        self.unused.update(getattr(node, "workeroutput", {}).get(UNUSED, ()))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the summary if it was requested or has something unusual, and the number of skipped live tests."""
        if self._not_live:
            tests = f"{plural(self._not_live, 'live test')} {'was' if self._not_live == 1 else 'were'} skipped"
            write_line(terminalreporter, f"streamval: {tests}: {HOW_TO_RUN}")
        if terminalreporter.verbosity < 0:
            return
        is_shown = self._requested or self._recorded or self.unused or self._slowest[0] >= _SLOW
        if is_shown or terminalreporter.verbosity > 0:
            for line in self._lines():
                write_line(terminalreporter, f"streamval: {line}")

    def _lines(self) -> Iterable[str]:
        if self._streams:
            seconds, test = self._slowest
            slowest = f", the slowest {seconds:.2f} s: {test}"
            yield f"{plural(self._streams, 'stream')} in {plural(self._tests, 'test')}{slowest}"
        if self._played or self._recorded:
            used = plural(len(self._played), "cassette")
            yield f"{used} used, {len(self._recorded):,} recorded{_paths(self._recorded)}"
        if self.unused:
            yield f"{plural(len(self.unused), 'cassette')} without a test{_paths(self.unused)}"


def _paths(paths: set[str]) -> str:
    """Return the first paths, and the number of the others."""
    return f": {listed(sorted(paths), _LISTED)}" if paths else ""
