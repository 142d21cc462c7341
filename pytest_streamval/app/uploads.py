"""`uploading`: the body of a request, sent while the response is read."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from pytest_streamval.engine.tasks import settle, start_task
from pytest_streamval.errors import InvalidArgumentError, excerpt

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator

    from pytest_streamval.app.asgi_requests import Body
    from pytest_streamval.app.http_exchange import Exchange


@asynccontextmanager
async def uploading(body: Body, exchange: Exchange, request: str) -> AsyncIterator[None]:
    """Send a body meanwhile.

    If its iterator raises an error, the client leaves in the middle of its request. The error is raised at the end, in
    place of an error that results from it.

    Args:
        body: The body.
        exchange: The request.
        request: The name of the request.
    """
    if body.pieces is None:
        exchange.end_body(body.data)
        yield
        return
    task = start_task(_upload(body.pieces, exchange), f"streamval app: body of {request}")
    try:
        yield
    except Exception as error:
        _raise_failure(task, error)
        raise
    finally:
        await settle([task])
    _raise_failure(task, None)


async def _upload(pieces: AsyncIterator[bytes], exchange: Exchange) -> None:
    """Send the pieces of a body."""
    try:
        async for piece in pieces:
            await exchange.feed(_checked(piece))
    except BaseException:
        exchange.disconnect()
        raise
    exchange.end_pieces()


def _checked(piece: object) -> bytes:
    if not isinstance(piece, bytes | bytearray | memoryview):
        rule = "A piece of a body must be bytes. Encode texts: text.encode()."
        raise InvalidArgumentError("content", excerpt(piece), rule)
    return bytes(piece)


def _raise_failure(task: asyncio.Task[None], consequence: Exception | None) -> None:
    """Raise the error of an upload, if it has failed."""
    if task.done() and not task.cancelled() and (error := task.exception()) is not None:
        raise error from consequence
