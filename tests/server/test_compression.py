"""Compressed bodies at the server and at the proxy: they are read, recorded without their secrets, and replayed."""

from __future__ import annotations

import gzip
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, TypeAlias

import httpx2
import pytest

from pytest_streamval import Cassette, LiveBackend, ModelOption, ProviderServer, ProviderStatusError, SimpleContext
from pytest_streamval.live.recording_transport import recording
from pytest_streamval.live.replay_transport import replaying
from tests.compression import CODINGS, Flushing
from tests.loopback import openai_frames
from tests.server.clients import BODY, CHAT, CLOSE, ask, exchange, parse, request_head

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_streamval import ModelOutputThunk

KEY = "sk-planted-0123456789abcdef"
FRAMES = openai_frames("Take ", "it: ", KEY[:9], KEY[9:], ".")
REFUSAL = json.dumps({"error": {"message": f"{KEY} is over its limit", "type": "rate_limit_error"}}).encode()
Received: TypeAlias = "list[tuple[dict[str, str], bytes]]"
"""The headers and the body of each request."""
coded = pytest.mark.parametrize(("coding", "encode"), CODINGS.values(), ids=CODINGS)


class Compressing(BaseHTTPRequestHandler):
    """A provider that compresses its answers although no client asks for that."""

    coding = "gzip"
    pieces: tuple[bytes, ...] = ()
    status = 200
    kind = "text/event-stream"
    received: Received

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.received.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(self.status)
        self.send_header("content-type", self.kind)
        self.send_header("content-encoding", self.coding)
        self.send_header("content-length", str(sum(map(len, self.pieces))))
        self.send_header("retry-after", "0.5")
        self.end_headers()
        for piece in self.pieces:
            self.wfile.write(piece)
            self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def compressing(coding: str, *pieces: bytes, status: int = 200) -> Iterator[tuple[str, Received]]:
    """Serve an answer, and yield the address and the list of the requests that came."""
    facts = {"coding": coding, "pieces": pieces, "status": status, "received": []}
    handler = type("Handler", (Compressing,), facts)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield "http://{}:{}".format(*server.server_address), handler.received
        finally:
            server.shutdown()
            thread.join()


def pieces_of(body: bytes, size: int = 11) -> list[bytes]:
    return [body[start : start + size] for start in range(0, len(body), size)]


async def output_of(backend: LiveBackend) -> ModelOutputThunk:
    output, _ = await backend.generate_from_context("Hi", SimpleContext(), model_options={ModelOption.STREAM: True})
    return output


def assert_holds_no_key(folder: Path) -> None:
    """Check that no file in a folder holds a planted key, or a compressed body."""
    for path in folder.iterdir():
        text = path.read_text()
        assert "planted" not in text
        assert "0123456789abcdef" not in text
        assert '"base64"' not in text
        headers = {name for name, _ in Cassette.load(path).header["headers"]}
        assert not headers & {"content-encoding", "content-length"}


# The client


@coded
async def test_a_live_stream_that_comes_compressed_is_read_recorded_and_replayed(
    tmp_path, monkeypatch, coding, encode
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with compressing(coding, *pieces_of(encode(b"".join(FRAMES)))) as (url, received):
        backend = LiveBackend("openai:m", base_url=url, retries=0)
        assert await (await output_of(backend)).avalue() == f"Take it: {KEY}."
        assert await (await output_of(recording(backend, tmp_path / "it.jsonl"))).avalue() == f"Take it: {KEY}."
    assert [headers["accept-encoding"] for headers, _ in received] == ["identity", "identity"]
    assert_holds_no_key(tmp_path)
    replay = replaying(backend, tmp_path / "it.jsonl")
    assert await (await output_of(replay)).avalue() == f"Take it: {'*' * len(KEY)}."


async def test_a_refusal_that_comes_compressed_is_recorded_without_its_key(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with compressing("gzip", gzip.compress(REFUSAL), status=429) as (url, _):
        backend = recording(LiveBackend("openai:m", base_url=url, retries=0), tmp_path / "it.jsonl")
        with pytest.raises(ProviderStatusError, match="is over its limit") as caught:
            await (await output_of(backend)).avalue()
    assert (caught.value.status, caught.value.retry_after) == (429, 0.5)
    assert KEY not in str(caught.value)
    assert b"is over its limit" in Cassette.load(tmp_path / "it.jsonl").body
    assert "planted" not in (tmp_path / "it.jsonl").read_text()


@pytest.mark.parametrize("coding", ["foo", "gzip"])
async def test_a_stream_that_cannot_be_decoded_leaves_no_recording(tmp_path, coding) -> None:
    with compressing(coding, KEY.encode()) as (url, _):
        backend = recording(LiveBackend("openai:m", base_url=url), tmp_path / "it.jsonl")
        with pytest.raises(ValueError, match="cannot be decoded"):
            await (await output_of(backend)).avalue()
    assert list(tmp_path.iterdir()) == []


async def test_a_stream_that_turns_invalid_is_recorded_as_far_as_it_was_decoded(tmp_path) -> None:
    head, *_ = Flushing("gzip").pieces(FRAMES)
    with compressing("gzip", head, b"\xff" * 70_000) as (url, _):
        backend = recording(LiveBackend("openai:m", base_url=url), tmp_path / "it.jsonl")
        output = await output_of(backend)
        with pytest.raises(ValueError, match="not in this coding"):
            await output.avalue()
    if list(tmp_path.iterdir()):  # both pieces may have come in one read
        cassette = Cassette.load(tmp_path / "it.jsonl")
        assert (cassette.body, cassette.ending.how) == (FRAMES[0], "broken")
        assert "not in this coding" in cassette.ending.why


# The proxy


@coded
@pytest.mark.parametrize("status", [200, 429])
def test_a_proxy_decodes_what_it_passes_on_and_records(tmp_path, coding, encode, status) -> None:
    sent = b"".join(FRAMES) if status == 200 else REFUSAL
    with (
        compressing(coding, *pieces_of(encode(sent)), status=status) as (url, received),
        ProviderServer(upstream=url, cassettes=tmp_path) as proxy,
    ):
        headers = {"authorization": f"Bearer {KEY}"}
        answer = httpx2.post(f"{proxy.openai_url}/chat/completions", json=BODY, headers=headers, timeout=10)
        assert list(proxy.unmet()) == []
    assert received[0][0]["authorization"] == f"Bearer {KEY}"
    assert "content-encoding" not in answer.headers
    assert answer.headers["retry-after"] == "0.5"
    assert answer.content == sent
    assert_holds_no_key(tmp_path)
    with ProviderServer(cassettes=tmp_path) as replay:
        response = httpx2.post(f"{replay.openai_url}/chat/completions", json=BODY, timeout=10)
        assert response.status_code == status
        assert response.headers["retry-after"] == "0.5"
        assert ("Take " if status == 200 else "is over its limit") in response.text


@pytest.mark.parametrize(("coding", "reason"), [("foo", "'foo' is not known"), ("zstd", "not in this coding")])
def test_a_proxy_refuses_what_it_cannot_decode(coding, reason) -> None:
    with compressing(coding, KEY.encode()) as (url, _), ProviderServer(upstream=url) as proxy:
        text, error = ask(proxy, "openai")
        (failure,) = proxy.unmet()
        assert all(cassette.body == b"" for cassette in proxy.recordings)
    assert text in {"", None}
    assert error is not None
    assert reason in str(failure)
    if coding == "foo":
        assert isinstance(error, ProviderStatusError)
        assert (error.status, reason in error.body) == (502, True)


# Requests


@coded
def test_a_server_reads_a_compressed_request(coding, encode) -> None:
    with ProviderServer("Hello.") as server:
        body = encode(json.dumps(BODY).encode())
        answer = exchange(server, request_head(body, CHAT, f"content-encoding: {coding}", CLOSE) + body)
        assert answer.startswith(b"HTTP/1.1 200")
        assert server.requests[0].body == BODY
        server.assert_requested(prompt="Hi")


@pytest.mark.parametrize(("coding", "reason"), [("foo", "'foo' is not known"), ("gzip", "not in this coding")])
def test_a_server_refuses_a_request_that_it_cannot_decode(coding, reason) -> None:
    with ProviderServer("Hello.") as server:
        data = request_head(KEY.encode(), CHAT, f"content-encoding: {coding}", CLOSE) + KEY.encode()
        answer = exchange(server, data)
        assert b"accept-encoding: gzip, deflate, br, zstd\r\n" in answer
        status, report = parse(answer)
        assert (status, reason in report["error"]["message"]) == (415, True)
        assert (server.requests[0].body, server.requests[0].status) == (None, 415)
        assert ask(server, "openai") == ("Hello.", None)


def test_a_server_refuses_a_request_that_grows_beyond_its_limit() -> None:
    body = gzip.compress(json.dumps({**BODY, "user": "x" * 5_000}).encode())
    with ProviderServer("Hello.", body_limit=1_000) as server:
        status, report = parse(exchange(server, request_head(body, CHAT, "content-encoding: gzip", CLOSE) + body))
    assert (status, report["error"]["message"]) == (
        413,
        "The body is longer than 1,000 bytes, the limit of this server.",
    )


@coded
def test_a_proxy_forwards_a_compressed_request_as_it_is_and_records_what_it_says(tmp_path, coding, encode) -> None:
    asked = {**BODY, "metadata": {"api_key": KEY}}
    body = encode(json.dumps(asked).encode())
    data = request_head(body, CHAT, f"content-encoding: {coding}", CLOSE) + body
    with (
        compressing("gzip", gzip.compress(b"".join(FRAMES))) as (url, received),
        ProviderServer(upstream=url, cassettes=tmp_path) as proxy,
    ):
        assert exchange(proxy, data).startswith(b"HTTP/1.1 200")
    assert (received[0][0]["content-encoding"], received[0][1]) == (coding, body)
    assert_holds_no_key(tmp_path)
    assert Cassette.load(next(tmp_path.iterdir())).prompt == "Hi"
    with ProviderServer(cassettes=tmp_path) as replay:
        plain = json.dumps(asked).encode()
        assert exchange(replay, request_head(plain, CHAT, CLOSE) + plain).startswith(b"HTTP/1.1 200")
    with ProviderServer(cassettes=tmp_path) as replay:
        assert exchange(replay, data).startswith(b"HTTP/1.1 200")
