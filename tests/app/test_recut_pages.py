"""The reads of a page in a variant of `--streamval-fuzz`: other boundaries, the same bytes at the same times."""

from __future__ import annotations

import asyncio
import math

import pytest

from pytest_streamval import AppClient
from pytest_streamval.fuzzing.cuts import Cut
from pytest_streamval.fuzzing.recutting import ScriptRecutter

pytestmark = pytest.mark.asyncio
EVENTS = ["data: One\n\n", 'data: {"a": "Zwölf 👩‍👩‍👧"}\r\n\r\n', "", "data: 3\n\n"]
BODY = "".join(EVENTS).encode()


def recut_client(cut: str, *, every: float = 0, events: list[str] = EVENTS) -> AppClient:
    """Return a client whose reads are cut, of an application that sends an event every few seconds."""

    async def app(scope, receive, send):
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 200})
        for event in events:
            await send({"type": "http.response.body", "body": event.encode(), "more_body": True})
            await asyncio.sleep(every)
        await send({"type": "http.response.body"})

    client = AppClient(app)
    client.recutter = ScriptRecutter(Cut(cut))
    return client


@pytest.mark.parametrize(
    "cut", [*map(str, range(1, 30)), "chars", "whole", "at-r3-r14", "only-at-r3-r14", "only-at-r0"]
)
@pytest.mark.parametrize("every", [0, 10])
async def test_a_page_has_the_same_bytes_at_the_same_times_under_each_cut(virtual_clock, cut, every):
    async with recut_client(cut, every=every) as client, client.stream("GET", "/") as page:
        assert await page.until("One") in page.text
        assert page.reads[0].at == 0
        await page.rest()
    assert b"".join(read.data for read in page.reads) == page.content == BODY
    assert all(read.data for read in page.reads)
    assert [event.data for event in page.events] == ["One", '{"a": "Zwölf 👩‍👩‍👧"}', "3"]
    at = 0
    ends = {len(BODY[: BODY.index(b"data: {")]): 0, len(BODY) - len(b"data: 3\n\n"): every, len(BODY): 3 * every}
    for read in page.reads:  # a byte has the time of its event
        at += len(read.data)
        assert read.at == next(time for end, time in ends.items() if at <= end)


async def test_the_messages_of_a_websocket_stay_under_each_cut(virtual_clock):
    async def app(scope, receive, send):
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            for text in ("One", "Two"):
                await send({"type": "websocket.send", "text": text})
            await send({"type": "websocket.close"})

    client = AppClient(app)
    client.recutter = ScriptRecutter(Cut("chars"))
    async with client, client.websocket("/") as socket:
        assert [await socket.receive() for _ in range(2)] == ["One", "Two"]


async def test_reads_of_one_moment_are_joined_until_the_test_has_seen_them(virtual_clock):
    async with recut_client("whole") as client:
        page = await client.get("/")
        assert [read.data for read in page.reads] == [BODY]
        async with client.stream("GET", "/") as page:
            await page.until("One")
            seen = list(page.reads)
            await page.rest()
        assert page.reads[: len(seen)] == seen


async def test_a_joined_read_has_a_limit_as_of_a_socket(virtual_clock):
    async with recut_client("whole", events=["x" * 1000] * 300) as client:
        page = await client.get("/")
    assert page.content == b"x" * 300_000
    assert max(len(read.data) for read in page.reads) < 70_000


async def test_one_cut_divides_a_message_and_keeps_the_others(virtual_clock):
    async with recut_client("at-r3", every=1) as client:
        page = await client.get("/")
    messages = [event.encode() for event in EVENTS if event]
    assert [read.data for read in page.reads] == [messages[0][:3], messages[0][3:], *messages[1:]]


async def test_a_slow_client_takes_one_message_at_a_time_under_each_cut(virtual_clock):
    async with recut_client("chars") as client:
        async with client.stream("GET", "/", read_every=10) as page:
            await page.rest()
        assert {read.at for read in page.reads} == {0, 10, 20}
        async with client.stream("GET", "/", read_every=math.inf) as page:
            await asyncio.sleep(100)
            assert page.reads == []
            assert await page.read() == b"d"
            await asyncio.sleep(100)
            assert page.content == EVENTS[0].encode()
            assert await page.rest() == BODY[1:]
