"""External activity, for which virtual time waits."""

import asyncio
import concurrent.futures
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest

from pytest_streamval.errors import VirtualDeadlockError
from pytest_streamval.virtual_time import VirtualClock, loop_driver
from pytest_streamval.virtual_time.external_activity import Connections
from tests.virtual_time.shared import (
    asyncio_sleep,
    wait_at,
)


async def in_to_thread(gate):
    return await asyncio.to_thread(wait_at, gate)


async def in_pool(gate):
    with concurrent.futures.ThreadPoolExecutor() as pool:
        return await asyncio.get_running_loop().run_in_executor(pool, wait_at, gate)


async def in_wrapped_future(gate):
    with concurrent.futures.ThreadPoolExecutor() as pool:
        return await asyncio.wrap_future(pool.submit(wait_at, gate))


async def in_anyio_thread(gate):
    return await anyio.to_thread.run_sync(wait_at, gate)


async def in_plain_thread(gate):
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    thread = threading.Thread(target=lambda: (wait_at(gate), loop.call_soon_threadsafe(done.set)))
    thread.start()
    await done.wait()
    thread.join()
    return "done"


async def in_subprocess(gate):
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "")
    return "done" if await process.wait() == 0 else "failed"


async def in_pipe_of_subprocess(gate):
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "print('done')", stdout=subprocess.PIPE)
    output, _ = await process.communicate()
    return output.decode().strip()


async def in_getaddrinfo(gate):
    await asyncio.get_running_loop().getaddrinfo("localhost", 80)
    return "done"


async def in_connection_to_thread(gate):
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve():
            accepted, _ = listening.accept()
            with accepted:
                accepted.sendall(wait_at(gate).encode())

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        thread.join()
    return answer.decode()


@pytest.mark.parametrize(
    "work",
    [
        in_to_thread,
        in_pool,
        in_wrapped_future,
        in_anyio_thread,
        in_plain_thread,
        in_subprocess,
        in_pipe_of_subprocess,
        in_getaddrinfo,
        in_connection_to_thread,
    ],
)
async def test_virtual_time_waits_for_external_activity(clock, gate, monkeypatch, work):
    monkeypatch.setattr(loop_driver, "PATIENCE", 60)
    async with asyncio.timeout(0.001):
        for _ in range(2):  # the second time, the workers exist already
            gate.clear()
            assert await work(gate) == "done"
    assert clock.elapsed == 0
    await asyncio.sleep(3600)
    assert clock.elapsed == 3600


async def from_anyio_thread():
    return await anyio.to_thread.run_sync(anyio.from_thread.run, asyncio_sleep, 3600)


async def from_to_thread():
    loop = asyncio.get_running_loop()
    return await asyncio.to_thread(lambda: asyncio.run_coroutine_threadsafe(asyncio_sleep(3600), loop).result())


@pytest.mark.parametrize("work", [from_anyio_thread, from_to_thread])
async def test_virtual_time_does_not_wait_for_a_thread_that_waits_for_the_loop(clock, monkeypatch, work):
    monkeypatch.setattr(loop_driver, "PATIENCE", 60)
    async with asyncio.timeout(7201):
        await work()
        await work()
    assert clock.elapsed == 7200


async def test_virtual_time_waits_for_a_busy_thread_that_has_called_the_loop(clock, gate):
    loop = asyncio.get_running_loop()

    def ask():
        order = asyncio.run_coroutine_threadsafe(asyncio_sleep(3600), loop)
        return wait_at(gate), clock.elapsed, order.result()

    assert await asyncio.to_thread(ask) == ("done", 0, None)
    assert clock.elapsed == 3600


async def test_virtual_time_does_not_wait_for_an_idle_worker(clock, gate):
    with concurrent.futures.ThreadPoolExecutor() as pool:
        await asyncio.get_running_loop().run_in_executor(pool, wait_at, gate)
        await anyio.to_thread.run_sync(wait_at, gate)
        await asyncio.sleep(3600)
    assert clock.elapsed == 3600


async def test_virtual_time_does_not_wait_for_a_thread_that_is_older_than_the_clock(gate):
    thread = threading.Thread(target=wait_at, args=[gate])
    thread.start()
    with VirtualClock() as clock:
        await asyncio.sleep(3600)
        assert clock.elapsed == 3600
    gate.set()
    thread.join()


async def test_long_external_activity_slows_virtual_time_to_the_pace_of_real_time(clock, gate, monkeypatch, caplog):
    monkeypatch.setattr(loop_driver, "PATIENCE", 0.002)
    stuck, ticks = threading.Event(), []

    async def tick():
        while True:
            await asyncio.sleep(0.001)
            ticks.append(clock.elapsed)

    ticking = asyncio.create_task(tick())
    working = asyncio.create_task(asyncio.to_thread(stuck.wait, 30))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(working), 0.0045)
    assert clock.elapsed == 0.0045
    assert ticks == [0.001, 0.002, 0.003, 0.004]
    assert caplog.messages == ["Virtual time continues at the pace of real time because of a call in an executor."]
    stuck.set()
    assert await working
    ticking.cancel()


def test_virtual_time_notices_a_thread_that_ends_without_waking_the_loop(clock, gate):
    async def main():
        threading.Thread(target=wait_at, args=[gate]).start()
        await asyncio.Event().wait()

    with pytest.raises(VirtualDeadlockError):
        clock.run(main())


async def test_a_signal_is_handled_before_virtual_time_moves(clock):
    loop, came = asyncio.get_running_loop(), []
    loop.add_signal_handler(signal.SIGUSR1, lambda: came.append(clock.elapsed))
    os.kill(os.getpid(), signal.SIGUSR1)
    await asyncio.sleep(1)
    loop.remove_signal_handler(signal.SIGUSR1)
    assert came == [0]


# Connections


async def hour_later(reader, writer):
    """Answer in capitals, an hour after the question."""
    question = await reader.readline()
    await asyncio.sleep(3600)
    writer.write(question.upper())
    writer.close()
    await writer.wait_closed()


async def test_a_server_and_its_client_in_one_loop_have_virtual_time(clock):
    async with await asyncio.start_server(hour_later, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"hello\n")
        async with asyncio.timeout(3601):
            assert await reader.read() == b"HELLO\n"
        writer.close()
        await writer.wait_closed()
    assert clock.elapsed == 3600


def seen(*watched):
    """Return the connections of the running loop, of some file descriptors or of all."""
    loop = asyncio.get_running_loop()
    connections = Connections(loop, watched or set(loop._selector.get_map()) - {loop._ssock.fileno()})
    return connections.outer, connections.has_inner


class Accepting(asyncio.Protocol):
    def __init__(self, accepted):
        self.connection_made = accepted.set_result


def ipv4_server(folder):
    return socket.create_server(("127.0.0.1", 0))


def ipv6_server(folder):
    return socket.create_server(("::1", 0), family=socket.AF_INET6)


def dual_stack_server(folder):
    return socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True)


def unix_server(folder):
    serving = socket.socket(socket.AF_UNIX)
    serving.bind(str(folder / "socket"))
    serving.listen()
    return serving


@pytest.mark.parametrize(
    ("serve", "family", "host"),
    [
        (ipv4_server, socket.AF_INET, "127.0.0.1"),
        (ipv6_server, socket.AF_INET6, "::1"),
        (dual_stack_server, socket.AF_INET, "127.0.0.1"),
        (unix_server, socket.AF_UNIX, None),
    ],
)
async def test_a_connection_with_both_ends_in_the_loop_is_no_external_activity(serve, family, host, tmp_path):
    loop, listening, calling = asyncio.get_running_loop(), serve(tmp_path), socket.socket(family)
    make = loop.create_server if host else loop.create_unix_server
    accepted = loop.create_future()
    async with await make(lambda: Accepting(accepted), sock=listening):
        assert seen() == ([], False)  # a listening socket waits for no one else
        name = listening.getsockname()
        calling.connect((host, name[1]) if host else name)
        calling.setblocking(False)
        here, _ = await loop.create_connection(asyncio.Protocol, sock=calling)
        there = await accepted
        assert seen() == ([], True)
        there.pause_reading()
        assert seen() == ([], True)
        there.abort()
        here.abort()


async def test_the_file_descriptor_of_a_closed_connection_may_be_reused(tmp_path):
    with ExitStack() as stack:
        listening = stack.enter_context(ipv4_server(tmp_path))
        calling, connected = (socket.create_connection(listening.getsockname()) for _ in range(2))
        accepted = [stack.enter_context(listening.accept()[0]) for _ in range(2)]
        stack.enter_context(connected)
        number = calling.fileno()
        transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=calling)
        transport.abort()
        await asyncio.sleep(0)
        os.dup2(accepted[1].fileno(), number)
        stack.callback(os.close, number)
        assert seen(connected.fileno())[1] is False


async def test_an_external_connection_is_described_by_its_address(tmp_path):
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        connected = stack.enter_context(socket.create_connection(listening.getsockname()))
        host, port = listening.getsockname()
        assert seen(connected.fileno()) == ([f"the connection to {host}:{port}"], False)

        named = stack.enter_context(unix_server(tmp_path))
        caller = stack.enter_context(socket.socket(socket.AF_UNIX))
        caller.connect(named.getsockname())
        assert seen(caller.fileno()) == ([f"the connection to '{tmp_path}/socket'"], False)

        pair = [stack.enter_context(end) for end in socket.socketpair()]
        number = pair[0].fileno()
        assert seen(number) == ([f"the connection to an unnamed socket, file descriptor {number}"], False)

        datagrams = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
        datagrams.bind(("127.0.0.1", 0))
        host, port = datagrams.getsockname()
        assert seen(datagrams.fileno()) == ([f"the socket at {host}:{port}, which has no peer"], False)

        for number in os.pipe():
            stack.callback(os.close, number)
        assert seen(number) == ([f"the file descriptor {number}, a pipe or a similar object"], False)
