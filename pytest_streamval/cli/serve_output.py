"""The output of `streamval serve`: the addresses and the requests, in lines for people or in JSON for programs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pytest_streamval.cli.terminal import print_json, print_note, print_text
from pytest_streamval.errors import CheckFailedError
from pytest_streamval.errors.guards import without_marker

if TYPE_CHECKING:
    from pytest_streamval.server import Fault, ProviderServer, ServedRequest

_PROVIDERS = ("openai", "anthropic", "gemini", "ollama")
_BEFORE_RESPONSE = {"status": None, "outcome": "open", "deltas_sent": 0, "bytes_sent": 0}


class ServeOutput:
    """The output of a server, in lines for people or in JSON."""

    def __init__(self, server: ProviderServer, *, as_json: bool) -> None:
        self._server = server
        self._as_json = as_json
        self._seen = 0
        self._pending: dict[int, ServedRequest] = {}  # those without a last line, by their numbers

    def start(self, name: str, fault: Fault | None) -> None:
        """Print the addresses.

        Args:
            name: The source of the answers.
            fault: The fault of all answers.
        """
        urls = {provider: getattr(self._server, f"{provider}_url") for provider in _PROVIDERS}
        if self._as_json:
            environ = dict(self._server.environ)
            print_json(event="serving", port=self._server.port, **urls, environ=environ)
            return
        words = "" if fault is None else f", with a fault: {fault.description}"
        print_text(f"Serving {name}{words}. Ctrl-C stops the server.")
        for provider, url in urls.items():
            print_text(f"  {provider:10} {url}", flush=True)

    def wait(self, seconds: float) -> None:
        """Wait for a request, but not longer than some seconds."""
        self._server.wait_for_requests(self._seen + 1, within=seconds)

    @property
    def is_waiting(self) -> bool:
        """Whether a request has no last line yet."""
        return bool(self._pending)

    def print_new(self) -> None:
        """Print the news about the requests since the last call."""
        seen, requests = self._server.requests_after(self._seen)
        for number, request in enumerate(requests, seen - len(requests)):
            if self._as_json:
                print_json(event="request", **{**request.as_json(number), **_BEFORE_RESPONSE})
            self._pending[number] = request
            self._seen = number + 1
        self._seen = seen
        for number, request in tuple(self._pending.items()):
            if request.ended or (request.status is not None and not self._as_json):
                self._print_done(number, request)
                self._pending.pop(number)
        sys.stdout.flush()

    def _print_done(self, number: int, request: ServedRequest) -> None:
        """Print the last line of a request: its response in JSON, or the line for people when the status is known."""
        if self._as_json:
            print_json(event="response", **request.as_json(number))
            return
        print_text(f"{request.summary}{f': {request.status}' if request.refusal else ''}")
        reason = [f"refused: {request.refusal}"] if request.refusal else request.notes
        for line in "\n".join(reason).splitlines():
            print_text(f"  {line}")

    def print_failures(self) -> None:
        """Print the failures of the server itself. The refusals of requests are printed with them already."""
        for unmet in self._server.unmet():
            if isinstance(unmet, CheckFailedError) and unmet.kind == "answer failed":
                print_note(without_marker(str(unmet)))
