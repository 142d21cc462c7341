"""The secrets that a request holds: by names in its headers, address and body, and in the texts of its body."""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from pytest_streamval.files.json_text import DEEPEST, UnreadableJsonError, parse_json
from pytest_streamval.http.secrets.assigned_values import is_ordinary
from pytest_streamval.http.secrets.secret_names import is_secret_name
from pytest_streamval.http.secrets.text_secrets import Found, found_in
from pytest_streamval.http.secrets.treated_bodies import Treatment, treated_json, treated_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_streamval.http.request import HttpRequest

DEEPEST_BODY = DEEPEST - 1
"""The levels of a body in a cassette, whose header is one level."""

_SCHEMES = frozenset({"apikey", "basic", "bearer", "digest", "key", "token"})  # of the header Authorization


class RequestSecrets:
    """The secrets of one request."""

    def __init__(self, request: HttpRequest) -> None:
        self.values: list[str] = []
        """The secrets, to be redacted wherever they are echoed."""
        self.texts: dict[str, Found] = {}
        """The texts of the request, each with the secrets that were found in it."""
        self.parsed: tuple[bytes, object] | None = None
        """The body with its value, if it is JSON that a cassette can hold."""
        self.values += _in_headers(request.headers)
        self._add_url(request.url)
        self._add_body(request)

    def _add_url(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            self.values += [unquote(part) for part in (parts.username, parts.password) if part]
        except ValueError:
            self._text(url)
            return
        for name, value in parse_qsl(parts.query):
            if is_secret_name(name):
                self.values.append(value)
            else:
                self._text(value)

    def _add_body(self, request: HttpRequest) -> None:
        if not request.body:
            return
        treatment = Treatment(self._secret, self._number, self._text, str)
        try:
            treated_json(self._json(request.body), treatment)
        except (ValueError, RecursionError):
            treated_text(request.body.decode(errors="replace"), request.headers, treatment)

    def _json(self, body: bytes) -> object:
        try:
            self.parsed = body, (value := parse_json(body, deepest=DEEPEST_BODY))
        except UnreadableJsonError:
            value = json.loads(body)
        return value

    def _secret(self, name: str, value: str) -> str:
        if not is_ordinary(name, value):
            self.values.append(value)
        return value

    def _number(self, name: str, value: float) -> float:
        if is_secret_name(name, in_response=True):
            self.values.append(str(value))
        return value

    def _text(self, text: str) -> str:
        if text not in self.texts:
            found = self.texts[text] = found_in(text, in_request=True)
            self.values += found.values
        return text


def _in_headers(headers: Mapping[str, str]) -> Iterator[str]:
    for name, value in headers.items():
        if not is_secret_name(name):
            yield from found_in(value, in_request=True).values
        elif name.lower() == "cookie":
            yield from (part.partition("=")[2].strip() for part in value.split(";"))
        else:
            yield from _in_header(value)


def _in_header(value: str) -> Iterator[str]:
    """Yield a secret header, or the credentials after the scheme in it."""
    scheme, _, credentials = value.strip().partition(" ")
    if scheme.lower() not in _SCHEMES:
        yield from {value, value.strip()}
    if credentials:
        yield credentials
    if scheme.lower() == "basic":
        yield from _basic(credentials)
    elif "=" in credentials:
        yield from found_in(credentials, in_request=True).values


def _basic(credentials: str) -> Iterator[str]:
    """Yield the password in the credentials of `Authorization: Basic`, or the user if the password is empty."""
    try:
        user, _, password = base64.b64decode(credentials).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return
    yield password or user
