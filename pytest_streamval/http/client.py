"""The one streaming HTTP boundary: a request goes out, and the bytes of the answer come as they arrive."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple, Protocol
from urllib.parse import urlsplit

from pytest_streamval.errors import (
    MissingExtraError,
    ProviderStatusError,
    ProviderTimeoutError,
    ProviderUnreachableError,
)
from pytest_streamval.http.request import LOOPBACK
from pytest_streamval.http.secrets import Secrets

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping
    from contextlib import AbstractAsyncContextManager
    from types import ModuleType

    import httpx2

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
_LONGEST_PAUSE = 8.0  # seconds, where the provider names none
_LONGEST_WAIT = 60.0  # seconds that a provider may ask for; a request that has to wait longer fails at once
_LONGEST_REFUSAL = 65_536  # bytes of an error's body that are read


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long to wait, in seconds; None waits for ever."""

    connect: float | None = 10.0
    """For the connection."""
    first_byte: float | None = 120.0
    """From the request to the first byte of the answer's body: a model may have to be loaded."""
    between: float | None = 60.0
    """From one read to the next."""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """The head of an answer, and its body as it arrives."""

    status: int
    """The status code."""
    headers: Mapping[str, str]
    """The headers."""
    reads: AsyncIterator[bytes]
    """What each read brings, without delay; to be read once."""


class Transport(Protocol):
    """Whatever carries requests: the network, or a recording of it."""

    def stream(self, request: HttpRequest, *, provider: str) -> AbstractAsyncContextManager[HttpResponse]:
        """Send a request; leaving the context closes its connection at once."""


class HttpTransport:
    """Carries requests over the network, with a connection of its own for each."""

    def __init__(self, timeouts: Timeouts | None = None, *, retries: int = 2, secrets: Secrets | None = None) -> None:
        """Make a transport.

        Args:
            timeouts: how long to wait for what.
            retries: how often a request is sent again that failed before the first byte of an answer's body.
            secrets: what is kept out of errors.
        """
        self.timeouts = timeouts or Timeouts()
        self.retries = retries
        self.secrets = secrets or Secrets()

    @asynccontextmanager
    async def stream(self, request: HttpRequest, *, provider: str) -> AsyncIterator[HttpResponse]:
        """Send a request, and again where that may help and nothing has come yet.

        Raises:
            ProviderUnreachableError: a `ConnectionError`; no connection, or one that broke.
            ProviderTimeoutError: a `TimeoutError`; nothing came for too long.
            ProviderStatusError: the provider answered with an error.
            MissingExtraError: an `ImportError`; httpx2 is not installed.
        """
        exchange = _Exchange(self, request, provider)
        async with AsyncExitStack() as stack:
            response, first = await exchange.begin(stack)
            reads = await stack.enter_async_context(aclosing(exchange.reads(first)))
            yield HttpResponse(response.status_code, dict(response.headers), reads)


class _Exchange:
    """One request and its answer."""

    def __init__(self, transport: HttpTransport, request: HttpRequest, provider: str) -> None:
        self._timeouts = transport.timeouts
        self._retries = transport.retries
        self._secrets = transport.secrets
        self._request = request
        self._provider = provider
        self._shown = transport.secrets.url(request.url)
        self._httpx = _httpx()

    async def begin(self, stack: AsyncExitStack) -> tuple[httpx2.Response, _First]:
        """Send the request until the first bytes of a body have come; the stack closes what was opened."""
        for attempt in range(self._retries + 1):
            async with AsyncExitStack() as opened:
                try:
                    response, first = await self._attempt(opened)
                except (ProviderUnreachableError, ProviderTimeoutError, ProviderStatusError) as error:
                    pause = self._pause(error, attempt)
                    if pause is None:
                        raise
                    failure = error
                else:
                    stack.push_async_exit(opened.pop_all())
                    return response, first
            logger.info("%s; the request is sent again in %.1f s.", failure, pause)
            await asyncio.sleep(pause)
        raise AssertionError  # pragma: no cover  # the last attempt returns or raises

    async def _attempt(self, opened: AsyncExitStack) -> tuple[httpx2.Response, _First]:
        seconds = self._timeouts.first_byte
        try:
            async with asyncio.timeout(seconds):
                client = await opened.enter_async_context(self._client())
                response = await opened.enter_async_context(
                    client.stream(
                        self._request.method,
                        self._request.url,
                        content=self._request.body,
                        # the bytes are decoded and kept as they come
                        headers={"accept-encoding": "identity", **self._request.headers},
                    )
                )
                if not response.is_success:
                    raise await self._refusal(response)
                reads = response.aiter_raw()
                return response, _First(await anext(reads, None), reads)
        except TimeoutError:
            raise self._timeout("the first byte", seconds) from None
        except self._httpx.ConnectTimeout as error:
            raise self._timeout("a connection", self._timeouts.connect) from error
        except self._httpx.HTTPError as error:
            raise self._unreachable(error) from error

    async def reads(self, first: _First) -> AsyncGenerator[bytes]:
        """Yield what each read brings."""
        data = first.data
        while data is not None:
            yield data
            try:
                async with asyncio.timeout(self._timeouts.between):
                    data = await anext(first.reads, None)
            except TimeoutError:
                raise self._timeout("more of the answer", self._timeouts.between) from None
            except self._httpx.HTTPError as error:
                raise self._unreachable(error) from error

    def _client(self) -> httpx2.AsyncClient:
        parts = urlsplit(self._request.url)
        client: httpx2.AsyncClient = self._httpx.AsyncClient(
            timeout=self._httpx.Timeout(None, connect=self._timeouts.connect),
            trust_env=parts.hostname not in LOOPBACK,  # no proxy stands between a machine and itself
            verify=_tls() if parts.scheme == "https" else False,
            follow_redirects=False,  # a key goes to the address that the user named, and to no other
        )
        return client

    async def _refusal(self, response: httpx2.Response) -> ProviderStatusError:
        body = b""
        async for data in response.aiter_raw():
            body += data
            if len(body) > _LONGEST_REFUSAL:
                break
        message = self._secrets.text(body[:_LONGEST_REFUSAL].decode(errors="replace"))
        wait = _retry_after(response.headers.get("retry-after"))
        return ProviderStatusError(self._provider, self._shown, response.status_code, message, wait)

    def _unreachable(self, error: Exception) -> ProviderUnreachableError:
        what = self._secrets.text(f"{type(error).__name__}: {error}".rstrip(": "))
        return ProviderUnreachableError(self._provider, self._shown, what)

    def _timeout(self, what: str, seconds: float | None) -> ProviderTimeoutError:
        return ProviderTimeoutError(self._provider, self._shown, what, seconds)

    def _pause(self, error: Exception, attempt: int) -> float | None:
        """Return the seconds to wait before the next attempt; None where it would not help."""
        if attempt == self._retries:
            return None
        pause = min(_FIRST_PAUSE * 2.0**attempt, _LONGEST_PAUSE) * random.uniform(0.75, 1.25)  # noqa: S311  # spread out
        if isinstance(error, ProviderStatusError):
            if error.status not in _RETRIED:
                return None
            if error.retry_after is not None:
                return error.retry_after if error.retry_after <= _LONGEST_WAIT else None
        return pause


class _First(NamedTuple):
    """The first bytes of a body, None where there are none, and what brings the rest."""

    data: bytes | None
    reads: AsyncIterator[bytes]


def _retry_after(value: str | None) -> float | None:
    """Return the seconds that a `Retry-After` header asks for: a number, or a date."""
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, TypeError):
        return None
    return max(0.0, date.timestamp() - time.time())


@cache
def _tls() -> ssl.SSLContext:
    """Return the one context of all connections; to make it takes longer than to connect."""
    context: ssl.SSLContext = _httpx().create_ssl_context()
    return context


def _httpx() -> ModuleType:
    try:
        import httpx2
    except ModuleNotFoundError as error:
        raise MissingExtraError("Live providers", "httpx2", "live") from error
    return httpx2
