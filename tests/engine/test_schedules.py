"""Cancelling, closing, dropping and timing out a run after every callback of the loop."""

import asyncio
from itertools import product

import pytest

from benchmarks.schedules.schedule import ACTIONS, CALLERS, Schedule
from benchmarks.schedules.search import play, play_each_moment, search


@pytest.mark.streamval_not_cancelled  # it cancels the tasks of its own event loop
def test_no_schedule_breaks_the_contract_of_a_run():
    assert search(1_000, seed=1) == (1_000, [])


@pytest.mark.streamval_not_cancelled  # it cancels the tasks of its own event loop
@pytest.mark.parametrize("callers", [CALLERS[:3], CALLERS[3:]], ids=" ".join)
def test_a_timeout_of_a_validator_in_the_same_turn_does_not_hang(callers):
    _, broken = play_each_moment(product(["plain"], ["limited"], callers, ACTIONS))
    assert broken == []


@pytest.mark.streamval_not_cancelled  # it cancels the tasks of its own event loop
def test_the_search_reports_a_run_that_never_ends(monkeypatch):
    async def wait_for_ever(self, chunk):
        await asyncio.Event().wait()

    monkeypatch.setattr(Schedule, "_result_of", wait_for_ever)
    _, broken = play(Schedule("plain", "quick", "acomplete", "nothing", 1))
    assert any("nothing is left to do" in line for line in broken)
    assert "1 producers or validators still run" in broken
