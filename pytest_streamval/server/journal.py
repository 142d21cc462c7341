"""The journal: what was asked, and what the producer really did."""

from __future__ import annotations

import threading
from types import MappingProxyType
from typing import TYPE_CHECKING

from pytest_streamval.errors import excerpt
from pytest_streamval.recordings.cassette import prompt_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class ServedRequest:
    """One request, with the producer's own record of its answer."""

    def __init__(self, method: str, path: str, headers: Mapping[str, str], body: object) -> None:
        self.method = method
        """The HTTP method."""
        self.path = path
        """The path with its query, secrets redacted."""
        self.headers = headers
        """The headers, names in lower case, secrets redacted."""
        self.body = body
        """The body as parsed JSON, as text where it is none, None where there is none."""
        self.protocol: str | None = None
        """The protocol in which an output was asked for; None where nothing of the kind was."""
        self.model = ""
        """The model that was asked."""
        self.stream = False
        """Whether a stream was asked for."""
        self.status: int | None = None
        """The status of the answer; None as long as there is none."""
        self.deltas_sent = 0
        """How many deltas of the script were handed to the network."""
        self.bytes_sent = 0
        """How many bytes of the answer's body were handed to the network, without what frames them in HTTP."""
        self.finished = False
        """Whether the whole answer was handed to the network."""
        self.client_disconnected = False
        """Whether the client went away before that."""
        self.ended = False
        """Whether the producer of the answer has ended, however it did."""
        self.deltas_late = 0
        """How many deltas were sent after the client had gone."""
        self.fault: str | None = None
        """The name of the fault that the answer had."""

    @property
    def prompt(self) -> str:
        """The last message of the request, as far as it is text."""
        return prompt_of(self.body)

    @property
    def unstopped(self) -> str:
        """What the producer did after its client was gone, or still does, in a few words; empty if it has stopped."""
        if not self.ended:
            return "still runs"
        return f"sent {self.deltas_late} more after its client had gone" if self.deltas_late else ""

    @property
    def told(self) -> str:
        """What was asked, on a line."""
        said = f" {excerpt(self.prompt)}" if self.prompt else ""
        return f"{self.method} {self.path}{said}"

    def difference(
        self,
        wanted: Mapping[str, object],
        *,
        path: str | None = None,
        prompt: str | None = None,
        body: Mapping[str, object] = MappingProxyType({}),
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> str:
        """Return where the request is not what is wanted; an empty text where it is.

        Args:
            wanted: attributes of this object, with their values.
            path: the path, without its query.
            prompt: what stands somewhere in the last message.
            body: fields of the body, with their values.
            headers: headers, with their values.
        """
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

    def __repr__(self) -> str:
        state = "finished" if self.finished else "left by its client" if self.client_disconnected else "open"
        return f"<ServedRequest {self.told}: {self.status}, {state}, {self.deltas_sent} deltas sent>"


class Journal:
    """All requests of a server, written in its thread and read in others."""

    def __init__(self) -> None:
        self.requests: list[ServedRequest] = []
        """In the order in which they came."""
        self._changed = threading.Condition()
        self._ended = False  # nothing will happen any more

    def enter(self, request: ServedRequest) -> None:
        """Add a request."""
        self.requests.append(request)
        self.note()

    def note(self) -> None:
        """Wake those who wait for something to happen."""
        with self._changed:
            self._changed.notify_all()

    def leave_to_parent(self) -> None:
        """Wait for nothing in a forked child, in which nothing will happen."""
        self._changed, self._ended = threading.Condition(), True

    def wait_for(self, happened: Callable[[], bool], seconds: float) -> bool:
        """Return whether something has happened, or happens in time."""
        with self._changed:
            return self._changed.wait_for(happened, 0.0 if self._ended else seconds)
