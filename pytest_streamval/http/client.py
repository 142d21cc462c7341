"""The HTTP client: it sends a request, repeats it if that may help, and yields the bytes of the response at once."""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

from pytest_streamval.errors import (
    ProviderStatusError,
    ProviderTimeoutError,
    ProviderUnreachableError,
)
from pytest_streamval.http.connection import HttpConnection
from pytest_streamval.http.retry_after import seconds_to_wait
from pytest_streamval.http.secrets import Secrets

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping
    from contextlib import AbstractAsyncContextManager

    from pytest_streamval.http.request import HttpRequest

logger = logging.getLogger("pytest_streamval.live")

_RETRIED = {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.CONFLICT,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
    529,  # Anthropic's "overloaded"
}
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


class Transport(Protocol):
    """A carrier of requests: the network, or a recording of it."""

    def stream(self, request: HttpRequest, *, provider: str) -> AbstractAsyncContextManager[HttpResponse]:
        """Send a request. Leaving the context closes its connection at once."""


class HttpTransport:
    """A transport over the network, with a connection of its own for each request."""

    def __init__(self, timeouts: Timeouts | None = None, *, retries: int = 2, secrets: Secrets | None = None) -> None:
        """Create a transport.

        Args:
            timeouts: The time limits.
            retries: How often a request is sent again that failed before the first byte of a response's body.
            secrets: The values that must not appear in errors.
        """
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
            MissingExtraError: An `ImportError`. If httpx2 is not installed.
        """
        attempts = _Attempts(self, request, provider)
        async with AsyncExitStack() as stack:
            connection, first = await attempts.first_success(stack)
            reads = await stack.enter_async_context(aclosing(attempts.reads(connection, first)))
            yield HttpResponse(connection.status, connection.fields, reads)


class _Attempts:
    """The attempts at one request."""

    def __init__(self, transport: HttpTransport, request: HttpRequest, provider: str) -> None:
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
        )
        opened.push_async_callback(connection.aclose)
        try:
            async with asyncio.timeout(self._timeouts.first_byte):
                await connection.open()
                if not HTTPStatus.OK <= connection.status < HTTPStatus.MULTIPLE_CHOICES:
                    raise await self._refusal(connection)
                return connection, await connection.read()
        except ProviderTimeoutError:
            raise
        except TimeoutError:
            raise self._timeout("the first byte", self._timeouts.first_byte) from None

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

    async def _refusal(self, connection: HttpConnection) -> ProviderStatusError:
        body = b""
        while len(body) <= _LONGEST_REFUSAL and (data := await connection.read()) is not None:
            body += data
        message = self._secrets.text(body[:_LONGEST_REFUSAL].decode(errors="replace"))
        wait = seconds_to_wait(connection.fields.get("retry-after"))
        address = self._secrets.url(self._request.url)
        return ProviderStatusError(self._provider, address, connection.status, message, wait)

    def _timeout(self, awaited: str, seconds: float | None) -> ProviderTimeoutError:
        return ProviderTimeoutError(self._provider, self._secrets.url(self._request.url), awaited, seconds)

    def _pause(self, error: Exception, attempt: int) -> float | None:
        """Return the seconds to wait before the next attempt, or None if another one would not help."""
        if attempt == self._retries:
            return None
        pause = min(_FIRST_PAUSE * 2.0**attempt, _LONGEST_PAUSE) * random.uniform(0.75, 1.25)  # noqa: S311  # spread out
        if isinstance(error, ProviderStatusError):
            if error.status not in _RETRIED:
                return None
            if error.retry_after is not None:
                return error.retry_after if error.retry_after <= _LONGEST_WAIT else None
        return pause
