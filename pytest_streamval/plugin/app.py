"""The fixture `app_client`: clients of ASGI applications that are closed at the end of the test, in its event loop."""

from __future__ import annotations

import asyncio
from functools import wraps
from typing import TYPE_CHECKING, Any, Protocol

from pytest_streamval.app.client import AppClient
from pytest_streamval.engine.tasks import note_cleanup
from pytest_streamval.errors import CheckFailedError
from pytest_streamval.guards.tracking import on_loop_end
from pytest_streamval.plugin.async_tests import wrapped_async_test

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    import pytest

    from pytest_streamval.app.requests import App


class AppClientFactory(Protocol):
    """The type of the fixture `app_client`, which makes any number of clients."""

    def __call__(self, app: App) -> AppClient:
        """Return a client of an ASGI application."""


def app_clients(item: pytest.Item, *, checks_leaks: bool) -> Iterator[AppClientFactory]:
    """Yield the factory of a test's clients.

    The applications are shut down directly after the function of an async test, in its event loop. The event loop of
    `asyncio.run` in a synchronous test shuts them down before it ends.

    Args:
        item: The test.
        checks_leaks: Whether a test fails if requests had to be cancelled at its end.
    """
    clients: list[AppClient] = []

    def make(app: App) -> AppClient:
        clients.append(AppClient(app))
        return clients[-1]

    async def close() -> None:
        if asyncio._get_running_loop() is None:  # trio runs the test
            return
        for client in reversed(clients):
            try:
                await client.aclose()
            except CheckFailedError:
                if checks_leaks:
                    raise

    def close_in(loop: asyncio.AbstractEventLoop) -> None:
        if asyncio._get_running_loop() is None and any(loop in client.open_loops for client in clients):
            loop.run_until_complete(close())

    on_loop_end.insert(0, close_in)  # before the guard looks for the tasks of the application
    try:
        with wrapped_async_test(item, lambda test: _closing(test, close)):
            yield make
        for loop in dict.fromkeys(loop for client in clients for loop in client.open_loops):
            close_in(loop)  # other fixtures may have sent requests
    finally:
        on_loop_end.remove(close_in)


def _closing(
    test: Callable[..., Coroutine[Any, Any, Any]], close: Callable[[], Coroutine[Any, Any, None]]
) -> Callable[..., Coroutine[Any, Any, Any]]:
    """Return an async test that awaits `close` at its end."""

    @wraps(test)
    async def closing(*args: object, **kwargs: object) -> object:
        __tracebackhide__ = True
        try:
            result = await test(*args, **kwargs)
        except BaseException as error:
            try:
                await close()
            except Exception as failure:  # noqa: BLE001  # the test's own error is raised
                note_cleanup(error, failure)
            raise
        await close()
        return result

    return closing
