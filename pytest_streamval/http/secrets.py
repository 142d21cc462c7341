"""Secrets: the values that never reach an error, a log or a file, and the names of such values."""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
from itertools import chain
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_streamval.http.request import HttpRequest

REDACTED = "[redacted]"
"""The text in place of a secret."""

_SHORTEST = 6  # characters of a secret that is searched for in texts; a shorter one is a word that occurs anyway
_PIECE = 8  # characters of a piece that counts as a secret, too, as a message may have cut the value
# A name is secret if its last word is one of these. Words on their own, such as `key`, `token` and `signature`, are
# secret in requests only: in responses they belong to the protocols, for log probabilities and thinking.
_WORDS_ANYWHERE = (
    r"authorization|cookies?|credentials?|passwords?|passwd|passphrase|"
    r"(?:api|access|auth|client|private|refresh|secret|session)[-_.]?(?:key|token|secret)"
)
_WORDS_IN_REQUESTS = rf"{_WORDS_ANYWHERE}|auth|pwd|secrets?|signature|sig|jwt|tokens?|bearer|key"
_SECRET_NAME, _SECRET_NAME_IN_RESPONSE = (
    re.compile(rf"(?:^|[-_.])(?:{words})$", re.IGNORECASE) for words in (_WORDS_IN_REQUESTS, _WORDS_ANYWHERE)
)
_LIMIT_NAME = re.compile(r"rate-?limit", re.IGNORECASE)  # x-ratelimit-remaining-tokens counts tokens
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
# The form of the known providers' keys, in case one turns up in an unexpected place. They are random, so each has a
# digit or a capital letter. Names of functions, such as hf_hub_download_files, have neither.
_PREFIXES = ("sk", "pk", "rk", "xai", "gsk", "pplx", "tgp", "hf", "ghp", "gho", "ghs", "github_pat")
_SECRET_VALUE = re.compile(
    r"(?:(?<=Bearer )|(?<=bearer )|(?<=Basic ))[\w.~+/=-]{8,}"
    rf"|\b(?:{'|'.join(_PREFIXES)})[-_](?=[\w-]*[\dA-Z])[\w-]{{16,}}"
    r"|\bAIza[\w-]{30,}|\bAKIA[\dA-Z]{16}\b"
)
# Every match contains one of these. To search for these first is cheap, and most texts have none.
_HINTS = ("earer ", "Basic ", "AIza", "AKIA", *(f"{prefix}{dash}" for prefix in _PREFIXES for dash in "-_"))
_LIKELY = re.compile(r"(?=\S*\d)\S{8,}")  # a value with a digit, not an ordinary word in a field called "key"
_KEY_VARIABLE = "API_KEY"  # the end of the names of variables that hold a provider's key


def keys_in_environment(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return the API keys in the environment: the values of all variables whose name ends in `API_KEY`.

    This covers all providers, also those that only an application knows.
    """
    return [value for name, value in environment.items() if name.upper().endswith(_KEY_VARIABLE) and value]


def is_secret_name(name: str, *, in_response: bool = False) -> bool:
    """Return whether a value with this name is a secret: `x-api-key`, `apiKey`, `password`, in a request also `key`.

    Args:
        name: The name of a header, of a parameter of an address, or of a field.
        in_response: Whether it is a field of a provider's response.
    """
    pattern = _SECRET_NAME_IN_RESPONSE if in_response else _SECRET_NAME
    return pattern.search(_CAMEL.sub("-", name)) is not None and _LIMIT_NAME.search(name) is None


class Secrets:
    """The known secrets, which are redacted in texts, headers, addresses and bodies."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        """Remember secrets.

        Args:
            values: The secrets. Each is searched for as it is, and in its forms in addresses, in JSON and in base64. A
                secret of fewer than 6 characters is not searched for.
        """
        known = {value for value in values if len(value) >= _SHORTEST}
        self.values = tuple(sorted({form for value in known for form in _forms(value)}, key=len, reverse=True))
        """All forms of the secrets, longest first."""

    @classmethod
    def of(cls, request: HttpRequest, more: Iterable[str] = ()) -> Secrets:
        """Return the secrets of a request, by the names in its headers, its address and its body.

        Args:
            request: The request that is sent.
            more: Other secrets that may turn up.
        """
        return cls([*more, *_in_headers(request.headers), *_in_url(request.url), *_in_body(request.body)])

    def text(self, text: str) -> str:
        """Return a text without the known secrets, and without values that look like a key."""
        for value in self.values:
            text = text.replace(value, REDACTED)
        return _SECRET_VALUE.sub(REDACTED, text) if _may_hold_a_key(text) else text

    def message(self, text: str) -> str:
        """Return the message of an error without secrets and pieces of secrets, as it may have cut a value."""
        text = self.text(text)
        kept: list[str] = []
        at = 0
        while at < len(text):
            size = max((_common(text, at, value) for value in self.values), default=0)
            kept.append(REDACTED if size else text[at])
            at += size or 1
        return "".join(kept)

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield the spans of secrets in a text: known ones, the beginning of one at its end, and values like a key.

        Spans may overlap.
        """
        for value in self.values:
            at = text.find(value)
            while at >= 0:
                yield at, at + len(value)
                at = text.find(value, at + 1)
            if begun := _begun(value, text):
                yield len(text) - begun, len(text)
        if _may_hold_a_key(text):
            yield from (match.span() for match in _SECRET_VALUE.finditer(text))

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Return headers with the secrets redacted."""
        return {name: REDACTED if is_secret_name(name) else self.text(value) for name, value in headers.items()}

    def url(self, url: str) -> str:
        """Return an address without its credentials and without the secrets in its query."""
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        query = [
            (name, REDACTED if is_secret_name(name) else value)
            for name, value in parse_qsl(parts.query, keep_blank_values=True)
        ]
        netloc = f"{REDACTED}@{host}" if host != parts.netloc else host
        return self.text(urlunsplit(parts._replace(netloc=netloc, query=urlencode(query, safe="[]"))))

    def body(self, value: object) -> object:
        """Return a JSON value with secrets redacted, by the names of fields and anywhere else."""
        if isinstance(value, dict):
            return {
                self.text(str(name)): REDACTED if _is_secret(str(name), part) else self.body(part)
                for name, part in value.items()
            }
        if isinstance(value, list):
            return [self.body(part) for part in value]
        return self.text(value) if isinstance(value, str) else value


def _may_hold_a_key(text: str) -> bool:
    return any(hint in text for hint in _HINTS)


def _common(text: str, at: int, value: str) -> int:
    """Return how many characters of a text, from an offset on, are also in a secret. Return 0 if there are too few."""
    size = _PIECE
    if len(text) - at < size or text[at : at + size] not in value:
        return 0
    while at + size < len(text) and text[at : at + size + 1] in value:
        size += 1
    return size


def _begun(value: str, text: str) -> int:
    """Return how much of a secret is at the end of a text, where a stream was cut. Return 0 if there is too little."""
    longest = min(len(value) - 1, len(text))
    return next((size for size in range(longest, _SHORTEST - 1, -1) if text.endswith(value[:size])), 0)


def _is_secret(name: str, value: object) -> bool:
    """Return whether a field of a request's body is a secret. A number, such as `max_tokens`, is not."""
    return isinstance(value, str) and bool(value) and is_secret_name(name)


def _forms(value: str) -> set[str]:
    """Return the forms of a secret in texts of several kinds."""
    data = value.encode(errors="surrogatepass")
    return {
        value,
        data.decode("latin-1"),
        quote(value, safe="", errors="replace"),
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1].replace("/", "\\/"),
        base64.b64encode(data).decode(),
        base64.urlsafe_b64encode(data).decode().rstrip("="),
    }


def _in_headers(headers: Mapping[str, str]) -> Iterator[str]:
    for name, value in headers.items():
        if not is_secret_name(name):
            continue
        if name.lower() == "cookie":
            yield from (part.partition("=")[2].strip() for part in value.split(";"))
            continue
        scheme, _, credentials = value.partition(" ")
        yield value
        if credentials:
            yield credentials
            yield from _basic(credentials) if scheme.lower() == "basic" else ()


def _basic(credentials: str) -> Iterator[str]:
    """Yield the password in the credentials of `Authorization: Basic`."""
    try:
        yield base64.b64decode(credentials).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return


def _in_url(url: str) -> Iterator[str]:
    parts = urlsplit(url)
    yield from (unquote(part) for part in (parts.username, parts.password) if part)
    yield from (value for name, value in parse_qsl(parts.query) if is_secret_name(name))


def _in_body(body: bytes) -> Iterator[str]:
    try:
        value: object = json.loads(body)
    except (ValueError, RecursionError):
        return
    yield from filter(_LIKELY.fullmatch, _named(value))


def _named(value: object) -> Iterator[str]:
    """Yield the strings in a JSON value that are secrets by the names of their fields."""
    if isinstance(value, dict):
        yield from (part for name, part in value.items() if isinstance(part, str) and is_secret_name(name))
        yield from chain.from_iterable(map(_named, value.values()))
    elif isinstance(value, list):
        yield from chain.from_iterable(map(_named, value))
