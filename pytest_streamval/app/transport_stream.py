"""The body of a response for httpx2, whose classes this module needs."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx2

from pytest_streamval.errors import BrokenResponseError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from pytest_streamval.app.page import Page


class PageStream(httpx2.AsyncByteStream):
    """The body of a response, read by read. Closing it early is a client that leaves."""

    def __init__(self, page: Page, context: AbstractAsyncContextManager[Page], request: httpx2.Request) -> None:
        self._page = page
        self._context = context
        self._request = request
        self._is_closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while data := await self._read():
            yield data

    async def _read(self) -> bytes:
        async with httpx2_errors(self._request):
            return await self._page.read()

    async def aclose(self) -> None:
        """Close the connection."""
        if not self._is_closed:
            self._is_closed = True
            await self._context.__aexit__(None, None, None)


@asynccontextmanager
async def httpx2_errors(request: httpx2.Request) -> AsyncIterator[None]:
    """Raise the errors of httpx2 in place of a broken response, and after the read timeout of a request."""
    limit = request.extensions.get("timeout", {}).get("read")
    try:
        async with asyncio.timeout(limit):
            yield
    except BrokenResponseError as error:
        raise httpx2.RemoteProtocolError(str(error), request=request) from error
    except TimeoutError as error:
        raise httpx2.ReadTimeout(f"No data arrived within {limit:g} s.", request=request) from error
