"""A connection of a client: h11 parses its requests, and the actions of the responses are performed."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

import h11

from pytest_streamval.errors import StallTimeoutError
from pytest_streamval.scripting.frozen_time import pause
from pytest_streamval.scripting.sent_deltas import note_sent
from pytest_streamval.scripting.steps import stall
from pytest_streamval.server.actions import Await, Disconnect, Flush, Hang, SendData, SendHead, Sleep
from pytest_streamval.server.incoming_request import IncomingRequest, incoming_request
from pytest_streamval.server.listening import peer_of
from pytest_streamval.server.request_head import (
    HTTP2_REFUSAL,
    LONGEST_HEAD,
    NO_HTTP2,
    Problem,
    Target,
    parse_target,
    problem_of,
    problem_of_syntax,
    rejection,
    too_long_body,
)
from pytest_streamval.virtual_time.external_activity import silent, silent_ends

if TYPE_CHECKING:
    from pytest_streamval.server.actions import Action, Actions, Response
    from pytest_streamval.server.journal import ServedRequest

_BURST = 65_536  # bytes that are sent in one write
_PIPELINED = "A second request came before the response to the first. Wait for it: this server does no pipelining."
_CLOSED_EARLY = Problem(400, "The client closed its side of the connection before the response. Keep it open.")
_SHOWN = 200  # bytes of a request that is no HTTP
_STATUSES = {status.value for status in HTTPStatus}
_WITHOUT_CONTENT = {204, 304}  # statuses whose responses have neither a body nor its length (RFC 9112, 6.3)
_LINGER = 2.0  # seconds for a client to read why its request was rejected, while it is still sending


class Handler(Protocol):
    """The part of a server that a connection calls."""

    body_limit: int
    connections: set[Connection]
    is_closed: bool

    def respond(self, incoming: IncomingRequest) -> tuple[ServedRequest, Response]:
        """Return a request as the journal has it, and the response."""

    def respond_to_error(self, incoming: IncomingRequest, error: Exception) -> tuple[ServedRequest, Response]:
        """Return the same for a request for which `respond` raised an error."""

    def note_rejected(self, incoming: IncomingRequest, problem: Problem) -> None:
        """Add a request to the journal that the connection has rejected."""

    def respond_to_failure(self, request: ServedRequest, error: Exception, *, has_begun: bool) -> Actions:
        """Return the actions after an error in a response."""

    def notify(self) -> None:
        """Report that a request in the journal has changed."""


class Connection(asyncio.Protocol):
    """A connection of a client. Its requests are answered one after the other."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=LONGEST_HEAD)
        self._transport: asyncio.Transport
        self._closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._head: h11.Request | None = None
        self._beginning = b""  # the first bytes of the request, for the journal if it has no head
        self._target = Target("/")
        self._body = bytearray()
        self._request: ServedRequest | None = None  # None if no client can leave it any more
        self.task: asyncio.Task[None] | None = None
        """The task that performs the response, while there is one."""
        self._drained: asyncio.Future[None] | None = None  # resolved when everything that was written is sent
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._pending_deltas = 0
        self._pending_texts: list[str] = []
        self._is_chunked = False
        self._has_no_body = False  # the method is HEAD, or the status has no content
        self._is_ended = False  # nothing more is read

    # Called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start to read requests."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  # for the type checker
        self._transport = transport
        transport.set_write_buffer_limits(0)  # so that `_drained` means that everything is sent
        self._handler.connections.add(self)
        if self._handler.is_closed:
            self.abort()

    def data_received(self, data: bytes) -> None:
        """Parse data of the client."""
        if self._is_ended:
            return
        self._http.receive_data(data)
        if self.task is None:
            self._beginning += data[: max(0, _SHOWN - len(self._beginning))]
            self._parse()
        elif len(self._http.trailing_data[0]) > LONGEST_HEAD:
            self._transport.abort()  # the client pipelines without end

    def eof_received(self) -> bool:
        """Take a client that closes its sending side for one that leaves. Nothing distinguishes the two."""
        if self._is_ended:
            return False
        if self.task is None:
            self._http.receive_data(b"")
            self._parse()
        elif self._request is not None and self._request.status is None:
            self._request.note_refusal(_CLOSED_EARLY.message)
            self._stop_response()
            self._end_with(rejection(_CLOSED_EARLY))
        else:
            self._stop_response()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the response."""
        del exc
        self._is_ended = True
        self._stop_response()
        self.resume_writing()
        self._closed.set_result(None)
        self._handler.connections.discard(self)

    def pause_writing(self) -> None:
        """Make the response wait before the next write."""
        if self._drained is None:
            self._drained = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """Let the response go on."""
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None

    # Called by the server

    def abort(self) -> None:
        """Close the connection at once."""
        self._request = None  # it is not the client that leaves
        self._transport.abort()

    def notice_end(self) -> None:
        """Stop the response if the client has closed its connection, and the event loop did not run since then."""
        number = self._transport.get_extra_info("socket").fileno()
        if number < 0:
            return
        with socket.socket(fileno=os.dup(number)) as copy:
            try:
                has_left = not copy.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError:
                has_left = True
        if has_left:
            self._stop_response()

    async def wait_closed(self) -> None:
        """Wait until the connection is closed and the response has ended."""
        await self._closed
        if self.task is not None:
            await asyncio.wait([self.task])

    # Requests

    def _parse(self) -> None:
        """Handle the events that have arrived, until a request is complete."""
        try:
            while not self._is_ended and self.task is None:
                event = self._http.next_event()
                if not isinstance(event, h11.Event):  # more data, or the response, has to come first
                    return
                if isinstance(event, h11.ConnectionClosed):
                    self._transport.close()
                    return
                self._handle(event)
        except h11.RemoteProtocolError as error:
            self._reject(problem_of_syntax(error))

    def _handle(self, event: h11.Event) -> None:
        if isinstance(event, h11.Request):
            self._head = event
            self._body.clear()
            target = parse_target(event)
            if event.method == b"PRI" and event.http_version == b"2.0":
                self._refuse_http2()
            elif (problem := problem_of(event, self._handler.body_limit)) is not None:
                self._reject(problem)
            elif isinstance(target, Problem):
                self._reject(target)
            else:
                self._target = target
                self._continue()
        elif isinstance(event, h11.Data):
            self._body += event.data
            if len(self._body) > self._handler.body_limit:
                self._reject(Problem(413, too_long_body(self._handler.body_limit)))
        else:  # the end of the message
            self._start_response()

    def _continue(self) -> None:
        """Send a 100 to a client that waits for it before it sends the body."""
        if self._http.they_are_waiting_for_100_continue:
            self._transport.write(self._http.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")

    def _start_response(self) -> None:
        """Start the response to a complete request."""
        if self._is_pipelined():
            self._reject(Problem(400, _PIPELINED))
            return
        assert self._head is not None  # noqa: S101  # for the type checker
        head = self._head
        target = self._target
        incoming = incoming_request(
            head, target.path, bytes(self._body), names_address=target.names_address, peer=peer_of(self._transport)
        )
        try:
            self._request, response = self._handler.respond(incoming)
        except Exception as error:  # noqa: BLE001  # no request may go without an answer
            self._request, response = self._handler.respond_to_error(incoming, error)
        name = f"streamval server: {self._request.method} {self._request.path}"
        self.task = asyncio.get_running_loop().create_task(self._respond(self._request, response), name=name)
        self.task.add_done_callback(partial(self._note_end, self._request))

    def _is_pipelined(self) -> bool:
        return bool(self._http.trailing_data[0].strip(b"\r\n"))

    def _reject(self, problem: Problem) -> None:
        """Respond with an error, and read nothing more from this client."""
        self._note_rejected(problem)
        has_no_body = self._head is not None and self._head.method == b"HEAD"
        self._end_with(rejection(problem, has_body=not has_no_body))

    def _refuse_http2(self) -> None:
        """Respond in HTTP/2, the only language that the client reads."""
        self._note_rejected(Problem(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, NO_HTTP2))
        self._end_with(HTTP2_REFUSAL)

    def _note_rejected(self, problem: Problem) -> None:
        """Keep a rejected request in the journal. One that is no HTTP has its first line in the place of the path."""
        if self._head is not None:
            incoming = incoming_request(self._head, self._head.target.decode("latin-1"), peer=peer_of(self._transport))
        else:
            incoming = IncomingRequest("", self._beginning.partition(b"\n")[0].decode("latin-1").rstrip(), [], b"")
        self._handler.note_rejected(incoming, problem)

    def _end_with(self, data: bytes) -> None:
        """Send the last bytes of a connection."""
        self._is_ended = True
        self._transport.write(data)
        self._transport.write_eof()
        # an immediate close would reset a connection on which the client still sends, before it reads the response
        asyncio.get_running_loop().call_later(_LINGER, self._transport.abort)

    # Responses

    async def _respond(self, request: ServedRequest, response: Response) -> None:
        try:
            await asyncio.sleep(0)  # so that a client that has left already is noticed first
            await self._perform_all(request, response.actions)
        except Exception as error:  # noqa: BLE001  # scripts and rules may raise anything, and the server goes on
            has_begun = request.status is not None
            await self._perform_all(request, self._handler.respond_to_failure(request, error, has_begun=has_begun))
        finally:
            await response.close()
        if self._transport.is_closing():
            return
        self.task = None
        self._handler.notify()
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            self._transport.close()
        elif self._is_pipelined():
            self._head, self._beginning = None, self._http.trailing_data[0][:_SHOWN]
            self._reject(Problem(400, _PIPELINED))
        else:
            self._request = self._head = None
            self._beginning = b""
            self._http.start_next_cycle()
            self._parse()

    def _note_end(self, request: ServedRequest, task: asyncio.Task[None]) -> None:
        """Note that the producer of a response has ended, even if its task never took a step."""
        del task
        request.ended = True
        self._handler.notify()

    async def _perform_all(self, request: ServedRequest, actions: Actions) -> None:
        for action in actions:
            if type(action) is SendData:
                self._add_data(action)
                if self._pending_bytes >= _BURST:
                    await self._flush(request)
                    await asyncio.sleep(0)  # for the other connections
            elif type(action) is SendHead:
                self._add_head(request, action)
            else:
                await self._flush(request)
                await self._perform(action)
                if self._transport.is_closing():
                    return
        if self._is_chunked:
            self._pending.append(self._http.send(h11.EndOfMessage()) or b"")
        else:
            self._http.send(h11.EndOfMessage())
        request.finished = True
        await self._flush(request)

    def _add_head(self, request: ServedRequest, head: SendHead) -> None:
        has_no_content = head.status in _WITHOUT_CONTENT
        is_chunked = head.length is None and not has_no_content
        framing = [("transfer-encoding", "chunked")] if is_chunked else [("content-length", str(head.length))]
        headers = [("content-type", head.media_type), *head.headers, *([] if has_no_content else framing)]
        reason = HTTPStatus(head.status).phrase if head.status in _STATUSES else ""
        sent = self._http.send(h11.Response(status_code=head.status, headers=headers, reason=reason))
        # h11 sends such a body to a client of HTTP/1.0 without a length, and closes the connection after it
        self._is_chunked = is_chunked and (self._head is None or self._head.http_version != b"1.0")
        self._has_no_body = has_no_content or (self._head is not None and self._head.method == b"HEAD")
        request.status = head.status  # not before, as h11 rejects an impossible head
        self._pending.append(sent or b"")

    def _add_data(self, action: SendData) -> None:
        data = action.data
        if data and not self._has_no_body:
            size = len(data)
            self._pending_bytes += size
            chunk = b"%x\r\n%b\r\n" % (size, data) if self._is_chunked else self._http.send(h11.Data(data=data))
            self._pending.append(chunk)
        self._pending_deltas += action.deltas
        self._pending_texts += [action.text] if action.deltas else ()

    async def _flush(self, request: ServedRequest) -> None:
        """Send everything that is pending in one write, and wait until it is sent."""
        if self._pending_deltas:
            request.note_deltas(self._pending_deltas, self._pending_texts)
            note_sent(self._pending_deltas)
            self._pending_deltas, self._pending_texts = 0, []
        if not self._pending:
            return
        request.bytes_sent += self._pending_bytes
        self._pending_bytes = 0
        self._transport.write(b"".join(self._pending))
        self._pending.clear()
        if self._drained is not None:
            await self._drained

    async def _perform(self, action: Action) -> None:
        if isinstance(action, Flush):
            await asyncio.sleep(0)
        elif isinstance(action, Sleep):
            await pause(action.seconds)
        elif isinstance(action, Await):
            await action.function()
        elif isinstance(action, Disconnect):
            self._disconnect(action)
        elif isinstance(action, Hang):
            ends = silent_ends(*map(self._transport.get_extra_info, ("sockname", "peername")))
            try:
                with silent(ends):
                    await stall(action.place)
            except StallTimeoutError:  # it fails the test, and the client sees a closed connection
                self._disconnect(Disconnect("closed"))

    def _disconnect(self, action: Disconnect) -> None:
        self._is_ended = True
        if self._request is not None:
            self._request.ended = True  # before its client can see the end
        self._request = None  # it is not the client that leaves
        if action.how == "reset":
            # a connection that does not linger is reset when it is closed
            self._transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
            self._transport.abort()
        else:
            self._transport.close()

    def _stop_response(self) -> None:
        """Note that the client has left, and stop the response."""
        if self.task is not None and not self.task.done():
            if self._request is not None and not self._request.finished:
                self._request.client_disconnected = True
            self.task.cancel()
            self._handler.notify()
