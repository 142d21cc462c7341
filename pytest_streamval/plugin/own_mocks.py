"""Tests that make mock backends without the fixture, and are therefore not fuzzed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_streamval.errors import listed, plural
from pytest_streamval.plugin.harmless_output import write_line
from pytest_streamval.plugin.variant_facts import note_for_last_report
from pytest_streamval.plugin.variant_ids import CUT_FIXTURE
from pytest_streamval.plugin.variants import AS_SCRIPTED
from pytest_streamval.scripting.mock import on_backend

if TYPE_CHECKING:
    from collections.abc import Generator

    from pytest_streamval.scripting.mock import StreamingMockBackend

_LISTED = 5  # tests that the line names
_FACT = "streamval_own_mocks"  # an attribute of the last report of such a test


class OwnMocks:
    """The plugin that finds these tests, in every process, and names them in the one with a terminal."""

    def __init__(self, config: pytest.Config) -> None:
        self._tests: set[str] = set()
        self._item: Any = None
        on_backend.append(self._note)
        config.add_cleanup(lambda: on_backend.remove(self._note))

    def _note(self, backend: StreamingMockBackend) -> None:
        del backend
        item = self._item
        is_fuzzed = CUT_FIXTURE in getattr(item, "fixturenames", ())  # or a line of its own says why not
        if item is not None and not is_fuzzed and item.get_closest_marker(AS_SCRIPTED) is None:
            note_for_last_report(item, _FACT)

    @pytest.hookimpl(wrapper=True, tryfirst=True)  # around the run of a variant
    def pytest_runtest_protocol(self, item: Any) -> Generator[None, object, object]:  # noqa: ANN401  # of any kind
        """Remember the running test."""
        self._item = item
        try:
            return (yield)
        finally:
            self._item = None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect the tests."""
        if hasattr(report, _FACT):
            self._tests.add(report.nodeid)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the line."""
        if not self._tests:
            return
        whose = "its" if len(self._tests) == 1 else "their"
        tests, names = plural(len(self._tests), "test"), listed(sorted(self._tests), _LISTED)
        write_line(
            terminalreporter,
            f"streamval: {tests} made mocks of {whose} own and had no variants: {names}. Take "
            f"them from streaming_mock_backend(..., cls=...), or mark the test with @pytest.mark.{AS_SCRIPTED}",
        )
