"""Finding what began in a test and has not ended."""

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
    OpenOutput,
    OpenOwner,
    PendingRun,
    PendingTask,
    PendingTimer,
    Suspect,
)
from pytest_streamval.guards.reachability import held_among
from pytest_streamval.guards.tracking import begun_in, context_of
from pytest_streamval.virtual_time.task_locations import _in_numbers

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from pytest_streamval.guards.tracking import Ledger
    from pytest_streamval.scripting.mock import StreamingMockBackend

_ANYIO_HOST = "TestRunner._run_tests_and_fixtures"  # the task in which anyio's plugin runs tests and their fixtures


class Scope(NamedTuple):
    """Where to look."""

    ledgers: Collection[Ledger]
    """What began here."""
    loops: Collection[asyncio.AbstractEventLoop]
    """What lives in these event loops."""
    hosts: Collection[asyncio.Task[Any] | None]
    """Not the tasks in which the test itself ran."""


def open_things(scope: Scope, backends: Iterable[StreamingMockBackend]) -> list[Suspect]:
    """Return what has not ended in the event loops of a scope: runs, outputs, tasks, generators, timers."""
    tasks = _tasks(scope)
    generators = [*_generators(scope, tasks), *_timers(scope)]
    if not tasks:  # as it is nearly always
        return [*_outputs(scope, backends, ()), *generators]
    pairs = [(task, run) for task in tasks if (run := _run_of(task)) is not None]
    runs = [PendingRun(task, run, [each for each in tasks if _serves(each, run)]) for task, run in pairs]
    outputs = _outputs(scope, backends, runs)
    explained = {task for suspect in runs for task in (suspect.task, suspect.run.thunk.producer, *suspect.checks)}
    explained |= {suspect.producer for suspect in outputs}
    others = [PendingTask(task) for task in tasks if task not in explained]
    return [*runs, *outputs, *others, *generators]


def lost_things(ledgers: Iterable[Ledger]) -> list[Leak]:
    """Return what was forgotten while it was going: results that were dropped, tasks that nobody kept."""
    watches = [watch for ledger in ledgers for watch in ledger.runs]
    runs = [DroppedRun(watch, watch.run) for watch in watches if watch.run is not None and watch.was_dropped]
    outputs = [DroppedOutput(task) for ledger in ledgers for task in ledger.outputs]
    owners = [DroppedOwner(watch) for ledger in ledgers for watch in ledger.owners if watch.described]
    tasks = [DestroyedTask(task) for ledger in ledgers for task in ledger.destroyed]
    return [*runs, *outputs, *owners, *tasks]


def open_owners(ledgers: Iterable[Ledger]) -> list[Suspect]:
    """Return the sessions and servers of this package that are not closed."""
    owners = [(watch, watch.owner()) for ledger in ledgers for watch in ledger.owners]
    return [OpenOwner(owner, watch) for watch, owner in owners if owner is not None and owner.at_work]


def live_threads(ledgers: Iterable[Ledger]) -> list[Suspect]:
    """Return the threads that have not ended."""
    threads = dict.fromkeys(thread for ledger in ledgers for thread in ledger.threads)
    return [LiveThread(thread) for thread in threads if thread.is_alive()]


def _tasks(scope: Scope) -> list[asyncio.Task[Any]]:
    """Return the pending tasks, in the order of their names."""
    found = [task for loop in scope.loops for task in asyncio.all_tasks(loop)]
    found = [task for task in found if _is_of(task, scope) and task not in scope.hosts and not _hosts(task)]
    return sorted(found, key=lambda task: _in_numbers(task.get_name()))


def _outputs(scope: Scope, backends: Iterable[StreamingMockBackend], runs: Iterable[PendingRun]) -> list[OpenOutput]:
    """Return the outputs that nobody has read to the end, but for those that a run is reading."""
    calls = [call for backend in backends for call in backend.calls if not call.thunk.is_computed()]
    if not calls:
        return []
    read = {id(suspect.run.thunk) for suspect in runs}
    found = [(call, call.thunk.producer) for call in calls if id(call.thunk) not in read]
    return [
        OpenOutput(call, producer)
        for call, producer in found
        if producer is not None and producer.get_loop() in scope.loops and _is_of(producer, scope)
    ]


def _generators(scope: Scope, tasks: Iterable[asyncio.Task[Any]]) -> list[OpenGenerator]:
    """Return the suspended generators, but for those that a pending task is reading."""
    found: list[OpenGenerator] = []
    for begun in (begun for ledger in scope.ledgers for begun in begun_in(ledger)):
        generator = begun.generator()
        if generator is not None and begun.loop in scope.loops:
            found.append(OpenGenerator(begun, generator))
    found = [suspect for suspect in found if suspect.is_open()]
    if not found:
        return []
    read = held_among([suspect.thing for suspect in found if not suspect.at_once], tasks)
    return [suspect for suspect in found if id(suspect.thing) not in read]


def _run_of(task: asyncio.Task[Any]) -> Run | None:
    """Return the run that a task drives."""
    coroutine: Any = task.get_coro()
    if getattr(coroutine, "cr_code", None) is not Run.drive.__code__:
        return None
    run: Run = coroutine.cr_frame.f_locals["self"]
    return run


def _timers(scope: Scope) -> list[PendingTimer]:
    """Return the timers whose time has not come."""
    timers = [timer for ledger in scope.ledgers for timer in ledger.timers if timer.loop in scope.loops]
    return [PendingTimer(timer) for timer in timers if timer.is_pending()]


def _is_of(task: asyncio.Task[Any], scope: Scope) -> bool:
    return any(ledger.owns(task) for ledger in scope.ledgers)


def _hosts(task: asyncio.Task[Any]) -> bool:
    return getattr(task.get_coro(), "__qualname__", None) == _ANYIO_HOST


def _serves(task: asyncio.Task[Any], run: Run) -> bool:
    """Return whether a task is one in which a run asks a validator."""
    return isinstance(task, ValidatorTask) and context_of(task).get(current_run) is run
