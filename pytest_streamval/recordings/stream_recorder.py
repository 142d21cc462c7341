"""The recorder of one stream. It carries nothing itself: a transport or a server reports to it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pytest_streamval.errors import ProviderStatusError, ProviderTimeoutError, described
from pytest_streamval.recordings.cassette import Cassette, Ending, Read
from pytest_streamval.recordings.redacted_responses import redacted
from pytest_streamval.wire.registry import ADAPTERS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pytest_streamval.http.request import HttpRequest
    from pytest_streamval.http.secrets import Secrets


class StreamRecorder:
    """The recording of one stream so far: its request, and the reads that have arrived."""

    def __init__(
        self,
        request: HttpRequest,
        secrets: Secrets,
        *,
        protocol: str,
        provider: str,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """Begin a recording.

        Args:
            request: The request that is sent.
            secrets: The values that must not be written.
            protocol: The name of the protocol's adapter.
            provider: The name of the provider.
            clock: Returns the time in seconds. By default the time of the event loop.
        """
        self.ending: Ending | None = None
        """The end of the stream, or None while it goes on."""
        self._request = request
        self._provider = provider
        self._protocol = protocol
        self._secrets = secrets
        self._clock = clock or asyncio.get_running_loop().time
        self._began = self._clock()
        self._status: int | None = None
        self._headers: Mapping[str, str] = {}
        self._reads: list[Read] = []

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Record the status and the headers of the response."""
        self._status, self._headers = status, headers

    @property
    def is_worth_keeping(self) -> bool:
        """Whether a provider was reached."""
        return self._status is not None or self.ending is not None

    def read(self, data: bytes) -> None:
        """Record the bytes of a read."""
        self._reads.append(Read(self._clock() - self._began, data))

    def end(self, how: str, why: str = "", seconds: float | None = None) -> None:
        """Record the end of the stream. The first end counts."""
        if self.ending is None:
            self.ending = Ending(how, self._clock() - self._began, self._secrets.text(why), seconds)

    def broke(self, error: Exception) -> None:
        """Record the error that broke the stream."""
        if isinstance(error, ProviderTimeoutError):
            self.end("silent", error.awaited, error.seconds)
        else:
            self.end("broken", getattr(error, "fault", None) or f"{type(error).__name__}: {described(error)}")

    def failed(self, error: BaseException) -> None:
        """Record an error: the reader's after a response has begun, the provider's before."""
        if self._status is not None or isinstance(error, asyncio.CancelledError):
            self.end("left", type(error).__name__)
        elif isinstance(error, ProviderStatusError):
            self._status = error.status
            self._headers = {} if error.response is None else error.response.headers
            self.read(error.body.encode())
            self.end("refused", seconds=error.retry_after)
        elif isinstance(error, ProviderTimeoutError):
            self.broke(error)

    def cassette(self, path: Path) -> Cassette:
        """Return the recording without its secrets."""
        reads = redacted([read.data for read in self._reads], self._secrets)
        pairs = zip(self._reads, reads, strict=True)
        return Cassette(str(path), self._header(), tuple(Read(read.at, data) for read, data in pairs))

    def _header(self) -> dict[str, Any]:
        address = urlsplit(self._request.url)
        path, body = path_of(self._request.url, self._secrets), body_of(self._request, self._secrets)
        return {
            "protocol": self._protocol,
            "provider": self._provider,
            "model": _model(self._protocol, path, body),
            "server": self._secrets.text(f"{address.scheme}://{address.netloc.rpartition('@')[2]}"),
            "method": self._request.method,
            "path": path,
            "request": body,
            "status": self._status,
            "headers": [list(pair) for pair in self._secrets.headers(self._headers).items()],
            "end": self._end_fields(),
        }

    def _end_fields(self) -> dict[str, object]:
        how, at, why, seconds = self.ending or Ending("left", self._clock() - self._began)
        known = {"why": why, "seconds": seconds}
        return {"how": how, "at": round(at, 6), **{name: value for name, value in known.items() if value}}


def path_of(url: str, secrets: Secrets) -> str:
    """Return the path of an address as a cassette keeps it: with its query, without secrets."""
    parts = urlsplit(url)._replace(scheme="", netloc="", fragment="")
    return secrets.url(parts.geturl()) or "/"


def body_of(request: HttpRequest, secrets: Secrets) -> object:
    """Return the body of a request as a cassette keeps it: parsed JSON, else text, or None without a body."""
    return secrets.content(request.body, request.headers) if request.body else None


def numbered(path: Path, number: int) -> Path:
    """Return the path of the cassette with a number: `name.jsonl`, `name.2.jsonl`, ..."""
    return path if number == 1 else path.with_name(f"{path.stem}.{number}{path.suffix}")


def _model(protocol: str, path: str, body: object) -> str:
    """Return the model that a request names in its body or, for Gemini, in its path. Return "" if it names none."""
    fields: Mapping[str, object] = body if isinstance(body, dict) else {}
    asked = ADAPTERS[protocol].parse_request(path, fields)
    return asked.model if asked is not None else str(fields.get("model", ""))
