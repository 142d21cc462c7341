"""The journal: the requests that a server received, and the records of its producers."""

from __future__ import annotations

import asyncio
import threading
import time
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias

from pytest_streamval.errors import excerpt, plural
from pytest_streamval.http.secrets import Secrets
from pytest_streamval.server.newest_items import Newest
from pytest_streamval.wire.prompts import prompt_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

Outcome: TypeAlias = Literal["finished", "left", "broken", "open"]
"""The end of a response."""

_MOST_TEXTS = 20_000  # of the deltas of one response


class ServedRequest:
    """A request that a server received, and the producer's own record of the response."""

    def __init__(
        self, method: str, path: str, headers: Mapping[str, str], body: object, secrets: Secrets | None = None
    ) -> None:
        self.method = method
        """The HTTP method, or an empty text if the request could not be read."""
        self.path = path
        """The path with its query, or the first line of a request that could not be read. Secrets are redacted."""
        self.headers = headers
        """The headers, with names in lower case. Secrets are redacted."""
        self.body = body
        """The body as parsed JSON, as text if it is not JSON, or None if it is empty."""
        self.protocol: str | None = None
        """The protocol of a request for an output, or None for any other request."""
        self.model = ""
        """The name of the requested model."""
        self.stream = False
        """Whether the client requested a stream."""
        self.status: int | None = None
        """The status of the response, or None before it begins."""
        self.deltas_sent = 0
        """The number of the script's deltas that were passed to the network."""
        self.bytes_sent = 0
        """The bytes of the body that were passed to the network, without the framing of HTTP."""
        self.finished = False
        """Whether the complete response was passed to the network."""
        self.client_disconnected = False
        """Whether the client left before that."""
        self.ended = False
        """Whether the producer of the response has ended, in any way."""
        self.deltas_late = 0
        """The number of deltas that were sent after the client had left."""
        self.peer = ""
        """The address of the client, such as `127.0.0.1:54321`, the same for all requests on one connection."""
        self.size = 0
        """The bytes of the request: of its target, its headers and its body."""
        self.fault: str | None = None
        """The name of the fault of the response."""
        self.warnings: tuple[str, ...] = ()
        """The rules of the provider that the request breaks, each with its source."""
        self.refusal = ""
        """The reason for which the server itself refused the request, such as a broken rule. Empty if it did not."""
        self.began = time.time()
        """When it arrived, by the clock of the test."""
        self.texts: list[tuple[float, str]] | None = None
        """When deltas were sent, with their text, if the journal keeps that. Of a long response, the first ones."""
        self._secrets = secrets or Secrets()

    def note_refusal(self, reason: str) -> None:
        """Keep the reason for which the request is refused, without its secrets."""
        self.refusal = self._secrets.message(reason)

    def note_rules(self, broken: Iterable[object], refusal: object = None) -> None:
        """Keep the rules that the request breaks, without its secrets, and the one for which it is refused."""
        self.warnings = tuple(self._secrets.message(str(each)) for each in broken)
        if refusal is not None:
            self.note_refusal(str(refusal))

    def note_deltas(self, count: int, texts: Sequence[str]) -> None:
        """Count deltas that are passed to the network, with their text."""
        self.deltas_sent += count
        self.deltas_late += count if self.client_disconnected else 0
        if self.texts is not None and len(self.texts) < _MOST_TEXTS:
            now = time.time()
            self.texts += [(now, text) for text in texts]

    @property
    def prompt(self) -> str:
        """The text of the last message."""
        return prompt_of(self.body)

    @property
    def outcome(self) -> Outcome:
        """The end of the response: `finished`, `left` by its client, `broken`, or `open` while it goes on.

        A response is broken by a fault, by an error of its script, or by a server that closes.
        """
        if self.finished:
            return "finished"
        if self.client_disconnected:
            return "left"
        return "broken" if self.ended else "open"

    def shown(self, text: str) -> str:
        """Return an excerpt of a text of this request, without its secrets."""
        return excerpt(self._secrets.text(text, in_request=True))

    @property
    def unstopped(self) -> str:
        """How the producer went on after its client had left, or goes on; empty if it has stopped."""
        if not self.ended:
            return "still runs"
        return f"sent {self.deltas_late} more after its client had gone" if self.deltas_late else ""

    @property
    def summary(self) -> str:
        """The request on one line: method, path and prompt."""
        prompt = f" {self.shown(self.prompt)}" if self.prompt else ""
        return f"{self.method} {self.path}{prompt}".lstrip()

    @property
    def notes(self) -> list[str]:
        """The reason of a refusal, or the warnings, each on one line."""
        found = [f"refused: {self.refusal}"] if self.refusal else [f"warning: {each}" for each in self.warnings]
        return [note.partition("\n")[0] for note in found]

    def as_json(self, number: int) -> dict[str, object]:
        """Return this request as JSON can hold it, without its secrets.

        Args:
            number: Its number in the journal, from 0.
        """
        names = ("method", "path", "headers", "protocol", "model", "stream", "status", "outcome", "fault")
        counts = ("deltas_sent", "bytes_sent", "peer", "began", "refusal", "warnings")
        try:
            body = self._secrets.body(self.body)
        except RecursionError:
            body = "[nested too deep]"
        return {
            "number": number,
            **{name: getattr(self, name) for name in names},
            "prompt": self._secrets.text(self.prompt, in_request=True),
            "body": body,
            **{name: getattr(self, name) for name in counts},
        }

    def difference(
        self,
        wanted: Mapping[str, object],
        *,
        path: str | None = None,
        prompt: str | None = None,
        body: Mapping[str, object] = MappingProxyType({}),
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> str:
        """Return the first difference between this request and the wanted one, or an empty text if there is none.

        It has no secrets of this request.

        Args:
            wanted: Attributes of this object, with their values.
            path: The path, without its query.
            prompt: A part of the last message.
            body: Fields of the body, with their values.
            headers: Headers, with their values.
        """
        found = self._difference(wanted, path, prompt, body, headers)
        return self._secrets.message(found)  # it may have cut a value

    def _difference(
        self,
        wanted: Mapping[str, object],
        path: str | None,
        prompt: str | None,
        body: Mapping[str, object],
        headers: Mapping[str, str],
    ) -> str:
        for name, value in wanted.items():
            if getattr(self, name) != value:
                return f"its {name} is {getattr(self, name)!r}"
        if path is not None and self.path.partition("?")[0] != path:
            return f"its path is {self.path!r}"
        if prompt is not None and prompt not in self.prompt:
            return f"its prompt is {excerpt(self.prompt)}"
        fields = self.body if isinstance(self.body, dict) else {}
        for name, value in body.items():
            if name not in fields or fields[name] != value:
                return f"its {name} is {excerpt(fields[name])}" if name in fields else f"its body has no {name}"
        for name, value in headers.items():
            if self.headers.get(name.lower()) != value:
                return f"its header {name} is {self.headers.get(name.lower())!r}"
        return ""

    @property
    def facts(self) -> str:
        """The request, and its response so far, on one line."""
        state = "left by its client" if self.outcome == "left" else self.outcome
        fault = f", fault {self.fault}" if self.fault else ""
        return f"{self.summary}: {self.status}, {state}, {plural(self.deltas_sent, 'delta')} sent{fault}"

    def __repr__(self) -> str:
        return f"<ServedRequest {', '.join([self.facts, *self.notes])}>"


class Journal:
    """All requests of a server. Its thread adds them, and other threads read them."""

    def __init__(self, limit: int | None = None) -> None:
        """Create an empty journal.

        Args:
            limit: The most bytes of the requests that it keeps. None keeps all.
        """
        self.keeps_texts = False
        """Whether requests keep the text of their deltas."""
        self.requests: Newest[ServedRequest] = Newest(limit)
        """The requests in the order in which they arrived."""
        self._changed = threading.Condition()
        self._is_closed = False  # nothing changes any more
        self._listeners: list[Callable[[], object]] = []  # called in the event loop of the server

    def add(self, request: ServedRequest) -> None:
        """Add a request."""
        request.texts = [] if self.keeps_texts else None
        with self._changed:
            self.requests.add(request, request.size)
            self._changed.notify_all()

    @property
    def arrived(self) -> int:
        """The number of all requests so far."""
        return self.requests.added

    def after(self, number: int) -> tuple[int, list[ServedRequest]]:
        """Return the number of all requests so far, and those after the first `number` that are still there."""
        with self._changed:
            forgotten = self.arrived - len(self.requests)
            return self.arrived, self.requests[max(0, number - forgotten) :]

    def notify(self) -> None:
        """Wake the threads and the tasks that wait for a change of a request."""
        with self._changed:
            self._changed.notify_all()
        for wake in tuple(self._listeners):
            wake()

    async def await_for(self, predicate: Callable[[], bool], seconds: float) -> bool:
        """Wait in the event loop that changes the requests, and return whether a predicate is true within a time."""
        changed = asyncio.Event()
        self._listeners.append(changed.set)
        try:
            async with asyncio.timeout(seconds):
                while not predicate():
                    changed.clear()
                    await changed.wait()
        except TimeoutError:
            return predicate()
        finally:
            self._listeners.remove(changed.set)
        return True

    async def wait_in_thread(self, predicate: Callable[[], bool], seconds: float) -> bool:
        """Wait in a thread for another event loop that changes the requests. A cancellation ends the thread at once."""
        is_over = False
        try:
            return await asyncio.to_thread(self.wait_for, lambda: is_over or predicate(), seconds)
        finally:
            is_over = True
            with self._changed:
                self._changed.notify_all()

    def close_after_fork(self) -> None:
        """Make `wait_for` return at once in a forked child, in which nothing changes any more."""
        self._changed, self._is_closed = threading.Condition(), True

    def wait_for(self, predicate: Callable[[], bool], seconds: float) -> bool:
        """Wait until a predicate is true, and return whether it is true within some seconds."""
        with self._changed:
            return self._changed.wait_for(predicate, 0.0 if self._is_closed else seconds)
