"""The progress of a run with variants, its summary, and the failing cuts that it keeps."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from pytest_streamval.errors import listed, plural
from pytest_streamval.fuzzing.failing_cut_database import FailingCut
from pytest_streamval.plugin.harmless_output import write_line
from pytest_streamval.plugin.variant_facts import VariantFacts, note_for_last_report
from pytest_streamval.plugin.variant_ids import CUT_FIXTURE
from pytest_streamval.plugin.variants import AS_SCRIPTED, SOURCES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_streamval.fuzzing.failing_cut_database import FailingCuts
    from pytest_streamval.plugin.variant_reports import FuzzedTest, VariantReports

_MANY = 200  # variants from which progress is shown
_STEPS = 10  # lines of progress in a run
_LISTED = 5  # tests that a line names
_UNREACHED = "streamval_unreached"  # an attribute of the last report of a test that could not be fuzzed
_CHANNELS = {"arguments": "tool arguments"}  # names for a person


class VariantSummary:
    """The plugin that counts variants, in every process, and prints the counts in the one with a terminal."""

    def __init__(self, config: pytest.Config, reports: VariantReports, known: FailingCuts, *, fuzzes: bool) -> None:
        """Create the plugin.

        Args:
            config: The configuration of the run.
            reports: The outcomes of the variants.
            known: The cuts that are known to fail.
            fuzzes: Whether variants were requested by their number.
        """
        self._config = config
        self._reports = reports
        self._known = known
        self._fuzzes = fuzzes
        self._unreached: set[str] = set()
        self._ran = 0

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note the variants that were collected."""
        self._reports.collect(item.nodeid for item in session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        """Note the variants that a worker has collected, which are those of every worker."""
        if not self._reports.collected:
            self._reports.collect(ids)

    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> None:
        """Mark a test that takes a stream but has no variants, unless a marker asks for that."""
        is_cut = fixturedef.argname != CUT_FIXTURE or hasattr(request, "param")
        if not is_cut and request.node.get_closest_marker(AS_SCRIPTED) is None:
            note_for_last_report(request.node, _UNREACHED)

    @pytest.hookimpl(trylast=True)  # after pytest has printed the outcome, before a line of progress
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the smallest cut of a test that fails, and show the progress."""
        if hasattr(report, _UNREACHED):
            self._unreached.add(report.nodeid)
        facts = VariantFacts.of(report) if VariantFacts.has_failure(report) else None
        if facts is not None:
            test = self._reports.tests[facts.test]
            if test.fails_when_cut:
                self._known.keep(FailingCut(facts.test, test.smallest or str(test.shown or facts.cut)))
        if self._reports.ran > self._ran:
            self._ran = self._reports.ran
            self._show_progress()

    def _show_progress(self) -> None:
        variants = self._reports.count_collected()
        if variants >= _MANY and self._ran % (variants // _STEPS) == 0 and self._config.get_verbosity() >= 0:
            terminal: Any = self._config.pluginmanager.get_plugin("terminalreporter")
            if terminal is not None:
                failed = self._reports.failed
                terminal.write(f"\nstreamval: {self._ran:,} of {variants:,} variants, {failed:,} failed\n", flush=True)

    # The end of the run

    def pytest_sessionfinish(self) -> None:
        """Forget the cuts under which a test passes now, and those outside of its streams."""
        uncut = [each for each in self._repeated() if each.cut in self._reports.tests[each.test].uncut]
        for variant in [*self._fixed(), *uncut]:
            self._known.drop(variant)
        self._known.check()

    def _fixed(self) -> list[FailingCut]:
        """Return the known cuts under which a test has passed in this run."""
        tests = self._reports.tests
        passed = [each for each in self._repeated() if tests[each.test].ran[each.cut]]
        return [each for each in passed if each.cut not in tests[each.test].failures]

    def _repeated(self) -> list[FailingCut]:
        """Return the known cuts under which a test has run."""
        tests = self._reports.tests
        return [each for each in self._known.known if each.test in tests and each.cut in tests[each.test].ran]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the number of variants, or that there were none."""
        lines = self._collected() if terminalreporter.config.getoption("collectonly") else self._lines()
        for line in lines:
            write_line(terminalreporter, f"streamval: {line}")

    def _collected(self) -> Iterator[str]:
        count, tests = self._reports.count_collected(), len(self._reports.collected)
        if count:
            yield f"{plural(count, 'variant')} of {plural(tests, 'test')} collected"
        else:
            yield self._nothing()

    def _nothing(self) -> str:
        if not self._fuzzes:
            return "the requested variant did not run"
        sources = f"{', '.join(SOURCES[:-1])} or {SOURCES[-1]}"
        return f"nothing was fuzzed: no variant ran. A test has variants if it takes its stream from {sources}"

    def _lines(self) -> Iterator[str]:
        tests = [test for test in self._reports.tests.values() if test.has_run]
        if tests:
            variants = f"{plural(self._reports.ran, 'variant')} of {plural(len(tests), 'test')}"
            yield f"{variants} ran, {self._reports.failed:,} failed"
            yield from dependence_lines(tests)
        else:
            yield self._nothing()
        if self._unreached:
            names = f"{plural(len(self._unreached), 'test')} could not be fuzzed"
            yield (
                f"{names}: {listed(sorted(self._unreached), _LISTED)}. "
                "Only a test function that has its fixtures as arguments has variants. A scenario of pytest-bdd, a "
                "doctest, a unittest.TestCase and request.getfixturevalue() request them while the test runs"
            )
        if repeated := self._repeated():
            passing = f"{len(self._fixed()):,} of them pass now"
            yield f"{len(repeated):,} that had failed before came first, {passing}"
        if self._known.trouble:
            yield f"not all failing cuts are kept in {self._known.trouble}"


def dependence_lines(tests: Sequence[FuzzedTest]) -> Iterator[str]:
    """Yield the lines about the tests that depend on the cut, and about the channels that were cut."""
    channels = Counter(name for test in tests for name in test.channels or ())
    uncut = sum(test.channels == set() for test in tests)
    of_tests = [f"{_CHANNELS.get(name, name)} in {plural(number, 'test')}" for name, number in channels.most_common()]
    nothing = [f"nothing in {plural(uncut, 'test')}, as there was no stream that can be cut"] if uncut else []
    if of_tests or nothing:
        yield f"cut: {', '.join([*of_tests, *nothing])}"
    depending = sum(test.depends_on_cut for test in tests)
    verb = "depends" if 1 in {depending, len(tests)} else "depend"
    advice = f". If a test may, mark it with @pytest.mark.{AS_SCRIPTED}" if depending else ""
    yield f"{depending:,} of {plural(len(tests), 'test')} {verb} on the cut{advice}"
