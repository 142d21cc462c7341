"""Recording: what goes over a transport is written down as it comes, one cassette a stream."""

from __future__ import annotations

import logging
import os
from contextlib import asynccontextmanager
from copy import copy
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pytest_streamval.errors import (
    InvalidArgumentError,
)
from pytest_streamval.http.secrets import Secrets
from pytest_streamval.recordings.stream_recorder import Tape, numbered
from pytest_streamval.live.providers import PROVIDERS
from pytest_streamval.http.client import HttpResponse, HttpTransport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator
    from contextlib import AbstractAsyncContextManager
    from os import PathLike

    from pytest_streamval.http.request import HttpRequest
    from pytest_streamval.live.backend import LiveBackend
    from pytest_streamval.http.client import Timeouts, Transport

logger = logging.getLogger("pytest_streamval.live")


class RecordingTransport:
    """Carries requests over another transport, and writes a cassette for each.

    What comes is handed on at once, and written when its stream is left: as a whole, or as far as it came where it
    failed, was refused or cancelled. Only a request that found nobody leaves nothing. Secrets never reach a file: those
    that headers, address and body name, the keys of all known providers in the environment, and what looks like one.
    """

    def __init__(
        self,
        inner: Transport,
        path: str | PathLike[str],
        *,
        secrets: Iterable[str] = (),
        numbers: Iterator[int] | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """Make a transport.

        Args:
            inner: what carries the requests.
            path: of the first stream's cassette; that of the second is `name.2.jsonl` where this is `name.jsonl`.
            secrets: what else must not be written, wherever it turns up.
            numbers: what numbers the streams, for several transports that share a path.
            clock: tells the time in seconds; without it that of the event loop counts, virtual where the loop's is.
        """
        self.inner = inner
        self.path = Path(path)
        self._secrets = tuple(secrets)
        self._numbers = count(1) if numbers is None else numbers
        self._clock = clock
        self.written: list[Path] = []
        """The cassettes so far, in the order in which their streams were left."""

    @asynccontextmanager
    async def stream(self, request: HttpRequest, *, provider: str) -> AsyncIterator[HttpResponse]:
        """Send a request and write down what comes.

        Raises:
            OSError: the cassette cannot be written.
            InvalidArgumentError: the provider is none that is known, so that nobody could read its cassette.
            Exception: whatever the inner transport raises.
        """
        path = numbered(self.path, next(self._numbers))
        path.parent.mkdir(parents=True, exist_ok=True)  # before anything is sent, as it may fail
        tape = Tape(
            request,
            Secrets.of(request, [*self._secrets, *_keys()]),
            protocol=protocol_of(provider),
            provider=provider,
            clock=self._clock,
        )
        try:
            async with self.inner.stream(request, provider=provider) as response:
                tape.begin(response.status, response.headers)
                yield HttpResponse(response.status, response.headers, _Recorded(response.reads, tape))
        except BaseException as error:
            tape.failed(error)
            try:
                self._write(tape, path)
            except (OSError, ValueError) as failure:  # it would hide what ended the stream
                logger.error("%s cannot be written: %s", path, failure)  # noqa: TRY400  # traces may show secrets
            raise
        self._write(tape, path)

    def _write(self, tape: Tape, path: Path) -> None:
        if tape.is_worth_keeping:
            tape.cassette(path).dump()
            self.written.append(path)


def recording(backend: LiveBackend, path: str | PathLike[str]) -> LiveBackend:
    """Return a backend that asks as the given one does, and records what it is answered.

    Args:
        backend: asks over the network, or over the transport that it was given.
        path: of the first answer's cassette; see `RecordingTransport`.
    """
    return carried(backend, RecordingTransport(network_of(backend), path))


def carried(backend: LiveBackend, transport: Transport) -> LiveBackend:
    """Return a backend that asks as the given one does, over another transport."""
    other = copy(backend)
    other._transport = transport
    return other


def network_of(backend: LiveBackend) -> Transport:
    """Return what carries a backend's requests."""
    return backend._transport or _Network(backend._timeouts, backend._retries)


def protocol_of(provider: str) -> str:
    """Return the protocol that a provider speaks.

    Raises:
        InvalidArgumentError: it is none that is known.
    """
    if provider not in PROVIDERS:
        raise InvalidArgumentError("provider", repr(provider), f"it is one of {', '.join(PROVIDERS)}.")
    return PROVIDERS[provider].adapter.protocol


class _Network:
    """Carries requests over the network, each with its own secrets kept out of errors."""

    def __init__(self, timeouts: Timeouts | None, retries: int) -> None:
        self._timeouts = timeouts
        self._retries = retries

    def stream(self, request: HttpRequest, *, provider: str) -> AbstractAsyncContextManager[HttpResponse]:
        carrier = HttpTransport(self._timeouts, retries=self._retries, secrets=Secrets.of(request))
        return carrier.stream(request, provider=provider)


class _Recorded:
    """Reads that are noted as they come; a class, as there is nothing to finalise when its reader leaves."""

    def __init__(self, reads: AsyncIterator[bytes], tape: Tape) -> None:
        self._reads = reads
        self._tape = tape

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            data = await anext(self._reads)
        except StopAsyncIteration:
            self._tape.end("complete")
            raise
        except Exception as error:
            self._tape.broke(error)
            raise
        self._tape.read(data)
        return data


def _keys() -> Iterator[str]:
    """Yield the keys of all known providers that are in the environment."""
    names = {name for provider in PROVIDERS.values() for name in provider.keys}
    yield from (os.environ[name] for name in names if name in os.environ)
