"""Upstream: a request that is passed on to a real provider, and its answer as it arrives."""

from __future__ import annotations

import asyncio
import ssl
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

import h11

from pytest_streamval.errors import InvalidArgumentError, described, excerpt
from pytest_streamval.http.request import LOOPBACK
from pytest_streamval.server.actions import Break, Frame, Head, Work

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_streamval.recordings.stream_recorder import Tape
    from pytest_streamval.server.connection import Incoming
    from pytest_streamval.server.rendering import Question
    from pytest_streamval.server.actions import Steps

_VERSION = "/v1"
_READ = 65_536  # bytes of one read
_FAILURE = 400  # the lowest status that says failure
# What belongs to one connection, and not to the request or the answer that goes over it.
_OWN = {"connection", "content-length", "expect", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}


class Upstream:
    """Where a real provider is."""

    def __init__(self, url: str) -> None:
        """Take an address.

        Raises:
            InvalidArgumentError: a `ValueError`; it is none, or one to which a key would go in the open.
        """
        given: object = url
        parts = _split(url) if isinstance(given, str) else None
        if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
            raise InvalidArgumentError("upstream", excerpt(given), "it is an address such as https://api.openai.com.")
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            rule = "keys go to it: it is on this machine, or begins with https."
            raise InvalidArgumentError("upstream", excerpt(given), rule)
        self.tls = parts.scheme == "https"
        self.host = parts.hostname
        self.port = parts.port or (443 if self.tls else 80)
        self.netloc = parts.netloc.rpartition("@")[2]
        self._base = parts.path.rstrip("/")

    def target(self, path: str) -> str:
        """Return the path there of a path here."""
        if self._base.endswith(_VERSION) and path.startswith(f"{_VERSION}/"):
            path = path.removeprefix(_VERSION)
        return self._base + path

    def url(self, path: str) -> str:
        """Return the whole address there of a path here."""
        return f"http{'s' if self.tls else ''}://{self.netloc}{self.target(path)}"


class Exchange:
    """One request that is passed on, with a connection of its own."""

    def __init__(
        self,
        upstream: Upstream,
        incoming: Incoming,
        *,
        tape: Tape | None,
        keep: Callable[[], None],
        failed: Callable[[Exception], None],
    ) -> None:
        """Make an exchange; nothing is sent before its first step.

        Args:
            upstream: who is asked.
            incoming: what is asked.
            tape: what records the answer.
            keep: called as soon as all of it is on the tape, and before the client knows that it has all.
            failed: called with what stood in the way, where nobody was reached.
        """
        self.failure: Exception | None = None
        """Why nobody was reached."""
        self._upstream = upstream
        self._incoming = incoming
        self._tape = tape
        self._keep = keep
        self._kept = False
        self._failed = failed
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_READ)
        self._writer: asyncio.StreamWriter | None = None
        self._reader: asyncio.StreamReader
        self._head: h11.Response
        self._data: list[bytes] = []
        self._end = ""  # how the body ended, once it has

    def steps(self, question: Question) -> Steps:
        """Yield the answer, as it arrives."""
        yield Work(self._begin)
        if self.failure is not None:
            yield from question.refusal(502, f"{self._upstream.netloc} cannot be reached: {_told(self.failure)}")
            return
        yield self._head_here()
        while not self._end:
            yield Work(self._more)
            yield from map(Frame, self._data)
        yield Work(self._record)  # behind what has come, and before the end of the body
        if self._end == "broken":
            yield Break("closed")

    def close(self) -> None:
        """Close the connection at once, and note that the client has left if there was more to come."""
        if self._writer is not None:
            self._writer.transport.abort()
            if self._tape is not None:
                self._tape.end("left", "its client went away")
                self._keep_once()

    async def _record(self) -> None:
        self._keep_once()

    def _keep_once(self) -> None:
        if not self._kept:
            self._kept = True
            self._keep()

    async def _begin(self) -> None:
        """Send the request, and read the head of the answer."""
        upstream = self._upstream
        try:
            self._reader, self._writer = await asyncio.open_connection(
                upstream.host, upstream.port, ssl=_tls() if upstream.tls else None
            )
            self._writer.write(self._written())
            self._head = await self._response()
        except (OSError, h11.ProtocolError) as error:
            self.failure = error
            self._failed(error)
            if self._writer is not None:
                self._writer.transport.abort()
                self._writer = None
            return
        if self._tape is not None:
            headers = {name.decode(): value.decode("latin-1") for name, value in self._head.headers}
            self._tape.begin(self._head.status_code, headers)

    def _written(self) -> bytes:
        incoming = self._incoming
        # what is recorded has to be readable, and what is passed on may be cut
        own = [("host", self._upstream.netloc), ("accept-encoding", "identity"), ("connection", "close")]
        if incoming.body:
            own.append(("content-length", str(len(incoming.body))))
        headers = [(name, value) for name, value in incoming.headers if name.lower() not in {*_OWN, "accept-encoding"}]
        target = self._upstream.target(incoming.target)
        request = h11.Request(method=incoming.method, target=target, headers=[*own, *headers])
        parts = [self._http.send(request), self._http.send(h11.Data(data=incoming.body))]
        return b"".join(filter(None, [*parts, self._http.send(h11.EndOfMessage())]))

    async def _response(self) -> h11.Response:
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                self._http.receive_data(await self._reader.read(_READ))
            elif isinstance(event, h11.Response):
                return event
            elif isinstance(event, h11.ConnectionClosed):
                raise ConnectionError("the connection was closed before the answer")

    def _head_here(self) -> Head:
        headers = [(name.decode(), value.decode("latin-1")) for name, value in self._head.headers]
        named = dict(headers)
        length = named.get("content-length")
        return Head(
            self._head.status_code,
            named.get("content-type", "application/octet-stream"),
            tuple((name, value) for name, value in headers if name not in {*_OWN, "content-type"}),
            None if length is None or self._tape is not None else int(length),
        )

    async def _more(self) -> None:
        """Read once, and take what that brings."""
        self._data = []
        try:
            while not self._data and not self._end:
                self._take()
                if not self._data and not self._end:
                    self._http.receive_data(await self._reader.read(_READ))
        except (OSError, h11.ProtocolError) as error:
            self._finish("broken", _told(error))

    def _take(self) -> None:
        """Take all that has come, each piece as a chunk brought it."""
        while True:
            event = self._http.next_event()
            if isinstance(event, h11.Data):
                self._data.append(bytes(event.data))
                if self._tape is not None:
                    self._tape.read(self._data[-1])
            elif isinstance(event, h11.EndOfMessage):
                self._finish("refused" if self._head.status_code >= _FAILURE else "complete")
                return
            else:
                return

    def _finish(self, how: str, why: str = "") -> None:
        self._end = how
        if self._tape is not None:
            seconds = _seconds(self._head.headers) if how == "refused" else None
            self._tape.end(how, why, seconds)


def _split(url: str) -> SplitResult | None:
    """Return the parts of an address; None where it is none, or its port is."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {described(error)}"


def _seconds(headers: Sequence[tuple[bytes, bytes]]) -> float | None:
    """Return the seconds that `Retry-After` asks for, where it says a number."""
    value = dict(headers).get(b"retry-after", b"").decode("latin-1")
    return float(value) if value.replace(".", "", 1).isdecimal() else None


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
