"""`AppClient`: requests to an application in the running event loop, and the lifespan of the application."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple, Self

from pytest_streamval.app.asgi_requests import Body, encoded_headers, http_scope, websocket_scope
from pytest_streamval.app.client_contexts import request_context
from pytest_streamval.app.http_exchange import Exchange
from pytest_streamval.app.lifespan import Lifespan
from pytest_streamval.app.page import Page
from pytest_streamval.app.page_observers import observers
from pytest_streamval.app.page_spans import end_span, traced
from pytest_streamval.app.uploads import uploading
from pytest_streamval.app.websocket import AppWebSocket
from pytest_streamval.app.websocket_exchange import SocketExchange
from pytest_streamval.engine.tasks import settle, start_task
from pytest_streamval.errors import InvalidArgumentError, app_still_running_error, event_loop_required_error, excerpt
from pytest_streamval.guards.source_locations import location_of
from pytest_streamval.scripting.sent_deltas import sent_deltas

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import AsyncIterator, Sequence
    from types import TracebackType

    from pytest_streamval.app.asgi_requests import App, Content, RequestHeaders
    from pytest_streamval.engine.tasks import OwnedTask
    from pytest_streamval.fuzzing.recutting import PageRecutter, ScriptRecutter

GRACE = 5.0
"""The seconds that requests have for their end when the client is closed, before they are cancelled."""

_HEADERS = ((b"accept", b"*/*"), (b"user-agent", b"pytest-streamval"))


class _Running(NamedTuple):
    """A task of the application."""

    task: OwnedTask[None]
    exchange: Exchange | SocketExchange
    request: str


class _LoopState:
    """The part of a client that belongs to one event loop."""

    def __init__(self, app: App, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.lifespan = Lifespan(app)
        self.running: list[_Running] = []
        self._lock = asyncio.Lock()
        self._is_started = False

    async def start(self) -> None:
        async with self._lock:
            if not self._is_started:
                await self.lifespan.start()
                self._is_started = True


class AppClient:
    """A client of an ASGI application, in the event loop of the test.

    The lifespan of the application starts with the first request, and ends with `aclose()`. The fixture `app_client`
    calls that at the end of the test. Elsewhere, use `async with AppClient(app) as client:`.
    """

    __test__ = False

    def __init__(self, app: App) -> None:
        """Create a client. It does nothing before its first request.

        Args:
            app: The application: a callable with the arguments `scope`, `receive` and `send`.

        Raises:
            InvalidArgumentError: A `TypeError`. If it is not callable.
        """
        given: object = app
        if not callable(given):
            rule = "It must be an ASGI application: a callable with the arguments scope, receive and send."
            raise InvalidArgumentError("app", excerpt(given), rule)
        self.app = app
        """The application."""
        self.recutter: ScriptRecutter | None = None
        """The recutter of the reads of pages. None is that of the running test."""
        self.pages: deque[Page | AppWebSocket] | None = None
        """The last pages and WebSockets. None is those of the running test."""
        self._base = sent_deltas()
        self._states: dict[asyncio.AbstractEventLoop, _LoopState] = {}

    @request_context("async with client.stream(...) as page:")
    async def stream(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        content: Content = None,
        headers: RequestHeaders = None,
        read_every: float | None = None,
    ) -> AsyncIterator[Page]:
        """Send a request, and return its page as a context manager.

        The context begins when the head of the response has arrived, or when the application waits for something before
        it sends one. `await page.head()` waits for it. At the end of the context, the client leaves.

        Args:
            method: The HTTP method.
            path: The path with its query, or an address.
            json: A value that is sent as JSON.
            content: The body as text, bytes, or an iterator of bytes whose pieces are sent one by one. As long as the
                iterator waits, the application has a part of the body. If its pieces are shorter than the
                `content-length` in `headers`, the client half-closes the connection in its request, and so it leaves.
            headers: The headers.
            read_every: The seconds between two reads of a slow client: the application waits in `send` until the client
                has read the message before. `math.inf` is a client that reads only for the test's own `read()`. None is
                a client that reads at once.

        Raises:
            InvalidArgumentError: If an argument is invalid (a `TypeError` and a `ValueError`).
            LifespanError: A `RuntimeError`. If the application failed to start.
        """
        body = Body(method, json, content)
        state = await self._started()
        scope = http_scope(method, path, self._headers(headers, body.headers), state.lifespan.state)
        exchange = Exchange(scope)
        page = Page(self.app, exchange, read_every, self._base, self._new_recutter())
        self._note(page)
        with traced(page, scope):
            page.task = self._run(state, exchange, page.request)
        try:
            async with uploading(body, exchange, page.request):
                await page.wait_for_head()
                yield page
        finally:
            end_span(page)
            await page.leave()
            page.stop_reading()

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        content: Content = None,
        headers: RequestHeaders = None,
    ) -> Page:
        """Send a request, read its response to the end, and return the page.

        The arguments are those of `stream`.

        Raises:
            BrokenResponseError: A `ConnectionError`. If the response broke off.
        """
        async with self.stream(method, path, json=json, content=content, headers=headers) as page:
            await page.rest()
        return page

    async def get(self, path: str, *, headers: RequestHeaders = None) -> Page:
        """Send a GET request, as `request` does."""
        return await self.request("GET", path, headers=headers)

    async def post(
        self, path: str, *, json: object = None, content: Content = None, headers: RequestHeaders = None
    ) -> Page:
        """Send a POST request, as `request` does."""
        return await self.request("POST", path, json=json, content=content, headers=headers)

    @request_context("async with client.websocket(...) as socket:")
    async def websocket(
        self,
        path: str,
        *,
        subprotocols: Sequence[str] = (),
        headers: RequestHeaders = None,
        read_every: float | None = None,
    ) -> AsyncIterator[AppWebSocket]:
        """Open a WebSocket, and return it as a context manager. At the end of the context, the client leaves.

        Args:
            path: The path with its query.
            subprotocols: The subprotocols that the client offers.
            headers: The headers.
            read_every: The seconds between two reads of a slow client, as in `stream`.

        Raises:
            InvalidArgumentError: If an argument is invalid (a `TypeError` and a `ValueError`).
            WebSocketRejectedError: A `ConnectionError`. If the application does not accept it.
        """
        state = await self._started()
        offered = [(b"sec-websocket-protocol", ", ".join(subprotocols).encode())] if subprotocols else []
        upgrade = [(b"connection", b"Upgrade"), (b"upgrade", b"websocket"), (b"sec-websocket-version", b"13"), *offered]
        scope = websocket_scope(path, self._headers(headers, upgrade), state.lifespan.state, list(subprotocols))
        exchange = SocketExchange(scope)
        socket = AppWebSocket(exchange, self._base, read_every)
        self._note(socket)
        with traced(socket, scope):
            socket.task = self._run(state, exchange, f"WEBSOCKET {scope['path']}")
        try:
            await asyncio.shield(exchange.accepted)
            yield socket
        finally:
            end_span(socket)
            await socket.leave()

    # The lifespan

    async def aclose(self) -> None:
        """Wait for the end of all requests in this event loop, and shut the application down.

        Requests that go on for five seconds are cancelled. A further request starts the application again.

        Raises:
            CheckFailedError: An `AssertionError`. If requests had to be cancelled.
            LifespanError: A `RuntimeError`. If the application failed to shut down.
        """
        state = self._states.pop(asyncio.get_running_loop(), None)
        if state is None:
            return
        try:
            late, were_left = await _ended(state.running)
        finally:
            await state.lifespan.stop()
        if late:
            raise app_still_running_error(GRACE, late, were_left=were_left)

    @property
    def open_loops(self) -> list[asyncio.AbstractEventLoop]:
        """The event loops in which the application runs."""
        return [loop for loop in self._states if not loop.is_closed()]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.aclose()

    def _new_recutter(self) -> PageRecutter | None:
        recutter = self.recutter or (observers[-1].recutter if observers else None)
        return None if recutter is None else recutter.new_page()

    def _note(self, page: Page | AppWebSocket) -> None:
        """Let a report show a page."""
        pages = self.pages if self.pages is not None else observers[-1].pages if observers else None
        if pages is not None:
            pages.append(page)

    async def _started(self) -> _LoopState:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError as error:
            raise event_loop_required_error("a request to the application") from error
        for closed in [each for each in self._states if each.is_closed()]:
            del self._states[closed]
        state = self._states.get(loop)
        if state is None:
            state = self._states[loop] = _LoopState(self.app, loop)
        await state.start()
        return state

    def _run(self, state: _LoopState, exchange: Exchange | SocketExchange, request: str) -> OwnedTask[None]:
        task: OwnedTask[None] = start_task(exchange.run(self.app), f"streamval app: {request}")
        running = _Running(task, exchange, request)
        state.running.append(running)
        task.add_done_callback(lambda _: state.running.remove(running))
        return task

    def _headers(self, headers: RequestHeaders, more: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """Return the headers of a request. Those that are given replace the others of the same name."""
        given = encoded_headers(headers)
        names = {name for name, _ in given}
        if b"content-length" in names:
            names.add(b"transfer-encoding")
        return [*(each for each in (*_HEADERS, *more) if each[0] not in names), *given]


async def _ended(running: list[_Running]) -> tuple[list[tuple[str, str]], bool]:
    """Wait for the end of tasks, and cancel those that go on.

    Return the requests and the places of these, and whether their clients have left.
    """
    if not running:
        return [], True
    late: list[_Running] = []
    places: list[str] = []
    were_left = True
    try:
        await asyncio.wait([each.task for each in running], timeout=GRACE)
        late = [each for each in running if not each.task.done()]
        places = [location_of(each.task.get_coro()) for each in late]
        were_left = not any(each.exchange.is_open for each in late)
    finally:
        await settle([each.task for each in running])
    return [(each.request, place) for each, place in zip(late, places, strict=True)], were_left
