"""WebSockets under `app_client` and under uvicorn: the applications, the ways to leave, and the two clients."""

from __future__ import annotations

import asyncio
import math

from fastapi import Depends, FastAPI, WebSocket
from litestar import Litestar
from litestar import WebSocket as LitestarWebSocket
from litestar import websocket as litestar_websocket
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import WebSocketRoute
from websockets.asyncio.client import connect
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.uri import parse_uri

from pytest_streamval import AppClient, served
from pytest_streamval.errors import WebSocketClosedError, WebSocketRejectedError
from tests.app.equal_applications import BEFORE_HEAD, BETWEEN, PIECES, pieces, pieces_with_finally

TRANSIT = 0.001  # virtual seconds that the news of a client that has left takes, at least
LATER = 200  # virtual seconds after which the record is read
GOING_AWAY = 1001
IN_SEND = "in `send`"

# Applications


async def send_all(socket, texts):
    await socket.accept()
    async for text in texts:
        await socket.send_bytes(text)


def starlette(endpoint):
    """Return an application with a WebSocket that begins after a while."""

    def make(own, size):
        async def later(socket):
            await asyncio.sleep(BEFORE_HEAD)
            await endpoint(socket, own, size)

        return Starlette(routes=[WebSocketRoute("/", later)])

    return make


async def sending(socket, own, size):
    try:
        await send_all(socket, pieces_with_finally(own, size))
    except Exception as error:
        own.append(type(error).__name__)
        raise
    await socket.close()


async def without_a_close(socket, own, size):
    await send_all(socket, pieces(own, size))


async def receiving(socket, own, size):
    async def send():
        async for piece in pieces_with_finally(own, size):
            await socket.send_bytes(piece)
        await socket.close(4000)

    await socket.accept()
    work = asyncio.create_task(send())
    try:
        async for text in socket.iter_text():
            own.append(text)
    finally:
        own.append("done" if work.done() else "left")
        work.cancel()
        await asyncio.wait([work])


async def answering(socket, own, size):
    await socket.accept()
    try:
        async with asyncio.timeout(3 * BETWEEN):
            async for text in socket.iter_text():
                await socket.send_text(f"{text}!" * size)
                own.append("answered")
    except TimeoutError:
        await socket.close(1001, "too quiet")


async def rejecting(socket, own, size):
    await socket.close()


async def denying(socket, own, size):
    await socket.send_denial_response(PlainTextResponse("No.", 401))


async def failing(socket, own, size):
    await socket.accept()
    await socket.send_bytes(b"a" * size)
    raise LookupError


async def failing_at_once(socket, own, size):
    raise LookupError


def fastapi(own, size):
    app = FastAPI()

    async def connection():
        try:
            yield "database"
        finally:
            own.append("closed")

    async def chat(socket: WebSocket, database=Depends(connection)):  # noqa: B008  # as in its docs
        await asyncio.sleep(BEFORE_HEAD)
        await sending(socket, own, size)

    chat.__annotations__["socket"] = WebSocket
    app.websocket("/")(chat)
    return app


def litestar(own, size):
    async def chat(socket):
        await asyncio.sleep(BEFORE_HEAD)
        await sending(socket, own, size)

    chat.__annotations__.update({"socket": LitestarWebSocket, "return": None})
    return Litestar([litestar_websocket("/")(chat)])


def websocket_only(serve):
    """Return an application of ASGI that begins after a while."""

    def make(own, size):
        async def app(scope, receive, send):
            if scope["type"] != "websocket":
                raise NotImplementedError
            await asyncio.sleep(BEFORE_HEAD)
            await serve(receive, send, own, size)

        return app

    return make


async def ignoring(receive, send, own, size):
    await send({"type": "websocket.accept"})
    async for piece in pieces(own, size):
        await send({"type": "websocket.send", "bytes": piece})
    await send({"type": "websocket.close"})


async def going_on(receive, send, own, size):
    """Send everything, also after errors, and again after the close."""
    messages = [{"type": "websocket.send", "bytes": bytes(size)}] * PIECES
    for message in ({"type": "websocket.accept"}, *messages, {"type": "websocket.close"}, *messages[:1]):
        try:
            await send(message)
        except (OSError, RuntimeError) as error:
            own.append(type(error).__name__)
        await asyncio.sleep(BETWEEN)


async def listening(receive, send, own, size):
    work = asyncio.create_task(ignoring(receive, send, own, size))
    while (await receive())["type"] != "websocket.disconnect":
        pass
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)


SOCKET_APPS = {
    "Starlette": starlette(sending),
    "Starlette without a close": starlette(without_a_close),
    "Starlette that sends and receives": starlette(receiving),
    "Starlette that answers": starlette(answering),
    "Starlette that rejects": starlette(rejecting),
    "Starlette with a denial response": starlette(denying),
    "an error after a message": starlette(failing),
    "an error before the handshake": starlette(failing_at_once),
    "FastAPI with a dependency": fastapi,
    "Litestar": litestar,
    "ASGI that ignores the disconnect": websocket_only(ignoring),
    "ASGI that goes on after errors": websocket_only(going_on),
    "ASGI that waits for the disconnect": websocket_only(listening),
}
"""The applications with a WebSocket, by name."""

SOCKET_WAYS = (
    "at the end",
    "in the handshake",
    "after a message",
    "while it waits",
    "without a close frame",
    "after its own message",
    "after the last message",
    IN_SEND,
)
"""The moments in which a client leaves."""


# Clients


async def socket_in_app_client(app, way):
    async with AppClient(app) as client:
        limit = BEFORE_HEAD / 2 if way == "in the handshake" else None
        window = math.inf if way == IN_SEND else None
        try:
            async with asyncio.timeout(limit), client.websocket("/", read_every=window) as socket:
                await behave(way, socket.send, socket.receive)
                await socket.leave(None if way in {"without a close frame", IN_SEND} else GOING_AWAY)
            got = "left"
        except TimeoutError:
            got = "left"
        except WebSocketRejectedError as error:
            got = f"rejected, {error.status}"
        except WebSocketClosedError as error:
            got = f"closed, {error.code}"
        await asyncio.sleep(LATER)
    return got


async def socket_under_uvicorn(app, way):
    async with served(app) as url:
        got = await (unread if way == IN_SEND else talk)(url.replace("http", "ws"), way)
        await asyncio.sleep(LATER)
    return got


async def talk(url, way):
    """Behave as a client of the library websockets."""
    limit = BEFORE_HEAD / 2 if way == "in the handshake" else None
    try:
        async with (
            asyncio.timeout(limit),
            connect(url, ping_interval=None, open_timeout=None, close_timeout=TRANSIT) as socket,
        ):
            await behave(way, socket.send, socket.recv)
            if way == "without a close frame":
                socket.transport.abort()
            else:
                await socket.close(GOING_AWAY)
    except TimeoutError:
        return "left"
    except InvalidStatus as error:
        return f"rejected, {error.response.status_code}"
    except ConnectionClosed as error:
        return f"closed, {1006 if error.rcvd is None else error.rcvd.code}"
    return "left"


async def unread(url, way):
    """Shake hands, and read nothing more until the connection is lost, as no client of websockets does."""
    protocol = ClientProtocol(parse_uri(url))
    reader, writer = await asyncio.open_connection(protocol.uri.host, protocol.uri.port)
    protocol.send_request(protocol.connect())
    writer.write(b"".join(protocol.data_to_send()))
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head.split()[1])
    got = "left"
    if status != 101:
        got = f"rejected, {status}"
    else:
        await asyncio.sleep(BETWEEN / 2)
    writer.transport.abort()
    return got


async def behave(way, send, receive):
    """Receive and send as a client does before it leaves."""
    if way == IN_SEND:
        await asyncio.sleep(BETWEEN / 2)
        return
    if way == "after its own message":
        await send("Hi")
        await asyncio.sleep(TRANSIT)
        return
    if way == "at the end":
        while True:
            await receive()
    for _ in range(PIECES if way == "after the last message" else 1):
        await receive()
    await asyncio.sleep(TRANSIT if way.startswith("after") else BETWEEN / 2)
