"""A provider server whose script has a delay, under a date that freezegun has frozen."""

from __future__ import annotations

import freezegun
import pytest

from pytest_streamval import Delay, ProviderServer, Script
from pytest_streamval.scripting import frozen_time
from tests.server.clients import CLOSE, exchange, request

DELAYED = Script.of("One. ", Delay(0.001), "Two.")
FROM_THE_START = Script.of(Delay(0.001), "One.")


@pytest.mark.parametrize("script", [DELAYED, FROM_THE_START], ids=["within", "before"])
def test_a_delay_of_a_server_under_a_clock_that_stands_still_names_the_way_out(script, monkeypatch) -> None:
    monkeypatch.setattr(frozen_time, "_PATIENCE", 0.01)
    with freezegun.freeze_time("2024-02-29"), ProviderServer(script) as server:
        exchange(server, request(None, "/v1/chat/completions", CLOSE))
        (failure,) = server.unmet()
    assert "Delay(0.001)" in str(failure)
    assert "real_asyncio" in str(failure)


def test_a_delay_of_a_server_ends_under_a_frozen_date_with_a_real_loop() -> None:
    with freezegun.freeze_time("2024-02-29", real_asyncio=True), ProviderServer(DELAYED) as server:
        assert b"Two." in exchange(server, request(None, "/v1/chat/completions", CLOSE))
        assert not [*server.unmet()]
