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
from urllib.parse import urlsplit

import httpx2
import uvicorn

from pytest_streamval import AppClient, VirtualClock, served
from pytest_streamval.errors import BrokenResponseError
from tests.app.equal_applications import APPS, BEFORE_HEAD, BETWEEN, PIECES
from tests.app.equal_sockets import SOCKET_APPS, SOCKET_WAYS, socket_in_app_client, socket_under_uvicorn

PAGE = Path(__file__).parents[2] / "docs" / "uvicorn.md"
INTRODUCTION = """\
# The same verdict as a real server

An application sees the same under [`app_client`](applications.md) and under uvicorn {uvicorn} on a socket.
`python -m tests.app.equality` runs each application in both, and writes this page. A test compares them.

A row has the messages that the application received, the end of its task, the notes of its own code, and the response
that the client got. Django receives in a task of its own: whether that has begun at the end of the response depends on
the version of Python.

## Responses

A client leaves at the end of the response, in the middle of its request, before the head of the response, after the
first read, while the application waits for its next piece, after the last piece, or while the application waits in
`send`, because the client reads nothing. It half-closes the connection in the middle of its request, or it still
uploads its request when it leaves after the first read.

"""
SOCKETS = """
## WebSockets

A client leaves after the application has closed the WebSocket, in the handshake, after a message, while the application
waits for its next one, after the last one, after a message of its own, or while the application waits in `send`. A
connection can also be lost without a close frame. The numbers are the codes of the close frames.

"""
HEADINGS = """\
| application | the client leaves | received | its task | its notes | {got} | under uvicorn |
|---|---|---|---|---|---|---|
"""
TRANSIT = 0.001  # virtual seconds that the news of a client that has left takes, at least
LATER = 200  # virtual seconds after which the record is read
HALF_CLOSED, UPLOADS = "half-closed in its request", "while it uploads"
EARLY = ("in its request", "before the head", HALF_CLOSED, UPLOADS)
HEAD = {HALF_CLOSED: BEFORE_HEAD, UPLOADS: BEFORE_HEAD + BETWEEN / 2}  # seconds after which a client leaves early
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
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return

        async def noting_receive():
            message = await receive()
            name = message["type"].rpartition(".")[2]
            self.received.append(f"{name} {message['code']}" if "code" in message else name)
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


WAYS = (
    "at the end",
    "in its request",
    HALF_CLOSED,
    "before the head",
    "after a read",
    "while it waits",
    UPLOADS,
    "after the last piece",
    "in `send`",
)
"""The moments in which a client leaves."""


# Clients


async def in_app_client(app, way):
    async with AppClient(app) as client:
        window = {"read_every": math.inf} if way == "in `send`" else {}
        headers = {"content-length": "8"} if way == HALF_CLOSED else None
        async with client.stream("GET", "/", content=body_of(way), headers=headers, **window) as page:
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
    if way in HEAD:
        return await upload(url, way)
    if way in EARLY:
        try:
            async with asyncio.timeout(BEFORE_HEAD / 2), client.stream("GET", url, content=body_of(way)):
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


async def upload(url, way):
    """Send a part of a request on a connection that stays open, or is half-closed, as no client of httpx2 does."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(b"GET / HTTP/1.1\r\nhost: testserver\r\ncontent-length: 8\r\n\r\nhalf")
    if way == HALF_CLOSED:
        await asyncio.sleep(BEFORE_HEAD / 2)
        writer.write_eof()
        await reader.read()
    else:
        await asyncio.sleep(HEAD[way])
    writer.transport.abort()
    return "left"


def body_of(way):
    """Return the request's body of a way that needs one."""

    async def half_a_body():
        yield b"half"
        if way == HALF_CLOSED:
            await asyncio.sleep(BEFORE_HEAD / 2)
        else:
            await asyncio.Event().wait()

    return half_a_body() if way in {"in its request", *HEAD} else None


async def behave(way, head, read):
    """Read as far as the client does before it leaves."""
    if way in EARLY:
        await asyncio.sleep(HEAD.get(way, BEFORE_HEAD / 2))
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


def socket_rows():
    """Yield the rows of the WebSockets, as `rows` does."""
    for name, make in SOCKET_APPS.items():
        for way in SOCKET_WAYS:
            yield name, way, seen(socket_in_app_client, make, way), seen(socket_under_uvicorn, make, way)


def row(name, way, ours, theirs):
    """Return a row of the table."""
    received = ", ".join(ours.received) or "nothing"
    own = ", ".join(ours.own) or "nothing"
    same = "the same" if ours == theirs else f"differs: {theirs}"
    return f"| {name} | {way} | {received} | {ours.task} | {own} | {ours.client} | {same} |\n"


def page(found, found_sockets):
    """Return the page with the tables."""
    tables = [
        HEADINGS.format(got=got) + "".join(row(*each) for each in table)
        for got, table in (("response", found), ("its client got", found_sockets))
    ]
    return SOCKETS.join(tables)


if __name__ == "__main__":
    PAGE.write_text(INTRODUCTION.format(uvicorn=uvicorn.__version__) + page(rows(), socket_rows()), encoding="utf-8")
