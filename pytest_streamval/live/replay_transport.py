"""Replay of recordings in place of the network, read for read."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
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
    harmless,
)
from pytest_streamval.fuzzing.recutting import recut_cassette
from pytest_streamval.http.client import HttpResponse
from pytest_streamval.http.response_info import response_info
from pytest_streamval.http.secrets import Secrets
from pytest_streamval.live.recording_transport import protocol_of, with_transport
from pytest_streamval.recordings.cassette import Cassette
from pytest_streamval.recordings.matching import CassetteMatcher

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from pytest_streamval.fuzzing.cuts import Cut
    from pytest_streamval.http.client import Transport
    from pytest_streamval.http.request import HttpRequest
    from pytest_streamval.live.backend import LiveBackend

Recorded: TypeAlias = "Cassette | str | PathLike[str]"
"""A recording, or the path of its file."""

_GRACE = 1.0  # seconds that a replay goes on after its reader had left, for a reader that leaves after some time


class ReplayTransport:
    """A transport that answers each request with the first recording of the same request that was not played yet.

    Reads arrive as they were recorded, at the recorded times, and a stream ends in the same way: a refusal is refused
    again, a connection breaks again. It needs neither a network nor a key.
    """

    def __init__(
        self,
        cassettes: CassetteMatcher | Recorded | Iterable[Recorded],
        *,
        speed: float = 1.0,
        cut: Cut | None = None,
        otherwise: Transport | None = None,
    ) -> None:
        """Create a transport.

        Args:
            cassettes: The recordings, or the paths of their files.
            speed: The factor by which the replay is faster than the recording. `math.inf` leaves out the pauses.
            cut: The places to cut the bytes instead, also inside characters and line ends. Each piece arrives with its
                last byte.
            otherwise: The transport of the requests that have no recording.

        Raises:
            InvalidFileError: A `ValueError`. If a file is not a cassette.
            InvalidArgumentError: A `ValueError`. If the speed is not above 0.
        """
        if not speed > 0:
            raise InvalidArgumentError("speed", excerpt(speed), "It must be above 0. math.inf leaves out the pauses.")
        self.matcher = (
            cassettes if isinstance(cassettes, CassetteMatcher) else CassetteMatcher(_loaded_cassettes(cassettes))
        )
        """The recordings, and those of them that were played."""
        self.speed = speed
        self.cut = cut
        self.otherwise = otherwise
        self.needs_key = otherwise is not None
        """Whether a request may need the provider's key."""

    @asynccontextmanager
    async def stream(self, request: HttpRequest, *, provider: str) -> AsyncIterator[HttpResponse]:
        """Play the recording of a request.

        Raises:
            UnmatchedRequestError: A `LookupError`. If there is none, or none that was not played yet.
            Exception: If a fault of the provider was recorded.
        """
        if self.otherwise is not None and not self.matcher.has(request, protocol_of(provider)):
            async with self.otherwise.stream(request, provider=provider) as response:
                yield response
            return
        cassette = self.matcher.take(request, protocol_of(provider))
        if self.cut is not None:
            cassette = recut_cassette(cassette, self.cut)
        played = _ReplayedReads(cassette, self.speed, provider, request)
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
    """Return a backend that gets the responses to its requests from recordings. It needs neither a network nor a key.

    Args:
        backend: A backend of the provider and the model that were recorded.
        cassettes: The recordings, or the paths of their files.
        speed: The factor by which the replay is faster than the recording. `math.inf` leaves out the pauses.
        cut: The places to cut the bytes instead.
    """
    return with_transport(backend, ReplayTransport(cassettes, speed=speed, cut=cut))


def _loaded_cassettes(cassettes: Recorded | Iterable[Recorded]) -> Iterator[Cassette]:
    for each in [cassettes] if isinstance(cassettes, Cassette | str | PathLike) else cassettes:
        yield each if isinstance(each, Cassette) else Cassette.load(each)


# Playback


class _ReplayedReads:
    """The reads of a recording, each at its time."""

    def __init__(self, cassette: Cassette, speed: float, provider: str, request: HttpRequest) -> None:
        self._cassette = cassette
        self._speed = speed
        self._provider = provider
        self._secrets = Secrets.of(request)
        self._url = self._secrets.url(request.url)
        self._next = 0
        self._clock = asyncio.get_running_loop().time
        self._began = self._clock()

    async def begin(self) -> None:
        """Wait for the first bytes, as a connection does, or for the error in their place."""
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
        """Wait for the end, and raise its error, unless the stream was complete."""
        ending = self._cassette.ending
        await self._until(ending.at)
        if ending.how == "complete":
            return
        if ending.how == "left" and self._speed != inf:
            await asyncio.sleep(_GRACE)
        error = self._error()
        error.add_note(harmless(f"It comes from the recording {self._cassette.path}."))
        raise error

    def _error(self) -> Exception:
        cassette, ending, place = self._cassette, self._cassette.ending, (self._provider, self._url)
        if ending.how == "refused":
            message = self._secrets.text(cassette.body.decode(errors="replace"))
            headers = dict(cassette.header.get("headers") or ())
            found = response_info(cassette.header.get("status") or 0, headers, self._secrets)
            info = replace(found, retry_after=ending.seconds)
            return ProviderStatusError(*place, info.status, message, info.retry_after).with_response(info)
        if ending.how == "silent":
            return ProviderTimeoutError(*place, ending.why, ending.seconds or 0.0)
        if ending.how == "broken":
            return ProviderUnreachableError(*place, self._secrets.text(ending.why))
        return CassetteEndedError(cassette.path, ending.at, ending.why)

    async def _until(self, at: float) -> None:
        # counted from the beginning, so that a slow reader is not late for the following reads
        await asyncio.sleep(max(0.0, self._began + at / self._speed - self._clock()))
