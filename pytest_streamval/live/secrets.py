"""Secrets: what never reaches an error, a log or a file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

REDACTED = "[redacted]"
"""What stands in the place of a secret."""

_SHORTEST = 6  # characters of a secret that is looked for in texts; a shorter one is a word that occurs anyway
_SECRET_NAME = re.compile(
    r"(?:^|[-_.])(?:authorization|cookies?|set-cookie|credentials?|passwords?|passwd|secrets?|signature|sig|"
    r"tokens?|bearer|key|apikey|accesskey)$",
    re.IGNORECASE,
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
# What the keys of the known providers look like, should one turn up where nobody expects it.
_SECRET_VALUE = re.compile(
    r"(?:(?<=Bearer )|(?<=bearer )|(?<=Basic ))[\w.~+/=-]{8,}"
    r"|\b(?:sk|pk|rk|xai|gsk|pplx|tgp|hf)[-_][\w-]{16,}"
    r"|\bAIza[\w-]{30,}"
)


def is_secret_name(name: str) -> bool:
    """Return whether a header, parameter or field of this name holds a secret: `x-api-key`, `apiKey`, `key`, ..."""
    return _SECRET_NAME.search(_CAMEL.sub("-", name)) is not None


class Secrets:
    """The secrets that are known, and how they are kept out of what people see."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._values = sorted({value for value in values if len(value) >= _SHORTEST}, key=len, reverse=True)

    def text(self, text: str) -> str:
        """Return a text without the known secrets, and without what looks like one."""
        for value in self._values:
            text = text.replace(value, REDACTED)
        return _SECRET_VALUE.sub(REDACTED, text)

    def bytes(self, data: bytes) -> bytes:
        """Return bytes without the known secrets."""
        for value in self._values:
            data = data.replace(value.encode(), REDACTED.encode())
        return data

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
        """Return a JSON value with the fields redacted that hold a secret by their name."""
        if isinstance(value, dict):
            return {
                str(name): REDACTED if is_secret_name(str(name)) and isinstance(part, str) else self.body(part)
                for name, part in value.items()
            }
        if isinstance(value, list):
            return [self.body(part) for part in value]
        return self.text(value) if isinstance(value, str) else value
