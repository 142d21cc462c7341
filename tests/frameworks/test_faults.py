"""Faults: every framework behaves as in the table of its page."""

import asyncio

import pytest

from tests.frameworks.chosen import drivers
from tests.frameworks.measuring import described, measure, measured, tried
from tests.frameworks.page import PAGES, Table

DRIVERS = drivers()
TABLES = {language: Table.loaded(page.data.read_text(encoding="utf-8")) for language, page in PAGES.items()}
AGAIN = (2, 4, 8)  # factors of a client's patience: on a busy machine, it may time out before it reads the first text
HARMLESS = {"stall", "cut_character", "one_byte_writes", "one_write", "slow_drip"}


@pytest.mark.parametrize("driver", DRIVERS, ids=str)
def test_a_framework_behaves_under_each_fault_as_in_the_table(driver):
    table = TABLES[driver.language]
    rows = [settled(driver, row) for row in table.rows if (row.framework, row.model) == (driver.framework, driver.name)]
    found = [settled(driver, row) for row in measured([driver])]
    # Another version may behave in another way.
    expected = rows if table.frameworks[driver.framework].version == driver.version else None
    for place, each in enumerate(tried([driver])):
        for patience in AGAIN:
            if is_wrong(found[place], expected and expected[place]):
                found[place] = settled(driver, asyncio.run(measure(*each, patience)))
    assert [row for row in found if is_wrong(row, None)] == []
    if expected is not None:
        assert found == expected


def settled(driver, row):
    """Return a row without an outcome that differs from call to call."""
    return row._replace(raised="", text="", requests=0) if row.fault in driver.races else row


def is_wrong(row, expected):
    """Return whether a row is not the expected one, or is an error under a harmless fault."""
    if expected is not None:
        return row != expected
    text = TABLES["python"].text
    return row.fault in HARMLESS and (row.raised != "" or row.text != text)


def test_the_table_has_all_models_and_all_cases():
    for driver in DRIVERS:
        rows = [
            row for row in TABLES[driver.language].rows if (row.framework, row.model) == (driver.framework, driver.name)
        ]
        assert [(row.form, row.fault) for row in rows] == [(form, case.name) for _, form, case in tried([driver])]


def test_the_table_has_rows_of_undisturbed_measurements():
    text = TABLES["python"].text
    rows = [row for driver in DRIVERS for row in TABLES[driver.language].rows if row.framework == driver.framework]
    assert [row for row in rows if row.requests == 0 and row.fault != "refuse"] == []
    assert [row for row in rows if row.fault in HARMLESS and (row.raised or row.text != text)] == []


def test_the_table_describes_the_frameworks():
    for name, framework in described(DRIVERS).items():
        (found,) = [table.frameworks[name] for table in TABLES.values() if name in table.frameworks]
        assert found._replace(version="") == framework._replace(version="")
