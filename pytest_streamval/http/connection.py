"""One request over a connection of its own or of a pool. This is the only module that imports httpx2."""

from __future__ import annotations

import ssl
from contextlib import AsyncExitStack, suppress
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pytest_streamval.errors import (
    ProviderTimeoutError,
    ProviderUnreachableError,
    described,
    missing_extra_error,
)
from pytest_streamval.http.content_coding import body_decoder, describes_coded_body
from pytest_streamval.http.request import Headers, is_loopback, joined_headers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from types import ModuleType

    import httpx2

    from pytest_streamval.http.content_coding import BodyDecoder
    from pytest_streamval.http.pool import ConnectionPool
    from pytest_streamval.http.request import HttpRequest
    from pytest_streamval.http.secrets import Secrets

_MOST_IDLE = 20  # connections that wait for another request
_LONGEST_IDLE = 60.0  # seconds that each waits


class HttpConnection:
    """A connection for one request and its response.

    A connection of a pool goes back to it after a complete response. Otherwise it is closed.

    The bytes of the body are returned as they arrive. If the provider compresses them although the request does not ask
    for that, each read is decoded, and the headers are those of the decoded body. A response with an error status is a
    response like any other, redirects are not followed, and nothing is sent twice.
    """

    def __init__(
        self,
        request: HttpRequest,
        *,
        provider: str,
        secrets: Secrets,
        connect_timeout: float | None = None,
        exact_headers: Sequence[tuple[str, str]] | None = None,
        decodes: bool = True,
        pool: ConnectionPool | None = None,
    ) -> None:
        """Prepare a connection. Nothing is sent before `open`.

        Args:
            request: The request to send.
            provider: The name of the provider, for errors.
            secrets: The values that must not appear in errors.
            connect_timeout: The seconds to wait for the connection, None for no limit.
            exact_headers: All headers to send, instead of those of the request and of httpx2. A name may come twice.
                With them, the path of the address is sent as it is, too.
            decodes: Whether a compressed body is decoded. Otherwise it is returned as it arrives.
            pool: The connections to reuse, or None for one of its own.

        Raises:
            MissingExtraError: If httpx2 is not installed.
        """
        self.status = 0
        """The status code of the response."""
        self.headers: tuple[tuple[str, str], ...] = ()
        """The headers of the response in their order, with names in lower case."""
        self._pool = pool
        self._request = request
        self._provider = provider
        self._secrets = secrets
        self._connect_timeout = connect_timeout
        self._exact_headers = exact_headers
        self._decodes = decodes
        self._httpx = load_httpx2("Live providers")
        self._stack = AsyncExitStack()
        self._chunks: AsyncIterator[bytes]
        self._decoder: BodyDecoder | None = None
        self._is_read = False

    @property
    def fields(self) -> dict[str, str]:
        """The headers of the response by name. Repeated ones are joined with commas (RFC 9110, 5.3)."""
        return joined_headers(self.headers)

    async def open(self) -> None:
        """Send the request, and wait for the status and the headers of the response.

        Raises:
            ProviderUnreachableError: If there is no connection, or it broke.
            ProviderTimeoutError: If there was no connection in time.
            UndecodableBodyError: If the body has an unknown coding. The status and the headers are known then.
        """
        failure: ProviderTimeoutError | ProviderUnreachableError | None = None
        try:
            await self._open()
        except self._httpx.ConnectTimeout as error:
            if self._connect_timeout is None:  # the limit is the operating system's
                failure = self._unreachable(error)
            else:
                failure = ProviderTimeoutError(self._provider, self._address, "a connection", self._connect_timeout)
        except (self._httpx.HTTPError, self._httpx.InvalidURL, ValueError) as error:
            failure = self._unreachable(error)
        except BaseException as error:  # a cancellation too
            forget_frames(error)
            raise
        if failure is not None:
            raise failure  # not from the error of httpx2, whose message and frames have headers
        self._decoder = body_decoder(self.fields) if self._decodes else None
        if self._decoder is not None:
            self.headers = tuple(each for each in self.headers if not describes_coded_body(each[0]))

    async def _open(self) -> None:
        __tracebackhide__ = True
        clients = None if self._pool is None else self._pool.of_loop()
        if clients is None:
            client = _new_client(self._httpx, self._request.url)
            await self._stack.enter_async_context(client)
        else:
            self._stack.enter_context(clients.requesting())
            url, kind = self._request.url, _kind_of(self._request.url)
            client = clients.client(kind, lambda: _new_client(self._httpx, url))
        request = self._prepared(client)
        request.extensions["timeout"] = self._httpx.Timeout(None, connect=self._connect_timeout).as_dict()
        response: httpx2.Response = await client.send(request, stream=True)
        stream = response.extensions.get("network_stream")
        if clients is not None and stream is not None:
            clients.note_connection(stream.get_extra_info("client_addr"), stream.get_extra_info("server_addr"))
        self._stack.push_async_callback(self._close_response, response)
        self._chunks = response.aiter_raw()
        self.status = response.status_code
        self.headers = tuple(
            (name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in response.headers.raw
        )

    async def read(self) -> bytes | None:
        """Return the next bytes of the body as soon as they arrive, or None after its end.

        Raises:
            ProviderUnreachableError: If the connection broke.
            UndecodableBodyError: If the body is not in the coding that its header names.
        """
        self._is_read = True
        try:
            while (data := await anext(self._chunks, None)) is not None and self._decoder is not None:
                if decoded := self._decoder.feed(data):
                    return decoded
            return data  # the errors are raised below
        except self._httpx.HTTPError as error:
            failure = self._unreachable(error)
        except BaseException as error:  # a cancellation too
            forget_frames(error)
            raise
        else:
            return data
        raise failure

    async def aclose(self) -> None:
        """Close the connection at once. Closing it again does nothing."""
        await self._stack.aclose()

    async def _close_response(self, response: httpx2.Response) -> None:
        await response.aclose()
        # The closed connection ends the generators inside httpx2 here. The event loop would close unfinished ones in
        # tasks of its own.
        with suppress(self._httpx.HTTPError):
            while self._is_read and await anext(self._chunks, None) is not None:
                pass

    def _prepared(self, client: httpx2.AsyncClient) -> httpx2.Request:
        __tracebackhide__ = True
        request = self._request
        if self._exact_headers is None:
            # a compressed stream would have other boundaries than its text
            given = {name: value for name, value in request.headers.items() if name.lower() != "accept-encoding"}
            headers = Headers({"accept-encoding": "identity", **given})
            return client.build_request(request.method, request.url, content=request.body, headers=headers)
        parts = urlsplit(request.url)
        target = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
        prepared: httpx2.Request = self._httpx.Request(
            request.method,
            f"{parts.scheme}://{parts.netloc}",  # httpx2 would quote the path, and log a key in the query
            content=request.body,
            headers=[(name.encode("latin-1"), value.encode("latin-1")) for name, value in self._exact_headers],
            extensions={"target": target.encode("latin-1")},
        )
        return prepared

    @property
    def _address(self) -> str:
        return self._secrets.url(self._request.url)

    def _unreachable(self, error: Exception) -> ProviderUnreachableError:
        return ProviderUnreachableError(self._provider, self._address, self._secrets.text(_description(error)))


def get(url: str, headers: Mapping[str, str], *, timeout: float) -> tuple[int, bytes]:
    """Return the status and the body of the response to a GET request.

    Args:
        url: The complete address.
        headers: The headers to send.
        timeout: The seconds to wait for the connection, and for each read.

    Raises:
        ConnectionError: If there is no response.
        MissingExtraError: If httpx2 is not installed.
    """
    __tracebackhide__ = True
    httpx = load_httpx2("Live tests")
    try:
        with httpx.Client(timeout=timeout, **_client_options(url)) as client:
            response = client.get(url, headers=headers)
            return response.status_code, response.content
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        failure = ConnectionError(_description(error))
    raise failure


def load_httpx2(user: str) -> ModuleType:
    """Return the module httpx2.

    Args:
        user: The feature that needs it, a plural, for the error.

    Raises:
        MissingExtraError: If httpx2 is not installed.
    """
    try:
        import httpx2
    except ModuleNotFoundError as error:
        raise missing_extra_error(user, "httpx2", "live") from error
    return httpx2


def _new_client(httpx: ModuleType, url: str) -> httpx2.AsyncClient:
    """Return a client. It keeps no cookies, since its requests may belong to different users."""
    client: httpx2.AsyncClient = httpx.AsyncClient(
        follow_redirects=False,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=_MOST_IDLE, keepalive_expiry=_LONGEST_IDLE),
        **_client_options(url),
    )
    return client


def _kind_of(url: str) -> tuple[bool, bool]:
    """Return whether an address is on this machine and whether it is encrypted, which decide about the client."""
    parts = urlsplit(url)
    return is_loopback(parts.hostname), parts.scheme == "https"


def _client_options(url: str) -> dict[str, Any]:
    """Return the options of a client: no proxy between this machine and itself, and one TLS context for all."""
    is_here, is_encrypted = _kind_of(url)
    return {"trust_env": not is_here, "verify": tls_context() if is_encrypted else _unused_context()}


@cache
def tls_context() -> ssl.SSLContext:
    """Return the TLS context of all connections. Making one takes longer than connecting."""
    context: ssl.SSLContext = load_httpx2("Live providers").create_ssl_context()
    return context


@cache
def _unused_context() -> ssl.SSLContext:
    """Return a context for connections without TLS, as httpx2 makes one for each client otherwise."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def forget_frames(error: BaseException) -> None:
    """Remove the frames of an error and of the errors before it, because their locals have headers."""
    chain: list[BaseException] = [error]
    for each in chain:
        each.__traceback__ = None
        chain += [other for other in (each.__cause__, each.__context__) if other is not None and other not in chain]


def _description(error: BaseException) -> str:
    """Return the class and the message of the socket's or the parser's error, which httpx2 and anyio wrap."""
    while (inner := _wrapped(error)) is not None:
        error = inner
    return f"{type(error).__name__}: {described(error)}".rstrip(": ")


def _wrapped(error: BaseException) -> BaseException | None:
    """Return the error that another one wraps, as its cause, its argument or the first of its group."""
    wrapped = (error.__cause__, *error.args[:1], *getattr(error, "exceptions", ())[:1])
    return next((each for each in wrapped if isinstance(each, BaseException)), None)
