"""Measurements of the frameworks under each fault: the error, the text, and the number of requests."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from pytest_streamval import ProviderServer, Script
from tests.frameworks.driver import Call, call_streamed, call_whole
from tests.frameworks.page import Framework, Row
from tests.sdks.cases import CASES, OF_FRAMES, PIECES, SHORT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.frameworks.driver import Driver
    from tests.sdks.cases import Case

CALLERS = {"stream": call_streamed, "whole": call_whole}
"""The functions that call a driver, by the name of the feature."""
_AT_ONCE = 12  # calls, which spend their time waiting


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


async def measure(driver: Driver, form: str, case: Case, patience: float = 1.0) -> Row:
    """Return a row of the table, with the default retries of the framework.

    Args:
        driver: The framework with its model.
        form: The name of the function in `CALLERS`.
        case: The fault.
        patience: The factor of the seconds that the client waits for bytes.
    """
    seconds = max(case.seconds, driver.shortest) * patience
    with ProviderServer(lambda _: Script.of(*driver.written(PIECES)), fault=case.fault) as server:
        outcome = await CALLERS[form](driver, Call(server, driver.protocol, seconds))
        requests = sum(1 for request in server.requests if request.protocol)
    return Row(driver.framework, driver.name, form, case.name, driver.raised(outcome), outcome.received.text, requests)


def measured(drivers: Iterable[Driver]) -> list[Row]:
    """Return the measurements of all drivers under all cases."""
    return asyncio.run(_measured(tried(drivers)))


async def _measured(cases: list[tuple[Driver, str, Case]]) -> list[Row]:
    """Measure in one event loop, as an application has it.

    Calls in several loops disturb each other: LiteLLM closes the connections of one loop when another one uses the
    client that it shares, and DSPy's limit of calls at the same time is an object of one loop.
    """
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_AT_ONCE))
    at_once = asyncio.Semaphore(_AT_ONCE)
    rows: dict[int, Row] = {}

    async def measure_at(place: int) -> None:
        async with at_once:
            rows[place] = await measure(*cases[place])

    brief = [place for place, (_, _, case) in enumerate(cases) if case.seconds <= SHORT]
    async with asyncio.TaskGroup() as group:
        for place in sorted(set(range(len(cases))) - set(brief)):
            group.create_task(measure_at(place))
    for place in brief:  # one after another: a busy client may time out before it reads the bytes that did arrive
        await measure_at(place)
    return [rows[place] for place in range(len(cases))]


def described(drivers: Iterable[Driver]) -> dict[str, Framework]:
    """Return the frameworks of the drivers, with their versions."""
    found: dict[str, Framework] = {}
    for driver in drivers:
        framework = found.setdefault(driver.framework, Framework(driver.version, {}, {}))
        framework.protocols[driver.name] = driver.protocol
        if driver.lacks:
            framework.lacks[driver.name] = dict(driver.lacks)
    return found
