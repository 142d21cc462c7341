"""Responses and requests at the edges of HTTP: as under uvicorn, and errors that name the fault."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from pytest_streamval import AppClient, InvalidArgumentError, StreamingASGITransport, served
from pytest_streamval.errors import BrokenResponseError, NotJsonError
from tests.app.apps import body, events, http_only, start, streaming

httpx2 = pytest.importorskip("httpx2")


def sending(*messages, failures, goes_on=False):
    """Return an application that sends messages, and notes those that are an error. It may go on after an error."""

    @http_only
    async def app(scope, receive, send):
        for message in messages:
            try:
                await send(message)
            except Exception as error:
                failures.append(error)
                if not goes_on:
                    raise

    return app


def length(number):
    return [(b"content-length", number)]


def coding(name=b"chunked"):
    return [(b"transfer-encoding", name)]


def empty(value):
    """Return the last message of a body, whose data may be no bytes."""
    return {"type": "http.response.body", "body": value}


HEADS = [
    start([(b"a", b"b\r\nc: d")]),
    start([(b"a b", b"c")]),
    start([(b"", b"c")]),
    start([(b"a", b" b")]),
    start(length(b"1,2")),
    start([*length(b"1"), *length(b"2")]),
    start(length(b"+1")),
    start(length(b"")),
    start(length(b" 1")),
    start(length(b"0" * 21)),
    start([*coding(), *length(b"a")]),
    start([*coding(), *length(b"1"), *length(b"2")]),
    start(length(b"a"), 204),
    start(coding(b"identity")),
    start(coding(b"gzip, chunked")),
    start([*coding(), *coding()]),
    start(coding(b"gzip"), 304),
    start(status="200"),
    start(status=99),
    start(status=101),
    start([(b"link", b"</a>; rel=preload")], 103),
    start(status=600),
    start(status=True),
    {"type": "http.response.start"},
]
TRAILERS = {"type": "http.response.trailers", "headers": [(b"a", b"b")]}
RESPONSES = {
    "an empty 204": ("GET", start(status=204), body("", more=False)),
    "a 204 with a body": ("GET", start(status=204), body("x", more=False)),
    "a 304 with a body": ("GET", start(status=304), body("x", more=False)),
    "HEAD": ("HEAD", start(length(b"1")), body("x", more=False)),
    "HEAD without a length": ("HEAD", start(), body("x"), body("y", more=False)),
    "HEAD with a longer body than announced": ("HEAD", start(length(b"1")), body("xyz", more=False)),
    "HEAD with chunks": ("HEAD", start(coding()), body("x"), body("y", more=False)),
    "HEAD without an end": ("HEAD", start(), body("x")),
    "HEAD with a length and without an end": ("HEAD", start(length(b"2")), body("xy")),
    "HEAD without a body": ("HEAD", start()),
    "HEAD with a body of text": ("HEAD", start(), empty("x")),
    "HEAD with a 204 that has a body": ("HEAD", start(status=204), body("x", more=False)),
    "HEAD with a 304 that has a body": ("HEAD", start(length(b"5"), 304), body("x", more=False)),
    "a 304 with the length of its resource": ("GET", start(length(b"5"), 304), body("", more=False)),
    "a 304 without an end": ("GET", start(status=304), body("")),
    "a 204 with chunks": ("GET", start(coding(), 204), body("x", more=False)),
    "a 205 with a body": ("GET", start(status=205), body("x", more=False)),
    "the length 0": ("GET", start(length(b"0")), body("", more=False)),
    "the length 0 without an end": ("GET", start(length(b"0")), body("")),
    "the length 0 with a body": ("GET", start(length(b"0")), body("x", more=False)),
    "chunks with the length 0": ("GET", start([*coding(), *length(b"0")]), body("x"), body("y", more=False)),
    "the length 0 with chunks": ("GET", start([*length(b"0"), *coding(b"Chunked")]), body("x"), body("", more=False)),
    "chunks with the length 0 and without a body": ("GET", start([*coding(), *length(b"0")]), body("", more=False)),
    "chunks shorter than the length": ("GET", start([*coding(), *length(b"5")]), body("x", more=False)),
    "one length twice": ("GET", start([*length(b"1"), *length(b"01, 01")]), body("x", more=False)),
    "one length in a list": ("GET", start(length(b"1, 1")), body("x", more=False)),
    "the announced length": ("GET", start(length(b"2")), body("x"), body("y", more=False)),
    "a body that is too short": ("GET", start(length(b"5")), body("x", more=False)),
    "a body that is too long": ("GET", start(length(b"1")), body("xyz", more=False)),
    "a piece that is too long": ("GET", start(length(b"1")), body("x"), body("yz", more=False)),
    "chunks": ("GET", start(coding()), body("x"), body("y", more=False)),
    "a redirect": ("GET", start([(b"location", b"/x")], 307), body("", more=False)),
    "early hints": ("GET", {"type": "http.response.early_hint", "links": [b"</a>"]}, start(), body("", more=False)),
    "early hints after the head": ("GET", start(), {"type": "http.response.early_hint"}, body("", more=False)),
    "a path": ("GET", start(), {"type": "http.response.pathsend", "path": __file__}),
    "a path without a head": ("GET", {"type": "http.response.pathsend", "path": __file__}),
    "a path after a body": ("GET", start(), body("x"), {"type": "http.response.pathsend", "path": __file__}),
    "a file": ("GET", start(), {"type": "http.response.zerocopysend", "file": 3}),
    "trailers": ("GET", start(), body("x", more=False), {"type": "http.response.trailers", "headers": []}),
    "announced trailers": ("GET", {**start(), "trailers": True}, body("x", more=False), TRAILERS),
    "announced trailers that never come": ("GET", {**start(), "trailers": True}, body("x", more=False)),
    "trailers before the end of the body": ("GET", {**start(), "trailers": True}, body("x"), TRAILERS),
    "two heads": ("GET", start(), start(), body("", more=False)),
    "no head": ("GET", body("x", more=False)),
    "a body of text": ("GET", start(), {"type": "http.response.body", "body": "x"}),
    "a body of numbers": ("GET", start(), empty([1])),
    "an empty body of text": ("GET", start(), empty("")),
    "a body of None": ("GET", start(), empty(None)),
    "a body of None and a length": ("GET", start(length(b"0")), empty(None)),
    "a body of a bytearray": ("GET", start(length(b"2")), empty(bytearray(b"xy"))),
    "a message after the end": ("GET", start(), body("x", more=False), body("y", more=False)),
    "a head of text": ("GET", start([("a", "b")]), body("x", more=False)),
    **{f"an invalid head, {number}": ("GET", head, body("x", more=False)) for number, head in enumerate(HEADS)},
}


async def of_client(app, method):
    """Return the status and the body that `AppClient` gets, and whether the response is complete."""
    async with AppClient(app) as client, client.stream(method, "/") as page:
        with contextlib.suppress(BrokenResponseError):
            await page.rest()
        return page.status, page.content, page.end == "complete"


async def of_uvicorn(app, method):
    """Return the same of uvicorn on a socket."""
    status, data = None, b""
    async with served(app) as url, httpx2.AsyncClient() as client:
        try:
            async with client.stream(method, url) as response:
                status = response.status_code
                async for piece in response.aiter_raw():
                    data += piece
        except httpx2.RemoteProtocolError:
            return status, data, False
    return status, data, True


async def both(method, *messages, goes_on=False):
    """Return the response and the number of failures that `AppClient` gets, and the same of uvicorn."""
    found = []
    for get in (of_client, of_uvicorn):
        failures = []
        found.append([await get(sending(*messages, failures=failures, goes_on=goes_on), method), len(failures)])
    return found


@pytest.mark.parametrize("name", RESPONSES)
async def test_a_response_at_the_edge_of_http_ends_as_under_uvicorn(name, caplog):
    caplog.set_level(logging.CRITICAL + 1)
    of_client, of_uvicorn = await both(*RESPONSES[name])
    assert of_client == of_uvicorn


@pytest.mark.parametrize(
    "messages",
    [
        [start([(b"a b", b"c")]), start(), body("x", more=False)],
        [start([(b"a b", b"c")]), body("x", more=False)],
        [start(status=103), start(), body("x", more=False)],
        [start(length(b"1")), body("xyz"), body("x", more=False)],
        [start(length(b"2")), {**empty("x"), "more_body": True}, body("yz", more=False)],
        [start(), body("a"), empty("x"), body("y", more=False)],
        [start(), start(), body("x", more=False)],
        [body("x"), start(), body("x", more=False)],
    ],
)
async def test_a_response_that_goes_on_after_an_error_ends_as_under_uvicorn(messages, caplog):
    caplog.set_level(logging.CRITICAL + 1)
    of_client, of_uvicorn = await both("GET", *messages, goes_on=True)
    assert of_client == of_uvicorn


async def test_a_response_that_was_too_short_takes_no_further_piece(app_client, caplog):
    failures = []
    messages = [start(length(b"3")), body("x", more=False), body("yz", more=False)]
    with pytest.raises(BrokenResponseError):
        await app_client(sending(*messages, failures=failures, goes_on=True)).get("/")
    assert {str(each) for each in failures} == {"The response ended 2 bytes before the content-length of its headers."}


async def test_a_head_with_an_unsent_coding_is_an_error_that_names_it(app_client, caplog):
    failures = []
    app = sending(start(coding(b"gzip, chunked")), failures=failures)
    with pytest.raises(BrokenResponseError, match="transfer-encoding"):
        await app_client(app).get("/")
    assert str(failures[0]).startswith("Invalid transfer-encoding of a response: b'gzip, chunked'. A server only sends")


async def test_a_wrong_length_of_a_response_is_an_error_that_names_the_rule(app_client, caplog):
    failures = []
    app = sending(start(length(b"5")), body("x", more=False), failures=failures)
    with pytest.raises(BrokenResponseError, match="4 bytes before the content-length"):
        await app_client(app).get("/")
    assert str(failures[0]) == "The response ended 4 bytes before the content-length of its headers."


@http_only
async def echo(scope, receive, send):
    """Answer with the request."""
    data, more = b"", True
    while more:
        message = await receive()
        data, more = data + message.get("body", b""), message.get("more_body", False)
    names = {b"host", b"user-agent", b"accept", b"accept-encoding", b"connection"}
    headers = sorted([name.decode(), value.decode("latin-1")] for name, value in scope["headers"] if name not in names)
    shown = {key: scope[key] for key in ("method", "path", "root_path", "scheme", "http_version")}
    raw = [scope["raw_path"].decode(), scope["query_string"].decode()]
    await send(start([(b"content-type", b"application/json")]))
    await send(body(json.dumps([shown, raw, headers, data.decode("latin-1")]), more=False))


async def pieces():
    yield b"a"
    await asyncio.sleep(0)
    yield b""
    yield b"b"


@pytest.mark.parametrize(
    ("method", "path", "options"),
    [
        ("GET", "/a%2Fb/%C3%A4/?q=1&q=2&z=%20+ä", {}),
        ("GET", "/ä b", {}),
        ("GET", "/x#fragment", {}),
        ("GET", "/x;p=1?a=b;c&d", {}),
        ("GET", "//double//", {}),
        ("GET", "/?", {}),
        ("GET", "/", {"headers": [("X-A", "1"), ("x-a", "2")]}),
        ("POST", "/", {"json": {"a": "ä😀"}}),
        ("POST", "/", {"json": {}, "headers": {"CONTENT-TYPE": "application/x"}}),
        ("POST", "/", {}),
        ("PUT", "/", {"content": b""}),
        ("PATCH", "/", {"content": "ä", "headers": {"content-type": "text/plain"}}),
        ("DELETE", "/", {}),
        ("POST", "/", {"content": pieces}),
    ],
)
async def test_a_request_is_the_one_of_a_client_over_a_socket(method, path, options):
    def given():
        return {name: value() if callable(value) else value for name, value in options.items()}

    async with served(echo) as url, httpx2.AsyncClient() as real, AppClient(echo) as client:
        page = await client.request(method, path, **given())
        assert page.json() == (await real.request(method, url + path, **given())).json()


@pytest.mark.parametrize(
    ("method", "path", "options", "names"),
    [
        (None, "/", {}, "Invalid method: None"),
        ("GET /", "/", {}, "Invalid method"),
        ("GET", b"/", {}, "Invalid path: b'/'"),
        ("GET", "chat", {}, "Invalid path: 'chat'"),
        ("GET", "/a\r\nb", {}, "Write them as %0A"),
        ("GET", "http://[bad/", {}, "Invalid path"),
        ("GET", "/", {"headers": {"Authorization": "swordfish\r\nX: y"}}, "Invalid headers: 'Authorization'"),
        ("GET", "/", {"headers": {"Authorization": b"swordfish"}}, "Invalid headers: 'Authorization'"),
        ("GET", "/", {"headers": {"X": "swordfish €"}}, "outside of Latin-1"),
        ("GET", "/", {"headers": {"a b": "c"}}, "Invalid headers: 'a b'"),
        ("GET", "/", {"headers": ["swordfis"]}, "a name and a value"),
        ("POST", "/", {"json": {"a": {1}}}, "Invalid json: {'a': {1}}. It must be a value that JSON has"),
        ("POST", "/", {"json": "\ud800"}, "surrogates"),
        ("POST", "/", {"json": float("nan")}, "Invalid json: nan"),
        ("POST", "/", {"content": ["a"]}, "A piece of a body must be bytes"),
        ("POST", "/", {"content": 5}, "an iterator of bytes"),
    ],
)
async def test_an_invalid_request_is_an_error_that_names_the_argument(app_client, method, path, options, names):
    with pytest.raises(InvalidArgumentError, match=r"(?s).*") as caught:
        await app_client(echo).request(method, path, **options)
    assert names in str(caught.value)
    assert "swordfish" not in str(caught.value)


async def test_a_body_whose_iterator_fails_is_a_client_that_leaves(app_client, virtual_clock):
    seen = []

    @http_only
    async def app(scope, receive, send):
        while True:
            seen.append((await receive())["type"])
            if seen[-1] == "http.disconnect":
                return

    async def failing():
        yield b"a"
        await asyncio.sleep(1)
        raise LookupError("no more")

    client = app_client(app)
    with pytest.raises(LookupError, match="no more"):
        await client.post("/", content=failing())
    with pytest.raises(LookupError, match="no more") as caught:
        async with client.stream("POST", "/", content=failing()) as page:
            await page.until("never")
    assert "was left by its client" in str(caught.value.__cause__)
    assert set(seen) == {"http.request", "http.disconnect"}


async def test_json_of_a_page_of_events_is_an_error_that_names_its_events(app_client):
    page = await app_client(events('{"a": 1}', "[DONE]")).get("/")
    with pytest.raises(NotJsonError, match=r"'text/event-stream'.* It has 2 server-sent events: use page\.events"):
        page.json()
    assert page.events[0].json() == {"a": 1}


async def test_json_of_an_empty_page_is_an_error(app_client):
    page = await app_client(streaming()).get("/")
    with pytest.raises(NotJsonError, match=r"'text/plain'.*Use page\.text"):
        page.json()


async def test_an_upload_of_parts_reaches_an_application_below_a_path(app_client):
    async def upload(request):
        return PlainTextResponse(f"{request.scope['root_path']} {(await request.body()).decode()}")

    parts = '--b\r\nContent-Disposition: form-data; name="note"\r\n\r\nä\r\n--b--\r\n'.encode()
    client = app_client(Starlette(routes=[Mount("/sub", routes=[Route("/up", upload, methods=["POST"])])]))
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    page = await client.post("/sub/up", content=(parts[at : at + 7] for at in range(0, len(parts), 7)), headers=headers)
    assert page.text == f"/sub {parts.decode()}"


async def test_cookies_and_redirects_are_those_of_httpx2(virtual_clock):
    async def login(request):
        response = PlainTextResponse("", 303, headers={"location": "/me"})
        response.set_cookie("name", "One")
        return response

    async def me(request):
        return PlainTextResponse(request.cookies["name"])

    app = Starlette(routes=[Route("/login", login, methods=["POST"]), Route("/me", me)])
    async with httpx2.AsyncClient(transport=StreamingASGITransport(app), base_url="http://app") as client:
        assert (await client.post("/login", follow_redirects=True)).text == "One"
    async with AppClient(app) as client:
        page = await client.post("/login")
        assert (page.status, page.headers["location"]) == (303, "/me")
        cookie = page.headers["Set-Cookie"].partition(";")[0]
        assert (await client.get("/me", headers={"Cookie": cookie})).text == "One"


async def test_a_page_of_ten_megabytes_is_complete(app_client):
    piece = b"x" * 100_000
    page = await app_client(streaming(*[piece] * 100)).get("/")
    assert len(page.content) == 10_000_000
