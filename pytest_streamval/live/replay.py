"""Replaying: a recording in the place of the network, read for read."""

from __future__ import annotations

import asyncio
import json
import re
from bisect import bisect_left
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import accumulate, pairwise, zip_longest
from math import inf
from os import PathLike
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeAlias

from pytest_streamval.errors import (
    CassetteEndedError,
    InvalidArgumentError,
    ProviderStatusError,
    ProviderTimeoutError,
    ProviderUnreachableError,
    UnmatchedRequestError,
    excerpt,
)
from pytest_streamval.harness.cassette import Cassette, Read, prompt_of
from pytest_streamval.live.recorder import body_of, carried, path_of, protocol_of
from pytest_streamval.live.secrets import REDACTED, Secrets
from pytest_streamval.live.transport import HttpResponse
from pytest_streamval.wire.registry import ADAPTERS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Mapping

    from pytest_streamval.harness.cuts import Cut
    from pytest_streamval.live.backend import LiveBackend
    from pytest_streamval.live.transport import HttpRequest, Transport

Recorded: TypeAlias = "Cassette | str | PathLike[str]"
"""A recording, or the path of its file."""

_GRACE = 1.0  # seconds that a replay goes on beyond where its reader had left, for one that leaves after a time
_SHOWN = 200  # characters of a request that a message shows
_FEW = 8  # fields that a message shows of those that differ
_NOTHING = "nothing"
_WAY_OUT = "If the recording is out of date, record it anew."


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
        if self.otherwise is not None and not self.shelf.has(request, provider):
            async with self.otherwise.stream(request, provider=provider) as response:
                yield response
            return
        cassette = self.shelf.take(request, provider)
        if self.cut is not None:
            cassette = recut(cassette, self.cut)
        played = _Played(cassette, self.speed, provider, Secrets.of(request).url(request.url))
        await played.begin()
        headers = dict(cassette.header.get("headers") or ())
        yield HttpResponse(cassette.header.get("status") or 200, headers, played)


class Shelf:
    """Recordings, each of which is played once."""

    def __init__(self, cassettes: Iterable[Cassette] = (), *, way_out: str = _WAY_OUT) -> None:
        """Put recordings on a shelf.

        Args:
            cassettes: in the order in which equal requests get them.
            way_out: what to do about a request that fits none, as an error says it.
        """
        self.cassettes = tuple(cassettes)
        self.refused: list[UnmatchedRequestError] = []
        """The requests that none of them answered, in order."""
        self._way_out = way_out
        self._played: dict[int, Cassette] = {}

    @property
    def played(self) -> list[Cassette]:
        """The recordings that were asked for, in that order."""
        return list(self._played.values())

    @property
    def unplayed(self) -> list[Cassette]:
        """The recordings that nobody has asked for so far."""
        return [cassette for number, cassette in enumerate(self.cassettes) if number not in self._played]

    def has(self, request: HttpRequest, provider: str) -> bool:
        """Return whether a request has a recording that was not played yet."""
        return self._number(_Asked.of(request, provider)) is not None

    def take(self, request: HttpRequest, provider: str) -> Cassette:
        """Return the recording of a request, which is played now.

        Raises:
            UnmatchedRequestError: there is none, or none any more.
        """
        asked = _Asked.of(request, provider)
        number = self._number(asked)
        if number is None:
            self.refused.append(self._refusal(asked))
            raise self.refused[-1]
        self._played[number] = self.cassettes[number]
        return self._played[number]

    def _number(self, asked: _Asked) -> int | None:
        for number, cassette in enumerate(self.cassettes):
            if number not in self._played and not any(asked.differences(cassette.header)):
                return number
        return None

    def _refusal(self, asked: _Asked) -> UnmatchedRequestError:
        """Return the error of a request that fits no recording, with the one that differs least."""
        found = [
            (list(asked.differences(cassette.header)), number in self._played, cassette.path)
            for number, cassette in enumerate(self.cassettes)
        ]
        differences, _, nearest = min(found, key=lambda each: (len(each[0]), each[1]), default=([], False, ""))
        shown = [*differences[:_FEW]]
        if len(differences) > _FEW:
            shown.append((f"and {len(differences) - _FEW} more", "...", "..."))
        candidates = [
            (path, f"{told(cassette)}{' (played already)' if played else ''}")
            for (_, played, path), cassette in zip(found, self.cassettes, strict=True)
        ]
        return UnmatchedRequestError(asked.told(), candidates, nearest, shown, self._way_out)


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


def recut(cassette: Cassette, cut: Cut) -> Cassette:
    """Return a recording whose bytes come in other pieces, each when the last of its bytes did."""
    body = cassette.body
    if not body:
        return cassette
    ends = list(accumulate(len(read.data) for read in cassette.reads))
    places = [0, *cut.offsets(body.decode("latin-1")), len(body)]  # a character a byte, so that any place will do
    pieces = [Read(cassette.reads[bisect_left(ends, end)].at, body[start:end]) for start, end in pairwise(places)]
    return replace(cassette, reads=tuple(pieces))


def told(cassette: Cassette) -> str:
    """Return what was asked in a recording, in short."""
    header = cassette.header
    where = f"{header.get('method', 'POST')} {header.get('path', 'anything')}"
    return f"{where} {excerpt(cassette.prompt)}" if cassette.prompt else where


def _loaded(cassettes: Recorded | Iterable[Recorded]) -> Iterator[Cassette]:
    for each in [cassettes] if isinstance(cassettes, Cassette | str | PathLike) else cassettes:
        yield each if isinstance(each, Cassette) else Cassette.load(each)


# Which recording it is


class _Asked(NamedTuple):
    """What tells a request from others."""

    protocol: str
    method: str
    path: str
    request: object

    @classmethod
    def of(cls, request: HttpRequest, provider: str) -> _Asked:
        secrets = Secrets.of(request)
        return cls(protocol_of(provider), request.method, path_of(request.url, secrets), body_of(request, secrets))

    def differences(self, header: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
        """Yield where a recording differs: the field, what is asked, what was; what its header lacks does not."""
        synonyms = ADAPTERS[self.protocol].synonyms
        for name, value in self._asdict().items():
            if name in header:
                yield from _differences(name, _renamed(value, synonyms), _renamed(header[name], synonyms))

    def told(self) -> str:
        body = json.dumps(self.request, ensure_ascii=False)
        prompt = prompt_of(self.request)
        said = f" {excerpt(prompt)}" if prompt else ""
        return f"{self.method} {self.path}{said} ({self.protocol}: {excerpt(body, _SHOWN)[1:-1]})"


def _renamed(body: object, synonyms: Mapping[str, str]) -> object:
    """Return a body with the older name of each field that has two."""
    if not isinstance(body, dict):
        return body
    return {synonyms.get(name, name): value for name, value in body.items()}


def _differences(field: str, asked: object, recorded: object) -> Iterator[tuple[str, str, str]]:
    if isinstance(asked, dict) and isinstance(recorded, dict):
        for name in dict.fromkeys([*asked, *recorded]):
            place = f"{field}.{name}"
            yield from _differences(place, asked.get(name, _Missing), recorded.get(name, _Missing))
    elif isinstance(asked, list) and isinstance(recorded, list):
        for number, (now, before) in enumerate(zip_longest(asked, recorded, fillvalue=_Missing)):
            yield from _differences(f"{field}[{number}]", now, before)
    elif not _equal(asked, recorded):
        yield field, _told(asked), _told(recorded)


def _equal(asked: object, recorded: object) -> bool:
    if isinstance(asked, str) and isinstance(recorded, str) and REDACTED in recorded:
        return re.fullmatch(".*".join(map(re.escape, recorded.split(REDACTED))), asked, re.DOTALL) is not None
    return asked == recorded and isinstance(asked, bool) == isinstance(recorded, bool)


class _Missing:
    """What stands for a field that is not there."""


def _told(value: object) -> str:
    return _NOTHING if value is _Missing else excerpt(value, _SHOWN)


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
