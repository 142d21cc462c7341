"""The fixture `app_client`: clients of ASGI applications that are closed at the end of the test, in its event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pytest_streamval.app.client import AppClient
from pytest_streamval.errors import CheckFailedError
from pytest_streamval.plugin.async_tests import APPLICATIONS, closed_at_end
from pytest_streamval.plugin.given_tests import before_each_example
from pytest_streamval.plugin.page_and_server_streams import exchanges_of

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    import pytest

    from pytest_streamval.app.asgi_requests import App
    from pytest_streamval.fuzzing.recutting import ScriptRecutter


class AppClientFactory(Protocol):
    """The type of the fixture `app_client`, which makes any number of clients."""

    def __call__(self, app: App) -> AppClient:
        """Return a client of an ASGI application."""


def app_clients(
    item: pytest.Item, recutter: ScriptRecutter | None, *, checks_leaks: bool
) -> Iterator[AppClientFactory]:
    """Yield the factory of a test's clients. Their applications are shut down at the end of the test.

    Args:
        item: The test.
        recutter: The recutter of the reads, None as the application sends.
        checks_leaks: Whether a test fails if requests had to be cancelled at its end.
    """
    clients: list[AppClient] = []
    seen = exchanges_of(item)

    def make(app: App) -> AppClient:
        client = AppClient(app)
        client.recutter = recutter
        client.pages = None if seen is None else seen.pages
        clients.append(client)
        return client

    async def close(loop: asyncio.AbstractEventLoop) -> None:
        del loop  # that of each call of aclose()
        for client in reversed(clients):
            try:
                await client.aclose()
            except CheckFailedError:
                if checks_leaks:
                    raise

    of_fixtures: list[AppClient] | None = None

    def begin_example() -> None:
        """Forget the closed clients of the example before. Those of other fixtures are used again."""
        nonlocal of_fixtures
        if of_fixtures is None:
            of_fixtures = list(clients)
        clients[:] = [client for client in clients if client in of_fixtures or any(client.open_loops)]

    with closed_at_end(item, APPLICATIONS, close):
        before_each_example(item, begin_example)
        yield make
        for loop in dict.fromkeys(loop for client in clients for loop in client.open_loops):
            if not loop.is_running():  # other fixtures may have sent requests
                loop.run_until_complete(close(loop))
