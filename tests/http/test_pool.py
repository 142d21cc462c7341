"""Connections that requests reuse, counted by a server that accepts them."""

from __future__ import annotations

import asyncio
import copy
import gc
import os
import pickle
import ssl
import threading
import warnings
from contextlib import suppress
from pathlib import Path

import pytest

from pytest_streamval import Council, LiveBackend, ProviderServer, SimpleContext, start_session
from pytest_streamval.http.client import HttpTransport
from pytest_streamval.http.connection import tls_context
from pytest_streamval.http.pool import ConnectionPool, is_idle_connection
from pytest_streamval.http.request import HttpRequest
from pytest_streamval.virtual_time.real_time import FUNCTIONS

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\nset-cookie: visitor=one; path=/\r\n\r\none"


class Counted:
    """A server that counts the connections that it accepts, one handshake each, and keeps the heads of requests."""

    def __init__(self, answer=ANSWER, context=None):
        self.answer = answer
        self.context = context
        self.accepted = 0
        self.open = 0
        self.heads = []

    async def serve(self, reader, writer):
        self.accepted += 1
        self.open += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = head.partition("content-length: ")[2].partition("\r")[0]
                await reader.readexactly(int(length or 0))
                self.heads.append(head)
                writer.write(self.answer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # also a cancellation, which `stop` alone requests
        finally:
            writer.close()
            with suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()
            self.open -= 1

    async def start(self, port=0):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", port, ssl=self.context)
        self.port = self.server.sockets[0].getsockname()[1]
        self.url = f"http{'s' if self.context else ''}://127.0.0.1:{self.port}"
        return self

    async def stop(self):
        self.server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            if "serve" in repr(task.get_coro()):
                task.cancel()
        await until(lambda: self.open == 0)

    __aenter__ = start

    async def __aexit__(self, *_):
        await self.stop()


async def ask(server, pool):
    async with HttpTransport(pool=pool).stream(HttpRequest(server.url), provider="test") as response:
        return b"".join([data async for data in response.reads])


async def until(condition):
    """Let the event loop go round until a condition is true."""
    while not condition():  # noqa: ASYNC110  # of a socket
        await asyncio.sleep(0)


async def test_requests_of_a_pool_reuse_their_connection_and_keep_no_cookie():
    async with Counted() as server:
        pool = ConnectionPool()
        for _ in range(5):
            assert await ask(server, pool) == b"one"
        assert server.accepted == 1
        assert not any("cookie" in head for head in server.heads)
        await pool.aclose()
        await until(lambda: server.open == 0)
        assert await ask(server, pool) == b"one"  # the pool can still be used
        assert server.accepted == 2
        await pool.aclose()


async def test_requests_without_a_pool_have_connections_of_their_own():
    async with Counted() as server:
        for _ in range(3):
            await ask(server, None)
        assert server.accepted == 3
        await until(lambda: server.open == 0)


async def test_the_connections_of_a_dropped_pool_are_closed():
    async with Counted() as server:
        pool = ConnectionPool()
        await ask(server, pool)
        del pool
        await until(lambda: server.open == 0)


async def test_requests_at_the_same_time_have_a_connection_each_and_share_them_later():
    async with Counted() as server:
        pool = ConnectionPool()
        await asyncio.gather(*(ask(server, pool) for _ in range(30)))
        first = server.accepted
        await ask(server, pool)
        assert server.accepted == first <= 30
        await pool.aclose()


async def test_a_response_that_is_left_closes_its_connection_at_once():
    async with Counted(ANSWER.replace(b": 3", b": 9")) as server:
        pool = ConnectionPool()
        async with HttpTransport(pool=pool).stream(HttpRequest(server.url), provider="test") as response:
            assert await anext(response.reads) == b"one"
        await until(lambda: server.open == 0)
        await pool.aclose()


async def test_a_connection_that_the_server_has_closed_is_not_used_again():
    async with Counted() as server:
        pool = ConnectionPool()
        await ask(server, pool)
        await server.stop()
        await server.start(server.port)
        assert await ask(server, pool) == b"one"
        assert server.accepted == 2
        await pool.aclose()


@pytest.fixture
def remote():
    """A counting server in a thread of its own."""
    server, started, stop = Counted(STREAMED), threading.Event(), threading.Event()

    async def main():
        async with server:
            started.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    assert started.wait(60)
    yield server
    stop.set()
    thread.join()


def test_each_event_loop_has_connections_of_its_own_which_are_closed_with_it(remote, recwarn):
    pool = ConnectionPool()

    async def main():
        for _ in range(3):
            await ask(remote, pool)

    for _ in range(2):
        asyncio.run(main())
    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    loop.close()
    assert loop.is_closed()
    assert remote.accepted == 3
    pool.forget()  # nothing is left, in loops that are closed
    del loop
    gc.collect()
    assert not [each for each in recwarn if "unclosed" in str(each.message)]


async def test_a_pool_is_closed_from_another_loop():
    async with Counted() as server:
        pool = ConnectionPool()
        await ask(server, pool)
        thread = threading.Thread(target=lambda: asyncio.run(pool.aclose()))
        thread.start()
        await until(lambda: server.open == 0)
        thread.join()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
async def test_a_forked_child_uses_no_connection_of_its_parent():
    async with Counted() as server:
        pool = ConnectionPool()
        await ask(server, pool)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads
            child = os.fork()
        if child == 0:  # pragma: no cover  # the child
            code = 1
            try:
                clients = next(iter(pool._clients.values()))
                pool.forget()
                code = 0 if clients.process != os.getpid() else 2
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0  # noqa: ASYNC222  # it ends at once
        await ask(server, pool)
        assert server.accepted == 1
        await pool.aclose()


async def test_a_copied_or_pickled_pool_is_another_one():
    pool = ConnectionPool()
    assert isinstance(pickle.loads(pickle.dumps(pool)), ConnectionPool)  # noqa: S301  # made here
    assert copy.deepcopy(pool) is not pool


async def test_a_connection_is_idle_while_no_request_is_under_way():
    async with Counted() as server:
        pool = ConnectionPool()
        await ask(server, pool)
        ((here, there),) = pool.of_loop()._connections
        assert is_idle_connection(here, there)
        with pool.of_loop().requesting():
            assert not is_idle_connection(here, there)
        assert not is_idle_connection(there, here)
        await pool.aclose()
        assert not is_idle_connection(here, there)


# Owners of pools


CERTIFICATE = Path(__file__).parents[1] / "data" / "server" / "loopback.pem"
BODY = b'data: {"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
STREAMED = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY)


@pytest.fixture
async def provider(monkeypatch):
    """A provider with TLS, at the address of OpenAI."""
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    tls_context.cache_clear()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    async with Counted(STREAMED, context) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "a key of no one")
        yield server
    tls_context.cache_clear()


async def test_a_hundred_calls_of_a_backend_take_one_handshake(provider):
    backend = LiveBackend("openai:tiny")
    for _ in range(100):
        output, _ = await backend.generate_from_context("Tell.", SimpleContext(), model_options={"stream": True})
        assert await output.avalue() == "Hi"
    assert provider.accepted == 1
    await backend.aclose()
    await until(lambda: provider.open == 0)


async def test_the_connections_of_a_session_are_closed_with_it(provider):
    async with start_session("openai:tiny") as session:
        for _ in range(5):
            async with await session.stream("Tell.") as run:
                await run.acomplete()
        assert provider.accepted == provider.open == 1
    await until(lambda: provider.open == 0)


async def test_a_session_leaves_the_connections_of_a_backend_that_it_was_given(provider):
    backend = LiveBackend("openai:tiny")
    async with start_session(backend) as session, await session.stream("Tell.") as run:
        await run.acomplete()
    assert provider.open == 1
    await backend.aclose()


async def test_the_members_of_a_council_share_their_connections_which_are_closed_with_it(provider):
    async with Council(["openai:a", "openai:b"], synthesizer="openai:c") as council:
        for _ in range(5):
            events = [event async for event in council.ask_stream("Tell.")]
            assert events[-1].result.ok
        assert provider.accepted <= 2
    await until(lambda: provider.open == 0)


async def test_the_connections_of_a_dropped_council_are_closed(provider):
    events = [event async for event in Council(["openai:a"]).ask_stream("Tell.")]
    assert [event.type for event in events] == ["member_delta", "member_done", "done"]
    gc.collect()
    await until(lambda: provider.open == 0)


def test_a_session_keeps_its_connections_in_its_own_loop_for_synchronous_calls(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "a key of no one")
    with ProviderServer(*["Hi."] * 3) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.openai_url)
        with start_session("openai:tiny") as session:
            for _ in range(3):
                assert str(session.instruct("Tell.")) == "Hi."


async def test_virtual_time_does_not_wait_for_an_idle_connection(remote, virtual_clock, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "a key of no one")
    backend = LiveBackend("openai:tiny", base_url=remote.url)
    output, _ = await backend.generate_from_context("Tell.", SimpleContext(), model_options={"stream": True})
    assert await output.avalue() == "Hi"
    before = FUNCTIONS["monotonic"]()
    await asyncio.sleep(36_000)  # in real time, the connection would hold it up for so long
    assert FUNCTIONS["monotonic"]() - before < 36_000
    await backend.aclose()
