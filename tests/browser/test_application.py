"""An application in a real browser: its page shows what `AppClient` reads of it."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import TYPE_CHECKING

import pytest

from pytest_streamval import (
    AppClient,
    PartialValidationResult,
    Requirement,
    Script,
    SimpleContext,
    StreamingMockBackend,
    served,
    stream_with_chunking,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

SHOWN = """<!DOCTYPE html><meta charset="utf-8"><link rel="icon" href="data:,"><pre id="shown"></pre><script>
const shown = document.getElementById("shown"), events = [];
async function read(path) {
  const reader = (await fetch(path, { method: "POST" })).body.getReader(), decoder = new TextDecoder();
  for (let piece; !(piece = await reader.read()).done;) {
    shown.textContent += decoder.decode(piece.value, { stream: true });
  }
  shown.textContent += decoder.decode();
  document.title = "done";
}
function listen(path) {
  const source = new EventSource(path);
  for (const name of ["message", "token", "end"]) source.addEventListener(name, (event) => {
    events.push([event.type, event.data, event.lastEventId]);
    if (name === "end") { source.close(); document.title = "done"; }
  });
}
</script>"""
END = "event: end\ndata: {}\n\n"
BODIES = {
    "/plain": ["data: One.\n\n", "data: Two.\n\n"],
    "/named": ["event: token\nid: 7\ndata: One.\n\n", "data: unnamed\n\n", "id\ndata: no more id\n\n"],
    "/lines": ["data: One\ndata:  Two\ndata\ndata:Three\n\n", "data\n\n", "event: token\n\n", "data: after\r\n\r\n"],
    "/comments": [": hello\n\n", "retry: 100000\n:\ndata: One.\n: between\nunknown: x\n\n"],
    "/line ends": ["data: a\r\rdata: b\n\n", "data: c\r\n", "\r\n", "data: d\r", "\rdata: e\n\n"],
    "/cuts": [*"event: token\r\ndata: Zwölf 👩‍👩‍👧 <b>&amp;</b>\r\n\r\n"],
    "/json": [f"data: {json.dumps({'text': text})}\n\n" for text in ("1 < 2 & 3", "\u2028\x00", "日本語\n")],
}
MODEL_TEXT = "One. Two is 👩‍👩‍👧. The password is swordfish. More."


class NoPassword(Requirement):
    async def stream_validate(self, chunk, *, backend, ctx):
        return PartialValidationResult("fail" if "password" in chunk else "pass")


async def checked(events: bool):
    """Yield the sentences of a model, as events or as text, until one of them fails."""
    backend = StreamingMockBackend(Script.from_text(MODEL_TEXT, token_size=3))
    async with stream_with_chunking("Hi", backend, SimpleContext(), requirements=[NoPassword()]) as run:
        async for sentence in run.astream():
            yield f"event: token\ndata: {json.dumps(sentence)}\n\n" if events else sentence
    yield f"id: {run.outcome}\n{END}" if events else f" [{run.outcome}]"


async def pieces(path: str, *, events: bool):
    if path == "/model":
        async for piece in checked(events):
            yield piece.encode()
        return
    for piece in [*BODIES[path], END] if events else BODIES[path]:
        data = piece.encode()
        for half in (data[: len(data) // 2], data[len(data) // 2 :]):  # inside of characters, too
            yield half
            await asyncio.sleep(0)


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    is_get = scope["method"] == "GET"
    media_type = b"text/html" if scope["path"] == "/" else b"text/event-stream" if is_get else b"text/plain"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", media_type)]})
    if scope["path"] == "/":
        await send({"type": "http.response.body", "body": SHOWN.encode()})
        return
    async for piece in pieces(scope["path"], events=is_get):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body"})


async def serve(address: SimpleQueue[str], stop: SimpleQueue[None]) -> None:
    async with served(app, process=True) as url:
        address.put(url)
        await asyncio.to_thread(stop.get)


@pytest.fixture(scope="module")
def threads() -> Iterator[ThreadPoolExecutor]:
    """Threads for the event loops of this module. The client of the browser runs one in the thread of the tests."""
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.fixture(scope="module")
def address(threads: ThreadPoolExecutor) -> Iterator[str]:
    """The address of the application, in a process of its own."""
    found, stop = SimpleQueue(), SimpleQueue()
    serving = threads.submit(asyncio.run, serve(found, stop))
    serving.add_done_callback(lambda _: found.put(""))  # if it has failed
    url = found.get()
    yield url
    stop.put(None)
    serving.result()


@pytest.fixture
def shown(address: str, browser) -> Iterator:
    """The page of the application, in the browser."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{address}/")
    yield page
    context.close()


@pytest.fixture
def read(threads: ThreadPoolExecutor):
    """Return a function that returns the page of a request as the client of the tests reads it."""

    async def request(method: str, path: str):
        async with AppClient(app) as client:
            return await client.request(method, path)

    return lambda method, path: threads.submit(asyncio.run, request(method, path)).result()


@pytest.mark.parametrize("path", [*BODIES, "/model"])
def test_event_source_receives_the_events_of_a_page(shown, read, path: str) -> None:
    shown.evaluate("(path) => listen(path)", path)
    shown.wait_for_function("document.title === 'done'")
    page = read("GET", path.replace(" ", "%20"))
    in_browser = [tuple(event) for event in shown.evaluate("events")]
    assert [(event.event, event.data, event.id or "") for event in page.events] == in_browser
    assert len(in_browser) > 1


@pytest.mark.parametrize("path", [*BODIES, "/model"])
def test_fetch_shows_the_text_of_a_page(shown, read, path: str) -> None:
    shown.evaluate("(path) => read(path)", path)
    shown.wait_for_function("document.title === 'done'")
    page = read("POST", path.replace(" ", "%20"))
    assert page.text == shown.evaluate("shown.textContent")
    assert page.text.strip()


def test_a_browser_shows_nothing_of_a_sentence_that_failed(shown, read) -> None:
    shown.evaluate("read('/model')")
    shown.wait_for_function("document.title === 'done'")
    assert shown.inner_text("#shown") == "One.Two is 👩‍👩‍👧. [stopped]" == read("POST", "/model").text
