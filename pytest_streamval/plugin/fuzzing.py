"""The plugins of `--streamval-fuzz`, and of variants that are requested by their ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_streamval.plugin.failing_cuts_option import failing_cuts_of
from pytest_streamval.plugin.own_mocks import OwnMocks
from pytest_streamval.plugin.variant_reports import VariantReports
from pytest_streamval.plugin.variant_runs import VariantRuns
from pytest_streamval.plugin.variant_summary import VariantSummary
from pytest_streamval.plugin.variants import RequestedCuts, Variants

if TYPE_CHECKING:
    import pytest


def register_fuzzing(config: pytest.Config, count: int) -> None:
    """Register the plugins, unless neither a number of variants nor the id of one is given."""
    requested = RequestedCuts(config)
    if not count and not requested:
        return
    known = failing_cuts_of(config)
    each = bool(config.getoption("--streamval-fuzz-each") or config.getoption("usepdb"))
    reports = VariantReports(config, each=each)
    manager = config.pluginmanager
    manager.register(Variants(count, requested, known), "streamval-variants")
    manager.register(reports, "streamval-variant-reports")
    manager.register(VariantSummary(config, reports, known, fuzzes=bool(count)), "streamval-variant-summary")
    if count:
        manager.register(OwnMocks(config), "streamval-own-mocks")
    manager.register(VariantRuns(count, reports.outcome_of, each=each), "streamval-variant-runs")
