"""The pages and the provider servers of a test, whose streams its picture and its report show beside its runs."""

from __future__ import annotations

import sys
import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import pytest

from pytest_streamval.app.page_observers import observers
from pytest_streamval.errors import described
from pytest_streamval.plugin.journals import journal_lines
from pytest_streamval.report.exchange_timelines import Exchange, timeline_of, with_reads
from pytest_streamval.report.script_timelines import exchange_of_call, exchange_of_playback
from pytest_streamval.scripting.mock import on_call
from pytest_streamval.scripting.playback import on_play

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_streamval.app.page import Page
    from pytest_streamval.app.websocket import AppWebSocket
    from pytest_streamval.fuzzing.recutting import ScriptRecutter
    from pytest_streamval.report.timeline import Outcome, Subject, Timeline
    from pytest_streamval.report.timeline_observer import TimelineObserver
    from pytest_streamval.scripting.mock import MockCall
    from pytest_streamval.scripting.playback import PlayableScript, _Playback
    from pytest_streamval.server.journal import ServedRequest
    from pytest_streamval.server.provider import ProviderServer

_ENDS: dict[str | None, Outcome] = {"complete": "complete", "left": "cancelled", "broken": "error", None: "unfinished"}
_FIRST_ERROR = 400  # of the status codes


class ObservedRun(NamedTuple):
    """A run of the test, and the request of an application in which it was started."""

    observer: TimelineObserver
    exchange: object


class SeenExchanges:
    """The last pages and WebSockets of a test, its servers, and the scripts that it played without a run."""

    def __init__(self, item: pytest.Item, most: int) -> None:
        self._item = item
        self.pages: deque[Page | AppWebSocket] = deque(maxlen=most)
        self.servers: list[ProviderServer] = []
        self._calls: deque[MockCall] = deque(maxlen=most)
        self._playbacks: deque[tuple[float, _Playback]] = deque(maxlen=most)
        observers.append(self)
        on_call.append(self._calls.append)
        on_play.append(self._note_playback)

    def close(self) -> None:
        """See nothing more."""
        observers.remove(self)
        on_call.remove(self._calls.append)
        on_play.remove(self._note_playback)

    @property
    def recutter(self) -> ScriptRecutter | None:
        """The recutter of a variant, None for a test as scripted."""
        module = sys.modules.get("pytest_streamval.plugin.variants")
        return None if module is None else module.recutter_of(self._item)

    def _note_playback(self, _: PlayableScript, playback: _Playback | None) -> None:
        if playback is not None:
            self._playbacks.append((time.time(), playback))

    def timelines(self, runs: Iterable[ObservedRun]) -> list[Timeline]:
        """Return the timelines of a test in the order of their beginnings.

        A run in a page and this page are one timeline. Requests to a provider in the time of a run belong to the run,
        and those in the time of the only open page belong to the page.
        """
        found: list[tuple[float, Timeline]] = []
        times: list[tuple[float, float]] = []
        shown: list[Page | AppWebSocket] = []
        outputs: set[int] = set()
        for observer, exchange in runs:
            outputs |= observer.outputs
            timeline = observer.timeline()
            times.append((observer.began, observer.began + timeline.span / 1e6))
            page = next((each for each in self.pages if each.is_of(exchange)), None)
            if page is not None:
                shown.append(page)
                timeline = with_reads(timeline, observer.began, _reads(page))
            found.append((observer.began, timeline))
        pages = [page for page in self.pages if page not in shown]
        alone = [each for each in self._requests() if not any(first <= each.began <= last for first, last in times)]
        owned = [(request, _only_page(pages, request)) for request in alone]
        found += [
            (page.began, timeline_of(_of_page(page, [request for request, owner in owned if owner is page])))
            for page in pages
        ]
        found += [(request.began, timeline_of(_of_request(request))) for request, owner in owned if owner is None]
        played = [
            each for each in self._played(outputs) if not any(first <= each.began <= last for first, last in times)
        ]
        found += [(each.began, timeline_of(each)) for each in played]
        return [timeline for _, timeline in sorted(found, key=lambda each: each[0])]

    def _played(self, outputs: set[int]) -> Iterator[Exchange]:
        """Yield the scripts that were played without a run.

        Args:
            outputs: The identities of the outputs of runs.
        """
        yield from (exchange_of_call(call) for call in self._calls if id(call.thunk) not in outputs)
        yield from (exchange_of_playback(playback, began) for began, playback in self._playbacks if playback.started)

    def _requests(self) -> Iterator[ServedRequest]:
        for server in self.servers:
            yield from (each for each in server.requests if each.protocol is not None and each.texts is not None)

    def journal(self) -> list[str]:
        """Return the lines of the journals of its servers."""
        return journal_lines(self.servers)

    def __bool__(self) -> bool:
        has_played = bool(self._calls) or any(playback.started for _, playback in self._playbacks)
        return bool(self.pages) or has_played or any(True for _ in self._requests())


_SEEN = pytest.StashKey[SeenExchanges]()


def begin_exchanges(item: pytest.Item, most: int) -> None:
    """Keep the last pages and the servers of a test from now on."""
    item.stash[_SEEN] = SeenExchanges(item, most)


def exchanges_of(item: pytest.Item) -> SeenExchanges | None:
    """Return the pages and servers of a running test, None if they are not kept."""
    return item.stash.get(_SEEN, None)


def forget_exchanges(item: pytest.Item) -> None:
    """Forget them."""
    if _SEEN in item.stash:
        item.stash[_SEEN].close()
        del item.stash[_SEEN]


def _only_page(pages: list[Page | AppWebSocket], request: ServedRequest) -> Page | AppWebSocket | None:
    """Return the page that was open when a request came, None if there were others or none."""
    open_pages = [page for page in pages if page.began <= request.began <= page.ended]
    return open_pages[0] if len(open_pages) == 1 else None


def _reads(page: Page | AppWebSocket) -> list[float]:
    return [page.began + read.at for read in page.reads]


def _of_page(page: Page | AppWebSocket, requests: list[ServedRequest]) -> Exchange:
    texts = sorted((each for request in requests for each in request.texts or ()), key=lambda each: each[0])
    if not texts:
        texts = [(at, read.data.decode(errors="replace")) for at, read in zip(_reads(page), page.reads, strict=True)]
    module = sys.modules.get("pytest_streamval.app.websocket")
    subject: Subject = "WebSocket" if module is not None and isinstance(page, module.AppWebSocket) else "page"
    return Exchange(subject, page.request, *_end_of_page(page), page.began, texts, _reads(page))


def _end_of_page(page: Page | AppWebSocket) -> tuple[Outcome, str]:
    if page.error is None or page.left:
        return _ENDS[page.end], ""
    return "error", f"{type(page.error).__name__}: {described(page.error)}"


def _of_request(request: ServedRequest) -> Exchange:
    outcome, why = _end_of(request)
    return Exchange("response", request.summary, outcome, why, request.began, request.texts or ())


def _end_of(request: ServedRequest) -> tuple[Outcome, str]:
    if request.finished:
        is_error = request.status is not None and request.status >= _FIRST_ERROR
        return ("error", f"its status is {request.status}") if is_error else ("complete", "")
    if request.client_disconnected:
        return "cancelled", ""
    return ("error", request.fault or "it broke off") if request.ended else ("unfinished", "")
