"""Measurements of the frameworks under each fault: the error, the text, and the number of requests."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from pytest_streamval import ProviderServer, Script
from tests.frameworks.driver import Call, call_streamed, call_whole
from tests.frameworks.page import Framework, Row
from tests.sdks.cases import CASES, OF_FRAMES, PIECES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.frameworks.driver import Driver
    from tests.sdks.cases import Case

CALLERS = {"stream": call_streamed, "whole": call_whole}
"""The functions that call a driver, by the name of the feature."""
_AT_ONCE = 12  # threads, which spend their time waiting


def tried(drivers: Iterable[Driver]) -> list[tuple[Driver, str, Case]]:
    """Return every driver, streamed and not, with every case that applies to it."""
    return [
        (driver, form, case)
        for driver in drivers
        for form in CALLERS
        if form not in driver.lacks
        for case in CASES
        if form == "stream" or case.name not in OF_FRAMES
    ]


def measure(driver: Driver, form: str, case: Case) -> Row:
    """Return a row of the table, with the default retries of the framework."""
    with ProviderServer(lambda _: Script.of(*driver.written(PIECES)), fault=case.fault) as server:
        outcome = CALLERS[form](driver, Call(server, driver.protocol, max(case.seconds, driver.shortest)))
        requests = sum(1 for request in server.requests if request.protocol)
    return Row(driver.framework, driver.name, form, case.name, driver.raised(outcome), outcome.received.text, requests)


def measured(drivers: Iterable[Driver]) -> list[Row]:
    """Return the measurements of all drivers under all cases."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(lambda each: measure(*each), tried(drivers)))


def described(drivers: Iterable[Driver]) -> dict[str, Framework]:
    """Return the frameworks of the drivers, with their versions."""
    found: dict[str, Framework] = {}
    for driver in drivers:
        framework = found.setdefault(driver.framework, Framework(driver.version, {}, {}))
        framework.protocols[driver.name] = driver.protocol
        if driver.lacks:
            framework.lacks[driver.name] = dict(driver.lacks)
    return found
