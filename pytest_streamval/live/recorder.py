"""Recording: what goes over a transport is written down as it comes, one cassette a stream."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from contextlib import asynccontextmanager
from copy import copy
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from pytest_streamval.errors import (
    InvalidArgumentError,
    ProviderStatusError,
    ProviderTimeoutError,
    described,
)
from pytest_streamval.harness.cassette import Cassette, Ending, Read
from pytest_streamval.live.providers import PROVIDERS
from pytest_streamval.live.redaction import redacted
from pytest_streamval.live.secrets import Secrets
from pytest_streamval.live.transport import HttpResponse, HttpTransport
from pytest_streamval.wire.registry import ADAPTERS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
    from contextlib import AbstractAsyncContextManager
    from os import PathLike

    from pytest_streamval.live.backend import LiveBackend
    from pytest_streamval.live.transport import HttpRequest, Timeouts, Transport

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
        tape = _Tape(request, provider, Secrets.of(request, [*self._secrets, *_keys()]), self._clock)
        try:
            async with self.inner.stream(request, provider=provider) as response:
                yield tape.recorded(response)
        except BaseException as error:
            tape.failed(error)
            try:
                self._write(tape, path)
            except (OSError, ValueError) as failure:  # it would hide what ended the stream
                logger.error("%s cannot be written: %s", path, failure)  # noqa: TRY400  # traces may show secrets
            raise
        self._write(tape, path)

    def _write(self, tape: _Tape, path: Path) -> None:
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


def path_of(url: str, secrets: Secrets) -> str:
    """Return the path of an address as a cassette has it: with its query, without secrets."""
    parts = urlsplit(url)._replace(scheme="", netloc="", fragment="")
    return secrets.url(parts.geturl()) or "/"


def body_of(request: HttpRequest, secrets: Secrets) -> object:
    """Return the body of a request as a cassette has it: JSON, or text where it is none; None for no body."""
    if not request.body:
        return None
    try:
        return secrets.body(json.loads(request.body))
    except (ValueError, RecursionError):
        return secrets.text(request.body.decode(errors="replace"))


def numbered(path: Path, number: int) -> Path:
    """Return the path of the cassette of this number: `name.jsonl`, `name.2.jsonl`, ..."""
    return path if number == 1 else path.with_name(f"{path.stem}.{number}{path.suffix}")


class _Network:
    """Carries requests over the network, each with its own secrets kept out of errors."""

    def __init__(self, timeouts: Timeouts | None, retries: int) -> None:
        self._timeouts = timeouts
        self._retries = retries

    def stream(self, request: HttpRequest, *, provider: str) -> AbstractAsyncContextManager[HttpResponse]:
        carrier = HttpTransport(self._timeouts, retries=self._retries, secrets=Secrets.of(request))
        return carrier.stream(request, provider=provider)


class _Tape:
    """What is known of one stream, so far."""

    def __init__(
        self, request: HttpRequest, provider: str, secrets: Secrets, clock: Callable[[], float] | None
    ) -> None:
        self.ending: Ending | None = None
        self._request = request
        self._provider = provider
        self._protocol = protocol_of(provider)
        self._secrets = secrets
        self._clock = clock or asyncio.get_running_loop().time
        self._began = self._clock()
        self._status: int | None = None
        self._headers: Mapping[str, str] = {}
        self._reads: list[Read] = []

    def recorded(self, response: HttpResponse) -> HttpResponse:
        """Return an answer whose reads are noted as they are handed on."""
        self._status, self._headers = response.status, response.headers
        return HttpResponse(response.status, response.headers, _Recorded(response.reads, self))

    @property
    def is_worth_keeping(self) -> bool:
        """Whether anybody was reached."""
        return self._status is not None or self.ending is not None

    def read(self, data: bytes) -> None:
        """Note what a read brought."""
        self._reads.append(Read(self._clock() - self._began, data))

    def end(self, how: str, why: str = "", seconds: float | None = None) -> None:
        """Note how the stream ended; of several things, the first one counts."""
        if self.ending is None:
            self.ending = Ending(how, self._clock() - self._began, self._secrets.text(why), seconds)

    def broke(self, error: Exception) -> None:
        """Note what broke the stream."""
        if isinstance(error, ProviderTimeoutError):
            self.end("silent", error.awaited, error.seconds)
        else:
            self.end("broken", getattr(error, "fault", None) or f"{type(error).__name__}: {described(error)}")

    def failed(self, error: BaseException) -> None:
        """Note what was raised: by the reader once there was an answer, otherwise in the place of one."""
        if self._status is not None or isinstance(error, asyncio.CancelledError):
            self.end("left", type(error).__name__)
        elif isinstance(error, ProviderStatusError):
            self._status = error.status
            self.read(error.body.encode())
            self.end("refused", seconds=error.retry_after)
        elif isinstance(error, ProviderTimeoutError):
            self.broke(error)

    def cassette(self, path: Path) -> Cassette:
        """Return what was recorded, without its secrets."""
        reads = redacted([read.data for read in self._reads], self._secrets)
        pairs = zip(self._reads, reads, strict=True)
        return Cassette(str(path), self._header(), tuple(Read(read.at, data) for read, data in pairs))

    def _header(self) -> dict[str, Any]:
        where = urlsplit(self._request.url)
        path, body = path_of(self._request.url, self._secrets), body_of(self._request, self._secrets)
        return {
            "protocol": self._protocol,
            "provider": self._provider,
            "model": _model(self._protocol, path, body),
            "server": self._secrets.text(f"{where.scheme}://{where.netloc.rpartition('@')[2]}"),
            "method": self._request.method,
            "path": path,
            "request": body,
            "status": self._status,
            "headers": [list(pair) for pair in self._secrets.headers(self._headers).items()],
            "end": self._ended(),
        }

    def _ended(self) -> dict[str, object]:
        how, at, why, seconds = self.ending or Ending("left", self._clock() - self._began)
        known = {"why": why, "seconds": seconds}
        return {"how": how, "at": round(at, 6), **{name: value for name, value in known.items() if value}}


class _Recorded:
    """Reads that are noted as they come; a class, as there is nothing to finalise when its reader leaves."""

    def __init__(self, reads: AsyncIterator[bytes], tape: _Tape) -> None:
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


def _model(protocol: str, path: str, body: object) -> str:
    """Return the model that a request names in its body or, as Gemini's do, in its path; an empty string for none."""
    fields: Mapping[str, object] = body if isinstance(body, dict) else {}
    asked = ADAPTERS[protocol].asked(path, fields)
    return asked.model if asked is not None else str(fields.get("model", ""))


def _keys() -> Iterator[str]:
    """Yield the keys of all known providers that are in the environment."""
    names = {name for provider in PROVIDERS.values() for name in provider.keys}
    yield from (os.environ[name] for name in names if name in os.environ)
