"""The removal of secrets from recordings, such as those that were made by an older version."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_streamval.http.request import HttpRequest
from pytest_streamval.http.secrets import Secrets, keys_in_environment, shown_address
from pytest_streamval.http.secrets.secret_names import REDACTED
from pytest_streamval.recordings.cassette import Read
from pytest_streamval.recordings.redacted_responses import redacted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

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


def _header(header: Mapping[str, Any], secrets: Secrets) -> dict[str, Any]:
    """Return the header of a recording with its texts redacted, each by its meaning."""
    cleaners: dict[str, Callable[[Any], Any]] = {
        "headers": lambda pairs: [[name, secrets.headers({name: value})[name]] for name, value in pairs or ()] or pairs,
        "path": lambda path: _clean_path(path, secrets),
        "server": lambda server: secrets.text(shown_address(server)),
        "request": lambda body: _clean_text(body, secrets) if isinstance(body, str) else secrets.body(body),
        "end": lambda end: {name: secrets.text(part) if name == "why" else part for name, part in end.items()},
    }
    return {name: cleaners.get(name, secrets.body)(value) for name, value in header.items()}


def _clean_path(path: str, secrets: Secrets) -> str:
    clean = secrets.url(path)
    return clean if REDACTED in clean else path  # which may be quoted in another way


def _clean_text(body: str, secrets: Secrets) -> str:
    clean = secrets.content(body.encode(errors="surrogatepass"), {})
    return clean if isinstance(clean, str) else secrets.text(body, in_request=True)
