"""The outcome of a test so far, for the teardown of a fixture."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_NAME = "streamval-outcome"
_FAILED = pytest.StashKey[bool]()


def watched(item: pytest.Item) -> Callable[[], bool]:
    """Watch a test, and return a function that returns whether its setup or its function did not pass."""
    manager = item.config.pluginmanager
    if not manager.hasplugin(_NAME):
        manager.register(_Outcomes(), _NAME)
    return partial(item.stash.get, _FAILED, default=False)


class _Outcomes:
    """The plugin that notes failures and skips."""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
        """Note a report that has not passed. Plugins that repeat a test begin each time with a setup."""
        report: pytest.TestReport = yield
        before = call.when != "setup" and item.stash.get(_FAILED, default=False)
        item.stash[_FAILED] = before or not report.passed
        return report
