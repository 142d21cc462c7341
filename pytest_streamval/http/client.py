"""The HTTP client: it sends a request, repeats it if that may help, and yields the bytes of the response at once."""

from __future__ import annotations

import asyncio
import logging
import random
import sys
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol, Self

from pytest_streamval.errors import (
    ProviderStatusError,
    ProviderTimeoutError,
    ProviderUnreachableError,
    UndecodableBodyError,
)
from pytest_streamval.http.connection import HttpConnection
from pytest_streamval.http.content_coding import body_decoder, describes_coded_body
from pytest_streamval.http.response_info import response_info
from pytest_streamval.http.secrets import Secrets
from pytest_streamval.http.secrets.key_shapes import prepare_shapes

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping
    from contextlib import AbstractAsyncContextManager

    from pytest_streamval.http.content_coding import BodyDecoder
    from pytest_streamval.http.pool import ConnectionPool
    from pytest_streamval.http.request import HttpRequest

logger = logging.getLogger("pytest_streamval.live")

# Besides every 5xx, also those that the proxies of providers made up, such as 529 (overloaded) and 520 to 530. The
# official clients of OpenAI and Anthropic send the same ones again.
_RETRIED = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS}
_FIRST_PAUSE = 0.5  # seconds before the first retry, doubled for each further one
_LONGEST_PAUSE = 8.0  # seconds, if the provider names none
_LONGEST_WAIT = 60.0  # seconds that a provider may ask for; a request that must wait longer fails at once
_LONGEST_REFUSAL = 65_536  # bytes of an error's body that are read


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Time limits in seconds. None is no limit."""

    connect: float | None = 10.0
    """For the connection."""
    first_byte: float | None = 120.0
    """From the request to the first byte of the response's body. The provider may have to load a model."""
    between: float | None = 60.0
    """From one read to the next."""


@dataclass(frozen=True, slots=True, repr=False)
class HttpResponse:
    """The head of a response, and its body as it arrives. Its `repr` has no headers."""

    status: int
    """The status code."""
    headers: Mapping[str, str]
    """The headers."""
    reads: AsyncIterator[bytes]
    """The bytes of each read, without delay. They can be read once."""

    def __repr__(self) -> str:
        return f"<HttpResponse {self.status}>"


def decoded_response(response: HttpResponse) -> HttpResponse:
    """Return a response whose body is not compressed. A transport of the user's own may hand on a compressed one.

    Raises:
        UndecodableBodyError: A `ValueError`. If its coding is unknown. A read raises it if the data is invalid.
    """
    decoder = body_decoder(response.headers)
    if decoder is None:
        return response
    headers = {name: value for name, value in response.headers.items() if not describes_coded_body(name)}
    return HttpResponse(response.status, headers, _DecodedReads(response.reads, decoder))


class _DecodedReads:
    """The decoded bytes of each read."""

    def __init__(self, reads: AsyncIterator[bytes], decoder: BodyDecoder) -> None:
        self._reads = reads
        self._decoder = decoder

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        while not (decoded := self._decoder.feed(await anext(self._reads))):
            pass
        return decoded


class Transport(Protocol):
    """A carrier of requests: the network, or a recording of it."""

    def stream(self, request: HttpRequest, *, provider: str) -> AbstractAsyncContextManager[HttpResponse]:
        """Send a request. Leaving the context closes its connection at once."""


class HttpTransport:
    """A transport over the network."""

    def __init__(
        self,
        timeouts: Timeouts | None = None,
        *,
        retries: int = 2,
        secrets: Secrets | None = None,
        pool: ConnectionPool | None = None,
    ) -> None:
        """Create a transport.

        Args:
            timeouts: The time limits.
            retries: How often a request is sent again that failed before the first byte of a response's body.
            secrets: The values that must not appear in errors.
            pool: The connections that requests reuse, or None for a new one for each request.
        """
        self.pool = pool
        self.timeouts = timeouts or Timeouts()
        self.retries = retries
        self.secrets = secrets or Secrets()

    @asynccontextmanager
    async def stream(self, request: HttpRequest, *, provider: str) -> AsyncIterator[HttpResponse]:
        """Send a request. Repeat it if that may help and no byte of the body has arrived.

        Raises:
            ProviderUnreachableError: A `ConnectionError`. If there is no connection, or it broke.
            ProviderTimeoutError: A `TimeoutError`. If nothing arrived in time.
            ProviderStatusError: If the provider answered with an error.
            UndecodableBodyError: A `ValueError`. If the body came compressed, and cannot be decoded.
            MissingExtraError: An `ImportError`. If httpx2 is not installed.
        """
        # While the request is on its way: the first use of these takes longer than a token of a fast model.
        asyncio.get_running_loop().call_soon(prepare_shapes)
        attempts = _Attempts(self, _with_trace(request), provider)
        async with AsyncExitStack() as stack:
            connection, first = await attempts.first_success(stack)
            reads = await stack.enter_async_context(aclosing(attempts.reads(connection, first)))
            yield HttpResponse(connection.status, connection.fields, reads)


class _Attempts:
    """The attempts at one request."""

    def __init__(self, transport: HttpTransport, request: HttpRequest, provider: str) -> None:
        self._pool = transport.pool
        self._timeouts = transport.timeouts
        self._retries = transport.retries
        self._secrets = transport.secrets
        self._request = request
        self._provider = provider

    async def first_success(self, stack: AsyncExitStack) -> tuple[HttpConnection, bytes | None]:
        """Return a connection and the first bytes of a body, None if it is empty. The stack closes the connection."""
        for attempt in range(self._retries + 1):
            async with AsyncExitStack() as opened:
                try:
                    found = await self._attempt(opened)
                except (ProviderUnreachableError, ProviderTimeoutError, ProviderStatusError) as error:
                    pause = self._pause(error, attempt)
                    if pause is None:
                        raise
                    failure = error
                else:
                    stack.push_async_exit(opened.pop_all())
                    return found
            logger.info("%s; the request is sent again in %.1f s.", failure, pause)
            await asyncio.sleep(pause)
        raise AssertionError  # pragma: no cover  # the last attempt returns or raises

    async def _attempt(self, opened: AsyncExitStack) -> tuple[HttpConnection, bytes | None]:
        connection = HttpConnection(
            self._request,
            provider=self._provider,
            secrets=self._secrets,
            connect_timeout=self._timeouts.connect,
            pool=self._pool,
        )
        opened.push_async_callback(connection.aclose)
        try:
            async with asyncio.timeout(self._timeouts.first_byte):
                return await self._first_read(connection)
        except ProviderTimeoutError:
            raise
        except TimeoutError:
            raise self._timeout("the first byte", self._timeouts.first_byte) from None

    async def _first_read(self, connection: HttpConnection) -> tuple[HttpConnection, bytes | None]:
        try:
            await connection.open()
            if _is_success(connection):
                return connection, await connection.read()
            message = self._secrets.text((await self._error_body(connection)).decode(errors="replace"))
        except UndecodableBodyError as error:
            if _is_success(connection):
                raise
            message = str(error)  # the status says more than the body
        info = response_info(connection.status, connection.fields, self._secrets)
        address = self._secrets.url(self._request.url)
        refusal = ProviderStatusError(self._provider, address, info.status, message, info.retry_after)
        raise refusal.with_response(info)

    async def reads(self, connection: HttpConnection, first: bytes | None) -> AsyncGenerator[bytes]:
        """Yield the bytes of each read."""
        data = first
        while data is not None:
            yield data
            try:
                async with asyncio.timeout(self._timeouts.between):
                    data = await connection.read()
            except TimeoutError:
                raise self._timeout("more of the answer", self._timeouts.between) from None

    async def _error_body(self, connection: HttpConnection) -> bytes:
        body = b""
        while len(body) <= _LONGEST_REFUSAL and (data := await connection.read()) is not None:
            body += data
        return body[:_LONGEST_REFUSAL]

    def _timeout(self, awaited: str, seconds: float | None) -> ProviderTimeoutError:
        return ProviderTimeoutError(self._provider, self._secrets.url(self._request.url), awaited, seconds)

    def _pause(self, error: Exception, attempt: int) -> float | None:
        """Return the seconds to wait before the next attempt, or None if another one would not help."""
        if attempt == self._retries:
            return None
        pause = min(_FIRST_PAUSE * 2.0**attempt, _LONGEST_PAUSE) * random.uniform(0.75, 1.25)  # noqa: S311  # spread out
        if isinstance(error, ProviderStatusError):
            if error.status not in _RETRIED and error.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                return None
            if error.retry_after is not None:
                return error.retry_after if error.retry_after <= _LONGEST_WAIT else None
        return pause


def _with_trace(request: HttpRequest) -> HttpRequest:
    """Return a request with the trace context of the current span, unless it has one."""
    if "opentelemetry" not in sys.modules:
        return request
    from pytest_streamval.engine.telemetry.trace_context import trace_headers

    return replace(request, headers={**trace_headers(), **request.headers})


def _is_success(connection: HttpConnection) -> bool:
    return HTTPStatus.OK <= connection.status < HTTPStatus.MULTIPLE_CHOICES
