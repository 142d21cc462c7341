"""A client that leaves in each phase of a response."""

from __future__ import annotations

import asyncio
import math

import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from pytest_streamval import (
    Delay,
    LiveBackend,
    Script,
    SimpleContext,
    Stall,
    assert_stopped,
    stream_with_chunking,
)
from pytest_streamval.errors import BrokenResponseError
from tests.app.apps import body, http_only, start, streaming


def recording(log, *, sends=3, pause=1.0):
    """Return an application that notes what it sees of its client, and is not impressed."""

    @http_only
    async def app(scope, receive, send):
        log.append((await receive())["type"])
        await send(start())
        try:
            for number in range(sends):
                await send(body(str(number)))
                log.append(number)
                await asyncio.sleep(pause)
            log.append((await receive())["type"])
            await send(body("", more=False))
        except asyncio.CancelledError:
            log.append("cancelled")
            raise

    return app


async def test_an_application_that_ignores_the_disconnect_is_not_cancelled(app_client, virtual_clock):
    log = []
    async with app_client(recording(log)).stream("GET", "/") as page:
        await page.read()
        await page.leave()
        assert await page.read() == b""
        await asyncio.sleep(10)
    assert log == ["http.request", 0, 1, 2, "http.disconnect"]
    assert page.text == "0"
    assert (page.left, page.end, page.complete) == (True, "left", False)


async def test_a_client_leaves_before_the_first_byte(app_client, virtual_clock):
    seen = []

    @http_only
    async def app(scope, receive, send):
        await receive()
        seen.append((await receive())["type"])

    async with app_client(app).stream("POST", "/") as page:
        assert page.status is None
        assert virtual_clock.elapsed == 0
        await page.leave()
        with pytest.raises(BrokenResponseError, match="the client has left"):
            await page.head()
    assert seen == ["http.disconnect"]
    assert page.end == "left"


async def test_the_head_of_a_response_can_be_waited_for(app_client, virtual_clock):
    @http_only
    async def app(scope, receive, send):
        await asyncio.sleep(5)
        await streaming("One.")(scope, receive, send)

    async with app_client(app).stream("POST", "/") as page:
        assert page.status is None
        assert await page.head() == 200
    assert virtual_clock.elapsed == 5


async def test_a_client_leaves_while_the_application_waits_in_send(app_client, virtual_clock):
    log = []
    async with app_client(recording(log, pause=0)).stream("GET", "/", read_every=math.inf) as page:
        await asyncio.sleep(1)
        assert log == ["http.request", 0]
        await page.leave()
    assert log == ["http.request", 0, 1, 2, "http.disconnect"]
    assert page.reads == []


async def test_the_end_of_the_context_is_a_client_that_leaves(app_client, virtual_clock):
    log = []
    async with app_client(recording(log)).stream("GET", "/") as page:
        await page.read()
    assert page.left


async def test_a_client_that_leaves_after_the_end_leaves_nothing(app_client, virtual_clock):
    async with app_client(streaming("One.")).stream("GET", "/") as page:
        await page.rest()
        await page.leave()
    assert (page.left, page.complete) == (False, True)


async def test_a_cancelled_client_leaves(app_client, virtual_clock):
    log = []
    client = app_client(recording(log, sends=1, pause=100))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(5), client.stream("GET", "/") as page:
            await page.rest()
    await asyncio.sleep(200)
    assert log == ["http.request", 0, "http.disconnect"]
    assert page.left


async def test_a_client_that_leaves_stops_the_provider_of_a_framework(
    app_client, virtual_clock, streaming_mock_backend
):
    backend = streaming_mock_backend(Script.of("One. ", "Two. ", Stall()))
    app = FastAPI()

    @app.post("/chat")
    async def chat():
        async def answer():
            async with stream_with_chunking("Hi", backend, SimpleContext(), chunking="sentence") as run:
                async for chunk in run.astream():
                    yield chunk

        return StreamingResponse(answer())

    async with app_client(app).stream("POST", "/chat") as page:
        await page.until("One.")
        await page.leave()
        assert backend.calls[0].cancelled
    assert virtual_clock.elapsed == 0


async def test_a_request_body_is_sent_piece_by_piece(app_client, virtual_clock):
    seen = []

    async def pieces():
        yield b"a"
        await asyncio.sleep(1)
        yield b"b"

    @http_only
    async def app(scope, receive, send):
        message = await receive()
        while message["type"] == "http.request" and message["more_body"]:
            seen.append(message["body"])
            message = await receive()
        await send(start())
        await send(body(message["body"], more=False))

    page = await app_client(app).post("/", content=pieces())
    assert (seen, page.text) == ([b"a"], "b")


async def test_a_client_leaves_in_the_middle_of_its_request(app_client, virtual_clock):
    seen = []

    async def pieces():
        yield b"half"
        await asyncio.Event().wait()

    @http_only
    async def app(scope, receive, send):
        while True:
            message = await receive()
            seen.append((message["type"], message.get("body"), message.get("more_body")))
            if message["type"] == "http.disconnect":
                return

    async with app_client(app).stream("POST", "/", content=pieces()) as page:
        await page.leave()
    assert seen == [("http.request", b"half", True), ("http.disconnect", None, None)]


async def test_a_request_body_waits_for_an_application_that_does_not_take_it(app_client, virtual_clock):
    taken = 0

    async def pieces():
        nonlocal taken
        while taken < 10:
            taken += 1
            yield b"x" * 60_000

    @http_only
    async def app(scope, receive, send):
        await asyncio.sleep(1)
        assert taken == 2
        size, more = 0, True
        while more:
            message = await receive()
            size, more = size + len(message["body"]), message["more_body"]
        await send(start())
        await send(body(str(size), more=False))

    page = await app_client(app).post("/", content=pieces())
    assert page.text == "600000"


async def test_an_error_of_a_request_body_reaches_the_test(app_client, virtual_clock):
    async def pieces():
        yield b"half"
        raise LookupError("no file")

    with pytest.raises(LookupError, match="no file"):
        await app_client(streaming("a", 1)).post("/", content=pieces())


async def test_a_browser_that_leaves_is_seen_by_the_provider(app_client, provider_server, virtual_clock):
    server = provider_server(Script.of("One. ", Delay(60), "Two. ", Stall()))
    app = FastAPI()

    @app.post("/chat")
    async def chat():
        async def answer():
            backend = LiveBackend("openai:m", base_url=server.openai_url)
            async with stream_with_chunking("Hi", backend, SimpleContext(), chunking="sentence") as run:
                async for chunk in run.astream():
                    yield chunk

        return StreamingResponse(answer())

    async with app_client(app).stream("POST", "/chat", json={"message": "Hi"}) as page:
        await page.until("One.")
        assert page.reads[0].at == 0
        await page.leave()
        assert_stopped(server)
    await server.client_left(within=1)
    assert virtual_clock.elapsed == 0


async def test_a_body_shorter_than_its_length_is_a_client_that_half_closes(app_client, virtual_clock):
    seen = []

    @http_only
    async def app(scope, receive, send):
        seen.append(dict(scope["headers"]).keys())
        seen.extend([await receive() for _ in range(2)])

    async def half():
        yield b"half"
        await asyncio.sleep(1)

    async with app_client(app).stream("POST", "/", content=half(), headers={"content-length": "8"}) as page:
        await asyncio.sleep(2)
        assert page.end == "left"
    assert b"transfer-encoding" not in seen[0]
    assert seen[1:] == [{"type": "http.request", "body": b"half", "more_body": True}, {"type": "http.disconnect"}]


async def test_a_body_in_pieces_as_long_as_announced_is_complete(app_client, virtual_clock):
    @http_only
    async def app(scope, receive, send):
        received = b""
        while (message := await receive())["more_body"]:
            received += message["body"]
        await send(start())
        await send(body(received + message["body"], more=False))

    async with app_client(app).stream("POST", "/", content=[b"ha", b"lf"], headers={"content-length": "4"}) as page:
        await page.rest()
    assert page.text == "half"
