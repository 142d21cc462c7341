"""`SocketExchange`: one WebSocket from the side of the server, with the behaviour of uvicorn."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING

from pytest_streamval.app.http_exchange import CURRENT_EXCHANGE, is_cut_off
from pytest_streamval.errors import ClientDisconnected, WebSocketRejectedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_streamval.app.asgi_requests import App, Message, Scope

_SWITCHED, _FORBIDDEN = 101, 403
_SERVER_ERROR = 500
_LOST, _NO_CODE = 1006, 1005

logger = logging.getLogger("pytest_streamval")


class SocketExchange:
    """A WebSocket from the side of the server.

    The rules are those of uvicorn. `send` waits while the window of the client is full. After the client has left, it
    raises an `OSError`, `receive` returns `websocket.disconnect`, and the task of the application is not cancelled.
    """

    def __init__(self, scope: Scope) -> None:
        self.on_change: Callable[[], None]
        """Called when a message or the end has arrived."""
        self.scope = scope
        self.accepted: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        """Resolved with the subprotocol when the application accepts."""
        self.unread: deque[str | bytes] = deque()
        """The messages that the client has not read."""
        self.has_window = False
        """Whether the application waits while the client has unread messages."""
        self.status: int | None = None
        """The status of the response to the handshake, None before it."""
        self.close_code = _LOST
        self.close_reason = ""
        self.disconnected = False
        """Whether the client has left."""
        self.error: BaseException | None = None
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._inbox.put_nowait({"type": "websocket.connect"})
        self._drained = asyncio.Event()
        self._is_closed = False
        self._is_lost = False  # whether the client has closed its side, too
        self._is_paused = False  # whether a message waits for `receive`, so that the server reads nothing after it
        self._unnoticed: list[int | None] = []  # the code with which the client left meanwhile
        self._response: tuple[int, deque[bytes]] | None = None

    @property
    def is_open(self) -> bool:
        """Whether the connection is open in both directions."""
        return not (self._is_closed or self.disconnected)

    # The client's side

    def put(self, message: Message) -> None:
        """Send a message of the client to the application."""
        self._is_paused = True
        self._inbox.put_nowait(message)

    def take(self) -> str | bytes:
        """Return the next unread message, and let the application go on."""
        message = self.unread.popleft()
        if not self.unread:
            self._drained.set()
        return message

    def disconnect(self, code: int | None) -> None:
        """Close the connection from the side of the client. After the end, this has no effect.

        Args:
            code: The code of the close frame, None for a connection that is lost without one.
        """
        if not self.is_open:
            return
        self.disconnected = True
        self.unread.clear()
        self._drained.set()
        if self._is_paused:
            self._unnoticed.append(code)
        else:
            self._notice(code)
        self.on_change()

    def confirm_close(self) -> None:
        """Close the connection from the side of the client, which has read the application's close frame."""
        if not self._is_lost:
            self._lose()

    def _notice(self, code: int | None) -> None:
        """Tell the application that its client has left."""
        if code is not None and self.accepted.done():
            self._inbox.put_nowait({"type": "websocket.disconnect", "code": code, "reason": ""})
        self._lose()

    def _lose(self) -> None:
        self._unnoticed.clear()
        self._is_lost = True
        code = _NO_CODE if self.accepted.done() else _LOST
        self._inbox.put_nowait({"type": "websocket.disconnect", "code": code})

    # The application's side

    async def run(self, app: App) -> None:
        """Call the application, and close the connection after its end."""
        CURRENT_EXCHANGE.set(self)
        try:
            await app(self.scope, self.receive, self.send)
        except (KeyboardInterrupt, SystemExit):
            raise
        except ClientDisconnected:
            return
        except BaseException as error:
            self.error = error
            if is_cut_off(error):
                raise
            logger.exception("The application raised an error on the WebSocket %s.", self.scope["path"])
        finally:
            self._reject(_SERVER_ERROR, b"Internal Server Error")
            self._close()

    async def receive(self) -> Message:
        """Return the next message of the client, or `websocket.disconnect`."""
        message = await self._inbox.get()
        if self._inbox.empty():
            self._is_paused = False
            if self._unnoticed:
                self._notice(self._unnoticed[0])
        return message

    async def send(self, message: Message) -> None:
        """Take a message of the application.

        Raises:
            ClientDisconnected: An `OSError`. If the client has left.
            RuntimeError: If a message comes in the wrong order.
        """
        if self.has_window and self.unread:
            self._drained.clear()
            await self._drained.wait()
        if self._is_lost:
            raise ClientDisconnected
        if self._unnoticed:  # the first message to a closed connection is lost without an error
            self._lose()
            return
        kind = message["type"]
        if not self.accepted.done():
            self._answer_handshake(kind, message)
        elif self._is_closed:
            msg = f"Unexpected ASGI message {kind!r}, after sending 'websocket.close'."
            raise RuntimeError(msg)
        elif kind == "websocket.send":
            data = message.get("bytes")
            sent: str | bytes = message.get("text") or "" if data is None else bytes(data)
            self.unread.append(sent)
            self.on_change()
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
            self.status = _SWITCHED
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
            self.status = status
            self.accepted.set_exception(WebSocketRejectedError(self.scope["path"], status, body))
            self.accepted.exception()  # the client may have left
            self._is_closed = True

    def _close(self) -> None:
        self._is_closed = True
        self.on_change()
