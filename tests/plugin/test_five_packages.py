"""Each feature of the five packages works with each fixture: a test for each cell of the table in the docs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.plugin.five_packages import CELLS, FEATURES, HEAD, PAGE, Cell, page
from tests.plugin.inner_run import InnerRun, run_inner

if TYPE_CHECKING:
    from collections.abc import Callable

_INI = (
    "[pytest]\nasyncio_default_fixture_loop_scope = function\nfilterwarnings = error\nstrict = true\n"
    "addopts = --snapshot-update\n"
)


@pytest.fixture(scope="module")
def runs_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], InnerRun]:
    """Return a function that runs all tests of a package once."""
    found: dict[str, InnerRun] = {}

    def run(package: str) -> InnerRun:
        if package not in found:
            code = HEAD + "".join(cell.code for cell in CELLS if cell.package == package)
            found[package] = run_inner(tmp_path_factory.mktemp("five"), {"it": code}, ini=_INI)
        return found[package]

    return run


@pytest.mark.parametrize("cell", CELLS, ids=["-".join(cell) for cell in CELLS])
def test_a_feature_of_a_package_works_with_a_fixture(cell: Cell, runs_of: Callable[[str], InnerRun]) -> None:
    inner = runs_of(cell.package)
    pattern = re.compile(rf"(?:Test|test_){cell.name}(?:\[|::|$)")
    found = [report for name, reports in inner.reports["it"].items() if pattern.match(name) for report in reports]
    assert found, inner.output + inner.errors
    expected = {"skipped"} if cell.feature == "xfail" else {"passed"}
    assert {report.outcome for report in found} == expected, "\n".join(report.text for report in found)


def test_the_page_of_the_five_packages_has_the_table_of_these_tests() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert page(text) == text, "run python3 -m tests.plugin.five_packages"


def test_the_table_has_at_least_sixty_cells() -> None:
    assert len(CELLS) >= 60
    assert set(FEATURES) == {"pytest", "pytest-asyncio", "Hypothesis", "syrupy", "freezegun"}
