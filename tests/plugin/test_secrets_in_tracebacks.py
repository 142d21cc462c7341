"""Tracebacks with locals, `pytest -l`, and the XML of a run: they show no keys."""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest

from tests.plugin.runs import run

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest_plugins = ["pytester"]

KEY = "planted-Key-0123456789-abc"
PASSWORD = "planted-pass-word-77"  # noqa: S105  # not a password of anything
FAILS = """
import asyncio
import os
import pytest
from pytest_streamval import LiveBackend, ModelOption, SimpleContext
from pytest_streamval.http.client import HttpTransport, Timeouts
from pytest_streamval.http.request import HttpRequest
from pytest_streamval.live.recording_transport import recording

STREAM = {ModelOption.STREAM: True}
ADDRESS = os.environ["ADDRESS"]

async def ask(address, spec="openai:m"):
    await answer(LiveBackend(spec, base_url=address, retries=0))

async def answer(backend):
    output, _ = await backend.generate_from_context("Hi", SimpleContext(), model_options=STREAM)
    return await output.avalue()

@pytest.mark.parametrize("path", ["refuses", "fails", "malformed", "ends", "answer", "object", "reset"])
def test_a_provider_that(path):
    backend = LiveBackend("openai:m", base_url=f"{ADDRESS}/{path}")
    asyncio.run(ask(f"{ADDRESS}/{path}"))

def test_gemini():
    asyncio.run(ask(f"{ADDRESS}/refuses", "gemini:m"))

def test_unreachable():
    asyncio.run(ask("http://127.0.0.1:9/v1"))

def test_a_password():
    backend = LiveBackend("openai:m", base_url="http://user:" + os.environ["WORD"] + "@127.0.0.1:9/v1", retries=0)
    asyncio.run(answer(backend))

def test_an_invalid_address():
    LiveBackend("openai:m", base_url="http://user:" + os.environ["WORD"] + "@host:port")

def test_another_host():
    asyncio.run(ask("http://192.0.2.1/v1"))

@pytest.mark.parametrize("ending", ["\\n", "\\u00e9"], ids=["line end", "accent"])
def test_a_key_that_no_header_can_hold(monkeypatch, ending):
    monkeypatch.setenv("OPENAI_API_KEY", os.environ["OPENAI_API_KEY"] + ending)
    asyncio.run(ask(f"{ADDRESS}/refuses"))

def test_a_recorder(tmp_path):
    async def record():
        backend = recording(LiveBackend("openai:m", base_url=f"{ADDRESS}/malformed"), tmp_path / "it.jsonl")
        output, _ = await backend.generate_from_context("Hi", SimpleContext(), model_options=STREAM)
        await output.avalue()
    asyncio.run(record())

def test_a_request_of_the_test():
    request = HttpRequest(ADDRESS + "/refuses", b"{}", {"authorization": "Bearer " + os.environ["OPENAI_API_KEY"]})
    assert request is None

def test_a_response_of_the_test():
    async def read():
        request = HttpRequest(ADDRESS + "/answer", b"{}", {"x-api-key": os.environ["OPENAI_API_KEY"]})
        async with HttpTransport().stream(request, provider="openai") as response:
            assert response.status == 0
    asyncio.run(read())

def test_a_time_limit():
    async def wait():
        request = HttpRequest(ADDRESS + "/silent", b"{}", {"authorization": "Bearer " + os.environ["OPENAI_API_KEY"]})
        async with asyncio.timeout(0.05):
            async with HttpTransport(Timeouts(first_byte=None)).stream(request, provider="openai"):
                pass
    asyncio.run(wait())
"""
FAILURES = 17


class Provider(BaseHTTPRequestHandler):
    """A provider that repeats the key in everything that it sends."""

    protocol_version = "HTTP/1.0"
    left = threading.Event()

    def do_POST(self) -> None:
        key = " ".join(filter(None, (self.headers["authorization"], self.headers["x-goog-api-key"])))
        echo = f"Incorrect key {key}, {base64.b64encode(key.encode()).decode()}, {key.encode().hex()}"
        frame = {"choices": [{"index": 0, "delta": {"content": "Hi"}}]}
        start = f"data: {json.dumps(frame)}\n\n"
        what = self.path.split("/")[1]
        if what == "silent":
            self.left.wait(60)
            return
        body = {
            "refuses": json.dumps({"error": {"message": echo}}),
            "fails": f"{start}data: {json.dumps({'error': {'message': echo, 'type': key}})}\n\n",
            "malformed": f"{start}data: {{{echo}\n\n",
            "ends": f"{start}data: {{{echo}",
            "object": json.dumps({"error": {"message": echo}}),
            "answer": f"{start}data: [DONE]\n\ndata: {echo}",
        }.get(what, "")
        if what == "reset":
            self.connection.close()
            return
        self.send_response(401 if what == "refuses" else 200)
        self.send_header("content-type", "application/json" if what in {"refuses", "object"} else "text/event-stream")
        self.send_header("set-cookie", f"session={key.rpartition(' ')[2]}")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *arguments: object) -> None:
        """Print nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    Provider.left.clear()
    with HTTPServer(("127.0.0.1", 0), Provider) as server:
        thread = threading.Thread(target=server.serve_forever, name="provider", daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        Provider.left.set()
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("options", [("-vv",), ("--full-trace",), ("--tb=short",)], ids=" ".join)
def test_a_traceback_with_locals_shows_no_key(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, address: str, options: tuple[str, ...]
) -> None:
    for name, value in {"OPENAI_API_KEY": KEY, "GEMINI_API_KEY": KEY, "WORD": PASSWORD, "ADDRESS": address}.items():
        monkeypatch.setenv(name, value)
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\nfilterwarnings = ignore\n")
    pytester.makepyfile(test_it=FAILS)
    result = run(pytester, "-l", "--junitxml=it.xml", "-o", "junit_logging=all", "-p", "no:randomly", *options)
    result.assert_outcomes(failed=FAILURES, passed=1)
    shown = result.stdout.str() + result.stderr.str() + (pytester.path / "it.xml").read_text()
    encoded = base64.b64encode(f"Bearer {KEY}".encode()).decode()
    forms = [KEY, KEY.encode().hex(), encoded[12:-4], KEY.upper()]
    if "--full-trace" not in options:  # which shows the arguments that a test gave to this package
        forms.append(PASSWORD)
    assert [line for line in shown.splitlines() if any(form in line for form in forms)] == []
    assert "[redacted]" in shown
    assert "backend    = <LiveBackend openai:m at http://" in shown
