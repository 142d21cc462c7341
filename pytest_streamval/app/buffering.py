"""The search for middleware that keeps a response back until its end: each one is tried alone."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from copy import copy
from typing import TYPE_CHECKING, Any

from pytest_streamval.app.coded_bodies import ReadDecoder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_streamval.app.asgi_requests import App, Message, Scope
    from pytest_streamval.app.page import Page

_TURNS = 50  # turns of the event loop in which a middleware passes a message on
_SECONDS = 2.0  # for a middleware that waits for something else


def buffering_middleware(page: Page) -> list[str]:
    """Return the names of the classes of middleware that do not pass the first piece of a page on at once.

    A middleware is an object of the application that calls another application, which is its attribute `app`. Each is
    copied, and gets an application that sends the head and a piece of the page, and ends when that has left.
    """
    found: list[str] = []
    for middleware in _chain(page.app):
        results: list[bool] = []
        probe = _Probe(page)
        trial = copy(middleware)
        trial.app = probe.app
        thread = _ProbeThread(target=_try, args=(trial, probe, results), name="streamval probe", daemon=True)
        thread.start()
        thread.join(2 * _SECONDS)
        if results == [False]:
            found.append(type(middleware).__name__)
    return found


def _chain(app: Any) -> Iterator[Any]:  # noqa: ANN401  # any application
    """Yield the middleware of an application, outermost first."""
    seen: set[int] = set()
    while app is not None and id(app) not in seen:
        seen.add(id(app))
        stack = getattr(app, "middleware_stack", None)  # of Starlette, after the first request
        if stack is not None:
            app = stack
            continue
        inner = getattr(app, "app", None)
        if callable(inner):
            yield app
        app = inner


class _ProbeThread(threading.Thread):
    """A thread with an event loop of its own, as the test may be waiting in its loop."""

    only_answers = True
    """True, as a virtual clock does not have to wait for this thread."""


class _Probe:
    """An application that sends a piece of a response, and goes on when the piece has left."""

    def __init__(self, page: Page) -> None:
        self.scope = page.scope
        self.sent = asyncio.Event()
        self.has_passed = False
        self._is_received = False
        headers = [(name, value) for name, value in page.headers.raw if name != b"content-encoding"]
        self._head = {"type": "http.response.start", "status": page.status or 200, "headers": headers}
        self._data = page.decoded_content or b"One."
        self._decoder: ReadDecoder

    async def app(self, scope: Scope, receive: Callable[[], Any], send: Callable[[Message], Any]) -> None:
        """Send the head and two pieces, with a pause in which the first piece can leave."""
        del scope, receive
        await send(self._head)
        await send({"type": "http.response.body", "body": self._data, "more_body": True})
        for _ in range(_TURNS):
            if self.sent.is_set():
                break
            await asyncio.sleep(0)
        self.has_passed = self.sent.is_set()
        await send({"type": "http.response.body", "body": b""})

    async def receive(self) -> Message:
        """Return an empty request, and wait after that."""
        if self._is_received:
            await asyncio.Event().wait()
        self._is_received = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(self, message: Message) -> None:
        """Note that a piece has left. The first bytes of a compressed body have no text."""
        if message["type"] == "http.response.start":
            pairs = message.get("headers", ())
            self._decoder = ReadDecoder({bytes(name).decode(): bytes(value).decode("latin-1") for name, value in pairs})
        elif message["type"] == "http.response.body" and self._decoder.feed(message.get("body", b"")):
            self.sent.set()


def _try(middleware: App, probe: _Probe, results: list[bool]) -> None:
    async def run() -> None:
        async with asyncio.timeout(_SECONDS):
            await middleware(dict(probe.scope), probe.receive, probe.send)
        results.append(probe.has_passed)

    with suppress(Exception):  # a middleware that needs more than its application cannot be tried
        asyncio.run(run())
