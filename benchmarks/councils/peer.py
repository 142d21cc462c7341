"""A process of the environment of conclave: its command, or its council over faults, with providers on this machine.

The only change is the address of each request: conclave has no variable for it.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys

import conclave.transport
import httpx
from conclave.config import load_config
from conclave.council import Council

_PROVIDERS = ("api.openai.com", "api.anthropic.com", "generativelanguage.googleapis.com")
_HERE = httpx.URL(os.environ["PEER_URL"])


class Redirected(httpx.AsyncHTTPTransport):
    """A transport that sends the requests to all providers to one server."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request."""
        if request.url.host in _PROVIDERS:
            request.url = request.url.copy_with(scheme="http", host=_HERE.host, port=_HERE.port)
            request.headers["host"] = _HERE.netloc.decode()
        return await super().handle_async_request(request)


conclave.transport._client = httpx.AsyncClient(transport=Redirected(), trust_env=False)


async def outcome(model: str) -> tuple[str, bool, list[str]]:
    """Return the text of a model that fails, whether it has an error, and the texts of the other two."""
    names = ["openai/good", model, "anthropic/good"]
    council = Council(names, config=load_config(), extract_verdict=False, timeout=20.0)
    texts = dict.fromkeys(names, "")
    async for event in council.ask_stream("Say it.", synthesize=False):
        if event.type == "member_delta":
            texts[event.name] += event.text
        elif event.type == "done":
            errors = {each.name: each.error for each in event.result.answers}
    return texts[model], errors[model] is not None, [texts[name] for name in (names[0], names[2])]


async def main(models: list[str]) -> None:
    """Print the outcome of each model, one line of JSON each."""
    for model in models:
        print(json.dumps([model, *await outcome(model)]), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "command":
        from conclave.cli import app

        sys.argv = ["conclave", *sys.argv[2:]]
        app()
    else:
        asyncio.run(main(sys.argv[2:]))
