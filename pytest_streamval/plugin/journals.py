"""The journals of a test's provider servers, as lines for a failure and for the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_streamval.http.secrets import Secrets, keys_in_environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_streamval.server.provider import ProviderServer

SECTION = "streamval: requests to provider_server"
"""The heading of the journal below a failure."""
_MOST = 20  # requests of each server that are shown, the newest ones


def journal_lines(servers: Sequence[ProviderServer]) -> list[str]:
    """Return a line for each request with its status and outcome, and one for each rule that it breaks."""
    secrets = Secrets(keys_in_environment())
    return [secrets.text(line) for line in _lines(servers)]


def _lines(servers: Sequence[ProviderServer]) -> Iterator[str]:
    for number, server in enumerate(servers):
        prefix = f"server {number + 1}, " if len(servers) > 1 else ""
        arrived, requests = server.requests_after(0)
        first = arrived - len(requests[-_MOST:])
        if first:
            yield f"{prefix}{first:,} earlier requests are not shown"
        for place, request in enumerate(requests[-_MOST:], first):
            yield f"{prefix}requests[{place}]: {request.facts}"
            yield from (f"    {note}" for note in request.notes)
