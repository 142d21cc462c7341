"""Waiting for outputs: for one, which nobody else waits for, and for many at once."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from pytest_streamval.engine.tasks import settle, start_task
from pytest_streamval.engine.thunk import ModelOutputThunk
from pytest_streamval.errors import DifferentLoopsError, GenerationCancelledError, InvalidArgumentError, excerpt

if TYPE_CHECKING:
    from collections.abc import Iterable

logger = logging.getLogger("pytest_streamval")


async def resolved(thunk: ModelOutputThunk) -> ModelOutputThunk:
    """Wait for an output whose only reader this is; whatever ends the waiting ends its generation.

    Raises:
        GenerationCancelledError: a `RuntimeError`; somebody else has cancelled it.
        BaseException: what its producer failed with.
    """
    try:
        await thunk.avalue()
    except BaseException:
        await stop(thunk)
        raise
    if thunk.cancelled:
        raise GenerationCancelledError from thunk.error
    return thunk


async def stop(thunk: ModelOutputThunk) -> None:
    """Stop a generation on the way out; the error that is under way comes first, so its clean-up's is logged."""
    try:
        await thunk.cancel_generation()
    except Exception:
        logger.exception("The clean-up of %r raised, behind the error that had stopped it.", thunk)


def check_loop(thunk: ModelOutputThunk, name: str) -> None:
    """Raise `DifferentLoopsError` if an output is generated in another event loop than this one."""
    producer = thunk.producer
    if not thunk.is_computed() and producer is not None and producer.get_loop() is not asyncio.get_running_loop():
        raise DifferentLoopsError(name)


async def wait_for_all_mots(thunks: Iterable[ModelOutputThunk]) -> None:
    """Resolve outputs, all at the same time; `value` is then set on each.

    A failure waits for the others to settle. The one that came first is raised, with the others attached to it: they
    are an exception group, its `__cause__`. Cancelling the caller stops all the generations.

    Args:
        thunks: the outputs, those that are computed already too.

    Raises:
        DifferentLoopsError: a `RuntimeError`; one of them is generated in another event loop. Nothing is awaited.
        InvalidArgumentError: a `TypeError`; one of them is no output. Nothing is awaited.
        BaseException: what the generation that failed first failed with.
    """
    given: object = thunks
    if isinstance(given, ModelOutputThunk) or not hasattr(given, "__iter__"):
        raise InvalidArgumentError("thunks", excerpt(given), "They must be a list of outputs.")
    listed = list(thunks)
    for index, thunk in enumerate(listed):
        _check_output(index, thunk)
    wanted = list(dict.fromkeys(listed))  # one output is read once, however often it is listed
    failures: list[BaseException] = []

    async def watch(thunk: ModelOutputThunk) -> None:
        try:
            await thunk.avalue()
        except Exception as error:  # noqa: BLE001  # whatever it is, the others settle first
            failures.append(error)

    unread = [thunk for thunk in wanted if not thunk.is_computed() or thunk.error is not None]
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
        task.result()  # nothing but what would end the program, or a cancellation by somebody else
    if failures:
        raise _attached(failures)


def _check_output(index: int, thunk: object) -> None:
    if asyncio.iscoroutine(thunk):
        thunk.close()  # or Python warns of it beside the error
        rule = "That is the call of an async method; await it, which gives the output."
        raise InvalidArgumentError(f"thunks[{index}]", excerpt(thunk), rule)
    if not isinstance(thunk, ModelOutputThunk):
        raise InvalidArgumentError(f"thunks[{index}]", excerpt(thunk), "They must be a list of outputs.")
    check_loop(thunk, f"thunks[{index}]")


def _attached(failures: list[BaseException]) -> BaseException:
    """Return the first failure with the others attached to it, and with its own cause behind them."""
    first, *others = failures
    others = [other for other in others if other is not first]
    if others:
        group = BaseExceptionGroup(f"{len(others)} other outputs failed too", others)
        group.__cause__ = first.__cause__
        first.__cause__ = group
    return first
