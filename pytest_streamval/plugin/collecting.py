"""The observation of tests' streams, in the process that runs the tests."""

from __future__ import annotations

from collections import deque
from contextlib import ExitStack
from copy import copy
from typing import TYPE_CHECKING, Any

import pytest

from pytest_streamval.engine.observer import observing
from pytest_streamval.files.typed_json import to_json
from pytest_streamval.plugin.summary import COUNT
from pytest_streamval.report.text_view import picture
from pytest_streamval.report.timeline_observer import FOR_A_PAGE, FOR_A_PICTURE, TimelineObserver

if TYPE_CHECKING:
    from collections.abc import Collection, Generator

_PAGE_STREAMS = 1_000  # streams of one test that a page shows
_PICTURE_STREAMS = 8  # streams of one test that are kept for a picture, which shows one of them
STREAMS = "streamval_streams"
"""The attribute of a test's last report that holds its timelines, as JSON. pytest-xdist carries no tuple."""


class StreamCollector:
    """The plugin that records timelines: of all tests for a page, of tests with certain fixtures for a picture."""

    def __init__(self, fixtures: Collection[str], *, for_page: bool) -> None:
        self._fixtures = fixtures
        self._for_page = for_page
        self._observers: deque[TimelineObserver] = deque(maxlen=_PAGE_STREAMS if for_page else _PICTURE_STREAMS)
        self._count = 0
        self._observing = ExitStack()

    def _new_observer(self) -> TimelineObserver:
        self._count += 1
        observer = TimelineObserver(FOR_A_PAGE if self._for_page else FOR_A_PICTURE)
        self._observers.append(observer)
        return observer

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Start to observe the streams of a test."""
        if self._for_page or not set(self._fixtures).isdisjoint(getattr(item, "fixturenames", ())):
            self._observing.enter_context(observing(self._new_observer))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
        """Put a picture above a failure, and attach the timelines to the test's last report."""
        report: pytest.TestReport = yield
        has_traceback = report.failed and item.config.getoption("tbstyle") not in {"line", "no"}
        if has_traceback and self._observers and call.when != "teardown":
            report.longrepr = with_picture(report.longrepr, self._picture())
        if call.when == "teardown":
            self._observing.close()
            if self._count:
                report.__dict__[COUNT] = self._count
                if self._for_page:
                    report.__dict__[STREAMS] = to_json([observer.timeline() for observer in self._observers])
            self._observers.clear()
            self._count = 0
        return report

    def _picture(self) -> str:
        """Return the picture of the last stream that ended badly, or of the last stream if none did."""
        timelines = [observer.timeline() for observer in self._observers]
        bad = [stream for stream in timelines if stream.outcome != "complete"]
        return "\n".join(picture((bad or timelines)[-1], more=self._count - 1))


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
        return f"{text}\n\n{longrepr}"
    return longrepr
