"""A connection: requests come in by h11, and steps go out as bytes."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import struct
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple, Protocol
from urllib.parse import urlsplit

import h11

from pytest_streamval.errors import StallTimeoutError
from pytest_streamval.scripting.steps import stall
from pytest_streamval.server.actions import Break, Frame, Head, Pause, Silence, Turn, Work

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pytest_streamval.server.actions import Step, Steps
    from pytest_streamval.server.journal import ServedRequest

logger = logging.getLogger("pytest_streamval.server")

LONGEST_HEAD = 65_536
"""The bytes of a request's head that are read."""

_BURST = 65_536  # bytes that go out in one write
_TOO_LONG = f"The head of the request is longer than {LONGEST_HEAD:,} bytes, the limit of this server."
_STATUSES = {status.value for status in HTTPStatus}
_LINGER = 2.0  # seconds for a client to read why its request was refused, while it is still sending


class Incoming(NamedTuple):
    """A whole request."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes


class Site(Protocol):
    """What a connection belongs to."""

    body_limit: int
    connections: set[Connection]

    def answer(self, incoming: Incoming) -> tuple[ServedRequest, Steps, Callable[[], Awaitable[None]]]:
        """Return the entry of a request, its answer, and the function to await when that has ended."""

    def failed(self, entry: ServedRequest, error: Exception, *, begun: bool) -> Steps:
        """Return what follows where the answer cannot go on."""

    def note(self) -> None:
        """Be told that an entry has changed."""


class Connection(asyncio.Protocol):
    """One connection of a client; its requests are answered one after the other."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=LONGEST_HEAD)
        self._transport: asyncio.Transport
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()  # resolved when it is closed
        self._request: h11.Request | None = None
        self._body = bytearray()
        self._entry: ServedRequest | None = None
        self.task: asyncio.Task[None] | None = None
        """What answers the request, as long as it does."""
        self._room: asyncio.Future[None] | None = None  # resolved when all that was written is gone
        self._due: list[bytes] = []
        self._size = 0
        self._deltas = 0
        self._chunked = False
        self._is_head = False  # the method is HEAD, whose answer has no body
        self._ended = False  # nothing more is read

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  # for the type checker
        self._transport = transport
        transport.set_write_buffer_limits(0)  # so that `_room` means that all is gone
        self._site.connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        if self._ended:
            return
        self._http.receive_data(data)
        if self.task is None:
            self._advance()
        elif len(self._http.trailing_data[0]) > LONGEST_HEAD:
            self._transport.abort()  # it pipelines more than anybody would keep

    def eof_received(self) -> bool:
        """Take a client that says nothing more for one that leaves, as nothing tells the two apart."""
        if self._ended:
            return False
        if self.task is None:
            self._http.receive_data(b"")
            self._advance()
        elif self._entry is not None and self._entry.status is None:
            self._leave()
            self._refuse(400, "The client closed its side of the connection before the answer. Keep it open.")
        else:
            self._leave()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """End whatever goes on."""
        del exc
        self._ended = True
        self._leave()
        self.resume_writing()
        self._lost.set_result(None)
        self._site.connections.discard(self)

    def pause_writing(self) -> None:
        """Wait before the next write."""
        if self._room is None:
            self._room = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """Go on."""
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        self._room = None

    def abort(self) -> None:
        """Close at once."""
        self._entry = None  # it is not the client who leaves
        self._transport.abort()

    async def ended(self) -> None:
        """Wait until it is closed, and what it was doing has ended."""
        await self._lost
        if self.task is not None:
            await asyncio.wait([self.task])

    # Requests

    def _advance(self) -> None:
        """Take the events that are there, until a request is whole."""
        try:
            while not self._ended and self.task is None:
                event = self._http.next_event()
                if not isinstance(event, h11.Event):  # there is none before more data, or before the answer
                    return
                if isinstance(event, h11.ConnectionClosed):
                    self._transport.close()
                    return
                self._take(event)
        except h11.RemoteProtocolError as error:
            self._refuse(error.error_status_hint, _fault(error))

    def _take(self, event: h11.Event) -> None:
        if isinstance(event, h11.Request):
            self._request = event
            self._body.clear()
            if len(event.target) + sum(len(name) + len(value) + 4 for name, value in event.headers) > LONGEST_HEAD:
                self._refuse(431, _TOO_LONG)  # which h11 takes where it comes in one read
            elif event.http_version != b"1.1":
                version = event.http_version.decode()
                self._refuse(426, f"The request speaks HTTP/{version}; this server speaks HTTP/1.1.")
            elif self._http.they_are_waiting_for_100_continue:
                self._transport.write(self._http.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
        elif isinstance(event, h11.Data):
            self._body += event.data
            if len(self._body) > self._site.body_limit:
                self._refuse(413, f"The body is longer than {self._site.body_limit:,} bytes, the limit of this server.")
        else:  # the end of the message
            self._begin()

    def _begin(self) -> None:
        """Answer a request that is whole."""
        if self._http.trailing_data[0].strip(b"\r\n"):
            self._refuse(400, "A second request came before the answer to the first. Wait for it: no pipelining here.")
            return
        assert self._request is not None  # noqa: S101  # for the type checker
        request = self._request
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers]
        target = _path_in(request.target.decode("latin-1"))
        incoming = Incoming(request.method.decode(), target, headers, bytes(self._body))
        self._is_head = incoming.method == "HEAD"
        self._entry, steps, close = self._site.answer(incoming)
        name = f"streamval server: {self._entry.method} {self._entry.path}"
        self.task = asyncio.get_running_loop().create_task(self._answer(self._entry, steps, close), name=name)
        self.task.add_done_callback(partial(self._note_end, self._entry))

    def _refuse(self, status: int, message: str) -> None:
        """Say what is wrong with a request, and take no more from this client."""
        self._ended = True
        kind = "invalid_request_error"
        body = json.dumps({"error": {"message": message, "type": kind, "param": None, "code": None}}).encode()
        upgrade = "upgrade: HTTP/1.1\r\n" if status == HTTPStatus.UPGRADE_REQUIRED else ""
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{upgrade}content-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self._transport.write(head.encode() + body)
        self._transport.write_eof()
        # closed now, what the client is still sending would be answered by a reset, which may overtake the refusal
        asyncio.get_running_loop().call_later(_LINGER, self._transport.abort)

    # Answers

    async def _answer(self, entry: ServedRequest, steps: Steps, close: Callable[[], Awaitable[None]]) -> None:
        try:
            await asyncio.sleep(0)  # a client that has left already is noticed first
            await self._play(entry, steps)
        except Exception as error:  # noqa: BLE001  # whatever a script or a rule holds, the server goes on
            await self._fail(entry, error)
        finally:
            await close()
        if self._transport.is_closing():
            return
        self.task = None
        self._site.note()
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            if self._http.trailing_data[0].strip(b"\r\n"):
                self._refuse(400, "A second request came before the answer to the first. Wait for it: no pipelining.")
                return
            self._entry = None
            self._http.start_next_cycle()
            self._advance()
        else:
            self._transport.close()

    def _note_end(self, entry: ServedRequest, task: asyncio.Task[None]) -> None:
        """Note that the producer of an answer has ended, even if its task never took a step."""
        del task
        entry.ended = True
        self._site.note()

    async def _fail(self, entry: ServedRequest, error: Exception) -> None:
        await self._play(entry, self._site.failed(entry, error, begun=entry.status is not None))

    async def _play(self, entry: ServedRequest, steps: Steps) -> None:
        """Do what the steps say."""
        for step in steps:
            if type(step) is Frame:
                self._add(step)
                if self._size >= _BURST:
                    await self._flush(entry)
                    await asyncio.sleep(0)  # others have their turn
            elif type(step) is Head:
                self._add_head(entry, step)
            else:
                await self._flush(entry)
                await self._wait(step)
                if self._transport.is_closing():
                    return
        if self._chunked:
            self._due.append(self._http.send(h11.EndOfMessage()) or b"")
        else:
            self._http.send(h11.EndOfMessage())
        entry.finished = True
        await self._flush(entry)

    def _add_head(self, entry: ServedRequest, head: Head) -> None:
        entry.status = head.status
        self._chunked = head.length is None
        framing = ("transfer-encoding", "chunked") if head.length is None else ("content-length", str(head.length))
        headers = [("content-type", head.media_type), framing, *head.headers]
        self._due.append(
            self._http.send(h11.Response(status_code=head.status, headers=headers, reason=_reason(head.status))) or b""
        )

    def _add(self, frame: Frame) -> None:
        data = frame.data
        if data and not self._is_head:
            size = len(data)
            self._size += size
            self._due.append(b"%x\r\n%b\r\n" % (size, data) if self._chunked else self._http.send(h11.Data(data=data)))
        self._deltas += frame.deltas

    async def _flush(self, entry: ServedRequest) -> None:
        """Write what is due, in one write, and wait until it is gone."""
        if self._deltas:
            entry.deltas_sent += self._deltas
            entry.deltas_late += self._deltas if entry.client_disconnected else 0
            self._deltas = 0
        if not self._due:
            return
        entry.bytes_sent += self._size
        self._size = 0
        self._transport.write(b"".join(self._due))
        self._due.clear()
        if self._room is not None:
            await self._room

    async def _wait(self, step: Step) -> None:
        if isinstance(step, Turn):
            await asyncio.sleep(0)
        elif isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
        elif isinstance(step, Work):
            await step.wait()
        elif isinstance(step, Break):
            self._break(step)
        elif isinstance(step, Silence):
            try:
                await stall(step.place)
            except StallTimeoutError:  # which fails the test; the client sees what it can see
                self._break(Break("closed"))

    def _break(self, step: Break) -> None:
        self._ended = True
        self._entry = None  # it is not the client who leaves
        if step.how == "reset":
            # a connection that does not linger is reset when it is closed
            self._transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
            self._transport.abort()
        else:
            self._transport.close()

    def _leave(self) -> None:
        """Note that the client has left, and stop what was done for it."""
        if self.task is not None and not self.task.done():
            if self._entry is not None and not self._entry.finished:
                self._entry.client_disconnected = True
            self.task.cancel()
            self._site.note()


def _fault(error: h11.RemoteProtocolError) -> str:
    """Return what is wrong with a request that is none."""
    if error.error_status_hint == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE:
        return _TOO_LONG
    return f"The request is no HTTP/1.1, or ends too early: {error}."


def _path_in(target: str) -> str:
    """Return the path of a target, which names the whole address where a client thinks of a proxy (RFC 9112, 3.2.2)."""
    if not target.lower().startswith(("http://", "https://")):
        return target
    parts = urlsplit(target)
    return f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"


def _reason(status: int) -> str:
    return HTTPStatus(status).phrase if status in _STATUSES else ""
