"""Finding the objects that began in a test and have not ended."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_streamval.engine.run import Run, current_run
from pytest_streamval.engine.tasks import ValidatorTask
from pytest_streamval.guards.leak_kinds import (
    DestroyedTask,
    DroppedOutput,
    DroppedOwner,
    DroppedRun,
    Leak,
    LiveThread,
    OpenGenerator,
    OpenObject,
    OpenOutput,
    OpenOwner,
    PendingRun,
    PendingTask,
    PendingTimer,
)
from pytest_streamval.guards.reachability import find_reachable
from pytest_streamval.guards.tracking import context_of
from pytest_streamval.virtual_time.task_locations import natural_key

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from pytest_streamval.guards.tracking import Tracker
    from pytest_streamval.scripting.mock import StreamingMockBackend

_ANYIO_RUNNER = "TestRunner._run_tests_and_fixtures"  # the task in which anyio's plugin runs tests and their fixtures


class SearchArea(NamedTuple):
    """The part of the process that is searched."""

    trackers: Collection[Tracker]
    """The phases of the test in which an object began."""
    loops: Collection[asyncio.AbstractEventLoop]
    """The event loops of the objects."""
    test_tasks: Collection[asyncio.Task[Any] | None]
    """The tasks that ran the test itself, which are excluded."""


def open_objects(area: SearchArea, backends: Iterable[StreamingMockBackend]) -> list[OpenObject]:
    """Return the runs, outputs, tasks, generators and timers that have not ended."""
    tasks = _tasks(area)
    others = [*_generators(area, tasks), *_timers(area)]
    if not tasks:  # the usual case
        return [*_outputs(area, backends, ()), *others]
    pairs = [(task, run) for task in tasks if (run := _run_of(task)) is not None]
    runs = [PendingRun(task, run, [each for each in tasks if _is_check_of(each, run)]) for task, run in pairs]
    outputs = _outputs(area, backends, runs)
    explained = {task for each in runs for task in (each.task, each.run.thunk.producer, *each.checks)}
    explained |= {each.producer for each in outputs}
    return [*runs, *outputs, *(PendingTask(task) for task in tasks if task not in explained), *others]


def lost_objects(trackers: Iterable[Tracker]) -> list[Leak]:
    """Return the results, outputs, owners and tasks that were dropped before their end."""
    leaks: list[Leak] = []
    for tracker in trackers:
        leaks += [DroppedRun(each, each.run) for each in tracker.runs if each.run is not None and each.was_dropped]
        leaks += map(DroppedOutput, tracker.outputs)
        leaks += [DroppedOwner(tracked) for tracked in tracker.owners if tracked.dropped]
        leaks += map(DestroyedTask, tracker.destroyed)
    return leaks


def open_owners(trackers: Iterable[Tracker]) -> list[OpenObject]:
    """Return the sessions and servers of this package that are open."""
    owners = [(tracked, tracked.owner()) for tracker in trackers for tracked in tracker.owners]
    return [OpenOwner(owner, tracked) for tracked, owner in owners if owner is not None and owner.at_work]


def live_threads(trackers: Iterable[Tracker]) -> list[OpenObject]:
    """Return the threads that have not ended."""
    threads = dict.fromkeys(thread for tracker in trackers for thread in tracker.threads)
    return [LiveThread(thread) for thread in threads if thread.is_alive()]


def _tasks(area: SearchArea) -> list[asyncio.Task[Any]]:
    """Return the pending tasks, sorted by name."""
    found = [task for loop in area.loops for task in asyncio.all_tasks(loop) if _is_in(area, task)]
    found = [task for task in found if task not in area.test_tasks and not _is_anyio_runner(task)]
    return sorted(found, key=lambda task: natural_key(task.get_name()))


def _outputs(
    area: SearchArea, backends: Iterable[StreamingMockBackend], runs: Iterable[PendingRun]
) -> list[OpenOutput]:
    """Return the outputs that were not read to their end and that no run reads."""
    calls = [call for backend in backends for call in backend.calls if not call.thunk.is_computed()]
    if not calls:
        return []
    read = {id(each.run.thunk) for each in runs}
    found = [(call, call.thunk.producer) for call in calls if id(call.thunk) not in read]
    return [
        OpenOutput(call, producer)
        for call, producer in found
        if producer is not None and producer.get_loop() in area.loops and _is_in(area, producer)
    ]


def _generators(area: SearchArea, tasks: Iterable[asyncio.Task[Any]]) -> list[OpenGenerator]:
    """Return the suspended generators that no pending task reads."""
    found: list[OpenGenerator] = []
    for tracked in (each for tracker in area.trackers for each in tracker.generators()):
        generator = tracked.generator()
        if generator is not None and tracked.loop in area.loops:
            found.append(OpenGenerator(tracked, generator))
    found = [each for each in found if each.is_open()]
    if not found:
        return []
    read = find_reachable([each.target for each in found if not each.is_certain], tasks)
    return [each for each in found if id(each.target) not in read]


def _timers(area: SearchArea) -> list[PendingTimer]:
    timers = [timer for tracker in area.trackers for timer in tracker.timers if timer.loop in area.loops]
    return [PendingTimer(timer) for timer in timers if timer.is_pending()]


def _run_of(task: asyncio.Task[Any]) -> Run | None:
    """Return the run that a task drives."""
    coroutine: Any = task.get_coro()
    if getattr(coroutine, "cr_code", None) is not Run.drive.__code__:
        return None
    run: Run = coroutine.cr_frame.f_locals["self"]
    return run


def _is_in(area: SearchArea, task: asyncio.Task[Any]) -> bool:
    return any(tracker.owns(task) for tracker in area.trackers)


def _is_anyio_runner(task: asyncio.Task[Any]) -> bool:
    return getattr(task.get_coro(), "__qualname__", None) == _ANYIO_RUNNER


def _is_check_of(task: asyncio.Task[Any], run: Run) -> bool:
    """Return whether a task runs a validator of a run."""
    return isinstance(task, ValidatorTask) and context_of(task).get(current_run) is run
