"""The removal of secrets from recordings, such as those that were made by an older version."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_streamval.http.request import HttpRequest
from pytest_streamval.http.secrets import Secrets, keys_in_environment, shown_address
from pytest_streamval.recordings.cassette import Read
from pytest_streamval.recordings.redaction import redacted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_streamval.recordings.cassette import Cassette


def scrubbed(cassette: Cassette, secrets: Iterable[str] = ()) -> Cassette:
    """Return a recording without secrets: those that its request names, the keys in the environment, and others.

    Args:
        cassette: The recording.
        secrets: Values that must not be in it.
    """
    known = Secrets.of(_request(cassette), [*secrets, *keys_in_environment()])
    reads = redacted([read.data for read in cassette.reads], known)
    return replace(
        cassette,
        header=_header(cassette.header, known),
        reads=tuple(Read(read.at, data) for read, data in zip(cassette.reads, reads, strict=True)),
    )


def _request(cassette: Cassette) -> HttpRequest:
    body = cassette.header.get("request")
    content = body if isinstance(body, str) else json.dumps(body)
    path = str(cassette.header.get("path", ""))
    return HttpRequest(path, b"" if body is None else content.encode(errors="surrogatepass"))


def _header(header: Any, secrets: Secrets) -> dict[str, Any]:  # noqa: ANN401  # JSON
    clean: dict[str, Any] = {}
    for name, value in header.items():
        if name == "headers" and value is not None:
            clean[name] = [[each, secrets.headers({each: text})[each]] for each, text in value]
        elif name == "path" and isinstance(value, str):
            clean[name] = (
                secrets.url(value) if secrets.url(value) != value and _has_query(value) else secrets.text(value)
            )
        elif name == "server" and isinstance(value, str):
            clean[name] = secrets.text(shown_address(value))
        elif name == "request" and isinstance(value, str):
            clean[name] = secrets.content(value.encode(errors="surrogatepass"), {})
        elif name == "end" and isinstance(value, dict):
            clean[name] = {each: secrets.text(part) if isinstance(part, str) else part for each, part in value.items()}
        else:
            clean[name] = secrets.body(value)
    return clean


def _has_query(path: str) -> bool:
    return "?" in path
