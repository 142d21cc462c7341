"""Relays: what answers in the place of scripts, a real provider or what was recorded of one."""

from __future__ import annotations

import os
from itertools import count
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_streamval.errors import (
    AnswerFailedError,
    InvalidArgumentError,
    UnmatchedRequestError,
    UnusedCassetteError,
    WireError,
    described,
    excerpt,
)
from pytest_streamval.recordings.cassette import Cassette
from pytest_streamval.http.request import HttpRequest
from pytest_streamval.http.secrets import Secrets
from pytest_streamval.recordings.matching import Shelf, told
from pytest_streamval.recordings.stream_recorder import Tape, numbered
from pytest_streamval.server.spoiling import frames
from pytest_streamval.server.actions import Break, Frame, Head, Pause, Silence, Turn
from pytest_streamval.server.upstream import Exchange, Upstream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from os import PathLike

    from pytest_streamval.errors import StreamvalError
    from pytest_streamval.server.connection import Incoming
    from pytest_streamval.server.faults import Fault
    from pytest_streamval.server.journal import ServedRequest
    from pytest_streamval.server.rendering import Question
    from pytest_streamval.server.actions import Steps

MODES = ("none", "once", "new", "all")
"""How recordings and a provider go together; see `ProviderServer`."""

_FILE = "stream.jsonl"
_OWN = {"connection", "content-length", "content-type", "transfer-encoding"}
_WAY_OUT = "To record what is asked now, give the provider as upstream, with record='new'."


class Relay:
    """Answers from recordings, and asks a real provider for the rest."""

    def __init__(
        self,
        upstream: str | None,
        folder: str | PathLike[str] | None,
        *,
        mode: str,
        fault: Fault | None,
        speed: float = inf,
    ) -> None:
        if mode not in MODES:
            raise InvalidArgumentError("record", excerpt(mode), f"it is one of {', '.join(MODES)}.")
        self.recordings: list[Cassette] = []
        """What was recorded, in the order in which the answers ended."""
        self.failures: list[AnswerFailedError] = []
        """The requests that could not be passed on."""
        self._upstream = None if upstream is None else Upstream(upstream)
        self._folder = None if folder is None else Path(folder)
        if self._folder is not None and (self._folder.is_file() or (upstream is None and not self._folder.is_dir())):
            rule = "it is a folder of recordings; without an upstream, one that is there. One cassette is a script: "
            raise InvalidArgumentError("cassettes", excerpt(str(folder)), f"{rule}Script.from_cassette(path).")
        self._fault = fault
        self._speed = speed
        there = [] if self._folder is None else sorted(self._folder.glob("*.jsonl"), key=_number)
        replays = mode in {"none", "new"} or (mode == "once" and bool(there))
        self._asks = self._upstream is not None and (mode in {"new", "all"} or (mode == "once" and not there))
        if self._upstream is not None and self._folder is None:
            self._asks = True  # there is nothing to replay
        self._numbers = count(max(map(_number, there), default=0) + 1 if replays else 1)
        self._shelf = Shelf([Cassette.load(path) for path in there] if replays else (), way_out=_WAY_OUT)
        for path in () if replays else there:
            path.unlink()

    def answer(
        self, request: ServedRequest, question: Question, incoming: Incoming
    ) -> tuple[Steps, Callable[[], None]]:
        """Return an answer, and what to call when it has ended or its client has left."""
        steps, close = self._source(request, question, incoming)
        if self._fault is not None:
            request.fault = self._fault.name
            steps = self._fault.applied(_counted(frames(steps, question), question), question)
        else:
            steps = _counted(steps, question)
        return steps, close

    def passed(
        self, request: ServedRequest, question: Question, incoming: Incoming
    ) -> tuple[Steps, Callable[[], None]] | None:
        """Return the answer to what is no request for an output, where a provider can be asked."""
        if self._upstream is None or not self._asks:
            return None
        exchange = Exchange(
            self._upstream, incoming, tape=None, keep=nothing, failed=lambda error: self._failed(request, error)
        )
        return exchange.steps(question), exchange.close

    def unmet(self) -> Iterator[StreamvalError]:
        """Yield what could not be answered, and what was recorded and not asked."""
        yield from self.failures
        yield from self._shelf.refused
        if not self._asks and (unplayed := self._shelf.unplayed):
            yield UnusedCassetteError([(each.path, told(each)) for each in unplayed], "a server with record='all'")

    def _source(
        self, request: ServedRequest, question: Question, incoming: Incoming
    ) -> tuple[Steps, Callable[[], None]]:
        protocol = question.adapter.protocol
        url = incoming.target if self._upstream is None else self._upstream.url(incoming.target)
        asked = HttpRequest(url, incoming.body, {name.lower(): value for name, value in incoming.headers})
        if self._upstream is None or not self._asks or self._shelf.has(asked, protocol):
            return self._replayed(question, asked), nothing
        secrets = Secrets.of(asked, _keys())
        tape = Tape(asked, secrets, protocol=protocol, provider=protocol)
        exchange = Exchange(
            self._upstream,
            incoming,
            tape=tape,
            keep=lambda: self._keep(tape),
            failed=lambda error: self._failed(request, error),
        )
        return exchange.steps(question), exchange.close

    def _replayed(self, question: Question, asked: HttpRequest) -> Steps:
        try:
            cassette = self._shelf.take(asked, question.adapter.protocol)
        except UnmatchedRequestError as error:
            return question.refusal(400, str(error))
        return played(cassette, self._speed)

    def _failed(self, request: ServedRequest, error: Exception) -> None:
        """Note why nobody was reached."""
        self.failures.append(AnswerFailedError(request.told, f"{type(error).__name__}: {described(error)}"))

    def _keep(self, tape: Tape) -> None:
        """Keep what was recorded."""
        cassette = tape.cassette(Path(_FILE) if self._folder is None else self._path())
        self.recordings.append(cassette)
        if self._folder is not None:
            cassette.dump()

    def _path(self) -> Path:
        assert self._folder is not None  # noqa: S101  # for the type checker
        return numbered(self._folder / _FILE, next(self._numbers))


def nothing() -> None:
    """Do what there is to do where nothing was opened."""


def _number(path: Path) -> int:
    """Return the number of a recording: `stream.jsonl` is the first, `stream.2.jsonl` the second."""
    number = path.stem.rpartition(".")[2]
    return int(number) if number.isdecimal() else 1


def _keys() -> Iterator[str]:
    """Yield the keys in the environment."""
    yield from (value for name, value in os.environ.items() if name.upper().endswith("API_KEY"))


def played(cassette: Cassette, speed: float) -> Steps:
    """Yield a recording as it came, read for read."""
    headers = {name.lower(): value for name, value in cassette.header.get("headers") or ()}
    kind = headers.get("content-type", "text/event-stream")
    others = tuple((name, value) for name, value in headers.items() if name not in _OWN)
    now = 0.0
    begun = False
    for read in cassette.reads:
        if speed != inf and read.at > now:
            yield Pause((read.at - now) / speed)
            now = read.at
        if not begun:
            yield Head(cassette.header.get("status") or 200, kind, others)
        elif speed == inf:
            yield Turn()
        begun = True
        yield Frame(read.data)
    ending = cassette.ending
    if not begun and ending.how in {"complete", "refused"}:
        yield Head(cassette.header.get("status") or 200, kind, others)
    if ending.how == "silent":
        yield Silence()
    elif ending.how in {"broken", "left"}:
        yield Break("closed")


def _counted(steps: Steps, question: Question) -> Steps:
    """Yield the steps, each frame with the deltas that are complete with it."""
    decoder = question.adapter.decoder()
    reads = question.asked.stream
    for step in steps:
        if isinstance(step, Frame) and reads:
            try:
                deltas = decoder.feed(step.data)
            except WireError as error:
                deltas, reads = list(error.deltas), False
            yield step._replace(deltas=len(deltas), text="".join(delta.text for delta in deltas))
        else:
            yield step
