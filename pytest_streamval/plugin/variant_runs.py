"""The runs of variants. The first variant of a test that fails runs again under smaller cuts."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from pytest_streamval.fuzzing.cut_description import failing_cut_lines, stream_lines, unreached_place
from pytest_streamval.fuzzing.recutting import ScriptRecutter
from pytest_streamval.fuzzing.smallest_cut import CutRun, smallest_cut
from pytest_streamval.plugin.held_reports import end_fixtures, restart_time_limit, run_held, skip_passed
from pytest_streamval.plugin.tracebacks import short_tracebacks, shorten_assertion
from pytest_streamval.plugin.variant_facts import Failure, VariantFacts, attach_notes
from pytest_streamval.plugin.variant_ids import CUT_FIXTURE, command, cut_of, scripted_id
from pytest_streamval.plugin.variants import AS_SCRIPTED, forget_recutter, recutter_of, set_trial

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from pytest_streamval.fuzzing.cuts import Cut

_FAILURES = pytest.StashKey[list[Failure]]()


class VariantRuns:
    """The plugin that runs the variants, in the process of the tests."""

    def __init__(self, count: int, outcome_of: Callable[[str], bool | None], *, each: bool) -> None:
        """Create the plugin.

        Args:
            count: The number of variants of each test. Those with a larger number are requested by their ids.
            outcome_of: Returns False for a test that has failed in this process, also as a variant, True for one that
                has passed as scripted, and None for any other.
            each: Whether each variant that fails is reported as it is.
        """
        self._count = count
        self._outcome_of = outcome_of
        self._each = each
        self._different: dict[str, int] = {}  # the number of different cuts of the tests that have only a few

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
        """Run a variant, unless its cut equals that of an earlier one, and hold the reports, which may be grouped."""
        cut = cut_of(item)
        if cut is None and (self._each or CUT_FIXTURE not in getattr(item, "fixturenames", ())):
            return None
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        if cut is None:
            for report in run_held(item, nextitem):
                item.ihook.pytest_runtest_logreport(report=report)
        elif self._is_requested(cut) or int(cut.name) <= self._different.get(scripted_id(item), self._count):
            for report in self._reports(item, cut, nextitem):
                item.ihook.pytest_runtest_logreport(report=report)
            forget_recutter(item)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Attach the facts of a run to its reports."""
        if call.excinfo is None and call.when == "setup":  # the usual case
            return (yield)
        is_shortened = call.excinfo is not None and cut_of(item) is not None and not self._each
        with short_tracebacks(item.config) if is_shortened else nullcontext():
            report = yield
        if is_shortened:
            shorten_assertion(report, item.config)
        if (report.when == "call" or report.failed) and CUT_FIXTURE in getattr(item, "fixturenames", ()):
            cut, recutter = cut_of(item), recutter_of(item)
            facts = VariantFacts(scripted_id(item), None if cut is None else cut.name)
            if report.failed:
                facts.failure = Failure.of(report, call, item.config.rootpath)
                item.stash.setdefault(_FAILURES, []).append(facts.failure)
                if self._each and cut is not None and recutter is not None:
                    report.sections.append((f"streamval: cut-{cut.name}", _explanation(item, recutter)))
            if recutter is not None:
                facts.channels = sorted(recutter.channels)
            facts.attach(report)
        if report.when == "teardown":
            attach_notes(item, report)
        return report

    def _reports(self, item: pytest.Item, cut: Cut, nextitem: pytest.Item | None) -> list[pytest.TestReport]:
        """Run a variant. Return its reports, or if it is the first that fails, those of the smallest cut."""
        has_failed = self._outcome_of(scripted_id(item)) is False
        run = _run(item, nextitem, is_quiet=has_failed and not self._each)
        if run.recutter is not None and run.recutter.is_repeated and not self._is_requested(cut):
            self._different[scripted_id(item)] = int(cut.name) - 1
            return []
        if not run.failures and self._is_requested(cut):
            return _skipped_if_uncut(item, cut, run)
        if not run.failures or self._each or has_failed or run.recutter is None or not run.recutter.channels:
            return run.reports
        try:
            reports = self._smallest(item, cut, run, nextitem)
        except BaseException:  # an interruption
            for report in run.reports:
                item.ihook.pytest_runtest_logreport(report=report)
            raise
        finally:
            set_trial(item, cut)
        return [*reports, *end_fixtures(item, nextitem)]

    def _is_requested(self, cut: Cut) -> bool:
        """Return whether a cut is requested by its id or known to fail, so that its test has to say that it ran."""
        return cut.number is None or cut.number > self._count

    def _smallest(
        self, item: pytest.Item, cut: Cut, first: _Run, nextitem: pytest.Item | None
    ) -> list[pytest.TestReport]:
        failure = first.failures[0]

        def trial(*cuts: Cut | None) -> CutRun:
            set_trial(item, *cuts)
            restart_time_limit(item.config)
            return _run(item, item.parent, is_quiet=True).compared(failure)

        if self._outcome_of(scripted_id(item)) is None and trial(None).fails_alike:
            facts = _facts_of(item, cut, cut, ["Fails as scripted, too."])
            return _with_facts(first, replace(facts, fails_as_scripted=True))
        found = smallest_cut(cut, first.compared(failure), trial)
        if found.repeats:
            set_trial(item, found.cut)
            last = _run(item, nextitem)
            if last.recutter is not None and last.failures[:1] == [failure]:
                lines = failing_cut_lines(found.cut, last.recutter)
                return _with_facts(last, _facts_of(item, cut, found.cut, lines))
        lines = [] if first.recutter is None else failing_cut_lines(cut, first.recutter)
        return _with_facts(first, _facts_of(item, cut, cut, lines, repeats=False))


def _skipped_if_uncut(item: pytest.Item, cut: Cut, run: _Run) -> list[pytest.TestReport]:
    """Return the reports of a variant that has passed, as skipped if its cut is outside of its streams or repeated."""
    recutter = run.recutter or ScriptRecutter(cut)
    place = unreached_place(cut, recutter)
    if place:
        skip_passed(item, run.reports, f"not cut at {place}")
    elif cut.number is not None and recutter.is_repeated:
        skip_passed(item, run.reports, f"not cut: number {cut.name} is the same cut as a smaller one")
    else:
        return run.reports
    return _with_facts(run, VariantFacts(scripted_id(item), cut.name, is_uncut=True))


def _explanation(item: pytest.Item, recutter: ScriptRecutter) -> str:
    again = f"To run it again:       {command(item.config, item.nodeid)}"
    advice = f"If the expected result depends on the cut, mark the test with @pytest.mark.{AS_SCRIPTED}."
    return "\n".join([*stream_lines(recutter), again, advice])


class _Run(NamedTuple):
    """A run of a test whose reports are not logged yet."""

    reports: list[pytest.TestReport]
    failures: list[Failure]
    recutter: ScriptRecutter | None

    def compared(self, failure: Failure) -> CutRun:
        """Return the facts of the run for the search, compared with a failure."""
        recutter = self.recutter
        if recutter is None:
            return CutRun(self.failures[:1] == [failure], (), has_bodies=False)
        is_alike = self.failures[:1] == [failure]
        return CutRun(is_alike, tuple(recutter.places()), bool(recutter.bodies), bool(recutter.pages))


def _run(item: pytest.Item, nextitem: Any, *, is_quiet: bool = False) -> _Run:  # noqa: ANN401  # a test or its collector
    """Run a test, and hold its reports.

    Args:
        item: The test.
        nextitem: The next test, or the collector of the test, whose fixtures are then kept.
        is_quiet: Whether a failure is only noted. Its text, which takes longer than most tests, is then left out.
    """
    item.stash[_FAILURES] = []
    forget_recutter(item)
    reports = run_held(item, nextitem, is_quiet=is_quiet)
    return _Run(reports, item.stash[_FAILURES], recutter_of(item))


def _facts_of(item: pytest.Item, cut: Cut, smallest: Cut, lines: list[str], *, repeats: bool = True) -> VariantFacts:
    return VariantFacts(scripted_id(item), cut.name, None, smallest.name, lines, repeats)


def _with_facts(run: _Run, facts: VariantFacts) -> list[pytest.TestReport]:
    """Return the reports of a run with facts about the smallest cut."""
    for report in run.reports:
        own = VariantFacts.of(report) or facts
        replace(facts, failure=own.failure, channels=own.channels).attach(report)
    return run.reports
