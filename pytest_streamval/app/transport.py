"""`StreamingASGITransport`: an application for `httpx2.AsyncClient`, with responses that stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from pytest_streamval.app.client import AppClient
from pytest_streamval.errors import missing_extra_error

if TYPE_CHECKING:
    from types import TracebackType

    import httpx2
    from httpx2 import AsyncBaseTransport

    from pytest_streamval.app.asgi_requests import App
else:
    AsyncBaseTransport = object  # the class is there without httpx2, which calls the same methods


class StreamingASGITransport(AsyncBaseTransport):
    """A transport for `httpx2.AsyncClient` that calls an application in the running event loop.

    Each message of the application is one read of the response. Closing a response early is a client that leaves. The
    lifespan of the application starts with the first request, and ends when the client is closed.
    """

    def __init__(self, app: App, *, read_every: float | None = None) -> None:
        """Create a transport.

        Args:
            app: The ASGI application.
            read_every: The seconds between two reads of a slow client, as in `AppClient.stream`.

        Raises:
            InvalidArgumentError: A `TypeError`. If `app` is not callable.
            MissingExtraError: An `ImportError`. If httpx2 is not installed.
        """
        try:
            import httpx2  # noqa: F401  # here, as its absence is an error of this line
        except ModuleNotFoundError as error:
            raise missing_extra_error("Clients of httpx2 for applications", "httpx2", "app") from error
        self._client = AppClient(app)
        self._read_every = read_every

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request, and return the response when its head has arrived.

        Raises:
            ReadTimeout: If the head does not arrive within the read timeout of the client.
            RemoteProtocolError: If the application ended without a response.
        """
        from httpx2 import AsyncByteStream, Response

        from pytest_streamval.app.transport_stream import PageStream, httpx2_errors

        context = self._client.stream(
            request.method,
            str(request.url),
            content=request.stream if isinstance(request.stream, AsyncByteStream) else None,
            headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw],
            read_every=self._read_every,
        )
        page = await context.__aenter__()
        try:
            async with httpx2_errors(request):
                status = await page.head()
        except BaseException:
            await context.__aexit__(None, None, None)
            raise
        stream = PageStream(page, context, request)
        return Response(status, headers=page.headers.raw, stream=stream, extensions={"http_version": b"HTTP/1.1"})

    async def aclose(self) -> None:
        """Shut the application down.

        Raises:
            CheckFailedError: An `AssertionError`. If requests had to be cancelled.
        """
        await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc: BaseException | None = None,
        tb: TracebackType | None = None,
    ) -> None:
        await self.aclose()
