"""`AppWebSocket`: a WebSocket of an application, from the side of the browser."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Literal

from pytest_streamval.app.brief_wait import settle_briefly
from pytest_streamval.app.pace import Pace
from pytest_streamval.app.page import PageRead
from pytest_streamval.app.page_text import PageText
from pytest_streamval.errors import ClosedError, WebSocketClosedError
from pytest_streamval.scripting.sent_deltas import sent_deltas

if TYPE_CHECKING:
    from pytest_streamval.app.page_spans import PageSpan
    from pytest_streamval.app.websocket_exchange import SocketExchange
    from pytest_streamval.transcripts.validated_text import ShownText

_GOING_AWAY = 1001


class AppWebSocket:
    """A WebSocket of the application under test, as a browser has it."""

    __test__ = False

    def __init__(self, exchange: SocketExchange, base: int, read_every: float | None = None) -> None:
        """Create a WebSocket that is opened now.

        Args:
            exchange: The WebSocket, from the side of the server.
            base: The number of deltas that were sent before the test.
            read_every: The seconds between two reads, None for a client that is never slow.
        """
        self.reads: list[PageRead] = []
        """The messages of the application that the client has read, as bytes."""
        self.texts = PageText()
        """The text of all messages in all its forms."""
        self.task: asyncio.Task[None]
        """The task of the application."""
        self.began = time.time()
        """When the WebSocket was opened, by the clock of the test."""
        self.ended = math.inf
        """When it ended for the client."""
        self.span: PageSpan | None = None
        """Its span, None without telemetry."""
        self._exchange = exchange
        self._base = base
        self._messages: deque[str | bytes] = deque()  # those that the test has not taken
        self._pace = Pace(read_every, exchange.unread, self._read_now)
        exchange.has_window = self._pace.is_slow
        exchange.on_change = self._on_change
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()

    @property
    def status(self) -> int | None:
        """The status of the response to the handshake: 101 if the application accepts, None before its answer."""
        return self._exchange.status

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that the application chose."""
        return self._exchange.accepted.result()

    @property
    def text(self) -> str:
        """The joined messages so far, decoded as UTF-8."""
        return b"".join(read.data for read in self.reads).decode(errors="replace")

    def shown_texts(self) -> list[ShownText]:
        """Return the texts that a browser may show, for `assert_no_unvalidated_text`."""
        return self.texts.shown_texts()

    @property
    def request(self) -> str:
        """The path of the WebSocket."""
        return str(self._exchange.scope["path"])

    @property
    def left(self) -> bool:
        """Whether the client left before the application closed the WebSocket."""
        return self._exchange.disconnected

    @property
    def end(self) -> Literal["complete", "left"] | None:
        """How the WebSocket ended for the client: closed by the application, or left, or None while it is open."""
        return "left" if self.left else "complete" if self._is_ended else None

    def is_of(self, exchange: object) -> bool:
        """Return whether this is the client's side of a WebSocket of the server."""
        return self._exchange is exchange

    @property
    def error(self) -> BaseException | None:
        """The error that the application raised, or None."""
        return self._exchange.error

    async def send(self, message: str | bytes) -> None:
        """Send a message, as text or bytes.

        Raises:
            WebSocketClosedError: A `ConnectionError`. If the application has closed the WebSocket.
            ClosedError: A `RuntimeError`. If the client has left.
        """
        self._check_open()
        field = "text" if isinstance(message, str) else "bytes"
        self._exchange.put({"type": "websocket.receive", field: message})

    async def send_json(self, value: object) -> None:
        """Send a value as JSON. The errors are those of `send`."""
        await self.send(json.dumps(value))

    async def receive(self) -> str | bytes:
        """Wait for the next message of the application, and return it.

        Raises:
            WebSocketClosedError: A `ConnectionError`. If the application has closed the WebSocket.
            ClosedError: A `RuntimeError`. If the client has left.
        """
        while not self._messages:
            if not self._pace.read_for_call():
                self._check_open()
                await self._pace.new_waiter()
        return self._messages.popleft()

    async def receive_json(self) -> Any:  # noqa: ANN401  # any JSON value
        """Return the next message as parsed JSON. The errors are those of `receive`."""
        return json.loads(await self.receive())

    async def leave(self, code: int | None = _GOING_AWAY) -> None:
        """Close the WebSocket, as a browser does when its tab is closed.

        Args:
            code: The code of the close frame, None for a connection that is lost without one.
        """
        self._exchange.disconnect(code)
        self._pace.stop()
        await settle_briefly(self.task)

    # The client

    def _on_change(self) -> None:
        """Read the new messages, now or when the next read is due, and wake the readers."""
        self._pace.read_due(self._on_change)
        self._confirm_end()
        self._pace.wake()

    def _confirm_end(self) -> None:
        """Answer the application's close frame, as a browser does when it has read it."""
        if not self._exchange.is_open:
            self.ended = min(self.ended, time.time())
        if self._is_ended and self.span is not None:
            self.span.end()
        if self._is_ended and not self._exchange.disconnected:
            self._loop.call_soon(self._exchange.confirm_close)

    def _read_now(self) -> None:
        message = self._exchange.take()
        text = message if isinstance(message, str) else message.decode(errors="replace")
        data = message.encode() if isinstance(message, str) else message
        at = round(self._loop.time() - self._began, 6)
        self.reads.append(PageRead(data, at, sent_deltas() - self._base))
        self.texts.add_record(text)
        self._messages.append(message)
        self._confirm_end()

    @property
    def _is_ended(self) -> bool:
        return not self._exchange.is_open and not self._exchange.unread

    def _check_open(self) -> None:
        if self._exchange.disconnected:
            msg = f"The client has left the WebSocket {self._exchange.scope['path']}. Open another one."
            raise ClosedError(msg)
        if self._is_ended:
            raise self._closed_error()

    def _closed_error(self) -> WebSocketClosedError:
        exchange = self._exchange
        return WebSocketClosedError(exchange.scope["path"], exchange.close_code, exchange.close_reason)

    def __repr__(self) -> str:
        return f"<AppWebSocket {self._exchange.scope['path']}, {len(self.reads)} messages received>"
