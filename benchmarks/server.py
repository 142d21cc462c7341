"""Measure the provider server: python -m benchmarks.server [throughput | memory | start | proxy | soak] [SECONDS].

The throughput is that of 200 concurrent streams of 500 deltas each, to a client in a process of its own: sockets on
loopback, an HTTP chunk for each delta. Memory is measured after each of 100 rounds of 200 streams of 20 deltas. The
proxy is a second server between the client and the first one. Its measurements are the delay of the first delta, and
the throughput of 50 concurrent streams. The soak plays streams with random faults and cuts, chosen by a seed, to
clients that may leave early, and counts the descriptors and threads before and after.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pytest_streamval import ProviderServer, Script, faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_streamval.server.script_queue import Playable
    from pytest_streamval.typing import ServedRequest

STREAMS, DELTAS = 200, 500
ROUNDS = 5  # of the throughput, whose median counts
MEMORY_ROUNDS, MEMORY_DELTAS = 100, 20
STARTS = 200
PROXIED, DELAYS = 50, 300  # streams at once, and one after the other, through a proxy
SOAK = 60.0  # seconds
SEED = 20261121
RATE, GROWTH, START = 50_000, 2.0, 10.0  # the goals: deltas a second, megabytes, milliseconds

PATHS = ("/v1/chat/completions", "/v1/messages", "/v1beta/models/m:streamGenerateContent?alt=sse", "/api/chat")
END = b"0\r\n\r\n"


def stream_request(path: str, **fields: object) -> bytes:
    """Return a request for a stream."""
    body = json.dumps({"model": "m", "stream": True, "messages": [{"role": "user", "content": "Go."}], **fields})
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\nconnection: close\r\n\r\n{body}".encode()


class Reader(asyncio.Protocol):
    """A client that requests a stream and counts its frames."""

    def __init__(self, request: bytes) -> None:
        self.frames = 0
        self.done = asyncio.get_running_loop().create_future()
        self._request = request
        self._tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the request."""
        assert isinstance(transport, asyncio.Transport)
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Count frames."""
        data = self._tail + data
        self.frames += data.count(b'"content":"')
        self._tail = data[-10:]

    def connection_lost(self, exc: Exception | None) -> None:
        """Resolve the result: the number of frames, or -1 if the stream was incomplete."""
        is_complete = exc is None and self._tail.endswith(END)
        self.done.set_result(self.frames if is_complete else -1)


async def read_streams(port: int, count: int) -> None:
    """Read `count` streams at once, and print the seconds and the number of deltas."""
    loop = asyncio.get_running_loop()
    request = stream_request(PATHS[0])
    began = time.perf_counter()
    made = [loop.create_connection(lambda: Reader(request), "127.0.0.1", port) for _ in range(count)]
    readers = [reader for _, reader in await asyncio.gather(*made)]
    counts = await asyncio.gather(*(reader.done for reader in readers))
    print(json.dumps({"seconds": time.perf_counter() - began, "deltas": sum(counts), "least": min(counts)}), flush=True)


class Client:
    """A client in a process of its own."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "benchmarks.server", "client"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(self, *error: object) -> None:
        """End the process."""
        self._process.communicate()

    def round(self, server: ProviderServer, deltas: int = DELTAS, streams: int = STREAMS) -> float:
        """Read some streams of a server at once, and return the seconds."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(server.port, streams, file=self._process.stdin, flush=True)
        found = json.loads(self._process.stdout.readline())
        assert found["least"] == deltas, found
        seconds: float = found["seconds"]
        return seconds


def script(deltas: int = DELTAS) -> Script:
    """Return the script of a stream."""
    return Script(tuple(f"tok{index % 10}" for index in range(deltas)))


def always(script_: Script) -> Callable[[ServedRequest], Script]:
    """Return a rule that always returns the same script."""

    def rule(request: ServedRequest) -> Script:
        del request
        return script_

    return rule


def throughput() -> bool:
    """Measure the deltas a second."""
    with Client() as client, ProviderServer(always(script())) as server:
        client.round(server)  # warm up
        rates = [DELTAS * STREAMS / client.round(server) for _ in range(ROUNDS)]
    rate = statistics.median(rates)
    print(f"throughput   {rate:10,.0f} deltas/s, {min(rates):,.0f}-{max(rates):,.0f} (goal: {RATE:,} or more)")
    return rate >= RATE


def resident() -> float:
    """Return the resident memory of the process in megabytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def memory() -> bool:
    """Measure the growth of memory over many rounds, with a server for each."""
    rule = always(script(MEMORY_DELTAS))
    found = []
    with Client() as client:
        for _ in range(MEMORY_ROUNDS):
            with ProviderServer(rule) as server:
                client.round(server, MEMORY_DELTAS)
            gc.collect()
            found.append(resident())
    growth = statistics.median(found[-10:]) - statistics.median(found[10:20])
    print(f"memory       {growth:10.2f} MB more after {MEMORY_ROUNDS} rounds than after 10-20 (goal: {GROWTH} at most)")
    return growth <= GROWTH


def start() -> bool:
    """Measure the time of a server with its first request."""
    request = stream_request(PATHS[0])
    times = []
    for _ in range(STARTS):
        began = time.perf_counter()
        with ProviderServer("Hello.") as server, socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(request)
            while client.recv(65536):
                pass
            times.append((time.perf_counter() - began) * 1e3)
    middle, worst = statistics.median(times), max(times)
    print(f"start        {middle:10.2f} ms with the first request, {worst:.2f} at most (goal: under {START:g} ms)")
    return middle < START


def proxy() -> bool:
    """Measure the cost of a proxy between a client and a provider."""
    with ProviderServer(always(script(1))) as provider, ProviderServer(upstream=provider.url) as between:
        pairs = [(first_delta(provider), first_delta(between)) for _ in range(DELAYS)]
    with (
        Client() as client,
        ProviderServer(always(script())) as provider,
        ProviderServer(upstream=provider.url) as between,
    ):
        client.round(between, streams=PROXIED)  # warm up
        rates = [DELTAS * PROXIED / client.round(between, streams=PROXIED) for _ in range(ROUNDS)]
    direct, passed = (statistics.median(times) * 1e3 for times in zip(*pairs, strict=True))
    rate = statistics.median(rates)
    print(f"proxy        {passed:10.2f} ms to the first delta, {direct:.2f} without it; {rate:,.0f} deltas/s")
    return passed < START


def first_delta(server: ProviderServer) -> float:
    """Return the seconds from a connection to the first delta of its stream."""
    began = time.perf_counter()
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(stream_request(PATHS[0]))
        data = b""
        while b'"content":"tok' not in data:
            data += client.recv(65536)
        return time.perf_counter() - began


def soak(seconds: float = SOAK) -> bool:
    """Request streams with faults for some seconds, and compare the descriptors and threads."""
    chance = random.Random(SEED)
    with ProviderServer("Hello.") as server:
        one_client(server, stream_request(PATHS[0]), None)  # so that modules are loaded before the count
    before = open_resources()
    count, began = 0, time.monotonic()
    while time.monotonic() - began < seconds:
        count += soak_server(chance)
    after = open_resources()
    print(f"soak         {count:10,} streams in {seconds:g} s; descriptors and threads {before} before, {after} after")
    return before == after


def soak_server(chance: random.Random) -> int:
    """Request streams with faults from one server, and return their number."""
    kinds = [fault for fault in faults.all() if fault.name != "refuse"]
    seed = chance.random()

    def rule(request: ServedRequest) -> Playable:
        chosen = random.Random(f"{seed} {request.path} {request.body}")
        fault = chosen.choice(kinds)
        if fault.after_deltas is not None and chosen.random() < 0.5:
            fault = faults.Fault(fault.name, after_bytes=chosen.randrange(2000), seconds=fault.seconds)
        return fault.on(Script(tuple(chosen.choice(["tok ", "né\U0001f34e", "\r\n"]) for _ in range(20))))

    cut = chance.choice([None, "whole", "chars", "words", "1", "2"])
    with ProviderServer(rule, cut=cut) as server:
        requests = [stream_request(chance.choice(PATHS), seed=number) for number in range(16)]
        leaving = [chance.choice([None, chance.randrange(4000)]) for _ in requests]
        clients = [
            threading.Thread(target=one_client, args=(server, request, after))
            for request, after in zip(requests, leaving, strict=True)
        ]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
    return len(requests)


def one_client(server: ProviderServer, request: bytes, leave_after: int | None) -> None:
    """Request a stream, and read until its end, half a second of silence, or a number of bytes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=0.5) as client:
        client.sendall(request)
        size = 0
        try:
            while (leave_after is None or size < leave_after) and (data := client.recv(65536)):
                size += len(data)
        except (TimeoutError, ConnectionError):
            return


def open_resources() -> tuple[int, int]:
    """Return the numbers of descriptors and threads."""
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir())), threading.active_count()


def main() -> None:
    """Run the measurements named on the command line, or all."""
    words = sys.argv[1:]
    if words[:1] == ["client"]:
        for line in sys.stdin:
            asyncio.run(read_streams(*map(int, line.split())))
        return
    measures: dict[str, Callable[[], bool]] = {
        "throughput": throughput,
        "memory": memory,
        "start": start,
        "proxy": proxy,
        "soak": soak,
    }
    if words[:1] == ["soak"] and len(words) > 1:
        measures["soak"] = lambda: soak(float(words[1]))
    kept = [measure() for name, measure in measures.items() if not words or name in words]
    print(f"{sum(kept)} of {len(kept)} within their goals.")


if __name__ == "__main__":
    main()
