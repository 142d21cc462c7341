"""`StreamingASGITransport`: applications called by `httpx2.AsyncClient`."""

from __future__ import annotations

import asyncio

import httpx2
import pytest

from pytest_streamval import StreamingASGITransport
from tests.app.apps import body, http_only, start, streaming


def client_of(app, **options):
    timeout = options.pop("timeout", 5)
    return httpx2.AsyncClient(transport=StreamingASGITransport(app, **options), base_url="http://app", timeout=timeout)


async def test_a_response_of_httpx2_streams(virtual_clock):
    async with (
        client_of(streaming("One.", 60, "Two."), timeout=None) as client,
        client.stream("GET", "/chat?a=b") as response,
    ):
        assert response.status_code == 200
        times = [(text, virtual_clock.elapsed) async for text in response.aiter_text()]
    assert times == [("One.", 0), ("Two.", 60)]


async def test_a_client_of_httpx2_leaves(virtual_clock):
    seen = []

    @http_only
    async def app(scope, receive, send):
        await receive()
        await send(start())
        await send(body("One."))
        seen.append((await receive())["type"])

    async with client_of(app) as client:
        async with client.stream("POST", "/", json={"a": 1}) as response:
            async for _ in response.aiter_bytes():
                break
        assert seen == ["http.disconnect"]


async def test_a_client_of_httpx2_keeps_cookies(virtual_clock):
    @http_only
    async def app(scope, receive, send):
        headers = dict(scope["headers"])
        await send(start([(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]))
        await send(body(headers.get(b"cookie", b""), more=False))

    async with client_of(app) as client:
        assert (await client.get("/")).text == ""
        assert (await client.get("/")).text == "a=1; b=2"


async def test_a_slow_client_of_httpx2_makes_the_application_wait(virtual_clock):
    async with client_of(streaming("a", "b", "c"), read_every=2) as client:
        assert (await client.get("/")).text == "abc"
    assert virtual_clock.elapsed == 4


@http_only
async def late(scope, receive, send):
    await asyncio.sleep(8)
    await streaming("One.")(scope, receive, send)


@pytest.mark.parametrize("app", [late, streaming("One.", 8)], ids=["before the head", "after a read"])
async def test_a_read_timeout_of_httpx2_is_in_virtual_time(virtual_clock, app):
    async with client_of(app, timeout=5) as client:
        with pytest.raises(httpx2.ReadTimeout, match="No data arrived within 5 s"):
            await client.get("/")
        assert virtual_clock.elapsed == 5


async def test_a_broken_response_is_an_error_of_httpx2(virtual_clock):
    @http_only
    async def app(scope, receive, send):
        await send(start())
        await send(body("One."))

    async with client_of(app) as client:
        with pytest.raises(httpx2.RemoteProtocolError, match="returned before the end of its response"):
            await client.get("/")


@http_only
async def guarded(scope, receive, send):
    """Ask for a digest, and answer with the body of the request that has one."""
    data, more = b"", True
    while more:
        message = await receive()
        data, more = data + message.get("body", b""), message.get("more_body", False)
    credentials = dict(scope["headers"]).get(b"authorization", b"").decode()
    if credentials.startswith(("Basic dXNlcjpwYXNz", "Digest username=")):
        await send(start())
        await send(body(f"{credentials.split()[0]}: {data.decode()}", more=False))
    else:
        challenge = b'Digest realm="chat", nonce="n", qop="auth", algorithm=SHA-256'
        await send(start([(b"www-authenticate", challenge)], 401))
        await send(body("No.", more=False))


@pytest.mark.parametrize("auth", [httpx2.BasicAuth("user", "pass"), httpx2.DigestAuth("user", "pass")])
async def test_a_client_of_httpx2_sends_its_credentials(virtual_clock, auth):
    async with client_of(guarded) as client:
        assert (await client.post("/", content=b"Hi")).status_code == 401
        response = await client.post("/", content=b"Hi", auth=auth)
    assert response.text == f"{type(auth).__name__.removesuffix('Auth')}: Hi"


async def test_each_read_of_httpx2_has_its_own_timeout(virtual_clock):
    async with client_of(streaming("a", 4, "b", 4, "c", 6, "d")) as client, client.stream("GET", "/") as response:
        texts = response.aiter_text()
        seen = [(await anext(texts), virtual_clock.elapsed) for _ in "abc"]
        with pytest.raises(httpx2.ReadTimeout, match="5 s"):
            await anext(texts)
        assert virtual_clock.elapsed == 13
    assert seen == [("a", 0), ("b", 4), ("c", 8)]
