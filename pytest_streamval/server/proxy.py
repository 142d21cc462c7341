"""The proxy: it answers requests from recordings, or passes them on to a real provider and records the responses."""

from __future__ import annotations

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
    excerpt,
)
from pytest_streamval.http.connection import load_httpx2
from pytest_streamval.http.secrets import Secrets, keys_in_environment
from pytest_streamval.recordings.cassette import Cassette
from pytest_streamval.recordings.matching import CassetteMatcher, request_summary
from pytest_streamval.recordings.stream_recorder import StreamRecorder, numbered
from pytest_streamval.server.actions import Break, Frame, Head, Pause, Silence, Turn
from pytest_streamval.server.passed_on import PassedOnRequest, Upstream, as_sent
from pytest_streamval.server.spoiling import frames

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from os import PathLike

    from pytest_streamval.errors import ProviderUnreachableError, StreamvalError
    from pytest_streamval.http.request import HttpRequest
    from pytest_streamval.recordings.modes import RecordMode
    from pytest_streamval.server.actions import Steps
    from pytest_streamval.server.connection import Incoming
    from pytest_streamval.server.faults import Fault
    from pytest_streamval.server.journal import ServedRequest
    from pytest_streamval.server.rendering import Question

_FILE = "stream.jsonl"
_FRAMING = {"connection", "content-length", "content-type", "transfer-encoding"}
_WAY_OUT = "To record this request, give the provider as upstream, with record='new'."


class Proxy:
    """The recordings and the provider of a server, which answer its requests."""

    def __init__(
        self,
        upstream: str | None,
        folder: str | PathLike[str] | None,
        *,
        mode: RecordMode,
        fault: Fault | None,
        speed: float = inf,
    ) -> None:
        """Load the recordings, or delete them if they are to be replaced.

        Args:
            upstream: The address of the provider, or None if there is none.
            folder: The folder of the recordings, or None to keep new ones in memory only.
            mode: The record mode.
            fault: The fault of all answers.
            speed: The factor by which a replay is faster than the recording.

        Raises:
            InvalidArgumentError: A `ValueError`. If an argument is invalid.
            MissingExtraError: An `ImportError`. If requests are passed on, and httpx2 is not installed.
        """
        self.recordings: list[Cassette] = []
        """The new recordings, in the order in which the responses ended."""
        self.failures: list[AnswerFailedError] = []
        """The errors of the requests that reached no provider."""
        self._upstream = None if upstream is None else Upstream(upstream)
        self._folder = None if folder is None else Path(folder)
        if self._folder is not None and (self._folder.is_file() or (upstream is None and not self._folder.is_dir())):
            rule = (
                "It must be a folder of recordings, an existing one without an upstream. "
                "To play one cassette, give it as a script: Script.from_cassette(path)."
            )
            raise InvalidArgumentError("cassettes", excerpt(str(folder)), rule)
        self._fault = fault
        self._speed = speed
        existing = [] if self._folder is None else sorted(self._folder.glob("*.jsonl"), key=_number)
        replays = mode.replays(recorded=bool(existing))
        # without a folder there is nothing to replay
        records = self._folder is None or mode.records(recorded=bool(existing))
        self._passes_on = self._upstream is not None and records
        if self._passes_on:
            load_httpx2("Provider servers with an upstream")
        self._numbers = count(max(map(_number, existing), default=0) + 1 if replays else 1)
        self._matcher = CassetteMatcher([Cassette.load(path) for path in existing] if replays else (), way_out=_WAY_OUT)
        for path in existing if mode.replaces else ():
            path.unlink()

    def answer(
        self, request: ServedRequest, question: Question, incoming: Incoming
    ) -> tuple[Steps, Callable[[], Awaitable[None]]]:
        """Return the answer to a request for an output, and the function to await after its end."""
        steps, close = self._source(request, question, incoming)
        if self._fault is not None:
            request.fault = self._fault.name
            steps = self._fault.applied(_with_deltas(frames(steps, question), question), question)
        else:
            steps = _with_deltas(steps, question)
        return steps, close

    def passed(
        self, request: ServedRequest, question: Question, incoming: Incoming
    ) -> tuple[Steps, Callable[[], Awaitable[None]]] | None:
        """Return the provider's answer to any other request, or None if requests are not passed on."""
        if self._upstream is None or not self._passes_on:
            return None
        passed_on = PassedOnRequest(
            self._upstream,
            incoming,
            recorder=None,
            keep=_keep_nothing,
            failed=lambda error: self._failed(request, error),
        )
        return passed_on.steps(question), passed_on.close

    def unmet(self) -> Iterator[StreamvalError]:
        """Yield the errors of requests without an answer, and of recordings that were not played."""
        yield from self.failures
        yield from self._matcher.refused
        if not self._passes_on and (unplayed := self._matcher.unplayed):
            summaries = [(each.path, request_summary(each)) for each in unplayed]
            yield UnusedCassetteError(summaries, "a server with record='all'")

    def _source(
        self, request: ServedRequest, question: Question, incoming: Incoming
    ) -> tuple[Steps, Callable[[], Awaitable[None]]]:
        protocol = question.adapter.protocol
        if self._upstream is None:
            return self._replayed(question, as_sent(incoming.target, incoming)), nothing
        sent = as_sent(self._upstream.url(incoming.target), incoming)
        if not self._passes_on or self._matcher.has(sent, protocol):
            return self._replayed(question, sent), nothing
        secrets = Secrets.of(sent, keys_in_environment())
        recorder = StreamRecorder(sent, secrets, protocol=protocol, provider=protocol)
        passed_on = PassedOnRequest(
            self._upstream,
            incoming,
            recorder=recorder,
            keep=lambda: self._keep(recorder),
            failed=lambda error: self._failed(request, error),
        )
        return passed_on.steps(question), passed_on.close

    def _replayed(self, question: Question, sent: HttpRequest) -> Steps:
        try:
            cassette = self._matcher.take(sent, question.adapter.protocol)
        except UnmatchedRequestError as error:
            return question.refusal(400, str(error))
        return played(cassette, self._speed)

    def _failed(self, request: ServedRequest, error: ProviderUnreachableError) -> None:
        self.failures.append(AnswerFailedError(request.told, error.fault))

    def _keep(self, recorder: StreamRecorder) -> None:
        cassette = recorder.cassette(Path(_FILE) if self._folder is None else self._next_path(self._folder))
        self.recordings.append(cassette)
        if self._folder is not None:
            cassette.dump()

    def _next_path(self, folder: Path) -> Path:
        return numbered(folder / _FILE, next(self._numbers))


async def nothing() -> None:
    """Close nothing, for an answer that opened nothing."""


def _keep_nothing() -> None:
    """Keep no recording, for a request that is not recorded."""


def _number(path: Path) -> int:
    """Return the number of a recording: 1 for `stream.jsonl`, 2 for `stream.2.jsonl`."""
    number = path.stem.rpartition(".")[2]
    return int(number) if number.isdecimal() else 1


# The recordings


def played(cassette: Cassette, speed: float) -> Steps:
    """Yield a recording as it arrived, read for read."""
    headers = {name.lower(): value for name, value in cassette.header.get("headers") or ()}
    others = tuple((name, value) for name, value in headers.items() if name not in _FRAMING)
    head = Head(cassette.header.get("status") or 200, headers.get("content-type", "text/event-stream"), others)
    now = 0.0
    has_begun = False
    for read in cassette.reads:
        if speed != inf and read.at > now:
            yield Pause((read.at - now) / speed)
            now = read.at
        if not has_begun:
            yield head
        elif speed == inf:
            yield Turn()
        has_begun = True
        yield Frame(read.data)
    ending = cassette.ending
    if not has_begun and ending.how in {"complete", "refused"}:
        yield head
    if ending.how == "silent":
        yield Silence()
    elif ending.how in {"broken", "left"}:
        yield Break("closed")


def _with_deltas(steps: Steps, question: Question) -> Steps:
    """Yield steps, each frame with the deltas that it completes."""
    decoder = question.adapter.decoder()
    is_readable = question.asked.stream
    for step in steps:
        if isinstance(step, Frame) and is_readable:
            try:
                deltas = decoder.feed(step.data)
            except WireError as error:
                deltas, is_readable = list(error.deltas), False
            yield step._replace(deltas=len(deltas), text="".join(delta.text for delta in deltas))
        else:
            yield step
