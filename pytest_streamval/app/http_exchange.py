"""`Exchange`: one HTTP request from the side of the server, with the behaviour of uvicorn."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, cast

from pytest_streamval.app.framing import ResponseFraming
from pytest_streamval.engine.tasks import current_task_is_cancelled

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pytest_streamval.app.asgi_requests import App, Message, Scope

HIGH_WATER = 65_536
"""The bytes of a request's body that a server keeps before it stops to read, as in uvicorn."""

_MOST_DIGITS = 18  # of a length
_ERROR_HEADERS = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]

CURRENT_EXCHANGE: ContextVar[object] = ContextVar("streamval_exchange", default=None)
"""The request or the WebSocket that the running task belongs to."""

logger = logging.getLogger("pytest_streamval")


class Exchange:
    """A request, its response, and the two functions that an application calls.

    The rules are those of uvicorn. `send` waits while the window of the client is full. After the client has left, it
    does nothing, `receive` returns `http.disconnect`, and the task of the application is not cancelled. An error before
    the response is a response with the status 500. A later error breaks the response off.
    """

    def __init__(self, scope: Scope) -> None:
        self.on_change: Callable[[], None]
        """Called when the head, data, or the end of the response has arrived."""
        self.scope = scope
        self.status: int | None = None
        """The status, None before the head of the response."""
        self.headers: list[tuple[bytes, bytes]] = []
        """The headers of the response."""
        self.unread: deque[bytes] = deque()
        """The data that the client has not read."""
        self.is_complete = False
        """Whether the application has sent the end of its response."""
        self.is_broken = False
        """Whether the connection was closed before that."""
        self.disconnected = False
        """Whether the client has left before that."""
        self.error: BaseException | None = None
        """The error that the application raised."""
        self.fault = ""
        """The reason of a broken response, in words."""
        self.late_messages = 0
        """The number of messages that the application sent after the client had left."""
        self.has_window = False
        """Whether the application waits while the client has unread data."""
        self.loop = asyncio.get_running_loop()
        self._body = bytearray()
        self._body_left = _declared_length(scope)  # bytes that the client has announced and not sent
        self._more_body = True
        self._is_started = False  # the application has begun to send a response
        self._framing: ResponseFraming  # from the head of the response on
        self._news = asyncio.Event()  # something for `receive`
        self._drained = asyncio.Event()
        self._body_taken = asyncio.Event()

    @property
    def is_open(self) -> bool:
        """Whether more of the response may come."""
        return not (self.is_complete or self.is_broken or self.disconnected)

    # The client's side

    async def feed(self, data: bytes) -> None:
        """Send a piece of the request's body. Wait while the application has not taken the pieces before it."""
        self._add_to_body(data)
        while len(self._body) > HIGH_WATER and self.is_open:
            self._body_taken.clear()
            await self._body_taken.wait()

    def end_body(self, data: bytes = b"") -> None:
        """Send the end of the request's body."""
        self._more_body = False
        self._add_to_body(data)

    def end_pieces(self) -> None:
        """End a body that was sent in pieces.

        If it has fewer bytes than announced, the client has closed its side of the connection in its request. uvicorn
        closes the other side, too.
        """
        if self._body_left > 0:
            self.disconnect()
        else:
            self.end_body()

    def _add_to_body(self, data: bytes) -> None:
        self._body += data
        self._body_left -= len(data)
        self._news.set()

    def take(self) -> bytes:
        """Return the next unread data, and let the application go on."""
        data = self.unread.popleft()
        if not self.unread:
            self._drained.set()
        return data

    def disconnect(self) -> None:
        """Close the connection from the side of the client. After the response, this has no effect."""
        if self.is_open:
            self.disconnected = True
            self.unread.clear()
            self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._drained.set()
        self._body_taken.set()
        self.on_change()

    # The application's side

    async def run(self, app: App) -> None:
        """Call the application, and end the response if the application did not."""
        CURRENT_EXCHANGE.set(self)
        try:
            result = await cast("Callable[..., Awaitable[Any]]", app)(self.scope, self.receive, self.send)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            self.error = error
            if is_cut_off(error):
                self._break("its task was cancelled")
                raise
            logger.exception("The application raised an error on %s %s.", *self.request)
            await self._end(f"the application raised {type(error).__name__}: {error}")
        else:
            if result is not None:
                self._break(f"the application returned {result!r} instead of None")
            elif not self.is_complete:
                await self._end("the application returned before the end of its response")

    @property
    def request(self) -> tuple[str, str]:
        """The method and the path."""
        return self.scope["method"], self.scope["path"]

    async def receive(self) -> Message:
        """Return the next piece of the request's body, or `http.disconnect` after the client or the response."""
        if not self.disconnected and not self.is_complete:
            await self._news.wait()
            self._news.clear()
        if self.disconnected or self.is_complete:
            return {"type": "http.disconnect"}
        message = {"type": "http.request", "body": bytes(self._body), "more_body": self._more_body}
        self._body.clear()
        self._body_taken.set()
        return message

    async def send(self, message: Message) -> None:
        """Take a message of the application.

        Raises:
            RuntimeError: If a message comes in the wrong order.
        """
        if self.has_window and self.unread and not self.disconnected:
            self._drained.clear()
            await self._drained.wait()
        if self.disconnected:
            self.late_messages += 1
            return
        kind = message["type"]
        if self.status is None:
            _check_kind(kind, "http.response.start")
            if self._is_started:
                msg = "The response has no valid head, so that no message can follow."
                raise RuntimeError(msg)
            self._is_started = True
            self._framing = ResponseFraming(self.scope["method"], message)
            self.headers, self.status = self._framing.headers, self._framing.status
            self.on_change()
        elif self.is_complete:
            msg = f"Unexpected ASGI message {kind!r} sent, after response already completed."
            raise RuntimeError(msg)
        else:
            _check_kind(kind, "http.response.body")
            self._add(message.get("body", b""), is_last=not message.get("more_body", False))

    def _add(self, data: Any, *, is_last: bool) -> None:  # noqa: ANN401  # as the application sends it
        framing = self._framing
        if not framing.has_body:
            data = b""
        if framing.is_limited:
            framing.add(len(data))
        if type(data) is not bytes and (data or framing.is_limited):  # a server never looks at another empty value
            data = b"".join((data,))
        if data:
            self.unread.append(data)
        if is_last:
            framing.end()
        self.is_complete = is_last
        if is_last:
            self._news.set()
            self._body_taken.set()
        self.on_change()

    async def _end(self, fault: str) -> None:
        """End a response that the application did not end."""
        if not self.is_open:
            return
        self.fault = fault
        if not self._is_started:
            await self.send({"type": "http.response.start", "status": 500, "headers": _ERROR_HEADERS})
            await self.send({"type": "http.response.body", "body": b"Internal Server Error"})
        else:
            self._break(fault)

    def _break(self, fault: str) -> None:
        """Close the connection from the side of the server. A client with all announced bytes does not notice it."""
        self.fault = fault
        if self.is_open:
            self.is_complete = self.status is not None and self._framing.is_satisfied
            self.is_broken = not self.is_complete
            self._wake()


def is_cut_off(error: BaseException) -> bool:
    """Return whether the running task ends because its client has stopped it, or its event loop comes to its end."""
    stopped: bool = getattr(asyncio.current_task(), "stopping", False)
    return stopped or (isinstance(error, asyncio.CancelledError) and current_task_is_cancelled())


def _check_kind(kind: str, expected: str) -> None:
    if kind != expected:
        msg = f"Expected ASGI message {expected!r}, but got {kind!r}."
        raise RuntimeError(msg)


def _declared_length(scope: Scope) -> int:
    """Return the length of the request's body in its headers, 0 if they have none."""
    value = dict(scope["headers"]).get(b"content-length", b"")
    return int(value) if value.isdigit() and len(value) <= _MOST_DIGITS else 0
