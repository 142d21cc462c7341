"""Clients of a provider server: what the tests ask it with."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

from pytest_streamval import LiveBackend, ModelOption, SimpleContext

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_streamval import ModelOutputThunk, ProviderServer

PROTOCOLS = ("openai", "anthropic", "gemini", "ollama")
CHAT = "/v1/chat/completions"
QUESTION = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}


def url_of(server: ProviderServer, protocol: str) -> str:
    url: str = getattr(server, f"{protocol}_url")
    return url


async def asked(server: ProviderServer, protocol: str, *, prompt: str = "Hi", stream: bool = True) -> ModelOutputThunk:
    """Return the output that the project's own client gets, whatever it ended with."""
    backend = LiveBackend(f"{protocol}:m", base_url=url_of(server, protocol), retries=0)
    thunk, _ = await backend.generate_from_context(prompt, SimpleContext(), model_options={ModelOption.STREAM: stream})
    return thunk


def ask(server: ProviderServer, protocol: str, *, stream: bool = True) -> tuple[str | None, BaseException | None]:
    """Return the text that a client got, and the error that it met."""

    async def main() -> tuple[str | None, BaseException | None]:
        thunk = await asked(server, protocol, stream=stream)
        try:
            return await thunk.avalue(), None
        except Exception as error:  # noqa: BLE001  # which is what is asked for
            return thunk.value, error

    return asyncio.run(main())


def head_of(body: bytes, path: str = CHAT, *headers: str, method: str = "POST", version: str = "1.1") -> bytes:
    lines = [f"{method} {path} HTTP/{version}", "host: 127.0.0.1", f"content-length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode()


def request(body: object = None, path: str = CHAT, *headers: str, method: str = "POST") -> bytes:
    data = json.dumps(QUESTION if body is None else body).encode()
    return head_of(data, path, *headers, method=method) + data


def connected(server: ProviderServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


def everything(client: socket.socket) -> bytes:
    """Return all that comes until the connection ends."""
    return b"".join(iter(lambda: client.recv(65536), b""))


def exchanged(server: ProviderServer, data: bytes, *, half_close: bool = False) -> bytes:
    """Send bytes, and return all that comes."""
    with connected(server) as client:
        client.sendall(data)
        if half_close:
            client.shutdown(socket.SHUT_WR)
        return everything(client)


def until(client: socket.socket, what: bytes) -> bytes:
    """Read until something has come."""
    found = b""
    while what not in found:
        data = client.recv(65536)
        assert data, found
        found += data
    return found


def refusal(answer: bytes) -> tuple[int, Any]:
    """Return the status of an answer that came whole, and its JSON."""
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), json.loads(body)


def server_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "streamval server"]


def eventually(happened: Callable[[], bool], within: float = 10.0) -> None:
    """Wait until something has happened in another thread that tells nobody."""
    limit = time.monotonic() + within
    while not happened():
        assert time.monotonic() < limit, "it did not happen"
        time.sleep(0.002)
