"""Cancelling, closing, dropping and timing out after every callback of the loop."""

import pytest

from benchmarks import schedules


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_schedule_breaks_the_contract_of_a_run(seed):
    played, broken = schedules.search(2_000, seed)
    assert played == 2_000
    assert broken == []


@pytest.mark.parametrize("action", schedules.ACTIONS)
def test_a_timeout_of_a_validator_in_the_same_turn_does_not_hang(action):
    for caller in schedules.CALLERS:
        for moment in range(1, 60):
            assert schedules.play(schedules.Schedule("plain", "limited judge", caller, action, moment))[1] == []


def test_the_search_reports_a_run_that_never_ends(monkeypatch):
    async def wait_for_ever(self, chunk):
        await schedules.asyncio.Event().wait()

    monkeypatch.setattr(schedules.Schedule, "_verdict", wait_for_ever)
    _, broken = schedules.play(schedules.Schedule("plain", "quick", "acomplete", "nothing", 1))
    assert any("nothing can happen any more" in line for line in broken)
    assert "1 producers or validators still run" in broken
