"""Asynchronous clients on a virtual clock: the same rows as in the table, and no real time for their waits."""

from __future__ import annotations

import asyncio

import pytest

from pytest_streamval import ProviderServer, Script, VirtualClock
from tests.sdks.cases import PIECES, SHORT
from tests.sdks.client_methods import ClientOptions
from tests.sdks.measuring import TRIED
from tests.sdks.test_faults import is_measured, row_of

TIMEOUT = 60.0
"""The seconds that a client waits for bytes that will not arrive."""


@pytest.mark.parametrize(("method", "case"), [tried for tried in TRIED if tried[0].is_async], ids=str)
def test_an_asynchronous_client_behaves_in_virtual_time_as_in_the_table(method, case):
    async def call():
        with ProviderServer(lambda _: Script.of(*PIECES), fault=case.fault) as server:
            options = ClientOptions(TIMEOUT if case.seconds == SHORT else case.seconds, retries=None)
            outcome = await method.acall(server, options)
            await asyncio.sleep(1)
            return outcome, len(server.requests)

    with VirtualClock() as clock:
        outcome, requests = clock.run(call())
    row = row_of(method, case)
    if is_measured(method):
        assert (outcome.raised, outcome.received.text) == (row.raised, row.text)
        assert requests == (row.requests if case.name != "refuse" else 0)
    if case.name == "stall(3600)" and method.form == "stream":
        assert clock.elapsed >= TIMEOUT
