"""WebSockets of an application under test."""

from __future__ import annotations

import asyncio
import math

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocketDisconnect

from pytest_streamval.errors import ClosedError, InvalidArgumentError, WebSocketClosedError, WebSocketRejectedError


def serving(endpoint):
    return Starlette(routes=[WebSocketRoute("/ws", endpoint)])


async def test_a_websocket_sends_and_receives(app_client, virtual_clock):
    async def endpoint(socket):
        await socket.accept(subprotocol="chat")
        await socket.send_text(await socket.receive_text() + "!")
        await asyncio.sleep(5)
        await socket.send_bytes(await socket.receive_bytes())
        await socket.send_json(await socket.receive_json())
        await socket.close(4000, "enough")

    async with app_client(serving(endpoint)).websocket("/ws", subprotocols=["chat"], headers={"a": "b"}) as socket:
        await socket.send("Hi")
        assert await socket.receive() == "Hi!"
        await socket.send(b"\0")
        assert await socket.receive() == b"\0"
        await socket.send_json({"a": 1})
        assert await socket.receive_json() == {"a": 1}
        for _ in range(2):
            with pytest.raises(
                WebSocketClosedError, match="closed the WebSocket /ws with the code 4000 and the reason 'e"
            ):
                await socket.receive()
        with pytest.raises(WebSocketClosedError):
            await socket.send("more")
    assert socket.subprotocol == "chat"
    assert [read.at for read in socket.reads] == [0, 5, 5]
    assert socket.text.startswith("Hi!")
    assert repr(socket) == "<AppWebSocket /ws, 3 messages received>"


@pytest.mark.parametrize(("code", "seen"), [(1001, 1001), (None, 1005)])
async def test_a_client_leaves_a_websocket(app_client, virtual_clock, code, seen):
    codes = []

    async def endpoint(socket):
        await socket.accept()
        try:
            while True:
                await socket.receive_text()
        except WebSocketDisconnect as error:
            codes.append(error.code)

    async with app_client(serving(endpoint)).websocket("/ws") as socket:
        await socket.leave(code)
        assert codes == [seen]
        with pytest.raises(ClosedError, match="has left the WebSocket /ws"):
            await socket.send("Hi")
        with pytest.raises(ClosedError):
            await socket.receive()


async def test_an_application_that_sends_after_its_client_has_left_gets_an_error(app_client, virtual_clock):
    errors = []

    async def app(scope, receive, send):
        if scope["type"] != "websocket":
            raise NotImplementedError
        await send({"type": "websocket.accept"})
        await asyncio.sleep(1)
        try:
            await send({"type": "websocket.send", "text": "late"})
        except OSError as error:
            errors.append(type(error).__name__)
            raise

    async with app_client(app).websocket("/ws") as socket:
        await socket.leave()
        await asyncio.sleep(2)
    assert errors == ["ClientDisconnected"]
    assert socket.error is None


async def close(socket):
    await socket.close()


async def respond(socket):
    await socket.send_denial_response(PlainTextResponse("No.", 401))


async def fail(socket):
    raise ZeroDivisionError


async def ignore(socket):
    pass


@pytest.mark.parametrize(
    ("endpoint", "status"), [(close, 403), (respond, 401), (fail, 500), (ignore, 500)], ids=lambda each: str(each)[:20]
)
async def test_an_application_rejects_a_websocket(app_client, virtual_clock, endpoint, status):
    with pytest.raises(WebSocketRejectedError, match=f"rejected the WebSocket /ws with the status {status}") as caught:
        async with app_client(serving(endpoint)).websocket("/ws"):
            pass
    assert caught.value.status == status


async def test_an_error_of_the_application_closes_a_websocket(app_client, virtual_clock):
    async def endpoint(socket):
        await socket.accept()
        raise ZeroDivisionError

    async with app_client(serving(endpoint)).websocket("/ws") as socket:
        with pytest.raises(WebSocketClosedError, match="code 1006"):
            await socket.receive()
    assert isinstance(socket.error, ZeroDivisionError)


@pytest.mark.parametrize(
    "messages",
    [
        [{"type": "websocket.send", "text": "a"}],
        [{"type": "websocket.accept"}, {"type": "websocket.accept"}],
        [{"type": "websocket.accept"}, {"type": "websocket.close"}, {"type": "websocket.send", "text": "a"}],
    ],
)
async def test_messages_of_a_websocket_in_the_wrong_order_are_errors(app_client, virtual_clock, messages):
    errors = []

    async def app(scope, receive, send):
        if scope["type"] == "websocket":
            try:
                for message in messages:
                    await send(message)
            except RuntimeError as error:
                errors.append(str(error))

    try:
        async with app_client(app).websocket("/"):
            pass
    except WebSocketRejectedError:
        pass
    assert len(errors) == 1


async def send_numbers(socket, sent=None):
    await socket.accept()
    for number in range(4):
        await socket.send_text(str(number))
        if sent is not None:
            sent.append((number, asyncio.get_running_loop().time()))
    await socket.close(4001)


async def test_an_application_waits_for_a_slow_websocket(app_client, virtual_clock):
    sent = []

    async def endpoint(socket):
        await send_numbers(socket, sent)

    began = asyncio.get_running_loop().time()
    async with app_client(serving(endpoint)).websocket("/ws", read_every=10) as socket:
        assert [await socket.receive() for _ in range(4)] == ["0", "1", "2", "3"]
        with pytest.raises(WebSocketClosedError, match="code 4001"):
            await socket.receive()
    assert [read.at for read in socket.reads] == [0, 10, 20, 30]
    assert [(number, at - began) for number, at in sent] == [(0, 0), (1, 0), (2, 10), (3, 20)]


async def test_a_websocket_that_reads_on_demand_makes_one_read_for_each_call(app_client, virtual_clock):
    async with app_client(serving(send_numbers)).websocket("/ws", read_every=math.inf) as socket:
        await asyncio.sleep(100)
        assert socket.reads == []
        assert await socket.receive() == "0"
        await asyncio.sleep(100)
        assert [read.data for read in socket.reads] == [b"0"]
        assert [await socket.receive() for _ in range(3)] == ["1", "2", "3"]
        with pytest.raises(WebSocketClosedError, match="code 4001"):
            await socket.receive()


async def test_a_slow_websocket_is_left_while_the_application_waits_in_send(app_client, virtual_clock):
    errors = []

    async def endpoint(socket):
        try:
            await send_numbers(socket)
        except WebSocketDisconnect as error:
            errors.append(error.code)

    async with app_client(serving(endpoint)).websocket("/ws", read_every=math.inf) as socket:
        await asyncio.sleep(5)
        assert errors == []
        await socket.leave()
        assert errors == [1006]


async def test_a_slow_websocket_that_is_left_has_no_timer(app_client, virtual_clock):
    async with app_client(serving(send_numbers)).websocket("/ws", read_every=50) as socket:
        await socket.receive()
    assert virtual_clock.elapsed < 50
    assert len(socket.reads) == 1


async def test_a_client_that_leaves_a_websocket_in_its_handshake_is_seen_without_a_code(app_client, virtual_clock):
    seen = []

    async def app(scope, receive, send):
        if scope["type"] != "websocket":
            raise NotImplementedError
        await receive()
        seen.append(await receive())
        await send({"type": "websocket.accept"})

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1), app_client(app).websocket("/ws"):
            pass
    assert seen == [{"type": "websocket.disconnect", "code": 1006}]


@pytest.mark.parametrize("read_every", [-1, True, "1", math.nan])
async def test_an_invalid_pace_of_a_websocket_is_an_error(app_client, read_every):
    with pytest.raises(InvalidArgumentError, match="Invalid read_every"):
        async with app_client(serving(send_numbers)).websocket("/ws", read_every=read_every):
            pass
