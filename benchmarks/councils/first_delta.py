"""The time between the first delta of a provider and its text on the pipe of a command."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

_QUIET = 0.3  # seconds from the request to the first delta, so that nothing else runs when it comes
_TEXT = "Unmistakable"


CommandOf: TypeAlias = "Callable[[str], tuple[list[str], dict[str, str]]]"
"""A function that returns a command, and its variables, for the address of a provider."""

BARE = """
import socket, sys, urllib.parse
address = urllib.parse.urlsplit(sys.argv[1])
with socket.create_connection((address.hostname, address.port)) as connection:
    connection.sendall(b"POST / HTTP/1.1\\r\\nhost: x\\r\\ncontent-length: 0\\r\\n\\r\\n")
    while data := connection.recv(1_000):
        print(data.decode(), end="", flush=True)
"""
"""A client that prints what it receives, which shows the delay of the machine itself."""


def measure(commands: dict[str, CommandOf], rounds: int) -> dict[str, list[float]]:
    """Return the milliseconds of each round by the name of the command. All run in turn."""
    found: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command_of in commands.items():
            found[name].append(asyncio.run(_round(command_of)))
    return found


async def _round(command_of: CommandOf) -> float:
    sent: list[float] = []
    seen = asyncio.Event()

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        await reader.readexactly(int(head.partition("content-length: ")[2].partition("\r")[0]))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
        await asyncio.sleep(_QUIET)
        sent.append(time.perf_counter())
        writer.write(_frame(_TEXT))
        await seen.wait()
        writer.write(_frame(" end.", "stop") + b"data: [DONE]\n\n")
        writer.close()

    async with await asyncio.start_server(respond, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        command, environment = command_of(f"http://127.0.0.1:{port}")
        process = await asyncio.create_subprocess_exec(
            *command, env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        output = b""
        while _TEXT.encode() not in output and (read := await process.stdout.read(1_000)):
            output += read
        arrived = time.perf_counter()
        seen.set()
        await process.stdout.read()
        await process.wait()
    assert _TEXT.encode() in output, output
    return (arrived - sent[0]) * 1e3


def _frame(text: str, finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish_reason}
    return f"data: {json.dumps({'choices': [choice]})}\n\n".encode()
