"""A page of `app_client`: its reads, its text, its events, and its end."""

from __future__ import annotations

import asyncio
import math

import pytest

from pytest_streamval import CheckFailedError, Delay, InvalidArgumentError, Script, SimpleContext, stream_with_chunking
from pytest_streamval.errors import BrokenResponseError
from tests.app.apps import SSE, body, events, http_only, start, streaming


async def test_a_page_has_status_headers_and_text(app_client, virtual_clock):
    client = app_client(streaming("Ä", "b", headers=[(b"X-Kind", b"1"), (b"x-kind", b"2")]))
    async with client.stream("GET", "/chat?q=1") as page:
        assert page.status == 200
        await page.rest()
    assert page.headers["X-KIND"] == "1, 2"
    assert list(page.headers) == ["x-kind"]
    assert page.text == "Äb"
    assert page.complete
    assert page.end == "complete"
    assert repr(page) == "<Page GET /chat: 200, complete, 2 reads>"


async def test_reads_of_a_page_have_virtual_times(app_client, virtual_clock):
    client = app_client(streaming("One.", 600, "Two."))
    async with client.stream("GET", "/") as page:
        assert await page.read() == b"One."
        assert await page.read() == b"Two."
        assert await page.read() == b""
        assert await page.read() == b""
    assert [read.at for read in page.reads] == [0, 600]
    assert virtual_clock.elapsed == 600


async def test_the_time_of_a_read_is_that_of_its_arrival(app_client, virtual_clock):
    async with app_client(streaming("One.", 5, "Two.")).stream("GET", "/") as page:
        await asyncio.sleep(60)
        assert await page.rest() == b"One.Two."
    assert [read.at for read in page.reads] == [0, 5]


async def test_reads_of_a_page_count_the_deltas_upstream(app_client, virtual_clock, streaming_mock_backend):
    backend = streaming_mock_backend(Script.of("One. ", Delay(60), "Two. ", "Three."))

    @http_only
    async def app(scope, receive, send):
        await send(start())
        async with stream_with_chunking("Hi", backend, SimpleContext(), chunking="sentence") as run:
            async for chunk in run.astream():
                await send(body(chunk))
        await send(body("", more=False))

    page = await app_client(app).get("/")
    assert [(read.data, read.upstream) for read in page.reads] == [(b"One.", 1), (b"Two.", 3), (b"Three.", 3)]
    assert page.upstream == 3


async def test_until_returns_the_text_so_far(app_client, virtual_clock):
    async with app_client(streaming("On", "e. T", "wo.", 9, "Three.")).stream("GET", "/") as page:
        assert (await page.until("One.")).startswith("One.")
        assert await page.until("Two.") == "One. Two."
        assert await page.until("One.") == "One. Two."
        assert await page.rest() == b"Three."


@pytest.mark.parametrize(
    "data",
    [
        ("On", "e."),
        ('{"text": "On"}', '{"text": "e."}'),
        ('{"a": [{"b": "On"}]}', '{"c": 1}', '{"a": [{"b": "\\u0065."}]}'),
    ],
    ids=["data", "JSON", "JSON with an escape"],
)
async def test_until_finds_a_text_that_is_cut_over_events(app_client, virtual_clock, data):
    async with app_client(events(*data, seconds=1)).stream("GET", "/") as page:
        await page.until("One.")
    assert page.reads[-1].at == len(data) - 1


@pytest.mark.parametrize("prefix", ["", "0:"], ids=["JSON lines", "data stream protocol"])
async def test_until_finds_a_text_that_is_cut_over_lines(app_client, virtual_clock, prefix):
    client = app_client(streaming(f'{prefix}"On"\n{prefix}"e', f'."\n{prefix}"Two."', 1, '\n{"no JSON'))
    async with client.stream("GET", "/") as page:
        await page.until("One.")
        await page.rest()
    assert page.events == []


async def test_until_finds_a_text_in_a_document_of_several_lines(app_client, virtual_clock):
    async with app_client(streaming('{"text":\n "\\u004fne."}')).stream("GET", "/") as page:
        await page.until("One.")
    assert page.json() == {"text": "One."}


async def test_until_fails_if_the_text_never_comes(app_client, virtual_clock):
    async with app_client(streaming("One.")).stream("GET", "/chat") as page:
        with pytest.raises(CheckFailedError, match=r"'Two\.' never came: GET /chat ended\. Its text:\n  'One\.'"):
            await page.until("Two.")


@pytest.mark.parametrize("text", ["", 1, b"One."])
async def test_until_takes_a_text_only(app_client, virtual_clock, text):
    async with app_client(streaming("One.")).stream("GET", "/") as page:
        with pytest.raises(InvalidArgumentError, match="Invalid text"):
            await page.until(text)


async def test_events_of_a_page_are_decoded(app_client, virtual_clock):
    app = streaming('id: 7\nevent: token\ndata: {"te', 'xt": "Ä"}\n', "\n: ping\n\n", "data: [DONE]\n\n", headers=SSE)
    page = await app_client(app).get("/")
    first, last = page.events
    assert (first.event, first.id, first.data, first.json()) == ("token", "7", '{"text": "Ä"}', {"text": "Ä"})
    assert (last.event, last.data) == ("message", "[DONE]")
    with pytest.raises(ValueError, match="Expecting value"):
        last.json()


async def test_a_character_may_be_cut_between_two_reads(app_client, virtual_clock):
    page = await app_client(streaming(b"\xc3", b"\xa4", b"\xc3")).get("/")
    assert page.text == "ä\ufffd"
    assert page.content == b"\xc3\xa4\xc3"


# The pace of the client


async def test_the_application_waits_in_send_for_a_slow_client(app_client, virtual_clock):
    sent = []
    client = app_client(streaming("a", "b", "c", "d", seen=sent))
    async with client.stream("GET", "/", read_every=10) as page:
        await page.rest()
    assert [read.at for read in page.reads] == [0, 10, 20, 30]
    assert [at for _, at in sent] == [0, 0, 10, 20]


async def test_a_client_that_never_reads_stops_the_application(app_client, virtual_clock):
    sent = []
    client = app_client(streaming("a", "b", "c", seen=sent))
    async with client.stream("GET", "/", read_every=math.inf) as page:
        await asyncio.sleep(100)
        assert [data for data, _ in sent] == ["a"]
        assert await page.read() == b"a"
        await asyncio.sleep(0)
        assert [data for data, _ in sent] == ["a", "b"]
        assert await page.rest() == b"bc"
    assert [data for data, _ in sent] == ["a", "b", "c"]


async def test_a_slow_client_delays_only_its_own_page(app_client, virtual_clock):
    client = app_client(streaming("a", "b", "c"))
    async with client.stream("GET", "/", read_every=10) as slow, client.stream("GET", "/") as fast:
        await fast.rest()
        assert virtual_clock.elapsed == 0
        await slow.rest()
    assert fast.reads[-1].at == 0
    assert slow.reads[-1].at == 20


@pytest.mark.parametrize("value", [-1, True, "1", math.nan])
async def test_the_pace_of_a_client_is_a_number_of_seconds(app_client, virtual_clock, value):
    with pytest.raises(InvalidArgumentError, match="Invalid read_every"):
        async with app_client(streaming("a")).stream("GET", "/", read_every=value):
            pass


# The end


async def test_an_error_before_the_first_byte_is_a_500(app_client, virtual_clock, caplog):
    @http_only
    async def app(scope, receive, send):
        raise ZeroDivisionError("no model")

    page = await app_client(app).get("/chat")
    assert (page.status, page.text) == (500, "Internal Server Error")
    assert isinstance(page.error, ZeroDivisionError)
    assert repr(page) == "<Page GET /chat: 500, complete, 1 read, ZeroDivisionError('no model')>"
    assert "The application raised an error on GET /chat." in caplog.text


async def test_an_error_after_the_first_byte_breaks_the_response(app_client, virtual_clock):
    @http_only
    async def app(scope, receive, send):
        await send(start())
        await send(body("One."))
        raise ZeroDivisionError("no model")

    async with app_client(app).stream("GET", "/chat") as page:
        assert await page.read() == b"One."
        with pytest.raises(BrokenResponseError, match=r"raised ZeroDivisionError: no model.* gets 'One\.'") as caught:
            await page.read()
    assert caught.value.__cause__ is page.error
    assert page.status == 200
    assert page.end == "broken"


@pytest.mark.parametrize(
    ("messages", "result", "status", "end"),
    [
        ([], None, 500, "complete"),
        ([start(), body("a")], None, 200, "broken"),
        ([start(), body("a")], 1, 200, "broken"),
    ],
)
async def test_an_application_must_end_its_response(app_client, virtual_clock, messages, result, status, end):
    @http_only
    async def app(scope, receive, send):
        for message in messages:
            await send(message)
        return result

    async with app_client(app).stream("GET", "/") as page:
        pass
    assert (page.status, page.end) == (status, end)


@pytest.mark.parametrize(
    ("messages", "error"),
    [
        ([body("a")], "Expected ASGI message 'http.response.start', but got 'http.response.body'."),
        ([start(), start()], "Expected ASGI message 'http.response.body', but got 'http.response.start'."),
        ([start(), body("", more=False), body("a")], "after response already completed"),
    ],
)
async def test_messages_in_the_wrong_order_are_errors(app_client, virtual_clock, messages, error):
    @http_only
    async def app(scope, receive, send):
        for message in messages:
            await send(message)

    async with app_client(app).stream("GET", "/") as page:
        pass
    assert error in str(page.error)


async def test_a_response_to_head_has_no_body(app_client, virtual_clock):
    page = await app_client(streaming("One.")).request("HEAD", "/")
    assert (page.status, page.content) == (200, b"")
