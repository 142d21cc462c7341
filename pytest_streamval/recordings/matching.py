"""Matching of requests with recordings."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from pytest_streamval.errors import UnmatchedRequestError, excerpt
from pytest_streamval.http.content_coding import decoded_request
from pytest_streamval.http.secrets import Secrets
from pytest_streamval.http.secrets.secret_names import REDACTED
from pytest_streamval.recordings.stream_recorder import body_of, path_of
from pytest_streamval.wire.prompts import prompt_of
from pytest_streamval.wire.registry import ADAPTERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_streamval.http.request import HttpRequest
    from pytest_streamval.recordings.cassette import Cassette

_SHOWN = 200  # characters of a request in a message
_FEW = 8  # different fields in a message
_MATCHED = ("protocol", "method", "path", "request")  # the fields of a header that count
_NOTHING = "nothing"
_WAY_OUT = "If the recording is out of date, record it anew."


class CassetteMatcher:
    """The recordings that may answer requests, each of them once, unless they are repeated."""

    def __init__(self, cassettes: Iterable[Cassette] = (), *, way_out: str = _WAY_OUT, repeats: bool = False) -> None:
        """Create a matcher.

        Args:
            cassettes: The recordings, in the order in which equal requests get them.
            way_out: The advice in the error of a request that matches no recording.
            repeats: Whether further equal requests get the last of them again.
        """
        self._repeats = repeats
        self.cassettes = tuple(cassettes)
        self.refused: list[UnmatchedRequestError] = []
        """The errors of the requests without a recording, in order."""
        self._way_out = way_out
        self._played: dict[int, Cassette] = {}
        self._taken: set[int] = set()  # since the last `rewind`

    @property
    def played(self) -> list[Cassette]:
        """The recordings that were played, in that order."""
        return list(self._played.values())

    @property
    def unplayed(self) -> list[Cassette]:
        """The recordings that were not played so far."""
        return [cassette for number, cassette in enumerate(self.cassettes) if number not in self._played]

    def has(self, request: HttpRequest, protocol: str) -> bool:
        """Return whether there is a recording of a request that was not played yet."""
        return self._number(_RequestKey.of(request, protocol)) is not None

    def take(self, request: HttpRequest, protocol: str) -> Cassette:
        """Return the recording of a request, and count it as played.

        Raises:
            UnmatchedRequestError: If there is none, or none that was not played yet.
        """
        key = _RequestKey.of(request, protocol)
        number = self._number(key)
        if number is None:
            self.refused.append(self._refusal(key))
            raise self.refused[-1]
        self._taken.add(number)
        self._played[number] = self.cassettes[number]
        return self._played[number]

    def rewind(self) -> None:
        """Allow every recording to be taken again. Those that were taken still count as played."""
        self._taken.clear()

    def _number(self, key: _RequestKey) -> int | None:
        last = None
        for number, cassette in enumerate(self.cassettes):
            if (self._repeats or number not in self._taken) and key.fits(cassette.header):
                if number not in self._taken:
                    return number
                last = number
        return last

    def _refusal(self, key: _RequestKey) -> UnmatchedRequestError:
        """Return the error of a request without a recording. It names the recording that differs least."""
        found = [
            (list(key.redacted_differences(cassette.header)), number in self._taken, cassette.path)
            for number, cassette in enumerate(self.cassettes)
        ]
        differences, _, nearest = min(found, key=lambda each: (len(each[0]), each[1]), default=([], False, ""))
        shown = [*differences[:_FEW]]
        if len(differences) > _FEW:
            shown.append((f"and {len(differences) - _FEW} more", "...", "..."))
        candidates = [
            (path, f"{key.redacted_summary(cassette)}{' (played already)' if played else ''}")
            for (_, played, path), cassette in zip(found, self.cassettes, strict=True)
        ]
        return UnmatchedRequestError(key.summary(), candidates, nearest, shown, self._way_out)


def request_summary(cassette: Cassette) -> str:
    """Return the method, the path and the prompt of a recording's request, on one line."""
    header = cassette.header
    line = f"{header.get('method', 'POST')} {header.get('path', 'anything')}"
    return f"{line} {excerpt(cassette.prompt)}" if cassette.prompt else line


# The comparison


@dataclass(frozen=True, repr=False)
class _RequestKey:
    """The parts of a request by which it is matched."""

    protocol: str
    method: str
    path: str
    request: object
    secrets: Secrets
    has_secrets: bool
    """Whether a part of the request was redacted."""

    @classmethod
    def of(cls, request: HttpRequest, protocol: str) -> _RequestKey:
        request = decoded_request(request)
        secrets = Secrets.of(request)
        path, body = path_of(request.url, secrets), body_of(request, secrets)
        return cls(protocol, request.method, path, body, secrets, REDACTED in path or REDACTED in str(body))

    def fits(self, header: Mapping[str, Any]) -> bool:
        """Return whether a recording has the same request, in the fields that its header has."""
        if not any(self.differences(header)):
            return True
        # the recording may be older than the rule by which a part of the request was redacted
        return self.has_secrets and not any(self.differences(self._redacted(header)))

    def differences(self, header: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
        """Yield the differences of a recording, except in fields that its header lacks. See `differences`."""
        synonyms = ADAPTERS[self.protocol].synonyms
        for name in _MATCHED:
            if name in header:
                yield from differences(name, _renamed(getattr(self, name), synonyms), _renamed(header[name], synonyms))

    def redacted_differences(self, header: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
        """Yield the differences of a recording without the secrets in it, as an error shows them."""
        yield from self.differences(self._redacted(header))

    def redacted_summary(self, cassette: Cassette) -> str:
        """Return the request of a recording on one line, as an error shows it."""
        return self.secrets.text(request_summary(cassette), in_request=True)

    def _redacted(self, header: Mapping[str, Any]) -> Mapping[str, Any]:
        return {name: self.secrets.body(header[name]) for name in _MATCHED if name in header}

    def summary(self) -> str:
        """Return the request on one line."""
        body = json.dumps(self.request, ensure_ascii=False)
        prompt = prompt_of(self.request)
        shown = f" {excerpt(prompt)}" if prompt else ""
        return f"{self.method} {self.path}{shown} ({self.protocol}: {excerpt(body, _SHOWN)[1:-1]})"


def _renamed(body: object, synonyms: Mapping[str, str]) -> object:
    """Return a body in which each field with two names has the older one."""
    if not isinstance(body, dict):
        return body
    return {synonyms.get(name, name): value for name, value in body.items()}


def differences(field: str, requested: object, recorded: object) -> Iterator[tuple[str, str, str]]:
    """Yield the differences of two JSON values: the field, its value in the request, its value in the recording."""
    if isinstance(requested, dict) and isinstance(recorded, dict):
        for name in dict.fromkeys([*requested, *recorded]):
            place = f"{field}.{name}"
            yield from differences(place, requested.get(name, _Missing), recorded.get(name, _Missing))
    elif isinstance(requested, list) and isinstance(recorded, list):
        for number, (now, before) in enumerate(zip_longest(requested, recorded, fillvalue=_Missing)):
            yield from differences(f"{field}[{number}]", now, before)
    elif not _equal(requested, recorded):
        yield field, _excerpt(requested), _excerpt(recorded)


def _equal(requested: object, recorded: object) -> bool:
    if isinstance(requested, str) and isinstance(recorded, str) and REDACTED in recorded:
        return _fits(requested, recorded.split(REDACTED))
    return requested == recorded and isinstance(requested, bool) == isinstance(recorded, bool)


def _fits(text: str, parts: Sequence[str]) -> bool:
    """Return whether a text has these parts in this order, the first at its start, the last at its end.

    Each part is taken where it comes first, so that the time is linear. If there is any way to fit, this one fits.
    """
    first, *middle, last = parts
    at, end = len(first), len(text) - len(last)
    if at > end or not text.startswith(first) or not text.endswith(last):
        return False
    for part in middle:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


class _Missing:
    """The value of a missing field."""


def _excerpt(value: object) -> str:
    return _NOTHING if value is _Missing else excerpt(value, _SHOWN)
