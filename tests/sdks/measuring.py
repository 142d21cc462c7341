"""Measurements of a client under a fault: its error, its text, and its retries."""

from __future__ import annotations

import time
from importlib.metadata import version
from typing import TYPE_CHECKING

from pytest_streamval import ProviderServer, Script
from tests.sdks.all_methods import ALL
from tests.sdks.cases import CASES, OF_FRAMES, PIECES
from tests.sdks.client_methods import ClientOptions
from tests.sdks.page import Row

if TYPE_CHECKING:
    from pytest_streamval.typing import ServedRequest
    from tests.sdks.cases import Case
    from tests.sdks.client_methods import ClientMethod
    from tests.sdks.received import Outcome

_AT_ONCE = 0.3  # seconds; the pauses that clients choose are longer
_NEARLY = 0.95  # of the seconds in the header; the pauses that clients choose are about half of them
TRIED = [(method, case) for method in ALL for case in CASES if method.form != "whole" or case.name not in OF_FRAMES]
"""Every method with every case that applies to it."""


def call_under(method: ClientMethod, case: Case, *, retries: int | None) -> tuple[Outcome, list[float]]:
    """Call a method under a fault, and return the outcome and the times of the requests."""
    times: list[float] = []

    def rule(_: ServedRequest) -> Script:
        times.append(time.monotonic())
        return Script.of(*PIECES)

    with ProviderServer(rule, fault=case.fault) as server:
        return method.call(server, ClientOptions(case.seconds, retries)), times


def measure(method: ClientMethod, case: Case) -> Row:
    """Return a row of the table, with the default options of the client."""
    outcome, times = call_under(method, case, retries=None)
    waits = ""
    if len(times) > 1 and case.fault.retry_after is not None:
        pause = times[1] - times[0]
        named = case.fault.retry_after
        waits = "as named" if (pause >= _NEARLY * named if named else pause < _AT_ONCE) else "of its own"
    return Row(
        method.sdk, method.name, method.is_async, case.name, outcome.raised, outcome.received.text, len(times), waits
    )


def versions() -> dict[str, str]:
    """Return the versions of the installed clients."""
    return {sdk: version(sdk) for sdk in dict.fromkeys(method.sdk for method in ALL)}
