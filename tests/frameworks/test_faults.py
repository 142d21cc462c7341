"""Faults: every framework behaves as in the table of its page."""

import pytest

from tests.frameworks.chosen import drivers
from tests.frameworks.measuring import described, measured, tried
from tests.frameworks.page import PAGES, Table

DRIVERS = drivers()
TABLES = {language: Table.loaded(page.data.read_text(encoding="utf-8")) for language, page in PAGES.items()}
HARMLESS = {"wrong_content_type", "stall", "cut_character", "one_byte_writes", "one_write", "slow_drip"}


@pytest.mark.parametrize("driver", DRIVERS, ids=str)
def test_a_framework_behaves_under_each_fault_as_in_the_table(driver):
    table = TABLES[driver.language]
    rows = measured([driver])
    assert [row for row in rows if row.fault in HARMLESS and (row.raised or row.text != table.text)] == []
    # Another version may behave in another way.
    if table.frameworks[driver.framework].version == driver.version:
        assert rows == [row for row in table.rows if (row.framework, row.model) == (driver.framework, driver.name)]


def test_the_table_has_all_models_and_all_cases():
    for driver in DRIVERS:
        rows = [
            row for row in TABLES[driver.language].rows if (row.framework, row.model) == (driver.framework, driver.name)
        ]
        assert [(row.form, row.fault) for row in rows] == [(form, case.name) for _, form, case in tried([driver])]


def test_the_table_describes_the_frameworks():
    for name, framework in described(DRIVERS).items():
        (found,) = [table.frameworks[name] for table in TABLES.values() if name in table.frameworks]
        assert found._replace(version="") == framework._replace(version="")
