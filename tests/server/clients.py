"""Clients of a provider server, for its tests."""

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
PATHS = {
    "openai": CHAT,
    "openai-responses": "/v1/responses",
    "anthropic": "/v1/messages",
    "gemini": "/v1beta/models/m:streamGenerateContent?alt=sse",
    "ollama": "/api/chat",
}
"""The path of a streamed output, by its protocol."""
CLOSE = "connection: close"
BODY = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}


def url_of(server: ProviderServer, protocol: str) -> str:
    url: str = getattr(server, f"{protocol}_url")
    return url


async def generate(
    server: ProviderServer, protocol: str, *, prompt: str = "Hi", stream: bool = True
) -> ModelOutputThunk:
    """Return the output that `LiveBackend` gets from a server."""
    backend = LiveBackend(f"{protocol}:m", base_url=url_of(server, protocol), retries=0)
    thunk, _ = await backend.generate_from_context(prompt, SimpleContext(), model_options={ModelOption.STREAM: stream})
    return thunk


def ask(server: ProviderServer, protocol: str, *, stream: bool = True) -> tuple[str | None, BaseException | None]:
    """Return the text that `LiveBackend` gets from a server, and the error that it raises."""

    async def main() -> tuple[str | None, BaseException | None]:
        thunk = await generate(server, protocol, stream=stream)
        try:
            return await thunk.avalue(), None
        except Exception as error:  # noqa: BLE001  # it is the result
            return thunk.value, error

    return asyncio.run(main())


def request_head(body: bytes, path: str = CHAT, *headers: str, method: str = "POST", version: str = "1.1") -> bytes:
    lines = [f"{method} {path} HTTP/{version}", "host: 127.0.0.1", f"content-length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode()


def request(body: object = None, path: str = CHAT, *headers: str, method: str = "POST") -> bytes:
    data = json.dumps(BODY if body is None else body).encode()
    return request_head(data, path, *headers, method=method) + data


def connect(server: ProviderServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


def receive_all(client: socket.socket) -> bytes:
    """Return everything that arrives until the connection ends."""
    return b"".join(iter(lambda: client.recv(65536), b""))


def receive_until(client: socket.socket, end: bytes) -> bytes:
    """Return everything that arrives until `end` has arrived."""
    found = b""
    while end not in found:
        data = client.recv(65536)
        assert data, found
        found += data
    return found


def exchange(server: ProviderServer, data: bytes, *, half_close: bool = False) -> bytes:
    """Send bytes, and return everything that arrives."""
    with connect(server) as client:
        client.sendall(data)
        if half_close:
            client.shutdown(socket.SHUT_WR)
        return receive_all(client)


def get(server: ProviderServer, path: str) -> bytes:
    """Return the response to a GET request."""
    return exchange(server, request("", path, CLOSE, method="GET"))


def parse(response: bytes) -> tuple[int, Any]:
    """Return the status and the JSON of a response that is not streamed."""
    head, _, body = response.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), json.loads(body)


def chunks_of(response: bytes) -> list[bytes]:
    """Return the chunks of a response, the last of them as far as it arrived."""
    rest = response.partition(b"\r\n\r\n")[2]
    found = []
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        found.append(rest[: int(size, 16)])
        rest = rest[int(size, 16) + 2 :]
    return found


def silent_provider() -> tuple[socket.socket, str]:
    """Return a listening socket that accepts nothing, and its address."""
    listening = socket.create_server(("127.0.0.1", 0))
    return listening, f"http://127.0.0.1:{listening.getsockname()[1]}"


def server_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "streamval server"]


def server_thread_ends() -> None:
    """Wait for the thread, which closes a dropped server."""
    for thread in server_threads():
        thread.join(30)


def wait_until(predicate: Callable[[], bool], within: float = 10.0) -> None:
    """Wait for a change in another thread that notifies nothing."""
    limit = time.monotonic() + within
    while not predicate():
        assert time.monotonic() < limit, "it did not happen"
        time.sleep(0.002)
