"""Servers that answer in the event loop of a test on a virtual clock."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import urllib.error
import urllib.request

import httpx2
import pytest

from pytest_streamval import (
    CheckFailedError,
    Delay,
    LiveBackend,
    ModelOption,
    ProviderServer,
    Script,
    SimpleContext,
    Stall,
    assert_stopped,
    faults,
)
from pytest_streamval.errors import ProviderTimeoutError
from pytest_streamval.server import blocking_clients

BODY = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": True}


def server_threads():
    return [thread.name for thread in threading.enumerate() if thread.name == "streamval server"]


def send(server):
    """Send a request with a client that blocks."""
    address, body = f"{server.openai_url}/chat/completions", json.dumps(BODY).encode()
    request = urllib.request.Request(address, data=body)  # noqa: S310  # an address of this machine
    with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
        return response.read()


async def first_read(client, server):
    """Send a request, read once, and leave."""
    async with client.stream("POST", f"{server.openai_url}/chat/completions", json=BODY) as response:
        return await anext(response.aiter_text())


async def answer(server, **options):
    backend = LiveBackend("openai:m", base_url=server.openai_url, retries=0, **options)
    output, _ = await backend.generate_from_context("Hi", SimpleContext(), model_options={ModelOption.STREAM: True})
    return await output.avalue()


async def test_a_server_answers_in_virtual_time(provider_server, virtual_clock):
    server = provider_server(Script.of("One. ", *[Delay(50), "More. "] * 72, "Two."))
    assert (await answer(server)).endswith("More. Two.")
    assert virtual_clock.elapsed == 3600
    assert server_threads() == []


@pytest.mark.parametrize("protocol", ["openai", "anthropic", "gemini", "ollama"])
async def test_a_stalled_server_times_out_in_virtual_time(provider_server, virtual_clock, protocol):
    server = provider_server(Script.of("One. ", Stall()))
    backend = LiveBackend(f"{protocol}:m", base_url=getattr(server, f"{protocol}_url"), retries=0)
    output, _ = await backend.generate_from_context("Hi", SimpleContext(), model_options={ModelOption.STREAM: True})
    with pytest.raises(ProviderTimeoutError):
        await output.avalue()
    assert virtual_clock.elapsed >= 10
    await server.client_left(within=1)


async def test_retries_take_no_real_time(provider_server, virtual_clock):
    server = provider_server(faults.rate_limited(60), faults.overloaded(), "One.")
    backend = LiveBackend("openai:m", base_url=server.openai_url, retries=2)
    output, _ = await backend.generate_from_context("Hi", SimpleContext(), model_options={ModelOption.STREAM: True})
    assert await output.avalue() == "One."
    assert virtual_clock.elapsed >= 60


async def test_client_left_returns_when_a_client_leaves(provider_server, virtual_clock):
    server = provider_server(Script.of("One. ", Stall()))

    async def leave_later():
        async with (
            httpx2.AsyncClient() as client,
            client.stream("POST", f"{server.openai_url}/chat/completions", json=BODY),
        ):
            await asyncio.sleep(30)

    async with asyncio.TaskGroup() as group:
        group.create_task(leave_later())
        await server.client_left(within=60)
    assert virtual_clock.elapsed == 30
    await server.client_left(within=0, request=-1)


async def test_client_left_fails_after_virtual_seconds(provider_server, virtual_clock):
    server = provider_server("One.")
    assert await answer(server) == "One."
    with pytest.raises(CheckFailedError, match="No client left before the end of its answer, within 60 s"):
        await server.client_left(within=60)
    assert virtual_clock.elapsed == 60


async def test_client_left_works_without_a_virtual_clock(provider_server):
    server = provider_server(Script.of("One. ", Stall()))
    assert server_threads() == ["streamval server"]
    async with httpx2.AsyncClient() as client:
        assert "One. " in await first_read(client, server)
    await server.client_left(within=60)
    with pytest.raises(CheckFailedError, match="No client left"):
        await server.client_left(within=0, request=1)


async def test_synchronous_assertions_see_a_client_that_has_just_left(provider_server, virtual_clock):
    server = provider_server(Script.of("One. ", "Two. ", Stall()))
    async with httpx2.AsyncClient() as client:
        assert "One. " in await first_read(client, server)
    assert server.wait_for_requests(1, within=60)
    server.assert_client_disconnected(within=60)
    assert_stopped(server)
    assert virtual_clock.elapsed == 0


async def test_synchronous_assertions_see_a_client_that_is_still_there(provider_server, virtual_clock):
    server = provider_server(Script.of("One. ", Stall()))
    async with (
        httpx2.AsyncClient() as client,
        client.stream("POST", f"{server.openai_url}/chat/completions", json=BODY),
    ):
        with pytest.raises(CheckFailedError, match="still runs"):
            assert_stopped(server, within=60)
        with pytest.raises(CheckFailedError, match="No client left"):
            server.assert_client_disconnected(within=60)
    assert not server.wait_for_requests(2, within=60)


async def test_a_server_closes_in_its_running_event_loop(virtual_clock):
    with ProviderServer("One.", Script.of("Two. ", Stall())) as server:
        assert await answer(server) == "One."
        async with httpx2.AsyncClient() as client:
            await first_read(client, server)
    assert not server.at_work
    await virtual_clock.advance(0)
    with pytest.raises(OSError, match=r"."):
        await asyncio.open_connection("127.0.0.1", server.port)


async def test_aclose_waits_for_the_connections(virtual_clock):
    server = ProviderServer(Script.of("One. ", Stall())).start()
    async with httpx2.AsyncClient() as client:
        with pytest.raises(httpx2.RemoteProtocolError):  # noqa: PT012  # the server closes in the middle
            async with client.stream("POST", f"{server.openai_url}/chat/completions", json=BODY) as response:
                async for _ in response.aiter_text():
                    await server.aclose()
    await server.aclose()
    assert [request.client_disconnected for request in server.requests] == [False]
    assert [task for task in asyncio.all_tasks() if "streamval" in task.get_name()] == []


async def test_aclose_closes_a_server_in_a_thread():
    server = ProviderServer("One.").start()
    assert await answer(server) == "One."
    await server.aclose()
    assert server_threads() == []


def test_a_server_of_a_synchronous_test_has_a_thread(provider_server, virtual_clock):
    server = provider_server("One.")
    assert server_threads() == ["streamval server"]
    assert virtual_clock.run(answer(server)) == "One."


def test_a_server_that_a_coroutine_opens_answers_in_its_loop(provider_server, virtual_clock):
    async def main():
        server = provider_server(Script.of("One. ", Delay(50), "Two."))
        assert server_threads() == []
        return await answer(server)

    assert virtual_clock.run(main()) == "One. Two."
    assert virtual_clock.elapsed == 50


@pytest.fixture
def early_server(provider_server):
    return provider_server(Script.of("One. ", Delay(50), "Two."))


async def test_a_server_of_a_synchronous_fixture_answers_in_the_loop_of_the_test(early_server, virtual_clock):
    assert await answer(early_server) == "One. Two."
    assert virtual_clock.elapsed == 50


async def test_a_server_without_requests_is_closed(provider_server, virtual_clock):
    assert provider_server(fault="refuse").requests == ()


def drop(server):
    with pytest.warns(ResourceWarning, match="was dropped while it was open"):
        server.__del__()


@pytest.mark.streamval_allow_leaks
async def test_a_dropped_server_closes_in_its_event_loop(virtual_clock):
    server = ProviderServer("One.").start()
    port = server.port
    drop(server)
    await virtual_clock.advance(0)
    with pytest.raises(OSError, match=r"."):
        await asyncio.open_connection("127.0.0.1", port)


def test_a_server_whose_loop_never_ran_closes(virtual_clock):
    server = ProviderServer("One.").start_on_clock()
    server.close()
    assert not server.at_work


@pytest.mark.streamval_allow_leaks
def test_a_dropped_server_whose_loop_never_ran_closes(virtual_clock):
    server = ProviderServer("One.").start_on_clock()
    drop(server)
    with pytest.raises(OSError, match=r"."):
        socket.create_connection(("127.0.0.1", server.port))
    server.close()


@pytest.mark.streamval_allow_unplayed
async def test_a_synchronous_client_in_the_loop_of_its_server_is_an_error(provider_server, virtual_clock, monkeypatch):
    monkeypatch.setattr(blocking_clients, "_PERIOD", 0.01)
    server = provider_server("One.")
    await asyncio.sleep(0)
    with pytest.raises(urllib.error.HTTPError) as caught:
        send(server)
    assert caught.value.status == 400
    assert "A synchronous client called a provider server" in caught.value.read().decode()
    caught.value.close()
    assert any("A synchronous client" in str(error) for error in server.unmet())


async def test_a_synchronous_client_in_another_thread_is_answered(provider_server, virtual_clock):
    server = provider_server("One.")
    assert b"[DONE]" in await asyncio.to_thread(send, server)
