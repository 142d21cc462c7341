"""Shelves: recordings, and which of them answers a request."""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from dataclasses import replace
from itertools import accumulate, pairwise, zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_streamval.errors import UnmatchedRequestError, excerpt
from pytest_streamval.recordings.cassette import Cassette, Read, prompt_of
from pytest_streamval.http.secrets import REDACTED, Secrets
from pytest_streamval.recordings.stream_recorder import body_of, path_of
from pytest_streamval.wire.registry import ADAPTERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_streamval.fuzzing.cuts import Cut
    from pytest_streamval.http.request import HttpRequest

_SHOWN = 200  # characters of a request that a message shows
_FEW = 8  # fields that a message shows of those that differ
_NOTHING = "nothing"
_WAY_OUT = "If the recording is out of date, record it anew."


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

    def has(self, request: HttpRequest, protocol: str) -> bool:
        """Return whether a request has a recording that was not played yet."""
        return self._number(_Asked.of(request, protocol)) is not None

    def take(self, request: HttpRequest, protocol: str) -> Cassette:
        """Return the recording of a request, which is played now.

        Raises:
            UnmatchedRequestError: there is none, or none any more.
        """
        asked = _Asked.of(request, protocol)
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


# Which recording it is


class _Asked(NamedTuple):
    """What tells a request from others."""

    protocol: str
    method: str
    path: str
    request: object

    @classmethod
    def of(cls, request: HttpRequest, protocol: str) -> _Asked:
        secrets = Secrets.of(request)
        return cls(protocol, request.method, path_of(request.url, secrets), body_of(request, secrets))

    def differences(self, header: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
        """Yield where a recording differs: the field, what is asked, what was; what its header lacks does not."""
        synonyms = ADAPTERS[self.protocol].synonyms
        for name, value in self._asdict().items():
            if name in header:
                yield from differences(name, _renamed(value, synonyms), _renamed(header[name], synonyms))

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


def differences(field: str, asked: object, recorded: object) -> Iterator[tuple[str, str, str]]:
    """Yield where one JSON value differs from another: the field, what is asked, what was recorded."""
    if isinstance(asked, dict) and isinstance(recorded, dict):
        for name in dict.fromkeys([*asked, *recorded]):
            place = f"{field}.{name}"
            yield from differences(place, asked.get(name, _Missing), recorded.get(name, _Missing))
    elif isinstance(asked, list) and isinstance(recorded, list):
        for number, (now, before) in enumerate(zip_longest(asked, recorded, fillvalue=_Missing)):
            yield from differences(f"{field}[{number}]", now, before)
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
