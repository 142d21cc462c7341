"""The search: every scenario with every action after every callback."""

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
import random
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING

from benchmarks.schedules.contract import violations
from benchmarks.schedules.loop import CountingLoop, HangError
from benchmarks.schedules.schedule import ACTIONS, CALLERS, PRODUCERS, VALIDATORS, Recorder, Schedule
from pytest_streamval import observing

if TYPE_CHECKING:
    from collections.abc import Iterable


def play(schedule: Schedule) -> tuple[int, list[str]]:
    """Play a schedule, and return the number of callbacks and the violations."""
    loop = CountingLoop()
    asyncio.set_event_loop(loop)
    loop.action = (schedule.moment, schedule.act)
    logger = logging.getLogger("pytest_streamval")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # failing clean-ups are a part of the scenarios
    try:
        with observing(lambda: Recorder(schedule)), warnings.catch_warnings():  # type: ignore[arg-type,return-value]
            warnings.simplefilter("ignore", ResourceWarning)
            schedule.callers.append(loop.create_task(schedule.call(), name="caller"))
            try:
                loop.run_until_complete(_wait_for_all_tasks())
                loop.run_until_complete(_wait_for_all_tasks())  # the action may have come after the last callback
            except HangError:
                waiting = ", ".join(sorted(task.get_name() for task in asyncio.all_tasks(loop)))
                schedule.errors.append(f"nothing is left to do, while these tasks wait: {waiting}")
            broken = list(violations(schedule))
            count = loop.count
            for task in [*schedule.callers, *schedule.others]:
                _ = task.done() and not task.cancelled() and task.exception()
            schedule.callers.clear()
            schedule.others.clear()
            schedule.result = schedule.thunk = schedule.limit = None
        return count, [*broken, *loop.errors]
    finally:
        logger.setLevel(level)
        loop.action = None
        for task in asyncio.all_tasks(loop):
            task.cancel()
        with suppress(HangError):
            loop.run_until_complete(asyncio.sleep(0))
        loop.close()
        asyncio.set_event_loop(None)


async def _wait_for_all_tasks() -> None:
    while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(tasks)


def play_each_moment(scenarios: Iterable[tuple[str, str, str, str]], limit: int | None = None) -> tuple[int, list[str]]:
    """Play scenarios with their action after each callback, up to `limit` schedules.

    Returns:
        The number of schedules, and a line for each violation.
    """
    played, broken = 0, []
    for names in scenarios:
        moment, count = 0, 1
        while moment <= count:
            moment += 1
            schedule = Schedule(*names, moment)
            count, lines = play(schedule)
            broken += [f"{schedule}: {line}" for line in lines]
            played += 1
            if played == limit:
                return played, broken
    return played, broken


def search(limit: int, seed: int) -> tuple[int, list[str]]:
    """Play all scenarios in an order drawn by `seed`, as `play_each_moment` does."""
    order = list(itertools.product(PRODUCERS, VALIDATORS, CALLERS, ACTIONS))
    random.Random(seed).shuffle(order)
    gc.collect()
    return play_each_moment(order, limit)
