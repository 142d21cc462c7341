"""Secrets: what never reaches an error, a log or a file."""

from __future__ import annotations

import base64
import binascii
import json
import re
from itertools import chain
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_streamval.http.request import HttpRequest

REDACTED = "[redacted]"
"""What stands in the place of a secret."""

_SHORTEST = 6  # characters of a secret that is looked for in texts; a shorter one is a word that occurs anyway
_PIECE = 8  # characters of a secret that are one too, where a message may have cut it
_SECRET_NAME = re.compile(
    r"(?:^|[-_.])(?:auth|authorization|cookies?|set-cookie|credentials?|passwords?|passwd|passphrase|pwd|secrets?|"
    r"signature|sig|jwt|tokens?|bearer|key|apikey|accesskey)$",
    re.IGNORECASE,
)
_LIMIT_NAME = re.compile(r"rate-?limit", re.IGNORECASE)  # x-ratelimit-remaining-tokens counts tokens
# In an answer, `key`, `token` and `signature` alone are words of the protocols: logprobs, thinking.
_SECRET_NAME_IN_ANSWER = re.compile(
    r"(?:^|[-_.])(?:authorization|cookies?|credentials?|passwords?|passwd|passphrase|"
    r"(?:api|access|auth|client|private|refresh|secret|session)[-_.]?(?:key|token|secret))$",
    re.IGNORECASE,
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
# What the keys of the known providers look like, should one turn up where nobody expects it. They are drawn at random,
# so that there is a digit or a capital in each; names of functions, such as hf_hub_download_files, have neither.
_PREFIXES = ("sk", "pk", "rk", "xai", "gsk", "pplx", "tgp", "hf", "ghp", "gho", "ghs", "github_pat")
_SECRET_VALUE = re.compile(
    r"(?:(?<=Bearer )|(?<=bearer )|(?<=Basic ))[\w.~+/=-]{8,}"
    rf"|\b(?:{'|'.join(_PREFIXES)})[-_](?=[\w-]*[\dA-Z])[\w-]{{16,}}"
    r"|\bAIza[\w-]{30,}|\bAKIA[\dA-Z]{16}\b"
)
# One of these is in each of them. To look for these first takes little, and most texts have none.
_HINTS = ("earer ", "Basic ", "AIza", "AKIA", *(f"{prefix}{dash}" for prefix in _PREFIXES for dash in "-_"))
_LIKELY = re.compile(r"(?=\S*\d)\S{8,}")  # a value that is a secret, not only the content of a field called "key"


def is_secret_name(name: str) -> bool:
    """Return whether a header, parameter or field of this name holds a secret: `x-api-key`, `apiKey`, `key`, ..."""
    return _SECRET_NAME.search(_CAMEL.sub("-", name)) is not None and _LIMIT_NAME.search(name) is None


def is_secret_name_in_answer(name: str) -> bool:
    """Return whether a field of this name holds a secret in what a provider answers too."""
    return _SECRET_NAME_IN_ANSWER.search(_CAMEL.sub("-", name)) is not None


class Secrets:
    """The secrets that are known, and how they are kept out of what people see."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        """Know some secrets.

        Args:
            values: each is looked for as it is, and as it stands in addresses, in JSON and in base64; one of fewer than
                6 characters is not looked for.
        """
        known = {value for value in values if len(value) >= _SHORTEST}
        self.values = tuple(sorted({form for value in known for form in _forms(value)}, key=len, reverse=True))
        """What is looked for, longest first."""

    @classmethod
    def of(cls, request: HttpRequest, more: Iterable[str] = ()) -> Secrets:
        """Return the secrets that a request holds, as its headers, its address and its body name them.

        Args:
            request: as it goes out.
            more: secrets that may turn up as well.
        """
        return cls([*more, *_in_headers(request.headers), *_in_url(request.url), *_in_body(request.body)])

    def text(self, text: str) -> str:
        """Return a text without the known secrets, and without what looks like one."""
        for value in self.values:
            text = text.replace(value, REDACTED)
        return _SECRET_VALUE.sub(REDACTED, text) if _may_hold_a_key(text) else text

    def message(self, text: str) -> str:
        """Return the message of an error, which may have cut a value in the middle: pieces of secrets go too."""
        text = self.text(text)
        kept: list[str] = []
        at = 0
        while at < len(text):
            size = max((_common(text, at, value) for value in self.values), default=0)
            kept.append(REDACTED if size else text[at])
            at += size or 1
        return "".join(kept)

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield where a text holds known secrets, the beginning of one at its end, or what looks like one.

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
        """Return headers with the secret ones redacted."""
        return {name: REDACTED if is_secret_name(name) else self.text(value) for name, value in headers.items()}

    def url(self, url: str) -> str:
        """Return an address without credentials and without secrets in its query."""
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        query = [
            (name, REDACTED if is_secret_name(name) else value)
            for name, value in parse_qsl(parts.query, keep_blank_values=True)
        ]
        netloc = f"{REDACTED}@{host}" if host != parts.netloc else host
        return self.text(urlunsplit(parts._replace(netloc=netloc, query=urlencode(query, safe="[]"))))

    def body(self, value: object) -> object:
        """Return a JSON value with the fields redacted that hold a secret by their name, and secrets anywhere else."""
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
    """Return how many characters of a text, from an offset on, stand in a secret as well; 0 for too few to tell."""
    size = _PIECE
    if len(text) - at < size or text[at : at + size] not in value:
        return 0
    while at + size < len(text) and text[at : at + size + 1] in value:
        size += 1
    return size


def _begun(value: str, text: str) -> int:
    """Return how much of a secret stands at the end of a text, where the stream was cut; 0 for nothing to speak of."""
    longest = min(len(value) - 1, len(text))
    return next((size for size in range(longest, _SHORTEST - 1, -1) if text.endswith(value[:size])), 0)


def _is_secret(name: str, value: object) -> bool:
    """Return whether a field of a request's body is a secret; `max_tokens` and its like are numbers."""
    return isinstance(value, str) and bool(value) and is_secret_name(name)


def _forms(value: str) -> set[str]:
    """Return a secret as it stands in texts of several kinds."""
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
    """Yield the password in what `Authorization: Basic` holds."""
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
