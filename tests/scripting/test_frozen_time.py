"""A scripted delay under a date that freezegun has frozen."""

from __future__ import annotations

import asyncio
import threading
import time

import freezegun
import pytest

from pytest_streamval import Delay, FrozenClockError, Script, SimpleContext, StreamingMockBackend, stream_with_chunking
from pytest_streamval.scripting import frozen_time

SCRIPT = Script.of("One. ", Delay(0.001), "Two.")


@pytest.fixture(autouse=True)
def _no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frozen_time, "_PATIENCE", 0.01)


def play(script: Script = SCRIPT) -> str:
    async def texts() -> str:
        return "".join([text async for text in script.play()])

    return asyncio.run(texts())


def test_a_delay_under_a_clock_that_stands_still_names_the_way_out() -> None:
    threads = threading.active_count()
    with (
        freezegun.freeze_time("2024-02-29"),
        pytest.raises(FrozenClockError, match=r"Delay\(0.001\).*real_asyncio"),
    ):
        play()
    assert threading.active_count() == threads


def test_a_run_whose_producer_is_delayed_by_a_frozen_clock_fails_with_the_error() -> None:
    async def main() -> None:
        async with stream_with_chunking("go", StreamingMockBackend(SCRIPT), SimpleContext()) as run:
            await run.acomplete()

    with freezegun.freeze_time("2024-02-29"), pytest.raises(FrozenClockError):
        asyncio.run(main())


@pytest.mark.parametrize("options", [{"tick": True}, {"real_asyncio": True}, {"auto_tick_seconds": 1}], ids=str)
def test_a_delay_under_a_frozen_date_whose_clock_runs_ends(options) -> None:
    with freezegun.freeze_time("2024-02-29", **options):
        assert play() == "One. Two."


def test_a_delay_of_nothing_ends_under_a_frozen_clock() -> None:
    with freezegun.freeze_time("2024-02-29"):
        assert play(Script.of("One. ", Delay(0), "Two.")) == "One. Two."


def test_a_delay_ends_when_the_test_moves_the_frozen_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frozen_time, "_PATIENCE", 60.0)

    async def main(frozen) -> list[str]:
        texts: list[str] = []

        async def read() -> None:
            texts.extend([text async for text in Script.of("One. ", Delay(60), "Two.").play()])

        reader = asyncio.create_task(read())
        moved = 0
        while not reader.done():
            await asyncio.to_thread(time.sleep, 0.002)
            frozen.tick(1)
            moved += 1
        await reader
        assert moved >= 60
        return texts

    with freezegun.freeze_time("2024-02-29") as frozen:
        assert asyncio.run(main(frozen)) == ["One. ", "Two."]


def test_a_delay_under_a_frozen_clock_can_be_cancelled() -> None:
    async def main() -> None:
        task = asyncio.create_task(frozen_time.pause(60))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with freezegun.freeze_time("2024-02-29"):
        asyncio.run(main())


def test_a_delay_waits_on_while_the_frozen_date_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frozen_time, "_PATIENCE", 60.0)

    async def main(frozen) -> None:
        watched = frozen_time._FrozenPause(asyncio.get_running_loop(), 60)
        first = watched._watch
        frozen.tick(1)
        watched._look()
        assert watched._watch is not first
        watched._look()
        with pytest.raises(FrozenClockError):
            await watched.wait()
        first.cancel()

    with freezegun.freeze_time("2024-02-29") as frozen:
        asyncio.run(main(frozen))


def test_the_watch_of_a_delay_that_has_ended_does_nothing() -> None:
    async def main() -> None:
        watched = frozen_time._FrozenPause(asyncio.get_running_loop(), 60)
        watched._finish()
        watched._finish()
        watched._look()
        await watched.wait()

    with freezegun.freeze_time("2024-02-29"):
        asyncio.run(main())


async def test_a_virtual_clock_moves_a_frozen_date_through_a_delay(virtual_clock) -> None:
    with freezegun.freeze_time("2024-02-29"):
        await frozen_time.pause(3600)
    assert virtual_clock.elapsed == 3600
