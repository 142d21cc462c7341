"""HAR exports: the requests and responses that a browser has logged.

Source: http://www.softwareishard.com/blog/har-12-spec/
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from pytest_streamval.errors import invalid_capture_error
from pytest_streamval.files.json_text import UnreadableJsonError, parse_json
from pytest_streamval.http.content_coding import describes_coded_body
from pytest_streamval.http.request import HttpRequest, joined_headers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_MILLISECONDS = 1_000
_DEEPEST = 1_000  # levels; browsers export the stacks of scripts


class HarEntry(NamedTuple):
    """A request and its response. See `Capture`."""

    reads: tuple[bytes, ...]
    status: int
    headers: Mapping[str, str]
    request: HttpRequest
    seconds: float
    entry: int


def har_entries(path: str, data: bytes) -> list[HarEntry] | None:
    """Return the entries of a HAR export that have a body, or None if the data is not one.

    Args:
        path: The path of the file, for errors.
        data: Its bytes.

    Raises:
        InvalidFileError: A `ValueError`. If an entry is invalid.
    """
    entries = _entries(data)
    if entries is None:
        return None
    found = []
    for number, entry in enumerate(entries, 1):
        try:
            found += _entry(number, entry)
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
            fault = f"entry {number} of its log is not one of HAR 1.2 ({type(error).__name__}: {error})"
            raise invalid_capture_error(path, fault) from error
    return found


def _entries(data: bytes) -> list[Any] | None:
    try:
        export = parse_json(data, deepest=_DEEPEST)
    except UnreadableJsonError:
        return None
    log = export.get("log") if isinstance(export, dict) else None
    entries = log.get("entries") if isinstance(log, dict) else None
    return entries if isinstance(entries, list) else None


def _entry(number: int, entry: dict[str, Any]) -> list[HarEntry]:
    """Return an entry, or nothing if its body is empty or was not saved."""
    request, response = entry["request"], entry["response"]
    content = response.get("content") or {}
    text = content.get("text") or ""
    body = (
        base64.b64decode(text, validate=True)
        if content.get("encoding") == "base64"
        else text.encode("utf-8", "surrogatepass")
    )
    if not body:
        return []
    sent = (request.get("postData") or {}).get("text") or ""
    headers = {name: value for name, value in _headers(request).items() if not describes_coded_body(name)}
    url, method = str(request["url"]), str(request["method"])
    urlsplit(url)  # it raises ValueError if it cannot be parsed
    asked = HttpRequest(url, sent.encode("utf-8", "surrogatepass"), headers, method)
    seconds = max(0.0, float(entry.get("time") or 0)) / _MILLISECONDS
    return [HarEntry((body,), int(response["status"]), _headers(response), asked, seconds, number)]


def _headers(message: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers of a request or a response. Those of HTTP/2 that begin with a colon are no headers."""
    pairs: Iterable[Mapping[str, str]] = message.get("headers") or ()
    return joined_headers((each["name"], str(each["value"])) for each in pairs if not each["name"].startswith(":"))
