"""The part of the plugin that watches the streams of tests, in the process that runs them."""

from __future__ import annotations

import json
from collections import deque
from contextlib import ExitStack
from copy import copy
from typing import TYPE_CHECKING, Any

import pytest

from pytest_streamval.engine.observer import observing
from pytest_streamval.report.text_view import picture
from pytest_streamval.plugin.summary import COUNT
from pytest_streamval.report.timeline_observer import FOR_A_PAGE, FOR_A_PICTURE, StreamWatch

if TYPE_CHECKING:
    from collections.abc import Collection, Generator

_KEPT = 1_000  # streams of one test that a page shows
_PICTURED = 8  # that are kept for a picture, of which one is shown
STREAMS = "streamval_streams"
"""The attribute of a test's last report with the timelines, as JSON: pytest-xdist carries no tuple, no surrogate."""


class Collecting:
    """Watches streams: all of them for a page, or those of tests that use some fixtures, for a picture of a failure."""

    def __init__(self, fixtures: Collection[str], *, for_page: bool) -> None:
        self._fixtures = fixtures
        self._for_page = for_page
        self._watches: deque[StreamWatch] = deque(maxlen=_KEPT if for_page else _PICTURED)
        self._count = 0
        self._observed = ExitStack()

    def _watch(self) -> StreamWatch:
        self._count += 1
        watch = StreamWatch(FOR_A_PAGE if self._for_page else FOR_A_PICTURE)
        self._watches.append(watch)
        return watch

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Begin to watch."""
        if self._for_page or not set(self._fixtures).isdisjoint(getattr(item, "fixturenames", ())):
            self._observed.enter_context(observing(self._watch))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
        """Show the stream above what failed, and hand on what there was when the test is over."""
        report: pytest.TestReport = yield
        has_traceback = report.failed and item.config.getoption("tbstyle") not in {"line", "no"}
        if has_traceback and self._watches and call.when != "teardown":
            report.longrepr = pictured(report.longrepr, self._picture())
        if call.when == "teardown":
            self._observed.close()
            if self._count:
                self._hand_on(report)
            self._watches.clear()
            self._count = 0
        return report

    def _picture(self) -> str:
        """Return the picture of the stream that ended badly last, else of the last one."""
        timelines = [watch.timeline() for watch in self._watches]
        bad = [stream for stream in timelines if stream.outcome != "complete"]
        return "\n".join(picture((bad or timelines)[-1], more=self._count - 1))

    def _hand_on(self, report: pytest.TestReport) -> None:
        report.__dict__[COUNT] = self._count
        if self._for_page:
            report.__dict__[STREAMS] = json.dumps([watch.timeline().facts() for watch in self._watches])


def pictured(longrepr: Any, text: str) -> Any:  # noqa: ANN401  # pytest has several forms of it
    """Return what a report says of a failure with a text above it.

    A traceback without entries in front of the chain of tracebacks is carried by pytest-xdist as the others are, and
    leaves the last one, of which the summary speaks, where it was.
    """
    if hasattr(longrepr, "chain"):
        above = copy(longrepr.reprtraceback)
        above.reprentries, above.extraline = [], text
        longrepr.chain = [(above, None, None), *longrepr.chain]
    elif hasattr(longrepr, "reprtraceback"):  # as it is under --tb=native, all of it in one entry
        entry = longrepr.reprtraceback.reprentries[0]
        entry.lines = [f"{text}\n\n", *entry.lines]
    elif isinstance(longrepr, str):
        return f"{text}\n\n{longrepr}"
    return longrepr
