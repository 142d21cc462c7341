"""A provider on loopback, whose every write is decided by the test."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


@dataclass
class Request:
    """A request of a client."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


class Provider:
    """Answers one request after the other by a function each, the last one for all that follow."""

    def __init__(self, answers: list[Callable[[asyncio.StreamWriter], Awaitable[None]]]) -> None:
        self.answers = answers
        self.requests: list[Request] = []
        self.asked = asyncio.Event()
        self.disconnected = asyncio.Event()
        self.connections: set[asyncio.Task[None]] = set()
        self.url = ""

    def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer), name="connection")
        self.connections.add(task)
        task.add_done_callback(self.connections.discard)

    async def close(self) -> None:
        connections = list(self.connections)
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._answer(reader, writer)
        except asyncio.IncompleteReadError:
            self.disconnected.set()
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, path, _ = head[0].split(" ")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        data = await reader.readexactly(int(headers.get("content-length", 0)))
        answer = self.answers[min(len(self.requests), len(self.answers) - 1)]
        self.requests.append(Request(method, path, headers, json.loads(data) if data else None))
        self.asked.set()
        answering = asyncio.create_task(answer(writer), name="answer")
        leaving = asyncio.create_task(reader.read(), name="watch for the client to leave")
        try:
            await asyncio.wait([answering, leaving], return_when=asyncio.FIRST_COMPLETED)
            if leaving.done():
                self.disconnected.set()
        finally:
            for task in (answering, leaving):
                task.cancel()
            await asyncio.gather(answering, leaving, return_exceptions=True)


def head(status: str = "200 OK", *headers: str, kind: str = "text/event-stream") -> bytes:
    """Return the head of an answer whose body comes in chunks."""
    lines = [f"HTTP/1.1 {status}", f"content-type: {kind}", "transfer-encoding: chunked", "connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


def chunk(data: bytes) -> bytes:
    """Return an HTTP chunk of a body. An empty one ends the body."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def answering(*writes: bytes) -> Callable[[asyncio.StreamWriter], Awaitable[None]]:
    """Return an answer that makes these writes, letting the client read in between, and closes."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        for data in writes:
            writer.write(data)
            await writer.drain()
            for _ in range(3):
                await asyncio.sleep(0)

    return answer


def silent(*writes: bytes) -> Callable[[asyncio.StreamWriter], Awaitable[None]]:
    """Return an answer that makes these writes and then says nothing more."""
    begin = answering(*writes)

    async def answer(writer: asyncio.StreamWriter) -> None:
        await begin(writer)
        await asyncio.get_running_loop().create_future()

    return answer


def openai_frames(*texts: str) -> list[bytes]:
    """Return the frames of a streamed chat completion."""
    frames = [{"choices": [{"index": 0, "delta": {"content": text}}]} for text in texts]
    frames.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    return [f"data: {json.dumps(frame)}\n\n".encode() for frame in frames] + [b"data: [DONE]\n\n"]
