"""Recording of live streams: a transport that writes a cassette for each request."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from copy import copy
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pytest_streamval.errors import InvalidArgumentError, harmless
from pytest_streamval.http.client import HttpResponse, HttpTransport, decoded_response
from pytest_streamval.http.content_coding import decoded_request
from pytest_streamval.http.secrets import Secrets, keys_in_environment
from pytest_streamval.live.providers import PROVIDERS
from pytest_streamval.recordings.replacement import NewRecordings
from pytest_streamval.recordings.stream_recorder import StreamRecorder, numbered

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator
    from contextlib import AbstractAsyncContextManager
    from os import PathLike

    from pytest_streamval.http.client import Timeouts, Transport
    from pytest_streamval.http.request import HttpRequest
    from pytest_streamval.live.backend import LiveBackend

logger = logging.getLogger("pytest_streamval.live")


class RecordingTransport:
    """A transport that sends requests over another transport, and writes a cassette for each.

    Reads are handed on at once. The cassette is written when the stream is left, with all reads that arrived before the
    stream ended, failed, was refused or was cancelled. A request that reached no provider leaves no cassette. Secrets
    never reach a file: those named by headers, address and body, the API keys in the environment, and values that look
    like a key.
    """

    def __init__(
        self,
        inner: Transport,
        path: str | PathLike[str],
        *,
        secrets: Iterable[str] = (),
        numbers: Iterator[int] | None = None,
        recordings: NewRecordings | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """Create a transport.

        Args:
            inner: The transport that carries the requests.
            path: The path of the first stream's cassette. After `name.jsonl`, the second one is `name.2.jsonl`.
            secrets: Further values that must not be written.
            numbers: The numbers of the streams, if several transports share a path.
            recordings: The recordings to which new ones are added, if they replace others at the end of a run.
            clock: Returns the time in seconds. By default the time of the event loop, which may be virtual.
        """
        self.inner = inner
        self.path = Path(path)
        self._secrets = tuple(secrets)
        self._numbers = count(1) if numbers is None else numbers
        self._recordings = NewRecordings() if recordings is None else recordings
        self._clock = clock
        self.written: list[Path] = []
        """The paths of the cassettes so far, in the order in which their streams were left."""

    @asynccontextmanager
    async def stream(self, request: HttpRequest, *, provider: str) -> AsyncIterator[HttpResponse]:
        """Send a request and record the response.

        Raises:
            OSError: If the cassette cannot be written.
            InvalidArgumentError: If the provider is unknown, so that its cassette could not be read.
            UndecodableBodyError: A `ValueError`. If a body came compressed, and cannot be decoded. It is not recorded.
            Exception: If the inner transport raises it.
        """
        path = numbered(self.path, next(self._numbers))
        path.parent.mkdir(parents=True, exist_ok=True)  # before a request is sent, as this may fail
        readable = decoded_request(request)
        recorder = StreamRecorder(
            readable,
            Secrets.of(readable, [*self._secrets, *keys_in_environment()]),
            protocol=protocol_of(provider),
            provider=provider,
            clock=self._clock,
        )
        try:
            async with self.inner.stream(request, provider=provider) as received:
                response = decoded_response(received)
                recorder.begin(response.status, response.headers)
                yield HttpResponse(response.status, response.headers, _RecordedReads(response.reads, recorder))
        except BaseException as error:
            recorder.failed(error)
            try:
                self._write(recorder, path)
            except (OSError, ValueError) as failure:  # it would hide the error that ended the stream
                reason = harmless(f"{path} cannot be written: {failure}")
                logger.error(reason)  # noqa: TRY400  # traces may show secrets
            raise
        self._write(recorder, path)

    def _write(self, recorder: StreamRecorder, path: Path) -> None:
        if recorder.is_worth_keeping:
            self._recordings.add(recorder.cassette(path))
            self.written.append(path)


def recording(backend: LiveBackend, path: str | PathLike[str]) -> LiveBackend:
    """Return a backend that sends the same requests as another one, and records the responses.

    Args:
        backend: The other backend. Its transport, or the network, carries the requests.
        path: The path of the first response's cassette. See `RecordingTransport`.
    """
    return with_transport(backend, RecordingTransport(transport_of(backend), path))


def with_transport(backend: LiveBackend, transport: Transport) -> LiveBackend:
    """Return a backend that sends the same requests as another one, over another transport."""
    other = copy(backend)
    other._transport = transport
    return other


def transport_of(backend: LiveBackend) -> Transport:
    """Return the transport of a backend's requests."""
    return backend._transport or _Network(backend._timeouts, backend._retries)


def protocol_of(provider: str) -> str:
    """Return the name of a provider's protocol.

    Raises:
        InvalidArgumentError: If the provider is unknown.
    """
    if provider not in PROVIDERS:
        raise InvalidArgumentError("provider", repr(provider), f"It must be one of {', '.join(PROVIDERS)}.")
    return PROVIDERS[provider].adapter.protocol


class _Network:
    """A transport over the network that keeps each request's own secrets out of errors."""

    def __init__(self, timeouts: Timeouts | None, retries: int) -> None:
        self._timeouts = timeouts
        self._retries = retries

    def stream(self, request: HttpRequest, *, provider: str) -> AbstractAsyncContextManager[HttpResponse]:
        carrier = HttpTransport(self._timeouts, retries=self._retries, secrets=Secrets.of(request))
        return carrier.stream(request, provider=provider)


class _RecordedReads:
    """Reads that are recorded as they arrive. As a class, it leaves no generator to close when its reader leaves."""

    def __init__(self, reads: AsyncIterator[bytes], recorder: StreamRecorder) -> None:
        self._reads = reads
        self._recorder = recorder

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            data = await anext(self._reads)
        except StopAsyncIteration:
            self._recorder.end("complete")
            raise
        except Exception as error:
            self._recorder.broke(error)
            raise
        self._recorder.read(data)
        return data
