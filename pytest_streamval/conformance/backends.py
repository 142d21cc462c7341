"""`check_backend`: the check of the contract of a backend."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Coroutine, Generator
from contextlib import suppress
from contextvars import Context
from typing import TYPE_CHECKING, Any, cast

from pytest_streamval.conformance import rules
from pytest_streamval.conformance.backend_checks import CHECKS, FACTORY, TURNS, Trial, current_trial, pass_turns
from pytest_streamval.engine.tasks import start_task
from pytest_streamval.errors import (
    ConformanceError,
    InvalidArgumentError,
    event_loop_required_error,
    excerpt,
)

if TYPE_CHECKING:
    from pytest_streamval.conformance.backend_checks import Check, Factory

_GRACE = 1.0  # seconds for the clean-up of a check that found a fault


def check_backend(factory: Factory, *, timeout: float = 10.0) -> BackendChecks:
    """Check the contract of a backend: how it responds, streams, waits for its reader, and stops without a trace.

    In a running event loop, await the result to run the checks: `await check_backend(factory)`. Otherwise they run at
    once in a new event loop, and the result may be ignored or passed to `asyncio.run`.

    Args:
        factory: Returns a new backend, or an awaitable of one, from each of its 15 calls. Each backend is called once
            and produces some text. More than 20 deltas check more, as 20 fit into an output that is not read. Backends
            that produce the same text show whether text is lost.
        timeout: The seconds of the event loop's clock after which a check of the backend has failed.

    Raises:
        ConformanceError: An `AssertionError`. If a rule is broken. It has the rule, the call, and the expected and the
            actual result. An exception of the backend is its cause.
        InvalidArgumentError: A `TypeError`. If the factory is not callable, or returns something other than a backend.
        EventLoopError: A `RuntimeError`. If an event loop other than asyncio's is running.
    """
    if not callable(factory):
        rule = "It must be a function that returns a new backend from each call, such as lambda: MyBackend()."
        raise InvalidArgumentError("factory", excerpt(factory), rule)
    seconds: object = timeout
    if not (isinstance(seconds, int | float) and seconds > 0):
        raise InvalidArgumentError("timeout", excerpt(timeout), "It must be a number of seconds above 0.")
    if _is_in_asyncio():
        return BackendChecks(_check_contract(factory, timeout))
    if sys.get_asyncgen_hooks().firstiter is not None:  # every event loop sets it
        raise event_loop_required_error("check_backend()")
    asyncio.run(_check_contract(factory, timeout))
    return BackendChecks(None)


def _is_in_asyncio() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class BackendChecks(Coroutine[Any, Any, None]):
    """The checks of a backend, to be awaited in a coroutine.

    A class of its own, because type checkers warn about a plain coroutine that is not awaited, and in a synchronous
    test the checks are done.
    """

    def __init__(self, checks: Coroutine[Any, Any, None] | None) -> None:
        """Create the checks, None if they are done, and can be awaited any number of times."""
        self._checks = checks

    def send(self, value: Any, /) -> Any:  # noqa: ANN401  # as in Coroutine
        """Run the checks to the next point at which they wait."""
        if self._checks is None:
            raise StopIteration(value)
        return self._checks.send(value)

    def throw(self, *error: Any) -> Any:  # noqa: ANN401  # as in Coroutine
        """Raise an error in the checks."""
        if self._checks is None:
            raise error[0]
        return self._checks.throw(*error)

    def close(self) -> None:
        """Stop the checks."""
        if self._checks is not None:
            self._checks.close()

    def __await__(self) -> Generator[Any, Any, None]:
        return iter(()) if self._checks is None else self._checks.__await__()  # type: ignore[return-value]  # an iterator


async def _check_contract(factory: Factory, timeout: float) -> None:  # noqa: ASYNC109  # the name of the argument
    known: list[str] = []
    for check in CHECKS:
        await _run_backend_check(check, Trial(factory, known), timeout)


async def _run_backend_check(check: Check, trial: Trial, seconds: float) -> None:
    """Run a check in a new task, and check that it leaves no task."""

    async def run_in_trial() -> None:
        current_trial.set(trial)
        await check(trial)

    task = start_task(run_in_trial(), f"streamval check {check.__name__}")
    try:
        await asyncio.wait([task], timeout=seconds)
        _raise_fault(trial, task, seconds)
        trial.check_requests()
        await _check_no_task_is_left(trial)
    finally:
        await _end_task(task, trial, seconds)


def _raise_fault(trial: Trial, task: asyncio.Task[None], seconds: float) -> None:
    if not task.done():
        raise trial.error(trial.rule, f"its end within {seconds:g} s", "it was still waiting")
    if task.cancelled():
        raise trial.error(trial.rule, "no exception", "CancelledError, although it was not cancelled")
    error = task.exception()
    if error is None:
        return
    if isinstance(error, ConformanceError) or trial.call == FACTORY:
        raise error
    raise trial.error(trial.rule, "no exception", rules.show_exception(error)) from error


async def _check_no_task_is_left(trial: Trial) -> None:
    for _ in range(TURNS):
        if not _tasks_of(trial):
            return
        await pass_turns(1)
    names = sorted(f"{_name_of(task)}() in {task.get_name()}" for task in _tasks_of(trial))
    trial.begin(f"{trial.call}, and {TURNS} turns of the event loop")
    raise trial.error(rules.LEAVES_NOTHING, "no task that is running", ", ".join(names))


def _name_of(task: asyncio.Task[Any]) -> str:
    return getattr(task.get_coro(), "__qualname__", "a coroutine")


def _tasks_of(trial: Trial) -> set[asyncio.Task[Any]]:
    """Return the running tasks that were started in a trial, directly or indirectly."""

    def is_of_trial(task: asyncio.Task[Any]) -> bool:
        held = gc.get_referents(task)  # they include its context, for which Python 3.11 has no method
        return any(each.get(current_trial) is trial for each in held if isinstance(each, Context))

    return {task for task in asyncio.all_tasks() if is_of_trial(task)}


async def _end_task(task: asyncio.Task[None], trial: Trial, seconds: float) -> None:
    """End the tasks of a check. If all is well there are none."""
    left = {task, *_tasks_of(trial)}
    for each in left:
        if not each.cancelling():
            each.cancel()
    grace = min(seconds, _GRACE)
    await _wait(left, grace)
    stubborn = _tasks_of(trial) - {task}
    for each in stubborn:  # they ignored their cancellation, and the event loop would wait for them forever
        with suppress(Exception):
            cast("Coroutine[Any, Any, Any]", each.get_coro()).close()
        each.cancel()
    await _wait({task, *stubborn}, grace)


async def _wait(tasks: set[asyncio.Task[Any]], seconds: float) -> None:
    """Wait for the end of tasks, and retrieve their errors, which are reported or follow from a reported one."""
    done, _ = await asyncio.wait(tasks, timeout=seconds)
    for task in done:
        if not task.cancelled():
            task.exception()
