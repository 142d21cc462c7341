"""What a run says of its streams at its end, and of variants while they are many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_streamval.plugin.variants import variant_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_SLOW = 1.0  # seconds of a test above which it deserves a word
_MANY = 200  # variants of which a count is kept while they run
_STEPS = 10  # lines of that count in a run
_LISTED = 5  # files that a line names
_NOT_LIVE = "run with --streamval-live"  # ends the reason for which live tests are skipped

COUNT = "streamval_count"
"""The attribute of a test's last report that says how many streams it had."""
CASSETTES = "streamval_cassettes"
"""The one that has the cassettes that it played, and those that it recorded."""
UNUSED = "streamval_unused"
"""What a worker of pytest-xdist tells at its end: the cassettes that no test of its collection has."""


class Summary:
    """Counts what tests report, in the process that all of them report to."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._asked_for = any(config.getoption(f"streamval_{name}") for name in ("live", "fuzz", "report"))
        self._calls: dict[str, float] = {}
        self._streams = self._tests = 0
        self._slowest = (0.0, "")
        self._variants = 0
        self._variants_run: dict[str, bool] = {}  # by their ids, whether they failed
        self._played: set[str] = set()
        self._recorded: set[str] = set()
        self._not_live = 0
        self.unused: set[str] = set()
        """The cassettes that no test has."""

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Count the variants that will run."""
        self._expect(item.nodeid for item in session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        """Count the variants that workers will run, of which each has collected all."""
        self._expect(ids)

    def _expect(self, ids: Iterable[str]) -> None:
        self._variants = sum(variant_of(nodeid) is not None for nodeid in ids)

    @pytest.hookimpl(trylast=True)  # behind the letter that pytest writes
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count what a phase of a test brings."""
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
        """Take over what a worker found; one that crashed has nothing to tell."""
        self.unused.update(getattr(node, "workeroutput", {}).get(UNUSED, ()))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Report what there was, if it deserves a line, and the live tests that were skipped in any case."""
        if self._not_live:
            tests = f"{counted(self._not_live, 'live test')} {'was' if self._not_live == 1 else 'were'} skipped"
            terminalreporter.write_line(f"streamval: {tests}: {_NOT_LIVE}")
        if terminalreporter.verbosity < 0:
            return
        deserved = self._asked_for or self._recorded or self.unused or self._slowest[0] >= _SLOW
        if deserved or terminalreporter.verbosity > 0:
            for line in self._lines():
                terminalreporter.write_line(f"streamval: {line}")

    def _lines(self) -> Iterable[str]:
        if self._streams:
            seconds, test = self._slowest
            slowest = f", the slowest {seconds:.2f} s: {test}"
            yield f"{counted(self._streams, 'stream')} in {counted(self._tests, 'test')}{slowest}"
        if self._played or self._recorded:
            used = counted(len(self._played), "cassette")
            yield f"{used} used, {len(self._recorded):,} recorded{_named(self._recorded)}"
        if self.unused:
            yield f"{counted(len(self.unused), 'cassette')} unused, of no test that there is{_named(self.unused)}"


def counted(count: int, what: str) -> str:
    """Return a number of things in words."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _named(paths: set[str]) -> str:
    """Return the first of some files, and how many more there are."""
    if not paths:
        return ""
    more = f" and {len(paths) - _LISTED:,} more" if len(paths) > _LISTED else ""
    return f": {', '.join(sorted(paths)[:_LISTED])}{more}"
