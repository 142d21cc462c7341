"""The proxy: it answers requests from recordings, or forwards them to a real provider and records the responses."""

from __future__ import annotations

from itertools import count
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_streamval.errors import (
    CheckFailedError,
    InvalidArgumentError,
    StreamvalError,
    UnmatchedRequestError,
    WireError,
    answer_failed_error,
    excerpt,
    unused_cassette_error,
)
from pytest_streamval.http.connection import load_httpx2
from pytest_streamval.http.content_coding import decoded_request
from pytest_streamval.http.secrets import Secrets, keys_in_environment
from pytest_streamval.recordings.cassette import Cassette
from pytest_streamval.recordings.matching import CassetteMatcher, request_summary
from pytest_streamval.recordings.replacement import NewRecordings
from pytest_streamval.recordings.stream_recorder import StreamRecorder, numbered
from pytest_streamval.server.actions import Disconnect, Flush, Hang, Response, SendData, SendHead, Sleep
from pytest_streamval.server.arguments import checked_mode
from pytest_streamval.server.forwarding import ForwardedRequest, Upstream, end_to_end, request_to
from pytest_streamval.server.framing import split_frames
from pytest_streamval.server.newest_items import Newest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from os import PathLike

    from pytest_streamval.errors import StreamvalError
    from pytest_streamval.http.request import HttpRequest
    from pytest_streamval.recordings.record_modes import RecordMode
    from pytest_streamval.server.actions import Actions
    from pytest_streamval.server.faults.fault import Fault
    from pytest_streamval.server.incoming_request import IncomingRequest
    from pytest_streamval.server.journal import ServedRequest
    from pytest_streamval.server.rendering import Renderer

_FILE = "stream.jsonl"
_HOW_TO_RECORD = (
    "To record this request, give the provider as upstream, with record='new' (on the command line: "
    "streamval serve --upstream URL -o FOLDER)."
)


class Proxy:
    """The recordings and the provider of a server, which respond to its requests."""

    def __init__(
        self,
        upstream: str | None,
        folder: str | PathLike[str] | None,
        *,
        mode: RecordMode,
        fault: Fault | None,
        speed: float = inf,
        limit: int | None = None,
        repeats: bool = False,
    ) -> None:
        """Load the recordings, unless they are to be replaced.

        Args:
            upstream: The address of the provider, or None if there is none.
            folder: The folder of the recordings, or None to keep new ones in memory only.
            mode: The record mode.
            fault: The fault of all responses.
            speed: The factor by which a replay is faster than the recording.
            limit: The most bytes of the recordings that are kept in memory. None keeps all.
            repeats: Whether a recording may be replayed again and again.

        Raises:
            InvalidArgumentError: A `ValueError`. If an argument is invalid.
            MissingExtraError: An `ImportError`. If requests are forwarded, and httpx2 is not installed.
        """
        self.recordings: Newest[Cassette] = Newest(limit)
        """The new recordings, in the order in which the responses ended."""
        self.failures: Newest[CheckFailedError] = Newest(limit)
        """The errors of the requests that the proxy could not forward."""
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
        self._forwards = self._upstream is not None and records
        if self._forwards:
            load_httpx2("Provider servers with an upstream")
        self._numbers = count(max(map(_number, existing), default=0) + 1 if replays else 1)
        self._matcher = CassetteMatcher(
            [Cassette.load(path) for path in existing] if replays else (), way_out=_HOW_TO_RECORD, repeats=repeats
        )
        self._repeats = repeats
        self._new = NewRecordings(existing if mode.replaces else ())

    def respond(self, request: ServedRequest, renderer: Renderer, incoming: IncomingRequest) -> Response:
        """Return the response to a request for an output."""
        response = self._replay_or_forward(request, renderer, incoming)
        if self._fault is None:
            return response._replace(actions=_count_deltas(response.actions, renderer))
        request.fault = self._fault.name
        counted = _count_deltas(split_frames(response.actions, renderer), renderer)
        return response._replace(actions=self._fault.apply(counted, renderer))

    def forward_other(self, request: ServedRequest, renderer: Renderer, incoming: IncomingRequest) -> Response | None:
        """Return the provider's response to any other request, or None if requests are not forwarded."""
        if self._upstream is None or not self._forwards:
            return None
        return self._forward(self._upstream, request, renderer, incoming, recorder=None)

    def close(self, *, failed: bool = False) -> None:
        """Replace the old recordings in the mode `all`. After a failure they stay.

        Args:
            failed: Whether the run has failed. A request that reached no provider counts as a failure too.

        Raises:
            OSError: If they cannot be replaced.
        """
        self._new.close(failed=failed or bool(self.failures))

    def unmet(self) -> Iterator[StreamvalError]:
        """Yield an error for each failed request, each request without a recording, and each recording not played."""
        yield from self.failures
        yield from self._matcher.refused
        if not self._forwards and not self._repeats and (unplayed := self._matcher.unplayed):
            summaries = [(each.path, request_summary(each)) for each in unplayed]
            yield unused_cassette_error(summaries, "a server with record='all'")

    def _replay_or_forward(self, request: ServedRequest, renderer: Renderer, incoming: IncomingRequest) -> Response:
        protocol = renderer.adapter.protocol
        upstream = self._upstream
        url = incoming.target if upstream is None else upstream.url(incoming.target)
        sent = decoded_request(request_to(url, incoming))
        if upstream is None or not self._forwards or self._matcher.has(sent, protocol):
            return Response(self._replay(request, renderer, sent))
        recorder = StreamRecorder(sent, Secrets.of(sent, keys_in_environment()), protocol=protocol, provider=protocol)
        return self._forward(upstream, request, renderer, incoming, recorder=recorder)

    def _forward(
        self,
        upstream: Upstream,
        request: ServedRequest,
        renderer: Renderer,
        incoming: IncomingRequest,
        *,
        recorder: StreamRecorder | None,
    ) -> Response:
        forwarded = ForwardedRequest(
            upstream,
            incoming,
            recorder=recorder,
            keep=lambda: self._keep(recorder, len(incoming.body)),
            on_failure=lambda reason: self._add_failure(answer_failed_error(request.summary, reason)),
        )
        return Response(forwarded.actions(renderer), forwarded.close)

    def _add_failure(self, error: CheckFailedError) -> None:
        self.failures.add(error, len(error.message))

    def _replay(self, request: ServedRequest, renderer: Renderer, sent: HttpRequest) -> Actions:
        try:
            cassette = self._matcher.take(sent, renderer.adapter.protocol)
        except UnmatchedRequestError as error:
            request.note_refusal(str(error))
            return renderer.render_error(400, str(error))
        return replay_actions(cassette, self._speed)

    def _keep(self, recorder: StreamRecorder | None, size: int) -> None:
        if recorder is None:
            return
        cassette = recorder.cassette(Path(_FILE) if self._folder is None else self._next_path(self._folder))
        self.recordings.add(cassette, size + sum(len(read.data) for read in cassette.reads))
        if self._folder is not None:
            self._new.add(cassette)

    def _next_path(self, folder: Path) -> Path:
        return numbered(folder / _FILE, next(self._numbers))


def proxy_of(
    scripts: Sequence[object],
    *,
    upstream: str | None,
    cassettes: str | PathLike[str] | None,
    record: str | None,
    fault: Fault | None,
    speed: float,
    limit: int | None,
    repeats: bool,
) -> Proxy | None:
    """Return the proxy of a server, or None if it plays scripts.

    Raises:
        InvalidArgumentError: A `ValueError`. If the arguments do not fit together.
    """
    if upstream is None and cassettes is None:
        if record is not None:
            rule = "It must be None if there is neither an upstream nor cassettes. Give one of them."
            raise InvalidArgumentError("record", repr(record), rule)
        return None
    if scripts:
        rule = "It must not be given with scripts. A server has either scripts or a provider, not both."
        raise InvalidArgumentError("upstream", repr(upstream), rule)
    mode = checked_mode(record, upstream)
    return Proxy(upstream, cassettes, mode=mode, fault=fault, speed=speed, limit=limit, repeats=repeats)


def _number(path: Path) -> int:
    """Return the number of a recording: 1 for `stream.jsonl`, 2 for `stream.2.jsonl`."""
    number = path.stem.rpartition(".")[2]
    return int(number) if number.isdecimal() else 1


def replay_actions(cassette: Cassette, speed: float) -> Actions:
    """Yield the actions that replay a recording, one for each read.

    Args:
        cassette: The recording.
        speed: The factor by which the replay is faster than the recording. `math.inf` skips the pauses.
    """
    headers = {name.lower(): value for name, value in cassette.header.get("headers") or ()}
    others = tuple(pair for pair in end_to_end(headers.items()) if pair[0] != "content-type")
    head = SendHead(cassette.header.get("status") or 200, headers.get("content-type", "text/event-stream"), others)
    now = 0.0
    has_begun = False
    for read in cassette.reads:
        if speed != inf and read.at > now:
            yield Sleep((read.at - now) / speed)
            now = read.at
        if not has_begun:
            yield head
        elif speed == inf:
            yield Flush()
        has_begun = True
        yield SendData(read.data)
    ending = cassette.ending
    if not has_begun and ending.how in {"complete", "refused"}:
        yield head
    if ending.how == "silent":
        yield Hang()
    elif ending.how in {"broken", "left"}:
        yield Disconnect("closed")


def _count_deltas(actions: Actions, renderer: Renderer) -> Actions:
    """Yield actions, each with the deltas that its data completes."""
    decoder = renderer.adapter.decoder()
    is_readable = renderer.streams
    for action in actions:
        if isinstance(action, SendData) and is_readable:
            try:
                deltas = decoder.feed(action.data)
            except WireError as error:
                deltas, is_readable = list(error.deltas), False
            yield action._replace(deltas=len(deltas), text="".join(delta.text for delta in deltas))
        else:
            yield action
