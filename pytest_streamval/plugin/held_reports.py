"""Runs of a test whose reports are held back, so that it can run again before anything is reported."""

from __future__ import annotations

import faulthandler
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from _pytest.assertion import util
from _pytest.faulthandler import fault_handler_stderr_fd_key, get_timeout_config_value
from _pytest.runner import CallInfo, get_reraise_exceptions, runtestprotocol

from pytest_streamval.plugin.subtest_counts import forget_subtests

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pytest


def run_held(item: pytest.Item, nextitem: Any, *, is_quiet: bool = False) -> list[pytest.TestReport]:  # noqa: ANN401  # as below
    """Run a test, and return its reports and those of its subtests, which no plugin has seen yet.

    Args:
        item: The test.
        nextitem: The next test, or the collector of the test, whose fixtures are then kept.
        is_quiet: Whether a failure is only noted. Its text, which takes longer than most tests, is then left out.
    """
    forget_subtests(item)
    with _held_reports(item.session) as reports, _quiet(item) if is_quiet else nullcontext():
        runtestprotocol(item, nextitem=nextitem)
    return reports


def skip_passed(item: pytest.Item, reports: Iterable[pytest.TestReport], reason: str) -> None:
    """Report a test as skipped that has passed, as it was not run in the requested way."""
    for report in reports:
        if report.when == "call" and report.passed:
            path, line, _ = report.location
            report.outcome, report.longrepr = "skipped", (str(item.config.rootpath / path), (line or 0) + 1, reason)


def restart_time_limit(config: pytest.Config) -> None:
    """Give the next run of a test all of `faulthandler_timeout`, which pytest gives to all runs of a test together."""
    if fault_handler_stderr_fd_key in config.stash and (seconds := get_timeout_config_value(config)) > 0:
        file, ends = config.stash[fault_handler_stderr_fd_key], config.getini("faulthandler_exit_on_timeout")
        faulthandler.dump_traceback_later(seconds, file=file, exit=bool(ends))


def end_fixtures(item: pytest.Item, nextitem: pytest.Item | None) -> list[pytest.TestReport]:
    """End the fixtures that were kept for another run of a test and that the next test does not use.

    Return the report of an error in them, if there is one.
    """
    setup: Any = item.session._setupstate
    reraise = get_reraise_exceptions(item.config)
    call = CallInfo.from_call(lambda: setup.teardown_exact(nextitem), when="teardown", reraise=reraise)
    report: pytest.TestReport = item.ihook.pytest_runtest_makereport(item=item, call=call)
    return [report] if report.failed else []


@contextmanager
def _held_reports(session: pytest.Session) -> Iterator[list[pytest.TestReport]]:
    """Hold the reports that are logged, also those of subtests."""
    held: list[pytest.TestReport] = []
    relays: dict[object, _Relay] = {}
    original = session.gethookproxy

    def relay_of(path: Any) -> _Relay:  # noqa: ANN401  # as in pytest
        relay = relays.get(path)
        if relay is None:
            relay = relays[path] = _Relay(original(path), held)
        return relay

    changed: Any = session
    changed.gethookproxy = relay_of
    try:
        yield held
    finally:
        del changed.gethookproxy


class _Relay:
    """The hooks of a test. It keeps those that were called, as each phase of a test calls them again."""

    def __init__(self, relay: object, held: list[pytest.TestReport]) -> None:
        self._relay = relay
        self._held = held

    def pytest_runtest_logreport(self, *, report: pytest.TestReport) -> None:
        self._held.append(report)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # any hook
        hook = getattr(self._relay, name)
        self.__dict__[name] = hook
        return hook


@contextmanager
def _quiet(item: pytest.Item) -> Iterator[None]:
    """Leave out the text of a failure, and the differences of the values that an assertion compared."""
    compare, util._reprcompare = util._reprcompare, None
    changed: Any = item
    changed.repr_failure = lambda *_, **__: ""
    try:
        yield
    finally:
        util._reprcompare = compare
        del changed.repr_failure
