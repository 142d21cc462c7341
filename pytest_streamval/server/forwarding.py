"""Forwarding: requests to a real provider, and its responses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_streamval.errors import InvalidArgumentError, ProviderUnreachableError, UndecodableBodyError, excerpt
from pytest_streamval.http.connection import HttpConnection
from pytest_streamval.http.content_coding import decoded_request
from pytest_streamval.http.request import HttpRequest, is_loopback, joined_headers, parsed_address
from pytest_streamval.http.retry_after import seconds_to_wait
from pytest_streamval.http.secrets import Secrets, shown_address
from pytest_streamval.server.actions import Await, Disconnect, SendData, SendHead

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_streamval.recordings.stream_recorder import StreamRecorder
    from pytest_streamval.server.actions import Actions
    from pytest_streamval.server.incoming_request import IncomingRequest
    from pytest_streamval.server.rendering import Renderer

_VERSION = "/v1"
_LOWEST_ERROR = 400  # status
# These headers belong to one connection, not to the request or the response on it (RFC 9110, 7.6.1).
_HOP_BY_HOP = {
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}
# A provider would take a page's origin for its own client's. The browser's headers about it mean nothing there either.
_OF_A_PAGE = {"origin", "access-control-request-method", "access-control-request-headers"}


def request_to(url: str, incoming: IncomingRequest) -> HttpRequest:
    """Return a client's request to another address."""
    return HttpRequest(url, incoming.body, joined_headers(incoming.headers), incoming.method)


class Upstream:
    """The address of a real provider."""

    def __init__(self, url: str) -> None:
        """Parse an address.

        Raises:
            InvalidArgumentError: A `ValueError`. If it is invalid, or a key would go there without TLS.
        """
        given: object = url
        parts = parsed_address(url) if isinstance(given, str) else None
        if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
            rule = "It must be an address such as https://api.openai.com."
            shown = shown_address(given) if isinstance(given, str) else given
            raise InvalidArgumentError("upstream", excerpt(shown), rule)
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            rule = "It must be on this machine or begin with https, as keys are sent to it."
            raise InvalidArgumentError("upstream", excerpt(shown_address(url)), rule)
        self.netloc = parts.netloc.rpartition("@")[2]
        self._scheme = parts.scheme
        self._base = parts.path.rstrip("/")

    def url(self, path: str) -> str:
        """Return the provider's address for a path of this server."""
        if self._base.endswith(_VERSION) and path.startswith(f"{_VERSION}/"):
            path = path.removeprefix(_VERSION)
        return f"{self._scheme}://{self.netloc}{self._base}{path}"


class ForwardedRequest:
    """A request that is forwarded to a provider, over a connection of its own."""

    def __init__(
        self,
        upstream: Upstream,
        incoming: IncomingRequest,
        *,
        recorder: StreamRecorder | None,
        keep: Callable[[], None],
        on_failure: Callable[[str], None],
    ) -> None:
        """Prepare the request. Nothing is sent before the first action.

        Args:
            upstream: The address of the provider.
            incoming: The client's request.
            recorder: The recorder of the response, if it is recorded.
            keep: Called when the recording is complete, before the client receives the end of the response.
            on_failure: Called with the reason if the provider gave no answer that can be read.
        """
        self._upstream = upstream
        self._recorder = recorder
        self._keep = keep
        self._on_failure = on_failure
        self._is_open = False
        self._is_kept = False
        self._failure: str | None = None
        self._data: bytes | None = b""
        self._is_broken = False
        sent = request_to(upstream.url(incoming.target), incoming)
        self._connection = HttpConnection(
            sent,
            provider=upstream.netloc,
            secrets=Secrets.of(decoded_request(sent)),
            exact_headers=_headers_to_send(upstream, incoming),
            decodes=recorder is not None,
        )

    def actions(self, renderer: Renderer) -> Actions:
        """Yield the response as it arrives."""
        yield Await(self._open)
        if self._failure is not None:
            yield from renderer.render_error(502, self._failure)
            return
        yield self._head()
        while True:
            yield Await(self._read)
            if self._data is None:
                break
            yield SendData(self._data)
        yield Await(self._keep_recording)  # after all data is sent, and before the end of the body
        if self._is_broken:
            yield Disconnect("closed")

    async def close(self) -> None:
        """Close the connection at once. If the response has not ended, record that the client left."""
        try:
            if self._is_open and self._recorder is not None:
                self._recorder.end("left", "its client went away")
                self._keep_once()
        finally:
            await self._connection.aclose()

    async def _keep_recording(self) -> None:
        self._keep_once()

    def _keep_once(self) -> None:
        if not self._is_kept:
            self._is_kept = True
            self._keep()

    async def _open(self) -> None:
        """Send the request, and wait for the head of the response."""
        self._is_open = True
        try:
            await self._connection.open()
        except (ProviderUnreachableError, UndecodableBodyError) as error:
            self._is_open = False
            self._failure = self._explain(error)
            self._on_failure(self._failure)
            return
        if self._recorder is not None:
            self._recorder.begin(self._connection.status, self._connection.fields)

    def _explain(self, error: ProviderUnreachableError | UndecodableBodyError) -> str:
        if isinstance(error, ProviderUnreachableError):
            return f"{self._upstream.netloc} cannot be reached: {error.fault}"
        return f"The answer of {self._upstream.netloc} cannot be passed on. {error}"

    def _head(self) -> SendHead:
        headers = self._connection.fields
        length = headers.get("content-length")
        return SendHead(
            self._connection.status,
            headers.get("content-type", "application/octet-stream"),
            tuple((name, value) for name, value in end_to_end(self._connection.headers) if name != "content-type"),
            None if length is None or self._recorder is not None else int(length),
        )

    async def _read(self) -> None:
        """Read once, and record the read or the end."""
        recorder = self._recorder
        try:
            self._data = await self._connection.read()
        except (ProviderUnreachableError, UndecodableBodyError) as error:
            self._data = None
            self._is_broken = True
            if isinstance(error, UndecodableBodyError):
                self._on_failure(self._explain(error))
            if recorder is not None:
                recorder.broke(error)
            return
        if recorder is None:
            return
        if self._data is not None:
            recorder.read(self._data)
        elif self._connection.status < _LOWEST_ERROR:
            recorder.end("complete")
        else:
            recorder.end("refused", seconds=seconds_to_wait(self._connection.fields))


def end_to_end(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the headers that are for the other end, without those of this connection and those that it names."""
    pairs = list(headers)
    named = {each.strip().lower() for name, value in pairs if name.lower() == "connection" for each in value.split(",")}
    return [(name, value) for name, value in pairs if name.lower() not in _HOP_BY_HOP | named]


def _headers_to_send(upstream: Upstream, incoming: IncomingRequest) -> list[tuple[str, str]]:
    """Return the headers of the request to the provider."""
    # the response must not be compressed, as recordings are readable and cuts are inside text
    headers = [("host", upstream.netloc), ("accept-encoding", "identity"), ("connection", "close")]
    if incoming.body:
        headers.append(("content-length", str(len(incoming.body))))
    dropped = {*_OF_A_PAGE, "accept-encoding"}
    return [*headers, *((name, value) for name, value in end_to_end(incoming.headers) if name.lower() not in dropped)]
