"""`check_backend`: whether a backend keeps its contract."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Coroutine, Generator
from contextlib import suppress
from contextvars import Context
from typing import TYPE_CHECKING, Any, cast

from pytest_streamval.conformance.backend_checks import CHECKS, FACTORY, TURNS, Exam, current_exam, turn
from pytest_streamval.conformance.rules import LEAVES_NOTHING, raised
from pytest_streamval.engine.tasks import start_task
from pytest_streamval.errors import ConformanceError, EventLoopRequiredError, InvalidArgumentError, excerpt

if TYPE_CHECKING:
    from pytest_streamval.conformance.backend_checks import Check, Factory

_GRACE = 1.0  # seconds for the clean-up of a check that found a fault


def check_backend(factory: Factory, *, timeout: float = 10.0) -> BackendChecks:
    """Check that a backend keeps its contract: how it answers, streams, waits for its reader, stops, leaves nothing.

    Where an event loop is running, the checks are run by awaiting what is returned: `await check_backend(factory)`.
    Elsewhere they are run at once, in an event loop of their own, and what is returned may be left alone, or given to
    `asyncio.run` as well.

    Args:
        factory: returns a fresh backend, or an awaitable of one, from each call; it is called 15 times. Each
            backend is asked once, and answers with some text of its own choosing. More than 20 deltas show more,
            since so many fit into an output unread; and backends that all say the same show whether text is lost.
        timeout: seconds that each check may take before it counts as hanging; those of the event loop's clock.

    Raises:
        ConformanceError: an `AssertionError`; it names the rule, what was done, what was expected and what came. Where
            the backend itself raised, that is the cause.
        InvalidArgumentError: a `TypeError`; the factory is none, or makes something else.
        EventLoopRequiredError: a `RuntimeError`; an event loop that is not asyncio's is running.
    """
    if not callable(factory):
        rule = "It must be a function that returns a fresh backend from each call, such as lambda: MyBackend()."
        raise InvalidArgumentError("factory", excerpt(factory), rule)
    seconds: object = timeout
    if not (isinstance(seconds, int | float) and seconds > 0):
        raise InvalidArgumentError("timeout", excerpt(timeout), "Give seconds above 0.")
    if _is_in_asyncio():
        return BackendChecks(_check(factory, timeout))
    if sys.get_asyncgen_hooks().firstiter is not None:  # which every event loop sets
        raise EventLoopRequiredError("check_backend()")
    asyncio.run(_check(factory, timeout))
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
        """Create the checks, None if they are done, however often they are awaited."""
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


async def _check(factory: Factory, timeout: float) -> None:  # noqa: ASYNC109  # it is the argument's name
    known: list[str] = []
    for check in CHECKS:
        await _run(check, Exam(factory, known), timeout)


async def _run(check: Check, exam: Exam, seconds: float) -> None:
    """Run a check in a task of its own, and see that nothing is left of it."""

    async def marked() -> None:
        current_exam.set(exam)
        await check(exam)

    task = start_task(marked(), f"streamval check {check.__name__}")
    try:
        await asyncio.wait([task], timeout=seconds)
        _raise_what_it_found(exam, task, seconds)
        exam.check_requests()
        await _check_nothing_is_left(exam)
    finally:
        await _end(task, exam, seconds)


def _raise_what_it_found(exam: Exam, task: asyncio.Task[None], seconds: float) -> None:
    if not task.done():
        raise exam.broken(exam.rule, f"its end within {seconds:g} s", "it was still waiting")
    if task.cancelled():
        raise exam.broken(exam.rule, "no exception", "CancelledError, though nobody had cancelled it")
    error = task.exception()
    if error is None:
        return
    if isinstance(error, ConformanceError) or exam.doing == FACTORY:
        raise error
    raise exam.broken(exam.rule, "no exception", raised(error)) from error


async def _check_nothing_is_left(exam: Exam) -> None:
    for _ in range(TURNS):
        if not _tasks_of(exam):
            return
        await turn(1)
    names = sorted(f"{_name_of(task)}() in {task.get_name()}" for task in _tasks_of(exam))
    exam.does(f"{exam.doing}, and {TURNS} turns of the event loop")
    raise exam.broken(LEAVES_NOTHING, "no task that is running", ", ".join(names))


def _name_of(task: asyncio.Task[Any]) -> str:
    return getattr(task.get_coro(), "__qualname__", "a coroutine")


def _tasks_of(exam: Exam) -> set[asyncio.Task[Any]]:
    """Return the running tasks that were started in an exam, by whomever."""

    def is_of_exam(task: asyncio.Task[Any]) -> bool:
        held = gc.get_referents(task)  # its context among them, for which Python 3.11 has no method
        return any(each.get(current_exam) is exam for each in held if isinstance(each, Context))

    return {task for task in asyncio.all_tasks() if is_of_exam(task)}


async def _end(task: asyncio.Task[None], exam: Exam, seconds: float) -> None:
    """End what is left of a check; where all went well there is nothing."""
    left = {task, *_tasks_of(exam)}
    for each in left:
        if not each.cancelling():
            each.cancel()
    grace = min(seconds, _GRACE)
    await _wait(left, grace)
    stubborn = _tasks_of(exam) - {task}
    for each in stubborn:  # they swallow their cancellation, and an event loop would wait for them for ever
        with suppress(Exception):
            cast("Coroutine[Any, Any, Any]", each.get_coro()).close()
        each.cancel()
    await _wait({task, *stubborn}, grace)


async def _wait(tasks: set[asyncio.Task[Any]], seconds: float) -> None:
    """Wait until tasks have ended, and take their errors, which are told or follow from what is told."""
    done, _ = await asyncio.wait(tasks, timeout=seconds)
    for task in done:
        if not task.cancelled():
            task.exception()
