"""The lines about streams and cassettes at the end of a run, and the progress of a run of many variants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_streamval.errors import listed, plural
from pytest_streamval.plugin.variants import variant_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_SLOW = 1.0  # seconds of a test from which the summary is shown
_MANY = 200  # variants from which progress is shown
_STEPS = 10  # lines of progress in a run
_LISTED = 5  # files that a line names
_NOT_LIVE = "run with --streamval-live"  # ends the reason for which live tests are skipped

COUNT = "streamval_count"
"""The attribute of a test's last report that holds the number of its streams."""
CASSETTES = "streamval_cassettes"
"""The attribute of a test's last report that holds the cassettes that it played, and those that it recorded."""
UNUSED = "streamval_unused"
"""The output of a pytest-xdist worker that holds the cassettes of which it has collected no test."""


class Summary:
    """The plugin that counts streams and cassettes, in the process that all tests report to."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._requested = any(config.getoption(f"streamval_{name}") for name in ("live", "fuzz", "report"))
        self._calls: dict[str, float] = {}
        self._streams = self._tests = 0
        self._slowest = (0.0, "")
        self._variants = 0
        self._variants_run: dict[str, bool] = {}  # by their ids, whether they failed
        self._played: set[str] = set()
        self._recorded: set[str] = set()
        self._not_live = 0
        self.unused: set[str] = set()
        """The cassettes that belong to no test."""

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Count the variants that will run."""
        self._expect(item.nodeid for item in session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        """Count the variants that workers will run. Every worker has collected all of them."""
        self._expect(ids)

    def _expect(self, ids: Iterable[str]) -> None:
        self._variants = sum(variant_of(nodeid) is not None for nodeid in ids)

    @pytest.hookimpl(trylast=True)  # after the letter that pytest writes
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count the streams and cassettes that a phase of a test reports."""
        facts = report.__dict__
        if report.skipped and isinstance(report.longrepr, tuple):
            self._not_live += report.longrepr[2].endswith(_NOT_LIVE)
        if self._variants and (report.failed or report.when == "call") and variant_of(report.nodeid) is not None:
            self._count_variant(report)
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

    def _count_variant(self, report: pytest.TestReport) -> None:
        is_known = report.nodeid in self._variants_run  # by one of its subtests, or another phase
        self._variants_run[report.nodeid] = report.failed or self._variants_run.get(report.nodeid, False)
        step = max(1, self._variants // _STEPS)
        is_due = self._variants >= _MANY and len(self._variants_run) % step == 0
        if is_due and not is_known and self._config.get_verbosity() >= 0:
            terminal: Any = self._config.pluginmanager.get_plugin("terminalreporter")
            if terminal is not None:
                done = f"{len(self._variants_run):,} of {self._variants:,} variants"
                failed = sum(self._variants_run.values())
                terminal.write(f"\nstreamval: {done}, {failed:,} failed\n", flush=True)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:  # noqa: ANN401  # a worker of pytest-xdist
        """Add the unused cassettes that a worker found. A worker that crashed reports none."""
        self.unused.update(getattr(node, "workeroutput", {}).get(UNUSED, ()))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the summary if it was requested or has something unusual, and the number of skipped live tests."""
        if self._not_live:
            tests = f"{plural(self._not_live, 'live test')} {'was' if self._not_live == 1 else 'were'} skipped"
            terminalreporter.write_line(f"streamval: {tests}: {_NOT_LIVE}")
        if terminalreporter.verbosity < 0:
            return
        is_shown = self._requested or self._recorded or self.unused or self._slowest[0] >= _SLOW
        if is_shown or terminalreporter.verbosity > 0:
            for line in self._lines():
                terminalreporter.write_line(f"streamval: {line}")

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
