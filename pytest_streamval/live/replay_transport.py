"""Replaying: a recording in the place of the network, read for read."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from math import inf
from os import PathLike
from typing import TYPE_CHECKING, Self, TypeAlias

from pytest_streamval.errors import (
    CassetteEndedError,
    InvalidArgumentError,
    ProviderStatusError,
    ProviderTimeoutError,
    ProviderUnreachableError,
    excerpt,
)
from pytest_streamval.recordings.cassette import Cassette
from pytest_streamval.http.secrets import Secrets
from pytest_streamval.recordings.matching import Shelf, recut
from pytest_streamval.live.recording_transport import carried, protocol_of
from pytest_streamval.http.client import HttpResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from pytest_streamval.fuzzing.cuts import Cut
    from pytest_streamval.http.request import HttpRequest
    from pytest_streamval.live.backend import LiveBackend
    from pytest_streamval.http.client import Transport

Recorded: TypeAlias = "Cassette | str | PathLike[str]"
"""A recording, or the path of its file."""

_GRACE = 1.0  # seconds that a replay goes on beyond where its reader had left, for one that leaves after a time


class ReplayTransport:
    """Carries requests to recordings: each one to the first that was asked the same and was not played yet.

    Reads come as they were recorded, at the recorded times, and a stream ends as it did: a refusal is refused again, a
    connection breaks again. It needs no network, and no key.
    """

    def __init__(
        self,
        cassettes: Shelf | Recorded | Iterable[Recorded],
        *,
        speed: float = 1.0,
        cut: Cut | None = None,
        otherwise: Transport | None = None,
    ) -> None:
        """Make a transport.

        Args:
            cassettes: the recordings, or the paths of their files.
            speed: times as fast as recorded; `math.inf` leaves out the pauses.
            cut: where to cut the bytes instead, inside characters and line ends too; each piece comes when the last of
                its bytes did.
            otherwise: carries the requests that fit no recording.

        Raises:
            InvalidCassetteError: a `ValueError`; a file is no cassette.
            InvalidArgumentError: a `ValueError`; the speed is not above 0.
        """
        if not speed > 0:
            raise InvalidArgumentError("speed", excerpt(speed), "it is above 0; math.inf leaves out the pauses.")
        self.shelf = cassettes if isinstance(cassettes, Shelf) else Shelf(_loaded(cassettes))
        """The recordings, and which of them were played."""
        self.speed = speed
        self.cut = cut
        self.otherwise = otherwise
        self.needs_key = otherwise is not None
        """Whether a request may need the provider's key."""

    @asynccontextmanager
    async def stream(self, request: HttpRequest, *, provider: str) -> AsyncIterator[HttpResponse]:
        """Play the recording of a request.

        Raises:
            UnmatchedRequestError: a `LookupError`; there is none, or none any more.
            Exception: what had been raised when it was recorded, if that was a provider's fault.
        """
        if self.otherwise is not None and not self.shelf.has(request, protocol_of(provider)):
            async with self.otherwise.stream(request, provider=provider) as response:
                yield response
            return
        cassette = self.shelf.take(request, protocol_of(provider))
        if self.cut is not None:
            cassette = recut(cassette, self.cut)
        played = _Played(cassette, self.speed, provider, Secrets.of(request).url(request.url))
        await played.begin()
        headers = dict(cassette.header.get("headers") or ())
        yield HttpResponse(cassette.header.get("status") or 200, headers, played)


def replaying(
    backend: LiveBackend,
    cassettes: Recorded | Iterable[Recorded],
    *,
    speed: float = 1.0,
    cut: Cut | None = None,
) -> LiveBackend:
    """Return a backend that asks as the given one does, but recordings: it needs no network and no key.

    Args:
        backend: a backend of the provider and the model that were recorded.
        cassettes: the recordings, or the paths of their files.
        speed: times as fast as recorded; `math.inf` leaves out the pauses.
        cut: where to cut the bytes instead.
    """
    return carried(backend, ReplayTransport(cassettes, speed=speed, cut=cut))


def _loaded(cassettes: Recorded | Iterable[Recorded]) -> Iterator[Cassette]:
    for each in [cassettes] if isinstance(cassettes, Cassette | str | PathLike) else cassettes:
        yield each if isinstance(each, Cassette) else Cassette.load(each)


# Playing it


class _Played:
    """The reads of a recording, each when it is due."""

    def __init__(self, cassette: Cassette, speed: float, provider: str, url: str) -> None:
        self._cassette = cassette
        self._speed = speed
        self._provider = provider
        self._url = url
        self._next = 0
        self._clock = asyncio.get_running_loop().time
        self._began = self._clock()

    async def begin(self) -> None:
        """Wait for the first bytes, as a connection does, and for what came in their place."""
        reads, ending = self._cassette.reads, self._cassette.ending
        if ending.how == "refused" or not self._cassette.header.get("status", 200):
            await self._end()
        await self._until(reads[0].at if reads else ending.at)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._next == len(self._cassette.reads):
            await self._end()
            raise StopAsyncIteration
        read = self._cassette.reads[self._next]
        await self._until(read.at)
        self._next += 1
        return read.data

    async def _end(self) -> None:
        """Wait for the end, and raise what it was, unless the stream was complete."""
        ending = self._cassette.ending
        await self._until(ending.at)
        if ending.how == "complete":
            return
        if ending.how == "left" and self._speed != inf:
            await asyncio.sleep(_GRACE)
        error = self._error()
        error.add_note(f"It comes from the recording {self._cassette.path}.")
        raise error

    def _error(self) -> Exception:
        cassette, ending, place = self._cassette, self._cassette.ending, (self._provider, self._url)
        if ending.how == "refused":
            message = cassette.body.decode(errors="replace")
            return ProviderStatusError(*place, cassette.header.get("status") or 0, message, ending.seconds)
        if ending.how == "silent":
            return ProviderTimeoutError(*place, ending.why, ending.seconds or 0.0)
        if ending.how == "broken":
            return ProviderUnreachableError(*place, ending.why)
        return CassetteEndedError(cassette.path, ending.at, ending.why)

    async def _until(self, at: float) -> None:
        # counted from the beginning, so that a reader who takes its time is not late for what follows
        await asyncio.sleep(max(0.0, self._began + at / self._speed - self._clock()))
