"""The observation of tests' streams, in the process that runs the tests."""

from __future__ import annotations

import sys
from collections import deque
from copy import copy
from typing import TYPE_CHECKING, Any

import pytest

from pytest_streamval.engine.observer import add_observer, remove_observer
from pytest_streamval.files.typed_json import to_json
from pytest_streamval.plugin.journals import SECTION
from pytest_streamval.plugin.page_and_server_streams import ObservedRun, begin_exchanges, exchanges_of, forget_exchanges
from pytest_streamval.plugin.stream_summary import COUNT
from pytest_streamval.report.text_view import picture
from pytest_streamval.report.timeline_observer import FOR_A_PAGE, FOR_A_PICTURE, TimelineObserver

if TYPE_CHECKING:
    from collections.abc import Collection, Generator

    from pytest_streamval.plugin.page_and_server_streams import SeenExchanges
    from pytest_streamval.report.timeline import Timeline

_PAGE_STREAMS = 1_000  # streams of one test that a page shows
_PICTURE_STREAMS = 8  # streams of one test that are kept for a picture, which shows one of them
STREAMS = "streamval_streams"
"""The attribute of a test's last report that holds its timelines, as JSON. pytest-xdist carries no tuple."""
REQUESTS = "streamval_requests"
"""The attribute that holds the lines of its servers' journals."""


class StreamCollector:
    """The plugin that records timelines: of all tests for a page, of tests with certain fixtures for a picture."""

    def __init__(self, fixtures: Collection[str], *, for_page: bool) -> None:
        self._fixtures = frozenset(fixtures)
        self._for_page = for_page
        self._most = _PAGE_STREAMS if for_page else _PICTURE_STREAMS
        self._runs: deque[ObservedRun] = deque(maxlen=self._most)
        self._count = 0
        self._has_journal = False  # below a failure of the running test
        self._is_observing = False

    def _new_observer(self) -> TimelineObserver:
        self._count += 1
        observer = TimelineObserver(FOR_A_PAGE if self._for_page else FOR_A_PICTURE)
        module = sys.modules.get("pytest_streamval.app.http_exchange")  # loaded if an application was called
        self._runs.append(ObservedRun(observer, None if module is None else module.CURRENT_EXCHANGE.get()))
        return observer

    def _stop_observing(self) -> None:
        if self._is_observing:
            self._is_observing = False
            remove_observer(self._new_observer)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Start to observe the streams of a test."""
        if self._for_page or not self._fixtures.isdisjoint(getattr(item, "fixturenames", ())):
            self._stop_observing()  # a plugin may have run a test without its teardown
            add_observer(self._new_observer)
            self._is_observing = True
            begin_exchanges(item, self._most)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
        """Put a picture above a failure, and attach the timelines to the test's last report."""
        report: pytest.TestReport = yield
        if not report.failed and call.when != "teardown":  # the usual case
            return report
        has_traceback = report.failed and item.config.getoption("tbstyle") not in {"line", "no"}
        seen = exchanges_of(item)
        if has_traceback and (self._runs or seen) and call.when != "teardown":
            report.longrepr = with_picture(report.longrepr, self._picture(self._timelines(seen)))
        if report.failed and seen is not None:
            self._add_journal(report, seen)
        if call.when == "teardown":
            self._stop_observing()
            if self._for_page and (self._runs or seen):
                timelines = self._timelines(seen)
                report.__dict__[COUNT] = self._count + len(timelines) - len(self._runs)
                report.__dict__[STREAMS] = to_json(timelines)
                report.__dict__[REQUESTS] = [] if seen is None else seen.journal()
            elif self._count:
                report.__dict__[COUNT] = self._count
            forget_exchanges(item)
            self._runs.clear()
            self._count = 0
            self._has_journal = False
        return report

    def _add_journal(self, report: pytest.TestReport, seen: SeenExchanges) -> None:
        """Put the journal of the servers below the first failure of a test."""
        lines = [] if self._has_journal else seen.journal()
        if lines:
            report.sections.append((SECTION, "\n".join(lines)))
            self._has_journal = True

    def _timelines(self, seen: SeenExchanges | None) -> list[Timeline]:
        return [run.observer.timeline() for run in self._runs] if seen is None else seen.timelines(self._runs)

    def _picture(self, timelines: list[Timeline]) -> str:
        """Return the picture of the last stream that ended badly, or of the last stream if none did."""
        bad = [stream for stream in timelines if stream.outcome != "complete"]
        more = self._count + len(timelines) - len(self._runs) - 1
        return "\n".join(picture((bad or timelines)[-1], more=more))


def with_picture(longrepr: Any, text: str) -> Any:  # noqa: ANN401  # pytest has several kinds of it
    """Return the representation of a failure with a picture above it.

    The picture becomes a traceback without entries, put before the chain of tracebacks. pytest-xdist carries it like
    the others, and the last traceback, from which pytest's summary takes its line, stays last.
    """
    if hasattr(longrepr, "chain"):
        above = copy(longrepr.reprtraceback)
        above.reprentries, above.extraline = [], text
        longrepr.chain = [(above, None, None), *longrepr.chain]
    elif hasattr(longrepr, "reprtraceback"):  # --tb=native: everything is in one entry
        entry = longrepr.reprtraceback.reprentries[0]
        entry.lines = [f"{text}\n\n", *entry.lines]
    elif isinstance(longrepr, str):
        return f"{longrepr}\n\n{text}"  # pytest's summary has its first line
    return longrepr
