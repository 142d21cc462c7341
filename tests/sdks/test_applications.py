"""Applications that use an asynchronous client: its timeouts, retries and pauses are in the virtual time of a page."""

from __future__ import annotations

import asyncio
import json

import anthropic
import ollama
import openai
import pytest
from google import genai

from pytest_streamval import (
    Delay,
    Script,
    Stall,
    assert_stopped,
    assert_streams,
    faults,
)
from tests.sdks.client_methods import MESSAGES, MODEL, PROMPT

TIMEOUT = 60.0
"""The seconds that a client waits for the next bytes."""


async def of_openai(server):
    async with openai.AsyncOpenAI(api_key="none", base_url=server.openai_url, timeout=TIMEOUT) as client:
        async for chunk in await client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True):
            yield chunk.choices[0].delta.content if chunk.choices else ""


async def of_responses(server):
    async with openai.AsyncOpenAI(api_key="none", base_url=server.openai_url, timeout=TIMEOUT) as client:
        async for event in await client.responses.create(model=MODEL, input=PROMPT, stream=True):
            yield event.delta if event.type == "response.output_text.delta" else ""


async def of_anthropic(server):
    async with (
        anthropic.AsyncAnthropic(api_key="none", base_url=server.anthropic_url, timeout=TIMEOUT) as client,
        client.messages.stream(model=MODEL, max_tokens=9, messages=MESSAGES) as stream,
    ):
        async for text in stream.text_stream:
            yield text


async def of_gemini(server):
    retries = {"retry_options": {"attempts": 3}}
    options = {"base_url": server.gemini_url, "timeout": round(1000 * TIMEOUT), **retries}
    async with genai.Client(api_key="none", http_options=options).aio as client:
        async for chunk in await client.models.generate_content_stream(model=MODEL, contents=PROMPT):
            yield chunk.text


async def of_ollama(server):
    async with ollama.AsyncClient(host=server.ollama_url, timeout=TIMEOUT) as client:
        async for part in await client.chat(model=MODEL, messages=MESSAGES, stream=True):
            yield part.message.content


CLIENTS = {
    each.__name__.removeprefix("of_"): each for each in (of_openai, of_responses, of_anthropic, of_gemini, of_ollama)
}
RETRYING = {name: client for name, client in CLIENTS.items() if client is not of_ollama}


def application(texts, server):
    """Return an application whose events have the texts of a client, and the class of its error at the end."""

    def event(kind, text):
        data = f"event: {kind}\ndata: {json.dumps(text)}\n\n".encode()
        return {"type": "http.response.body", "body": data, "more_body": kind == "text"}

    async def app(scope, receive, send):
        if scope["type"] != "http":
            raise NotImplementedError
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        try:
            async for text in texts(server):
                if text:
                    await send(event("text", text))
        except Exception as error:  # noqa: BLE001  # the page shows the error of the client
            await send(event("error", type(error).__name__))
        else:
            await send(event("end", ""))

    return app


def attentive(app):
    """Return an application that is cancelled when its client leaves, as Starlette cancels the response."""

    async def watching(scope, receive, send):
        if scope["type"] != "http":
            raise NotImplementedError
        work = asyncio.create_task(app(scope, receive, send))
        watch = asyncio.create_task(until_left(receive))
        await asyncio.wait([work, watch], return_when=asyncio.FIRST_COMPLETED)
        for task in (work, watch):
            task.cancel()
        await asyncio.wait([work, watch])

    async def until_left(receive):
        while (await receive())["type"] != "http.disconnect":
            pass

    return watching


def shown(page):
    """Return the joined texts of a page, and its last event. They do not depend on the cut of the stream."""
    *texts, last = page.events
    return "".join(event.json() for event in texts), last.event


def times(page):
    return sorted({read.at for read in page.reads})


@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
async def test_the_reads_of_a_page_have_the_times_of_the_client(app_client, provider_server, virtual_clock, client):
    server = provider_server(Script.of("One ", Delay(50), "two ", Delay(59), "three."))
    page = await app_client(application(client, server)).get("/")
    assert shown(page) == ("One two three.", "end")
    assert times(page) == [0, 50, 109]
    assert_streams(page, within=0)


@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
async def test_a_page_shows_the_timeout_of_the_client_in_virtual_time(
    app_client, provider_server, virtual_clock, client
):
    server = provider_server(Script.of("One ", Stall()))
    page = await app_client(application(client, server)).get("/")
    assert shown(page) == ("One ", "error")
    assert times(page) == [0, TIMEOUT]
    await server.client_left(within=1)
    assert_stopped(server)


@pytest.mark.parametrize("client", RETRYING.values(), ids=RETRYING)
@pytest.mark.parametrize("fault", [faults.server_error(), faults.rate_limited(None), faults.overloaded()], ids=str)
async def test_the_retries_of_a_client_are_in_the_virtual_time_of_its_page(
    app_client, provider_server, virtual_clock, client, fault
):
    server = provider_server(fault, Script.of("One "))
    page = await app_client(application(client, server)).get("/")
    assert shown(page) == ("One ", "end")
    assert len(server.requests) == 2
    assert 0 < page.reads[0].at < TIMEOUT  # the client's own pause


@pytest.mark.parametrize("client", [of_openai, of_responses, of_anthropic])
async def test_the_pause_that_a_provider_asks_for_is_in_the_virtual_time_of_a_page(
    app_client, provider_server, virtual_clock, client
):
    server = provider_server(faults.rate_limited(40), faults.rate_limited(50), Script.of("One "))
    page = await app_client(application(client, server)).get("/")
    assert page.reads[0].at == 90
    assert len(server.requests) == 3


@pytest.mark.parametrize("client", RETRYING.values(), ids=RETRYING)
async def test_a_page_shows_the_error_of_a_client_after_its_last_retry(
    app_client, provider_server, virtual_clock, client
):
    server = provider_server(*[faults.server_error()] * 3)
    page = await app_client(application(client, server)).get("/")
    assert shown(page) == ("", "error")
    assert page.reads[0].at > 0
    assert len(server.requests) == 3


@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
async def test_a_browser_that_leaves_stops_the_client_of_the_application(
    app_client, provider_server, virtual_clock, client
):
    server = provider_server(Script.of("One ", Delay(1), "two ", Stall()))
    async with app_client(attentive(application(client, server))).stream("GET", "/") as page:
        await page.until("two ")
        assert times(page) == [0, 1]
        await page.leave()
        await server.client_left(within=1)
        assert_stopped(server)
    assert virtual_clock.elapsed < TIMEOUT
