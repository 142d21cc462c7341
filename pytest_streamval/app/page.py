"""`Page`: the response of an application as a browser receives it, read by read."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pytest_streamval.app.brief_wait import settle_briefly, wait_briefly
from pytest_streamval.app.coded_bodies import ReadDecoder, check_coding, decoded_pieces
from pytest_streamval.app.pace import Pace
from pytest_streamval.app.page_text import BODY, PageText, TextSearch
from pytest_streamval.errors import (
    BrokenResponseError,
    InvalidArgumentError,
    NotJsonError,
    excerpt,
    plural,
    text_missing_error,
)
from pytest_streamval.scripting.sent_deltas import sent_deltas
from pytest_streamval.transcripts.transcript import quoted

if TYPE_CHECKING:
    from pytest_streamval.app.asgi_requests import App, Scope
    from pytest_streamval.app.http_exchange import Exchange
    from pytest_streamval.app.page_spans import PageSpan
    from pytest_streamval.fuzzing.recutting import PageRecutter
    from pytest_streamval.transcripts.validated_text import ShownText
    from pytest_streamval.wire.sse import ServerSentEvent

_FIRST_ERROR = 400  # of the status codes, whose bodies are the application's own words
_MOST_JOINED = 65_536  # bytes of a read, as of a socket's
_DIGITS = 6  # of a second, as a virtual clock shows


class PageRead(NamedTuple):
    """One read of the client."""

    data: bytes
    """The bytes."""
    at: float
    """The seconds since the request."""
    upstream: int
    """The number of deltas that the providers and mocks of the test had sent by then."""


class PageHeaders(Mapping[str, str]):
    """The headers of a response. Names have no case, and the values of a repeated header are joined by a comma."""

    def __init__(self, raw: list[tuple[bytes, bytes]]) -> None:
        self.raw = raw
        """The headers as the application sent them, with names in lower case."""
        self._values: dict[str, str] = {}
        for name, value in raw:
            key, text = name.decode("latin-1"), value.decode("latin-1")
            self._values[key] = f"{self._values[key]}, {text}" if key in self._values else text

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"PageHeaders({self._values!r})"


class Page:
    """The response to one request, as a client receives it.

    The client reads everything as soon as the application sends it, or at the pace of `read_every`. `reads` has every
    read, whether or not the test has taken it with `read()`.
    """

    __test__ = False

    def __init__(
        self,
        app: App,
        exchange: Exchange,
        read_every: float | None,
        base: int,
        recut: PageRecutter | None = None,
    ) -> None:
        """Create a page for a request that begins now.

        Args:
            app: The application.
            exchange: The request, from the server's side.
            read_every: The seconds between two reads, None for a client that is never slow.
            base: The number of deltas that were sent before the test.
            recut: The recutter of the reads, None for one read of each message.
        """
        self.app = app
        """The application."""
        self.began = time.time()
        """When the request began, by the clock of the test."""
        self.ended = math.inf
        """When the response ended for the client."""
        self._exchange = exchange
        exchange.on_change = self.on_change
        self._pace = Pace(read_every, exchange.unread, self._read_now)
        exchange.has_window = self._pace.is_slow
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._base = base
        self.upstream_at_start = self.upstream
        """The number of deltas that had been sent when the request began."""
        self._upstream_at_end: int | None = None
        self.reads: list[PageRead] = []
        """All reads so far."""
        self.task: asyncio.Task[None]
        """The task of the application."""
        self.span: PageSpan | None = None
        """Its span, None without telemetry."""
        self._taken = 0  # the number of reads that the test has taken
        self._recut = recut
        self._last_read = -math.inf  # the time of the last read
        self._texts = PageText()
        self._decoder: ReadDecoder | None = None  # of the body, from the first look at its text on
        self._decoded = 0  # the number of reads that are in `_texts`
        self._is_text_ended = False

    # The response

    @property
    def status(self) -> int | None:
        """The status, or None if the head of the response has not arrived."""
        return self._exchange.status

    @property
    def headers(self) -> PageHeaders:
        """The headers, without any before the head of the response."""
        return PageHeaders(self._exchange.headers)

    @property
    def text(self) -> str:
        """The body so far, as a browser reads it: decompressed, and decoded as UTF-8."""
        return self.texts.text(BODY)

    @property
    def content(self) -> bytes:
        """The bytes of the body so far, as they left the application."""
        return b"".join(read.data for read in self.reads)

    @property
    def decoded_content(self) -> bytes:
        """The bytes of the body so far, decompressed."""
        return b"".join(decoded_pieces(self.headers, (read.data for read in self.reads)))

    @property
    def events(self) -> list[ServerSentEvent]:
        """The server-sent events so far."""
        return self.texts.events

    def json(self) -> Any:  # noqa: ANN401  # any JSON value
        """Return the body as parsed JSON.

        Raises:
            NotJsonError: A `ValueError`. If it is not JSON. It names the content type.
        """
        try:
            return json.loads(self.decoded_content)
        except (ValueError, RecursionError) as error:
            kind = self.headers.get("content-type", "")
            raise NotJsonError(self.request, kind, self.text, len(self.events), str(error)) from error

    @property
    def complete(self) -> bool:
        """Whether the client has read the complete response."""
        return self._exchange.is_complete and not self._exchange.unread

    @property
    def left(self) -> bool:
        """Whether the client left before the end of the response."""
        return self._exchange.disconnected

    @property
    def end(self) -> Literal["complete", "left", "broken"] | None:
        """How the response ended for the client, or None while it goes on."""
        if self.complete:
            return "complete"
        return "left" if self.left else "broken" if self._exchange.is_broken else None

    @property
    def error(self) -> BaseException | None:
        """The error that the application raised, or None."""
        return self._exchange.error

    @property
    def upstream(self) -> int:
        """The number of deltas that the providers and mocks of the test have sent until now."""
        return sent_deltas() - self._base

    @property
    def upstream_at_end(self) -> int:
        """The number of deltas that had been sent when the response ended, or until now."""
        return self.upstream if self._upstream_at_end is None else self._upstream_at_end

    @property
    def scope(self) -> Scope:
        """The scope of the request."""
        return self._exchange.scope

    @property
    def texts(self) -> PageText:
        """The text in all its forms."""
        if self.reads and self._decoder is None:
            self._decoder = ReadDecoder(self.headers)
        for read in self.reads[self._decoded :]:
            self._texts.feed(self._decoder.feed(read.data))  # type: ignore[union-attr]  # there since the first read
        self._decoded = len(self.reads)
        if self.complete and not self._is_text_ended:
            self._is_text_ended = True
            self._texts.end()
        return self._texts

    def snapshot(self) -> str:
        """Return the response as lines that do not depend on its cut: the head, each event or line, and the end."""
        head = f"{self.status} {self.headers.get('content-type', '')}".rstrip()
        if self.events:
            body = [f"{each.event} {quoted(each.data)}" for each in self.events]
        else:
            body = [f"text {quoted(line)}" for line in self.text.splitlines(keepends=True)]
        return "".join(f"{line}\n" for line in (head, *body, self.end or "open"))

    def shown_texts(self) -> list[ShownText]:
        """Return the texts that a browser may show, for `assert_no_unvalidated_text`."""
        check_coding(self.headers)
        texts = self.texts.shown_texts()
        is_error = self.status is not None and self.status >= _FIRST_ERROR
        return [text._replace(is_plain=False) for text in texts] if is_error else texts

    def is_of(self, exchange: object) -> bool:
        """Return whether this is the page of a request."""
        return self._exchange is exchange

    @property
    def request(self) -> str:
        """The method and the path of the request."""
        return " ".join(self._exchange.request)

    # Reading

    async def read(self) -> bytes:
        """Return the bytes of the next read, or `b""` at the end and after the client has left.

        A page with `read_every=math.inf` makes one read for this call.

        Raises:
            BrokenResponseError: A `ConnectionError`. If the response broke off.
        """
        while self._taken == len(self.reads):
            if self._pace.read_for_call():
                continue
            if self._is_ended():
                self._raise_if_broken()
                return b""
            await self._pace.new_waiter()
        self._taken += 1
        return self.reads[self._taken - 1].data

    async def until(self, text: str) -> str:
        """Read until a text has arrived, and return the body so far.

        The text may be in the body, in the joined data of the events, or in the joined strings at one path of JSON.

        Raises:
            BrokenResponseError: A `ConnectionError`. If the response broke off before.
            CheckFailedError: An `AssertionError`. If the response ended without the text.
            InvalidArgumentError: A `TypeError`. If `text` is not a text, or is empty.
        """
        __tracebackhide__ = True
        given: object = text
        if not isinstance(given, str) or not given:
            raise InvalidArgumentError("text", excerpt(given), "It must be a text with at least one character.")
        search = TextSearch(text)
        while not search.is_in(self.texts.forms):
            if self._is_ended():
                self._raise_if_broken()
                end = "was left by its client" if self.left else "ended"
                raise text_missing_error(self.request, text, self.text, end)
            self._taken = len(self.reads)
            await self.read()
        self._taken = len(self.reads)
        return self.text

    async def rest(self) -> bytes:
        """Read to the end, and return the bytes that the test had not taken before.

        Raises:
            BrokenResponseError: A `ConnectionError`. If the response broke off.
        """
        first = self._taken
        while not self._is_ended():
            if not self._pace.read_for_call():
                await self._pace.new_waiter()
        self._taken = len(self.reads)
        self._raise_if_broken()
        return b"".join(read.data for read in self.reads[first:])

    async def head(self) -> int:
        """Wait for the head of the response, and return the status.

        Raises:
            BrokenResponseError: A `ConnectionError`. If the client left, or the test ended, before it came.
        """
        while self.status is None:
            if not self._exchange.is_open:
                raise BrokenResponseError(self.request, self._exchange.fault or "the client has left", "")
            await self._pace.new_waiter()
        return self.status

    async def leave(self) -> None:
        """Close the connection, as a browser does when its tab is closed.

        Then the application runs until it has ended, or waits for something else than its client. It has one second for
        that in real time, and no time on a virtual clock. After the end of the response, there is nothing to leave.
        """
        self._exchange.disconnect()
        await settle_briefly(self.task)

    async def wait_for_head(self) -> None:
        """Wait for the head of the response, as long as the application does not wait for time to pass."""
        while self.status is None and self._exchange.is_open:
            waiter = self._pace.new_waiter()
            await wait_briefly([waiter])
            if not waiter.done():
                return

    def __repr__(self) -> str:
        error = f", {excerpt(self.error)}" if self.error is not None else ""
        return f"<Page {self.request}: {self.status}, {self.end or 'open'}, {plural(len(self.reads), 'read')}{error}>"

    # The client

    def on_change(self) -> None:
        """Read the new data, now or when the next read is due, and wake the readers."""
        self._pace.read_due(self.on_change)
        if self._is_ended() and self._upstream_at_end is None:
            self._upstream_at_end, self.ended = self.upstream, time.time()
            self.stop_reading()
            if self.span is not None:
                self.span.end()
        self._pace.wake()

    def stop_reading(self) -> None:
        """Stop the timer of a slow client."""
        self._pace.stop()

    def _read_now(self) -> None:
        now, data, upstream = self._loop.time(), self._exchange.take(), self.upstream
        for piece, is_cut in [(data, True)] if self._recut is None else self._recut.pieces(data):
            before = b"" if is_cut else self._unseen_of(now)
            self.reads.append(PageRead(before + piece, round(now - self._began, _DIGITS), upstream))
        self._last_read = now

    def _unseen_of(self, now: float) -> bytes:
        """Take the last read back if it came at the same moment and the test has not seen it. Return its data."""
        is_seen = len(self.reads) <= max(self._taken, self._decoded)
        if is_seen or self._last_read != now or len(self.reads[-1].data) >= _MOST_JOINED:
            return b""
        return self.reads.pop().data

    def _is_ended(self) -> bool:
        return not self._exchange.is_open and not self._exchange.unread

    def _raise_if_broken(self) -> None:
        if self._exchange.is_broken:
            raise BrokenResponseError(self.request, self._exchange.fault, self.text) from self.error
