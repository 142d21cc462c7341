"""Pages that an application compresses: a browser reads their text, and so do the assertions."""

from __future__ import annotations

import gzip
import zlib

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import StreamingResponse
from starlette.routing import Route

from pytest_streamval import (
    CheckFailedError,
    Delay,
    PartialValidationResult,
    Requirement,
    Script,
    SimpleContext,
    StreamingASGITransport,
    assert_never_sent,
    assert_no_unvalidated_text,
    assert_streams,
    stream_with_chunking,
)
from pytest_streamval.errors import UndecodableBodyError
from tests.app.apps import streaming
from tests.compression import CODINGS

httpx2 = pytest.importorskip("httpx2")

TEXT = 'data: {"text": "Zwölf sword"}\n\ndata: {"text": "fish"}\n\n'


def coded(coding, *pieces):
    return streaming(*pieces, headers=[(b"content-type", b"text/event-stream"), (b"content-encoding", coding.encode())])


@pytest.mark.parametrize("cut", [1, 7, 1000])
@pytest.mark.parametrize("name", CODINGS)
async def test_a_page_shows_the_text_of_a_compressed_body(app_client, virtual_clock, name, cut):
    coding, compress = CODINGS[name]
    data = compress(TEXT.encode())
    pieces = [data[at : at + cut] for at in range(0, len(data), cut)]
    async with app_client(coded(coding, *pieces)).stream("GET", "/") as page:
        assert await page.until("fish") == page.text
        await page.rest()
    assert page.content == data
    assert page.text == TEXT
    assert [event.json() for event in page.events] == [{"text": "Zwölf sword"}, {"text": "fish"}]
    with pytest.raises(CheckFailedError, match=r"'swordfish' left the application, in the JSON strings at \$\.text"):
        assert_never_sent(page, "swordfish")


async def test_json_of_a_compressed_page_is_parsed(app_client):
    page = await app_client(coded("gzip", gzip.compress(b'{"a": "\xc3\xbc"}'))).get("/")
    assert page.json() == {"a": "ü"}


@pytest.mark.parametrize("cut", [1, 1000])
async def test_a_page_that_is_not_in_its_coding_shows_its_bytes(app_client, cut):
    page = await app_client(coded("gzip", *[TEXT[at : at + cut] for at in range(0, len(TEXT), cut)])).get("/")
    assert page.text == TEXT


async def test_the_assertions_refuse_a_page_in_an_unknown_coding(app_client, streaming_mock_backend, runs):
    async with stream_with_chunking("Hi", streaming_mock_backend("One."), SimpleContext()) as run:
        await run.acomplete()
    page = await app_client(coded("compress", "One.")).get("/")
    assert page.text == "One."
    with pytest.raises(UndecodableBodyError, match="'compress' is not known"):
        assert_never_sent(page, "swordfish")
    with pytest.raises(UndecodableBodyError, match="'compress' is not known"):
        assert_no_unvalidated_text(runs[0], page)


class NoSwordfish(Requirement):
    async def stream_validate(self, chunk, *, backend, ctx):
        return PartialValidationResult("fail" if "swordfish" in chunk else "pass")


def compressing(backend, flushes, *, early=False):
    """Return an application with the sentences of a run, which it compresses."""

    async def chat(request):
        async def answer():
            stream = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
            async with stream_with_chunking(
                "Hi", backend, SimpleContext(), chunking="sentence", requirements=[NoSwordfish()]
            ) as run:
                async for sentence in run.astream():
                    yield stream.compress(sentence.encode()) + (stream.flush(zlib.Z_SYNC_FLUSH) if flushes else b"")
            yield stream.compress(b"The swordfish." if early else b"") + stream.flush()

        return StreamingResponse(answer(), headers={"content-encoding": "gzip"})

    return Starlette(routes=[Route("/", chat)])


@pytest.mark.parametrize("early", [False, True])
async def test_a_compressed_page_shows_only_validated_text(
    app_client, virtual_clock, streaming_mock_backend, runs, early
):
    backend = streaming_mock_backend("One. Two. The swordfish. More.")
    page = await app_client(compressing(backend, flushes=True, early=early)).get("/")
    if early:
        with pytest.raises(CheckFailedError, match="swordfish"):
            assert_no_unvalidated_text(runs[0], page)
    else:
        assert_no_unvalidated_text(runs[0], page)
        assert page.text == "One.Two."


async def test_a_compressed_page_streams_if_each_piece_is_flushed(app_client, virtual_clock, streaming_mock_backend):
    backend = streaming_mock_backend(*[Script.of("One. ", Delay(60), "Two. ", Delay(60), "Three.")] * 2)
    assert_streams(await app_client(compressing(backend, flushes=True)).get("/"))
    page = await app_client(compressing(backend, flushes=False)).get("/")
    with pytest.raises(CheckFailedError, match="its first text left when all 3 deltas had come from upstream"):
        assert_streams(page)


class Compresses:
    """Middleware that compresses without a flush, as several do."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        stream = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)

        async def compressed(message):
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"content-encoding", b"gzip")]}
            elif message["type"] == "http.response.body":
                data = stream.compress(message.get("body", b""))
                message = {**message, "body": data if message.get("more_body") else data + stream.flush()}
            await send(message)

        await self.app(scope, receive, compressed)


def behind(middleware, backend):
    async def chat(request):
        async def answer():
            async with stream_with_chunking("Hi", backend, SimpleContext(), chunking="sentence") as run:
                async for sentence in run.astream():
                    yield f"{sentence}\n"

        return StreamingResponse(answer(), media_type="text/plain")

    return Starlette(routes=[Route("/", chat)], middleware=[Middleware(each) for each in middleware])


async def test_middleware_whose_compression_keeps_text_back_is_named(app_client, virtual_clock, streaming_mock_backend):
    backend = streaming_mock_backend(Script.of("One. ", Delay(60), "Two. ", Delay(60), "Three."))
    page = await app_client(behind([GZipMiddleware, Compresses], backend)).get("/")
    assert page.reads[0].at == 0  # the head of the compressed data
    with pytest.raises(CheckFailedError, match=r"until its end: Compresses\b"):
        assert_streams(page)


async def test_a_client_of_httpx2_reads_the_text_of_a_compressed_body(virtual_clock, streaming_mock_backend):
    transport = StreamingASGITransport(behind([GZipMiddleware], streaming_mock_backend("One. Two.")))
    async with httpx2.AsyncClient(transport=transport, base_url="http://app") as client:
        response = await client.get("/", headers={"accept-encoding": "gzip"})
    assert (response.headers["content-encoding"], response.text) == ("gzip", "One.\nTwo.\n")
