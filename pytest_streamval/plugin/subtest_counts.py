"""The number of failed subtests that pytest keeps for each test, for tests that run again or get another id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from _pytest.subtests import failed_subtests_key

if TYPE_CHECKING:
    import pytest


def forget_subtests(item: pytest.Item) -> None:
    """Forget the failed subtests of an earlier run of a test."""
    _counts(item.config).pop(_key(item), None)


def move_subtests(config: pytest.Config, report: pytest.TestReport, nodeid: str) -> None:
    """Give a report another id, with the number of failed subtests."""
    counts = _counts(config)
    failed = counts.pop(_key(report), 0)
    report.nodeid = nodeid
    if failed:
        counts[_key(report)] = failed


def _counts(config: pytest.Config) -> dict[Any, int]:
    return config.stash.get(failed_subtests_key, {})


def _key(owner: pytest.Item | pytest.TestReport) -> object:
    return getattr(owner, "id", owner.nodeid)  # pytest 9.0 has no other ids
