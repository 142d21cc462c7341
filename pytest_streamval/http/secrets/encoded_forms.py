"""The forms of a known secret in texts: in any case, in JSON, in addresses, in hexadecimal and in base64."""

from __future__ import annotations

import base64
import json
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    Span = tuple[int, int]

SHORTEST = 6
"""Characters of a secret that is searched for in texts. A shorter one is a word that occurs anyway."""
_LONGEST_BEGINNING = 4_096  # characters of a secret that a broken stream may have begun


class Form(NamedTuple):
    """A form of a secret."""

    text: str
    """The form, folded."""
    before: int = 0
    """The number of characters before it that hold a part of the secret, too."""
    after: int = 0
    """The number of characters after it that hold a part of the secret, too."""
    padding: str = ""
    """The character that may fill the form after that."""


def folded(text: str) -> str:
    """Return a text in lower case, of the same length."""
    lower = text.lower()
    if len(lower) != len(text):
        lower = text.replace("İ", "I").lower()  # the only character whose lower case has another length
    return lower if lower.isascii() else lower.replace("ς", "σ")  # which depends on its place in a word


def forms_of(values: Iterable[str]) -> tuple[Form, ...]:
    """Return all forms of secrets, longest first."""
    found = {form for value in values for form in _known_forms(value)}
    return tuple(sorted(found, key=lambda form: (-len(form.text), form)))


@lru_cache(maxsize=256)
def _known_forms(value: str) -> tuple[Form, ...]:
    """Return the forms of a secret. Each request of a client has the same one."""
    return tuple(_forms(value))


def _forms(value: str) -> Iterator[Form]:
    data = value.encode(errors="surrogatepass")
    texts = {
        value,
        data.decode("latin-1"),
        json.dumps(value)[1:-1],
        quote_plus(value, errors="replace"),
        data.hex(),
    }
    yield from map(Form, map(folded, texts))
    yield from _in_base64(data)


def _in_base64(data: bytes) -> Iterator[Form]:
    """Yield the forms in base64, which depend on the number of bytes before the secret."""
    for offset in range(3):
        encoded = base64.b64encode(bytes(offset) + data).decode().rstrip("=")
        is_complete = (offset + len(data)) % 3 == 0
        begin, end = -(-offset * 8 // 6), len(encoded) - (not is_complete)
        inside = encoded[begin:end]
        for text in {inside, inside.replace("+", "-").replace("/", "_")}:
            yield Form(text.lower(), min(offset, 1), not is_complete, "=")


def find_forms(forms: Iterable[Form], text: str) -> list[Span]:
    """Return the spans of the forms in a text. Spans may overlap."""
    lower = folded(text)
    found = []
    for form in forms:
        at = lower.find(form.text)
        while at >= 0:
            found.append(_extended(form, text, at))
            at = lower.find(form.text, at + len(form.text))
    return found


def find_beginnings(forms: Iterable[Form], text: str) -> Iterator[Span]:
    """Yield the spans of the beginnings of forms at the end of a text, where a stream was cut."""
    lower = folded(text[-_LONGEST_BEGINNING:])
    for form in forms:
        if begun := _begun(form.text, lower):
            yield len(text) - begun, len(text)


def _extended(form: Form, text: str, at: int) -> Span:
    end = min(at + len(form.text) + form.after, len(text))
    while form.padding and text[end : end + 1] == form.padding:
        end += 1
    return max(0, at - form.before), end


def _begun(form: str, text: str) -> int:
    """Return how many characters of a form are at the end of a text. Return 0 if there are too few."""
    begin = form[:SHORTEST]
    at = text.find(begin, max(0, len(text) - len(form) + 1))
    while at >= 0:
        if form.startswith(text[at:]):
            return len(text) - at
        at = text.find(begin, at + 1)
    return 0
