"""`app_client`: requests, the lifespan of an application, and the end of a test."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager

import pytest
from fastapi import FastAPI, Request

from pytest_streamval import AppClient, InvalidArgumentError
from pytest_streamval.errors import EventLoopError, LifespanError
from tests.app.apps import body, start, streaming


async def echo(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError
    message = await receive()
    await send(start([(b"content-type", b"application/json")]))
    names = sorted(name.decode() for name, _ in scope["headers"])
    query, text = scope["query_string"].decode(), message["body"].decode()
    await send(body(f"{scope['method']} {scope['path']} {query} {','.join(names)} {text}", more=False))


@pytest.mark.parametrize(
    ("method", "path", "options", "shown"),
    [
        ("GET", "/a%20b?c=d", {}, "GET /a b c=d accept,host,user-agent "),
        ("get", "/", {"headers": {"Accept": "x", "Y": "z"}}, "GET /  accept,host,user-agent,y "),
        ("GET", "http://example.org/x", {"headers": [("a", "1")]}, "GET /x  a,accept,host,user-agent "),
        ("POST", "/", {"json": {"a": "ä"}}, 'POST /  accept,content-length,content-type,host,user-agent {"a":"ä"}'),
        ("PUT", "/", {"content": "ä"}, "PUT /  accept,content-length,host,user-agent ä"),
        ("PUT", "/", {"content": b"b"}, "PUT /  accept,content-length,host,user-agent b"),
        ("PUT", "/", {"content": [b"a", b"b"]}, "PUT /  accept,host,transfer-encoding,user-agent ab"),
    ],
)
async def test_a_request_reaches_the_application(app_client, virtual_clock, method, path, options, shown):
    page = await app_client(echo).request(method, path, **options)
    assert page.text == shown


async def test_get_and_post_read_the_response_to_its_end(app_client, virtual_clock):
    client = app_client(streaming('{"a":', 5, " 1}"))
    assert (await client.get("/")).json() == {"a": 1}
    assert (await client.post("/", json=[])).complete


@pytest.mark.parametrize(
    ("options", "argument"),
    [({"json": 1, "content": b""}, "content"), ({"content": 5}, "content"), ({"content": {"a": 1}}, "content")],
)
async def test_a_request_has_one_body(app_client, virtual_clock, options, argument):
    with pytest.raises(InvalidArgumentError, match=f"Invalid {argument}"):
        await app_client(echo).post("/", **options)


async def test_a_path_begins_with_a_slash(app_client, virtual_clock):
    with pytest.raises(InvalidArgumentError, match="Invalid path: 'chat'"):
        await app_client(echo).get("chat")


def test_an_application_is_callable(app_client):
    with pytest.raises(InvalidArgumentError, match=r"Invalid app: 5\. It must be an ASGI application"):
        app_client(5)


def lifespan_app(log, *, at_start=None, at_end=None):
    @asynccontextmanager
    async def lifespan(app):
        log.append("start")
        if at_start:
            raise at_start
        yield {"model": "m"}
        log.append("stop")
        if at_end:
            raise at_end

    app = FastAPI(lifespan=lifespan)

    @app.get("/")
    async def model(request: Request):
        log.append("request")
        return request.state.model

    return app


async def test_a_lifespan_starts_with_the_first_request_and_ends_with_the_client(virtual_clock):
    log = []
    async with AppClient(lifespan_app(log)) as client:
        assert log == []
        first, second = await asyncio.gather(client.get("/"), client.get("/"))
        assert (first.json(), second.json()) == ("m", "m")
    assert log == ["start", "request", "request", "stop"]
    await client.get("/")
    await client.aclose()
    assert log[4:] == ["start", "request", "stop"]


async def test_a_lifespan_that_fails_to_start_is_an_error(app_client, virtual_clock):
    client = app_client(lifespan_app([], at_start=OSError("no database")))
    with pytest.raises(LifespanError, match=r"(?s)The startup of the application failed.*no database"):
        await client.get("/")


async def test_a_lifespan_that_fails_to_stop_is_an_error(virtual_clock):
    client = AppClient(lifespan_app([], at_end=OSError("no database")))
    await client.get("/")
    with pytest.raises(LifespanError, match="The shutdown of the application failed"):
        await client.aclose()


@pytest.mark.parametrize("returns", [True, False])
async def test_an_application_needs_no_lifespan(app_client, virtual_clock, caplog, returns):
    caplog.set_level(logging.DEBUG)

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            if returns:
                return
            raise KeyError("lifespan")
        await echo(scope, receive, send)

    assert (await app_client(app).get("/")).status == 200
    assert ("'lifespan'" in caplog.text) is not returns


async def test_the_task_of_a_lifespan_is_its_own(virtual_clock):
    tasks = []

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            for phase in ("startup", "shutdown"):
                await receive()
                tasks.append(asyncio.current_task())
                await send({"type": f"lifespan.{phase}.complete"})
        else:
            await echo(scope, receive, send)

    async with AppClient(app) as client:
        await client.get("/")
    assert tasks[0] is tasks[1]
    assert tasks[0] is not asyncio.current_task()


def test_a_client_needs_an_event_loop(app_client):
    with pytest.raises(EventLoopError):
        app_client(echo).get("/").send(None)


def test_a_client_works_in_several_event_loops(app_client):
    log = []
    client = app_client(lifespan_app(log))
    for _ in range(2):
        assert asyncio.run(client.get("/")).json() == "m"
    assert log == ["start", "request", "stop"] * 2
    assert client.open_loops == []


def test_a_client_works_on_a_virtual_clock_in_a_synchronous_test(app_client, virtual_clock):
    log = []
    client = app_client(lifespan_app(log))
    assert virtual_clock.run(client.get("/")).json() == "m"
    assert log == ["start", "request", "stop"]


@pytest.mark.anyio
async def test_a_client_works_in_anyio(app_client, anyio_backend_name):
    assert (await app_client(streaming("One.")).get("/")).text == "One."


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.mark.parametrize("name", ["stream", "websocket"])
async def test_a_request_that_is_awaited_says_how_it_is_used(app_client, name):
    client = app_client(streaming("One."))
    with pytest.raises(TypeError, match=rf"context manager.*`async with client\.{name}\(\.\.\.\) as "):
        await getattr(client, name)("GET", "/") if name == "stream" else await client.websocket("/")
