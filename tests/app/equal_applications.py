"""The applications that `tests.app.equality` compares under `app_client` and under uvicorn."""

from __future__ import annotations

import asyncio

import anyio
from django.http import StreamingHttpResponse
from fastapi import Depends, FastAPI
from litestar import Litestar, get
from litestar.response import Stream
from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from tests.app.apps import django_app

BEFORE_HEAD, BETWEEN = 10, 10  # virtual seconds that the applications wait
PIECES = 4


async def pieces(own, size):
    for number in range(PIECES):
        yield bytes([97 + number]) * size
        if size == 1:  # otherwise, buffers decide how many pieces an application can send
            own.append(f"piece {number}")
        await asyncio.sleep(BETWEEN)


async def pieces_with_finally(own, size):
    try:
        async for piece in pieces(own, size):
            yield piece
    except BaseException as error:
        own.append(type(error).__name__)
        raise
    finally:
        own.append("finally")


def starlette(make_response, *middleware):
    def make(own, size):
        async def endpoint(request):
            await asyncio.sleep(BEFORE_HEAD)
            return make_response(own, size)

        return Starlette(routes=[Route("/", endpoint)], middleware=[Middleware(each) for each in middleware])

    return make


def with_background(own, size):
    async def later():
        await asyncio.sleep(BETWEEN)
        own.append("background task")

    return StreamingResponse(pieces(own, size), background=BackgroundTask(later))


def failing(own, size):
    async def answer():
        yield b"a" * size
        raise LookupError

    return StreamingResponse(answer())


def failing_at_once(own, size):
    raise LookupError


class Passes(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        return await call_next(request)


def raw(own, size):
    async def app(scope, receive, send):
        if scope["type"] != "http":
            raise NotImplementedError
        await receive()
        await asyncio.sleep(BEFORE_HEAD)
        await send({"type": "http.response.start", "status": 200})
        async for piece in pieces(own, size):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body"})

    return app


def listening(own, size):
    async def app(scope, receive, send):
        if scope["type"] != "http":
            raise NotImplementedError
        work = asyncio.create_task(raw(own, size)(scope, receive, send))
        await asyncio.sleep(0)
        while (await receive())["type"] != "http.disconnect":
            pass
        own.append("left" if not work.done() else "done")
        work.cancel()
        await asyncio.wait([work])

    return app


def careful(own, size):
    async def app(scope, receive, send):
        if scope["type"] != "http":
            raise NotImplementedError
        await asyncio.sleep(BEFORE_HEAD)
        try:
            await send({"type": "http.response.start", "status": 200})
            async for piece in pieces(own, size):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body"})
        except OSError as error:  # of servers that raise after the client has left, as ASGI 2.4 allows
            own.append(type(error).__name__)

    return app


def answering(own, size):
    async def app(scope, receive, send):
        if scope["type"] != "http":
            raise NotImplementedError
        await asyncio.sleep(BEFORE_HEAD)
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"a" * size})
        return "a result"

    return app


def failing_background(own, size):
    async def later():
        await asyncio.sleep(BETWEEN)
        raise LookupError

    return StreamingResponse(pieces(own, size), background=BackgroundTask(later))


async def slow_clean_up(own, size):
    try:
        async for piece in pieces(own, size):
            yield piece
    finally:
        with anyio.CancelScope(shield=True):
            await asyncio.sleep(BETWEEN)
        own.append("cleaned up")


def fastapi(own, size):
    app = FastAPI()

    async def connection():
        try:
            yield "database"
        finally:
            own.append("closed")

    @app.get("/")
    async def chat(database=Depends(connection)):  # noqa: B008  # as in its docs
        await asyncio.sleep(BEFORE_HEAD)
        return StreamingResponse(pieces_with_finally(own, size))

    return app


def litestar(own, size):
    async def chat():
        await asyncio.sleep(BEFORE_HEAD)
        return Stream(lambda: pieces_with_finally(own, size))

    chat.__annotations__["return"] = Stream
    return Litestar([get("/")(chat)])


def django(own, size):
    async def chat(request):
        await asyncio.sleep(BEFORE_HEAD)
        return StreamingHttpResponse(pieces_with_finally(own, size))

    return django_app(chat)


def reading(own, size):
    async def endpoint(request):
        try:
            own.append(f"{len(await request.body())} bytes")
        except ClientDisconnect as error:
            own.append(type(error).__name__)
            raise
        await asyncio.sleep(BEFORE_HEAD)
        return StreamingResponse(pieces_with_finally(own, size))

    return Starlette(routes=[Route("/", endpoint)])


def incomplete(own, size):
    async def app(scope, receive, send):
        if scope["type"] != "http":
            raise NotImplementedError
        await asyncio.sleep(BEFORE_HEAD)
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"a" * size, "more_body": True})

    return app


APPS = {
    "a generator": starlette(lambda own, size: StreamingResponse(pieces(own, size))),
    "a generator with `finally`": starlette(lambda own, size: StreamingResponse(pieces_with_finally(own, size))),
    "a background task": starlette(with_background),
    "middleware of Starlette": starlette(lambda own, size: StreamingResponse(pieces_with_finally(own, size)), Passes),
    "middleware of ASGI": starlette(
        lambda own, size: StreamingResponse(pieces_with_finally(own, size)), GZipMiddleware
    ),
    "sse-starlette": starlette(
        lambda own, size: EventSourceResponse(
            ({"data": piece.decode()} async for piece in pieces_with_finally(own, size)), ping=3600
        )
    ),
    "a clean-up that takes time": starlette(lambda own, size: StreamingResponse(slow_clean_up(own, size))),
    "an error in a background task": starlette(failing_background),
    "a response in one piece": starlette(lambda own, size: PlainTextResponse(b"a" * size)),
    "FastAPI with a dependency": fastapi,
    "Litestar": litestar,
    "Django": django,
    "an endpoint that reads its request": reading,
    "an error before the first byte": starlette(failing_at_once),
    "an error after the first byte": starlette(failing),
    "ASGI that ignores the disconnect": raw,
    "ASGI that waits for the disconnect": listening,
    "ASGI without an end": incomplete,
    "ASGI that expects errors in `send`": careful,
    "ASGI that returns a value": answering,
}
"""The applications, by name."""
