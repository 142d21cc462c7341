"""A provider on loopback, as a fixture."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.live.loopback import Provider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable


@pytest.fixture
def provider() -> Callable[..., Any]:
    """Serve answers: `async with provider(answering(...)) as served:`."""

    @asynccontextmanager
    async def serve(*answers: Callable[[asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[Provider]:
        served = Provider(list(answers))
        server = await asyncio.start_server(served.connect, "127.0.0.1", 0)
        served.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server:
            try:
                yield served
            finally:
                await served.close()

    return serve
