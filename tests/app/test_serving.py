"""`served`: applications on loopback."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager

import httpx2
import pytest
from fastapi import FastAPI

from pytest_streamval import InvalidArgumentError, served
from pytest_streamval.errors import LifespanError
from tests.app.apps import body, http_only, start, streaming


def with_lifespan(log, error=None):
    @asynccontextmanager
    async def lifespan(app):
        log.append("start")
        if error:
            raise error
        yield
        log.append("stop")

    app = FastAPI(lifespan=lifespan)

    @app.get("/")
    async def number():
        return os.getpid()

    return app


async def test_an_application_is_served_in_virtual_time(virtual_clock):
    async with (
        served(streaming("One.", 3600, "Two.")) as url,
        httpx2.AsyncClient(timeout=None) as client,
        client.stream("GET", url) as response,
    ):
        began = virtual_clock.elapsed
        times = [(text, virtual_clock.elapsed - began) async for text in response.aiter_text()]
    assert times == [("One.", 0), ("Two.", 3600)]


async def test_a_served_application_has_its_lifespan():
    log = []
    async with served(with_lifespan(log)) as url, httpx2.AsyncClient() as client:
        assert (await client.get(url)).json() == os.getpid()
        assert log == ["start"]
    assert log == ["start", "stop"]


@pytest.mark.parametrize("process", [False, True])
async def test_an_application_that_fails_to_start_is_not_served(process):
    with pytest.raises(LifespanError, match="The startup of the application failed"):
        async with served(with_lifespan([], OSError("no database")), process=process):
            pass


async def test_an_application_is_served_in_a_process_of_its_own():
    async with served(with_lifespan([]), process=True) as url, httpx2.AsyncClient() as client:
        assert (await client.get(url)).json() != os.getpid()


async def test_a_process_of_an_application_has_real_time(virtual_clock):
    @http_only
    async def app(scope, receive, send):
        began = asyncio.get_running_loop().time()
        await asyncio.sleep(0.05)
        await send(start())
        await send(body(str(asyncio.get_running_loop().time() - began >= 0.05), more=False))

    async with served(app, process=True) as url, httpx2.AsyncClient() as client:
        assert (await client.get(url)).text == "True"


async def test_a_served_application_sees_a_client_that_leaves(virtual_clock):
    seen = []
    left = asyncio.Event()

    @http_only
    async def app(scope, receive, send):
        await receive()
        await send(start())
        await send(body("One."))
        seen.append((await receive())["type"])
        left.set()

    async with served(app) as url, httpx2.AsyncClient() as client:
        async with client.stream("GET", url) as response:
            async for _ in response.aiter_bytes():
                break
        await left.wait()
    assert seen == ["http.disconnect"]


async def test_only_a_callable_is_served():
    with pytest.raises(InvalidArgumentError, match="Invalid app: 'app:app'"):
        async with served("app:app"):
            pass
