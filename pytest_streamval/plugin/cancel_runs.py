"""`--streamval-cancel`: each test again, cancelled at places that are spread over the steps of its event loop."""

from __future__ import annotations

import asyncio
import re
from contextlib import ExitStack, contextmanager
from functools import partial
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from pytest_streamval.errors import CheckFailedError, plural
from pytest_streamval.plugin.cancellation import DROPPED, Cancellation
from pytest_streamval.plugin.cancelled_subtests import cancellation_passes_subtests
from pytest_streamval.plugin.guards import finalizers_of, has_teardown
from pytest_streamval.plugin.harmless_output import write_line
from pytest_streamval.plugin.held_reports import end_fixtures, restart_time_limit, run_held, skip_passed
from pytest_streamval.plugin.subtest_counts import move_subtests
from pytest_streamval.plugin.variant_ids import CANCEL_FIXTURE, cancelled_step_of, command, name_in

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

NOT_CANCELLED = "streamval_not_cancelled"
"""The marker of tests that are not cancelled."""

_ID = re.compile(r"[\[-]cancel-([1-9]\d*)\]$")
_WORD = re.compile(r"(?<![\w-])cancel-([1-9]\d*)(?![\w-])")
_ALLOWED = pytest.mark.streamval_allow_unplayed(reason="the test is cancelled before it has played everything")
_FACTS = "streamval_cancellation"  # an attribute of reports: the id that repeats them, the places, and a description
_CANCELLATION = pytest.StashKey[Cancellation]()
_SHOWN = "streamval: cancelled"


def requested_steps(config: pytest.Config) -> dict[str, set[int]]:
    """Return the steps at which tests are to be cancelled by their ids, by the name of the test. -k names no test."""
    cache = getattr(config, "cache", None)
    is_last = any(getattr(config.option, name, False) for name in ("lf", "failedfirst"))
    failed = list(cache.get("cache/lastfailed", {})) if is_last and cache is not None else []
    found: dict[str, set[int]] = {}
    for word in [*config.args, *failed]:
        if match := _ID.search(word):
            found.setdefault(name_in(word).partition("[")[0], set()).add(int(match[1]))
    for match in _WORD.finditer(getattr(config.option, "keyword", "") or ""):
        found.setdefault("", set()).add(int(match[1]))
    return found


class CancelRuns:
    """The plugin that cancels tests, in every process."""

    def __init__(self, config: pytest.Config, count: int) -> None:
        """Create the plugin.

        Args:
            config: The configuration of the run.
            count: The number of places in all steps of a test, and again in those that run code of this package.
        """
        self._config = config
        self._count = count
        self._requested = requested_steps(config)
        self._tests: dict[str, int] = {}  # the number of cancellations of each test
        self._failed: set[str] = set()
        # the garbage of a cancelled test, such as a run that it has dropped, may be collected during a later one
        config.addinivalue_line("filterwarnings", f"ignore:{DROPPED}:ResourceWarning")

    # Collection

    @pytest.hookimpl(trylast=True)
    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Add a variant that is cancelled at all places, and those that are requested by their ids."""
        if metafunc.definition.get_closest_marker(NOT_CANCELLED) is not None:
            return
        steps = sorted(self._requested.get(metafunc.definition.name, set()) | self._requested.get("", set()))
        places = [*([0] if self._count else []), *steps]
        if places:
            metafunc.fixturenames.append(CANCEL_FIXTURE)
            ids = [pytest.HIDDEN_PARAM, *("cancel" if place == 0 else f"cancel-{place}" for place in places)]
            metafunc.parametrize(CANCEL_FIXTURE, [None, *places], ids=ids, indirect=True)

    # Running

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
        """Run a test and cancel it."""
        step = cancelled_step_of(item)
        if step is None:
            return None
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        item.own_markers.append(_ALLOWED.mark)
        for report in self._reports(item, step, nextitem):
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def _reports(self, item: pytest.Item, step: int, nextitem: pytest.Item | None) -> Sequence[pytest.TestReport]:
        if step:
            run = _run(item, step, nextitem)
            if not run.cancellation.place:
                _skip(item, run, step)
            return _described(item, run, step, int(bool(run.cancellation.place)))
        whole = _run(item, None, item.parent)
        places = places_in(whole.cancellation, self._count)
        if whole.has_failed or not places:
            return end_fixtures(item, nextitem)
        before = 0
        for number, place in enumerate(places, 1):
            run = _run(item, place, item.parent)
            if run.has_failed:
                earliest = _earliest(item, before, place)
                last = _run(item, earliest, nextitem)
                return _described(item, last if last.has_failed else run, earliest, number, repeats=last.has_failed)
            before = place
        return _described(item, _run(item, places[-1], nextitem), 0, len(places))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: Any) -> Generator[None, object, object]:  # noqa: ANN401  # a test function
        """Cancel the test function, and check that it keeps the rules."""
        __tracebackhide__ = True
        cancellation: Cancellation | None = pyfuncitem.stash.get(_CANCELLATION, None)
        if cancellation is None:
            return (yield)
        with ExitStack() as undo:
            undo.enter_context(cancellation.applied())
            undo.enter_context(cancellation_passes_subtests(lambda: bool(cancellation.place)))
            function = pyfuncitem.obj
            if iscoroutinefunction(function):
                pyfuncitem.obj = cancellation.of_coroutine(function)
                undo.callback(setattr, pyfuncitem, "obj", function)
            else:
                undo.enter_context(cancellation.of_loops())
            try:
                with _reported():
                    return (yield)
            except asyncio.CancelledError:
                if not cancellation.place or iscoroutinefunction(function):
                    raise
                return True

    def pytest_fixture_post_finalizer(self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> None:
        """Check that a fixture has ended the tasks that it held."""
        cancellation = getattr(request.node, "stash", {}).get(_CANCELLATION, None)
        if cancellation is not None:
            with _reported():
                cancellation.check_end_of(fixturedef)

    # Reports

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count the cancellations, and give a failure the id that repeats it."""
        facts = getattr(report, _FACTS, None)
        if facts is None:
            return
        self._tests[facts["test"]] = facts["count"]
        if report.failed:
            self._failed.add(facts["test"])
        if facts["id"] is not None and not hasattr(self._config, "workerinput"):
            path, line, name = report.location
            old = report.nodeid
            move_subtests(self._config, report, facts["id"])
            bracket = old.rindex("[cancel]") if old.endswith("[cancel]") else old.rindex("-cancel]")
            report.location = (path, line, name.removesuffix(old[bracket:]) + facts["id"][bracket:])

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the number of cancellations."""
        cancelled = {test: count for test, count in self._tests.items() if count}
        if not cancelled:
            why = "none has an event loop" if self._count else "none has the requested step"
            write_line(terminalreporter, f"streamval: no test was cancelled: {why}")
            return
        times = plural(sum(cancelled.values()), "time")
        failed = len(self._failed)
        write_line(
            terminalreporter, f"streamval: {plural(len(cancelled), 'test')} cancelled {times}, {failed:,} failed"
        )


@contextmanager
def _reported() -> Iterator[None]:
    """Report a broken rule without a traceback."""
    __tracebackhide__ = True
    try:
        yield
    except CheckFailedError as error:
        if error.kind != "cancellation":
            raise
        raise pytest.fail.Exception(str(error), pytrace=False) from None


class _CancelledRun(NamedTuple):
    """A run of a test that was cancelled, or only counted."""

    reports: list[pytest.TestReport]
    cancellation: Cancellation

    @property
    def has_failed(self) -> bool:
        return any(report.failed for report in self.reports)


def places_in(cancellation: Cancellation, count: int) -> list[int]:
    """Return the steps at which to cancel: some of all steps, and again some of those of this package."""
    every = list(range(1, cancellation.steps + 1))
    return sorted({*_spread(every, count), *_spread(cancellation.own_steps, count)})


def _spread(steps: Sequence[int], count: int) -> Sequence[int]:
    """Return `count` of the steps, at even distances, with the first one."""
    return steps if len(steps) <= count else [steps[at * len(steps) // count] for at in range(count)]


def _run(item: pytest.Item, at: int | None, nextitem: Any) -> _CancelledRun:  # noqa: ANN401  # a test or its collector
    cancellation = Cancellation(at, partial(_holders, item))
    item.stash[_CANCELLATION] = cancellation
    restart_time_limit(item.config)
    return _CancelledRun(run_held(item, nextitem), cancellation)


def _skip(item: pytest.Item, run: _CancelledRun, step: int) -> None:
    """Report a test as skipped that has passed without the requested cancellation."""
    steps = run.cancellation.steps
    why = f"its event loop ran {plural(steps, 'step')}" if steps else "no event loop ran"
    skip_passed(item, run.reports, f"not cancelled: it ended before step {step}, as {why}")


def _holders(item: Any) -> list[object]:  # noqa: ANN401  # a test of any kind
    """Return the fixtures of a test, and its own finalizers, which may end what the test has started."""
    fixtures = item._request._fixture_defs.values()
    return [*(each for each in fixtures if has_teardown(each)), *finalizers_of(item)]


def _earliest(item: pytest.Item, passing: int, failing: int) -> int:
    """Return the earliest failing step between one that passes and one that fails, found by halving."""
    while failing - passing > 1:
        middle = (passing + failing) // 2
        if _run(item, middle, item.parent).has_failed:
            failing = middle
        else:
            passing = middle
    return failing


def _described(
    item: pytest.Item, run: _CancelledRun, step: int, count: int, *, repeats: bool = True
) -> list[pytest.TestReport]:
    """Return the reports of a run, with the place of the cancellation."""
    step_id = f"{item.nodeid[:-1]}-{step}]" if step and cancelled_step_of(item) == 0 else None
    for report in run.reports:
        report.__dict__[_FACTS] = {"test": item.nodeid, "count": count, "id": step_id if run.has_failed else None}
        if report.failed and run.cancellation.place:
            again = f"Again:  {command(item.config, step_id or item.nodeid)}"
            once = "It passed when it was cancelled there again: this failure does not repeat."
            lines = [run.cancellation.where, *([] if repeats else [once]), again]
            report.sections.append((_SHOWN, "\n".join(lines)))
    return run.reports
