"""Each framework under `app_client`: its stream arrives piece by piece, and it notices that its client has left."""

from __future__ import annotations

import asyncio

import pytest
from django.http import StreamingHttpResponse
from fastapi import FastAPI
from litestar import Litestar, get
from litestar.response import Stream
from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.responses import StreamingResponse
from starlette.routing import Route

from pytest_streamval import assert_never_sent
from tests.app.apps import django_app


async def texts(log):
    try:
        for text in ("One.", "Two.", "Three."):
            yield text
            await asyncio.sleep(60)
        log.append("done")
    except asyncio.CancelledError:
        log.append("cancelled")
        raise


def starlette_app(log):
    async def chat(request):
        return StreamingResponse(texts(log))

    return Starlette(routes=[Route("/", chat)])


def fastapi_app(log):
    app = FastAPI()

    @app.get("/")
    async def chat():
        return StreamingResponse(texts(log))

    return app


def sse_starlette_app(log):
    async def chat(request):
        return EventSourceResponse(({"event": "token", "data": text} async for text in texts(log)), ping=3600)

    return Starlette(routes=[Route("/", chat)])


def litestar_app(log):
    async def chat():
        return Stream(lambda: texts(log))

    chat.__annotations__["return"] = Stream
    return Litestar([get("/")(chat)])


def django_streaming_app(log):
    async def chat(request):
        return StreamingHttpResponse(texts(log))

    return django_app(chat)


FRAMEWORKS = [starlette_app, fastapi_app, sse_starlette_app, litestar_app, django_streaming_app]


@pytest.mark.parametrize("framework", FRAMEWORKS)
async def test_the_stream_of_a_framework_arrives_piece_by_piece(app_client, virtual_clock, framework):
    log = []
    page = await app_client(framework(log)).get("/")
    assert page.status == 200
    assert [read.at for read in page.reads] == [0, 60, 120]
    assert_never_sent(page, "swordfish")
    assert log == ["done"]


@pytest.mark.parametrize("framework", FRAMEWORKS)
async def test_a_framework_notices_that_its_client_has_left(app_client, virtual_clock, framework):
    log = []
    async with app_client(framework(log)).stream("GET", "/") as page:
        await page.until("Two.")
        await page.leave()
        assert log == ["cancelled"]
    assert page.reads[-1].at == 60
