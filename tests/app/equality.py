"""Applications under `app_client` and under uvicorn: `python -m tests.app.equality` writes `docs/uvicorn.md`.

Each application runs twice for each way to leave: in an `AppClient`, and in uvicorn on a socket for a client of httpx2.
A recorder around the application notes the messages that it receives, the end of its task, and the response.
"""

from __future__ import annotations

import asyncio
import logging
import math
from pathlib import Path
from typing import NamedTuple

import anyio
import httpx2
import uvicorn
from fastapi import Depends, FastAPI
from litestar import Litestar, get
from litestar.response import Stream
from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from pytest_streamval import AppClient, VirtualClock, served
from pytest_streamval.errors import BrokenResponseError

PAGE = Path(__file__).parents[2] / "docs" / "uvicorn.md"
INTRODUCTION = """\
# The same verdict as a real server

An application sees the same under [`app_client`](applications.md) and under uvicorn {uvicorn} on a socket.
`python -m tests.app.equality` runs each application in both, and writes this page. A test compares them.

A row has the messages that the application received, the end of its task, the notes of its own code, and the response
that the client got. A client leaves at the end of the response, in the middle of its request, before the head of the
response, after the first read, while the application waits for its next piece, after the last piece, or while the
application waits in `send`, because the client reads nothing.

| application | the client leaves | received | its task | its notes | response | under uvicorn |
|---|---|---|---|---|---|---|"""
BEFORE_HEAD, BETWEEN = 10, 10  # virtual seconds that the applications wait
TRANSIT = 0.001  # virtual seconds that the news of a client that has left takes, at least
LATER = 200  # virtual seconds after which the record is read
PIECES = 4
EARLY = ("in its request", "before the head")
LARGE = 4 * 2**20  # bytes of a piece that fills every buffer between an application and its client


class Seen(NamedTuple):
    """The view of an application and of its client."""

    received: tuple[str, ...]
    """The types of the messages that the application received."""
    task: str
    """How the task of the application ended."""
    own: tuple[str, ...]
    """The notes of its own code."""
    client: str
    """The response that the client got."""


class Recorder:
    """An application that notes the messages and the end of another one."""

    def __init__(self, make, size):
        self.received, self.own, self.task = [], [], "runs on"
        self._app = make(self.own, size)

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def noting_receive():
            message = await receive()
            self.received.append(message["type"])
            return message

        try:
            await self._app(scope, noting_receive, send)
            self.task = "returned"
        except asyncio.CancelledError:
            self.task = "was cancelled"
            raise
        except Exception as error:
            self.task = f"raised {type(error).__name__}"
            raise


# Applications


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
    "an error before the first byte": starlette(failing_at_once),
    "an error after the first byte": starlette(failing),
    "ASGI that ignores the disconnect": raw,
    "ASGI that waits for the disconnect": listening,
    "ASGI without an end": incomplete,
    "ASGI that expects errors in `send`": careful,
    "ASGI that returns a value": answering,
}
"""The applications, by name."""

WAYS = (
    "at the end",
    "in its request",
    "before the head",
    "after a read",
    "while it waits",
    "after the last piece",
    "in `send`",
)
"""The moments in which a client leaves."""


# Clients


async def in_app_client(app, way):
    async with AppClient(app) as client:
        window = {"read_every": math.inf} if way == "in `send`" else {}
        content = half_a_body() if way == "in its request" else None
        async with client.stream("GET", "/", content=content, **window) as page:
            try:
                await behave(way, page.head, page.read)
                got = f"{page.status}, {page.end}" if way == "at the end" else "left"
            except BrokenResponseError:
                got = f"{page.status}, broken"
        await asyncio.sleep(LATER)
    return got


async def under_uvicorn(app, way):
    async with served(app) as url, httpx2.AsyncClient(timeout=None) as client:
        got = await request(client, url, way)
        await asyncio.sleep(LATER)
    return got


async def request(client, url, way):
    if way in EARLY:
        content = half_a_body() if way == "in its request" else None
        try:
            async with asyncio.timeout(BEFORE_HEAD / 2), client.stream("GET", url, content=content):
                return "was not left"
        except TimeoutError:
            return "left"
    async with client.stream("GET", url) as response:
        reads = response.aiter_raw()

        async def read():
            return await anext(reads, b"")

        async def head():
            return response.status_code

        try:
            await behave(way, head, read)
        except httpx2.RemoteProtocolError:
            return f"{response.status_code}, broken"
        return f"{response.status_code}, complete" if way == "at the end" else "left"


async def half_a_body():
    yield b"half"
    await asyncio.Event().wait()


async def behave(way, head, read):
    """Read as far as the client does before it leaves."""
    if way in EARLY:
        await asyncio.sleep(BEFORE_HEAD / 2)
        return
    await head()
    if way == "in `send`":
        await asyncio.sleep(BETWEEN / 2)
        return
    if way == "at the end":
        while await read():
            pass
        return
    for _ in range(PIECES if way == "after the last piece" else 1):
        await read()
    await asyncio.sleep(BETWEEN / 2 if way == "while it waits" else TRANSIT)


def seen(run, make, way):
    """Return the view of an application and of its client."""
    recorder = Recorder(make, LARGE if way == "in `send`" else 1)
    logging.disable()
    try:
        with VirtualClock() as clock:
            client = clock.run(run(recorder, way))
    finally:
        logging.disable(logging.NOTSET)
    return Seen(tuple(dict.fromkeys(recorder.received)), recorder.task, tuple(recorder.own), client)


def rows():
    """Yield each application with its way to leave, and the views under `app_client` and under uvicorn."""
    for name, make in APPS.items():
        for way in WAYS:
            yield name, way, seen(in_app_client, make, way), seen(under_uvicorn, make, way)


def page(found):
    """Return the page with the table."""
    lines = [INTRODUCTION.format(uvicorn=uvicorn.__version__)]
    for name, way, ours, theirs in found:
        received = ", ".join(each.removeprefix("http.") for each in ours.received) or "nothing"
        own = ", ".join(ours.own) or "nothing"
        same = "the same" if ours == theirs else f"differs: {theirs}"
        lines.append(f"| {name} | {way} | {received} | {ours.task} | {own} | {ours.client} | {same} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    PAGE.write_text(page(rows()), encoding="utf-8")
