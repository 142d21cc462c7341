"""The functions of async tests, wrapped for every plugin that may run them, and what happens at their end."""

from __future__ import annotations

import asyncio
import inspect
from contextlib import ExitStack, contextmanager
from functools import wraps
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import pytest

from pytest_streamval.engine.tasks import note_cleanup
from pytest_streamval.guards.tracking import on_loop_end

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    Close = Callable[[asyncio.AbstractEventLoop], Coroutine[Any, Any, None]]

APPLICATIONS = 0
"""The rank of applications, which end first, while their providers still answer."""
SERVERS = 1
"""The rank of provider servers."""


def is_async_test(item: pytest.Item) -> bool:
    """Return whether the function of a test, or the one that Hypothesis calls for each example, is a coroutine."""
    return any(inspect.iscoroutinefunction(getattr(owner, name, None)) for owner, name in _functions(item))


@contextmanager
def wrapped_async_test(item: pytest.Item, wrap: Callable[[Any], Any]) -> Iterator[None]:
    """Wrap the function of an async test, and the one that Hypothesis calls for each example.

    Args:
        item: The test. Another test than an async one stays as it is.
        wrap: Returns the wrapper of a coroutine function.
    """
    with ExitStack() as undo:
        for owner, name in _functions(item):
            function = getattr(owner, name, None)
            if inspect.iscoroutinefunction(function):
                setattr(owner, name, wrap(function))
                undo.callback(setattr, owner, name, function)
        yield


@contextmanager
def closed_at_end(item: pytest.Item, rank: int, close: Close) -> Iterator[None]:
    """Await `close` at the end of a test, in each event loop that the test has used.

    This is directly after the function of an async test. The event loop of `asyncio.run` in a synchronous test calls it
    before it ends.

    Args:
        item: The test.
        rank: The place in the order of all calls, lowest first.
        close: Closes the objects that belong to the event loop, which runs.
    """
    ends = item.stash.setdefault(_ENDS, _TestEnd())
    entry = (rank, close)
    ends.entries.append(entry)
    try:
        if len(ends.entries) > 1:
            yield
        else:
            on_loop_end.insert(0, ends.close_in)  # before the guard looks for tasks
            try:
                with wrapped_async_test(item, ends.wrap):
                    yield
            finally:
                on_loop_end.remove(ends.close_in)
    finally:
        ends.entries.remove(entry)


class _TestEnd:
    """The calls at the end of one test."""

    def __init__(self) -> None:
        self.entries: list[tuple[int, Close]] = []

    def close_in(self, loop: asyncio.AbstractEventLoop) -> None:
        if asyncio._get_running_loop() is None:
            loop.run_until_complete(self._close(loop))

    def wrap(self, test: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Coroutine[Any, Any, Any]]:
        @wraps(test)
        async def closing(*args: object, **kwargs: object) -> object:
            __tracebackhide__ = True
            try:
                result = await test(*args, **kwargs)
            except BaseException as error:
                try:
                    await self._close(asyncio._get_running_loop())
                except Exception as failure:  # noqa: BLE001  # the test's own error is raised
                    note_cleanup(error, failure)
                raise
            await self._close(asyncio._get_running_loop())
            return result

        return closing

    async def _close(self, loop: asyncio.AbstractEventLoop | None) -> None:
        if loop is None:  # trio runs the test
            return
        failures: list[Exception] = []
        for _, close in sorted(self.entries, key=itemgetter(0)):
            try:
                await close(loop)
            except Exception as failure:  # noqa: BLE001  # the others are closed, too
                failures.append(failure)
        if failures:
            for other in failures[1:]:
                note_cleanup(failures[0], other)
            raise failures[0]


_ENDS: pytest.StashKey[_TestEnd] = pytest.StashKey()


def _functions(item: pytest.Item) -> tuple[tuple[Any, str], ...]:
    """Return the owners and the names of the functions of a test."""
    return (item, "obj"), (getattr(getattr(item, "obj", None), "hypothesis", None), "inner_test")
