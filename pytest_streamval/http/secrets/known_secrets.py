"""Secrets: the values that never reach an error, a log or a file."""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from pytest_streamval.errors import StreamvalError
from pytest_streamval.files.json_text import UnreadableJsonError, parse_json
from pytest_streamval.http.secrets.encoded_forms import SHORTEST, find_beginnings, find_forms, folded, forms_of
from pytest_streamval.http.secrets.key_shapes import long_words, shaped_spans
from pytest_streamval.http.secrets.request_secrets import DEEPEST_BODY, RequestSecrets
from pytest_streamval.http.secrets.secret_names import REDACTED, is_secret_name, own_names
from pytest_streamval.http.secrets.text_secrets import found_in, outwards
from pytest_streamval.http.secrets.treated_bodies import Treatment, treated_json, treated_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_streamval.http.request import HttpRequest
    from pytest_streamval.http.secrets.text_secrets import Found

    Span = tuple[int, int]

E = TypeVar("E", bound=StreamvalError)

_PIECE = 8  # characters of a piece that counts as a secret, too, as a message may have cut the value
_KEY_VARIABLE = "API_KEY"  # the end of the names of variables that hold a provider's key
_KEPT_FACTS = {"text", "deltas"}  # of an error: the output of the model, which belongs to the application


def keys_in_environment(environment: Mapping[str, str] | None = None) -> list[str]:
    """Return the API keys in the environment: the values of all variables whose name ends in `API_KEY`.

    This covers all providers, also those that only an application knows. Names that the user has declared count too.
    """
    return [
        value
        for name, value in (os.environ if environment is None else environment).items()
        if value and (name.upper().endswith(_KEY_VARIABLE) or name.lower() in own_names)
    ]


def shown_address(address: str) -> str:
    """Return an address as messages show it: without its credentials, also if it is invalid."""
    scheme, sign, rest = address.rpartition("://")
    place, mark, query = rest.partition("?")
    credentials, at, host = place.rpartition("@")
    user = REDACTED if credentials else ""
    return Secrets().text(f"{scheme}{sign}{user}{at}{host}{mark}{query}", in_request=True)


class Secrets:
    """The known secrets, which are redacted in texts, headers, addresses and bodies."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        """Remember secrets.

        Args:
            values: The secrets. Each is searched for as it is, and in its forms in addresses, in JSON, in hexadecimal
                and in base64. A secret of fewer than 6 characters is not searched for.
        """
        self.values = tuple(sorted({value for value in values if len(value) >= SHORTEST}, key=len, reverse=True))
        """The secrets, longest first."""
        self._forms = forms_of(self.values)
        self._shortest = min((len(form.text) for form in self._forms), default=sys.maxsize)
        self._texts: Mapping[str, Found] = {}
        self._parsed: tuple[bytes, object] | None = None

    def __repr__(self) -> str:
        return f"<Secrets: {len(self.values)} values>"

    @classmethod
    def of(cls, request: HttpRequest, more: Iterable[str] = ()) -> Secrets:
        """Return the secrets of a request, by the names in its headers, its address, its body and the texts in that.

        Args:
            request: The request that is sent.
            more: Other secrets that may turn up.
        """
        found = RequestSecrets(request)
        secrets = cls([*more, *found.values])
        secrets._texts, secrets._parsed = found.texts, found.parsed
        return secrets

    # Texts

    def text(self, text: str, *, in_request: bool = False) -> str:
        """Return a text without secrets: known ones, values that look like a key, and values with secret names.

        Args:
            text: The text.
            in_request: Whether it is a text of a request, in which more names are secret.
        """
        found = self._texts.get(text) if in_request else None
        if found is None:
            found = found_in(text, in_request=in_request)
        known = self._known_in(text, found)
        return _overwritten(text, [*found.spans, *known]) if known or found.spans else text

    def spans(self, text: str) -> Iterator[Span]:
        """Yield the spans of secrets in a response, and of the beginning of one at its end. They may overlap."""
        yield from find_beginnings(self._forms, text)
        found = found_in(text, in_request=False)
        yield from found.spans
        yield from self._known_in(text, found)

    def plain_spans(self, text: str) -> Iterator[Span]:
        """Yield the spans of secrets that need neither a name nor a decoding."""
        yield from find_beginnings(self._forms, text)
        yield from find_forms(self._forms, text)
        yield from shaped_spans(text, long_words(text))

    def _known_in(self, text: str, found: Found) -> list[Span]:
        """Return the spans of known secrets in a text and in its decoded texts."""
        if len(text) < self._shortest:
            return []
        known = find_forms(self._forms, text)
        for way in found.ways:
            known += [outwards(span, way) for span in find_forms(self._forms, way[-1].text)]
        return known

    def message(self, text: str) -> str:
        """Return the message of an error without secrets and pieces of secrets, as it may have cut a value."""
        text = self.text(text)
        lower = folded(text)
        forms = {form.text for form in self._forms}
        kept: list[str] = []
        at = 0
        while at < len(text):
            size = max((_common(lower, at, form) for form in forms), default=0)
            kept.append(REDACTED if size else text[at])
            at += size or 1
        return "".join(kept)

    def error(self, error: E) -> E:
        """Redact the facts of an error, and return the error. The output of the model stays as it is.

        The errors before it that are not this package's are removed, because they have the same facts, and their frames
        have them as locals.
        """
        facts = {}
        for name in error.__dataclass_fields__:
            fact = getattr(error, name)
            if name not in _KEPT_FACTS and isinstance(fact, str):
                fact = self.text(fact)
            elif name not in _KEPT_FACTS and isinstance(fact, bytes):
                fact = self.text(fact.decode("latin-1")).encode("latin-1")
            facts[name] = fact
        vars(error).update(facts)
        error.args = tuple(facts.values())
        error.__cause__, error.__context__ = map(self._error_before, (error.__cause__, error.__context__))
        return error

    def _error_before(self, error: BaseException | None) -> BaseException | None:
        return self.error(error) if isinstance(error, StreamvalError) else None

    # Requests

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Return headers with the secrets redacted."""
        return {name: REDACTED if is_secret_name(name) else self.text(value) for name, value in headers.items()}

    def url(self, url: str) -> str:
        """Return an address without its credentials and without the secrets in its query."""
        try:
            parts = urlsplit(url)
        except ValueError:
            return self.text(url, in_request=True)
        host = parts.netloc.rpartition("@")[2]
        query = [
            (name, REDACTED if is_secret_name(name) else value)
            for name, value in parse_qsl(parts.query, keep_blank_values=True)
        ]
        netloc = f"{REDACTED}@{host}" if host != parts.netloc else host
        return self.text(urlunsplit(parts._replace(netloc=netloc, query=urlencode(query, safe="[]"))))

    def body(self, value: object) -> object:
        """Return a JSON value with secrets redacted, by the names of fields and anywhere else."""
        return treated_json(value, self._treatment)

    def content(self, body: bytes, headers: Mapping[str, str]) -> object:
        """Return the body of a request with secrets redacted: parsed JSON, otherwise text.

        JSON that could not be read from a cassette, such as a very deep value, is kept as text.

        Args:
            body: The body. A form, or parts with names, are redacted by these.
            headers: The headers of the request.
        """
        try:
            return self.body(self._value_of(body))
        except UnreadableJsonError:
            return treated_text(body.decode(errors="replace"), headers, self._treatment)

    def _value_of(self, body: bytes) -> object:
        if self._parsed is not None and self._parsed[0] is body:
            return self._parsed[1]
        return parse_json(body, deepest=DEEPEST_BODY)

    @property
    def _treatment(self) -> Treatment:
        return Treatment(_redact_text, _redact_number, partial(self.text, in_request=True), self.text)


def _redact_text(name: str, value: str) -> str:  # noqa: ARG001  # as in Treatment
    return REDACTED


def _redact_number(name: str, value: float) -> str:  # noqa: ARG001  # as in Treatment
    return REDACTED


def _overwritten(text: str, spans: Iterable[Span]) -> str:
    """Return a text with one `[redacted]` for each group of spans that overlap or touch."""
    found = sorted(spans)
    kept: list[str] = []
    start, end = found[0]
    at = 0
    for next_start, next_end in found[1:]:
        if next_start <= end:
            end = max(end, next_end)
            continue
        kept += (text[at:start], REDACTED)
        at, start, end = end, next_start, next_end
    return "".join([*kept, text[at:start], REDACTED, text[end:]])


def _common(text: str, at: int, value: str) -> int:
    """Return how many characters of a text, from an offset on, are also in a secret. Return 0 if there are too few."""
    size = _PIECE
    if len(text) - at < size or text[at : at + size] not in value:
        return 0
    while at + size < len(text) and text[at : at + size + 1] in value:
        size += 1
    return size
