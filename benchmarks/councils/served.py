"""The provider of both contenders: each model plays its script in every protocol."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pytest_streamval import Delta, ProviderServer, Script, faults

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_streamval.server.faults.fault import Fault
    from pytest_streamval.server.journal import ServedRequest

GOOD = Script.of("One ", "two ", "three ", "four.")
PROTOCOLS = ("openai", "anthropic", "gemini")
FAULTS: dict[str, Fault] = {
    fault.name: fault
    for fault in (
        faults.empty_body(),
        faults.bad_request(),
        faults.unauthorized(),
        faults.rate_limited(retry_after=0),
        faults.server_error(),
        faults.overloaded(),
        faults.close_mid_frame(after_deltas=2),
        faults.reset(after_deltas=2),
        faults.truncate(after_deltas=2),
        faults.unfinished(after_deltas=2),
        faults.malformed_json(after_deltas=2),
        faults.invalid_utf8(after_deltas=2),
    )
}
SCRIPTS = {
    "good": GOOD,
    "other": Script.of("Another ", "answer."),
    "empty": Script.of(Delta(finish_reason="stop")),
    "cut": Script.of("One ", "two", finish_reason="length"),
    "bad": faults.bad_request(),
}


def answer_of(request: ServedRequest) -> object:
    """Return the response of a model: its script, or the fault in its name."""
    if request.model in FAULTS:
        return FAULTS[request.model].on(GOOD)
    return SCRIPTS[request.model]


def serve() -> ProviderServer:
    """Return a server that is not open yet."""
    return ProviderServer(answer_of)


def environment(server: ProviderServer, folder: Path) -> dict[str, str]:
    """Return the variables of a process whose providers are all the server."""
    keys = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY")
    kept = {name: value for name, value in os.environ.items() if not name.endswith(("_API_KEY", "_BASE_URL"))}
    return {
        **kept,
        **dict.fromkeys(keys, "a key of no one"),
        "OPENAI_BASE_URL": server.openai_url,
        "ANTHROPIC_BASE_URL": server.anthropic_url,
        "GOOGLE_GEMINI_BASE_URL": server.gemini_url,
        "PEER_URL": server.url,
        "CONCLAVE_CONFIG": str(folder / "conclave.yml"),
        "XDG_CACHE_HOME": str(folder),
        "HOME": str(folder),
        "COLUMNS": "200",
        "NO_COLOR": "1",
    }
