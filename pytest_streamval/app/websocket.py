"""`AppWebSocket`: a WebSocket of an application, from the side of the browser."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from typing import TYPE_CHECKING, Any

from pytest_streamval.app.brief_wait import settle_briefly
from pytest_streamval.app.page import PageRead
from pytest_streamval.app.page_text import PageText
from pytest_streamval.errors import ClosedError, WebSocketClosedError, WebSocketRejectedError
from pytest_streamval.scripting.sent_deltas import sent_deltas

if TYPE_CHECKING:
    from pytest_streamval.app.requests import App, Message, Scope
    from pytest_streamval.transcripts.validated_text import ShownText

_FORBIDDEN = 403
_SERVER_ERROR = 500
_LOST = 1006
_GOING_AWAY = 1001

logger = logging.getLogger("pytest_streamval")


class ClientDisconnected(OSError):  # noqa: N818  # the name in uvicorn
    """Raised in `send` of an application whose client has left, as uvicorn and the ASGI specification do."""


class SocketExchange:
    """A WebSocket from the side of the server, with the behaviour of uvicorn."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.accepted: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        """Resolved with the subprotocol when the application accepts."""
        self.messages: asyncio.Queue[str | bytes | None] = asyncio.Queue()
        """The messages of the application, None after the last."""
        self.close_code = _LOST
        self.close_reason = ""
        self.disconnected = False
        """Whether the client has left."""
        self.error: BaseException | None = None
        self.on_message: Any = None  # called with each message
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._inbox.put_nowait({"type": "websocket.connect"})
        self._is_closed = False
        self._response: tuple[int, deque[bytes]] | None = None

    @property
    def is_open(self) -> bool:
        """Whether the connection is open in both directions."""
        return not (self._is_closed or self.disconnected)

    async def run(self, app: App) -> None:
        """Call the application, and close the connection after its end."""
        try:
            await app(self.scope, self._inbox.get, self.send)
        except (KeyboardInterrupt, SystemExit):
            raise
        except ClientDisconnected:
            return
        except BaseException as error:
            self.error = error
            if getattr(asyncio.current_task(), "stopping", False):
                raise
            logger.exception("The application raised an error on the WebSocket %s.", self.scope["path"])
        finally:
            self._reject(_SERVER_ERROR, b"Internal Server Error")
            self._close()

    def put(self, message: Message) -> None:
        """Send a message of the client to the application."""
        self._inbox.put_nowait(message)

    async def send(self, message: Message) -> None:
        """Take a message of the application.

        Raises:
            ClientDisconnected: An `OSError`. If the client has left.
            RuntimeError: If a message comes in the wrong order.
        """
        if self.disconnected:
            raise ClientDisconnected
        kind = message["type"]
        if not self.accepted.done():
            self._answer_handshake(kind, message)
        elif self._is_closed:
            msg = f"Unexpected ASGI message {kind!r}, after sending 'websocket.close'."
            raise RuntimeError(msg)
        elif kind == "websocket.send":
            data = message.get("bytes")
            sent: str | bytes = message.get("text") or "" if data is None else bytes(data)
            self.on_message(sent)
            self.messages.put_nowait(sent)
        elif kind == "websocket.close":
            self.close_code, self.close_reason = message.get("code", 1000), message.get("reason") or ""
            self._inbox.put_nowait(
                {"type": "websocket.disconnect", "code": self.close_code, "reason": self.close_reason}
            )
            self._close()
        else:
            msg = f"Expected ASGI message 'websocket.send' or 'websocket.close', but got {kind!r}."
            raise RuntimeError(msg)

    def _answer_handshake(self, kind: str, message: Message) -> None:
        if self._response is not None and kind == "websocket.http.response.body":
            status, body = self._response
            body.append(bytes(message.get("body", b"")))
            if not message.get("more_body", False):
                self._reject(status, b"".join(body))
        elif self._response is None and kind == "websocket.accept":
            self.accepted.set_result(message.get("subprotocol"))
        elif self._response is None and kind == "websocket.close":
            self._inbox.put_nowait({"type": "websocket.disconnect", "code": _LOST})
            self._reject(_FORBIDDEN, b"")
        elif self._response is None and kind == "websocket.http.response.start":
            self._response = (message["status"], deque())
        else:
            msg = f"Expected ASGI message 'websocket.accept' or 'websocket.close', but got {kind!r}."
            raise RuntimeError(msg)

    def _reject(self, status: int, body: bytes) -> None:
        if not self.accepted.done():
            self.accepted.set_exception(WebSocketRejectedError(self.scope["path"], status, body))
            self.accepted.exception()  # the client may have left
            self._is_closed = True

    def _close(self) -> None:
        self._is_closed = True
        self.messages.put_nowait(None)


class AppWebSocket:
    """A WebSocket of the application under test, as a browser has it."""

    __test__ = False

    def __init__(self, exchange: SocketExchange, task: asyncio.Task[None], base: int) -> None:
        self.reads: list[PageRead] = []
        """All messages of the application so far, as bytes."""
        self.texts = PageText()
        """The text of all messages in all its forms."""
        self.task = task
        """The task of the application."""
        self._exchange = exchange
        self._base = base
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        exchange.on_message = self._record

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
        if self._exchange.messages.empty():
            self._check_open()
        message = await self._exchange.messages.get()
        if message is None:
            self._exchange.messages.put_nowait(None)  # for the next call
            self._check_open()
            raise self._closed_error()
        return message

    async def receive_json(self) -> Any:  # noqa: ANN401  # any JSON value
        """Return the next message as parsed JSON. The errors are those of `receive`."""
        return json.loads(await self.receive())

    async def leave(self, code: int | None = _GOING_AWAY) -> None:
        """Close the WebSocket, as a browser does when its tab is closed.

        Args:
            code: The code of the close frame, None for a connection that is lost without one.
        """
        if self._exchange.is_open:
            self._exchange.disconnected = True
            message: dict[str, Any] = {"type": "websocket.disconnect", "code": 1005 if code is None else code}
            self._exchange.put(message if code is None else {**message, "reason": ""})
            self._exchange.messages.put_nowait(None)
        await settle_briefly(self.task)

    def _record(self, message: str | bytes) -> None:
        text = message if isinstance(message, str) else message.decode(errors="replace")
        data = message.encode() if isinstance(message, str) else message
        at = round(self._loop.time() - self._began, 6)
        self.reads.append(PageRead(data, at, sent_deltas() - self._base))
        self.texts.add_record(text)

    def _check_open(self) -> None:
        if self._exchange.disconnected:
            msg = f"The client has left the WebSocket {self._exchange.scope['path']}. Open another one."
            raise ClosedError(msg)
        if not self._exchange.is_open:
            raise self._closed_error()

    def _closed_error(self) -> WebSocketClosedError:
        exchange = self._exchange
        return WebSocketClosedError(exchange.scope["path"], exchange.close_code, exchange.close_reason)

    def __repr__(self) -> str:
        return f"<AppWebSocket {self._exchange.scope['path']}, {len(self.reads)} messages received>"
