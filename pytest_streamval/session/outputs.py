"""Waiting for outputs: for one output of a single reader, and for many at the same time."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from pytest_streamval.engine.tasks import settle, start_task
from pytest_streamval.engine.thunk import ModelOutputThunk
from pytest_streamval.errors import (
    GenerationCancelledError,
    InvalidArgumentError,
    different_loops_error,
    excerpt,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

logger = logging.getLogger("pytest_streamval")


async def resolve(thunk: ModelOutputThunk) -> ModelOutputThunk:
    """Wait for an output as its only reader. An error or a cancellation of the wait stops the generation."""
    try:
        await thunk.avalue()
    except BaseException:
        await stop_output(thunk)
        raise
    if thunk.cancelled:
        raise GenerationCancelledError from thunk.error
    return thunk


async def stop_output(thunk: ModelOutputThunk) -> None:
    """Stop a generation after an error. A failed clean-up is logged, so that the first error is raised."""
    try:
        await thunk.cancel_generation()
    except Exception:
        logger.exception("The clean-up of %r failed after the error that stopped it.", thunk)


def check_loop(thunk: ModelOutputThunk, name: str) -> None:
    """Raise a `EventLoopError` if an output is generated in another event loop."""
    producer = thunk.producer
    if not thunk.is_computed() and producer is not None and producer.get_loop() is not asyncio.get_running_loop():
        raise different_loops_error(name)


async def wait_for_all_mots(thunks: Iterable[ModelOutputThunk]) -> None:
    """Wait for outputs at the same time, so that each has its `value`.

    After a failure, the other outputs are still awaited. The first failure is then raised, and the others are attached
    to it: its `__cause__` is an exception group. A cancellation of the caller stops all generations.

    Args:
        thunks: The outputs. They may be computed already.

    Raises:
        EventLoopError: If an output is generated in another event loop (a `RuntimeError`). Nothing is awaited.
        InvalidArgumentError: If an element is not an output (a `TypeError`). Nothing is awaited.
        BaseException: If a generation failed.
    """
    given: object = thunks
    if isinstance(given, ModelOutputThunk) or not hasattr(given, "__iter__"):
        raise InvalidArgumentError("thunks", excerpt(given), "They must be a list of outputs.")
    listed = list(thunks)
    for index, thunk in enumerate(listed):
        _check_output(index, thunk)
    unread = [thunk for thunk in dict.fromkeys(listed) if not thunk.is_computed() or thunk.error is not None]
    failures: list[BaseException] = []

    async def watch(thunk: ModelOutputThunk) -> None:
        try:
            await thunk.avalue()
        except Exception as error:  # noqa: BLE001  # the caller raises it after the others have settled
            failures.append(error)

    tasks = [start_task(watch(thunk), f"streamval wait {index}") for index, thunk in enumerate(unread)]
    try:
        if tasks:
            await asyncio.wait(tasks)
    except asyncio.CancelledError:
        for thunk in unread:
            thunk.abandon()
        await settle([*tasks, *(thunk.producer for thunk in unread if thunk.producer is not None)])
        raise
    for task in tasks:
        task.result()  # raises an exit of the program, or a cancellation by other code
    if failures:
        raise _first_with_others(failures)


def _check_output(index: int, thunk: object) -> None:
    if asyncio.iscoroutine(thunk):
        thunk.close()  # prevents Python's warning about it beside the error
        rule = "It is the call of an async method. Await it, which returns the output."
        raise InvalidArgumentError(f"thunks[{index}]", excerpt(thunk), rule)
    if not isinstance(thunk, ModelOutputThunk):
        raise InvalidArgumentError(f"thunks[{index}]", excerpt(thunk), "It must be an output.")
    check_loop(thunk, f"thunks[{index}]")


def _first_with_others(failures: list[BaseException]) -> BaseException:
    """Return the first failure. Its cause becomes the group of the others, whose cause is the original one."""
    first, *others = failures
    others = [other for other in others if other is not first]
    if others:
        group = BaseExceptionGroup(f"{len(others)} other outputs failed too", others)
        group.__cause__ = first.__cause__
        first.__cause__ = group
    return first
